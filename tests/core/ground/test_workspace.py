"""The workspace: ids that count on whatever the clock does, and what killed processes leave is swept."""

from __future__ import annotations

import os
import re

import pytest

from core.ground import workspace as ground
from core.ground.errors import WorkspaceRefused
from core.ground.workspace import Workspace, new_id, scratch, sweep, temporary, write_atomic
from tests.plant import at_every_step


def test_ids_count_on_where_the_clock_goes_back(monkeypatch):
    first = new_id()
    monkeypatch.setattr(ground.time, "time", lambda: 1e9)
    second = new_id()
    monkeypatch.setattr(ground, "_LAST", [0])  # another process, which knows what lies there
    third = new_id(after=second)
    assert first < second < third and len(set(map(len, (first, second, third)))) == 1
    assert new_id(after="../evil") > third and re.fullmatch(r"[0-9a-f]{19}", new_id(after="z" * 19))


def test_what_killed_processes_leave_is_swept_and_nothing_else(workspace, tmp_path):
    kept = [workspace.raw / "a" / "x.png", workspace.raw / "a" / ".hidden.tmp", workspace.runs / ".trash" / "1",
            workspace.root / "thesis" / f".{'0' * 19}.tmp", workspace.staging / "received-1" / "0"]  # fmt: skip
    left = [temporary(workspace.raw / "a" / "y.png"), temporary(workspace.cache / "z"), temporary(workspace.root / "r"),
            workspace.model / "previous" / f".{'1' * 19}", temporary(workspace.model / "bundle") / "deep"]  # fmt: skip
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "theirs").write_bytes(b"x")
    link = temporary(workspace.data / "link")
    os.symlink(tmp_path, link)
    assert sweep(workspace) == [], "what is young may be under way"
    assert len(sweep(workspace, older_than_s=-1)) == 6
    assert all(path.exists() for path in kept) and not any(path.exists() for path in left)
    assert not link.is_symlink() and (tmp_path / "theirs").exists()


def test_a_file_is_the_old_or_the_new_one_at_every_step(tmp_path):
    path = tmp_path / "file"

    def check(_state: None) -> None:
        assert path.read_bytes() in (b"old", b"new")
        path.write_bytes(b"old")

    path.write_bytes(b"old")
    assert at_every_step(lambda: None, lambda _: write_atomic(path, b"new"), check) >= 2


def test_a_folder_to_work_in_goes_with_what_is_in_it(workspace):
    with pytest.raises(ZeroDivisionError), scratch(workspace.data / "x") as folder:
        folder.mkdir(parents=True)
        (folder / "part").write_bytes(b"x")
        raise ZeroDivisionError
    assert list(Workspace(workspace.root).data.iterdir()) == []


@pytest.mark.parametrize("path", ["..", "../x", "data/../../x", "/etc/passwd", "out/x"])
def test_no_path_leads_out_of_a_workspace(workspace, tmp_path, path):
    workspace.root.mkdir(exist_ok=True)
    (workspace.root / "out").symlink_to(tmp_path.parent)
    assert workspace.inside("data/x.png") == workspace.root / "data" / "x.png"
    with pytest.raises(WorkspaceRefused, match="outside the workspace"):
        workspace.inside(path)
