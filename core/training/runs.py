"""Runs on disk: ``model/runs/<id>/`` with what was asked for, what happened, and the weights that came out.

Reads, lists, renames and throws away; training them is `core.training.work`. A run whose process is gone is
interrupted, whatever its file says: the process holds a lock for as long as it lives.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Self

from core.ground.errors import BadInput, BurinError, Conflict, NotFound, changed_meanwhile
from core.ground.locks import Hold, held_of, locked
from core.ground.rights import Actor, allow
from core.ground.workspace import Workspace, new_id, write_atomic
from core.training.audit import LeakAudit
from core.training.promoted import promoted
from core.training.settings import TrainSettings
from core.training.splits import Split, snapshot_of
from core.variation.sources import Original, by_class

RunState = Literal["running", "finished", "stopped", "failed", "interrupted", "collapsed"]

BEST, LAST, RESUME = "best.safetensors", "last.safetensors", "resume.pt"
PAUSE, STOP = "pause", "stop"
VERSIONED = ("torch", "timm", "numpy", "pytorch-metric-learning", "safetensors")
LONGEST_NAME = 80

_LOCK = ".lock"
_TRASH = ".trash"


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` holds. ``state`` is as it was last written: ask `Run.state`. ``reason``: why it ended, a
    sentence (template and values). ``snapshot``: hash over the originals' (folder, sha256). ``classes``:
    {folder, name, originals}. ``best``: {epoch, scores} or None. ``overrides``: what a person set aside
    ("leak audit", "label safety"). ``number``: which one of the workspace it is, 0 where that was not kept;
    ``series``: what several repetitions of one training share. Times in seconds since 1970."""

    id: str
    name: str
    created_at: float
    settings: dict[str, Any]
    split: dict[str, Any]
    audit: dict[str, Any]
    seed: int = 0
    note: str = ""
    state: RunState = "running"
    ended_at: float | None = None
    reason: dict[str, Any] = field(default_factory=dict)
    snapshot: str = ""
    dataset_version: int | None = None
    source: str = ""
    start: str = ""
    classes: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    number: int = 0
    series: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Raises `BadInput` on anything else than the record of a run."""
        try:
            names = {f.name for f in fields(cls)}
            return cls(**{name: value for name, value in record.items() if name in names})
        except (TypeError, ValueError, AttributeError) as error:
            raise BadInput("This is not the record of a run.") from error


class Run:
    """One run, as its folder says now: `record` is read once, when the object is made."""

    def __init__(self, folder: Path, record: RunRecord, *, actor: Actor | None = None) -> None:
        self.actor = actor or Actor()
        self.folder = folder
        self.record = record

    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.record.name!r})"

    @property
    def id(self) -> str:
        return self.record.id

    @cached_property
    def settings(self) -> TrainSettings:
        return TrainSettings.from_json(self.record.settings)

    @cached_property
    def split(self) -> Split:
        return Split.from_json(self.record.split)

    @cached_property
    def audit(self) -> LeakAudit:
        return LeakAudit.from_json(self.record.audit)

    @property
    def number(self) -> int:
        """Which run of the workspace it is, from 1; 0 where nothing says so."""
        said = re.match(r"#(\d+) ", self.record.name)  # a record from before they were numbered
        return self.record.number or (int(said[1]) if said else 0)

    @property
    def brought_in(self) -> bool:
        """Whether it is a checkpoint from elsewhere: what was asked of its training, nobody knows."""
        return not self.record.split.get("side")

    @property
    def best_path(self) -> Path:
        return self.folder / BEST

    @property
    def last_path(self) -> Path:
        return self.folder / LAST

    @property
    def resume_path(self) -> Path:
        return self.folder / RESUME

    @property
    def resumable(self) -> bool:
        return self.state in ("interrupted", "stopped", "failed") and self.resume_path.is_file()

    @property
    def state(self) -> RunState:
        """The state, joined with whether a process still works on it; one that was asked to stop, and whose process was
        ended before it could say so, was stopped."""
        if self.record.state == "running" and not held_of([self.folder / _LOCK]):
            return "stopped" if self.asked_to_stop else "interrupted"
        return self.record.state

    @property
    def reason(self) -> BurinError | None:
        """Why it ended, as a sentence that the interface can translate."""
        said = self.record.reason
        return BurinError(said["template"], **said.get("values", {})) if said else None

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl`` in order; a line cut short counts for nothing."""
        return list(read_lines(self.folder / "metrics.jsonl"))

    def epochs(self) -> list[dict[str, Any]]:
        """The validation lines, one an epoch."""
        return [line for line in self.metrics() if line["kind"] == "epoch"]

    def pause(self) -> None:
        """Ask the training to wait at its next step; `go_on` lets it continue."""
        allow(self.actor, "run")
        (self.folder / PAUSE).touch()

    def go_on(self) -> None:
        allow(self.actor, "run")
        (self.folder / PAUSE).unlink(missing_ok=True)

    @property
    def paused(self) -> bool:
        return (self.folder / PAUSE).exists()

    def ask_to_stop(self) -> None:
        """Ask whoever trains it, a job or a shell, to stop after the step under way."""
        allow(self.actor, "run")
        (self.folder / STOP).touch()
        self.go_on()

    @property
    def asked_to_stop(self) -> bool:
        return (self.folder / STOP).exists()

    def begin(self) -> None:
        """Say that it is being trained, and forget what was asked of the training before."""
        (self.folder / STOP).unlink(missing_ok=True)
        self.go_on()
        self.update(state="running", ended_at=None, reason={})

    @contextmanager
    def held(self) -> Iterator[Hold]:
        """Keep every other process from training this run; raises `Conflict` when one does."""
        busy = Conflict("This run is being trained already.")
        with locked(self.folder / _LOCK, busy, wait_s=0.2) as held:  # a page that looks at it has it for a moment
            yield held

    def update(self, **changes: Any) -> None:
        """Change the record and write it."""
        self.record = replace(self.record, **changes)
        write_record(self.folder, self.record)

    def end(self, state: RunState, reason: BurinError | None = None) -> None:
        self.update(state=state, ended_at=time.time(), reason=reason.to_json() if reason else {})


class Runs:
    """The runs of a workspace; what changes one asks for the right "run" (`NotAllowed`)."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.runs

    def list(self) -> Sequence[Run]:
        """All that can be read, newest first."""
        return self._those(self._names())

    def under_way(self) -> Sequence[Run]:
        """Those that a process works on, newest first. Locks alone are looked at before: a record can be large."""
        names = self._names()
        held = held_of(self.folder / name / _LOCK for name in names)
        names = [name for name in names if self.folder / name / _LOCK in held]
        return [run for run in self._those(names) if run.state == "running"]

    def _names(self) -> Sequence[str]:
        return sorted(os.listdir(self.folder), reverse=True) if self.folder.is_dir() else []

    def _those(self, names: Iterable[str]) -> Sequence[Run]:
        found = []
        for name in names:
            with suppress(BurinError):
                found.append(self.get(name))
        return found

    def get(self, run_id: str) -> Run:
        """Raises `NotFound`."""
        folder = self._folder_of(run_id)
        try:
            record = RunRecord.from_json(json.loads((folder / "run.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, BadInput) as error:
            raise NotFound("There is no run {id}.", id=run_id) from error
        return Run(folder, replace(record, id=run_id), actor=self.workspace.actor)

    def find(self, text: str) -> Run:
        """The run of this id, name or number ("3" or "#3"). Raises `NotFound`, and `BadInput` where several are
        called so."""
        runs = self.list()
        found = [run for run in runs if run.id == text] or [run for run in runs if run.record.name == text]
        if not found and (number := text.removeprefix("#")).isdecimal() and number.isascii():
            found = [run for run in runs if run.number == int(number)]
        if not found:
            raise NotFound("There is no run {id}.", id=text)
        if len(found) > 1:
            ids = ", ".join(run.id for run in found)
            raise BadInput("Several runs are called {name}: say which by its id, {ids}.", name=text, ids=ids)
        return found[0]

    def create(
        self,
        settings: TrainSettings,
        split: Split,
        audit: LeakAudit,
        originals: Sequence[Original],
        *,
        run_id: str | None = None,
        name: str = "",
        note: str = "",
        state: RunState = "running",
        **facts: Any,
    ) -> Run:
        """A new run of these originals. ``facts``: other fields of `RunRecord`."""
        self.workspace.allow("run")
        run_id = run_id or new_id()
        folder, number = self._folder_of(run_id), self.next_number()
        folder.mkdir(parents=True)
        classes = [
            {"folder": each, "name": own[0].class_name, "originals": len(own)}
            for each, own in sorted(by_class(originals).items())
        ]
        record = RunRecord(
            id=run_id,
            name=name.strip()[:LONGEST_NAME] or default_name(settings, number),
            created_at=time.time(),
            settings=settings.to_json(),
            split=split.to_json(),
            audit=audit.to_json(),
            seed=settings.seed,
            number=number,
            note=note,
            state=state,
            snapshot=snapshot_of(originals),
            classes=classes,
            counts={"classes": len(classes), "originals": len(originals), **split.counts()},
            versions=versions(),
            machine={"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count() or 1},
            **facts,
        )
        write_record(folder, record)
        return Run(folder, record, actor=self.workspace.actor)

    def next_number(self) -> int:
        """What the next run is numbered in its default name: runs in the trash count, so that no number comes again."""
        return sum(1 for _run in self.folder.glob("[!.]*")) + len(self.deleted()) + 1

    def note(self, run_id: str, text: str, *, shown: str | None = None) -> None:
        """``shown`` as in `rename`."""
        self.workspace.allow("run")
        run = self.get(run_id)
        _unchanged(run, run.record.note, shown)
        run.update(note=text)

    def rename(self, run_id: str, name: str, *, shown: str | None = None) -> None:
        """Raises `BadInput` for an empty name or one that is too long; with ``shown``, the name that the person saw,
        `Conflict` where somebody gave it another in the meantime."""
        self.workspace.allow("run")
        run = self.get(run_id)
        _unchanged(run, run.record.name, shown)
        if not name.strip() or len(name.strip()) > LONGEST_NAME:
            raise BadInput("The name of a run has from 1 to {limit} characters.", limit=LONGEST_NAME)
        run.update(name=name.strip())

    def delete(self, run_id: str) -> None:
        """Into the trash, from which `restore` brings it back; raises `Conflict` while it is trained or in use."""
        self.workspace.allow("run")
        run = self.get(run_id)
        if run.state == "running":
            raise Conflict("This run is being trained: stop it first.")
        used = promoted(self.workspace)
        if used is not None and used.run_id == run_id:
            raise Conflict("Identify uses this run: promote another one, or go back to the one before, first.")
        trash = self.folder / _TRASH
        trash.mkdir(exist_ok=True)
        os.replace(run.folder, trash / run_id)

    def deleted(self) -> Sequence[str]:
        """The ids in the trash, newest first."""
        trash = self.folder / _TRASH
        return sorted(os.listdir(trash), reverse=True) if trash.is_dir() else []

    def deleted_name(self, run_id: str) -> str:
        """What a run in the trash is called; its id where that cannot be read."""
        with suppress(OSError, ValueError, BurinError):
            text = (self.folder / _TRASH / self._folder_of(run_id).name / "run.json").read_text(encoding="utf-8")
            return RunRecord.from_json(json.loads(text)).name
        return run_id

    def restore(self, run_id: str) -> Run:
        """Raises `NotFound` and `Conflict`."""
        self.workspace.allow("run")
        source, target = self.folder / _TRASH / run_id, self._folder_of(run_id)
        if not source.is_dir():
            raise NotFound("There is no run {id}.", id=run_id)
        if target.exists():
            raise Conflict("There is a run {id} already.", id=run_id)
        os.replace(source, target)
        return self.get(run_id)

    def _folder_of(self, run_id: str) -> Path:
        if not run_id.isalnum() or not run_id.isascii():
            raise NotFound("There is no run {id}.", id=run_id)
        return self.folder / run_id


def default_name(settings: TrainSettings, number: int) -> str:
    """What the ``number``-th run is called until a person names it."""
    return f"#{number} {settings.architecture}, {settings.loss}, {settings.preprocessing.size} px"


def versions() -> dict[str, str]:
    """What it was trained with."""
    found = {"python": platform.python_version()}
    for package in VERSIONED:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def write_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``, whole or not at all."""
    content = json.dumps(record.to_json(), ensure_ascii=False, indent=1)
    write_atomic(folder / "run.json", content.encode())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file of JSON lines."""
    with suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.endswith("\n"):
                with suppress(ValueError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record


def _unchanged(run: Run, held: str, shown: str | None) -> None:
    if shown is not None and held != shown:
        raise changed_meanwhile(run.record.name)
