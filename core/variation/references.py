"""References: originals with their vectors, and how near a picture made from one still is to its class.

What is asked of them is `core.variation.twins`' and `core.variation.safety`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import ImageRefused
from core.variation.sources import Original

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder, Picture


@dataclass(frozen=True)
class References:
    """Originals with their vectors (N, D) float32, L2-normalised, sorted by class folder; ``owners`` (N,)
    index ``folders``."""

    space: str
    originals: tuple[Original, ...]
    vectors: np.ndarray
    refused: tuple[FileOutcome, ...] = ()

    @cached_property
    def folders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(original.folder for original in self.originals))

    @cached_property
    def names(self) -> dict[str, str]:
        return {original.folder: original.class_name for original in self.originals}

    @cached_property
    def owners(self) -> np.ndarray:
        number = {folder: i for i, folder in enumerate(self.folders)}
        return np.array([number[original.folder] for original in self.originals], dtype=np.int64)

    @cached_property
    def starts(self) -> np.ndarray:
        return np.searchsorted(self.owners, np.arange(len(self.folders)))

    @cached_property
    def rows(self) -> dict[Original, int]:
        return {original: i for i, original in enumerate(self.originals)}

    @cached_property
    def typical(self) -> float:
        """How near members of one class are to each other: the first quartile, over up to 20 originals a class,
        of the cosine similarity to the nearest other one of the class. 1 where no class has two."""
        found: list[float] = []
        for number in range(len(self.folders)):
            some = self.vectors[self.owners == number][:20]
            alike = some @ some.T
            np.fill_diagonal(alike, -np.inf)
            found += alike.max(axis=1).tolist() if len(some) > 1 else []
        return float(np.quantile(found, 0.25)) if found else 1.0

    def of(self, folder: str) -> list[Original]:
        return [original for original in self.originals if original.folder == folder]

    def nearest(self, vectors: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For vectors (M, D) of the classes ``owners`` (M,): the similarity to the nearest reference of the own
        class, to the nearest of any other (-1 where there is no other), and which class that is (-1)."""
        rows = np.arange(len(vectors))
        best = np.maximum.reduceat(vectors @ self.vectors.T, self.starts, axis=1)
        own = best[rows, owners].copy()
        best[rows, owners] = -np.inf
        other = best.argmax(axis=1)
        similarity = best[rows, other]
        alone = ~np.isfinite(similarity)
        return own, np.where(alone, -1.0, similarity), np.where(alone, -1, other)


@dataclass(frozen=True)
class Judged:
    """One draw: how far it ``moved`` from its original (1 - cosine), the ``margin`` by which it is nearer to
    its own class than to the ``nearest`` other one (its name; "" where there is none), the ``similarity`` to
    that one, and whether it is ``unsafe``: margin below 0."""

    moved: float
    margin: float
    nearest: str
    similarity: float

    @property
    def unsafe(self) -> bool:
        return self.margin < 0


def references(originals: Sequence[Original], embedder: Embedder, dataset: Dataset | None = None) -> References:
    """Embed ``originals``, with the vectors that ``dataset`` has already; unreadable ones are listed in
    ``refused`` and left out."""
    originals = sorted(originals, key=lambda original: original.folder)
    known: dict[int, np.ndarray] = {}
    if dataset is not None:
        ids, _classes, _kinds, matrix = dataset.vectors(embedder.space)
        known = dict(zip(ids.tolist(), matrix, strict=True))
    missing = [o for o in originals if o.item_id is None or o.item_id not in known]
    fresh = dict(zip(missing, embedder.embed_images(o.read for o in missing), strict=True))
    kept, vectors, refused = [], [], []
    for original in originals:
        vector = fresh[original] if original in fresh else known[original.item_id or 0]
        if isinstance(vector, ImageRefused):
            refused.append(FileOutcome(f"{original.folder}/{original.path.name}", "refused", vector))
        else:
            kept.append(original)
            vectors.append(vector)
    matrix = np.stack(vectors) if vectors else np.empty((0, embedder.dimension), np.float32)
    return References(embedder.space, tuple(kept), matrix, tuple(refused))


def judge_all(pictures: Iterable[tuple[Original, Picture]], refs: References, embedder: Embedder) -> Iterator[Judged]:
    """Each picture beside the original it was made from, in order; pictures are made in the embedder's threads."""
    owners: deque[Original] = deque()

    def feed() -> Iterator[Picture]:
        for original, picture in pictures:
            owners.append(original)
            yield picture

    vectors = embedder.embed_images(feed())
    while block := list(islice(vectors, 256)):
        if failed := next((each for each in block if isinstance(each, ImageRefused)), None):
            raise failed  # it could be read a moment ago
        matrix = np.stack([np.asarray(vector) for vector in block])
        rows = np.array([refs.rows[owners.popleft()] for _each in block])
        moved = 1 - np.einsum("md,md->m", matrix, refs.vectors[rows])
        own, other, which = refs.nearest(matrix, refs.owners[rows])
        for m, a, b, w in zip(moved.tolist(), own.tolist(), other.tolist(), which.tolist(), strict=True):
            yield Judged(m, a - b, refs.names[refs.folders[w]] if w >= 0 else "", b)


def spread(originals: Sequence[Original], most: int) -> list[Original]:
    """At most ``most`` of them, evenly over the list."""
    places = np.linspace(0, len(originals) - 1, min(most, len(originals))).round().astype(int)
    return [originals[i] for i in places]
