"""What a curator can do to classes and items, as plans: rows read, checked, and turned into changes.

Each function takes the open writing transaction and returns the changes for `core.catalogue.journal.record`;
none writes an item or moves a file itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import products
from core.catalogue.journal import Change
from core.catalogue.records import Sight
from core.ground.config import Kind
from core.ground.errors import ConfigRefused, Conflict, NotFound, changed_meanwhile
from core.ground.names import clean_name, folder_for, key
from core.ground.regions import Region

ABSENT = "deleted"  # the state of a class that is not there (yet, or any more)


def new_class(connection: sa.Connection, name: str, *, folder: str | None = None) -> Change:
    """A class called ``name``; its row is made in the absent state, and the change brings it in.

    ``folder`` is given for one found on disk. Raises `NameRefused`, or `Conflict` when the name is taken.
    """
    if folder is None:
        name = clean_name(name)
    if (taken := class_named(connection, name)) is not None:
        raise Conflict("There already is a class named {name}.", name=taken.name)
    folder = folder or free_folder(connection, name)
    class_id = db.next_id(connection, db.classes)
    row = {
        "id": class_id,
        "name": name,
        "name_key": key(name),
        "folder": folder,
        "state": ABSENT,
        "aliases": [],
        "fields": {},
        "ver": 0,
    }
    connection.execute(sa.insert(db.classes).values(row))
    return Change("class", class_id, {"state": ABSENT}, {"state": "present"})


def rename(connection: sa.Connection, class_id: int, name: str, *, raw: Path, shown: str | None = None) -> list[Change]:
    """Another name, and the folder that goes with it (``raw`` is the folder of the class folders). ``shown``: the name
    that the person saw; raises `Conflict` where it is another by now."""
    row = present_class(connection, class_id)
    name = clean_name(name)
    if shown is not None and clean_name(shown) != row.name:
        raise changed_meanwhile(row.name)
    if name == row.name:
        return []
    folder = free_folder(connection, name, own=row.folder)
    if folder != row.folder and (raw / folder).exists() and not _same(raw / folder, raw / row.folder):
        raise Conflict("A folder named {folder} is on disk and not in the catalogue yet: rescan first.", folder=folder)
    before, after = {"name": row.name, "folder": row.folder}, {"name": name, "folder": folder}
    return [Change("class", class_id, before, after)]


def merge(
    connection: sa.Connection, sources: Sequence[int], target: int, *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """Every image of ``sources`` becomes one of ``target`` (those in the trash too), which takes over
    their names as aliases, the fields it lacks and their place on products; ``sources`` are deleted. ``versions``: the
    ``ver`` of each class that the person saw, as in `present_class`."""
    seen = versions or {}
    kept = present_class(connection, target, version=seen.get(target))
    gone = [present_class(connection, one, version=seen.get(one)) for one in dict.fromkeys(sources) if one != target]
    if not gone:
        return []
    made = []
    aliases, fields = list(kept.aliases), dict(kept.fields)
    for row in gone:
        made.append(Change("class", row.id, {"state": "present"}, {"state": ABSENT}))
        aliases += [alias for alias in (row.name, *row.aliases) if alias not in aliases and alias != kept.name]
        fields = {**row.fields, **fields}
        for item in connection.execute(sa.select(db.items.c.id, db.items.c.file).where(db.items.c.class_id == row.id)):
            made.append(_to_class(item, row.id, target))
    before = {"aliases": kept.aliases, "fields": kept.fields}
    made.append(Change("class", target, before, {"aliases": aliases, "fields": fields}))
    return made + products.remark(connection, {row.id: target for row in gone})


def relabel(
    connection: sa.Connection,
    item_ids: Iterable[int],
    class_id: int | None,
    *,
    versions: Mapping[int, int] | None = None,
) -> list[Change]:
    """These present items become of ``class_id`` (None: unlabelled); those that are already are left out.

    ``versions`` (item id -> ``ver`` that the person saw) refuses what somebody else changed since.
    """
    if class_id is not None:
        present_class(connection, class_id)
    rows = items_of(connection, item_ids, state="present", versions=versions)
    return [_to_class(row, row.class_id, class_id) for row in rows if row.class_id != class_id]


def relabel_to_new(
    connection: sa.Connection, item_ids: Iterable[int], class_id: int, *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """`relabel` to a class that the same plan makes."""
    rows = items_of(connection, item_ids, state="present", versions=versions)
    return [_to_class(row, row.class_id, class_id) for row in rows]


def set_kind(
    connection: sa.Connection, item_ids: Iterable[int], kind: str, *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """State what these items are: drawing, photo or icon. ``versions`` as in `relabel`."""
    if kind not in get_args(Kind):
        raise ConfigRefused(
            "The kind must be one of {kinds}, not {value}.", kinds=", ".join(get_args(Kind)), value=kind
        )
    rows = items_of(connection, item_ids, versions=versions)
    return [Change("item", row.id, {"kind": row.kind}, {"kind": kind}) for row in rows if row.kind != kind]


def set_region(
    connection: sa.Connection,
    item_id: int,
    region: Region | None,
    *,
    sight: Sight = "",
    versions: Mapping[int, int] | None = None,
) -> list[Change]:
    """State where the mark of an item lies (None: the whole picture), and what is to be thought of what is seen there;
    another region is another view, with a vector of its own. ``versions`` as in `relabel`. Raises `ConfigRefused`."""
    (row,) = items_of(connection, [item_id], state="present", versions=versions)
    region = region and region.inside(row.width, row.height)
    if region is not None and region == Region(0, 0, row.width, row.height):
        region = None
    after = {
        "region": region.to_json() if region else None,
        "view": region.of(row.sha256) if region else None,
        "sight": sight,
    }
    before = {name: getattr(row, name) for name in after}
    return [Change("item", row.id, before, after)] if before != after else []


def set_sight(
    connection: sa.Connection, item_ids: Iterable[int], sight: Sight, *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """State what is to be thought of what is seen of these items: in doubt (they do not vote), or vouched for.
    ``versions`` as in `relabel`."""
    rows = items_of(connection, item_ids, versions=versions)
    return [Change("item", row.id, {"sight": row.sight}, {"sight": sight}) for row in rows if row.sight != sight]


def set_tags(
    connection: sa.Connection,
    item_ids: Iterable[int],
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    versions: Mapping[int, int] | None = None,
) -> list[Change]:
    """Give items tags, and take others away. ``versions`` as in `relabel`. Raises `NameRefused` for a word that cannot
    be a tag."""
    wanted, gone = {clean_tag(tag) for tag in add}, set(remove)
    made = []
    for row in items_of(connection, item_ids, versions=versions):
        held = set(row.tags or ())
        after = sorted((held | wanted) - gone) or None
        if after != (row.tags or None):
            made.append(Change("item", row.id, {"tags": row.tags or None}, {"tags": after}))
    return made


def clean_tag(tag: str) -> str:
    """A tag as it is kept: a name without the sign that parts tags in a table."""
    return clean_name(tag.replace("|", "/"))


def trash(
    connection: sa.Connection, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """These present items go to the trash; they remember their class. ``versions`` as in `relabel`."""
    return [_to_trash(row) for row in items_of(connection, item_ids, state="present", versions=versions)]


def discard(
    connection: sa.Connection, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """These items of the trash are no longer on disk; their rows stay, so that the history can name them. ``versions``
    as in `relabel`."""
    rows = items_of(connection, item_ids, state="trash", versions=versions)
    return [Change("item", row.id, {"state": "trash"}, {"state": "missing"}) for row in rows]


def trash_class(connection: sa.Connection, class_id: int, *, version: int | None = None) -> list[Change]:
    """A class goes, and its images with it into the trash. ``version`` as in `present_class`."""
    present_class(connection, class_id, version=version)
    query = sa.select(db.items).where(db.items.c.class_id == class_id, db.items.c.state == "present")
    made = [_to_trash(row) for row in connection.execute(query)]
    return [*made, Change("class", class_id, {"state": "present"}, {"state": ABSENT})]


def restore(
    connection: sa.Connection, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """These items come back from the trash into their class, which comes back too if it was deleted.

    Where another class has taken the deleted one's name since, they join that one. ``versions`` as in `relabel`.
    """
    rows = items_of(connection, item_ids, state="trash", versions=versions)
    made: list[Change] = []
    home: dict[int | None, int | None] = {None: None}
    for row in rows:
        if row.class_id not in home:
            home[row.class_id], revived = _home(connection, row.class_id)
            made += revived
        before = {"state": "trash", "class_id": row.class_id, "file": row.file}
        made.append(
            Change("item", row.id, before, {"state": "present", "class_id": home[row.class_id], "file": row.file})
        )
    heirs = {one: heir for one, heir in home.items() if one is not None and heir is not None and one != heir}
    return made + products.remark(connection, heirs)


def edit_class(
    connection: sa.Connection,
    class_id: int,
    *,
    fields: Mapping[str, str | None] | None = None,
    aliases: Sequence[str] | None = None,
    shown: Mapping[str, str | Sequence[str]] | None = None,
) -> list[Change]:
    """Set free fields (None or "" removes one) and replace the aliases, where given. ``shown``: what the person saw in
    these fields, and under "aliases"; raises `Conflict` where it is something else by now."""
    row = present_class(connection, class_id)
    for name, seen in (shown or {}).items():
        held = list(row.aliases) if name == "aliases" and aliases is not None else row.fields.get(name, "")
        if held != (seen.strip() if isinstance(seen, str) else list(seen)):
            raise changed_meanwhile(row.name)
    after: dict[str, object] = {}
    if fields is not None:
        merged = {**row.fields, **{str(name).strip(): str(value or "").strip() for name, value in fields.items()}}
        after["fields"] = {name: value for name, value in merged.items() if name and value}
    if aliases is not None:
        after["aliases"] = list(dict.fromkeys(clean_name(alias) for alias in aliases))
    after = {name: value for name, value in after.items() if value != getattr(row, name)}
    return [Change("class", class_id, {name: getattr(row, name) for name in after}, after)] if after else []


def class_named(connection: sa.Connection, name: str) -> sa.Row | None:
    """The present class of this name, whatever its case or Unicode form."""
    query = sa.select(db.classes).where(db.classes.c.name_key == key(name), db.classes.c.state == "present")
    return connection.execute(query).one_or_none()


def present_class(connection: sa.Connection, class_id: int, *, version: int | None = None) -> sa.Row:
    """The row of a class that is there; raises `NotFound`. ``version``: the ``ver`` that the person saw; raises
    `Conflict` where it is another by now."""
    row = connection.execute(sa.select(db.classes).where(db.classes.c.id == class_id)).one_or_none()
    if row is None or row.state != "present":
        raise NotFound("There is no such class any more.")
    if version is not None and row.ver != version:
        raise changed_meanwhile(row.name)
    return row


def items_of(
    connection: sa.Connection,
    item_ids: Iterable[int],
    *,
    state: str | None = None,
    versions: Mapping[int, int] | None = None,
) -> list[sa.Row]:
    """The rows of these items, in the order given and each once; raises `NotFound` or `Conflict`."""
    ids = list(dict.fromkeys(int(item_id) for item_id in item_ids))
    found: dict[int, sa.Row] = {}
    for some in db.chunks(ids):
        found |= {row.id: row for row in connection.execute(sa.select(db.items).where(db.items.c.id.in_(some)))}
    for item_id in ids:
        row = found.get(item_id)
        if row is None or (state is not None and row.state != state):
            raise NotFound("The image {id} is no longer there.", id=item_id if row is None else row.file)
        if versions is not None and versions.get(item_id, row.ver) != row.ver:
            raise changed_meanwhile(row.file)
    return [found[item_id] for item_id in ids]


def free_folder(connection: sa.Connection, name: str, *, own: str = "") -> str:
    """The folder for a class's name; numbered when another class has it under another spelling."""
    query = sa.select(db.classes.c.folder).where(db.classes.c.state == "present", db.classes.c.folder != own)
    taken = {key(folder) for folder in connection.execute(query).scalars()}
    folder, number = folder_for(name), 2
    while key(folder) in taken:
        folder, number = f"{folder_for(name)}_{number}", number + 1
    return folder


def _home(connection: sa.Connection, class_id: int) -> tuple[int, list[Change]]:
    row = connection.execute(sa.select(db.classes).where(db.classes.c.id == class_id)).one()
    if row.state == "present":
        return class_id, []
    if (heir := class_named(connection, row.name)) is not None:
        return heir.id, []
    return class_id, [Change("class", class_id, {"state": ABSENT}, {"state": "present"})]


def _to_class(item: sa.Row, before: int | None, after: int | None) -> Change:
    return Change("item", item.id, {"class_id": before, "file": item.file}, {"class_id": after, "file": item.file})


def _to_trash(row: sa.Row) -> Change:
    return Change("item", row.id, {"state": "present", "file": row.file}, {"state": "trash", "file": row.file})


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)
