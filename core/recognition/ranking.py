"""From the nearest references to ranked classes: the k-NN vote.

Says which class is likeliest, not whether to believe it (`core.recognition.calibrate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.embedding.candidates import References

TEMPERATURE = 0.07  # of the vote: Wu et al. 2018, https://arxiv.org/abs/1805.01978, section 3.4
FETCHED = 64  # neighbours that are fetched; where a few classes fill them, the nearest of each further one


@dataclass(frozen=True)
class ClassAnswer:
    """One candidate class: cosine ``similarity`` (-1 to 1) of its best reference ``item_id``, and
    its share of the ``vote`` (0 to 1). ``strokes``, where they were compared: what it costs to lay the query onto that
    reference, the reference onto the query, the deformation it takes, and what all that takes from the candidate's
    place in the order (`core.recognition.evidence`)."""

    class_id: int
    similarity: float
    vote: float
    item_id: int
    strokes: tuple[float, float, float, float] | None = None


def vote_weights(similarities: np.ndarray) -> np.ndarray:
    """The weight of each neighbour's vote, (..., k) -> (..., k): exp(similarity / 0.07) (Wu et al. 2018).

    Taken from the nearest one, which changes no share and keeps the exponential in range.
    """
    return np.exp((similarities - similarities.max(axis=-1, keepdims=True)) / TEMPERATURE)


def rank(
    vector: np.ndarray, gallery: References, *, k: int = 10, top: int = 5, allowed: Any = None
) -> list[ClassAnswer]:
    """The ``top`` likeliest classes for ``vector`` (D,), best first, each with its best reference.

    The k nearest references among the selection ``allowed`` (all where None) vote for their
    classes. Classes outside the k nearest follow by the similarity of their best reference, so
    that an answer always has something to compare.
    """
    return ranked(Neighbours(vector, gallery, allowed), k=k, top=top)


class Neighbours:
    """The nearest references to ``vector`` (D,) among the selection ``allowed``; who asks again for as many is
    answered from what was fetched, as reading a large base once takes most of an answer's time."""

    def __init__(self, vector: np.ndarray, gallery: References, allowed: Any = None) -> None:
        self.vector, self.gallery, self.allowed = vector, gallery, allowed
        self._fetched = 0
        self._found: tuple[np.ndarray, np.ndarray] = np.empty(0, np.int64), np.empty(0, np.float32)

    def first(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) of the ``count`` nearest, or of all where there are fewer."""
        if self._fetched < count:
            self._found, self._fetched = self.gallery.nearest(self.vector, count, self.allowed), count
        return self._found[0][:count], self._found[1][:count]

    def of_classes(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The classes, ids and similarities (M,) of the nearest of each of the ``count`` nearest classes."""
        return self._with_classes(self.gallery.first_of_classes(self.vector, count, self.allowed))

    def outside(self, class_ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same of the nearest one that is of none of these classes."""
        pool = self.gallery.without(self.allowed, class_ids)
        return self._with_classes(self.gallery.nearest(self.vector, 1, pool))

    def _with_classes(self, found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.gallery.classes_of(found[0]), *found


def ranked(near: Neighbours, *, k: int = 10, top: int = 5) -> list[ClassAnswer]:
    """As `rank`, of neighbours that may have been fetched before."""
    ids, similarities = near.first(FETCHED)
    if not len(ids):
        return []
    class_ids = near.gallery.classes_of(ids)
    best = _best_of_each(class_ids, ids, similarities, limit=k + top)  # the k nearest vote for at most k of them
    if len(best) < top and len(ids) == FETCHED:  # a few classes fill them
        best |= _best_of_each(*near.of_classes(k + top), limit=k + top)
        while len(best) < top:
            further = _best_of_each(*near.outside(best), limit=1)
            if not further:
                break
            best |= further

    votes: dict[int, float] = {}
    weights = vote_weights(similarities[:k])
    for class_id, weight in zip(class_ids[:k].tolist(), (weights / weights.sum()).tolist(), strict=True):
        votes[class_id] = votes.get(class_id, 0.0) + weight
    ordered = sorted(best, key=lambda c: (-votes.get(c, 0.0), -best[c][1]))[:top]
    return [ClassAnswer(c, best[c][1], votes.get(c, 0.0), best[c][0]) for c in ordered]


def _best_of_each(
    class_ids: np.ndarray, ids: np.ndarray, similarities: np.ndarray, *, limit: int
) -> dict[int, tuple[int, float]]:
    """Class id -> its nearest item and similarity, of the ``limit`` nearest classes; the rows come nearest first."""
    first = np.sort(np.unique(class_ids, return_index=True)[1])[:limit]
    rows = zip(class_ids[first].tolist(), ids[first].tolist(), similarities[first].tolist(), strict=True)
    return {class_id: (item_id, similarity) for class_id, item_id, similarity in rows}
