"""Reconciliation: the writing side of a rescan. What was seen on disk becomes rows; no file is touched.

Looking at the disk is `core.collection.walk`'s and `core.collection.rescan`'s. A look is older than the transaction
that uses it, so under the lock everything is checked against the disk once more, and nothing is concluded about a
class, an image or a place that was changed since, or whose files have yet to be moved: it is looked at ``again``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import journal, moves, operations
from core.catalogue.catalogue import Catalogue
from core.catalogue.journal import Change
from core.catalogue.moves import RAW
from core.catalogue.records import FileOutcome
from core.catalogue.vectorstore import add_vectors
from core.collection.walk import Facts, Found, Walk, files_in
from core.ground.errors import FileReplaced, ImageRefused
from core.ground.names import name_of
from core.ground.regions import Region
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

Studied = tuple[Facts | ImageRefused, Any]  # what a file says of itself, and its vector where there is an embedder


@dataclass(frozen=True)
class Look:
    """One look at rows and disk: what the walk has ``seen``, and the versions that were there before it began.

    ``classes``: class id -> version. ``known``: place -> (item id, version, size, time of change).
    """

    seen: Walk
    classes: dict[int, int]
    known: dict[str, tuple[int, int, int, int]]


class Reconciliation:
    """One rescan's changes, all under one entry of the journal; `begin` comes before each look's other calls.

    ``count`` grows as it goes; ``refused`` and ``again`` (something changed since this look) are of the last look.
    """

    look: Look

    def __init__(self, catalogue: Catalogue, workspace: Workspace, who: str) -> None:
        self.count: Counter[str] = Counter()
        self.refused: list[FileOutcome] = []
        self.again = False
        self._catalogue, self._workspace, self._who = catalogue, workspace, who
        self._entry: int | None = None

    def begin(self, look: Look) -> tuple[list[Found], int]:
        """Go on from a new look: the files that the catalogue does not know as they are, and how many it knows."""
        self.look, self.refused, self.again = look, [], False
        self._vanished = {row[0]: row[1] for place, row in look.known.items() if place not in look.seen.files}
        unknown = (0, 0, -1, -1)
        return [
            f for f in look.seen.files.values() if look.known.get(f.place, unknown)[2:] != (f.size, f.mtime_ns)
        ], len(look.known)

    def settle_folders(self) -> None:
        """Classes for new folders, and new names for classes whose folder was renamed by hand."""
        with self._catalogue.read() as connection:
            if self.look.seen.folders <= _folders(connection).keys():
                return
        with self._catalogue.write(quiet=True) as connection:
            unsettled = moves.Unsettled(connection)
            present = sa.select(db.classes).where(db.classes.c.state == "present")
            rows = {row.folder: row for row in connection.execute(present)}
            gone = {folder: row for folder, row in rows.items() if not (self._workspace.raw / folder).is_dir()}
            for folder in sorted(self.look.seen.folders - rows.keys()):
                if unsettled.place(f"{RAW}/{folder}") or not (self._workspace.raw / folder).is_dir():
                    self.again = True
                elif (old := self._renamed_to(connection, folder, gone)) is not None:
                    if self._is_newer(old) or unsettled.of_class(old.id):
                        self.again = True
                        continue
                    before = {"name": old.name, "folder": old.folder}
                    after = {"name": _free_name(connection, name_of(folder), own=old.id), "folder": folder}
                    self._record(connection, [Change("class", old.id, before, after)])
                    del gone[old.folder]
                elif _deleted(connection, folder) is None or not any((self._workspace.raw / folder).iterdir()):
                    self._record(connection, [_class_for(connection, folder)])
                # else: the folder of a class that was deleted comes back with the first image found in it

    def take(self, batch: Sequence[Found], studied: Iterator[Studied], embedder: Embedder | None) -> None:
        """Write one batch of new or changed files."""
        read = []
        for found, (facts, vector) in zip(batch, studied, strict=True):
            if isinstance(facts, FileReplaced):
                self.again = True
            elif isinstance(facts, ImageRefused):
                self.refused.append(FileOutcome(found.place, "refused", facts))
            else:
                read.append((found, facts, vector))
        if not read:
            return
        with self._catalogue.write() as connection:
            unsettled = moves.Unsettled(connection)
            ready = [one for one in read if not unsettled.place(one[0].place) and self._still(one[0])]
            self.again |= len(ready) < len(read)
            by_folder = self._homes(connection, [found for found, *_ in ready])
            there = _known_among(connection, [found for found, *_ in ready], by_folder)
            lost = self._lost(connection, unsettled, {facts.sha256 for _, facts, _ in ready})
            made: list[Change] = []
            new_rows: list[dict[str, Any]] = []
            next_id = db.next_id(connection, db.items)
            for found, facts, _ in ready:
                values = {"size": found.size, "mtime_ns": found.mtime_ns, **facts.columns()}
                class_id = by_folder.get(found.folder) if found.folder is not None else None
                if (known := there.get(found.place)) is not None:
                    self._refresh(connection, known, values)
                    continue
                after = {"state": "trash" if found.trashed else "present", "class_id": class_id, "file": found.file}
                after["trashed_as"] = found.place.partition("/")[2] if found.trashed else None
                if candidates := lost.get(facts.sha256):
                    old = min(candidates, key=lambda row: (row.class_id != class_id, row.file != found.file, row.id))
                    candidates.remove(old)
                    before = {name: getattr(old, name) for name in after}
                    if old.state == "missing":
                        before["state"] = values["state"] = _from(found)
                    self._update(connection, old.id, values)
                    made.append(_change(old.id, before, after))
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
                before = {"state": _from(found), "class_id": class_id, "file": found.file, "trashed_as": None}
                new_rows.append({**row, **values, **before})
                made.append(_change(next_id, before, after))
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
            seen = self.look.seen.folders
            gone = {class_id for folder, class_id in _folders(connection).items() if folder not in seen}
        if not self._vanished and not gone:
            return
        with self._catalogue.write(quiet=True) as connection:
            unsettled = moves.Unsettled(connection)
            made = []
            for row in _rows(connection, list(self._vanished)):
                if row.state == "missing" or self._exists(row):
                    continue
                if row.ver != self._vanished[row.id] or unsettled.item(row.id, row.class_id):
                    self.again = True
                else:
                    made.append(Change("item", row.id, {"state": row.state}, {"state": "missing"}))
            self.count["removed"] += len(made)
            self._record(connection, made)
            emptied = []
            for row in connection.execute(sa.select(db.classes).where(db.classes.c.id.in_(gone))).all():
                held = sa.select(db.items.c.id).where(moves.there(row.id)).limit(1)
                if row.state != "present" or (self._workspace.raw / row.folder).exists():
                    continue
                if self._is_newer(row) or unsettled.of_class(row.id):
                    self.again = True
                elif connection.execute(held).first() is None:
                    emptied.append(Change("class", row.id, {"state": "present"}, {"state": operations.ABSENT}))
            self._record(connection, emptied)

    def _is_newer(self, row: sa.Row) -> bool:
        """Whether a class was changed, or made, since the look."""
        return self.look.classes.get(row.id) != row.ver

    def _homes(self, connection: sa.Connection, files: Sequence[Found]) -> dict[str, int]:
        """Folder -> class id; a deleted class of which an image lies in its folder again is brought back."""
        by_folder = _folders(connection)
        homeless = {found.folder for found in files if found.folder is not None and not found.trashed}
        revived = [_class_for(connection, folder) for folder in sorted(homeless - by_folder.keys())]
        self._record(connection, revived)
        return _folders(connection) if revived else by_folder

    def _record(self, connection: sa.Connection, made: list[Change]) -> None:
        if made:
            how: dict[str, Any] = {
                "action": "rescan",
                "who": self._who,
                "detail": dict(self.count),
                "undoable": any(_can_be_taken_back(change) for change in made),
                "on_disk": True,
            }
            self._entry = journal.record(connection, made, entry_id=self._entry, **how)
            for change in made:  # what this changed itself is no newer than the look
                if change.noun == "class" and change.row_id in self.look.classes:
                    self.look.classes[change.row_id] += 1
            db.bump(connection)

    def _lost(self, connection: sa.Connection, unsettled: moves.Unsettled, hashes: set[str]) -> dict[str, list[sa.Row]]:
        """Items of these contents that are not where they should be, or were missing before."""
        lost: dict[str, list[sa.Row]] = {}
        for some in db.chunks(hashes):
            query = sa.select(db.items, db.classes.c.folder).join_from(db.items, db.classes, isouter=True)
            for row in connection.execute(query.where(db.items.c.sha256.in_(some))):
                if row.state == "missing" or not (unsettled.item(row.id, row.class_id) or self._exists(row)):
                    lost.setdefault(row.sha256, []).append(row)
        return lost

    def _refresh(self, connection: sa.Connection, item_id: int, values: dict[str, Any]) -> None:
        """The file at a known place was touched; where its content changed, the item has a new one."""
        old = connection.execute(sa.select(db.items.c.sha256, db.items.c.ver).where(db.items.c.id == item_id)).one()
        if old.sha256 != values["sha256"]:
            self.count["changed"] += 1
            values = {**values, **_of_another_content(connection, item_id, values)}
            values = {**values, "source_sha256": values["sha256"], "ver": old.ver + 1}
        self._update(connection, item_id, values)

    def _update(self, connection: sa.Connection, item_id: int, values: dict[str, Any]) -> None:
        connection.execute(sa.update(db.items).where(db.items.c.id == item_id).values(values))

    def _renamed_to(self, connection: sa.Connection, folder: str, gone: dict[str, sa.Row]) -> sa.Row | None:
        """The class whose vanished folder this one was: half of its files, by name, size and time, are here."""
        here = {(f.file, f.size, f.mtime_ns) for f in files_in(self._workspace, folder)} if gone else set()
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
            return found.is_still(os.stat(self._workspace.data / found.place, follow_symlinks=False))
        except OSError:
            return False

    def _exists(self, row: sa.Row) -> bool:
        place = moves.place_of(row.state, row.folder, row.file, row.trashed_as)
        return place is not None and os.path.lexists(self._workspace.data / place)


def _from(found: Found) -> str:
    """The state from which a file that turned up comes: the trash, where taking that back puts it again."""
    return "missing" if found.trashed else "trash"


def _change(item_id: int, before: dict[str, Any], after: dict[str, Any]) -> Change:
    """The columns that differ, and the file's name."""
    names = [name for name in after if name == "file" or after[name] != before[name]]
    return Change("item", item_id, {name: before[name] for name in names}, {name: after[name] for name in names})


def _can_be_taken_back(change: Change) -> bool:
    """All but what was deleted by hand."""
    return not change.of_a_missing_file and change.after.get("state") != operations.ABSENT


def _folders(connection: sa.Connection) -> dict[str, int]:
    """Folder -> id of the present classes."""
    present = sa.select(db.classes.c.folder, db.classes.c.id).where(db.classes.c.state == "present")
    return {row.folder: row.id for row in connection.execute(present)}


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


def _deleted(connection: sa.Connection, folder: str) -> sa.Row | None:
    """The deleted class that had this folder last."""
    deleted = sa.select(db.classes).where(db.classes.c.state == operations.ABSENT, db.classes.c.folder == folder)
    return connection.execute(deleted.order_by(db.classes.c.id.desc()).limit(1)).one_or_none()


def _class_for(connection: sa.Connection, folder: str) -> Change:
    """The class of a folder found on disk: the one it had before it was deleted, or a new one."""
    name = name_of(folder)
    row = _deleted(connection, folder)
    if row is not None and operations.class_named(connection, row.name) is None:
        return Change("class", row.id, {"state": operations.ABSENT}, {"state": "present"})
    return operations.new_class(connection, _free_name(connection, name), folder=folder)


def _free_name(connection: sa.Connection, name: str, *, own: int | None = None) -> str:
    """``name``, numbered where another class has it: two folders whose names differ in case only."""
    candidate, number = name, 2
    while (row := operations.class_named(connection, candidate)) is not None and row.id != own:
        candidate, number = f"{name} ({number})", number + 1
    return candidate
