"""Where the candidates of a large collection come from: an index over all references, in this process or on a server.

A source may lag behind the catalogue and round its similarities; `core.embedding.references` confirms what it
proposes and adds what it does not hold yet. It knows ids, classes and kinds, and no images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from core.catalogue.vectorstore import Rows

FURTHER = 1024  # nearest references among which further classes are looked for


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


class References(Protocol):
    """What an identification asks of a collection's references, however many there are and wherever they are searched.
    A selection is what `select` and `without` give, and None is all of them."""

    @property
    def version(self) -> int: ...

    @property
    def space(self) -> str: ...

    @property
    def has_outlines(self) -> bool: ...

    def __len__(self) -> int: ...

    def nearest(self, vector: np.ndarray, k: int, among: Any = None, /) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) of the ``k`` nearest to ``vector`` (D,), nearest first."""

    def first_of_classes(self, vector: np.ndarray, count: int, among: Any = None, /) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) of the nearest reference of each of the ``count`` nearest classes, or of
        fewer where the thousand nearest references are of no more; nearest first."""

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """How similar each of ``vectors`` (Q, D) is to its nearest reference (Q,); -1 without any."""

    def select(self, *, class_ids: list[int] | None = None, kinds: list[str] | None = None) -> Any: ...

    def without(self, among: Any, class_ids: Iterable[int], /) -> Any: ...

    def classes_of(self, item_ids: np.ndarray) -> np.ndarray: ...

    def kinds_of(self, item_ids: np.ndarray) -> np.ndarray: ...

    def outlines_of(self, item_ids: np.ndarray) -> np.ndarray | None: ...


class Source(Protocol):
    """An index over references. ``slack``: how far one of its similarities may be from the true one, at most; 0 for
    one that promises no exact answer (its recall is measured instead). ``proposes``: as many candidates as cost it
    hardly more than one."""

    slack: float
    proposes: int

    @property
    def at(self) -> int:
        """The version of the catalogue up to which it holds every change."""

    def __len__(self) -> int: ...

    def search(self, query: np.ndarray, k: int, among: Among = ALL) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) int64 and similarities (M,) float32 of the ``k`` (or fewer, where there are no more) most
        similar references to ``query`` (D,), most similar first."""

    def labels(self, item_ids: np.ndarray) -> np.ndarray | None:
        """The classes (N,) of these items as it has them; None where the catalogue is asked sooner."""

    def around(self, asked: Rows, k: int) -> np.ndarray:
        """The ids (M,) of the ``k`` most similar to each of ``asked``, of its own class and of all others, together
        and in no order: many questions at once, for what is measured and not answered."""
