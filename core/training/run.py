"""A run: what was asked for, what happened and the weights that came out, in a folder of its own.

``model/runs/<id>/`` holds its record, its metrics and its networks; training it is `core.training.work`. A run whose
process is gone is interrupted, whatever its file says: the process holds a lock for as long as it lives.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from core.ground.errors import BadInput, BurinError, Conflict
from core.ground.locks import Hold, held_of, locked
from core.ground.rights import Actor, allow
from core.ground.workspace import write_atomic
from core.training.audit import LeakAudit
from core.training.settings import TrainSettings
from core.training.splits import Split

RunState = Literal["running", "finished", "stopped", "failed", "interrupted", "collapsed"]

BEST, LAST, RESUME = "best.safetensors", "last.safetensors", "resume.pt"
PAUSE, STOP = "pause", "stop"

LOCK = ".lock"  # held by the process that trains it


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
        if self.record.state == "running" and not held_of([self.folder / LOCK]):
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
        with locked(self.folder / LOCK, busy, wait_s=0.2) as held:  # a page that looks at it has it for a moment
            yield held

    def update(self, **changes: Any) -> None:
        """Change the record and write it."""
        self.record = replace(self.record, **changes)
        write_record(self.folder, self.record)

    def end(self, state: RunState, reason: BurinError | None = None) -> None:
        self.update(state=state, ended_at=time.time(), reason=reason.to_json() if reason else {})


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
