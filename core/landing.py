"""Landing: how decoded uploads become items. Staged on disk first, then rows, journal and moves at once.

Identity is content: an upload whose bytes, or whose stored form, the catalogue already knows is
"present". What files, folders and archives are is `core.ingest`'s.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from core import catalogue as db
from core import journal, operations, vectorstore
from core.dataset import Dataset
from core.errors import BurinError
from core.images import content_hash, decode
from core.journal import Change
from core.names import basename, clean_name, file_for, key
from core.originals import stored_form
from core.records import FileOutcome
from core.walk import Facts, facts_of
from core.workspace import new_id, sync_folder

if TYPE_CHECKING:
    from core.embedder import Embedder

NEAR = 2  # bits of 64: of 643 real drawings, 61 of 206,403 pairs are this near, 39 of them in one class
_NEW = -1  # the id of a class that is not there yet
_THREADS = min(8, max(2, os.cpu_count() or 2))


@dataclass(frozen=True)
class Staged:
    """One upload, decoded and written beside the originals, waiting for its row."""

    name: str
    class_name: str | None
    path: Path
    source_sha256: str
    facts: Facts
    size: int
    mtime_ns: int
    image: Any = field(default=None, repr=False)  # kept for the embedder only


class Landing:
    """One import into ``dataset``: `stage` as often as wanted, then `land`, all under one journal entry.

    Use as a context manager: what was staged and not landed is removed at the end.
    """

    def __init__(self, dataset: Dataset, *, source: str, kind: str | None, embedder: Embedder | None = None) -> None:
        dataset.allow("curator")
        self._dataset, self._kind, self._embedder = dataset, kind, embedder
        self._detail: dict[str, Any] = {"source": source, "added": 0}
        self._entry: int | None = None
        self._ours: set[int] = set()  # items that this import added
        self._folder = dataset.workspace.staging / new_id()
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(_THREADS)
        self._near: _Near | None = None

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        discard(self._dataset, self._folder)

    def stage(self, uploads: Sequence[tuple[str, str | None, Any]]) -> Iterator[Staged | FileOutcome]:
        """Decode and write uploads (name, class name, a call that reads the bytes), in order: each is
        staged, or has its outcome already. Several are worked on at a time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        yield from self._pool.map(self._stage_one, uploads, self._numbers)
        sync_folder(self._folder)

    def land(self, staged: Sequence[Staged]) -> list[FileOutcome]:
        """Make items of what was staged, in one transaction with their vectors; one outcome each, in order."""
        if not staged:
            return []
        vectors = self._vectors(staged)
        with self._dataset.catalogue.write() as connection:
            plan = _Plan(connection, self._dataset, self._kind, self._ours, self._load_near(connection))
            outcomes = [plan.judge(one) for one in staged]
            if plan.rows:
                connection.execute(sa.insert(db.items), plan.rows)
            if vectors:
                vectorstore.add_vectors(connection, self._embedder.space, vectors)  # type: ignore[union-attr]
            if plan.made:
                self._detail = {**self._detail, "added": self._detail["added"] + plan.added}
                how: dict[str, Any] = {"action": "import", "who": self._dataset.actor.name, "detail": self._detail}
                self._entry = journal.record(connection, plan.made, staged=plan.staged, entry_id=self._entry, **how)
        self._ours |= plan.new_ids
        self._dataset.settle()
        return outcomes

    def preview(self, staged: Sequence[Staged]) -> list[FileOutcome]:
        """The outcomes that `land` would give, with nothing changed (added ones have no item yet)."""
        with self._dataset.catalogue.read() as connection:
            plan = _Plan(connection, self._dataset, self._kind, self._ours, self._load_near(connection), dry=True)
            return [plan.judge(one) for one in staged]

    def _stage_one(self, upload: tuple[str, str | None, Any], number: int) -> Staged | FileOutcome:
        name, class_name, read = upload
        shown = basename(name)
        try:
            if class_name is not None:
                class_name = clean_name(class_name)
            data = read()
            image = decode(data, name=shown)
            stored, extension = stored_form(image, data)
            facts = facts_of(image, stored)
            path = self._folder / f"{number}{extension}"
            with open(path, "xb") as stream:
                stream.write(stored)
                stream.flush()
                os.fsync(stream.fileno())
                stat = os.fstat(stream.fileno())
        except BurinError as refusal:
            return FileOutcome(name, "refused", refusal)
        source = facts.sha256 if stored is data else content_hash(data)
        kept = image if self._embedder is not None else None
        return Staged(name, class_name, path, source, facts, stat.st_size, stat.st_mtime_ns, kept)

    def _vectors(self, staged: Sequence[Staged]) -> dict[str, np.ndarray]:
        if self._embedder is None:
            return {}
        wanted = list({one.facts.sha256: one.image for one in staged}.items())
        found = self._embedder.embed_images(image for _, image in wanted)
        return {
            sha256: vector for (sha256, _), vector in zip(wanted, found, strict=True) if isinstance(vector, np.ndarray)
        }

    def _load_near(self, connection: sa.Connection) -> _Near:
        if self._near is None:
            self._near = _Near(connection)
        return self._near


def discard(dataset: Dataset, folder: Path) -> None:
    """Remove a staging folder, except the files that have a row already and still wait for their move."""
    with dataset.catalogue.read() as connection:
        waiting = set(connection.execute(sa.select(db.moves.c.source)).scalars())
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.relative_to(dataset.workspace.data).as_posix() not in waiting:
                path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


class _Near:
    """The difference hashes of all present items, for finding one that looks almost the same."""

    def __init__(self, connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(db.items.c.id, db.items.c.dhash).where(db.items.c.state == "present")).all()
        self._count = len(rows)
        self._ids = np.array([row.id for row in rows] or [0], dtype=np.int64)
        self._hashes = np.array([row.dhash for row in rows] or [0], dtype=np.int64).view(np.uint64)

    def find(self, dhash: int) -> int | None:
        """The id of the nearest item within `NEAR` bits."""
        if not self._count:
            return None
        distances = np.bitwise_count(self._hashes[: self._count] ^ np.uint64(dhash))
        best = int(distances.argmin())
        return int(self._ids[best]) if distances[best] <= NEAR else None

    def add(self, item_id: int, dhash: int) -> None:
        if self._count == len(self._ids):
            self._ids, self._hashes = np.resize(self._ids, 2 * self._count), np.resize(self._hashes, 2 * self._count)
        self._ids[self._count], self._hashes[self._count] = item_id, dhash
        self._count += 1


class _Plan:
    """What one `land` is going to write."""

    def __init__(
        self,
        connection: sa.Connection,
        dataset: Dataset,
        kind: str | None,
        ours: set[int],
        near: _Near,
        *,
        dry: bool = False,
    ) -> None:
        self.made: list[Change] = []
        self.rows: list[dict[str, Any]] = []
        self.staged: dict[int, str] = {}
        self.new_ids: set[int] = set()
        self.added = 0
        self._connection, self._dataset, self._kind, self._ours, self._near, self._dry = (
            connection,
            dataset,
            kind,
            ours,
            near,
            dry,
        )
        self._next = db.next_id(connection, db.items)
        present = connection.execute(
            sa.select(db.classes.c.id, db.classes.c.name).where(db.classes.c.state == "present")
        )
        self._names: dict[int | None, str] = {}
        self._classes: dict[str, int] = {}
        for row in present:
            self._names[row.id], self._classes[key(row.name)] = row.name, row.id
        self._known: dict[str, list[_Known]] = {}

    def judge(self, one: Staged) -> FileOutcome:
        """The outcome of one staged upload, and what it adds to the plan."""
        wanted = None if one.class_name is None else self._classes.get(key(one.class_name), _NEW)
        known = self._matches(one)
        there = [item for item in known if item.state == "present"]
        own = [item for item in there if item.class_id == wanted]
        before = [item for item in there if item.id not in self._ours and item.id not in self.new_ids]
        if there and (own or before or wanted is None):
            return self._present((own or before or there)[0], one, wanted)
        if there:  # one archive, two classes: both labels are the curator's own, and both stay
            where = self._names.get(there[0].class_id, "")
            return self._add(
                one, reason=BurinError("The same picture is also in the class {class_name}.", class_name=where)
            )
        gone = [item for item in known if item.state != "present"]
        return self._bring_back(gone[0], one) if gone else self._add(one)

    def _present(self, item: _Known, one: Staged, wanted: int | None) -> FileOutcome:
        where = self._names.get(item.class_id, "")
        if item.class_id is None and wanted is not None:
            class_id, file = self._class_of(one.class_name), item.file
            self.made.append(
                Change("item", item.id, {"class_id": None, "file": file}, {"class_id": class_id, "file": file})
            )
            item.class_id = class_id
            reason = BurinError(
                "It was there without a class, and is now in the class {class_name}.", class_name=one.class_name
            )
        elif item.class_id is None:
            reason = BurinError("Already there, without a class.")
        elif wanted is None or item.class_id == wanted:
            reason = BurinError("Already there, in the class {class_name}.", class_name=where)
        else:
            reason = BurinError(
                "Already there, in the class {class_name} and not in {wanted}.", class_name=where, wanted=one.class_name
            )
        return FileOutcome(one.name, "present", reason, None if item.id in self.new_ids and self._dry else item.id)

    def _bring_back(self, item: _Known, one: Staged) -> FileOutcome:
        class_id = self._class_of(one.class_name)
        before = {"state": item.state, "class_id": item.class_id, "file": item.file}
        self.made.append(Change("item", item.id, before, {"state": "present", "class_id": class_id, "file": item.file}))
        reason = BurinError("Brought back from the trash.")
        if item.state == "missing":
            self.staged[item.id] = self._place(one)
            reason = BurinError("It had been lost from the folders, and is back.")
        item.state, item.class_id = "present", class_id
        self.added += 1
        return FileOutcome(one.name, "added", reason, item.id)

    def _add(self, one: Staged, *, reason: BurinError | None = None) -> FileOutcome:
        class_id = self._class_of(one.class_name)
        item_id, facts = self._next, one.facts
        self._next += 1
        near = self._near.find(facts.dhash)
        file = file_for(one.name, facts.sha256, one.path.suffix)
        if not self._dry:
            self._near.add(item_id, facts.dhash)
            row = {"id": item_id, "class_id": class_id, "file": file, "trashed_as": None, "state": "trash", "ver": 0}
            row |= {"kind": self._kind or facts.kind, "source": one.name[:1000], "source_sha256": one.source_sha256}
            self.rows.append(
                {**row, **facts.columns(), "size": one.size, "mtime_ns": one.mtime_ns, "added_at": time.time()}
            )
            change = {"class_id": class_id, "file": file}
            self.made.append(Change("item", item_id, {"state": "trash", **change}, {"state": "present", **change}))
            self.staged[item_id] = self._place(one)
        self.new_ids.add(item_id)
        self.added += 1
        for sha256 in {facts.sha256, one.source_sha256}:
            self._known.setdefault(sha256, []).append(_Known(item_id, class_id, "present", file))
        return FileOutcome(one.name, "added", reason, None if self._dry else item_id, near)

    def _matches(self, one: Staged) -> list[_Known]:
        """Items whose stored or uploaded bytes are this upload's, in either form."""
        found: dict[int, _Known] = {}
        for sha256 in {one.facts.sha256, one.source_sha256}:
            if sha256 not in self._known:
                columns = (db.items.c.id, db.items.c.class_id, db.items.c.state, db.items.c.file)
                same = (db.items.c.sha256 == sha256) | (db.items.c.source_sha256 == sha256)
                rows = self._connection.execute(sa.select(*columns).where(same).order_by(db.items.c.id))
                self._known[sha256] = [_Known(*row) for row in rows]
            found |= {item.id: found.get(item.id, item) for item in self._known[sha256]}
        return list(found.values())

    def _class_of(self, name: str | None) -> int | None:
        if name is None:
            return None
        if (class_id := self._classes.get(key(name))) is None:
            if self._dry:
                class_id = _NEW - 1 - len(self._classes)
            else:
                change = operations.new_class(self._connection, name)
                self.made.append(change)
                class_id = change.row_id
            self._classes[key(name)], self._names[class_id] = class_id, name
        return class_id

    def _place(self, one: Staged) -> str:
        return one.path.relative_to(self._dataset.workspace.data).as_posix()


@dataclass
class _Known:
    id: int
    class_id: int | None
    state: str
    file: str
