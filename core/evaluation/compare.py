"""Two evaluations side by side, on the queries that both were asked: the change of each class, and whether the
difference is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.predictions import Predictions
from core.evaluation.report import Share
from core.ground.errors import BadInput
from core.recognition.metrics import mcnemar


@dataclass(frozen=True)
class ClassChange:
    """One class: its common queries ``n``, how many were right ``before`` and ``after``, and the content hashes of
    those that ``moved`` from one to the other."""

    folder: str
    name: str
    n: int
    before: int
    after: int
    moved: tuple[str, ...] = ()

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class LeftOut:
    """How many images cannot be compared: ``relabelled`` between the two evaluations, asked of one and a reference
    (``learnt``) of the other, or asked of one and neither asked of the other nor a reference there (``unasked``)."""

    relabelled: int = 0
    learnt: int = 0
    unasked: int = 0

    def __len__(self) -> int:
        return self.relabelled + self.learnt + self.unasked


@dataclass(frozen=True)
class Comparison:
    """On the ``queries`` that both were asked: right answers ``before`` and ``after``, content hashes that were
    ``gained`` and ``lost``, McNemar's exact ``p_value``, and the classes, the largest change first.

    ``references``: how many references only one of the two answered from, by content and class.
    """

    queries: int
    left_out: LeftOut
    references: int
    before: Share
    after: Share
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    p_value: float
    classes: tuple[ClassChange, ...]

    @property
    def significant(self) -> bool:
        """Whether chance would do as much in less than one of twenty times."""
        return self.p_value < 0.05


def compare(before: Predictions, after: Predictions) -> Comparison:
    """Compare two evaluations; raises `BadInput` where they have no query in common."""
    rows_before, rows_after = _asked(before), _asked(after)
    common = sorted(rows_before.keys() & rows_after.keys())
    if not common:
        raise BadInput("The two evaluations have no image in common: they were made on other splits.")
    one = np.array([rows_before[key] for key in common])
    two = np.array([rows_after[key] for key in common])
    right_before = (before.predicted == before.truth)[one]
    right_after = (after.predicted == after.truth)[two]
    folders = np.array([folder for folder, _sha256 in common])
    names = dict(zip(after.folders, after.names, strict=True))
    sha256 = np.array([sha256 for _folder, sha256 in common])
    classes = [
        ClassChange(
            folder,
            names[folder],
            int(own.sum()),
            int(right_before[own].sum()),
            int(right_after[own].sum()),
            tuple(sha256[own & (right_before != right_after)].tolist()),
        )
        for folder in np.unique(folders).tolist()
        for own in (folders == folder,)
    ]
    return Comparison(
        queries=len(common),
        left_out=_left_out(before, after, {sha256 for _folder, sha256 in rows_before.keys() ^ rows_after.keys()}),
        references=len(_references(before) ^ _references(after)),
        before=Share(int(right_before.sum()), len(common)),
        after=Share(int(right_after.sum()), len(common)),
        gained=tuple(sha256[right_after & ~right_before].tolist()),
        lost=tuple(sha256[right_before & ~right_after].tolist()),
        p_value=mcnemar(right_before, right_after),
        classes=tuple(sorted(classes, key=lambda each: (-abs(each.change), each.change, each.folder))),
    )


def _asked(predictions: Predictions) -> dict[tuple[str, str], int]:
    """(class folder, content hash) of the known queries -> row."""
    rows = np.flatnonzero(predictions.known).tolist()
    return {(predictions.folders[predictions.truth[row]], str(predictions.sha256[row])): row for row in rows}


def _left_out(before: Predictions, after: Predictions, hashes: set[str]) -> LeftOut:
    both = set(before.sha256.tolist()) & set(after.sha256.tolist())
    learnt = set(before.gallery.tolist()) | set(after.gallery.tolist())
    relabelled = hashes & both
    return LeftOut(len(relabelled), len((hashes - both) & learnt), len(hashes - both - learnt))


def _references(predictions: Predictions) -> set[tuple[str, str]]:
    """(class folder, content hash) of what the answers come from."""
    folders = [predictions.folders[number] for number in predictions.gallery_truth.tolist()]
    return set(zip(folders, predictions.gallery.tolist(), strict=True))
