"""Rescan: what people do in the folders by hand is found, and one bad file never stops it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.collection.walk import walk
from core.ground.workspace import Workspace
from tests.conftest import draw, png_bytes


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return dataset


def numbers(report: Any) -> tuple[int, int, int, int]:
    return report.added, report.removed, report.moved, report.changed


def labels(dataset: Dataset) -> dict[int, str]:
    return {item.id: item.class_name for item in dataset.items(limit=None)}


def test_the_folders_are_the_truth(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    seen: list[tuple[int, int]] = []
    report = dataset.rescan(on_progress=lambda done, total: seen.append((done, total)))
    assert numbers(report) == (12, 0, 0, 0) and report.refused == [] and seen == [(12, 12)]
    assert [(c.name, c.originals) for c in dataset.classes()] == [("bar", 4), ("circle", 4), ("cross", 4)]
    version = dataset.version
    assert numbers(dataset.rescan()) == (0, 0, 0, 0) and dataset.version == version
    assert [entry.action for entry in dataset.history()] == ["rescan"]


def test_what_is_not_an_image_is_listed_with_its_sentence(dataset: Dataset) -> None:
    raw = dataset.workspace.raw
    (raw / "bar" / "text.png").write_text("no image")
    (raw / "bar" / "half.png").write_bytes(png_bytes(draw("wave"))[:60])
    (raw / "bar" / "empty.png").touch()
    (raw / "bar" / "notes.txt").write_text("mine")
    (raw / "loose.png").write_bytes(png_bytes(draw("wave")))
    (raw / "bar" / "deeper").mkdir()
    (raw / "bar" / "link.png").symlink_to("/etc/hostname")
    (raw / "linked").symlink_to(raw / "cross", target_is_directory=True)
    for junk in (".DS_Store", "Thumbs.db", "._cross.png"):
        (raw / "bar" / junk).write_bytes(b"system")
    (raw / ".git").mkdir()
    (raw / "__MACOSX").mkdir()
    (raw / "bar" / "good.png").write_bytes(png_bytes(draw("wave", seed=5)))
    report = dataset.rescan()
    assert numbers(report) == (1, 0, 0, 0)
    refused = {outcome.name.removeprefix("raw_gravures/"): str(outcome.reason) for outcome in report.refused}
    assert set(refused) == {
        "bar/text.png", "bar/half.png", "bar/empty.png", "bar/notes.txt", "bar/deeper", "bar/link.png",
        "loose.png", "linked",
    }  # fmt: skip
    assert (
        "empty" in refused["bar/empty.png"]
        and "link" in refused["linked"]
        and "no class folder" in refused["loose.png"]
    )
    assert len(dataset.classes()) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps Unicode names only")
def test_names_that_are_not_text_are_listed(dataset: Dataset) -> None:
    os.mkdir(os.fsencode(dataset.workspace.raw) + b"/\xe9toile")
    (refused,) = dataset.rescan().refused
    assert "Unicode" in str(refused.reason) and "udce9" in refused.name


def test_odd_and_colliding_folders(workspace: Workspace) -> None:
    folders = [
        "(e",
        "[sl",
        "^",
        "---e",
        "{s}",
        "_x_",
        "e)_",
        "*",
        "con",
        "nan",
        "%2E",
        "e\u0301toile",
        "étoile",
        "E)_",
        "x" * 120,
    ]
    for n, folder in enumerate(folders):
        (workspace.raw / folder).mkdir(parents=True)
        (workspace.raw / folder / "a.png").write_bytes(png_bytes(draw("wave", seed=n)))
    (workspace.raw / "empty").mkdir()
    dataset = Dataset(workspace)
    assert numbers(dataset.rescan()) == (len(folders), 0, 0, 0)
    by_folder = {c.folder: c.name for c in dataset.classes()}
    assert len(by_folder) == len(folders) + 1 and len(set(by_folder.values())) == len(by_folder)
    for plain in ("(e", "[sl", "^", "---e", "{s}", "_x_", "*", "con", "nan", "empty", "x" * 120):
        assert by_folder[plain] == plain
    assert sorted([by_folder["e\u0301toile"], by_folder["étoile"]]) == ["étoile", "étoile (2)"]
    assert sorted([by_folder["E)_"], by_folder["e)_"]]) == ["E)_", "e)_ (2)"]
    assert sorted(p.name for p in workspace.raw.iterdir()) == sorted([*folders, "empty"])


def test_files_moved_renamed_and_added_by_hand(dataset: Dataset) -> None:
    raw = dataset.workspace.raw
    before = labels(dataset)
    ids = {item.path.rpartition("/")[2]: item.id for item in dataset.items(limit=None)}
    os.rename(raw / "bar" / "bar_0.png", raw / "cross" / "bar_0.png")
    os.rename(raw / "bar" / "bar_1.png", raw / "bar" / "renamed.png")
    (raw / "new class").mkdir()
    os.rename(raw / "bar" / "bar_2.png", raw / "new class" / "bar_2.png")
    shutil.copy(raw / "circle" / "circle_0.png", raw / "cross" / "copy.png")
    (dataset.workspace.data / "unlabelled").mkdir()
    (dataset.workspace.data / "unlabelled" / "flat.png").write_bytes(png_bytes(draw("wave")))
    assert numbers(dataset.rescan()) == (2, 0, 3, 0)
    after = labels(dataset)
    assert after.keys() >= before.keys()
    assert {name: after[ids[name]] for name in ("bar_0.png", "bar_1.png", "bar_2.png")} == {
        "bar_0.png": "cross", "bar_1.png": "bar", "bar_2.png": "new class",
    }  # fmt: skip
    assert dataset.counts().unlabelled == 1
    assert numbers(dataset.rescan()) == (0, 0, 0, 0)


def test_a_folder_renamed_by_hand_is_the_same_class(dataset: Dataset) -> None:
    bar = next(c for c in dataset.classes() if c.name == "bar")
    dataset.edit_fields(bar.id, maker="kept")
    os.rename(dataset.workspace.raw / "bar", dataset.workspace.raw / "%2A")
    before = labels(dataset).keys()
    assert numbers(dataset.rescan()) == (0, 0, 0, 0)
    now = next(c for c in dataset.classes() if c.id == bar.id)
    assert (now.name, now.folder, now.originals, now.fields) == ("*", "%2A", 4, {"maker": "kept"})
    assert labels(dataset).keys() == before


def test_what_was_deleted_by_hand_is_missing_and_known_when_it_comes_back(dataset: Dataset) -> None:
    raw = dataset.workspace.raw
    ids = dataset.item_ids(text="bar")
    shutil.move(raw / "bar", dataset.workspace.root / "aside")
    assert numbers(dataset.rescan()) == (0, 4, 0, 0)
    assert [c.name for c in dataset.classes()] == ["circle", "cross"] and dataset.count(state="missing") == 4
    shutil.move(dataset.workspace.root / "aside", raw / "bar")
    assert numbers(dataset.rescan()) == (4, 0, 0, 0)
    assert dataset.item_ids(text="bar") == ids and dataset.count(state="missing") == 0


def test_a_file_changed_by_hand_is_read_again(dataset: Dataset) -> None:
    item = dataset.items(text="bar_0")[0]
    path = dataset.path(item)
    os.utime(path)
    assert numbers(dataset.rescan()) == (0, 0, 0, 0)  # touched only
    path.write_bytes(png_bytes(draw("wave", seed=9, side=80)))
    assert numbers(dataset.rescan()) == (0, 0, 0, 1)
    now = dataset.item(item.id)
    assert now.sha256 != item.sha256 and now.width == 80 and now.class_name == "bar"


def test_an_empty_class_stays_and_an_empty_system_folder_is_none(dataset: Dataset) -> None:
    made = dataset.create_class("nothing yet")
    (dataset.workspace.raw / "only junk").mkdir()
    (dataset.workspace.raw / "only junk" / "Thumbs.db").touch()
    dataset.rescan()
    assert [c.name for c in dataset.classes()] == ["bar", "circle", "cross", "nothing yet"]
    (dataset.workspace.raw / "nothing yet").rmdir()
    dataset.rescan()
    assert made not in {c.id for c in dataset.classes()}


def test_a_lost_catalogue_knows_the_trash_again(dataset: Dataset) -> None:
    dataset.trash(dataset.item_ids(text="bar")[:2])
    dataset.catalogue.close()
    for path in dataset.workspace.data.glob("catalogue.sqlite*"):
        path.unlink()
    again = Dataset(dataset.workspace)
    again.rescan()
    assert again.counts().trash == 2 and again.counts().originals == 10
    again.restore(again.item_ids(state="trash"))
    assert {c.name: c.originals for c in again.classes()} == {"bar": 4, "circle": 4, "cross": 4}


def test_vectors_come_with_the_rows(drawn_workspace: Workspace) -> None:
    class Ones:
        space = "ones"

        def embed_images(self, images: Any) -> Any:
            for open_ in images:
                yield np.ones(3, dtype=np.float32) * open_().width

    dataset = Dataset(drawn_workspace)
    dataset.rescan(embedder=Ones())  # type: ignore[arg-type]
    assert dataset.missing_vectors("ones") == [] and dataset.vectors("ones")[3].tolist() == [[64.0] * 3] * 12


def test_stopping_keeps_what_was_found(drawn_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.collection.rescan._BATCH", 5)
    dataset = Dataset(drawn_workspace)
    calls = iter([False, True, True])
    assert dataset.rescan(should_stop=lambda: next(calls)).added == 5
    assert numbers(dataset.rescan()) == (7, 0, 0, 0)


def test_the_real_drawings(shared_data: Path, workspace: Workspace) -> None:
    shutil.copytree(shared_data / "gravures" / "raw_gravures", workspace.raw)
    dataset = Dataset(workspace)
    report = dataset.rescan()
    assert report.added == 643 and report.refused == []
    names = {c.name for c in dataset.classes()}
    assert len(names) == 67 and {"(e", "[sl", "^", "---e", "{s}", "_x_", "e)_", "étoile"} <= names


def test_a_deleted_class_comes_back_with_an_image_and_not_with_what_else_lies_in_its_folder(dataset: Dataset) -> None:
    bar = next(c for c in dataset.classes() if c.name == "bar")
    folder = dataset.workspace.raw / "bar"
    (folder / "notes.txt").write_text("mine")
    dataset.trash_class(bar.id)
    assert folder.is_dir()  # the notes are not ours to remove
    version = dataset.version
    assert numbers(dataset.rescan()) == (0, 0, 0, 0)
    assert [c.name for c in dataset.classes()] == ["circle", "cross"] and dataset.version == version
    (folder / "back.png").write_bytes(png_bytes(draw("wave", seed=3)))
    assert numbers(dataset.rescan()) == (1, 0, 0, 0)
    assert [c.id for c in dataset.classes() if c.name == "bar"] == [bar.id]


@pytest.mark.both_databases
@pytest.mark.parametrize("change", ["rename", "merge", "delete", "relabel", "trash", "undo"])
@pytest.mark.parametrize("settled", [True, False])
def test_a_walk_older_than_a_change_does_not_undo_it(
    drawn_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, change: str, settled: bool
) -> None:
    """The walk saw the folders as they were; by the time it is judged, the change is acknowledged, its files moved or
    (the process of whoever made it was slow, or died) not yet."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    bar, circle, _ = (c.id for c in dataset.classes())
    ids = dataset.item_ids(class_id=bar)
    if change == "undo":
        dataset.rename_class(bar, "before")
    acts: dict[str, Any] = {
        "rename": lambda other: other.rename_class(bar, "renamed"),
        "merge": lambda other: other.merge_classes([bar], circle),
        "delete": lambda other: other.trash_class(bar),
        "relabel": lambda other: other.relabel(ids, circle),
        "trash": lambda other: other.trash(ids),
        "undo": lambda other: other.undo(),
    }
    expected: list[Any] = []

    def late(workspace: Workspace) -> Any:
        seen = walk(workspace)
        if not expected:
            other = Dataset(workspace)
            if not settled:
                other.settle = lambda: None  # type: ignore[method-assign]
            acts[change](other)
            expected.append(state_of(other))
            other.catalogue.close()
        return seen

    monkeypatch.setattr("core.collection.rescan.walk", late)
    report = dataset.rescan()
    assert numbers(report) == (0, 0, 0, 0) and report.refused == []
    assert state_of(dataset) == expected[0]
    assert numbers(dataset.rescan()) == (0, 0, 0, 0) and state_of(dataset) == expected[0]
    for item in dataset.items(limit=None):
        assert (dataset.workspace.root / item.path).is_file()


def state_of(dataset: Dataset) -> Any:
    classes = {c.id: (c.name, c.folder) for c in dataset.classes()}
    items = [item for state in ("present", "trash", "missing") for item in dataset.items(state=state)]
    return classes, {item.id: (item.class_id, item.state) for item in items}
