"""The inbox: pictures that visitors reported as wrongly named or unknown, waiting for a curator."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.catalogue import Catalogue
from core.catalogue.listing import reports_waiting
from core.catalogue.records import InboxEntry
from core.ground.errors import BadInput
from core.ground.images import content_hash, decode, encode_png
from core.ground.workspace import Workspace, write_atomic

WAITING, CLOSED = "waiting", "closed"
MOST = 2000  # reports that wait, and
MOST_BYTES = 4 << 30  # bytes of their pictures: anybody may report, and the disk is everybody's
_LONGEST_NOTE = 2000  # characters


def add(
    catalogue: Catalogue,
    workspace: Workspace,
    data: bytes,
    *,
    verdict: str,
    said: str,
    answer: dict[str, Any],
    note: str,
    who: str,
) -> int:
    """Store the picture, re-encoded without metadata, and its entry; the entry's id. Raises `ImageRefused`, and
    `BadInput` where too much waits."""
    clean = encode_png(decode(data))
    sha256 = content_hash(clean)
    file = f"{sha256}.png"
    held = sum(each.stat().st_size for each in workspace.inbox.glob("*.png"))
    with catalogue.write() as connection:
        waiting = reports_waiting(connection)
        if waiting >= MOST or (waiting and held + len(clean) > MOST_BYTES):
            raise BadInput("The inbox is full: {n} reports wait for a curator.", n=waiting)
        write_atomic(workspace.inbox / file, clean)  # here, so that nobody takes it away with a report like it
        entry_id = db.next_id(connection, db.inbox)
        values = {
            "id": entry_id,
            "at": time.time(),
            "who": who,
            "file": file,
            "sha256": sha256,
            "verdict": verdict,
            "said": said,
        }
        values |= {"answer": answer, "note": note[:_LONGEST_NOTE], "state": WAITING, "item_id": None}
        connection.execute(sa.insert(db.inbox).values(values))
    return entry_id


def entries(
    connection: sa.Connection, *, state: str | None, entry_id: int | None = None, limit: int | None = None
) -> list[InboxEntry]:
    """What visitors reported, newest first; ``state`` "closed": what does not wait. Perhaps one of them alone."""
    query = sa.select(db.inbox).order_by(db.inbox.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(db.inbox.c.state != WAITING if state == CLOSED else db.inbox.c.state == state)
    if entry_id is not None:
        query = query.where(db.inbox.c.id == entry_id)
    return [
        InboxEntry(
            r.id, r.at, r.who, f"data/inbox/{r.file}", r.sha256, r.verdict, r.said, r.answer, r.note, r.state, r.item_id
        )
        for r in connection.execute(query)
    ]


def follow(connection: sa.Connection, item_ids: Iterable[int]) -> None:
    """After an undo, a redo or a revert of changes of these items: a report waits again where the image that answered
    it is gone, and is answered again where its own image is back."""
    for some in db.chunks(item_ids):
        there = sa.select(db.items.c.id).where(db.items.c.id.in_(some), db.items.c.state == "present")
        own = sa.select(db.items.c.source).where(db.items.c.id == db.inbox.c.item_id).scalar_subquery()
        of_these = db.inbox.c.item_id.in_(some)
        gone = sa.update(db.inbox).where(of_these, db.inbox.c.state == "labelled", db.inbox.c.item_id.not_in(there))
        connection.execute(gone.values(state="waiting"))
        back = sa.update(db.inbox).where(of_these, db.inbox.c.state == "waiting", db.inbox.c.item_id.in_(there))
        named = sa.literal("report ") + sa.cast(db.inbox.c.id, sa.Text) + sa.literal(".png")
        connection.execute(back.where(own == named).values(state="labelled"))


def source_of(entry_id: int) -> str:
    """The name that an image of the inbox carries as its source."""
    return f"report {entry_id}.png"


def close(connection: sa.Connection, entry_id: int, *, state: str, item_id: int | None) -> None:
    """Note what became of a report: "labelled" as that item, or "dismissed"."""
    connection.execute(sa.update(db.inbox).where(db.inbox.c.id == entry_id).values(state=state, item_id=item_id))


def withdraw(catalogue: Catalogue, workspace: Workspace, entry_id: int) -> None:
    """Take a report back as if it had never been sent, with its picture; nothing where it is gone."""
    with catalogue.write() as connection:
        found = entries(connection, state=None, entry_id=entry_id)
        connection.execute(sa.delete(db.inbox).where(db.inbox.c.id == entry_id))
    with catalogue.write(quiet=True) as connection:
        for entry in found:
            same = sa.select(db.inbox.c.id).where(db.inbox.c.sha256 == entry.sha256).limit(1)
            if connection.execute(same).first() is None:  # else somebody else reported the same picture
                workspace.inside(entry.path).unlink(missing_ok=True)
