"""The causes of wrong answers, as far as they can be told: a doubtful label, a doubtful reference, or the model.

Also the images that mislead others (hubs) and those that lie far from everything. Reads predictions and the
neighbourhood of all labelled images; relabels nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.evaluation.predictions import Predictions
from core.ground.translations import _
from core.review.neighbourhood import Neighbourhood
from core.review.predictions import NONE, Labels, content_classes
from core.review.predictions import Predictions as Votes
from core.review.queue import disagree

Cause = Literal["label", "reference", "model", "corrected"]

CAUSES: dict[Cause, str] = {
    "label": _("Likely a wrong label"),
    "reference": _("Likely a wrongly labelled reference"),
    "model": _("An error of the model"),
}  # of those that still stand
K = 10  # neighbours in which a hub is counted
AGREED = 0.7  # share of labels that the neighbours must say too, for what they say otherwise to mean anything


@dataclass(frozen=True)
class Fault:
    """One wrong answer: ``row`` of the predictions; ``gap``: by how much the wrong class was more similar than the
    true one; ``vote`` of the wrong class; the likely ``cause``, and how likely (``doubt``, 0 to 1, of the label or
    of the reference). "corrected": what was judged is not so any more, whatever the cause was."""

    row: int
    sha256: str
    true: int
    predicted: int
    gap: float
    vote: float
    cause: Cause
    doubt: float


@dataclass(frozen=True)
class Group:
    """Queries of class ``true`` that were called ``predicted``, the most wrong first."""

    true: int
    predicted: int
    faults: tuple[Fault, ...]

    @property
    def worst(self) -> float:
        return self.faults[0].gap


@dataclass(frozen=True)
class Doubts:
    """Labels that do not fit: content hash -> how much (0 to 1) the neighbours speak for ``said`` (a class id)
    rather than for the label. ``agreed``: the share of labels that the neighbours say too; below `AGREED` they blame
    none, and there is no doubt here."""

    doubt: dict[str, float]
    said: dict[str, int]
    agreed: float = 1.0

    @property
    def telling(self) -> bool:
        return self.agreed >= AGREED


@dataclass(frozen=True)
class Hub:
    """An image among the `K` nearest of ``times`` others, of which ``misled`` have another label."""

    sha256: str
    times: int
    misled: int


@dataclass(frozen=True)
class Outlier:
    """An image that is far from all others: cosine ``similarity`` to its nearest one."""

    sha256: str
    similarity: float


def doubts(labels: Labels, votes: Votes) -> Doubts:
    """Likely label errors among the items: the off-diagonal of the confident joint (Northcutt et al. 2021,
    https://arxiv.org/abs/1911.00068), with the votes of the neighbours as out-of-sample probabilities.

    A label is doubted when the class that the neighbours say gets at least the vote that its own images get on
    average. ``doubt`` is the difference of both votes (their normalised margin, halved and raised to 0 to 1). An
    encoder whose neighbours agree with too few labels errs more than people do, and blames none.
    """
    held = (labels.class_ids != NONE) & votes.known & votes.able
    classes, place = np.unique(labels.class_ids[held], return_inverse=True)
    if not len(classes):
        return Doubts({}, {})
    agreed = float((votes.class_ids[held] == labels.class_ids[held]).mean())
    if agreed < AGREED:
        return Doubts({}, {}, agreed)
    own = np.bincount(place, votes.own[held]) / np.bincount(place)
    said = np.searchsorted(classes, votes.class_ids).clip(max=len(classes) - 1)
    threshold = np.where(classes[said] == votes.class_ids, own[said], np.inf)
    rows = np.flatnonzero(disagree(labels, votes) & (votes.vote >= threshold))
    hashes = [sha256.decode("ascii") for sha256 in labels.sha256[rows].tolist()]
    margins = (votes.vote[rows] - votes.own[rows] + 1) / 2
    return Doubts(
        dict(zip(hashes, margins.tolist(), strict=True)),
        dict(zip(hashes, votes.class_ids[rows].tolist(), strict=True)),
        agreed,
    )


def was_corrected(
    predictions: Predictions, row: int, class_ids: Sequence[int | None], now: Mapping[str, int | None]
) -> bool:
    """Whether the image of a row is not of the judged class any more, or is gone. ``class_ids`` (C,): the id of each
    class of the predictions; ``now``: the class that each content still there has by now."""
    sha256 = str(predictions.sha256[row])
    return sha256 not in now or now[sha256] != class_ids[int(predictions.truth[row])]


def groups(
    predictions: Predictions,
    doubted: Doubts,
    class_ids: Sequence[int | None] = (),
    *,
    now: Mapping[str, int | None] | None = None,
) -> list[Group]:
    """The wrong answers by (true, predicted), the most wrong group and image first.

    An answer is put down to its label where that is in ``doubted`` and the neighbours say what was predicted; to
    the best reference of the predicted class where that is; otherwise to the model. ``class_ids`` (C,): the id of
    each class of the predictions; without, any doubt about the label counts. ``now`` (needs ``class_ids``): as in
    `was_corrected`; without, the labels are taken to be those of then.
    """
    found: dict[tuple[int, int], list[Fault]] = {}
    for row in predictions.wrong.tolist():
        true, predicted = int(predictions.truth[row]), int(predictions.predicted[row])
        sha256, vote = str(predictions.sha256[row]), float(predictions.votes[row, 0])
        cause, doubt = _cause(predictions, row, doubted, class_ids[predicted] if len(class_ids) else None)
        if now is not None and was_corrected(predictions, row, class_ids, now):
            cause, doubt = "corrected", 0.0
        fault = Fault(row, sha256, true, predicted, float(predictions.gap[row]), vote, cause, doubt)
        found.setdefault((true, predicted), []).append(fault)
    made = [
        Group(true, predicted, tuple(sorted(faults, key=lambda fault: -fault.gap)))
        for (true, predicted), faults in found.items()
    ]
    return sorted(made, key=lambda group: (-group.worst, group.true, group.predicted))


def hubs(labels: Labels, neighbourhood: Neighbourhood) -> list[Hub]:
    """Images that mislead: among the `K` nearest of more images of other classes than an image has neighbours.

    Bad hubs of Radovanović et al. 2010 (https://jmlr.org/papers/v11/radovanovic10a.html); the worst first.
    """
    classes = content_classes(labels, neighbourhood.sha256)
    near = neighbourhood.nearest[:, :K]
    asking, place = np.nonzero((near >= 0) & (classes != NONE)[:, None])
    target = near[asking, place]
    labelled = classes[target] != NONE
    asking, target = asking[labelled], target[labelled]
    times = np.bincount(target, minlength=len(classes))
    misled = np.bincount(target[classes[asking] != classes[target]], minlength=len(classes))
    rows = np.flatnonzero(misled > K)
    rows = rows[np.lexsort((rows, -misled[rows]))]
    return [Hub(neighbourhood.sha256[row].decode("ascii"), int(times[row]), int(misled[row])) for row in rows]


def outliers(labels: Labels, neighbourhood: Neighbourhood) -> list[Outlier]:
    """Present images whose nearest neighbour is farther than Tukey's fence: below the first quartile of all nearest
    similarities by more than 1.5 interquartile ranges. The farthest first."""
    rows = np.flatnonzero(np.isin(neighbourhood.sha256, labels.sha256))
    nearest = neighbourhood.similarities[rows, 0] if neighbourhood.kept else np.empty(0)
    there = np.isfinite(nearest)
    if there.sum() < 4:
        return []
    first, third = np.quantile(nearest[there], (0.25, 0.75))
    far = np.flatnonzero(there & (nearest < first - 1.5 * (third - first)))
    far = far[np.argsort(nearest[far], kind="stable")]
    return [Outlier(neighbourhood.sha256[rows[at]].decode("ascii"), float(nearest[at])) for at in far.tolist()]


def _cause(predictions: Predictions, row: int, doubted: Doubts, predicted: int | None) -> tuple[Cause, float]:
    sha256, reference = str(predictions.sha256[row]), str(predictions.references[row, 0])
    if sha256 in doubted.doubt and predicted in (None, doubted.said[sha256]):
        return "label", doubted.doubt[sha256]
    if reference in doubted.doubt:
        return "reference", doubted.doubt[reference]
    return "model", 0.0
