"""Where evaluations lie on disk, and how they are read back: one folder for each encoder and side.

A run's lie under the run; those of the encoder in use, while no run made it, under ``model/evaluation``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core.collection.dataset import Dataset
from core.evaluation.predictions import Asked, Predictions
from core.evaluation.report import EvaluationReport
from core.ground.errors import BadInput, NotFound
from core.ground.workspace import Workspace, write_atomic
from core.training.runs import Runs, snapshot_of
from core.training.splits import Split
from core.variation.sources import originals_of

REPORT, SPLIT = "report.json", "split.json"


def folder_of(workspace: Workspace, run_id: str, side: Asked, *, space: str = "") -> Path:
    """The folder of a run's evaluation, or (``run_id`` "") of the encoder with this ``space``. It may not be there
    yet; raises `NotFound` for a run that is not."""
    if run_id:
        return Runs(workspace).get(run_id).folder / "evaluation" / side
    return workspace.model / "evaluation" / space / side


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

    def save(self, predictions: Predictions, report: EvaluationReport, split: Split) -> None:
        """Write all three; the report last, so that what can be read is whole."""
        (self.folder / REPORT).unlink(missing_ok=True)
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
