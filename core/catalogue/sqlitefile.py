"""The SQLite file of a catalogue: how it is opened, whether it is sound, and whether it still lies at its place.

A file that is deleted under an open connection takes every change and keeps none of them: so whoever changes something
asks `SQLiteFile.is_there` first. What its tables mean is `core.catalogue.database`'s.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa

from core.ground.errors import BurinError, WorkspaceRefused
from core.ground.workspace import Workspace, sync_folder, temporary

BUSY_MS = 30_000  # what a writer waits for another program
CLOSELY_BELOW = 20_000_000  # bytes: a smaller file is checked closely every time (100,000 images are 200 MB, and 4 s)
DAILY_FROM = 300_000_000  # bytes: a larger file is checked once a day, and not by every process that opens it
_DAY_S = 86_400.0
_BESIDE = ("-wal", "-shm")
_SUSPECT = ".catalogue-suspect"  # beside the file: something was off with it
_SOUND = ".catalogue-sound"  # beside it too: which file was found sound, and when


class SQLiteFile:
    """The file that is open now. One connection is kept to it, by which all of it can be read after it was deleted."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.catalogue
        self._kept = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        self._kept.execute("SELECT count(*) FROM sqlite_master").fetchone()  # it is opened by the first question only
        self._known = self._identity()

    def is_there(self) -> bool:
        """Whether the file that was opened still lies at its place, with what was not yet written into it beside it."""
        return self._identity() == self._known

    def put_back(self) -> bool:
        """Write a file that was deleted anew, from the connection that still holds it; False where another file lies
        there by now, or what is held cannot be read."""
        if self.path.exists() and _inode(self.path) != self._known[0]:
            return False
        own = temporary(self.path)
        try:
            with closing(sqlite3.connect(own)) as copy:
                self._kept.backup(copy)
            with open(own, "rb") as stream:
                os.fsync(stream.fileno())
            for suffix in _BESIDE:  # they belong to what was deleted
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            os.replace(own, self.path)
            sync_folder(self.path.parent)
        except (sqlite3.Error, OSError):
            with suppress(OSError):
                own.unlink()
            return False
        return True

    def close(self) -> None:
        self._kept.close()

    def _identity(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        return _inode(self.path), _inode(Path(f"{self.path}-wal"))


def open_engine(workspace: Workspace) -> sa.Engine:
    """Connections to the file: durable (WAL, synchronous=FULL), each waiting `BUSY_MS` for its turn."""
    address = sa.URL.create("sqlite", database=str(workspace.catalogue))
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_MS / 1000})

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=OFF",
            "cache_size=-16000",
            "trusted_schema=OFF",  # a file from elsewhere brings no functions with side effects in its triggers
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("burin_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def suspect(workspace: Workspace) -> None:
    """Remember that something is off with the file: it is checked closely when it is opened next."""
    with suppress(OSError):
        (workspace.data / _SUSPECT).touch()


def set_aside_if_damaged(workspace: Workspace) -> tuple[BurinError | None, Path | None]:
    """Rename a file that fails its check: the sentence about it and its new place, or two None.

    A quick check looks at every page; a close one compares every index with its table too, and takes seven times as
    long. It follows where the file is small, or where something was off with it.
    """
    path, mark, sound = workspace.catalogue, workspace.data / _SUSPECT, workspace.data / _SOUND
    if not path.exists() or (not mark.exists() and _checked_lately(path, sound)):
        return None, None
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_MS / 1000)) as connection:
            verdict = _verdict(connection, "quick_check")
            if verdict == "ok" and (mark.exists() or path.stat().st_size < CLOSELY_BELOW):
                verdict = _verdict(connection, "integrity_check")
    except sqlite3.OperationalError as error:
        if any(part in str(error) for part in ("locked", "unable to open", "readonly", "is full", "disk I/O")):
            raise
        verdict = str(error)
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        aside = path.with_name(f"catalogue.damaged-{time.strftime('%Y%m%d-%H%M%S')}.sqlite")
        for suffix in ("", *_BESIDE):
            if os.path.exists(f"{path}{suffix}"):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    mark.unlink(missing_ok=True)
    if verdict == "ok":
        with suppress(OSError):
            if path.stat().st_size >= DAILY_FROM:
                sound.write_text(str(_inode(path)), encoding="ascii")
        return None, None
    notice = WorkspaceRefused(
        "The catalogue was damaged ({why}); it was set aside as {name} and rebuilt from the folders.",
        why=verdict,
        name=aside.name,
    )
    return notice, aside


def _verdict(connection: sqlite3.Connection, check: str) -> str:
    return str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0])


def _checked_lately(path: Path, sound: Path) -> bool:
    """Whether this very file is a large one that was found sound within the last day."""
    with suppress(OSError):
        lately = 0 <= time.time() - sound.stat().st_mtime < _DAY_S
        return lately and path.stat().st_size >= DAILY_FROM and sound.read_text("ascii") == str(_inode(path))
    return False


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except OSError:
        return None
