"""Rescan: bring the catalogue to what the folders hold, since the folders are the truth.

Files whose place, size and time are known cost one stat. What is new is decoded, hashed and added,
what was moved or renamed by hand is recognised by its content, and what is gone is kept in mind
as missing. No file is touched. The catalogue is locked only while a batch is written.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core import catalogue as db
from core import journal, moves, operations
from core.errors import ImageRefused
from core.journal import Change
from core.names import name_of
from core.records import FileOutcome, RescanReport
from core.vectorstore import add_vectors
from core.walk import Facts, Found, Walk, study, walk
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.embedder import Embedder

_BATCH = 256  # files per transaction


def rescan(
    catalogue: db.Catalogue,
    workspace: Workspace,
    *,
    who: str = "",
    embedder: Embedder | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RescanReport:
    """Find what was added, moved, renamed, changed or removed by hand; one journal entry for all.

    With an ``embedder`` the vectors of new images are written with their rows. Stopping keeps
    what was found so far.
    """
    moves.settle(catalogue, workspace)
    seen = walk(workspace)
    with catalogue.read() as connection:
        known = _known(connection)
        waiting = set(connection.execute(sa.select(db.moves.c.source)).scalars())
    fresh = [
        f
        for f in seen.files.values()
        if f.place not in waiting and known.get(f.place, (0, -1, -1))[1:] != (f.size, f.mtime_ns)
    ]
    vanished = [item_id for place, (item_id, *_) in known.items() if place not in seen.files]
    pass_ = _Pass(catalogue, workspace, who, seen, vanished)
    if seen.folders or known:
        pass_.settle_folders()
    done = 0
    stopped = False
    for start in range(0, len(fresh), _BATCH):
        if stopped := should_stop():
            break
        batch = fresh[start : start + _BATCH]
        pass_.take(batch, _study(workspace, batch, embedder), embedder)
        done += len(batch)
        if on_progress:
            on_progress(done, len(fresh))
    if not stopped:
        pass_.miss()
    count = pass_.count
    refused = sorted(seen.refused + pass_.refused, key=lambda outcome: outcome.name)
    return RescanReport(count["added"], count["removed"], count["moved"], count["changed"], refused)


def _known(connection: sa.Connection) -> dict[str, tuple[int, int, int]]:
    """Place -> (item id, size, time) of every item that should be on disk."""
    columns = (
        db.items.c.id,
        db.items.c.state,
        db.items.c.file,
        db.items.c.trashed_as,
        db.items.c.size,
        db.items.c.mtime_ns,
    )
    query = sa.select(*columns, db.classes.c.folder).join_from(db.items, db.classes, isouter=True)
    known = {}
    for row in connection.execute(query.where(db.items.c.state != "missing")):
        if place := moves.place_of(row.state, row.folder, row.file, row.trashed_as):
            known[place] = (row.id, row.size, row.mtime_ns)
    return known


Studied = tuple[Facts | ImageRefused, Any]  # and the vector, where there is an embedder


def _study(workspace: Workspace, batch: Sequence[Found], embedder: Embedder | None) -> Iterator[Studied]:
    """Facts and vector of each file, in order; decoded once, in threads."""
    if embedder is None:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 2)) as pool:
            yield from pool.map(lambda found: (_facts(workspace, found), None), batch)
        return
    facts: dict[int, Facts] = {}

    def reader(number: int) -> Callable[[], Any]:
        def read() -> Any:
            facts[number], image = study(workspace, batch[number])
            return image

        return read

    for number, vector in enumerate(embedder.embed_images(reader(n) for n in range(len(batch)))):
        yield (vector, None) if isinstance(vector, ImageRefused) else (facts[number], vector)


def _facts(workspace: Workspace, found: Found) -> Facts | ImageRefused:
    try:
        return study(workspace, found)[0]
    except ImageRefused as refusal:
        return refusal


class _Pass:
    """One rescan's writing side."""

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
            made = []
            for row in _rows(connection, self._vanished):
                if row.state != "missing" and row.id not in waiting and not self._exists(row):
                    made.append(Change("item", row.id, {"state": row.state}, {"state": "missing"}))
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
