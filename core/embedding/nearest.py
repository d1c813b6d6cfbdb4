"""The most similar references to many questions at once, found by looking at all of them block by block.

For what measures or calibrates; a person's question goes through a `core.embedding.candidates.Source`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.catalogue.vectorstore import Rows
from core.embedding.candidates import Among


class Best:
    """Of all that was `see`-n, the ``kept`` most similar to each of ``count`` questions, in order: ``ids`` and
    ``alike`` (count, M), -inf where there were fewer. Of equal ones at the last place whichever came first."""

    def __init__(self, count: int, kept: int) -> None:
        self.kept = kept
        self.ids = np.empty((count, 0), np.int64)
        self.alike = np.empty((count, 0), np.float32)

    def see(self, ids: np.ndarray, alike: np.ndarray) -> None:
        """Some more: their ``ids`` (N,), and how similar they are to each question (count, N), -inf where one does not
        take part."""
        if self.alike.shape[1] == self.kept:  # after the first blocks hardly any is among the best of anybody
            better = (alike > self.alike[:, -1:]).any(axis=0)
            ids, alike = ids[better], alike[:, better]
        both = np.concatenate([self.alike, alike], axis=1)
        which = np.concatenate([self.ids, np.broadcast_to(ids, alike.shape)], axis=1)
        best = _top(both, self.kept)
        self.ids, self.alike = np.take_along_axis(which, best, axis=1), np.take_along_axis(both, best, axis=1)

    @property
    def found(self) -> np.ndarray:
        """The ids of all of them, whatever they are similar to."""
        return np.unique(self.ids[np.isfinite(self.alike)])


def one_by_one(
    search: Callable[[np.ndarray, int, Among], tuple[np.ndarray, np.ndarray]], asked: Rows, k: int, *, at_once: int = 1
) -> np.ndarray:
    """As `core.embedding.candidates.Source.around`, through its ``search``, ``at_once`` questions at a time."""
    questions = [
        (vector, k, among)
        for vector, class_id in zip(asked.vectors, asked.class_ids.tolist(), strict=True)
        for among in (Among(class_ids=(class_id,)), Among(but=(class_id,)))
    ]
    with ThreadPoolExecutor(at_once) as pool:
        found = [ids for ids, _ in pool.map(lambda question: search(*question), questions)]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _top(alike: np.ndarray, k: int) -> np.ndarray:
    """The places (Q, k) of the highest in each row, highest first."""
    if alike.shape[1] > k:
        some = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        return np.take_along_axis(some, np.argsort(-np.take_along_axis(alike, some, axis=1), axis=1), axis=1)
    return np.argsort(-alike, axis=1)
