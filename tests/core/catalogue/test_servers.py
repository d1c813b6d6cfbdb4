"""Two servers on one workspace, each a process of its own: each sees what the other changed, and what only one may do
at a time, one does; on either database."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.catalogue.leases import Lease, leased
from core.collection.dataset import Dataset
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
