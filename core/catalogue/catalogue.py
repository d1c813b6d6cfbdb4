"""The catalogue: the open database of a workspace, read and written in transactions that survive a kill.

SQLite in the workspace by default (WAL, synchronous=FULL), another database by URL in the settings. Its tables
are `core.catalogue.database`'s; what their rows mean is `core.collection.dataset`'s.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from core.catalogue.database import SCHEMA, bump, create, migrate, put, value
from core.catalogue.sqlitefile import SQLiteFile, open_engine, set_aside_if_damaged, suspect
from core.ground.errors import BurinError, Conflict, WorkspaceRefused
from core.ground.machine_faults import damaged_rows, fault_of, is_damage
from core.ground.workspace import Workspace

_WRITER = 0x6275_7269  # PostgreSQL's advisory lock of the one writer


class Catalogue:
    """The open catalogue of a workspace. Thread-safe; one writer at a time, across processes too.

    A damaged SQLite file is set aside beside the new one, and ``notice`` says so. One that is deleted or replaced while
    it is open is noticed before anything is read or changed. Raises `WorkspaceRefused` when the catalogue cannot be
    opened or comes from a newer version, and `MachineFault`.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._url = workspace.config().catalogue_url
        self.notice: BurinError | None = None
        self.set_aside: Path | None = None  # the damaged file, when there was one
        self.rebuild: Callable[[], None] = lambda: None  # what fills it where it had to be made anew
        self._file: SQLiteFile | None = None
        self._turn, self._repair = threading.Lock(), threading.RLock()
        self._off = False  # something is off with the file: look at it before anything else is done
        self._seen = 0  # the highest version that anybody was told
        self._open()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the catalogue and changes nothing. Raises `MachineFault`."""
        self._look_after()
        with self._faults(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self, *, quiet: bool = False) -> Iterator[sa.Connection]:
        """The one writing transaction: durable when the block ends well, undone when it raises.

        Increases `version`, except when ``quiet``: for what no reader sees. Do not nest. Raises `MachineFault`, and
        `Conflict` where the file was taken away meanwhile; nothing is changed then.
        """
        self._look_after()
        opened = self._file
        with (
            self._faults(),
            self._turn,
            self.engine.connect().execution_options(burin_write=True) as connection,
            connection.begin(),
        ):
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER)))
            yield connection
            if not quiet:
                bump(connection)
            if opened is not None and not opened.is_there():
                raise Conflict(
                    "The file of the catalogue was deleted or replaced meanwhile: nothing was changed. Look again, and"
                    " do it again."
                )

    @property
    def version(self) -> int:
        """Increases with every change; equal versions mean equal contents."""
        self._seen = max(self._seen, found := int(self.get("version", "0")))
        return found

    def get(self, key: str, default: str = "") -> str:
        with self.read() as connection:
            return value(connection, key, default)

    def _open(self) -> None:
        try:
            if self._url:
                self.engine = sa.create_engine(self._url, pool_pre_ping=True)
            else:
                self._workspace.data.mkdir(parents=True, exist_ok=True)
                self.notice, self.set_aside = set_aside_if_damaged(self._workspace)
                self.engine = open_engine(self._workspace)
            with self.engine.connect() as connection:
                self.made = not sa.inspect(connection).has_table("meta")
            if not self._url:
                self._file = SQLiteFile(self._workspace)
            if self.made:
                with self.write(quiet=True) as connection:
                    create(connection)
            elif int(self.get("schema", "1")) < SCHEMA:
                with self.write(quiet=True) as connection:
                    migrate(connection)
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError, ValueError) as error:
            raise _not_opened(error, self._url) from error
        if (found := int(self.get("schema", str(SCHEMA)))) > SCHEMA:
            raise WorkspaceRefused(
                "The catalogue was written by a newer Burin (schema {found}, this one reads {known}).",
                found=found,
                known=SCHEMA,
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What the database says of itself as a sentence; where it is damaged, it is looked at before the next use."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            if is_damage(error):
                self._off = True
            if (fault := fault_of(error)) is not None:
                raise fault from error
            raise
        except json.JSONDecodeError as error:  # in a column that holds JSON
            self._off = True
            raise damaged_rows() from error

    def _look_after(self) -> None:
        """Go on with the file that lies there, where it is not the one that was opened; put it back where it was
        deleted, and make it anew where it is damaged."""
        if self._file is None or (not self._off and self._file.is_there()):
            return
        with self._repair:
            if not self._off and self._file.is_there():
                return
            held, whole = self._file, False
            if self._off:
                suspect(self._workspace)
            else:
                whole = held.put_back()
            self.engine.dispose()
            held.close()
            self._off = False
            self._open()
            if not whole:
                self.rebuild()
            with self.write() as connection:  # whatever is remembered of the earlier one is out of date
                anew = str(max(self._seen, int(value(connection, "version", "0"))) + 1)
                put(connection, "version", anew)
                put(connection, "references_from", anew)

    def close(self) -> None:
        self.engine.dispose()
        if self._file is not None:
            self._file.close()


def reach(url: str) -> str:
    """What answers at this address, as "postgresql 16.4"; nothing is made or changed there. Raises `WorkspaceRefused`
    with the reason where nothing does."""
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
        with engine.connect() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
            return f"{connection.dialect.name} {version}".strip()
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise _not_opened(error, url) from error


def shown_url(url: str) -> str:
    """An address without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True) if url else ""
    except sa.exc.ArgumentError:
        return "?"


def _not_opened(error: Exception, url: str) -> BurinError:
    """Why a catalogue cannot be opened: its address is none, or whatever is wrong with the machine."""
    if url and isinstance(error, sa.exc.ArgumentError | ImportError | ValueError):
        return WorkspaceRefused(
            "The address of the catalogue in the settings is none that can be used ({why}). The images and all else are"
            " safe. Put it right in a shell: python -m core settings set catalogue_url ADDRESS",
            why=error,
        )
    return fault_of(error) or WorkspaceRefused(
        "The catalogue cannot be opened: {why}", why=getattr(error, "orig", error)
    )
