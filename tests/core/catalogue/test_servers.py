"""Two servers on one workspace, each a process of its own: each sees what the other changed, and what only one may do
at a time, one does; on either database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.catalogue.leases import Lease, leased
from core.collection.dataset import Dataset
from core.ground.job import Job
from core.ground.job_process import Report, run
from core.ground.jobs import JobRunner
from core.ground.keys import DatabaseKeys, keys_of
from core.ground.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 2.0


def other(workspace: Workspace, script: str) -> subprocess.Popen[str]:
    """Another process that has the workspace open as ``dataset``, has said so, and does ``script``."""
    opened = f"""
import sys, time
from core.catalogue.leases import Lease
from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
dataset = Dataset(Workspace({str(workspace.root)!r}))
print("ready", flush=True)
"""
    command = [sys.executable, "-c", opened + script]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.both_databases
def test_what_one_server_changes_the_other_sees_within_two_seconds(workspace: Workspace) -> None:
    dataset = Dataset(workspace)
    script = """
version = dataset.version
print("looking", flush=True)
while dataset.version == version:
    time.sleep(0.05)
print([record.name for record in dataset.classes()], time.time(), flush=True)
dataset.create_class("theirs")
"""
    with other(workspace, script) as process:
        assert process.stdout is not None and process.stdout.readline() == "looking\n"
        dataset.create_class("ours")
        changed = time.time()
        said, _, at = process.stdout.readline().rpartition(" ")
        assert said == "['ours']" and float(at) - changed < WITHIN_S
        assert process.wait(timeout=30) == 0
    assert {record.name for record in dataset.classes()} == {"ours", "theirs"}


@pytest.mark.both_databases
def test_what_one_may_do_at_a_time_one_does_whichever_server_it_is_on(workspace: Workspace) -> None:
    dataset = Dataset(workspace)
    script = """
lease = Lease(dataset.catalogue, "mirror", lasts_s=1.5)
print(lease.renew(), flush=True)
sys.stdin.readline()  # and then it is killed: nothing is given back
"""
    with other(workspace, script) as process:
        assert process.stdout is not None and process.stdout.readline() == "True\n"
        with leased(dataset.catalogue, "mirror") as held:
            assert held is None
        process.kill()
    deadline = time.monotonic() + 30
    while not (mine := Lease(dataset.catalogue, "mirror")).renew():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert mine.renew() and mine.taken_by == mine.holder
    mine.release()
    with leased(dataset.catalogue, "mirror") as held:
        assert held is not None
    assert mine.taken_by is None


@pytest.mark.both_databases
def test_a_server_whose_clock_is_wrong_takes_no_lease_that_another_has(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Dataset(workspace).catalogue
    if catalogue.engine.dialect.name != "postgresql":
        pytest.skip("one file is opened on one machine: there is one clock")
    theirs, ours = Lease(catalogue, "mirror"), Lease(catalogue, "mirror")
    now = time.time
    assert theirs.renew()
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    assert not ours.renew() and ours.taken_by == theirs.holder
    theirs.release()
    assert ours.renew()
    monkeypatch.undo()
    ours.release()
    assert theirs.renew()


def linger(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    with open(workspace.root / "begun.txt", "a", encoding="ascii") as lines:
        lines.write(f"{params['n']}\n")
    while not should_stop():
        time.sleep(0.02)
    return {}


@pytest.mark.both_databases
def test_of_two_servers_one_starts_the_job_however_close_they_are(workspace: Workspace) -> None:
    Dataset(workspace)
    script = """
from core.ground.jobs import JobRunner
runner = JobRunner(dataset.workspace)
for line in sys.stdin:
    key, at = line.split()
    time.sleep(max(0.0, float(at) - time.time()))
    print(runner.start("l", "tests.core.catalogue.test_servers:linger", {"n": key}, key=key).id, flush=True)
"""
    runner = JobRunner(workspace)
    servers = [other(workspace, script) for _ in range(2)]
    try:
        for n in range(4):
            for server in servers:
                assert server.stdin is not None
                server.stdin.write(f"key{n} {time.time() + 0.3}\n")
                server.stdin.flush()
            started = {server.stdout.readline().strip() for server in servers if server.stdout is not None}
            assert len(started) == 1
            assert runner.start("l", "tests.core.catalogue.test_servers:linger", {"n": n}, key=f"key{n}").id in started
    finally:
        for job in runner.active():
            runner.stop(job.id)
        for job in runner.list():
            runner.wait(job.id, timeout_s=60)
        for server in servers:
            server.communicate()
    assert len(runner.list()) == 4
    begun = (workspace.root / "begun.txt").read_text("ascii").split() if (workspace.root / "begun.txt").exists() else []
    assert len(begun) == len(set(begun))


@pytest.mark.both_databases
def test_a_key_is_free_again_when_its_process_is_killed(workspace: Workspace) -> None:
    Dataset(workspace)
    runner = JobRunner(workspace)
    work = "tests.core.catalogue.test_servers:linger", {"n": 1}
    job = runner.start("l", *work, key="one")
    while runner.get(job.id).state != "running":
        time.sleep(0.02)
    os.kill(runner.get(job.id).pid or 0, 9)
    assert runner.wait(job.id, timeout_s=30).state == "interrupted"
    later = runner.start("l", *work, key="one")
    assert later.id != job.id
    runner.stop(later.id)
    assert runner.wait(later.id, timeout_s=60).state == "stopped"


def test_a_job_that_another_server_has_at_work_is_known_before_its_folder_is_seen(
    workspace: Workspace, postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network folder shows what another server wrote up to a minute late."""
    workspace.save_config(workspace.config().with_(catalogue_url=postgres.fresh()))
    keys = keys_of(workspace)
    assert isinstance(keys, DatabaseKeys)
    theirs, ours = Job("00000000abc", "l", "", "one"), Job("00000000abd", "l", "", "one")
    assert keys.take("one", theirs, lambda _: None) is None
    unseen: Callable[[str], Job | None] = lambda _: None  # noqa: E731
    assert keys.take("one", ours, unseen).id == theirs.id  # type: ignore[union-attr]  # young, and no folder to be seen
    (workspace.jobs / theirs.id).mkdir(parents=True)
    with keys.working("one") as alone:
        assert alone
        assert keys.holder("one", unseen).id == theirs.id  # type: ignore[union-attr]  # at work, by its lock
        # and one that was started all the same does nothing
        monkeypatch.setattr("core.ground.keys.ENDING_S", 0.5)
        folder = workspace.jobs / ours.id
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps({"id": ours.id, "kind": "l", "folder": "", "key": "one"}), "utf-8")
        request = {"work": "tests.core.catalogue.test_servers:linger", "params": {"n": 1}}
        (folder / "request.json").write_text(json.dumps({**request, "workspace": str(workspace.root)}), "utf-8")
        assert run(folder) == "failed" and not (workspace.root / "begun.txt").exists()
        assert "under way" in str(JobRunner(workspace).get(ours.id).error)
    assert keys.holder("one", unseen) is None
    assert keys.take("one", ours, unseen) is None
    keys.release("one", ours.id)
    assert keys.holder("one", lambda _: pytest.fail("nobody has it")) is None
