"""Vectors in the catalogue: float32 rows keyed by the image's content and the space they live in, and beside each the
outline of the strokes that were seen for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.listing import item_of, with_class
from core.catalogue.records import Item

_OF_THE_ITEM = db.vectors.c.sha256 == db.seen_as
_REFERS = sa.and_(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.items.c.sight != "doubt")


@dataclass(frozen=True)
class Rows:
    """References as the catalogue has them: ``ids``, ``class_ids`` and ``versions`` (N,) int64, ``kinds`` (N,), and
    ``vectors`` (N, D) float32; by id."""

    ids: np.ndarray
    class_ids: np.ndarray
    kinds: np.ndarray
    versions: np.ndarray
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, which: np.ndarray) -> Rows:
        return Rows(
            self.ids[which], self.class_ids[which], self.kinds[which], self.versions[which], self.vectors[which]
        )


def add_vectors(connection: sa.Connection, space: str, found: Mapping[str, np.ndarray]) -> int:
    """Store vectors (D,) by content hash, in the caller's transaction; those already there stay. How many were new."""
    known: set[str] = set()
    for some in db.chunks(found):
        query = sa.select(db.vectors.c.sha256).where(db.vectors.c.space == space, db.vectors.c.sha256.in_(some))
        known.update(connection.execute(query).scalars())
    rows = [
        {"sha256": sha256, "space": space, "vector": np.asarray(vector, dtype="<f4").tobytes()}
        for sha256, vector in found.items()
        if sha256 not in known
    ]
    if rows:
        connection.execute(sa.insert(db.vectors), rows)
    return len(rows)


def vectors(connection: sa.Connection, space: str) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Present, labelled items that have a vector in ``space`` and whose sight is not in doubt: ids (N,), class ids (N,)
    int64, kinds, and the vectors (N, D) float32, by item id."""
    query = (
        sa.select(db.items.c.id, db.items.c.class_id, db.items.c.kind, db.vectors.c.vector)
        .join(db.vectors, sa.and_(db.vectors.c.sha256 == db.seen_as, db.vectors.c.space == space))
        .where(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.items.c.sight != "doubt")
        .order_by(db.items.c.id)
    )
    rows = connection.execute(query).all()
    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    class_ids = np.fromiter((row[1] for row in rows), dtype=np.int64, count=len(rows))
    matrix = np.frombuffer(b"".join(row[3] for row in rows), dtype="<f4").astype(np.float32)
    return ids, class_ids, [row[2] for row in rows], matrix.reshape(len(rows), -1) if rows else matrix.reshape(0, 0)


def missing_vectors(connection: sa.Connection, space: str, *, since: int = 0) -> list[Item]:
    """Present items, labelled or not, whose content has no vector in ``space``, each content once; of those that
    changed after version ``since``."""
    known = (
        sa.select(db.vectors.c.sha256).where(db.vectors.c.space == space, db.vectors.c.sha256 == db.seen_as).exists()
    )
    query = with_class().where(db.items.c.state == "present", ~known, *_changed_after(since))
    rows = connection.execute(query.order_by(db.items.c.id))
    return list({item.sha256: item for item in map(item_of, rows)}.values())


def outlines(connection: sa.Connection, space: str) -> dict[int, bytes]:
    """Of present, labelled items embedded in ``space``, by item id: the stored outline, where one was made."""
    query = (
        sa.select(db.items.c.id, db.vectors.c.outline)
        .join(db.vectors, sa.and_(db.vectors.c.sha256 == db.seen_as, db.vectors.c.space == space))
        .where(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.vectors.c.outline.is_not(None))
    )
    return {item_id: bytes(outline) for item_id, outline in connection.execute(query)}


def missing_outlines(connection: sa.Connection, space: str, *, since: int = 0) -> list[Item]:
    """Present, labelled items with a vector in ``space`` and no outline beside it, each content once; likewise."""
    bare = sa.select(db.vectors.c.sha256).where(db.vectors.c.space == space, db.vectors.c.outline.is_(None))
    here = sa.and_(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.seen_as.in_(bare))
    rows = connection.execute(with_class().where(here, *_changed_after(since)).order_by(db.items.c.id))
    return list({item.sha256: item for item in map(item_of, rows)}.values())


def add_outlines(connection: sa.Connection, space: str, found: Mapping[str, bytes]) -> None:
    """Store outlines by content hash beside their vectors, in the caller's transaction."""
    row = sa.and_(db.vectors.c.sha256 == sa.bindparam("of"), db.vectors.c.space == space)
    if found:
        statement = sa.update(db.vectors).where(row).values(outline=sa.bindparam("made"))
        connection.execute(statement, [{"of": sha256, "made": made} for sha256, made in found.items()])


def references_version(connection: sa.Connection) -> int:
    """The last version that changed what `vectors` gives; equal ones mean equal references."""
    noted = connection.execute(sa.select(sa.func.max(db.outbox.c.version))).scalar() or 0
    return max(noted, int(db.value(connection, "references_from", "0")))


def changed(connection: sa.Connection, since: int, *, limit: int | None = None) -> np.ndarray:
    """The ids (N,) int64 of items whose label, kind, state, sight or vector changed after version ``since``, ordered by
    when; the first ``limit``."""
    query = sa.select(db.outbox.c.item_id).where(db.outbox.c.version > since)
    query = query.order_by(db.outbox.c.version, db.outbox.c.item_id).limit(limit)
    return np.array(connection.execute(query).scalars().all(), np.int64)


def knows(connection: sa.Connection, since: int) -> bool:
    """Whether `changed` names everything that is different from what it was at version ``since``; not where the
    catalogue's file has been put back or made anew."""
    asked = sa.select(db.meta.c.key, db.meta.c.value).where(db.meta.c.key.in_(("version", "references_from")))
    found = {row[0]: int(row[1]) for row in connection.execute(asked)}
    return found.get("references_from", 0) <= since <= found.get("version", 0)


def references(connection: sa.Connection, space: str, item_ids: Iterable[int]) -> Rows:
    """Those of these items that are references now, as `vectors` says, by id."""
    found: list[sa.Row] = []
    for ids in db.chunks(sorted({int(item_id) for item_id in item_ids})):
        found += connection.execute(_rows(space).where(db.items.c.id.in_(ids))).all()
    return _as_rows(found)


def all_references(connection: sa.Connection, space: str, *, size: int = 20_000, after: int = -1) -> Iterator[Rows]:
    """Every reference in ``space`` whose id is above ``after``, at most ``size`` at a time, by id."""
    last = after
    while found := connection.execute(_rows(space).where(db.items.c.id > last).limit(size)).all():
        last = found[-1][0]
        yield _as_rows(found)


def class_sizes(connection: sa.Connection) -> tuple[np.ndarray, np.ndarray]:
    """The classes of present items, by id: class ids (C,), and how many items each has (C,), with a vector or without:
    from an index alone, at once."""
    here = db.items.c.state == "present", db.items.c.class_id.is_not(None)
    query = sa.select(db.items.c.class_id, sa.func.count()).where(*here).group_by(db.items.c.class_id)
    found = connection.execute(query.order_by(db.items.c.class_id)).all()
    return np.array([row[0] for row in found], np.int64), np.array([row[1] for row in found], np.int64)


def count(connection: sa.Connection, space: str) -> int:
    """How many references there are in ``space``."""
    return int(connection.execute(_joined(sa.select(sa.func.count()), space)).scalar() or 0)


def labelled(connection: sa.Connection) -> int:
    """How many present, labelled items there are, with a vector or without: from an index alone, at once."""
    here = db.items.c.state == "present", db.items.c.class_id.is_not(None)
    return int(connection.execute(sa.select(sa.func.count()).select_from(db.items).where(*here)).scalar() or 0)


def labels_between(connection: sa.Connection, space: str, start: int, end: int) -> dict[int, tuple[int, int]]:
    """Item id -> its class and version, of the references in ``space`` with ids from ``start`` to before ``end``."""
    query = _joined(sa.select(db.items.c.id, db.items.c.class_id, db.items.c.ver), space)
    query = query.where(db.items.c.id >= start, db.items.c.id < end)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def labels(connection: sa.Connection, item_ids: Iterable[int]) -> dict[int, int]:
    """Item id -> its class, of those of these items that may be references now, whatever space their vectors are in."""
    asked = sa.select(db.items.c.id, db.items.c.class_id).where(_REFERS)
    found: dict[int, int] = {}
    for ids in db.chunks({int(item_id) for item_id in item_ids}):
        found.update((row[0], row[1]) for row in connection.execute(asked.where(db.items.c.id.in_(ids))))
    return found


def last_id(connection: sa.Connection) -> int:
    """The highest item id, -1 without any."""
    found = connection.execute(sa.select(sa.func.max(db.items.c.id))).scalar()
    return -1 if found is None else int(found)


def first_of_class(connection: sa.Connection, space: str, class_ids: Iterable[int], *, most: int) -> Rows:
    """At most ``most`` references of each of these classes, of those items with the lowest ids."""
    place = sa.func.row_number().over(partition_by=db.items.c.class_id, order_by=db.items.c.id).label("place")
    first: list[int] = []
    for some in db.chunks({int(class_id) for class_id in class_ids}):
        numbered = sa.select(db.items.c.id, place).where(_REFERS, db.items.c.class_id.in_(some)).subquery()
        first += connection.execute(sa.select(numbered.c.id).where(numbered.c.place <= most)).scalars()
    return references(connection, space, first)


def drawn(connection: sa.Connection, space: str, count: int, rng: np.random.Generator) -> Rows:
    """``count`` references (all where there are fewer) drawn by ``rng``, by id. Of many a few are found among ids that
    are guessed, each as likely as the others, and not all of them read."""
    last, found = last_id(connection), references(connection, space, [])
    for _ in range(8 if 20 * count < last else 0):
        guessed = rng.integers(0, last + 1, 2 * count).tolist()
        found = references(connection, space, [*found.ids.tolist(), *guessed])
        if len(found) >= count:
            return found.only(np.sort(rng.permutation(len(found))[:count]))
    ids = np.array(connection.execute(_joined(sa.select(db.items.c.id), space)).scalars().all(), np.int64)
    return references(connection, space, rng.choice(ids, min(count, len(ids)), replace=False).tolist())


def outlines_of(connection: sa.Connection, space: str, item_ids: Iterable[int]) -> dict[int, bytes]:
    """Of these items, by id: the stored outline, where one was made."""
    query = sa.select(db.items.c.id, db.vectors.c.outline).join(db.vectors, _OF_THE_ITEM)
    query = query.where(db.vectors.c.space == space, db.vectors.c.outline.is_not(None))
    return {
        row[0]: bytes(row[1])
        for ids in db.chunks({int(item_id) for item_id in item_ids})
        for row in connection.execute(query.where(db.items.c.id.in_(ids)))
    }


def _changed_after(since: int) -> tuple[sa.ColumnElement[bool], ...]:
    if not since:
        return ()
    return (db.items.c.id.in_(sa.select(db.outbox.c.item_id).where(db.outbox.c.version > since)),)


def _joined(query: sa.Select, space: str) -> sa.Select:
    return query.select_from(db.items.join(db.vectors, _OF_THE_ITEM)).where(db.vectors.c.space == space, _REFERS)


def _rows(space: str) -> sa.Select:
    columns = (db.items.c.id, db.items.c.class_id, db.items.c.kind, db.items.c.ver, db.vectors.c.vector)
    return _joined(sa.select(*columns), space).order_by(db.items.c.id)


def _as_rows(found: Sequence[sa.Row]) -> Rows:
    ids, class_ids, versions = (np.array([row[at] for row in found], np.int64) for at in (0, 1, 3))
    matrix = np.frombuffer(b"".join(row[4] for row in found), dtype="<f4").astype(np.float32)
    kinds = np.array([row[2] for row in found], dtype=np.str_)
    return Rows(ids, class_ids, kinds, versions, matrix.reshape(len(found), -1) if found else matrix.reshape(0, 0))
