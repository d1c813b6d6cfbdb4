"""The gallery: every labelled original of the workspace as a vector, ready to be searched.

The vectors live in the catalogue, keyed by content hash and space; a `Gallery` is a read-only
picture of them in memory at one version of the dataset, and can be thrown away at any time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.catalogue.records import Item
from core.collection.dataset import Dataset
from core.embedding.candidates import FURTHER
from core.embedding.neighbours import FlatIndex, VectorIndex
from core.ground.errors import BurinError, ImageRefused
from core.ground.images import SEEN_SIDE, decode
from core.ground.job_process import Report
from core.ground.outlines import outline_of, pack, unpack
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.sight.marks import Subject, pointed_at, sight

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

BATCH = 256  # images per transaction: a kill loses at most the embedding of this many


@dataclass(frozen=True)
class Gallery:
    """References at one dataset ``version``: rows of ``vectors`` (N, D) float32, L2-normalised,
    belong to ``item_ids`` (N,), ``class_ids`` (N,) and ``kinds`` (N,). ``outlines`` (N, P, 3) uint8 are
    the points of their strokes (`core.ground.outlines`), zeros where none were made; None: of no reference."""

    version: int
    space: str
    item_ids: np.ndarray
    class_ids: np.ndarray
    kinds: np.ndarray
    vectors: np.ndarray
    outlines: np.ndarray | None = None

    @classmethod
    def load(cls, dataset: Dataset, embedder: Embedder) -> Gallery:
        """Read what is embedded so far; `update` first to have everything."""
        version = dataset.version
        item_ids, class_ids, kinds, vectors = dataset.vectors(embedder.space)
        made = dataset.outlines(embedder.space)
        outlines = np.stack([unpack(made.get(item, b"")) for item in item_ids.tolist()]) if made else None
        return cls(
            version, embedder.space, item_ids, class_ids, np.asarray(kinds), vectors.reshape(-1, embedder.dimension),
            outlines,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def index(self) -> VectorIndex:
        index = FlatIndex(self.vectors.shape[1])
        index.add(self.item_ids, self.vectors)
        return index

    def nearest(self, vector: np.ndarray, k: int, allowed: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) of the ``k`` nearest references to ``vector`` (D,) among the ids
        ``allowed``, or of all where there are fewer; nearest first."""
        if not len(self):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        ids, similarities = self.index.search(vector[None], k, allowed=allowed)
        found = ids[0] >= 0
        return ids[0][found], similarities[0][found]

    def first_of_classes(
        self, vector: np.ndarray, count: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `core.embedding.candidates.References.first_of_classes`."""
        ids, similarities = self.nearest(vector, FURTHER, allowed)
        first = np.sort(np.unique(self.classes_of(ids), return_index=True)[1])[:count]
        return ids[first], similarities[first]

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """How similar each of ``vectors`` (Q, D) is to its nearest reference (Q,); -1 without any."""
        return (vectors @ self.vectors.T).max(axis=1, initial=-1.0)

    def without(self, allowed: np.ndarray | None, class_ids: Iterable[int]) -> np.ndarray:
        """The ids ``allowed`` (None: all) without those of these classes."""
        pool = self.item_ids if allowed is None else allowed
        return pool[~np.isin(self.classes_of(pool), list(class_ids))]

    def outlines_of(self, item_ids: np.ndarray) -> np.ndarray | None:
        """The outlines (N, P, 3) of these items, zeros where none was made; None where none were for any."""
        return None if self.outlines is None else self.outlines[self.rows_of(item_ids)]

    @property
    def has_outlines(self) -> bool:
        return self.outlines is not None

    def kinds_of(self, item_ids: np.ndarray) -> np.ndarray:
        """The kinds (N,) of these items, which must be in the gallery."""
        return self.kinds[self.rows_of(item_ids)]

    def classes_of(self, item_ids: np.ndarray) -> np.ndarray:
        """The class ids (N,) of these items, which must be in the gallery."""
        return self.class_ids[self.rows_of(item_ids)]

    def rows_of(self, item_ids: np.ndarray) -> np.ndarray:
        """The rows (N,) of these items, which must be in the gallery."""
        order = self._order
        if order is None:
            return np.searchsorted(self.item_ids, item_ids)
        return order[np.searchsorted(self.item_ids, item_ids, sorter=order)]

    @cached_property
    def _order(self) -> np.ndarray | None:
        """What sorts the item ids; None where they are sorted, as the catalogue gives them."""
        return None if (self.item_ids[1:] > self.item_ids[:-1]).all() else np.argsort(self.item_ids)

    def select(self, *, class_ids: list[int] | None = None, kinds: list[str] | None = None) -> np.ndarray | None:
        """The item ids of these classes and kinds; None when nothing is filtered out."""
        if class_ids is None and kinds is None:
            return None
        keep = np.ones(len(self), dtype=bool)
        if class_ids is not None:
            keep &= np.isin(self.class_ids, class_ids)
        if kinds is not None:
            keep &= np.isin(self.kinds, kinds)
        return self.item_ids[keep]


@dataclass(frozen=True)
class Update:
    """What `update` did: images ``embedded``, and the ``refused`` ones with their sentences."""

    embedded: int
    refused: list[tuple[Item, ImageRefused]]


def update(
    dataset: Dataset,
    embedder: Embedder,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    since: int = 0,
) -> Update:
    """Embed the items that have no vector in the embedder's space, and store the vectors; then the outlines of those
    that have none beside their vector.

    ``since``: only of what changed after that version of the dataset, which in a large one is found much sooner.
    Incremental: an image that was embedded before, under any name or class, costs nothing.
    Stopping keeps what is done. An image that cannot be read is listed and skipped.
    """
    missing = dataset.missing_vectors(embedder.space, since=since)
    found = zip(missing, embedder.embed_images(_reader(dataset, item, embedder) for item in missing), strict=True)
    refused: list[tuple[Item, ImageRefused]] = []
    embedded = done = 0
    while not should_stop() and (batch := list(itertools.islice(found, BATCH))):  # the next are embedded meanwhile
        vectors: dict[str, np.ndarray] = {}
        for item, vector in batch:
            if isinstance(vector, ImageRefused):
                refused.append((item, vector))
            else:
                vectors[item.sha256] = vector
        dataset.add_vectors(embedder.space, vectors)
        embedded += len(vectors)
        done += len(batch)
        if on_progress:
            on_progress(done, len(missing))
    _outline(dataset, embedder, should_stop, since)
    return Update(embedded, refused)


def _outline(dataset: Dataset, embedder: Embedder, should_stop: Callable[[], bool], since: int) -> None:
    """Make the outlines that are missing; of an image that cannot be read any more, none."""
    waiting = iter(dataset.missing_outlines(embedder.space, since=since))
    while not should_stop() and (batch := list(itertools.islice(waiting, BATCH))):
        made = {}
        for item in batch:
            with suppress(BurinError, OSError):
                made[item.sha256] = pack(outline_of(sight(_reader(dataset, item, embedder)(), embedder.preprocessing)))
        dataset.add_outlines(embedder.space, made)


def _reader(dataset: Dataset, item: Item, embedder: Embedder) -> Callable:
    """A call that decodes ``item``, or the mark in its region: made here, run in the embedder's threads beside the
    forward pass."""

    def read() -> Image.Image | Subject:
        within = SEEN_SIDE if item.region is None else None
        image = decode(dataset.image_bytes(item), name=item.path, grey=True, within=within)
        return pointed_at(image, item.region, embedder.preprocessing)

    return read


def run_index(workspace: Workspace, params: dict, report: Report, should_stop: Callable[[], bool]) -> dict:
    """The job: rescan the folders, embedding what is new with its row, then `update` the rest (known images
    without a vector in this space). Its result counts both."""
    from core.embedding.actors import spread
    from core.embedding.embedder import load_embedder

    # In nobody's name: whoever looks at a page may need it, and nothing that is not on disk already comes of it.
    dataset = Dataset(workspace, actor=Actor())
    with spread(load_embedder(workspace), workspace) as embedder:
        found = dataset.rescan(report, embedder=embedder, should_stop=should_stop)
        updated = update(dataset, embedder, on_progress=report, should_stop=should_stop)
    return {
        "added": found.added,
        "removed": found.removed,
        "embedded": updated.embedded,
        "refused": len(found.refused) + len(updated.refused),
    }
