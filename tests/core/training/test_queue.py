"""`core.training.queue`: one after another, in the order that people give them, whatever becomes of each."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.ground import jobs
from core.ground.config import Preprocessing
from core.ground.errors import BadInput, NotAllowed, NotFound
from core.ground.job import publish, read
from core.ground.jobs import JobRunner
from core.ground.keys import keys_of
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.training import queue
from core.training.audit import audit
from core.training.prepare import Request
from core.training.queue import Queue
from core.training.run import Run
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import make_split


@pytest.fixture
def started(monkeypatch) -> list[dict]:
    """What jobs were begun with, oldest first; none has a process, and each is at work until `ends`."""
    found: list[dict] = []

    class Child:
        pid = None

        def __init__(self, command: list[str], **_: object) -> None:
            found.append(json.loads((Path(command[-1]) / "request.json").read_text(encoding="utf-8")))
            self.pid = ""

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(jobs.subprocess, "Popen", Child)
    return found


def asked(seed: int, **how: object) -> Request:
    return Request(TrainSettings(preprocessing=Preprocessing("crop", 32), seed=seed), name=f"seed {seed}", **how)


def ends(workspace: Workspace, state: str = "succeeded", **changes: object) -> None:
    """The job under way ends so, and what its process does as its last is done."""
    [job] = JobRunner(workspace).active("train")
    publish(replace(read(Path(job.folder)), state=state, finished_at=time.time(), **changes))
    keys_of(workspace).release("train", job.id)
    if state != "interrupted":
        queue.start_next(workspace)


def a_run(workspace: Workspace, run_id: str, state: str) -> Run:
    split = make_split([], groups=None, seed=0, validation=0.2, test=0.2)
    return Runs(workspace).create(TrainSettings(), split, audit(split, []), [], run_id=run_id, state=state)


def names(workspace: Workspace) -> list[str]:
    return [entry.name for entry in Queue(workspace).line().waiting]


def test_they_run_one_after_another_by_themselves(workspace: Workspace, started: list[dict]) -> None:
    line = Queue(workspace.acting_as(Actor("Ana")))
    for seed in range(3):
        line.add(asked(seed))
        line.start_next()
    assert [each["params"]["name"] for each in started] == ["seed 0"] and names(workspace) == ["seed 1", "seed 2"]
    assert started[0]["work"] == "core.training.work:run_training" and started[0]["then"] == queue.NEXT
    assert started[0]["actor"]["name"] == "Ana" and Request.from_params(started[0]["params"]).settings.seed == 0
    ends(workspace)
    ends(workspace, "stopped")
    ends(workspace, "failed")
    assert [each["params"]["settings"]["seed"] for each in started] == [0, 1, 2]
    assert len({each["params"]["run_id"] for each in started}) == 3
    assert line.over and not JobRunner(workspace).active("train") and line.start_next() is None


def test_asked_for_twice_it_waits_once(workspace: Workspace, started: list[dict]) -> None:
    line = Queue(workspace)
    first = line.add(asked(0))
    line.start_next()
    assert line.add(asked(0)).id == first.id and names(workspace) == []
    second = line.add(asked(1))
    assert line.add(asked(1)).id == second.id and names(workspace) == ["seed 1"]
    assert line.add(asked(1, series="of other clicks")).id == second.id
    line.add(replace(asked(1), override_leaks=True))
    assert len(names(workspace)) == 2
    ends(workspace)
    assert line.add(asked(0)).id != first.id, "what has ended can be asked for again"


def test_they_are_moved_and_taken_out(workspace: Workspace) -> None:
    line = Queue(workspace)
    entries = [line.add(asked(seed)) for seed in range(4)]
    line.move(entries[3].id, 0)
    line.move(entries[0].id, 99)
    assert names(workspace) == ["seed 3", "seed 1", "seed 2", "seed 0"]
    line.move(entries[2].id, -5)
    assert line.remove(entries[1].id).name == "seed 1"
    assert names(workspace) == ["seed 2", "seed 3", "seed 0"]
    with pytest.raises(NotFound, match="does not wait any more"):
        line.remove(entries[1].id)
    with pytest.raises(NotFound, match="does not wait any more"):
        line.move("elsewhere", 0)


def test_a_held_queue_lets_nothing_begin(workspace: Workspace, started: list[dict]) -> None:
    line = Queue(workspace)
    line.hold(True)
    line.add(asked(0))
    assert line.start_next() is None and line.over and names(workspace) == ["seed 0"]
    line.hold(False)
    assert line.start_next() is not None and [each["params"]["name"] for each in started] == ["seed 0"]


def test_a_training_in_a_shell_is_waited_for(filled: Workspace, started: list[dict]) -> None:
    run = a_run(filled, "ab", "running")
    line = Queue(filled)
    line.add(asked(0))
    with run.held():
        assert line.start_next() is None
    run.end("finished")
    assert line.start_next() is not None


def test_one_whose_process_was_killed_goes_on_before_the_others_but_not_for_ever(
    workspace: Workspace, started: list[dict]
) -> None:
    line = Queue(workspace)
    first = line.add(asked(0))
    line.add(asked(1))
    line.start_next()
    for _again in range(queue.TRIES):
        ends(workspace, "interrupted")
        assert names(workspace) == ["seed 1"] and not line.over
        line.start_next()  # a server that looks
    assert [each["params"]["name"] for each in started] == ["seed 0"] * queue.TRIES + ["seed 1"]
    assert {each["params"]["run_id"] for each in started[: queue.TRIES]} == {first.id}


def test_one_alone_that_was_killed_goes_on_too(workspace: Workspace, started: list[dict]) -> None:
    line = Queue(workspace)
    line.add(asked(0))
    line.start_next()
    ends(workspace, "interrupted")
    assert not line.over and line.start_next() is not None and len(started) == 2
    ends(workspace)
    assert line.over


def test_one_that_became_a_run_and_ended_is_not_begun_again(workspace: Workspace, started: list[dict]) -> None:
    """Its process may be killed between the end of the run and the end of the job, or before the queue was written."""
    line = Queue(workspace)
    first, second = line.add(asked(0)), line.add(asked(1))
    a_run(workspace, first.id, "finished")
    line.start_next()
    assert [each["params"]["run_id"] for each in started] == [second.id]
    a_run(workspace, second.id, "stopped")
    ends(workspace, "interrupted")
    assert line.start_next() is None and len(started) == 1 and line.over


def test_what_failed_before_it_was_a_run_stays_to_be_seen(workspace: Workspace, started: list[dict]) -> None:
    line = Queue(workspace)
    first = line.add(asked(0))
    line.add(asked(1))
    line.start_next()
    ends(workspace, "failed", error_template="There is no folder {path}.", error_values={"path": "x"})
    assert [each["params"]["name"] for each in started] == ["seed 0", "seed 1"]
    [seen] = line.line().entries
    assert seen.id == first.id and str(seen.refused) == "There is no folder x." and not line.line().waiting
    line.remove(first.id)
    ends(workspace)
    assert line.line().entries == ()


def test_a_queue_that_came_with_a_folder_from_elsewhere_is_held(
    workspace: Workspace, tmp_path: Path, started: list[dict]
) -> None:
    Queue(workspace).add(asked(0))
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root)
    line = Queue(copy)
    assert line.line().held and line.start_next() is None and started == []
    line.hold(False)
    assert line.start_next() is not None


def test_only_who_may_train_may_queue(workspace: Workspace) -> None:
    entry = Queue(workspace).add(asked(0))
    line = Queue(workspace.acting_as(Actor("Zoé", "curator")))
    for act in (
        lambda: line.add(asked(1)), lambda: line.remove(entry.id), lambda: line.move(entry.id, 0),
        lambda: line.hold(True),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            act()
    assert names(workspace) == ["seed 0"]


def test_what_cannot_wait_is_refused(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    line = Queue(workspace)
    with pytest.raises(BadInput, match="the workspace's own images"):
        line.add(asked(0, data_dir=str(tmp_path)))
    monkeypatch.setattr(queue, "MOST", 1)
    line.add(asked(0))
    with pytest.raises(BadInput, match="enough for a queue"):
        line.add(asked(1))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"entries": [{"id": 3}]}', b"\xff"])
def test_a_damaged_file_is_an_empty_queue(workspace: Workspace, content: bytes) -> None:
    workspace.model.mkdir(parents=True)
    (workspace.model / "queue.json").write_bytes(content)
    assert Queue(workspace).line().entries == ()
    Queue(workspace).add(asked(0))
    assert names(workspace) == ["seed 0"]


def note(workspace: Workspace, params: dict, report: object, should_stop: object) -> None:
    """Stands for a training in its process."""
    (workspace.root / "trained.txt").open("a").write(f"{params['name']} ")


def after(workspace: Workspace) -> None:
    """What comes after it, in the same process: the next of them is `note` too."""
    queue.WORK, queue.NEXT = f"{__name__}:note", f"{__name__}:after"
    queue.start_next(workspace)


def test_each_process_begins_the_next_one(workspace: Workspace, monkeypatch) -> None:
    """Real processes; nobody looks meanwhile but to see whether all is over."""
    monkeypatch.setattr(queue, "WORK", "tests.core.training.test_queue:note")
    monkeypatch.setattr(queue, "NEXT", "tests.core.training.test_queue:after")
    line = Queue(workspace)
    for seed in range(3):
        line.add(asked(seed))
    line.start_next()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not line.over:
        time.sleep(0.1)
    assert (workspace.root / "trained.txt").read_text() == "seed 0 seed 1 seed 2 "
    assert [job.state for job in JobRunner(workspace).list("train")] == ["succeeded"] * 3
    assert line.line() == queue.Line()


def test_a_server_that_looks_goes_on_with_what_was_cut_short(workspace: Workspace, started: list[dict], monkeypatch):
    """As it is started again, and for as long as something may come."""
    monkeypatch.setattr(queue, "WATCH_S", 0.02)
    line = Queue(workspace)
    line.add(asked(0))
    line.start_next()
    ends(workspace, "interrupted")
    queue.watch(workspace)
    queue.watch(workspace)
    watching = [thread for thread in threading.enumerate() if thread.name == f"burin-queue {workspace.root}"]
    assert len(watching) == 1
    deadline = time.monotonic() + 30
    while len(started) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) == 2
    ends(workspace)
    watching[0].join(30)
    assert not watching[0].is_alive(), "it ends with the queue"
