"""The journal: one durable entry per change, with what was before and after, undo and redo.

`record` is the only way a row of classes, items or products changes: it checks that the row still is what
the change was made from, writes it, plans the file moves that follow (see `core.catalogue.moves`) and keeps
the entry, all in the caller's transaction. Creating is a change from deleted (a class) or from the
trash (an item), so that its undo puts things there and nothing is ever lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import moves
from core.catalogue.records import Entry
from core.ground.errors import Conflict, NotFound
from core.ground.names import key

_CHECKED = {
    "item": ("class_id", "state", "kind", "region", "sight", "tags"),
    "class": ("name", "state", "aliases", "fields"),
    "product": ("name", "maker", "code", "fields", "marks", "pictures", "state"),
}
_ANSWERS = ("undo", "redo")
# Reverting these may bring back what is gone.
_BRINGS_BACK = ("delete", "merge", "revert", "product_trash", "product_merge")
_READ = "rescan"  # what was found on disk: `revert` takes it back, "undo my last change" passes over it
SETTINGS = "settings"  # the action, and its detail: setting -> [as it was, as it became]; no row changes


@dataclass(frozen=True)
class Change:
    """One row's change: the columns that change, as they were and as they become."""

    noun: Literal["item", "class", "product"]
    row_id: int
    before: dict[str, Any]
    after: dict[str, Any]

    def changed(self) -> dict[str, Any]:
        """The columns of ``after`` that differ from ``before``, and the wanted file name."""
        return {name: value for name, value in self.after.items() if name == "file" or value != self.before.get(name)}

    def reversed(self) -> Change:
        return replace(self, before=self.after, after=self.before)

    @property
    def of_a_missing_file(self) -> bool:
        """Whether a file came or went by hand: no change of ours makes one that is gone, or takes one away."""
        return self.noun == "item" and "missing" in (self.before.get("state"), self.after.get("state"))


def record(
    connection: sa.Connection,
    made: list[Change],
    *,
    action: str,
    who: str,
    detail: dict[str, Any] | None = None,
    of: int | None = None,
    undoable: bool = True,
    staged: dict[int, str] | None = None,
    entry_id: int | None = None,
    on_disk: bool = False,
) -> int:
    """Make the changes and keep them as one entry; returns its id.

    ``staged`` says where files lie that are not yet among ours (item id -> path in the data
    folder). ``entry_id`` continues an entry of the same long action, when it is not undone; it is
    called as its last part.
    ``on_disk``: the files are where the changes say already, so nothing is moved.
    Raises `Conflict` when a row is no longer what the change was made from.
    """
    made = apply(connection, made, staged=staged or {}, on_disk=on_disk)
    row = (
        connection.execute(sa.select(db.journal).where(db.journal.c.id == entry_id)).one_or_none() if entry_id else None
    )
    counts = {noun: sum(change.noun == noun for change in made) for noun in _CHECKED}
    if entry_id is None or row is None or row.undone_by is not None:
        entry_id = db.next_id(connection, db.journal)
        values = {"id": entry_id, "at": time.time(), "who": who, "action": action, "detail": detail or {}, "of": of}
        values |= {"undone_by": None, "undoable": undoable, "items": counts["item"], "classes": counts["class"]}
        connection.execute(sa.insert(db.journal).values(values))
    else:
        more = {
            "items": row.items + counts["item"],
            "classes": row.classes + counts["class"],
            "detail": detail or row.detail,
            "action": action,
        }
        if action == _READ and undoable:
            more["undoable"] = True  # its first part may have had nothing to take back
        connection.execute(sa.update(db.journal).where(db.journal.c.id == entry_id).values(more))
    _keep(connection, entry_id, made)
    return entry_id


def _keep(connection: sa.Connection, entry_id: int, made: list[Change]) -> None:
    """Keep the changes under their entry; a row that it changed before goes on from there."""
    earlier: dict[tuple[str, int], Change] = {}
    own = db.changes.c.entry_id == entry_id
    for ids in db.chunks({change.row_id for change in made}):
        query = sa.select(db.changes).where(own, db.changes.c.row_id.in_(ids))
        for row in connection.execute(query):
            earlier[row.noun, row.row_id] = Change(row.noun, row.row_id, row.before, row.after)
    rows = []
    for change in made:
        if (first := earlier.get((change.noun, change.row_id))) is not None:
            which = own & (db.changes.c.noun == change.noun) & (db.changes.c.row_id == change.row_id)
            both = {"before": {**change.before, **first.before}, "after": {**first.after, **change.after}}
            connection.execute(sa.update(db.changes).where(which).values(both))
        else:
            new = {"entry_id": entry_id, "noun": change.noun, "row_id": change.row_id}
            rows.append({**new, "before": change.before, "after": change.after})
    if rows:
        connection.execute(sa.insert(db.changes), rows)


def apply(
    connection: sa.Connection, made: list[Change], *, staged: dict[int, str], on_disk: bool = False
) -> list[Change]:
    """Check and write the rows and plan the moves; the changes as they came out (files may be renamed)."""
    shelf = moves.Shelf(connection, on_disk=on_disk)
    for change in (c for c in made if c.noun == "class"):
        _apply_to_class(connection, change, shelf)
    shelf.reload()
    for change in (c for c in made if c.noun == "product"):
        _apply_to_product(connection, change)
    done = [c for c in made if c.noun != "item"]
    todo = {c.row_id: c for c in made if c.noun == "item"}
    updates = []
    for ids in db.chunks(list(todo)):
        rows = connection.execute(sa.select(db.items).where(db.items.c.id.in_(ids))).all()
        wanted = [(row, {**row._mapping, **todo[row.id].changed(), "ver": row.ver + 1}) for row in rows]
        shelf.expect([(values["class_id"], values["file"]) for _, values in wanted])
        for row, values in wanted:
            change = todo.pop(row.id)
            _check(change, row)
            values = shelf.place(row, values, source=staged.get(row.id))
            updates.append({f"new_{name}": values[name] for name in _WRITTEN} | {"row": row.id})
            done.append(replace(change, after={name: values[name] for name in change.after}))
    if todo:
        raise NotFound("The image {id} is not in the catalogue.", id=next(iter(todo)))
    if updates:
        setters: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _WRITTEN}
        connection.execute(sa.update(db.items).where(db.items.c.id == sa.bindparam("row")).values(setters), updates)
    _check_emptied(connection, [c.row_id for c in made if c.noun == "class" and c.after.get("state") == "deleted"])
    shelf.finish()
    return done


_WRITTEN = ("class_id", "file", "trashed_as", "state", "kind", "region", "view", "sight", "tags", "ver")


def _apply_to_class(connection: sa.Connection, change: Change, shelf: moves.Shelf) -> None:
    row = connection.execute(sa.select(db.classes).where(db.classes.c.id == change.row_id)).one()
    _check(change, row)
    after = {**row._mapping, **change.changed()}
    after |= {"name_key": key(after["name"]), "ver": row.ver + 1}
    if after["state"] == "present":
        same = (db.classes.c.name_key == after["name_key"]) | (db.classes.c.folder == after["folder"])
        others = sa.select(db.classes.c.name).where(same, db.classes.c.state == "present", db.classes.c.id != row.id)
        if (taken := connection.execute(others).scalar()) is not None:
            raise Conflict("There already is a class named {name}.", name=taken)
    connection.execute(
        sa.update(db.classes).where(db.classes.c.id == row.id).values({k: v for k, v in after.items() if k != "id"})
    )
    shelf.class_changed(row.id, row.state, after["state"], row.folder, after["folder"])


def _apply_to_product(connection: sa.Connection, change: Change) -> None:
    row = connection.execute(sa.select(db.products).where(db.products.c.id == change.row_id)).one()
    _check(change, row)
    after = {**row._mapping, **change.changed(), "ver": row.ver + 1}
    after["known_by"] = known_by(after["maker"], after["name"], after["code"])
    if after["state"] == "present":
        same = (db.products.c.known_by == after["known_by"]) & (db.products.c.state == "present")
        others = sa.select(db.products.c.name).where(same, db.products.c.id != row.id)
        if (taken := connection.execute(others).scalar()) is not None:
            raise Conflict("There already is a product {name} of this maker with this code.", name=taken)
    values = {k: v for k, v in after.items() if k != "id"}
    connection.execute(sa.update(db.products).where(db.products.c.id == row.id).values(values))


def known_by(maker: str, name: str, code: str) -> str:
    """What makes two products the same: maker, name and code, whatever their case."""
    return "\n".join(map(key, (maker, name, code)))


def _check_emptied(connection: sa.Connection, class_ids: list[int]) -> None:
    """A class goes only when none of its images stays: not those that came into it later either."""
    if class_ids:
        held = sa.select(db.classes.c.name).join_from(db.items, db.classes)
        held = held.where(db.items.c.state == "present", db.items.c.class_id.in_(class_ids)).limit(1)
        if (name := connection.execute(held).scalar()) is not None:
            raise Conflict("The class {name} still holds images.", name=name)


def _check(change: Change, row: sa.Row) -> None:
    """What the change changes must still be as it was; what it only mentions need not."""
    for name in _CHECKED[change.noun]:
        if change.before.get(name) != change.after.get(name) and getattr(row, name) != change.before[name]:
            what = row.file if change.noun == "item" else row.name
            raise Conflict("{name} was changed by another action in the meantime.", name=what)


def undo(connection: sa.Connection, *, who: str) -> int | None:
    """Take back this person's last change that stands; the entry taken back, or None.

    Raises `Conflict` when a later change by somebody else is in the way; the entry should then
    be given up with `give_up`, so that the next undo goes on to the one before.
    """
    entry_id = connection.execute(_mine(who).where(db.journal.c.undone_by.is_(None), db.journal.c.undoable)).scalar()
    if entry_id is not None:
        answer = _answer(connection, entry_id, "undo", who, backwards=True)
        connection.execute(sa.update(db.journal).where(db.journal.c.id == entry_id).values(undone_by=answer))
    return entry_id


def redo(connection: sa.Connection, *, who: str) -> int | None:
    """Make again what this person undid last, unless they changed something since; its entry, or None."""
    last = connection.execute(_mine(who).where(db.journal.c.undone_by.is_(None), db.journal.c.undoable)).scalar()
    undone = sa.select(db.journal.c.id, db.journal.c.undone_by).where(
        db.journal.c.who == who, db.journal.c.undone_by.is_not(None)
    )
    row = connection.execute(undone.order_by(db.journal.c.undone_by.desc()).limit(1)).one_or_none()
    if row is None or (last is not None and last > row.id):
        return None
    _answer(connection, row.id, "redo", who, backwards=False)
    connection.execute(sa.update(db.journal).where(db.journal.c.id == row.id).values(undone_by=None))
    return row.id


def revert(connection: sa.Connection, entry_id: int, *, who: str) -> int:
    """Take back one entry, however old, as a new change that can itself be undone; the new entry.

    Raises `NotFound`, or `Conflict` where it was taken back before, or something it changed is gone or was changed
    again since.
    """
    row = connection.execute(sa.select(db.journal).where(db.journal.c.id == entry_id)).one_or_none()
    if row is None:
        raise NotFound("The journal has no entry {id}.", id=entry_id)
    if not row.undoable and row.action not in _ANSWERS:
        raise Conflict("This entry cannot be reverted.")
    if row.action not in _ANSWERS and (row.undone_by is not None or entry_id in _reverted(connection, [entry_id])):
        raise Conflict("This was taken back already.")
    if _gone(connection, [entry_id]):
        raise Conflict("What this changed is no longer there.")
    return _answer(connection, entry_id, "revert", who, backwards=True)


def give_up(connection: sa.Connection, *, who: str) -> None:
    """Mark this person's last standing change as one that can no longer be undone."""
    last = _mine(who).where(db.journal.c.undone_by.is_(None), db.journal.c.undoable).scalar_subquery()
    connection.execute(sa.update(db.journal).where(db.journal.c.id == last).values(undoable=False))


def history(
    connection: sa.Connection,
    *,
    limit: int = 100,
    offset: int = 0,
    item_id: int | None = None,
    class_id: int | None = None,
    product_id: int | None = None,
    action: str | None = None,
    who: str | None = None,
) -> list[Entry]:
    """Entries, newest first; of one item, class or product, one action or one person when asked."""
    query = sa.select(db.journal).order_by(db.journal.c.id.desc()).limit(limit).offset(offset)
    for noun, row_id in (("item", item_id), ("class", class_id), ("product", product_id)):
        if row_id is not None:
            of_row = sa.select(db.changes.c.entry_id).where(db.changes.c.noun == noun, db.changes.c.row_id == row_id)
            query = query.where(db.journal.c.id.in_(of_row))
    for column, value in ((db.journal.c.action, action), (db.journal.c.who, who)):
        if value is not None:
            query = query.where(column == value)
    return _entries(connection, connection.execute(query).all())


def people(connection: sa.Connection) -> list[str]:
    """The names in the journal, sorted; those without a name are left out."""
    found = connection.execute(sa.select(db.journal.c.who).where(db.journal.c.who != "").distinct()).scalars()
    return sorted(found, key=lambda name: (key(name), name))


def entry(connection: sa.Connection, entry_id: int) -> Entry:
    """One entry."""
    row = connection.execute(sa.select(db.journal).where(db.journal.c.id == entry_id)).one()
    return _entries(connection, [row])[0]


def changes_of(connection: sa.Connection, entry_id: int, *, limit: int | None = None) -> list[Change]:
    """What one entry changed, row by row; the first ``limit`` rows when asked."""
    rows = connection.execute(sa.select(db.changes).where(db.changes.c.entry_id == entry_id).limit(limit))
    return [Change(row.noun, row.row_id, row.before, row.after) for row in rows]


def _mine(who: str) -> sa.Select:
    own = (db.journal.c.who == who) & db.journal.c.action.not_in((*_ANSWERS, _READ))
    return sa.select(db.journal.c.id).where(own).order_by(db.journal.c.id.desc()).limit(1)


def _answer(connection: sa.Connection, entry_id: int, action: str, who: str, *, backwards: bool) -> int:
    row = connection.execute(sa.select(db.journal).where(db.journal.c.id == entry_id)).one()
    made: Iterable[Change] = (change for change in changes_of(connection, entry_id) if not change.of_a_missing_file)
    made = [change.reversed() for change in made] if backwards else list(made)
    detail = {"action": row.action, **{k: v for k, v in row.detail.items() if k != "action"}}
    if backwards and SETTINGS in detail:
        detail[SETTINGS] = {name: pair[::-1] for name, pair in detail[SETTINGS].items()}
    return record(connection, made, action=action, who=who, detail=detail, of=entry_id, undoable=action not in _ANSWERS)


def _reverted(connection: sa.Connection, entry_ids: Iterable[int]) -> set[int]:
    """Those of these entries that a revert took back which stands: not undone, and not reverted itself."""
    ids = list(entry_ids)
    query = sa.select(db.journal.c.id, db.journal.c.of).where(
        db.journal.c.of.in_(ids), db.journal.c.action == "revert", db.journal.c.undone_by.is_(None)
    )
    if not ids or not (answers := connection.execute(query.where(db.journal.c.id > min(ids))).all()):
        return set()
    fallen = _reverted(connection, [row.id for row in answers])
    return {row.of for row in answers if row.id not in fallen}


def _gone(connection: sa.Connection, entry_ids: Iterable[int]) -> set[int]:
    """Those of these entries of which nothing is left to take back: their classes and products are deleted, their
    files missing."""
    own = db.changes.c.entry_id == db.journal.c.id
    items = own & (db.changes.c.noun == "item") & (db.changes.c.row_id == db.items.c.id)
    classes = own & (db.changes.c.noun == "class") & (db.changes.c.row_id == db.classes.c.id)
    products = own & (db.changes.c.noun == "product") & (db.changes.c.row_id == db.products.c.id)
    query = sa.select(db.journal.c.id).where(
        db.journal.c.id.in_(list(entry_ids)),
        db.journal.c.action.not_in((*_ANSWERS, *_BRINGS_BACK, SETTINGS)),
        ~sa.exists().where(items, db.items.c.state != "missing"),
        ~sa.exists().where(classes, db.classes.c.state == "present"),
        ~sa.exists().where(products, db.products.c.state == "present"),
    )
    return set(connection.execute(query).scalars())


def _entries(connection: sa.Connection, rows: Sequence[sa.Row]) -> list[Entry]:
    ids = [row.id for row in rows]
    reverted, gone = _reverted(connection, ids), _gone(connection, ids)
    names = ("id", "at", "who", "action", "detail", "items", "classes", "of")
    entries = []
    for row in rows:
        undone = row.undone_by is not None or row.id in reverted
        undoable = row.undoable and not undone and row.id not in gone
        entries.append(Entry(**{name: row._mapping[name] for name in names}, undone=undone, undoable=undoable))
    return entries
