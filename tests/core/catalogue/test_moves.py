"""Moves: done once, done again after a kill, never onto another file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.catalogue import database as db
from core.catalogue.moves import place_of, settle
from core.collection.dataset import Dataset
from core.ground.images import content_hash
from core.ground.workspace import Workspace

pytestmark = pytest.mark.both_databases


class Killed(BaseException):
    pass


def test_places() -> None:
    assert place_of("present", "%2A", "a.png", None) == "raw_gravures/%2A/a.png"
    assert place_of("present", None, "a.png", None) == "unlabelled/a.png"
    assert place_of("trash", "x", "a.png", "x/7_a.png") == "trash/x/7_a.png"
    assert place_of("missing", "x", "a.png", None) is None and place_of("trash", "x", "a.png", None) is None


def tree(workspace: Workspace) -> list[str]:
    parts = [workspace.raw, workspace.trash, workspace.data / "unlabelled"]
    return sorted(p.relative_to(workspace.data).as_posix() for part in parts for p in part.rglob("*") if p.is_file())


@pytest.mark.parametrize("survived", range(6))
def test_a_kill_between_the_transaction_and_any_of_its_moves(drawn_workspace: Workspace, survived: int) -> None:
    left = survived

    def rename(source: Path, target: Path) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        os.rename(source, target)

    dataset = Dataset(drawn_workspace, rename=rename)
    dataset.rescan()
    by_name = {c.name: c.id for c in dataset.classes()}
    try:
        dataset.merge_classes([by_name["cross"]], by_name["bar"])
        dataset.rename_class(by_name["bar"], "*")
    except Killed:
        dataset.catalogue.close()
    again = Dataset(drawn_workspace)
    folder = "%2A" if survived >= 5 else "bar"
    if survived == 4:  # killed before the folder's rename: its transaction was done
        folder = "%2A"
    assert [f for f in tree(drawn_workspace) if "circle" not in f] == sorted(
        f"raw_gravures/{folder}/{shape}_{n}.png" for shape in ("bar", "cross") for n in range(4)
    )
    assert not (drawn_workspace.raw / "cross").exists()
    report = again.rescan()
    assert (report.added, report.removed, report.moved) == (0, 0, 0)
    with again.catalogue.read() as connection:
        assert connection.execute(db.moves.select()).first() is None


def test_moves_of_two_processes_do_not_mix(drawn_workspace: Workspace) -> None:
    one = Dataset(drawn_workspace)
    one.rescan()
    two = Dataset(drawn_workspace)
    bar, cross = (next(c.id for c in one.classes() if c.name == name) for name in ("bar", "cross"))
    item = one.items(text="circle_0")[0]
    for n in range(6):
        (one, two)[n % 2].relabel([item.id], (bar, cross)[n % 2])
    assert "raw_gravures/cross/circle_0.png" in tree(drawn_workspace) and len(tree(drawn_workspace)) == 12
    assert settle(one.catalogue, drawn_workspace) == []


def test_a_folder_that_appeared_by_hand_is_joined_not_overwritten(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    bar = next(c.id for c in dataset.classes() if c.name == "bar")
    made = dataset.create_class("x")
    dataset.trash_class(made)
    dataset.rename_class(bar, "y")
    (drawn_workspace.raw / "bar").mkdir()
    (drawn_workspace.raw / "bar" / "bar_0.png").write_bytes(b"by hand")
    dataset.undo()
    assert (drawn_workspace.raw / "bar" / "bar_0.png").read_bytes() == b"by hand"
    assert sorted(item.path.rpartition("/")[2] for item in dataset.items(class_id=bar)) == [
        "bar_0_2.png", "bar_1.png", "bar_2.png", "bar_3.png",
    ]  # fmt: skip
    for item in dataset.items(class_id=bar):
        assert content_hash(dataset.image_bytes(item)) == item.sha256
    assert not (drawn_workspace.raw / "y").exists()
    dataset.rescan()
    assert dataset.counts().originals == 12


def test_a_file_name_too_long_for_the_trash_is_shortened(drawn_workspace: Workspace) -> None:
    (drawn_workspace.raw / "bar" / "bar_0.png").rename(drawn_workspace.raw / "bar" / ("é" * 125 + ".png"))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    item = dataset.items(text="ééé")[0]
    dataset.trash([item.id])
    trashed = dataset.item(item.id)
    assert dataset.image_bytes(trashed) and trashed.path.endswith(".png")
    dataset.restore([item.id])
    assert dataset.item(item.id).path == item.path
