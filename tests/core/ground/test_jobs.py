"""Jobs run in a real child process here: what they publish, and what is seen when they die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.ground import work
from core.ground.errors import ImageRefused, NotFound
from core.ground.job import Job, publish, read
from core.ground.job_process import Report
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace

HERE = "tests.core.ground.test_jobs"


def count(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    for number in range(params["total"]):
        report.append({"number": number})
        report(number + 1, params["total"], "counting")
    return {"root": str(workspace.root), "counted": params["total"]}


def refuse(workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]) -> None:
    raise ImageRefused("{name} is empty.", name="{s}.png")


def crash(workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]) -> None:
    raise ZeroDivisionError("secret detail")


def linger(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    report(1, 10)
    while not should_stop():
        time.sleep(0.02)
    return {"kept": 1}


def busy_to_its_end(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> None:
    """It comes to no safe point, and takes its time to say what became of it."""
    report(1, 10)
    try:
        threading.Event().wait(120)
    finally:
        time.sleep(0.5)
        report.append({"said": "its end"})


def leave_a_mark(workspace: Workspace) -> None:
    """What is called after a job."""
    (workspace.root / "after.txt").write_text(",".join(job.state for job in JobRunner(workspace).list()))


@pytest.fixture
def runner(workspace: Workspace) -> Iterator[JobRunner]:
    runner = JobRunner(workspace)
    yield runner
    for job in runner.active():
        runner.stop(job.id)
        runner.wait(job.id, timeout_s=60)


def test_a_job_that_ends_well(runner: JobRunner) -> None:
    job = runner.start("count", f"{HERE}:count", {"total": 3})
    assert job.state == "starting" and job.active
    ended = runner.wait(job.id, timeout_s=60)
    assert (ended.state, ended.done, ended.total, ended.note) == ("succeeded", 3, 3, "counting")
    assert ended.result == {"root": str(runner.workspace.root), "counted": 3}
    assert [record["number"] for record in ended.outcomes()] == [0, 1, 2]
    assert ended.pid != os.getpid()
    assert [listed.id for listed in runner.list("count")] == [job.id] and runner.list("other") == []


def test_a_refusal_is_published_with_its_sentence(runner: JobRunner) -> None:
    ended = runner.wait(runner.start("refuse", f"{HERE}:refuse", {}).id, timeout_s=60)
    assert ended.state == "failed"
    assert str(ended.error) == "{s}.png is empty." and ended.error_template == "{name} is empty."


def test_an_unexpected_error_says_where_its_details_are(runner: JobRunner) -> None:
    ended = runner.wait(runner.start("crash", f"{HERE}:crash", {}).id, timeout_s=60)
    assert ended.state == "failed" and "ZeroDivisionError" in str(ended.error) and "secret" not in str(ended.error)
    assert "secret detail" in (Path(ended.folder) / "traceback.txt").read_text()


def test_work_that_cannot_be_found_fails(runner: JobRunner) -> None:
    assert runner.wait(runner.start("lost", "core.nowhere:work", {}).id, timeout_s=60).state == "failed"


@pytest.mark.parametrize("said", work._MOVED)
def test_what_an_earlier_version_asked_for_is_found_where_it_is_now(said: str) -> None:
    """A job that was stopped before an upgrade goes on after it."""
    module, _, name = said.partition(":")
    assert work.work_named(said).__name__ == name and work.work_named(said).__module__ != module


def test_ten_clicks_make_one_job_and_stop_ends_it(runner: JobRunner) -> None:
    jobs: list[Job] = []
    clicks = [
        threading.Thread(target=lambda: jobs.append(runner.start("l", f"{HERE}:linger", {}, key="one")))
        for _ in range(10)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len({job.id for job in jobs}) == 1 and len(list(runner.workspace.jobs.glob("[0-9a-f]*"))) == 1
    runner.stop(jobs[0].id)
    assert JobRunner(runner.workspace).get(jobs[0].id).stopping
    ended = runner.wait(jobs[0].id, timeout_s=60)
    assert (ended.state, ended.result) == ("stopped", {"kept": 1})
    again = runner.start("l", f"{HERE}:linger", {}, key="one")
    assert again.id != jobs[0].id


def test_a_job_that_is_ended_because_it_did_not_stop_says_its_end_however_many_look(runner: JobRunner) -> None:
    """Each look at it past its grace ends it once more."""
    job = runner.start("b", f"{HERE}:busy_to_its_end", {}, then=f"{HERE}:leave_a_mark")
    deadline = time.monotonic() + 60
    while runner.get(job.id).done == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.stop(job.id)
    os.utime(Path(job.folder) / "stop", (1, 1))  # long ago
    ended = runner.wait(job.id, timeout_s=30)
    assert ended.state == "stopped" and list(ended.outcomes()) == [{"said": "its end"}]
    assert ended.error is None
    mark = runner.workspace.root / "after.txt"
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert mark.read_text() == "stopped", "what comes after it is done, and not before it has ended"


@pytest.mark.parametrize(("work", "state"), [("count", "succeeded"), ("crash", "failed")])
def test_what_comes_after_a_job_is_done_however_it_ended(runner: JobRunner, work: str, state: str) -> None:
    job = runner.start("c", f"{HERE}:{work}", {"total": 1}, key="one", then=f"{HERE}:leave_a_mark")
    assert runner.wait(job.id, timeout_s=60).state == state
    mark, deadline = runner.workspace.root / "after.txt", time.monotonic() + 30
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert mark.read_text() == state


def test_a_killed_child_is_seen_by_another_runner_and_frees_its_key(runner: JobRunner) -> None:
    job = runner.start("l", f"{HERE}:linger", {}, key="one")
    deadline = time.monotonic() + 60
    while runner.get(job.id).done == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(runner.get(job.id).pid, signal.SIGKILL)
    later = JobRunner(runner.workspace)  # the server was started again
    assert later.wait(job.id, timeout_s=30).state == "interrupted"
    assert later.active() == []
    again = later.start("l", f"{HERE}:linger", {}, key="one")
    assert again.id != job.id


def test_a_job_gone_silent_with_its_machine_is_interrupted(runner: JobRunner) -> None:
    long_ago = time.time() - 3600
    folder = runner.workspace.jobs / "00000000abc"
    publish(Job("00000000abc", "old", str(folder), state="running", pid=os.getppid(), beat_at=long_ago))
    assert runner.get("00000000abc").state == "interrupted"
    assert read(folder).state == "interrupted"


def test_a_job_on_another_machine_is_seen_and_stopped_from_here(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = runner.start("l", f"{HERE}:linger", {})
    while runner.get(job.id).state != "running":
        time.sleep(0.05)
    monkeypatch.setattr("core.ground.job.here", lambda: "another server")  # which has no such process
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a process of that number is a stranger here"))
    assert runner.get(job.id).state == "running"
    runner.stop(job.id)
    assert runner.wait(job.id, timeout_s=60).state == "stopped"


def test_a_job_on_another_machine_is_interrupted_when_nothing_is_heard_of_it(runner: JobRunner) -> None:
    for job_id, beat_at, state in (
        ("00000000abd", time.time() - 5, "running"),
        ("00000000abe", time.time() - 120, "interrupted"),
    ):
        folder = runner.workspace.jobs / job_id
        job = Job(job_id, "old", str(folder), state="running", pid=os.getpid(), host="gone", beat_at=beat_at)
        publish(job)
        assert runner.get(job_id).state == state
        publish(replace(job, state="stopped"))  # else it is waited for, as long as nothing is heard of it


def test_time_left() -> None:
    job = Job("a", "k", "f", state="running", done=25, total=100, started_at=100.0, beat_at=110.0)
    assert job.eta_s == pytest.approx(30.0)  # 25 took 10 s, so 75 take 30 s
    assert Job("a", "k", "f", state="running", done=0, total=100, started_at=100.0, beat_at=110.0).eta_s is None


@pytest.mark.parametrize("job_id", ["nope", "../../etc", "", "a/b"])
def test_an_unknown_job_is_not_found(runner: JobRunner, job_id: str) -> None:
    with pytest.raises(NotFound):
        runner.get(job_id)


def test_a_job_is_gone_on_with_once_however_often_and_from_wherever_one_asks(runner: JobRunner) -> None:
    job = runner.wait(runner.start("c", f"{HERE}:count", {"total": 2}).id, timeout_s=60)
    assert runner.follower(job.id) is None
    later = runner.again(job.id, total=3)
    assert runner.wait(later.id, timeout_s=60).result["counted"] == 3
    assert JobRunner(runner.workspace).again(job.id, total=4).id == later.id
    assert runner.follower(job.id).id == later.id and len(runner.list()) == 2


def test_what_has_ended_can_be_dismissed(runner: JobRunner) -> None:
    job = runner.start("l", f"{HERE}:linger", {})
    runner.dismiss(job.id)
    assert not runner.get(job.id).dismissed  # it is still at work
    runner.stop(job.id)
    runner.wait(job.id, timeout_s=60)
    runner.dismiss(job.id)
    assert runner.get(job.id).dismissed


def test_of_one_kind_one_works_at_a_time_and_the_others_wait_in_order(runner: JobRunner) -> None:
    """However many are started: each has the memory of a process."""
    first, second, third = (runner.start("import", f"{HERE}:linger", {"n": n}) for n in range(3))
    other = runner.start("export", f"{HERE}:count", {"total": 1})
    assert runner.wait(other.id, timeout_s=60).state == "succeeded", "another kind does not wait for it"

    def states() -> list[str]:
        return [runner.get(job.id).state for job in (first, second, third)]

    deadline = time.monotonic() + 60
    while states()[0] != "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    assert states() == ["running", "starting", "starting"]
    runner.stop(second.id)  # who waits can be stopped, and does nothing
    assert runner.wait(second.id, timeout_s=60).state == "stopped"
    assert states()[0] == "running" and states()[2] == "starting"
    os.kill(runner.get(first.id).pid or 0, signal.SIGKILL)  # one that dies makes room
    while states()[2] != "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert states() == ["interrupted", "stopped", "running"]
