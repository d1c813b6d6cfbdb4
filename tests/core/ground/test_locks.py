"""Locks between processes, on either database: one holds, the others wait or are refused; whoever is killed lets go;
and a lock in the database that was lost with its connection is never taken for one that is held."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from core.ground import locks
from core.ground.errors import Conflict, LockLost
from core.ground.jobs import JobRunner
from core.ground.locks import held_of, locked
from core.ground.workspace import Workspace
from core.training.queue import Queue
from core.training.run import Run, RunRecord
from core.variation.variants import Manifest
from tests.core.catalogue.test_servers import linger

ROOT = Path(__file__).resolve().parents[3]
BUSY = Conflict("Taken.")


def other(path: Path, then: str = "sys.stdin.readline()") -> subprocess.Popen[str]:
    """Another process that takes the lock of ``path``, waiting for it, says so and does ``then``."""
    script = f"""
import sys, time
from pathlib import Path
from core.ground.locks import locked
print("asks", flush=True)
with locked(Path({str(path)!r}), None):
    print("has it", flush=True)
    {then}
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert said(process) == "asks"
    return process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def place(workspace: Workspace) -> Path:
    """A file of the workspace to lock."""
    workspace.save_config(workspace.config())
    (workspace.model / "x").mkdir(parents=True)
    return workspace.model / "x" / ".lock"


@pytest.fixture
def in_postgres(workspace: Workspace, postgres: Any) -> Path:
    """Likewise, with the catalogue in PostgreSQL."""
    workspace.save_config(workspace.config().with_(catalogue_url=postgres.fresh()))
    (workspace.model / "x").mkdir(parents=True)
    return workspace.model / "x" / ".lock"


@pytest.mark.both_databases
def test_who_is_killed_lets_go_and_the_other_goes_on(place: Path) -> None:
    elsewhere = place.with_name(".other")
    with other(place) as first:
        assert said(first) == "has it"
        with pytest.raises(Conflict, match="Taken"), locked(place, BUSY, wait_s=0.3):
            pytest.fail("two have it")
        assert held_of([place, elsewhere]) == {place}
        with locked(elsewhere, BUSY):
            assert held_of([place, elsewhere]) == {place, elsewhere}
        with other(place, "pass") as second:
            first.kill()
            assert said(second) == "has it"
            assert second.wait(timeout=30) == 0
    with locked(place, BUSY, wait_s=10) as held:
        held.confirm()
    assert held_of([place, elsewhere]) == set()


@pytest.mark.both_databases
def test_who_waits_has_it_once_it_is_let_go_also_in_one_process(place: Path) -> None:
    order = []

    def second() -> None:
        with locked(place, None):
            order.append("second")

    with locked(place, BUSY):
        waiting = threading.Thread(target=second)
        waiting.start()
        with pytest.raises(Conflict), locked(place, BUSY):
            pytest.fail("two have it")
        time.sleep(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_it_is_one_lock_wherever_the_shared_folder_is_mounted(in_postgres: Path, tmp_path: Path) -> None:
    root = in_postgres.parents[2]
    there = tmp_path / "mounted" / "elsewhere"
    (there / "data").mkdir(parents=True)
    (there / "data" / "workspace.json").write_bytes((root / "data" / "workspace.json").read_bytes())
    theirs = there / "model" / "x" / ".lock"
    with locked(in_postgres, BUSY):
        assert held_of([theirs]) == {theirs}
        with pytest.raises(Conflict), locked(theirs, BUSY):
            pytest.fail("two have it")
    outside = tmp_path / ".lock"  # of no workspace: a file, as ever
    with locked(outside, BUSY):
        assert outside.exists() and held_of([outside]) == {outside}


def cut(path: Path) -> None:
    """End every connection that holds a lock."""
    url = sa.make_url(Workspace(path.parents[2]).config().catalogue_url)
    with psycopg.connect(host=str(url.query["host"]), user="burin", dbname="postgres", autocommit=True) as connection:
        found = connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert found.fetchall()
        while connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall():
            time.sleep(0.01)


def test_a_lost_connection_is_noticed_and_the_lock_taken_again_where_nobody_had_it(in_postgres: Path) -> None:
    with locked(in_postgres, BUSY) as held:
        cut(in_postgres)
        assert held_of([in_postgres]) == set()
        held.confirm(every_s=60)  # asked a moment ago
        held.confirm()
        assert held_of([in_postgres]) == {in_postgres}
        cut(in_postgres)
    assert held_of([in_postgres]) == set()


def test_a_lock_that_another_had_meanwhile_is_lost_however_soon_it_was_given_back(in_postgres: Path) -> None:
    with pytest.raises(LockLost, match="Somebody else"), locked(in_postgres, BUSY) as held:
        cut(in_postgres)
        with locked(in_postgres, BUSY), pytest.raises(LockLost, match="Somebody else"):
            held.confirm()
        with pytest.raises(LockLost, match="Somebody else"):
            held.confirm()
    with pytest.raises(LockLost), locked(in_postgres, BUSY):  # and nobody looked: at its end it is said
        cut(in_postgres)
        with locked(in_postgres, BUSY):
            pass
    with pytest.raises(KeyError), locked(in_postgres, BUSY):
        cut(in_postgres)
        raise KeyError("what went wrong in the block is what is said")


def test_a_database_that_is_away_is_waited_for_and_then_the_lock_is_lost(
    in_postgres: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(in_postgres, BUSY) as held:
        with postgres.away():
            monkeypatch.setattr(locks, "AWAY_S", 0.3)
            with pytest.raises(LockLost, match="did not answer"):
                held.confirm()
            monkeypatch.setattr(locks, "AWAY_S", 60.0)
        held.confirm()
        assert held_of([in_postgres]) == {in_postgres}


def hold_run(workspace: Workspace) -> AbstractContextManager[Any]:
    folder = workspace.runs / "0000000000a"
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder, RunRecord("0000000000a", "r", 0.0, {}, {}, {})).held()


HELD: dict[str, Callable[[Workspace], AbstractContextManager[Any]]] = {
    "run": hold_run,
    "variants": lambda workspace: Manifest(workspace.augmented).locked(),
    "queue": lambda workspace: Queue(workspace)._turn(),
}


@pytest.mark.parametrize("what", HELD)
def test_what_two_servers_may_not_do_at_once_is_settled_in_the_database(
    what: str, workspace: Workspace, postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders stand for one whose locks the network does not carry."""
    monkeypatch.setattr("core.training.queue._TURN_S", 0.2)
    url = postgres.fresh()
    servers = [workspace, Workspace(tmp_path / "as seen from another machine")]
    for server in servers:
        server.save_config(server.config().with_(catalogue_url=url))
    with HELD[what](servers[0]), pytest.raises(Conflict), HELD[what](servers[1]):
        pytest.fail("two have it")
    with HELD[what](servers[1]):
        pass


def test_of_two_imports_one_waits_though_it_cannot_see_the_other(workspace: Workspace, postgres: Any) -> None:
    workspace.save_config(workspace.config().with_(catalogue_url=postgres.fresh()))
    runner = JobRunner(workspace)
    workspace.jobs.mkdir(parents=True)
    with locked(workspace.jobs / ".import.turn", BUSY):
        job = runner.start("import", f"{linger.__module__}:linger", {"n": 1})
        assert runner.wait(job.id, timeout_s=3).state == "starting"
    while runner.get(job.id).state == "starting":
        time.sleep(0.05)
    runner.stop(job.id)
    assert runner.wait(job.id, timeout_s=60).state == "stopped"


def test_a_folder_whose_files_cannot_be_locked_is_said_and_not_waited_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="No locks"), locked(place, None):
        pytest.fail("nobody can know")


def test_nothing_else_locks_files() -> None:
    """Whoever locks asks here, so that it is settled where the servers meet. Memory is a machine's own."""
    own = {"core/ground/locks.py", "core/ground/budget.py"}
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("core", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\b(flock|lockf|msvcrt|locked_file)\b", path.read_text("utf-8"))
    }
    assert found == own
