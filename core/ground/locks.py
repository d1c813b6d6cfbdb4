"""Locks: what one process at a time does, on whichever server; a lock ends with the process that holds it.

They lie where the servers of a workspace meet: in PostgreSQL where the catalogue is there, on a connection of its own
each, since a file of a network folder may be locked twice; else on the file itself, as SQLite means one machine.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.ground.errors import BurinError, LockLost
from core.ground.machine_faults import fault_of
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

AWAY_S = 60.0  # for how long a database that does not answer is waited for, before a lock in it counts as lost
CONFIRMED_S = 5.0  # between two looks whether a lock is held still, in what takes long
_LOOK_S = 0.05  # between two tries
_HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}  # what a file that another has locked answers with


class Hold(Protocol):
    """A lock that is held."""

    def confirm(self, *, every_s: float = 0.0) -> None:
        """Return where it is held still, and has been all along; asked again within ``every_s``, at once. Raises
        `LockLost`: whoever held it writes no more."""


@contextmanager
def locked(path: Path, busy: BurinError | None, *, wait_s: float = 0.0) -> Iterator[Hold]:
    """Hold the lock of ``path`` in this block; raises ``busy`` where another has it for longer than ``wait_s``, and
    waits for as long as it takes where that is None. In long blocks `Hold.confirm` it before something is written; a
    block that ends well has held it to its end, or raises `LockLost`."""
    if (place := _in_database(path)) is None:
        with locked_file(path, busy, wait_s=wait_s) as held:
            yield held
        return
    with locked_name(*place, busy, wait_s=wait_s) as held:
        yield held
        held.confirm()


def held_of(paths: Iterable[Path]) -> set[Path]:
    """Those of the paths, all of one workspace, whose lock some process holds at this moment."""
    paths = list(paths)
    if not paths or (place := _in_database(paths[0])) is None:
        return {path for path in paths if _is_held(path)}
    url, name = place
    root = paths[0].parents[name.count("/")]
    names = {path.relative_to(root).as_posix(): path for path in paths}
    with faults(), _looking(url).connect() as connection:
        found = do(connection, _THOSE_TAKEN, names=[*names])
        return {names[row.name] for row in found}


@contextmanager
def locked_file(path: Path, busy: BurinError | None, *, wait_s: float = 0.0) -> Iterator[Hold]:
    """As `locked`, between the processes of one machine. Raises `OSError` where files cannot be locked."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while not _lock(handle):
            if busy is not None and time.monotonic() >= deadline:
                raise busy
            time.sleep(_LOOK_S)
        yield FileHold()
    finally:
        os.close(handle)


@contextmanager
def locked_name(url: str, name: str, busy: BurinError | None, *, wait_s: float = 0.0) -> Iterator[Hold]:
    """As `locked`, by a name in the PostgreSQL at ``url``; what becomes of it by the end of the block is not asked.
    Raises `MachineFault` where that does not answer."""
    held = _DatabaseHold(url, name)
    try:
        deadline = time.monotonic() + wait_s
        while not held.take():
            if busy is not None and time.monotonic() >= deadline:
                raise busy
            time.sleep(4 * _LOOK_S)
        yield held
    finally:
        held.let_go()


class FileHold:
    """It ends with the process, and not before."""

    def confirm(self, *, every_s: float = 0.0) -> None:
        return


class _DatabaseHold:
    """An advisory lock on a connection of its own, and beside it a row that counts how often it was taken: where the
    connection was cut off, it is taken again, and was held all along if nobody else had it meanwhile."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._connection: sa.Connection | None = None
        self._turn = self._sure_at = 0.0

    def take(self) -> bool:
        with faults():
            connection = self._connection or self._connected()
            if not _try(connection, self._name):
                return False
            with deciding(self._url, "locks") as other:
                do(other, _TABLE)
            self._turn = do(connection, _TAKE, name=self._name).scalar()
        self._sure_at = time.monotonic()
        return True

    def confirm(self, *, every_s: float = 0.0) -> None:
        if time.monotonic() - self._sure_at < every_s:
            return
        deadline = time.monotonic() + AWAY_S
        while True:
            with suppress(*_cut_off()):
                if self._still():
                    self._sure_at = time.monotonic()
                    return
            if time.monotonic() > deadline:
                raise LockLost(
                    "The database of the catalogue did not answer for a minute, so somebody else may have begun the"
                    " same: this was left as it was. Go on with it once the database is there again."
                )
            time.sleep(10 * _LOOK_S)

    def let_go(self) -> None:
        if self._connection is not None:
            with suppress(Exception):  # it may have been cut off meanwhile: the lock is gone with it
                self._connection.close()
            self._connection.engine.dispose()
            self._connection = None

    def _still(self) -> bool:
        """Whether it is ours; False while nobody can say, such as when the connection that is lost still has it."""
        with suppress(*_cut_off()):
            if self._connection is not None and do(self._connection, _OURS, name=self._name).scalar():
                return True
        self.let_go()
        connection = self._connected()
        if do(connection, "SELECT turn FROM lock_turns WHERE name = :name", name=self._name).scalar() != self._turn:
            raise LockLost("Somebody else has begun the same meanwhile: this was left as it was.")
        return _try(connection, self._name)

    def _connected(self) -> sa.Connection:
        self._connection = _engine(self._url).connect().execution_options(isolation_level="AUTOCOMMIT")
        do(self._connection, _WATCHFUL)
        return self._connection


# In the database

_TRY = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || ' lock ' || CAST(:name AS text), 0))"
_THOSE_TAKEN = """
    SELECT name FROM unnest(CAST(:names AS text[])) name WHERE EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND ((CAST(classid AS bigint) << 32) | CAST(objid AS bigint))
          = hashtextextended(current_schema() || ' lock ' || name, 0)
    )
"""
_OURS = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
        AND ((CAST(classid AS bigint) << 32) | CAST(objid AS bigint))
          = hashtextextended(current_schema() || ' lock ' || CAST(:name AS text), 0)
    )
"""
_TABLE = "CREATE TABLE IF NOT EXISTS lock_turns (name text PRIMARY KEY, turn bigint NOT NULL)"
_TAKE = """
    INSERT INTO lock_turns VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET turn = lock_turns.turn + 1 RETURNING turn
"""
# A machine that lost its power says nothing: the server asks after it, and lets its locks go within half a minute.
_WATCHFUL = """
    SELECT set_config(name, CASE name WHEN 'idle_session_timeout' THEN '0' ELSE '10' END, false) FROM pg_settings
    WHERE name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval', 'idle_session_timeout')
    UNION ALL SELECT set_config('tcp_keepalives_count', '2', false)
"""
_OUR_END = {  # and so do we after the server; what the address says itself holds
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}  # fmt: skip


@contextmanager
def deciding(url: str, what: str) -> Iterator[sa.Connection]:
    """A transaction in the PostgreSQL at ``url`` that no other one about ``what`` runs beside."""
    engine = _engine(url)
    try:
        with faults(), engine.begin() as connection:
            number = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || CAST(:what AS text), 0))"
            do(connection, number, what=f" {what}")
            yield connection
    finally:
        engine.dispose()


def is_taken(connection: sa.Connection, name: str) -> bool:
    """Whether some process holds the lock of this name."""
    return do(connection, _THOSE_TAKEN, names=[name]).first() is not None


def do(connection: sa.Connection, statement: str, **values: Any) -> Any:
    """What the database answers to a statement; ``values`` are the ``:names`` in it."""
    import sqlalchemy as sa

    return connection.execute(sa.text(statement), values)


@contextmanager
def faults() -> Iterator[None]:
    """Raise `MachineFault` where the database does not answer."""
    try:
        yield
    except Exception as error:
        if (fault := fault_of(error)) is not None:
            raise fault from error
        raise


def _try(connection: sa.Connection, name: str) -> bool:
    return bool(do(connection, _TRY, name=name).scalar())


def _engine(url: str, **how: Any) -> sa.Engine:
    import sqlalchemy as sa

    said = sa.make_url(url)
    own = {name: value for name, value in _OUR_END.items() if name not in said.query}
    return sa.create_engine(said, connect_args=own, **(how or {"poolclass": sa.pool.NullPool}))


@lru_cache(maxsize=4)
def _looking(url: str) -> sa.Engine:
    """For looks at what is held, which a page takes with every view."""
    return _engine(url, pool_pre_ping=True, pool_size=1, isolation_level="AUTOCOMMIT")


def _cut_off() -> tuple[type[Exception], ...]:
    import sqlalchemy as sa

    return sa.exc.DBAPIError, sa.exc.InvalidRequestError, OSError


def _in_database(path: Path) -> tuple[str, str] | None:
    """The address of the PostgreSQL that a path's workspace keeps its catalogue in, and the path below its root, which
    is the same wherever the folder is mounted; None where it has none, or the path lies in no workspace."""
    path = path.absolute()  # and links are followed nowhere: a folder on another disk is in the workspace all the same
    for root in path.parents:
        if (root / "data" / "workspace.json").is_file():
            url = Workspace(root).config().catalogue_url
            return (url, path.relative_to(root).as_posix()) if url.startswith("postgresql") else None
    return None


# In a file


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file until it is closed, or the process ends; whether nobody else has it. Raises `OSError` where
    files cannot be locked, as on some network folders."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
