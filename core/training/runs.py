"""The runs of a workspace: listed, found, made, named, thrown away and brought back.

One of them is `core.training.run`'s; training it is `core.training.work`'s.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from core.ground.errors import BadInput, BurinError, Conflict, NotFound, changed_meanwhile
from core.ground.locks import held_of
from core.ground.workspace import Workspace, new_id
from core.training.audit import LeakAudit
from core.training.promoted import promoted
from core.training.run import LOCK, Run, RunRecord, RunState, write_record
from core.training.settings import TrainSettings
from core.training.splits import Split, snapshot_of
from core.variation.sources import Original, by_class

VERSIONED = ("torch", "timm", "numpy", "pytorch-metric-learning", "safetensors")
LONGEST_NAME = 80

_TRASH = ".trash"


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
        held = held_of(self.folder / name / LOCK for name in names)
        names = [name for name in names if self.folder / name / LOCK in held]
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


def _unchanged(run: Run, held: str, shown: str | None) -> None:
    if shown is not None and held != shown:
        raise changed_meanwhile(run.record.name)
