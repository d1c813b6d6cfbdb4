"""File moves: where an image lies, and the journalled moves that bring files after their rows.

A change is a transaction first and a file move after. The move is written in the same transaction,
done by `settle`, and done again at the next start if the process died in between: so a row is
always the truth and its file is always at one of two known places. No move ever overwrites a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.catalogue import Catalogue
from core.ground.errors import Conflict
from core.ground.names import free_name, is_plain_path, key, shorten
from core.ground.workspace import Workspace, sync_folder

RAW, TRAY, TRASH = "raw_gravures", "unlabelled", "trash"  # in the workspace's data folder
_SLICE = 1000  # moves done in one transaction: what a writer beside us waits for
_LONGEST_FILE = 240  # bytes

Rename = Callable[[Path, Path], None]


def place_of(state: str, folder: str | None, file: str, trashed_as: str | None) -> str | None:
    """Where an image lies, relative to the data folder; None when it is not on disk, or nowhere in it.

    ``folder`` None is the tray of unlabelled images.
    """
    if state == "trash":
        place = f"{TRASH}/{trashed_as}" if trashed_as else None
    elif state != "present":
        place = None
    else:
        place = f"{TRAY}/{file}" if folder is None else f"{RAW}/{folder}/{file}"
    return place if place and is_plain_path(place) else None  # the catalogue may be another's work


class Shelf:
    """The planning of moves inside one transaction: rows change, `place` says where files go.

    ``on_disk``: the files are there already, and nothing is to be moved.
    """

    def __init__(self, connection: sa.Connection, *, on_disk: bool = False) -> None:
        self._connection = connection
        self._on_disk = on_disk
        self._planned: list[dict[str, Any]] = []
        self._emptied: list[dict[str, Any]] = []
        self._taken: set[tuple[int | None, str]] = set()
        self.reload()
        self._before = dict(self._folders)

    def reload(self) -> None:
        """Read the classes again, after some of them changed."""
        rows = self._connection.execute(
            sa.select(db.classes.c.id, db.classes.c.folder, db.classes.c.state, db.classes.c.name)
        )
        self._folders: dict[int, str] = {}
        self._deleted: dict[int, str] = {}
        for row in rows:
            self._folders[row.id] = row.folder
            if row.state != "present":
                self._deleted[row.id] = row.name

    def class_changed(self, class_id: int, old_state: str, state: str, old_folder: str, folder: str) -> None:
        """Plan what follows from a class's change: its folder made, renamed, or removed when empty."""
        if self._on_disk:
            return
        if state != "present":
            self._emptied.append(_move("rmdir", f"{RAW}/{old_folder}", "", class_id=class_id))
        elif old_state != "present":
            self._planned.append(_move("mkdir", "", f"{RAW}/{folder}", class_id=class_id))
        elif old_folder != folder:
            self._planned.append(_move("folder", f"{RAW}/{old_folder}", f"{RAW}/{folder}", class_id=class_id))

    def expect(self, wanted: list[tuple[int | None, str]]) -> None:
        """Look up which of these (class id, file name) are taken, all in a few queries."""
        if self._on_disk:
            return
        by_class: dict[int | None, list[str]] = {}
        for class_id, file in wanted:
            by_class.setdefault(class_id, []).append(file)
        for class_id, files in by_class.items():
            for some in db.chunks(files):
                query = sa.select(db.items.c.file).where(there(class_id), db.items.c.file.in_(some))
                self._taken |= {(class_id, file) for file in self._connection.execute(query).scalars()}

    def place(self, row: sa.Row, values: dict[str, Any], *, source: str | None = None) -> dict[str, Any]:
        """``values`` of an item's row with the file name it gets there; its move is planned."""
        state, class_id = values["state"], values["class_id"]
        if state == "present" and class_id in self._deleted:
            raise Conflict("The class {name} is no longer there.", name=self._deleted[class_id])
        if self._on_disk:
            return values
        if state == row.state and (state != "present" or (class_id, values["file"]) == (row.class_id, row.file)):
            return values
        folder = None if class_id is None else self._folders[class_id]
        if state == "trash":
            file = _fits(f"{row.id}_{values['file']}")
            values["trashed_as"] = file if folder is None else f"{folder}/{file}"
        elif state == "present":
            values["file"] = self._free(class_id, values["file"])
            values["trashed_as"] = None
        old_folder = None if row.class_id is None else self._before.get(row.class_id)
        old = source or place_of(row.state, old_folder, row.file, row.trashed_as)
        new = place_of(state, folder, values["file"], values["trashed_as"])
        if old and new and old != new:
            self._planned.append(_move("file", old, new, item_id=row.id))
        return values

    def finish(self) -> None:
        """Write the planned moves into the catalogue."""
        planned = self._planned + self._emptied
        if planned:
            first = db.next_id(self._connection, db.moves)
            rows = [{"id": first + number, **move} for number, move in enumerate(planned)]
            self._connection.execute(sa.insert(db.moves), rows)

    def _free(self, class_id: int | None, file: str) -> str:
        """``file``, or a numbered one when an image of that class has it (`expect` looked up the first)."""
        candidate, taken = file, set()
        while (class_id, candidate) in self._taken:
            taken.add(key(candidate))
            candidate = free_name(file, taken)
            self.expect([(class_id, candidate)])
        self._taken.add((class_id, candidate))
        return candidate


def there(class_id: int | None) -> sa.ColumnElement[bool]:
    """The items that are present in a class (None: in the tray)."""
    in_class = db.items.c.class_id.is_(None) if class_id is None else db.items.c.class_id == class_id
    return sa.and_(db.items.c.state == "present", in_class)


def delete(connection: sa.Connection, files: Mapping[int, Sequence[str]]) -> None:
    """Plan that the files of these items (item id -> paths relative to the data folder) are deleted, and what of them
    still waits elsewhere for its move."""
    for ids in db.chunks(files):
        own = (db.moves.c.op == "file") & db.moves.c.item_id.in_(ids)
        waiting = connection.execute(sa.select(db.moves.c.item_id, db.moves.c.source).where(own)).all()
        connection.execute(sa.delete(db.moves).where(own))
        first = db.next_id(connection, db.moves)
        places = [(one, place) for one in ids for place in files[one]] + [(row.item_id, row.source) for row in waiting]
        rows = [_move("delete", place, "", item_id=one) for one, place in places]
        if rows:
            connection.execute(sa.insert(db.moves), [{"id": first + n, **row} for n, row in enumerate(rows)])


def settle(catalogue: Catalogue, workspace: Workspace, *, rename: Rename = os.rename) -> list[OSError]:
    """Do every move that is written down and not yet done, in order; the errors of those that must wait.

    Safe to call at any time, from several processes at once, and again after a kill.
    """
    errors: list[OSError] = []
    waiting: set[int] = set()  # moves that failed, and the later ones of the same image
    stuck: set[int] = set()  # images whose move failed
    while True:
        with catalogue.read() as connection:
            if (
                connection.execute(sa.select(db.moves.c.id).where(db.moves.c.id.not_in(waiting)).limit(1)).first()
                is None
            ):
                return errors
        with catalogue.write(quiet=True) as connection:
            query = sa.select(db.moves).where(db.moves.c.id.not_in(waiting)).order_by(db.moves.c.id).limit(_SLICE)
            done, touched = [], set()
            for row in connection.execute(query).all():
                if row.item_id in stuck:
                    waiting.add(row.id)
                    continue
                try:
                    if row.op == "file" and _in_the_way(workspace, row):
                        _redirect(connection, workspace, row)
                        break  # committed before it is done, so that a kill cannot mix up two files
                    touched |= _do(connection, workspace, row, rename)
                    done.append(row.id)
                except OSError as error:
                    errors.append(error)
                    waiting.add(row.id)
                    if row.item_id is not None:
                        stuck.add(row.item_id)
            for folder in touched:
                with suppress(OSError):
                    sync_folder(folder)
            for ids in db.chunks(done):
                connection.execute(sa.delete(db.moves).where(db.moves.c.id.in_(ids)))


def pending(connection: sa.Connection) -> dict[int, str]:
    """Item id -> where its file still lies (relative to the data folder), for moves not yet done."""
    rows = connection.execute(sa.select(db.moves).where(db.moves.c.op == "file").order_by(db.moves.c.id.desc()))
    return {row.item_id: row.source for row in rows if is_plain_path(row.source)}


class Unsettled:
    """What the moves that are written down and not yet done still change: of these images, classes and places the
    rows and the disk need not agree, so nobody may conclude anything from the difference."""

    def __init__(self, connection: sa.Connection) -> None:
        self._items: set[int] = set()
        self._classes: set[int] = set()
        self._places: set[str] = set()  # files and folders, relative to the data folder
        for row in connection.execute(sa.select(db.moves)):
            self._places |= {row.source, row.target} - {""}
            if row.item_id is None:
                self._classes.add(row.class_id)
            else:
                self._items.add(row.item_id)

    def place(self, place: str) -> bool:
        """Whether a file or a class folder, or the folder it lies in, is yet to be moved."""
        return place in self._places or place.rpartition("/")[0] in self._places

    def item(self, item_id: int, class_id: int | None) -> bool:
        return item_id in self._items or class_id in self._classes

    def of_class(self, class_id: int) -> bool:
        return class_id in self._classes


def _do(connection: sa.Connection, workspace: Workspace, row: sa.Row, rename: Rename) -> set[Path]:
    """Do one move, or find it done; the folders whose entries changed. One that leads out is dropped."""
    if not (is_plain_path(row.source) and is_plain_path(row.target)):
        return set()
    source, target = workspace.data / row.source, workspace.data / row.target
    if row.op == "mkdir":
        target.mkdir(parents=True, exist_ok=True)
        return {target.parent}
    if row.op == "rmdir":
        with suppress(OSError):  # what is left in it is not ours, and stays
            source.rmdir()
        return {source.parent}
    if row.op == "delete":
        source.unlink(missing_ok=True)
        with suppress(OSError):  # a folder of the trash goes with the last file in it
            if row.source.startswith(f"{TRASH}/"):
                source.parent.rmdir()
        return {source.parent}
    if not os.path.lexists(source):
        if row.op == "folder":
            target.mkdir(parents=True, exist_ok=True)
        return set()
    target.parent.mkdir(parents=True, exist_ok=True)
    if row.op == "folder" and target.exists() and not target.samefile(source):
        _join(connection, row, source, target, rename)
    else:
        rename(source, target)
    return {source.parent, target.parent}


def _join(connection: sa.Connection, row: sa.Row, source: Path, target: Path, rename: Rename) -> None:
    """Somebody made the new folder by hand: bring the files one by one, under free names."""
    taken = {key(entry.name) for entry in target.iterdir()}
    for entry in sorted(source.iterdir()):
        file = free_name(entry.name, taken)
        taken.add(key(file))
        if file != entry.name:
            own = there(row.class_id) & (db.items.c.file == entry.name)
            connection.execute(sa.update(db.items).where(own).values(file=file))
            db.bump(connection)
        rename(entry, target / file)
    with suppress(OSError):
        source.rmdir()


def _in_the_way(workspace: Workspace, row: sa.Row) -> bool:
    return os.path.lexists(workspace.data / row.source) and os.path.lexists(workspace.data / row.target)


def _redirect(connection: sa.Connection, workspace: Workspace, row: sa.Row) -> None:
    """Give a move whose target is taken, by a file dropped in by hand, a free name instead."""
    folder, _, file = row.target.rpartition("/")
    taken = {key(entry.name) for entry in os.scandir(workspace.data / folder)}
    file = free_name(file, taken)
    target = f"{folder}/{file}"
    connection.execute(sa.update(db.moves).where(db.moves.c.id == row.id).values(target=target))
    later = (db.moves.c.item_id == row.item_id) & (db.moves.c.id > row.id) & (db.moves.c.source == row.target)
    if connection.execute(sa.update(db.moves).where(later).values(source=target)).rowcount:
        return
    column = {"trashed_as": target.removeprefix(f"{TRASH}/")} if folder.split("/")[0] == TRASH else {"file": file}
    connection.execute(sa.update(db.items).where(db.items.c.id == row.item_id).values(column))
    db.bump(connection)


def _move(
    op: str, source: str, target: str, *, item_id: int | None = None, class_id: int | None = None
) -> dict[str, Any]:
    return {"op": op, "item_id": item_id, "class_id": class_id, "source": source, "target": target}


def _fits(file: str) -> str:
    if len(file.encode()) <= _LONGEST_FILE:
        return file
    stem, dot, extension = file.rpartition(".")
    return shorten(stem or extension, _LONGEST_FILE - 16) + (f".{extension[:12]}" if stem and dot else "")
