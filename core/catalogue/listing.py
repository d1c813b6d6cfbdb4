"""Reading a dataset: classes, pages of items, and counts, as SQL. It changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.moves import RAW, place_of
from core.catalogue.records import NAMES, ClassRecord, Counts, Item
from core.ground.names import is_plain_path, search_key
from core.ground.regions import Region

UNSIGNED = 1 << 64
UNLABELLED = 0  # as a class id in a filter: the images without a class

_ORDERS: dict[str, list[sa.ColumnElement[Any]]] = {
    "newest": [db.items.c.id.desc()],
    "oldest": [db.items.c.id],
    "name": [db.items.c.file, db.items.c.id],
    "kind": [db.items.c.kind, db.items.c.file, db.items.c.id],
    "largest": [(db.items.c.width * db.items.c.height).desc(), db.items.c.id],
    "smallest": [db.items.c.width * db.items.c.height, db.items.c.id],
    "source": [db.items.c.source, db.items.c.id],
}
ORDERS = ("class", *_ORDERS)


def classes(connection: sa.Connection, *, variants: Callable[[str], int]) -> list[ClassRecord]:
    """The present classes by name; ``variants`` counts a folder's written variants."""
    count = (
        sa.select(db.items.c.class_id, sa.func.count())
        .where(db.items.c.state == "present")
        .group_by(db.items.c.class_id)
    )
    originals: dict[int, int] = {row[0]: row[1] for row in connection.execute(count)}
    rows = connection.execute(
        sa.select(db.classes).where(db.classes.c.state == "present").order_by(db.classes.c.name_key)
    )
    return [
        ClassRecord(r.id, r.folder, r.name, r.aliases, r.fields, r.ver, originals.get(r.id, 0), variants(r.folder))
        for r in rows
    ]


def counts(connection: sa.Connection, *, variants: Callable[[str], int]) -> Counts:
    """How much there is of everything."""
    by_class = sa.select(db.items.c.state, db.items.c.class_id, sa.func.count())
    number: Counter[tuple[str, bool]] = Counter()
    for state, class_id, many in connection.execute(by_class.group_by(db.items.c.state, db.items.c.class_id)):
        number[state, class_id is None] += many
    present = sa.select(db.classes.c.folder).where(db.classes.c.state == "present")
    folders = connection.execute(present).scalars().all()
    return Counts(
        originals=number["present", False] + number["present", True],
        variants=sum(variants(folder) for folder in folders),
        classes=len(folders),
        unlabelled=number["present", True],
        inbox=reports_waiting(connection),
        trash=number["trash", False] + number["trash", True],
    )


def reports_waiting(connection: sa.Connection) -> int:
    """How many reports wait in the inbox."""
    query = sa.select(sa.func.count()).select_from(db.inbox).where(db.inbox.c.state == "waiting")
    return int(connection.execute(query).scalar_one())


def where(
    connection: sa.Connection, *, class_id: int | None, kind: str | None, text: str, state: str, tag: str | None = None
) -> list[sa.ColumnElement[bool]]:
    """The filter of `items` and `count`; ``class_id`` `UNLABELLED` asks for the tray."""
    terms = [db.items.c.state == state]
    if class_id is not None:
        terms.append(db.items.c.class_id.is_(None) if class_id == UNLABELLED else db.items.c.class_id == class_id)
    if kind is not None:
        terms.append(db.items.c.kind == kind)
    if tag is not None:
        terms.append(sa.cast(db.items.c.tags, sa.Text).contains(json.dumps(tag), autoescape=True))
    if wanted := search_key(text).strip():
        rows = connection.execute(
            sa.select(db.classes.c.id, db.classes.c.name, db.classes.c.aliases, db.classes.c.fields)
        )
        named = [row.id for row in rows if any(wanted in search_key(name) for name in _names(row))]
        in_file = db.items.c.file.icontains(text.strip(), autoescape=True)
        terms.append(db.items.c.class_id.in_(named) | in_file if named else in_file)
    return terms


def tags(connection: sa.Connection) -> dict[str, int]:
    """Every tag of a present item, sorted, and how many have it."""
    text = sa.cast(db.items.c.tags, sa.Text)
    query = sa.select(text, sa.func.count()).where(db.items.c.tags.is_not(None), db.items.c.state == "present")
    found: Counter[str] = Counter()
    for words, many in connection.execute(query.group_by(text)):
        found.update(dict.fromkeys(json.loads(words), many))
    return {tag: found[tag] for tag in sorted(found, key=lambda tag: (search_key(tag), tag))}


def _names(row: sa.Row) -> Iterator[str]:
    """Every name by which a class is found: its own, its aliases, and its names in several languages."""
    yield from (row.name, *row.aliases)
    yield from (value for field, value in row.fields.items() if field in NAMES)


def items(
    connection: sa.Connection,
    terms: list[sa.ColumnElement[bool]],
    *,
    limit: int | None,
    offset: int = 0,
    order: str = "class",
) -> list[Item]:
    """One page of items. By class, only the classes that the page shows are read and sorted, so that
    a page costs the same in a large library."""
    if order == "class":
        ids: list[int] = []
        left = count(connection, terms) if limit is None else limit
        for term, many in _by_class(connection, terms):
            if offset >= many:
                offset -= many
            elif left > 0:
                query = sa.select(db.items.c.id).where(*terms, term).order_by(db.items.c.file, db.items.c.id)
                page = list(connection.execute(query.limit(left).offset(offset)).scalars())
                ids, left, offset = ids + page, left - len(page), 0
    else:
        query = sa.select(db.items.c.id).where(*terms).order_by(*_ORDERS[order]).limit(limit).offset(offset)
        ids = list(connection.execute(query).scalars())
    return some(connection, ids)


def item_ids(connection: sa.Connection, terms: list[sa.ColumnElement[bool]], *, order: str = "class") -> list[int]:
    """The ids of all items of a filter, in order: "select all that match"."""
    if order != "class":
        return list(connection.execute(sa.select(db.items.c.id).where(*terms).order_by(*_ORDERS[order])).scalars())
    columns = (db.items.c.class_id, db.items.c.file, db.items.c.id)
    rows = connection.execute(sa.select(*columns).where(*terms).order_by(*columns))
    by_class: dict[int | None, list[int]] = {}
    for class_id, _, item_id in rows:
        by_class.setdefault(class_id, []).append(item_id)
    return [item_id for class_id in _in_order(connection, by_class) for item_id in by_class[class_id]]


def _by_class(
    connection: sa.Connection, terms: list[sa.ColumnElement[bool]]
) -> Iterator[tuple[sa.ColumnElement[bool], int]]:
    """For each class of a filter, by name and the unlabelled last: the term that picks it, and how many it has."""
    query = sa.select(db.items.c.class_id, sa.func.count()).where(*terms).group_by(db.items.c.class_id)
    number: dict[int | None, int] = {row[0]: row[1] for row in connection.execute(query)}
    for class_id in _in_order(connection, number):
        term = db.items.c.class_id.is_(None) if class_id is None else db.items.c.class_id == class_id
        yield term, number[class_id]


def _in_order(connection: sa.Connection, class_ids: Iterable[int | None]) -> list[int | None]:
    keys = {row[0]: row[1] for row in connection.execute(sa.select(db.classes.c.id, db.classes.c.name_key))}
    return sorted(class_ids, key=lambda class_id: (class_id is None, keys.get(class_id, ""), class_id or 0))


def count(connection: sa.Connection, terms: list[sa.ColumnElement[bool]]) -> int:
    """How many items the terms of `where` find."""
    return connection.execute(sa.select(sa.func.count()).select_from(db.items).where(*terms)).scalar_one()


def some(connection: sa.Connection, ids: list[int]) -> list[Item]:
    """These items, in the order given; those that do not exist are left out."""
    found: dict[int, Item] = {}
    for part in db.chunks(ids):
        found |= {row.id: item_of(row) for row in connection.execute(with_class().where(db.items.c.id.in_(part)))}
    return [found[item_id] for item_id in ids if item_id in found]


def faces(connection: sa.Connection, class_ids: Iterable[int]) -> dict[int, Item]:
    """One image of each of these classes, where it has any: its first icon, else its first image."""
    found: dict[int, Item] = {}
    for chunk in db.chunks(dict.fromkeys(class_ids)):
        of = (db.items.c.state == "present") & db.items.c.class_id.in_(chunk)
        icon = sa.func.min(sa.case((db.items.c.kind == "icon", db.items.c.id)))
        first = sa.select(sa.func.coalesce(icon, sa.func.min(db.items.c.id))).where(of).group_by(db.items.c.class_id)
        for row in connection.execute(with_class().where(db.items.c.id.in_(first))):
            item = item_of(row)
            found[item.class_id or 0] = item
    return found


def doubted(connection: sa.Connection, contents: Iterable[str]) -> list[Item]:
    """The present items that are in doubt, and those of these ``contents`` (as seen) for which nobody vouched."""
    here = with_class().where(db.items.c.state == "present").order_by(db.items.c.id)
    found = {row.id: item_of(row) for row in connection.execute(here.where(db.items.c.sight == "doubt"))}
    for part in db.chunks(set(contents)):
        query = here.where(db.items.c.sight == "", db.seen_as.in_(part))
        found |= {row.id: item_of(row) for row in connection.execute(query)}
    return list(found.values())


def folders_of(connection: sa.Connection, sha256s: Iterable[str]) -> dict[str, set[str]]:
    """Content hash -> the folders of the present classes that hold a present image of that content."""
    found: dict[str, set[str]] = {}
    for part in db.chunks(set(sha256s)):
        query = sa.select(db.items.c.sha256, db.classes.c.folder).join_from(db.items, db.classes)
        query = query.where(db.items.c.sha256.in_(part), db.items.c.state == "present", db.classes.c.state == "present")
        for sha256, folder in connection.execute(query):
            found.setdefault(sha256, set()).add(folder)
    return found


def with_class() -> sa.Select:
    """Items with their class's name and folder; `item_of` reads a row."""
    named = (db.classes.c.name.label("class_name"), db.classes.c.folder.label("class_folder"))
    return sa.select(db.items, *named).join_from(db.items, db.classes, isouter=True)


def signed(dhash: int) -> int:
    """An unsigned 64-bit hash as databases keep it."""
    return dhash - UNSIGNED if dhash >= UNSIGNED >> 1 else dhash


def item_of(row: sa.Row) -> Item:
    """The record of a row of `with_class`."""
    place = place_of(row.state, row.class_folder, row.file, row.trashed_as) or _last_seen(row)
    return Item(
        row.id, row.class_id, row.class_name or "", f"data/{place}", row.view or row.sha256, row.dhash % UNSIGNED,
        row.width, row.height, row.kind, row.source, row.added_at, row.ver, row.state,
        Region.from_json(row.region) if row.region else None, row.sight, row.sha256, tuple(row.tags or ()),
    )  # fmt: skip


def _last_seen(row: sa.Row) -> str:
    """Where an image that is not there lay, as it is said on a page."""
    place = f"{RAW}/{row.class_folder or ''}/{row.file}"
    return place if is_plain_path(place) else f"{RAW}/?"
