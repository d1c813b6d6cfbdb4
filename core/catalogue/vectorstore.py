"""Vectors in the catalogue: float32 rows keyed by the image's content and the space they live in, and beside each the
outline of the strokes that were seen for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.listing import item_of, with_class
from core.catalogue.records import Item


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


def missing_vectors(connection: sa.Connection, space: str) -> list[Item]:
    """Present items, labelled or not, whose content has no vector in ``space``; each content once."""
    known = (
        sa.select(db.vectors.c.sha256).where(db.vectors.c.space == space, db.vectors.c.sha256 == db.seen_as).exists()
    )
    rows = connection.execute(with_class().where(db.items.c.state == "present", ~known).order_by(db.items.c.id))
    return list({item.sha256: item for item in map(item_of, rows)}.values())


def outlines(connection: sa.Connection, space: str) -> dict[int, bytes]:
    """Of present, labelled items embedded in ``space``, by item id: the stored outline, where one was made."""
    query = (
        sa.select(db.items.c.id, db.vectors.c.outline)
        .join(db.vectors, sa.and_(db.vectors.c.sha256 == db.seen_as, db.vectors.c.space == space))
        .where(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.vectors.c.outline.is_not(None))
    )
    return {item_id: bytes(outline) for item_id, outline in connection.execute(query)}


def missing_outlines(connection: sa.Connection, space: str) -> list[Item]:
    """Present, labelled items with a vector in ``space`` and no outline beside it; each content once."""
    bare = sa.select(db.vectors.c.sha256).where(db.vectors.c.space == space, db.vectors.c.outline.is_(None))
    here = sa.and_(db.items.c.state == "present", db.items.c.class_id.is_not(None), db.seen_as.in_(bare))
    rows = connection.execute(with_class().where(here).order_by(db.items.c.id))
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
    """The ids (N,) int64 of items whose label, kind, state, sight or vector changed after version ``since``."""
    query = sa.select(db.outbox.c.item_id).where(db.outbox.c.version > since)
    return np.array(connection.execute(query.order_by(db.outbox.c.item_id).limit(limit)).scalars().all(), np.int64)
