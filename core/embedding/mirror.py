"""The mirror: what a search server has to hold of the catalogue, brought there, compared and repaired.

The catalogue is the truth. What changed lies in its outbox, written in the transaction of the change; `Mirror.follow`
replays that as often as it likes, `Mirror.reconcile` compares everything, `Mirror.measure` says how many of the true
neighbours are found. One process at a time does it, whichever has the lease.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.catalogue.leases import Lease, leased
from core.catalogue.vectorstore import Rows
from core.collection.dataset import Dataset
from core.embedding.candidates import ALL, Among
from core.embedding.milvus import BATCH, WINDOW, Collection
from core.embedding.nearest import one_by_one
from core.embedding.recall import ASKED, TARGET, Recall, measured
from core.ground.errors import Conflict, SearchAway, ServerGone
from core.ground.job_process import Report

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

ROUNDING = 1e-5  # by which two machines' float32 sums of 256 products differ at most
SETTLED_S = 30.0  # after which what was written is seen by a search that does not insist on it
EF_MOST = 4096
AT_ONCE = 8  # questions that a server is asked at a time, where there are many
MOVED = 0.1  # of the references: when so many came or went, the recall is measured again


@dataclass(frozen=True)
class Position:
    """How far a collection is. ``version``: of the catalogue, up to which it has every change; None while it is being
    ``filled``, up to that item id, ``done`` of them, since version ``since``. ``wrote_at``: when something was written
    last. ``ef`` of its graph, and the ``recall`` measured with it when there were ``count`` references, at
    ``measured_at``. ``doubted``: the server was away, and has to be compared before it is believed again."""

    version: int | None = None
    filled: int = -1
    done: int = 0
    since: int = 0
    wrote_at: float = 0.0
    ef: int = 64
    recall: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    measured_at: float = 0.0
    doubted: bool = False

    @property
    def held(self) -> float | None:
        """The recall that is asked to reach the target; None where it was not measured."""
        return Recall(**self.recall).held if self.recall else None


@dataclass(frozen=True)
class Differences:
    """What `Mirror.reconcile` found and repaired: ``lacking`` references, ``extra`` ones, ``stale`` ones (of another
    version or class), and the ``classes`` that they were of, by id with how many."""

    compared: int
    lacking: int
    extra: int
    stale: int
    classes: dict[int, int]

    @property
    def count(self) -> int:
        return self.lacking + self.extra + self.stale


class Mirror:
    """The collection of ``dataset``'s references in ``space`` on the server at ``url``, as a
    `core.embedding.candidates.Source`. Making one asks nothing of the server."""

    proposes = 0

    def __init__(self, dataset: Dataset, space: str, dimension: int, *, url: str, graph: bool = False) -> None:
        self.catalogue, self.space = dataset.catalogue, space
        self.prefix = f"burin_{identity(dataset)}_"
        of_space = hashlib.sha256(f"{space} {'graph' if graph else 'flat'}".encode()).hexdigest()[:12]
        self.collection = Collection(url, self.prefix + of_space, dimension, graph=graph)
        self.slack = 0.0 if graph else ROUNDING

    # As a source

    @property
    def position(self) -> Position | None:
        """How far the collection is; None where it was never filled."""
        record = self.catalogue.get(self._key)
        return Position(**json.loads(record)) if record else None

    @property
    def at(self) -> int:
        """The version up to which it holds every change. Raises `SearchAway` while it is being filled, where it was
        away and is not compared yet, and where it finds fewer of the true neighbours than
        `core.embedding.recall.TARGET`."""
        position = self.position
        if position is None or position.version is None:
            raise SearchAway("Search cannot answer now: the search server is being filled.")
        if position.doubted:
            self.collection.exists()  # says since when it is away, where it still is
            raise SearchAway("Search cannot answer now: the search server was away, and is being compared.")
        held = position.held
        if (self.collection.graph and held is None) or (held is not None and held < TARGET):
            raise SearchAway(
                "Search cannot answer now: the search server was found to miss some of the nearest references, or was "
                "not measured yet."
            )
        return position.version

    def __len__(self) -> int:
        with self.catalogue.read() as connection:
            return vectorstore.count(connection, self.space)

    def search(self, query: np.ndarray, k: int, among: Among = ALL) -> tuple[np.ndarray, np.ndarray]:
        position = self.position or Position()
        fresh = time.time() - position.wrote_at < SETTLED_S
        try:
            return self.collection.search(query, k, among, fresh=fresh, ef=position.ef)
        except ServerGone:
            self._put(doubted=True)
            raise

    def labels(self, item_ids: np.ndarray) -> np.ndarray | None:
        return None

    def around(self, asked: Rows, k: int) -> np.ndarray:
        return one_by_one(self.search, asked, k, at_once=AT_ONCE)

    # As what has to be kept

    def follow(self, should_stop: Callable[[], bool] = lambda: False, *, report: Report | None = None) -> int:
        """Bring over what is not there yet; how many items were written or removed. Nothing where another process is
        at it. Raises `SearchAway`."""
        if self._up_to_date():
            return 0
        with leased(self.catalogue, self._lease) as lease:
            return 0 if lease is None else self._follow(lease, should_stop, report)

    def reconcile(
        self, should_stop: Callable[[], bool] = lambda: False, *, report: Report | None = None
    ) -> Differences:
        """Compare every reference's class and version, and repair what differs. Raises `SearchAway`, and `Conflict`
        where another process is at it."""
        with leased(self.catalogue, self._lease) as lease:
            if lease is None:
                raise Conflict("Another of these is under way: wait for it, or stop it.")
            self._follow(lease, should_stop, report)
            return self._compare(lease, should_stop, report)

    def keep(self, should_stop: Callable[[], bool] = lambda: False) -> int:
        """What has to be done at the moment: `follow`; compare everything where the server was away; measure where
        that was never done, or a tenth came or went since. How many items were written. Raises `SearchAway`."""
        try:
            written = self.follow(should_stop)
            if (position := self.position) is None or position.version is None:
                return written
            if position.doubted:
                with leased(self.catalogue, self._lease) as lease:
                    if lease is not None:
                        written += self._follow(lease, should_stop, None)
                        written += self._compare(lease, should_stop, None).count
            elif not position.recall or (written and abs(len(self) - position.count) > MOVED * position.count):
                with leased(self.catalogue, f"recall {self._lease}", lasts_s=600) as lease:
                    if lease is not None:
                        self.measure(should_stop)
            return written
        except ServerGone:
            if self.position is not None:
                self._put(doubted=True)
            raise

    def look(self) -> None:
        """Ask whether the collection is there: while nothing changes and nobody searches, nobody else would notice.
        Raises `SearchAway`; it is compared before it is believed again."""
        there = False
        try:
            try:
                there = self.collection.exists()
            except ServerGone:  # once more, on a new connection
                there = self.collection.exists()
        finally:
            if not there and self.position is not None:
                self._put(doubted=True)

    def measure(self, should_stop: Callable[[], bool] = lambda: False, *, seed: int = 0) -> Recall | None:
        """How many of the true nearest references the collection finds for `ASKED` of the workspace's own vectors; a
        graph is given more candidates to look at until it reaches the target. Kept with the position."""
        position = self.position
        if position is None or position.version is None:
            return None
        with self.catalogue.read() as connection:
            asked = measured(connection, self.space, np.random.default_rng(seed), count=ASKED)
        ef = position.ef
        while True:
            found = asked.of(partial(self._found, ef))
            if not self.collection.graph or found.held >= TARGET or ef >= EF_MOST or should_stop():
                break
            ef *= 2
        if not should_stop():
            self._put(ef=ef, recall=asdict(found), count=len(self), measured_at=time.time())
        return found

    def _found(self, ef: int, queries: np.ndarray, k: int, among: Among) -> list[np.ndarray]:
        return [ids for ids, _alike in self.collection.search_all(queries, k, among, ef=ef)]

    def drop_others(self) -> None:
        """Remove the workspace's collections of spaces through which nobody looks any more."""
        for name in self.collection.others(self.prefix):
            other = Collection(self.collection.url, name, self.collection.dimension)
            with self.catalogue.write(quiet=True) as connection:
                db.put(connection, f"mirror:{name}", "")
            other.drop()

    def _up_to_date(self) -> bool:
        position = self.position
        if position is None or position.version is None:
            return False
        with self.catalogue.read() as connection:
            if not vectorstore.knows(connection, position.version):
                return False
            return not len(vectorstore.changed(connection, position.version, limit=1))

    def _follow(self, lease: Lease, should_stop: Callable[[], bool], report: Report | None) -> int:
        there = self.collection.exists()
        if not there or self.position is None:
            self._put(version=None, filled=-1, done=0, since=self.catalogue.version, recall={}, doubted=there)
            if not there:
                self.collection.create()
        else:
            self.collection.load()
        position = self.position
        assert position is not None
        written = self._fill(lease, position, should_stop, report) if position.version is None else 0
        position = self.position
        if position is None or position.version is None:
            return written
        with self.catalogue.read() as connection:
            version = int(db.value(connection, "version", "0"))
            changed = vectorstore.changed(connection, position.version)
            known = vectorstore.knows(connection, position.version)
        if not known:
            self._put(doubted=True)
        for start in range(0, len(changed), BATCH):
            if should_stop() or not lease.renew():
                return written
            self._write(changed[start : start + BATCH])
            written += len(changed[start : start + BATCH])
        self._put(version=version, wrote_at=time.time() if len(changed) else position.wrote_at)
        return written

    def _fill(self, lease: Lease, position: Position, should_stop: Callable[[], bool], report: Report | None) -> int:
        """Put everything there, from where an earlier run was stopped."""
        total, done, last = len(self), position.done, position.filled
        while not should_stop() and lease.renew():
            with self.catalogue.read() as connection:
                rows = next(vectorstore.all_references(connection, self.space, size=4 * BATCH, after=last), None)
            if rows is None:
                self._put(version=position.since, filled=-1, done=0, wrote_at=time.time())
                break
            self.collection.put(rows)
            last = int(rows.ids[-1])
            done += len(rows)
            self._put(filled=last, done=done)
            if report:
                report(min(done, total), total)
        return done - position.done

    def _write(self, item_ids: np.ndarray) -> None:
        """Have these there as they are now: those that are references, and not those that are none."""
        with self.catalogue.read() as connection:
            rows = vectorstore.references(connection, self.space, item_ids.tolist())
        if len(gone := np.setdiff1d(item_ids, rows.ids)):
            self.collection.delete(gone.tolist())
        if len(rows):
            self.collection.put(rows)

    def _compare(self, lease: Lease, should_stop: Callable[[], bool], report: Report | None) -> Differences:
        found: Counter[str] = Counter()
        classes: Counter[int] = Counter()
        with self.catalogue.read() as connection:
            last = vectorstore.last_id(connection)
        for start in range(0, last + 1, WINDOW):
            if should_stop() or not lease.renew():
                break
            with self.catalogue.read() as connection:
                ours = vectorstore.labels_between(connection, self.space, start, start + WINDOW)
            self._repair(ours, self.collection.window(start, start + WINDOW), found, classes)
            found["compared"] += len(ours)
            if report:
                report(min(start + WINDOW, last + 1), last + 1)
        else:
            while not should_stop() and lease.renew() and (theirs := self.collection.window(last + 1)):
                self._repair({}, theirs, found, classes)
            if not should_stop():
                self._put(doubted=False)
        return Differences(found["compared"], found["lacking"], found["extra"], found["stale"], dict(classes))

    def _repair(
        self, ours: dict[int, tuple[int, int]], theirs: dict[int, tuple[int, int]],
        found: Counter[str], classes: Counter[int],
    ) -> None:  # fmt: skip
        wrong = [item for item in ours.keys() | theirs.keys() if ours.get(item) != theirs.get(item)]
        for item in wrong:
            found["lacking" if item not in theirs else "extra" if item not in ours else "stale"] += 1
            classes[(ours.get(item) or theirs[item])[0]] += 1
        for start in range(0, len(wrong), BATCH):
            self._write(np.array(wrong[start : start + BATCH], np.int64))
        if wrong:
            self._put(wrote_at=time.time())

    def _put(self, **changes: Any) -> None:
        with self.catalogue.write(quiet=True) as connection:
            record = db.value(connection, self._key)
            held = json.loads(record) if record else asdict(Position())
            db.put(connection, self._key, json.dumps({**held, **changes}))

    @property
    def _key(self) -> str:
        return f"mirror:{self.collection.name}"

    @property
    def _lease(self) -> str:
        return self.collection.name[len("burin_") :]


def mirror_of(dataset: Dataset, embedder: Embedder) -> Mirror | None:
    """The mirror that the workspace's settings ask for; None where they name no server."""
    config = dataset.workspace.config()
    if not config.index_url:
        return None
    graph = config.index_kind == "fast"
    return Mirror(dataset, embedder.space, embedder.dimension, url=config.index_url, graph=graph)


def identity(dataset: Dataset) -> str:
    """What tells this catalogue's collections from another's on the same server. A copy of the workspace is another
    one: of a catalogue in a file, the file's place counts too."""
    catalogue, config = dataset.catalogue, dataset.workspace.config()
    if not (found := catalogue.get("identity")):
        with catalogue.write(quiet=True) as connection:
            found = db.value(connection, "identity") or secrets.token_hex(6)
            db.put(connection, "identity", found)
    place = "" if config.catalogue_url else str(dataset.workspace.root.resolve())
    return hashlib.sha256(f"{found} {place}".encode()).hexdigest()[:12]
