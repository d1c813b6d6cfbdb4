"""Two processes relabel the same images at once: each change counts once, and none overwrites one it had not seen."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.collection.dataset import Dataset
from core.ground.errors import Conflict
from core.ground.rights import Actor
from core.ground.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.both_databases


def relabel_all(root: str, who: str, class_id: int) -> None:
    """The child: read every image once, wait for the start, then relabel one by one what it had read."""
    dataset = Dataset(Workspace(root), actor=Actor(who))
    seen = dataset.items(limit=None)
    won: list[int] = []
    print("ready", flush=True)
    sys.stdin.readline()
    for item in seen if who == "Ada" else reversed(seen):
        try:
            dataset.relabel([item.id], class_id, versions={item.id: item.ver})
            won.append(item.id)
        except Conflict:
            time.sleep(0.001)  # the other one was first
    print(json.dumps(won), flush=True)


def test_what_two_processes_read_and_relabel_is_won_by_one_of_them(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    goals = {"Ada": dataset.create_class("of Ada"), "Bo": dataset.create_class("of Bo")}
    children = {}
    for who, class_id in goals.items():
        call = f"relabel_all({str(drawn_workspace.root)!r}, {who!r}, {class_id})"
        code = f"from tests.core.collection.test_dataset_processes import relabel_all; {call}"
        children[who] = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    for child in children.values():
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children.values():
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    won = {who: set(json.loads(child.communicate(timeout=60)[0])) for who, child in children.items()}
    everything = set(dataset.item_ids())
    assert won["Ada"] | won["Bo"] == everything and not won["Ada"] & won["Bo"] and len(everything) == 12
    for who, class_id in goals.items():
        assert set(dataset.item_ids(class_id=class_id)) == won[who]
        assert {e.items for e in dataset.history(who=who)} <= {1} and len(dataset.history(who=who)) == len(won[who])
    again = Dataset(drawn_workspace)
    report = again.rescan()
    assert (report.added, report.removed, report.moved, report.changed) == (0, 0, 0, 0)
    ada = again.acting_as(Actor("Ada"))
    while ada.undo():
        pass
    assert again.count(class_id=goals["Ada"]) == 0 and set(again.item_ids(class_id=goals["Bo"])) == won["Bo"]
