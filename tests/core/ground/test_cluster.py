"""Jobs on a real Ray cluster of two raylets: what is seen of them is what is seen of local ones, however they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.ground.cluster import reach
from core.ground.config import WorkspaceConfig
from core.ground.errors import ConfigRefused, ImageRefused, MachineFault
from core.ground.job_process import Report
from core.ground.jobs import JobRunner
from core.ground.work import anywhere
from core.ground.workspace import Workspace
from tests.cluster import Raylets

HERE = "tests.core.ground.test_cluster"


@anywhere
def number(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """A file a number; one that is there is not written again, as all work that is gone on with."""
    written = 0
    for at in range(params["total"]):
        if should_stop():
            break
        path = workspace.root / f"{at}.txt"
        report.append({"number": at})
        if not path.exists():
            path.write_text("x", "ascii")
            written += 1
            time.sleep(params.get("pause", 0.0))
        report(at + 1, params["total"], "numbering")
    return {"written": written, "pid": os.getpid(), "ray": "RAY_RAYLET_PID" in os.environ}


@anywhere
def refuse(workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]) -> None:
    raise ImageRefused("{name} is empty.", name="{s}.png")


@anywhere
def crash(workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]) -> None:
    raise ZeroDivisionError("secret detail")


@pytest.fixture
def runner(workspace: Workspace, raylets: Raylets) -> JobRunner:
    workspace.save_config(WorkspaceConfig(ray_address=raylets.address))
    return JobRunner(workspace)


def until(runner: JobRunner, job_id: str, done: int, *, within_s: float = 200.0) -> None:
    """Wait until a job has done so much."""
    deadline = time.monotonic() + within_s
    while (job := runner.get(job_id)).done < done:
        assert job.active and time.monotonic() < deadline, job
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_is_seen_as_a_local_one_and_loses_and_doubles_nothing_with_its_worker(
    runner: JobRunner, raylets: Raylets
) -> None:
    job = runner.start("n", f"{HERE}:number", {"total": 40, "pause": 0.1})
    until(runner, job.id, 5)
    raylets.kill("ray::_far")
    ended = runner.wait(job.id, timeout_s=300)
    assert (ended.state, ended.done, ended.total, ended.note) == ("succeeded", 40, 40, "numbering"), ended.error
    assert 0 < ended.result["written"] < 40  # another one went on from what was done
    assert ended.result["ray"] and ended.result["pid"] != ended.pid == runner.get(job.id).pid
    assert len(list(runner.workspace.root.glob("*.txt"))) == 40
    assert [record["number"] for record in ended.outcomes()] == list(range(40))


@pytest.mark.slow
def test_what_goes_wrong_there_is_said_as_it_is_here(runner: JobRunner) -> None:
    refused = runner.wait(runner.start("r", f"{HERE}:refuse", {}).id, timeout_s=300)
    assert (refused.state, str(refused.error)) == ("failed", "{s}.png is empty.")
    assert refused.error_template == "{name} is empty."
    crashed = runner.wait(runner.start("c", f"{HERE}:crash", {}).id, timeout_s=300)
    assert crashed.state == "failed" and "ZeroDivisionError" in str(crashed.error)
    assert "secret" not in str(crashed.error)
    assert "secret detail" in (Path(crashed.folder) / "traceback.txt").read_text()


@pytest.mark.slow
def test_a_job_is_stopped_and_nothing_goes_on_without_its_process(runner: JobRunner, raylets: Raylets) -> None:
    job = runner.start("n", f"{HERE}:number", {"total": 9000, "pause": 0.1})
    until(runner, job.id, 3)
    runner.stop(job.id)
    ended = runner.wait(job.id, timeout_s=100)
    assert ended.state == "stopped" and 0 < ended.result["written"] < 9000
    started = runner.start("n", f"{HERE}:number", {"total": 9000, "pause": 0.1})
    until(runner, started.id, ended.result["written"] + 1)
    os.kill(runner.get(started.id).pid or 0, signal.SIGKILL)
    assert runner.wait(started.id, timeout_s=60).state == "interrupted"
    deadline = time.monotonic() + 100
    while raylets.workers("ray::_far"):
        assert time.monotonic() < deadline, "it goes on in nobody's name"
        time.sleep(0.1)


def test_a_cluster_that_is_not_there_is_said(workspace: Workspace) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install '.[cluster]'")
    with pytest.raises(MachineFault, match=r"The cluster at 127.0.0.1:9 does not answer"):
        reach("127.0.0.1:9")
    workspace.save_config(WorkspaceConfig(ray_address="127.0.0.1:9"))
    job = JobRunner(workspace).start("n", f"{HERE}:number", {"total": 1})
    ended = JobRunner(workspace).wait(job.id, timeout_s=60)
    assert ended.state == "failed" and "127.0.0.1:9" in str(ended.error)
    workspace.save_config(WorkspaceConfig())
    assert JobRunner(workspace).wait(JobRunner(workspace).again(job.id).id, timeout_s=60).state == "succeeded"


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", "a b:1", "http://head:6379"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigRefused, match="head:6379"):
        WorkspaceConfig(ray_address=address)
