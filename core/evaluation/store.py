"""Where evaluations lie on disk, and how they are read back: one folder for each encoder and side.

A run's lie under the run; those of the encoder in use, while no run made it, under ``model/evaluation``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core.collection.dataset import Dataset
from core.evaluation.predictions import Asked, Predictions
from core.evaluation.report import EvaluationReport
from core.ground.errors import BadInput, NotFound
from core.ground.workspace import Workspace, scratch, sync_folder, write_atomic
from core.training.runs import Runs
from core.training.splits import Split, snapshot_of
from core.variation.sources import originals_of

REPORT, SPLIT = "report.json", "split.json"


def folder_of(workspace: Workspace, run_id: str, side: Asked, *, space: str = "") -> Path:
    """The folder of a run's evaluation, or (``run_id`` "") of the encoder with this ``space``. It may not be there
    yet; raises `NotFound` for a run that is not."""
    above = Runs(workspace).get(run_id).folder / "evaluation" if run_id else workspace.model / "evaluation" / space
    _finish(above / side)
    return above / side


def _ready(folder: Path) -> Path:
    """Where what is to replace an evaluation waits for it, whole."""
    return folder.with_name(f".{folder.name}.new")


def _finish(folder: Path) -> None:
    """Put what is ready in its place, where there is nothing any more."""
    if not folder.is_dir():
        with suppress(OSError):  # there is none; or another was quicker
            os.replace(_ready(folder), folder)
            sync_folder(folder.parent)


@dataclass(frozen=True)
class Changes:
    """What became of the labels since: content hashes ``relabelled``, ``gone`` from the labelled originals, and
    ``new`` ones that the evaluation has not seen."""

    relabelled: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.relabelled or self.gone or self.new)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on disk; its parts are read when they are asked for, each once."""

    folder: Path

    @property
    def exists(self) -> bool:
        return (self.folder / REPORT).is_file()

    @property
    def made_at(self) -> float:
        """When its report was written, in seconds since 1970: what caches of it go by; 0 where there is none."""
        return (self.folder / REPORT).stat().st_mtime if self.exists else 0.0

    @cached_property
    def predictions(self) -> Predictions:
        """Raises `NotFound` and `BadInput`."""
        return Predictions.read(self.folder)

    @cached_property
    def report(self) -> EvaluationReport:
        """Raises `NotFound` and `BadInput`."""
        return EvaluationReport.from_json(self._json(REPORT))

    @cached_property
    def split(self) -> Split:
        """Raises `NotFound` and `BadInput`."""
        return Split.from_json(self._json(SPLIT))

    def stale(self, dataset: Dataset) -> bool:
        """Whether the labels are others than those it was made with. Quick while the dataset has not changed at all."""
        about = self.report.about
        return about.version != dataset.version and about.snapshot != snapshot_of(originals_of(dataset))

    def changes(self, dataset: Dataset) -> Changes:
        """Which labels are others, when it is `stale`."""
        before = self.predictions.label_of()
        now = {original.sha256: original.folder for original in originals_of(dataset)}
        known = before.keys() | self.split.side.keys()  # the split's other sides are no news either
        return Changes(
            relabelled=tuple(sha256 for sha256, folder in before.items() if now.get(sha256, folder) != folder),
            gone=tuple(sha256 for sha256 in before if sha256 not in now),
            new=tuple(sha256 for sha256 in now if sha256 not in known),
        )

    @contextmanager
    def anew(self) -> Iterator[Evaluation]:
        """Another evaluation to write, which takes the place of this one whole when the block ends well.

        At every moment this one or the other can be read: what is killed between the two renames is brought to its end
        by the next one who looks (`folder_of`).
        """
        with scratch(self.folder) as folder:
            yield Evaluation(folder)
            shutil.rmtree(_ready(self.folder), ignore_errors=True)
            os.replace(folder, _ready(self.folder))
            sync_folder(self.folder.parent)
            with scratch(self.folder) as before:
                with suppress(FileNotFoundError):  # the first one
                    os.replace(self.folder, before)
                _finish(self.folder)

    def save(self, predictions: Predictions, report: EvaluationReport, split: Split) -> None:
        """Write all three; the report last, so that what can be read is whole."""
        predictions.save(self.folder)
        write_atomic(self.folder / SPLIT, json.dumps(split.to_json()).encode())
        content = json.dumps(report.to_json(), ensure_ascii=False, indent=1, allow_nan=False)
        write_atomic(self.folder / REPORT, content.encode())

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise NotFound("Nothing was evaluated here yet.") from error
        except (OSError, ValueError) as error:
            raise BadInput("The evaluation in {folder} is damaged: evaluate again.", folder=self.folder.name) from error
