"""The shell's command ``queue``, and ``train --queue``: what they say, and what the queue is then."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from core.ground import jobs
from core.shell.main import main
from core.training.queue import Queue
from core.training.runs import Runs


@pytest.fixture
def shell(workspace, monkeypatch):
    """``shell("queue", "hold")`` in this test's workspace -> the exit status; no process is really started."""
    monkeypatch.setattr(jobs.subprocess, "Popen", lambda *_, **__: SimpleNamespace(pid="", wait=lambda: 0))
    return lambda *typed: main(["--workspace", str(workspace.root), *typed])


def names(workspace) -> list[str]:
    return [entry.name for entry in Queue(workspace).line().waiting]


def test_trainings_are_lined_up_listed_moved_and_taken_out(shell, workspace, capsys):
    assert shell("queue") == 0 and "Nothing waits" in capsys.readouterr().out
    assert shell("train", "--queue", "--name", "first", "--seed", "4") == 0
    assert "first: its training has begun in the background" in capsys.readouterr().out
    for name in ("(e", "b", "c"):
        assert shell("train", "--queue", "--name", name, "--loss", "proxy-anchor") == 0
    assert "c waits: number 3 in the queue" in capsys.readouterr().out
    assert [job.kind for job in jobs.JobRunner(workspace).active()] == ["train"] and not Runs(workspace).list()
    assert shell("queue", "move", "3", "1") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in listed] == ["c", "(e", "b"] and "proxy-anchor, 20 epochs, seed 0" in listed[0]
    assert shell("queue", "remove", Queue(workspace).line().waiting[1].id) == 0
    assert "(e waits no more." in capsys.readouterr().out and names(workspace) == ["c", "b"]
    assert shell("queue", "remove", "3") == 2 and "There is no training 3 in the queue" in capsys.readouterr().err
    assert shell("queue", "--json") == 0
    assert [json.loads(line)["params"]["name"] for line in capsys.readouterr().out.splitlines()] == ["c", "b"]


def test_the_queue_is_held_and_let_go(shell, workspace, capsys):
    assert shell("queue", "hold") == 0 and Queue(workspace).line().held
    assert shell("train", "--queue", "--name", "a") == 0 and names(workspace) == ["a"]
    capsys.readouterr()
    assert shell("queue") == 0 and "The queue is held" in capsys.readouterr().out
    assert shell("queue", "go") == 0 and "one has begun" in capsys.readouterr().out and names(workspace) == []


def test_a_series_waits_as_its_trainings(shell, workspace):
    assert shell("queue", "hold") == 0
    assert shell("train", "--queue", "--name", "s", "--seeds", "3", "--seed", "5") == 0
    waiting = Queue(workspace).line().waiting
    assert names(workspace) == ["s 1/3", "s 2/3", "s 3/3"]
    assert [entry.settings.seed for entry in waiting] == [5, 6, 7]
    assert len({entry.params["series"] for entry in waiting}) == 1 and waiting[0].params["series"]


def test_other_folders_do_not_wait(shell, workspace, tmp_path, capsys):
    assert shell("train", "--queue", "--data_dir", str(tmp_path)) == 2
    assert "one of the workspace's own images" in capsys.readouterr().err and names(workspace) == []
