"""The gallery of a large collection: candidates from a `Source`, confirmed by the catalogue.

No vector is held here. What a source proposes is read from the catalogue, with its label of now, and compared in
float32; what changed since the source heard of it is compared whole. So an answer is that of a scan over the
catalogue, or there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from core.catalogue import vectorstore
from core.catalogue.vectorstore import Rows
from core.collection.dataset import Dataset
from core.embedding.candidates import ALL, FURTHER, Among, Source
from core.ground.errors import SearchAway
from core.ground.outlines import unpack

BACKLOG = 5000  # changes that a source may lag behind; more take longer to compare than anybody waits
OVER = 16  # candidates asked for beyond k, so that a few that changed or tie cost no second question
MOST = 16_384  # candidates of one question (Milvus answers with no more)
REMEMBERED = 200_000  # labels kept between a search and the vote on it


@dataclass(frozen=True)
class _Proposed:
    """What a source answered to ``key`` (a vector and a selection): ``ids`` and ``similarities`` (M,), as it was ``at``
    a version. ``whole``: all that take part, in any order where their similarities are not known (-inf)."""

    key: tuple[bytes, Among]
    at: int
    ids: np.ndarray
    similarities: np.ndarray
    whole: bool

    def first(self, count: int) -> np.ndarray:
        """The ``count`` most similar ones; all where nobody knows which those are."""
        known = len(self.ids) and np.isfinite(self.similarities[-1])
        return self.ids[:count] if known else self.ids


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
        self._last: _Proposed | None = None

    @property
    def has_outlines(self) -> bool:
        return True  # of some; whoever asks for them is told of which

    def __len__(self) -> int:
        return len(self.source) or len(self._pending())

    def changed_since(self, version: int, *, limit: int) -> int:
        """How many items changed after ``version``, as far as ``limit``, which is the answer where nobody knows."""
        with self._dataset.catalogue.read() as connection:
            if not vectorstore.knows(connection, version):
                return limit
            return len(vectorstore.changed(connection, version, limit=limit))

    def nearest(self, vector: np.ndarray, k: int, among: Among | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ids (M,) and similarities (M,) float32 of the ``k`` nearest references to ``vector`` (D,), or of all
        where there are fewer; most similar first, equal ones by id."""
        among, asked = among or ALL, min(k + OVER, MOST)
        while True:
            proposed = self._propose(vector, asked, among)
            some = proposed.first(asked)
            rows = self._confirm(proposed, some)
            found, alike = _ranked(vector, among, rows)
            # what was not proposed is at most this similar, so from here on nothing can be missing
            more = len(some) < len(proposed.ids) or not proposed.whole
            exact = more and self.source.slack > 0
            settled = not exact or alike[k - 1 : k] > proposed.similarities[len(some) - 1] + self.source.slack
            if (len(found) >= k and settled) or not more or asked >= MOST:
                break
            asked = min(4 * asked, MOST)
        self._remember(rows)
        return found[:k], alike[:k]

    def first_of_classes(
        self, vector: np.ndarray, count: int, among: Among | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `core.embedding.candidates.References.first_of_classes`: of the proposals of a class only those are read
        whole that may be its nearest."""
        proposed = self._propose(vector, FURTHER, among := among or ALL)
        with self._dataset.catalogue.read() as connection:
            pending = self._changed(connection, proposed.at)
            ids = proposed.ids[~np.isin(proposed.ids, pending)]
            alike, class_ids = proposed.similarities[np.isin(proposed.ids, ids)], self._labels(connection, ids)
            classes, first, of = np.unique(class_ids, return_index=True, return_inverse=True)
            near = alike >= alike[first][of] - 2 * self.source.slack  # of each class, what may be its nearest
            least = np.sort(alike[first][classes >= 0])[::-1][:count][-1:]
            wanted = (class_ids >= 0) & (alike[first][of] >= least.min(initial=np.inf) - 2 * self.source.slack)
            chosen = [*ids[near & wanted].tolist(), *pending.tolist()]
            rows = vectorstore.references(connection, self.space, chosen)
        self._remember(rows)
        found, alike = _ranked(vector, among, rows)
        each = np.sort(np.unique(self.classes_of(found), return_index=True)[1])[:count]
        return found[each], alike[each]

    def around(self, asked: Rows, k: int) -> np.ndarray:
        """The ids (M,) of the ``k`` nearest to each of ``asked``, of its own class and of all others, together; as the
        source knows them, and what changed since."""
        return np.union1d(self.source.around(asked, k), self._pending().ids)

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
        """Class ids (C,) and how many items each has (C,)."""
        with self._dataset.catalogue.read() as connection:
            return vectorstore.class_sizes(connection)

    def _propose(self, vector: np.ndarray, count: int, among: Among) -> _Proposed:
        """At least ``count`` candidates, or all. What was proposed last is kept: more of it may be asked for."""
        held, key = self._last, (vector.tobytes(), among)
        if held is None or held.key != key or not (held.whole or len(held.ids) >= count):
            at, count = self.source.at, max(count, self.source.proposes)
            ids, similarities = self.source.search(vector, count, among)
            held = _Proposed(key, at, ids, similarities, len(ids) < count or not np.isfinite(similarities[-1]))
            self._last = held
        return held

    def _confirm(self, proposed: _Proposed, item_ids: np.ndarray) -> Rows:
        """These items, and what changed since the source heard of it, as the catalogue has them now."""
        with self._dataset.catalogue.read() as connection:
            pending = self._changed(connection, proposed.at)
            return vectorstore.references(connection, self.space, [*item_ids.tolist(), *pending.tolist()])

    def _labels(self, connection: sa.Connection, item_ids: np.ndarray) -> np.ndarray:
        """The classes (N,) of items that did not change since the source heard of them, -1 of what is no reference."""
        if (known := self.source.labels(item_ids)) is not None:
            return known
        found = vectorstore.labels(connection, item_ids.tolist())
        return np.array([found.get(item, -1) for item in item_ids.tolist()], np.int64)

    def _pending(self) -> Rows:
        """The references that changed since the source heard of them."""
        at = self.source.at
        with self._dataset.catalogue.read() as connection:
            return vectorstore.references(connection, self.space, self._changed(connection, at).tolist())

    def _changed(self, connection: sa.Connection, at: int) -> np.ndarray:
        if not vectorstore.knows(connection, at):
            raise SearchAway("Search cannot answer now: everything is being compared anew.")
        pending = vectorstore.changed(connection, at, limit=BACKLOG + 1)
        if len(pending) > BACKLOG:
            raise SearchAway("Search cannot answer now: more than {n} changes are still to be taken in.", n=BACKLOG)
        return pending

    def _remember(self, rows: Rows) -> None:
        held = self._classes if len(self._classes) < REMEMBERED else {}
        held.update(zip(rows.ids.tolist(), rows.class_ids.tolist(), strict=True))
        self._classes = held


def _ranked(vector: np.ndarray, among: Among, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The ids and similarities of those that take part, in order."""
    rows = rows.only(among.holds(rows.class_ids, rows.kinds))
    # in float64 and rounded: equal rows are equally similar then, wherever BLAS has them
    alike = (rows.vectors.astype(np.float64) @ vector).astype(np.float32) if len(rows) else np.empty(0, np.float32)
    order = np.lexsort((rows.ids, -alike))
    return rows.ids[order], alike[order]
