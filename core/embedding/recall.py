"""The recall of an index: how many of the true nearest references it finds for the workspace's own vectors.

The truth comes from a scan of all vectors in the catalogue, whose memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from core.catalogue import vectorstore
from core.catalogue.vectorstore import Rows
from core.embedding.candidates import ALL, Among
from core.embedding.nearest import Best

ASKED = 200  # of the workspace's own vectors; all where there are fewer
K = 10  # neighbours: recall@10
KEPT = 4 * K  # true neighbours remembered, so that of those that tie for the last place any is right
TIE = 1e-6
TARGET = 0.99  # below which an index is given more to look at, or refused

# Queries (Q, D), k, among -> the ids that are proposed for each.
Answer = Callable[[np.ndarray, int, Among], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Recall:
    """The share of the true `K` nearest that were found, of ``asked`` vectors: among all (``whole``), among the own
    class of each (``by_class``), among its kind (``by_kind``). ``lowest``: of the worst single question."""

    asked: int
    whole: float
    by_class: float
    by_kind: float
    lowest: float

    @property
    def held(self) -> float:
        """What `TARGET` is asked of: the lowest of the three."""
        return min(self.whole, self.by_class, self.by_kind)


class Truth:
    """Vectors asked (Q, D), and the `KEPT` nearest of each under each filter: what `of` measures by. Of references that
    tie for the last place whichever is proposed counts as found."""

    def __init__(self, asked: Rows) -> None:
        self.asked = asked
        self._filters = [
            [ALL] * len(asked),
            [Among(class_ids=(class_id,)) for class_id in asked.class_ids.tolist()],
            [Among(kinds=(kind,)) for kind in asked.kinds.tolist()],
        ]
        self._best = [Best(len(asked), KEPT) for _ in self._filters]

    def see(self, rows: Rows) -> None:
        """Compare some more references."""
        alike = self.asked.vectors @ rows.vectors.T
        masks = (
            None,
            self.asked.class_ids[:, None] == rows.class_ids[None],
            self.asked.kinds[:, None] == rows.kinds[None],
        )
        for best, mask in zip(self._best, masks, strict=True):
            best.see(rows.ids, alike if mask is None else np.where(mask, alike, -np.inf))

    def of(self, answer: Answer) -> Recall:
        shares = []
        for filters, best in zip(self._filters, self._best, strict=True):
            each, ids, alike = np.ones(len(filters)), best.ids, best.alike
            for among in dict.fromkeys(filters):  # those that share a filter are asked at once
                rows = [row for row, own in enumerate(filters) if own == among]
                for row, found in zip(rows, answer(self.asked.vectors[rows], K, among), strict=True):
                    if wanted := min(K, int(np.isfinite(alike[row]).sum())):
                        right = ids[row][alike[row] >= alike[row][wanted - 1] - TIE]
                        each[row] = min(len(np.intersect1d(right, found)), wanted) / wanted
            shares.append(each)
        means = [float(share.mean()) if len(share) else 1.0 for share in shares]
        lowest = float(min((share.min() for share in shares if len(share)), default=1.0))
        return Recall(len(self.asked), means[0], means[1], means[2], lowest)


def measured(connection: sa.Connection, space: str, rng: np.random.Generator, *, count: int = ASKED) -> Truth:
    """The truth for ``count`` references drawn by ``rng``, after one scan of all."""
    return seen(vectorstore.drawn(connection, space, count, rng), vectorstore.all_references(connection, space))


def seen(asked: Rows, blocks: Iterable[Rows]) -> Truth:
    """The truth for ``asked`` among all of ``blocks``."""
    truth = Truth(asked)
    for rows in blocks:
        truth.see(rows)
    return truth
