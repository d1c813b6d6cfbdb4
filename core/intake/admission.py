"""Admission: which uploads become new items, and which are there already; the plan of one landing.

Content decides. An upload is known by its own bytes or by its stored form; what is known stays where
the curator put it. Nothing is written here but the rows of new classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import operations
from core.catalogue.journal import Change
from core.catalogue.records import FileOutcome
from core.collection.looks import Looks
from core.collection.walk import Facts
from core.ground import sameness
from core.ground.errors import BurinError, Conflict
from core.ground.images import decode, thumbnail
from core.ground.names import clean_name, file_for, key, printable
from core.ground.workspace import Workspace
from core.intake.labels import WHOLE, Described, Look

NEAR = 2  # bits of 64 by which the hashes of what was not looked at may differ, to be opened and compared
SHOWN = 96  # px of the picture of a file that is held back
CANDIDATES = 32  # the nearest of them whose pictures are compared
_NEW = -1  # the id of a class that is not there yet


@dataclass(frozen=True)
class Staged:
    """One upload, decoded and written beside the originals, waiting for its row. ``path`` None: its
    content was there already, and nothing was written."""

    name: str
    class_name: str | None
    source_sha256: str
    facts: Facts
    path: Path | None = None
    size: int = 0
    mtime_ns: int = 0
    shown: Any = field(default=None, repr=False)  # the picture as copies are compared, see `core.ground.sameness`
    image: Any = field(default=None, repr=False)  # kept for the embedder only
    look: Look = WHOLE

    @property
    def seen_as(self) -> str:
        """The identity of what is seen of it: its content, with a region that of both."""
        return self.facts.sha256 if self.look.region is None else self.look.region.of(self.facts.sha256)


@dataclass
class _Known:
    id: int
    class_id: int | None
    state: str
    file: str
    view: str | None = None


class Near:
    """All present items, for finding one that shows the same picture (`core.ground.sameness`).

    Those whose ``looks`` are kept are compared with every upload; of others, which only a large collection that was
    never looked through has, the difference hashes say which might, and ``look`` opens them (None: it cannot).
    """

    def __init__(self, connection: sa.Connection, looks: Looks, look: Callable[[int], sameness.Look | None]) -> None:
        query = sa.select(db.items.c.id, db.items.c.sha256, db.items.c.dhash).where(db.items.c.state == "present")
        self._index = sameness.Index()
        unseen: list[tuple[int, int]] = []
        for row in connection.execute(query):
            if (seen := looks.get(row.sha256)) is not None:
                self._index.add(row.id, seen)
            else:
                unseen.append((row.id, row.dhash))
        ids, hashes = np.array(unseen or [(0, 0)], dtype=np.int64)[: len(unseen)].reshape(-1, 2).T.copy()
        self._ids, self._hashes = ids, hashes.view(np.uint64)
        self._look = look
        self._opened: dict[int, sameness.Look | None] = {}

    def find(self, dhash: int, seen: sameness.Look, *, but: Collection[int] = ()) -> int | None:
        """The id of an item that shows the same, and is none of those in ``but``; None without any."""
        found = self._index.find(seen, but=but)
        if found is not None or not len(self._ids):
            return found
        distances = np.bitwise_count(self._hashes ^ np.uint64(dhash))
        close = np.flatnonzero(distances <= NEAR)
        for row in close[np.argsort(distances[close], kind="stable")][:CANDIDATES].tolist():
            item_id = int(self._ids[row])
            if item_id not in self._opened:
                self._opened[item_id] = self._look(item_id)
            other = self._opened[item_id]
            if other is not None and sameness.same(other, seen):
                return item_id
        return None

    def add(self, item_id: int, seen: sameness.Look) -> None:
        self._index.add(item_id, seen)


class Admission:
    """What one landing is going to write: the ``rows`` of new items, the changes `made`, and where the
    ``staged`` files lie (item id -> path in the data folder).

    ``ours``: items that earlier landings of the same import added. ``admit``: near copies are held back for a person
    to see, but those whose uploads have these hashes; None takes all in. Two that a table of labels names by their very
    content are no copies of each other, only of what was there before. ``replace``: uploads (by their hashes) that
    take the place of an item, which goes to the trash. ``dry``: only the outcomes count.
    """

    def __init__(
        self,
        connection: sa.Connection,
        workspace: Workspace,
        *,
        kind: str | None,
        ours: set[int],
        near: Near,
        admit: Collection[str] | None = None,
        replace: Mapping[str, int] | None = None,
        dry: bool = False,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.staged: dict[int, str] = {}
        self.new_ids: set[int] = set()
        self.added = 0
        self._connection, self._workspace, self._kind = connection, workspace, kind
        self._ours, self._near, self._admit, self._replace, self._dry = ours, near, admit, replace or {}, dry
        self._new_classes: dict[int, Change] = {}
        self._described: dict[int, Change] = {}
        self._changes: dict[int, Change] = {}
        self._next = db.next_id(connection, db.items)
        self._names: dict[int | None, str] = {}
        self._classes: dict[str, int] = {}
        self._known: dict[str, list[_Known]] = {}
        query = sa.select(db.classes.c.id, db.classes.c.name).where(db.classes.c.state == "present")
        for row in connection.execute(query):
            self._names[row.id], self._classes[key(row.name)] = row.name, row.id

    @property
    def made(self) -> list[Change]:
        """The changes, one a row."""
        return [*self._new_classes.values(), *self._described.values(), *self._changes.values()]

    def judge(self, uploads: Sequence[Staged]) -> list[FileOutcome]:
        """The outcome of each staged upload, in order."""
        self._look_up({sha256 for one in uploads for sha256 in (one.facts.sha256, one.source_sha256)})
        return [self._judge(one) for one in uploads]

    def describe(self, classes: Sequence[Described]) -> tuple[int, int]:
        """Make the classes that a list names and that are not there, and add what they lack of its fields and aliases:
        what somebody wrote here stays. How many were made, and how many described. Raises `NameRefused`."""
        made = told = 0
        for one in classes:
            made += key(one.name) not in self._classes
            class_id = self._class_of(clean_name(one.name))
            if class_id is None or (self._dry and class_id < 0):
                continue
            row = self._connection.execute(sa.select(db.classes).where(db.classes.c.id == class_id)).one()
            added = [clean_name(alias) for alias in one.aliases]
            aliases = list(dict.fromkeys([*row.aliases, *(each for each in added if key(each) != key(row.name))]))
            fields = {**one.fields, **row.fields}
            if (aliases, fields) == (row.aliases, row.fields):
                continue
            told += 1
            new = self._new_classes.get(class_id)
            before, after = {"aliases": row.aliases, "fields": row.fields}, {"aliases": aliases, "fields": fields}
            if new is not None:
                self._new_classes[class_id] = Change(
                    "class", class_id, {**new.before, **before}, {**new.after, **after}
                )
            else:
                self._described[class_id] = Change("class", class_id, before, after)
        return made, told

    def _judge(self, one: Staged) -> FileOutcome:
        wanted = None if one.class_name is None else self._classes.get(key(one.class_name), _NEW)
        matches = self._known[one.facts.sha256] + self._known[one.source_sha256]
        if one.look.region is not None:  # another mark of the same picture is another original
            matches = [item for item in matches if item.view == one.seen_as]
        there = [item for item in matches if item.state == "present"]
        own = [item for item in there if item.class_id == wanted]
        before = [item for item in there if item.id not in self._ours and item.id not in self.new_ids]
        if there and (own or before or wanted is None or there[0].class_id is None):
            return self._present((own or before or there)[0], one, wanted)
        if one.path is None:  # it was there when it was staged, and went since
            return FileOutcome(
                one.name, "refused", Conflict("{name} was changed by another action in the meantime.", name=one.name)
            )
        if there:  # one import, two classes: both labels are the curator's own, and both stay
            where = self._names.get(there[0].class_id, "")
            also = BurinError("The same picture is also in the class {class_name}.", class_name=where)
            return self._add(one, one.path, reason=also)
        return self._bring_back(matches[0], one, one.path) if matches else self._add(one, one.path)

    def _present(self, item: _Known, one: Staged, wanted: int | None) -> FileOutcome:
        where = self._names.get(item.class_id, "")
        if item.class_id is None and wanted is not None:
            item.class_id = self._class_of(one.class_name)
            self._change(item, {"class_id": None}, {"class_id": item.class_id})
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
        there = self._names.get(item.class_id)
        return FileOutcome(one.name, "present", reason, self._shown(item.id), class_name=there)

    def _bring_back(self, item: _Known, one: Staged, path: Path) -> FileOutcome:
        class_id = self._class_of(one.class_name)
        self._change(item, {"state": item.state, "class_id": item.class_id}, {"state": "present", "class_id": class_id})
        reason = BurinError("Brought back from the trash.")
        if item.state == "missing":
            self.staged[item.id] = self._place(path)
            reason = BurinError("It had been lost from the folders, and is back.")
        item.state, item.class_id = "present", class_id
        self.added += 1
        return FileOutcome(one.name, "added", reason, item.id, class_name=self._names.get(class_id))

    def _add(self, one: Staged, path: Path, *, reason: BurinError | None = None) -> FileOutcome:
        facts = one.facts
        near = None
        if one.look.region is None:
            vouched = one.look.sha256 == one.source_sha256  # both were kept where the table comes from
            near = self._near.find(facts.dhash, one.shown, but=self._ours | self.new_ids if vouched else ())
        if near is not None and self._admit is not None and one.source_sha256 not in self._admit:
            return self._hold(one, path, near)
        old = self._replaced(one)
        class_id = old.class_id if old is not None and one.class_name is None else self._class_of(one.class_name)
        item = _Known(
            self._next, class_id, "present", file_for(one.name, facts.sha256, path.suffix),
            None if one.look.region is None else one.seen_as,
        )  # fmt: skip
        self._next += 1
        self.new_ids.add(item.id)
        self.added += 1
        for sha256 in {facts.sha256, one.source_sha256}:
            self._known[sha256].append(item)
        if not self._dry:
            self._near.add(item.id, one.shown)
            row: dict[str, Any] = {"id": item.id, "class_id": item.class_id, "file": item.file, "trashed_as": None}
            kind, source = self._kind or one.look.kind or facts.kind, one.look.source or one.name
            row |= {"state": "trash", "ver": 0, "kind": kind, "added_at": time.time()}
            row |= {"source": printable(source)[:1000], "source_sha256": one.source_sha256}
            row |= {"size": one.size, "mtime_ns": one.mtime_ns, "sight": one.look.sight}
            row |= {"tags": list(one.look.tags) or None}
            region = one.look.region
            row |= {"region": region and region.to_json(), "view": region and one.seen_as}
            self.rows.append({**row, **facts.columns()})
            self.staged[item.id] = self._place(path)
            where = {"class_id": item.class_id}
            self._change(item, {"state": "trash", **where}, {"state": "present", **where})
            if old is not None:
                self._change(old, {"state": "present"}, {"state": "trash"})
                reason = BurinError("It takes the place of the image that looks almost the same.")
        class_name = self._names.get(item.class_id)
        return FileOutcome(one.name, "added", reason, self._shown(item.id), near, class_name)

    def _replaced(self, one: Staged) -> _Known | None:
        """The item that makes room for this better copy of it, where that is still there."""
        columns = (db.items.c.id, db.items.c.class_id, db.items.c.state, db.items.c.file)
        query = sa.select(*columns).where(db.items.c.id == self._replace.get(one.source_sha256))
        row = self._connection.execute(query).one_or_none() if one.source_sha256 in self._replace else None
        return None if row is None or row.state != "present" or row.id in self.new_ids else _Known(*row)

    def _hold(self, one: Staged, path: Path, near: int) -> FileOutcome:
        class_name = None if one.class_name is None else self._named(one.class_name)
        picture = thumbnail(decode(path, name=one.name, within=2 * SHOWN), side=SHOWN)
        reason = BurinError("It looks almost like an image that is there, and waits to be looked at.")
        pixels = one.facts.width * one.facts.height
        return FileOutcome(one.name, "held", reason, None, near, class_name, one.source_sha256, picture, pixels)

    def _named(self, name: str) -> str:
        """How the class of that name is written here."""
        return self._names.get(self._classes.get(key(name)), name)

    def _change(self, item: _Known, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Note a change; a second one of the same item follows on the first."""
        first = self._changes.get(item.id)
        before = {**before, "file": item.file, **(first.before if first else {})}
        after = {**(first.after if first else {}), **after, "file": item.file}
        self._changes[item.id] = Change("item", item.id, before, after)

    def _look_up(self, hashes: set[str]) -> None:
        """Find the items whose stored or uploaded bytes have these hashes, in a few queries."""
        self._known = {sha256: [] for sha256 in hashes} | self._known
        columns = (
            db.items.c.id,
            db.items.c.class_id,
            db.items.c.state,
            db.items.c.file,
            db.items.c.sha256,
            db.items.c.source_sha256,
            db.items.c.view,
        )
        found: dict[int, _Known] = {}
        for some in db.chunks(hashes):
            same = db.items.c.sha256.in_(some) | db.items.c.source_sha256.in_(some)
            for row in self._connection.execute(sa.select(*columns).where(same).order_by(db.items.c.id)):
                if row.id in found:
                    continue
                found[row.id] = _Known(row.id, row.class_id, row.state, row.file, row.view)
                for sha256 in {row.sha256, row.source_sha256}:
                    self._known.setdefault(sha256, []).append(found[row.id])

    def _class_of(self, name: str | None) -> int | None:
        if name is None:
            return None
        if (class_id := self._classes.get(key(name))) is None:
            if self._dry:
                class_id = _NEW - 1 - len(self._classes)
            else:
                made = operations.new_class(self._connection, name)
                class_id = made.row_id
                self._new_classes[class_id] = made
            self._classes[key(name)], self._names[class_id] = class_id, name
        return class_id

    def _shown(self, item_id: int) -> int | None:
        return None if self._dry and item_id in self.new_ids else item_id

    def _place(self, path: Path) -> str:
        return path.relative_to(self._workspace.data).as_posix()
