"""The gallery of a large collection: candidates from a `Source`, confirmed by the catalogue.

No vector is held here. What a source proposes is read from the catalogue, with its label of now, and compared in
float32; what changed since the source heard of it is compared whole. So an answer is that of a scan over the
catalogue, or there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import sqlalchemy as sa

from core.catalogue import vectorstore
from core.catalogue.vectorstore import Rows
from core.collection.dataset import Dataset
from core.embedding.candidates import ALL, Among, Source
from core.ground.errors import SearchAway
from core.ground.outlines import unpack

BACKLOG = 5000  # changes that a source may lag behind; more take longer to compare than anybody waits
OVER = 16  # candidates asked for beyond k, so that a few that changed or tie cost no second question
MOST = 16_384  # candidates of one question (Milvus answers with no more)
REMEMBERED = 200_000  # labels kept between a search and the vote on it


class LargeGallery:
    """References of ``dataset`` in a space, found through ``source``; the counterpart of
    `core.embedding.gallery.Gallery`, with the same questions and answers. Safe to use from several threads.

    Raises `SearchAway` where the source cannot answer, or lags behind by more than `BACKLOG` changes.
    """

    def __init__(self, dataset: Dataset, space: str, source: Source) -> None:
        self.version = dataset.version
        self.space = space
        self.source = source
        self._dataset = dataset
        self._classes: dict[int, int] = {}

    @property
    def has_outlines(self) -> bool:
        return True  # of some; whoever asks for them is told of which

    def __len__(self) -> int:
        return len(self.source) or len(self._pending()[1])

    def changed_since(self, version: int, *, limit: int) -> int:
        """How many items changed after ``version``, as far as ``limit``, which is the answer where nobody knows."""
        with self._dataset.catalogue.read() as connection:
            if not vectorstore.knows(connection, version):
                return limit
            return len(vectorstore.changed(connection, version, limit=limit))

    def nearest(self, vector: np.ndarray, k: int, among: Among | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) float32 of the ``k`` nearest references to ``vector`` (D,), or of all
        where there are fewer; most similar first, equal ones by id."""
        among = among or ALL
        pending, news = self._pending()
        asked = k + OVER
        while True:
            ids, similarities = self.source.search(vector, min(asked, MOST), among)
            last = float(similarities[-1]) if len(ids) >= min(asked, MOST) else -np.inf
            known = self._read(ids[~np.isin(ids, pending)])
            found, alike = _ranked(vector, among, known, news)
            # what was not proposed is at most this similar, so from here on nothing can be missing
            exact = self.source.slack > 0 and last > -np.inf
            settled = len(found) >= k and (not exact or alike[k - 1] > last + self.source.slack)
            if settled or last == -np.inf or asked >= MOST:
                break
            asked *= 4
        self._remember(known, news)
        return found[:k], alike[:k]

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """How similar each of ``vectors`` (Q, D) is to its nearest reference (Q,); -1 without any."""
        return np.array([self.nearest(vector, 1)[1].max(initial=-1.0) for vector in vectors], np.float32)

    def classes_of(self, item_ids: np.ndarray) -> np.ndarray:
        """The class ids (N,) of these items, as they were when they were found."""
        held = self._classes
        lacking = [item for item in item_ids.tolist() if item not in held]
        if lacking:
            with self._dataset.catalogue.read() as connection:
                self._remember(vectorstore.references(connection, self.space, lacking))
            held = self._classes
        return np.array([held.get(item, -1) for item in item_ids.tolist()], np.int64)

    def kinds_of(self, item_ids: np.ndarray) -> np.ndarray:
        """The kinds (N,) of these items; "" for one that is no reference any more."""
        with self._dataset.catalogue.read() as connection:
            rows = vectorstore.references(connection, self.space, item_ids.tolist())
        held = dict(zip(rows.ids.tolist(), rows.kinds.tolist(), strict=True))
        return np.array([held.get(item, "") for item in item_ids.tolist()])

    def select(self, *, class_ids: list[int] | None = None, kinds: list[str] | None = None) -> Among | None:
        """Those of these classes and kinds; None when nothing is filtered out."""
        if class_ids is None and kinds is None:
            return None
        return Among(None if class_ids is None else tuple(class_ids), None if kinds is None else tuple(kinds))

    def without(self, among: Among | None, class_ids: Iterable[int]) -> Among:
        """The same without these classes."""
        return (among or ALL).without(class_ids)

    def outlines_of(self, item_ids: np.ndarray) -> np.ndarray | None:
        """The outlines (N, P, 3) uint8 of these items, zeros where none was made."""
        with self._dataset.catalogue.read() as connection:
            made = vectorstore.outlines_of(connection, self.space, item_ids.tolist())
        return np.stack([unpack(made.get(item, b"")) for item in item_ids.tolist()])

    def read(self, ask: Callable[[sa.Connection, str], Rows]) -> Rows:
        """What a question of `core.catalogue.vectorstore` answers, in this space."""
        with self._dataset.catalogue.read() as connection:
            return ask(connection, self.space)

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Class ids (C,) and how many references each has (C,)."""
        with self._dataset.catalogue.read() as connection:
            return vectorstore.class_sizes(connection, self.space)

    def _pending(self) -> tuple[np.ndarray, Rows]:
        """The items that changed since the source heard of them, and those of them that are references."""
        at = self.source.at
        with self._dataset.catalogue.read() as connection:
            if not vectorstore.knows(connection, at):
                raise SearchAway("Search cannot answer now: everything is being compared anew.")
            pending = vectorstore.changed(connection, at, limit=BACKLOG + 1)
            if len(pending) > BACKLOG:
                raise SearchAway("Search cannot answer now: more than {n} changes are still to be taken in.", n=BACKLOG)
            return pending, vectorstore.references(connection, self.space, pending.tolist())

    def _read(self, item_ids: np.ndarray) -> Rows:
        with self._dataset.catalogue.read() as connection:
            return vectorstore.references(connection, self.space, item_ids.tolist())

    def _remember(self, *rows: Rows) -> None:
        held = self._classes if len(self._classes) < REMEMBERED else {}
        for some in rows:
            held.update(zip(some.ids.tolist(), some.class_ids.tolist(), strict=True))
        self._classes = held


def _ranked(vector: np.ndarray, among: Among, *found: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The ids and similarities of those that take part, in order."""
    parts = [rows.only(among.holds(rows.class_ids, rows.kinds)) for rows in found if len(rows)]
    ids = np.concatenate([rows.ids for rows in parts]) if parts else np.empty(0, np.int64)
    # in float64 and rounded: equal rows are equally similar then, wherever BLAS has them
    similarities = [(rows.vectors.astype(np.float64) @ vector).astype(np.float32) for rows in parts]
    alike = np.concatenate(similarities) if parts else np.empty(0, np.float32)
    order = np.lexsort((ids, -alike))
    return ids[order], alike[order]
