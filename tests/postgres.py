"""A PostgreSQL of the tests' own, from the binaries that a Debian package installs: no fixed port, no password,
nothing left behind. It listens on a socket in its own temporary folder and on no network.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_SETTINGS = (
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
)


def binaries() -> Path | None:
    """The folder of the newest ``initdb`` and ``pg_ctl``, or None."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    return next(
        (path for path in [*debian, *on_path] if (path / "initdb").exists() and (path / "pg_ctl").exists()), None
    )


class PostgreSQL:
    """A running server. `fresh` gives the URL of an empty schema; `stop` ends the server and removes its files."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._numbers = itertools.count()
        self.folder = Path(tempfile.mkdtemp(prefix="burin-pg-"))  # short: a socket's path has 107 bytes at most
        self._as: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as |= {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", "db", "-U", "burin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._start()

    def fresh(self) -> str:
        """The URL of a schema with nothing in it."""
        schema = f"test_{next(self._numbers)}"
        with psycopg.connect(host=str(self.folder), user="burin", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"postgresql+psycopg://burin@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers while the block runs; what was connected is cut off."""
        self._run("pg_ctl", "-D", "db", "-w", "-m", "fast", "stop")
        try:
            yield
        finally:
            self._start()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "db", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self._run("pg_ctl", "-D", "db", "-w", "-l", "log.txt", "-o", f"{_SETTINGS} -k {self.folder}", "start")

    def _run(self, program: str, *arguments: str) -> None:
        # Output to a file: the server inherits it, and a pipe would stay open as long as the server lives.
        with open(self.folder / "setup.txt", "ab") as log:
            done = subprocess.run(
                [self._programs / program, *arguments], **self._as, stdout=log, stderr=log, timeout=120, check=False
            )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{(self.folder / 'setup.txt').read_text(errors='replace')}")
