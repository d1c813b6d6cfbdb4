"""Where the candidates of a large collection come from: an index over all references, in this process or on a server.

A source may lag behind the catalogue and round its similarities; `core.embedding.references` confirms what it
proposes and adds what it does not hold yet. It knows ids, classes and kinds, and no images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Among:
    """Which references take part: those of ``class_ids`` and ``kinds`` (None: of all), without those of ``but``."""

    class_ids: tuple[int, ...] | None = None
    kinds: tuple[str, ...] | None = None
    but: tuple[int, ...] = ()

    def without(self, class_ids: Iterable[int]) -> Among:
        return replace(self, but=tuple(sorted({*self.but, *class_ids})))

    def holds(self, class_ids: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Of references with these classes and kinds (N,): which take part (N,)."""
        keep = np.ones(len(class_ids), bool)
        if self.class_ids is not None:
            keep &= np.isin(class_ids, np.array(self.class_ids, np.int64))
        if self.but:
            keep &= ~np.isin(class_ids, np.array(self.but, np.int64))
        if self.kinds is not None:
            keep &= np.isin(kinds, self.kinds)
        return keep


ALL = Among()


class Source(Protocol):
    """An index over references. ``slack``: how far one of its similarities may be from the true one, at most; 0 for
    one that promises no exact answer (its recall is measured instead)."""

    slack: float

    @property
    def at(self) -> int:
        """The version of the catalogue up to which it holds every change."""

    def __len__(self) -> int: ...

    def search(self, query: np.ndarray, k: int, among: Among = ALL) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) int64 and similarities (M,) float32 of the ``k`` (or fewer, where there are no more) most
        similar references to ``query`` (D,), most similar first."""
