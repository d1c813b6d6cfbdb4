"""Reconciliation: the writing side of a rescan. What was seen on disk becomes rows; no file is touched.

Looking at the disk is `core.collection.walk`'s and `core.collection.rescan`'s.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import journal, moves, operations
from core.catalogue.journal import Change
from core.catalogue.records import FileOutcome
from core.catalogue.vectorstore import add_vectors
from core.collection.walk import Facts, Found, Walk
from core.ground.errors import ImageRefused
from core.ground.names import name_of
from core.ground.regions import Region
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

Studied = tuple[Facts | ImageRefused, Any]  # what a file says of itself, and its vector where there is an embedder


class Reconciliation:
    """One rescan's changes, all under one entry of the journal. ``vanished``: items not where they should be.

    ``count`` and ``refused`` grow as it goes.
    """

    def __init__(
        self, catalogue: db.Catalogue, workspace: Workspace, who: str, seen: Walk, vanished: list[int]
    ) -> None:
        self.count: Counter[str] = Counter()
        self.refused: list[FileOutcome] = []
        self._catalogue, self._workspace, self._who, self._seen, self._vanished = (
            catalogue,
            workspace,
            who,
            seen,
            vanished,
        )
        self._entry: int | None = None

    def settle_folders(self) -> None:
        """Classes for new folders, and new names for classes whose folder was renamed by hand."""
        with self._catalogue.read() as connection:
            folders = set(
                connection.execute(sa.select(db.classes.c.folder).where(db.classes.c.state == "present")).scalars()
            )
        if self._seen.folders <= folders:
            return
        with self._catalogue.write() as connection:
            present = sa.select(db.classes).where(db.classes.c.state == "present")
            rows = {row.folder: row for row in connection.execute(present)}
            gone = {folder: row for folder, row in rows.items() if folder not in self._seen.folders}
            for folder in sorted(self._seen.folders - rows.keys()):
                if (old := self._renamed_to(connection, folder, gone)) is not None:
                    before = {"name": old.name, "folder": old.folder}
                    after = {"name": _free_name(connection, name_of(folder), own=old.id), "folder": folder}
                    self._record(connection, [Change("class", old.id, before, after)])
                    del gone[old.folder]
                else:
                    self._record(connection, [_class_for(connection, folder)])

    def take(self, batch: Sequence[Found], studied: Iterator[Studied], embedder: Embedder | None) -> None:
        """Write one batch of new or changed files."""
        ready = []
        for found, (facts, vector) in zip(batch, studied, strict=True):
            if isinstance(facts, ImageRefused):
                self.refused.append(FileOutcome(found.place, "refused", facts))
            elif self._still(found):
                ready.append((found, facts, vector))
        if not ready:
            return
        with self._catalogue.write() as connection:
            present = sa.select(db.classes.c.folder, db.classes.c.id).where(db.classes.c.state == "present")
            by_folder = {row.folder: row.id for row in connection.execute(present)}
            there = _known_among(connection, [found for found, *_ in ready], by_folder)
            lost = self._lost(connection, {facts.sha256 for _, facts, _ in ready})
            made: list[Change] = []
            new_rows: list[dict[str, Any]] = []
            next_id = db.next_id(connection, db.items)
            for found, facts, _ in ready:
                values = {"size": found.size, "mtime_ns": found.mtime_ns, **facts.columns()}
                class_id = by_folder.get(found.folder) if found.folder is not None else None
                if class_id is None and found.folder is not None and not found.trashed:
                    continue  # its folder appeared after the walk: for the next rescan
                if (known := there.get(found.place)) is not None:
                    self._refresh(connection, known, values)
                    continue
                after = {"state": "trash" if found.trashed else "present", "class_id": class_id, "file": found.file}
                after["trashed_as"] = found.place.partition("/")[2] if found.trashed else None
                if candidates := lost.get(facts.sha256):
                    old = min(candidates, key=lambda row: (row.class_id != class_id, row.file != found.file, row.id))
                    candidates.remove(old)
                    self._update(connection, old.id, values)
                    made.append(Change("item", old.id, {name: getattr(old, name) for name in after}, after))
                    self.count["added" if old.state == "missing" else "moved"] += 1
                    continue
                row = {
                    "id": next_id,
                    "kind": facts.kind,
                    "source": "",
                    "source_sha256": facts.sha256,
                    "added_at": found.mtime_ns / 1e9,
                    "ver": 0,
                }
                new_rows.append(
                    {**row, **values, "class_id": class_id, "file": found.file, "trashed_as": None, "state": "missing"}
                )
                made.append(
                    Change("item", next_id, {"state": "missing", "class_id": class_id, "file": found.file}, after)
                )
                next_id += 1
                self.count["added"] += 1
            if new_rows:
                connection.execute(sa.insert(db.items), new_rows)
            if embedder is not None:
                add_vectors(connection, embedder.space, {facts.sha256: vector for _, facts, vector in ready})
            self._record(connection, made)

    def miss(self) -> None:
        """What is on disk no more: its items become missing, and classes without folder and items are deleted."""
        with self._catalogue.read() as connection:
            present = sa.select(db.classes.c.id, db.classes.c.folder).where(db.classes.c.state == "present")
            gone = [row.id for row in connection.execute(present) if row.folder not in self._seen.folders]
        if not self._vanished and not gone:
            return
        with self._catalogue.write() as connection:
            waiting = moves.pending(connection)
            made = [
                Change("item", row.id, {"state": row.state}, {"state": "missing"})
                for row in _rows(connection, self._vanished)
                if row.state != "missing" and row.id not in waiting and not self._exists(row)
            ]
            self.count["removed"] += len(made)
            self._record(connection, made)
            emptied = []
            for class_id in gone:
                row = connection.execute(sa.select(db.classes).where(db.classes.c.id == class_id)).one()
                held = (
                    sa.select(db.items.c.id)
                    .where(db.items.c.class_id == class_id, db.items.c.state == "present")
                    .limit(1)
                )
                pending = sa.select(db.moves.c.id).where(db.moves.c.class_id == class_id).limit(1)
                free = connection.execute(held).first() is None and connection.execute(pending).first() is None
                if row.state == "present" and free and not (self._workspace.raw / row.folder).exists():
                    emptied.append(Change("class", class_id, {"state": "present"}, {"state": operations.ABSENT}))
            self._record(connection, emptied)

    def _record(self, connection: sa.Connection, made: list[Change]) -> None:
        if made:
            detail = dict(self.count)
            how: dict[str, Any] = {
                "action": "rescan",
                "who": self._who,
                "detail": detail,
                "undoable": False,
                "on_disk": True,
            }
            self._entry = journal.record(connection, made, entry_id=self._entry, **how)

    def _lost(self, connection: sa.Connection, hashes: set[str]) -> dict[str, list[sa.Row]]:
        """Items of these contents that are not where they should be, or were missing before."""
        waiting = moves.pending(connection)
        lost: dict[str, list[sa.Row]] = {}
        for some in db.chunks(hashes):
            query = sa.select(db.items, db.classes.c.folder).join_from(db.items, db.classes, isouter=True)
            for row in connection.execute(query.where(db.items.c.sha256.in_(some))):
                if row.id not in waiting and (row.state == "missing" or not self._exists(row)):
                    lost.setdefault(row.sha256, []).append(row)
        return lost

    def _refresh(self, connection: sa.Connection, item_id: int, values: dict[str, Any]) -> None:
        """The file at a known place was touched; where its content changed, the item has a new one."""
        old = connection.execute(sa.select(db.items.c.sha256).where(db.items.c.id == item_id)).scalar_one()
        if old != values["sha256"]:
            self.count["changed"] += 1
            values = {**values, **_of_another_content(connection, item_id, values)}
            values = {**values, "source_sha256": values["sha256"]}
        self._update(connection, item_id, values)

    def _update(self, connection: sa.Connection, item_id: int, values: dict[str, Any]) -> None:
        connection.execute(sa.update(db.items).where(db.items.c.id == item_id).values(values))

    def _renamed_to(self, connection: sa.Connection, folder: str, gone: dict[str, sa.Row]) -> sa.Row | None:
        """The class whose vanished folder this one was: half of its files, by name, size and time, are here."""
        here = {(f.file, f.size, f.mtime_ns) for f in self._seen.files.values() if f.folder == folder and not f.trashed}
        best = None
        for row in gone.values() if here else ():
            columns = (db.items.c.file, db.items.c.size, db.items.c.mtime_ns)
            held = sa.select(*columns).where(db.items.c.class_id == row.id, db.items.c.state == "present")
            had = {tuple(file) for file in connection.execute(held)}
            shared = len(here & had)
            if shared and 2 * shared >= len(had) and (best is None or shared > best[0]):
                best = (shared, row)
        return best[1] if best else None

    def _still(self, found: Found) -> bool:
        try:
            stat = os.stat(self._workspace.data / found.place, follow_symlinks=False)
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (found.size, found.mtime_ns)

    def _exists(self, row: sa.Row) -> bool:
        place = moves.place_of(row.state, row.folder, row.file, row.trashed_as)
        return place is not None and os.path.lexists(self._workspace.data / place)


def _rows(connection: sa.Connection, ids: list[int]) -> list[sa.Row]:
    query = sa.select(db.items, db.classes.c.folder).join_from(db.items, db.classes, isouter=True)
    return [row for some in db.chunks(ids) for row in connection.execute(query.where(db.items.c.id.in_(some)))]


def _known_among(connection: sa.Connection, files: list[Found], by_folder: dict[str, int]) -> dict[str, int]:
    """Place -> item id, for those of ``files`` that the catalogue has meanwhile."""
    by_class: dict[tuple[bool, int | None], dict[str, str]] = {}
    for found in files:
        class_id = None if found.trashed or found.folder is None else by_folder.get(found.folder)
        name = found.place.partition("/")[2] if found.trashed else found.file
        by_class.setdefault((found.trashed, class_id), {})[name] = found.place
    known = {}
    for (trashed, class_id), names in by_class.items():
        column = db.items.c.trashed_as if trashed else db.items.c.file
        where = db.items.c.state == "trash" if trashed else moves.there(class_id)
        for row in connection.execute(sa.select(db.items.c.id, column).where(where, column.in_(list(names)))):
            known[names[row[1]]] = row.id
    return known


def _of_another_content(connection: sa.Connection, item_id: int, values: dict[str, Any]) -> dict[str, Any]:
    """The region of an item whose file has other pixels now: it stays where the picture is as large as it was."""
    columns = (db.items.c.region, db.items.c.width, db.items.c.height)
    old = connection.execute(sa.select(*columns).where(db.items.c.id == item_id)).one()
    stays = old.region is not None and (old.width, old.height) == (values["width"], values["height"])
    view = Region.from_json(old.region).of(values["sha256"]) if stays else None
    return {"region": old.region if stays else None, "view": view, "sight": ""}


def _class_for(connection: sa.Connection, folder: str) -> Change:
    """The class of a folder found on disk: the one it had before it was deleted, or a new one."""
    name = name_of(folder)
    deleted = sa.select(db.classes).where(db.classes.c.state == operations.ABSENT, db.classes.c.folder == folder)
    row = connection.execute(deleted.order_by(db.classes.c.id.desc()).limit(1)).one_or_none()
    if row is not None and operations.class_named(connection, row.name) is None:
        return Change("class", row.id, {"state": operations.ABSENT}, {"state": "present"})
    return operations.new_class(connection, _free_name(connection, name), folder=folder)


def _free_name(connection: sa.Connection, name: str, *, own: int | None = None) -> str:
    """``name``, numbered where another class has it: two folders whose names differ in case only."""
    candidate, number = name, 2
    while (row := operations.class_named(connection, candidate)) is not None and row.id != own:
        candidate, number = f"{name} ({number})", number + 1
    return candidate
