"""The keys of jobs: of those with one key a single one is at work, on whichever server it was started.

They lie where the servers of a workspace meet: in PostgreSQL where the catalogue is there, else as files in the jobs'
folder. What a job is, and whether it is still there, is `core.ground.job`'s.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.ground.errors import Conflict
from core.ground.job import Job
from core.ground.locks import FileHold, Hold, deciding, do, is_taken, locked_name
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

ENDING_S = 15.0  # for how long the process of a job waits for the one that had its key before

Active = Callable[[str], Job | None]  # job id -> the job, where it is at work or about to be; None where it is not

_ONE_AT_A_TIME = threading.Lock()  # of this process's clicks; other processes meet at the lock file


class Keys(Protocol):
    """Where keys lie: who has one, who takes it, who gives it back."""

    def holder(self, key: str, active: Active) -> Job | None:
        """The active job that has the key."""

    def take(self, key: str, job: Job, active: Active) -> Job | None:
        """Have ``job`` have the key; or the active job that has it already."""

    def release(self, key: str, job_id: str) -> None:
        """Give the key back, where that job has it."""

    def working(self, key: str) -> AbstractContextManager[Hold | None]:
        """In the process of the job that has the key, while it works: that no other one with it does, or None."""


def keys_of(workspace: Workspace) -> Keys:
    """Where the servers of this workspace meet."""
    url = workspace.config().catalogue_url
    return DatabaseKeys(url, workspace) if url.startswith("postgresql") else FileKeys(workspace.jobs)


class FileKeys:
    """A file a key, made by whoever is first, with the id of the job in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holder(self, key: str, active: Active) -> Job | None:
        with suppress(FileNotFoundError):
            return active(self._path(key).read_text(encoding="ascii"))
        return None

    def take(self, key: str, job: Job, active: Active) -> Job | None:
        path = self._path(key)
        with _ONE_AT_A_TIME:
            while True:
                try:
                    with open(path, "x", encoding="ascii") as lock:
                        lock.write(job.id)
                    return None
                except FileExistsError:
                    holder = self._holder(path)
                if (other := active(holder)) is not None:
                    return other
                self.release(key, holder)

    def release(self, key: str, job_id: str) -> None:
        path = self._path(key)
        with suppress(FileNotFoundError):
            if path.read_text(encoding="ascii") in ("", job_id):
                path.unlink()

    @contextmanager
    def working(self, key: str) -> Iterator[Hold | None]:
        yield FileHold()

    def _holder(self, path: Path) -> str:
        for _ in range(20):  # it is made empty, and filled at once
            with suppress(FileNotFoundError):
                if holder := path.read_text(encoding="ascii"):
                    return holder
            time.sleep(0.05)
        return ""

    def _path(self, key: str) -> Path:
        return self._folder / f".{hashlib.sha256(key.encode()).hexdigest()[:24]}.lock"


class DatabaseKeys:
    """A row a key, written by one server at a time; and beside it a lock that the job's process holds on a connection
    of its own, which ends with it. A shared folder may show what another server wrote some seconds late; the database
    does not, and of two jobs with one key that were started all the same the second finds the lock taken.

    Raises `MachineFault` where the database does not answer.
    """

    def __init__(self, url: str, workspace: Workspace) -> None:
        self._url, self._jobs = url, workspace.jobs

    def holder(self, key: str, active: Active) -> Job | None:
        with self._deciding() as connection:
            return self._active(connection, key, active)

    def take(self, key: str, job: Job, active: Active) -> Job | None:
        with self._deciding() as connection:
            if (other := self._active(connection, key, active)) is not None:
                return other
            do(connection, "DELETE FROM job_keys WHERE key = :key", key=key)
            written = "INSERT INTO job_keys (key, job, kind) VALUES (:key, :job, :kind)"
            do(connection, written, key=key, job=job.id, kind=job.kind)
            return None

    def release(self, key: str, job_id: str) -> None:
        with self._deciding() as connection:
            do(connection, "DELETE FROM job_keys WHERE key = :key AND job = :job", key=key, job=job_id)

    @contextmanager
    def working(self, key: str) -> Iterator[Hold | None]:
        with ExitStack() as stack:
            try:
                held = stack.enter_context(locked_name(self._url, _lock(key), Conflict(""), wait_s=ENDING_S))
            except Conflict:
                held = None
            yield held

    def _active(self, connection: sa.Connection, key: str, active: Active) -> Job | None:
        asked = "SELECT job, kind, clock_timestamp() - at < interval '60 s' AS young FROM job_keys WHERE key = :key"
        row = do(connection, asked, key=key).first()
        if row is None or (job := active(row.job)) is not None:
            return None if row is None else job
        if not (row.young and not (self._jobs / row.job).exists()) and not is_taken(connection, _lock(key)):
            return None
        return Job(row.job, row.kind, str(self._jobs / row.job), key)  # at work, and not to be seen from here yet

    @contextmanager
    def _deciding(self) -> Iterator[sa.Connection]:
        """A transaction that no other server's runs beside."""
        with deciding(self._url, "jobs") as connection:
            do(connection, _TABLE)
            yield connection


_TABLE = """
    CREATE TABLE IF NOT EXISTS job_keys (
        key text PRIMARY KEY, job text NOT NULL, kind text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""


def _lock(key: str) -> str:
    """The name of the lock that the process of the job with this key holds."""
    return f"job {key}"
