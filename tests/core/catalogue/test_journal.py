"""The journal: who did what, undone and redone across a restart, and honest about what cannot be."""

from __future__ import annotations

import shutil

import pytest

from core.collection.dataset import Dataset
from core.ground.errors import Conflict, NotFound
from core.ground.rights import Actor
from core.ground.workspace import Workspace

pytestmark = pytest.mark.both_databases


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace, actor=Actor("Ada"))
    dataset.rescan()
    return dataset


def labels(dataset: Dataset) -> dict[str, str]:
    return {item.path.rpartition("/")[2]: item.class_name for item in dataset.items(limit=None)}


def named(dataset: Dataset, name: str) -> int:
    return next(c.id for c in dataset.classes() if c.name == name)


def test_every_change_is_one_entry_with_before_and_after(dataset: Dataset) -> None:
    bar, cross = named(dataset, "bar"), named(dataset, "cross")
    ids = dataset.item_ids(class_id=cross)[:2]
    dataset.relabel(ids, bar)
    dataset.rename_class(cross, "(e")
    dataset.edit_fields(bar, maker="Zeiss")
    dataset.trash(ids[:1])
    entries = dataset.history()
    assert [(e.who, e.action, e.items, e.classes) for e in entries] == [
        ("Ada", "trash", 1, 0),
        ("Ada", "fields", 0, 1),
        ("Ada", "rename", 0, 1),
        ("Ada", "relabel", 2, 0),
        ("Ada", "rescan", 12, 3),
    ]
    assert entries[2].detail == {"name": "cross", "to": "(e"} and entries[3].detail == {"to": "bar"}
    (change,) = dataset.changes(entries[1].id)
    assert (change.before, change.after) == ({"fields": {}}, {"fields": {"maker": "Zeiss"}})
    assert [e.action for e in dataset.history(item_id=ids[0])] == ["trash", "relabel", "rescan"]
    assert [e.action for e in dataset.history(class_id=cross)] == ["rename", "rescan"]
    assert dataset.history(2, offset=1) == entries[1:3]


def test_undo_and_redo_survive_a_restart(dataset: Dataset) -> None:
    start = labels(dataset)
    bar = named(dataset, "bar")
    dataset.relabel(dataset.item_ids(text="cross"), bar)
    middle = labels(dataset)
    dataset.merge_classes([named(dataset, "circle")], bar)
    end = labels(dataset)
    for _ in range(2):
        again = Dataset(dataset.workspace, actor=Actor("Ada"))
        assert again.undo().action == "merge" and labels(again) == middle
        assert again.undo().action == "relabel" and labels(again) == start
        assert again.undo() is None
        again = Dataset(dataset.workspace, actor=Actor("Ada"))
        assert again.redo().action == "relabel" and labels(again) == middle
        assert again.redo().action == "merge" and labels(again) == end
        assert again.redo() is None
    assert dataset.rescan().moved == 0


def test_a_new_change_ends_redo(dataset: Dataset) -> None:
    dataset.create_class("x")
    dataset.undo()
    dataset.create_class("y")
    assert dataset.redo() is None
    assert dataset.undo().detail == {"name": "y"}
    assert dataset.redo().detail == {"name": "y"}


def test_undo_takes_back_ones_own_changes(dataset: Dataset) -> None:
    bo = dataset.acting_as(Actor("Bo"))
    dataset.create_class("of Ada")
    bo.create_class("of Bo")
    assert dataset.undo().detail == {"name": "of Ada"}
    assert [c.name for c in dataset.classes() if c.name.startswith("of")] == ["of Bo"]
    assert dataset.undo() is None and bo.undo() is not None


def test_what_somebody_changed_since_is_not_undone_and_does_not_block(dataset: Dataset) -> None:
    bar, circle = named(dataset, "bar"), named(dataset, "circle")
    item = dataset.items(text="cross_0")[0].id
    dataset.create_class("first")
    dataset.relabel([item], bar)
    dataset.acting_as(Actor("Bo")).relabel([item], circle)
    with pytest.raises(Conflict, match="another action"):
        dataset.undo()
    assert dataset.item(item).class_id == circle
    assert dataset.undo().detail == {"name": "first"}


def test_any_entry_is_reverted_when_it_still_applies(dataset: Dataset) -> None:
    bar = named(dataset, "bar")
    start = labels(dataset)
    dataset.relabel(dataset.item_ids(text="cross"), bar)
    relabel = dataset.history()[0].id
    dataset.create_class("later")
    entry = dataset.revert(relabel)
    assert labels(dataset) == start and dataset.history()[0].of == relabel and entry is not None
    with pytest.raises(Conflict):
        dataset.revert(relabel)
    assert dataset.undo().action == "revert"
    assert dataset.count(class_id=bar) == 8
    with pytest.raises(NotFound):
        dataset.revert(10_000)


def test_what_a_rescan_found_is_taken_back_like_any_change(dataset: Dataset) -> None:
    raw, start = dataset.workspace.raw, labels(dataset)
    contents = sorted(item.sha256 for item in dataset.items(limit=None))
    (raw / "bar" / "bar_0.png").rename(raw / "cross" / "bar_0.png")
    (raw / "circle").rename(raw / "ring")
    (raw / "new").mkdir()
    shutil.copy(raw / "ring" / "circle_0.png", raw / "new" / "copy.png")
    (raw / "bar" / "bar_1.png").unlink()
    dataset.rescan()
    found = dataset.history()[0]
    assert (found.action, found.detail) == ("rescan", {"added": 1, "moved": 1, "removed": 1}) and found.undoable
    after = labels(dataset)
    assert dataset.undo() is None  # what was read is not the last thing that a person did
    taken_back = dataset.revert(found.id)
    assert taken_back is not None and taken_back.action == "revert"
    assert labels(dataset) == {name: label for name, label in start.items() if name != "bar_1.png"}
    assert sorted(p.name for p in raw.iterdir()) == ["bar", "circle", "cross"]
    assert [item.state for item in dataset.items(state="trash", limit=None)] == ["trash"]  # the copy, not lost
    report = dataset.rescan()
    assert (report.added, report.removed, report.moved) == (0, 0, 0), "taking it back is not undone by reading again"
    assert dataset.undo().id == taken_back.id and labels(dataset) == after
    missing = [item.sha256 for item in dataset.items(state="missing", limit=None)]
    assert sorted({*missing, *(item.sha256 for item in dataset.items(limit=None))}) == contents


def test_what_was_deleted_by_hand_is_not_offered_to_be_taken_back(dataset: Dataset) -> None:
    shutil.rmtree(dataset.workspace.raw / "cross")
    dataset.rescan()
    removed = dataset.history()[0]
    assert removed.detail == {"removed": 4} and not removed.undoable
    with pytest.raises(Conflict):
        dataset.revert(removed.id)


def test_what_was_taken_back_says_so_until_that_is_taken_back(dataset: Dataset) -> None:
    bar, start = named(dataset, "bar"), labels(dataset)
    dataset.relabel(dataset.item_ids(text="cross"), bar)
    changed, first = labels(dataset), dataset.history()[0].id

    def state(entry_id: int) -> tuple[bool, bool]:
        entry = next(entry for entry in dataset.history() if entry.id == entry_id)
        return entry.undone, entry.undoable

    assert state(first) == (False, True)
    second = dataset.revert(first)
    assert second is not None and state(first) == (True, False) and state(second.id) == (False, True)
    with pytest.raises(Conflict, match="taken back already"):
        dataset.revert(first)
    third = dataset.revert(second.id)
    assert third is not None and labels(dataset) == changed
    assert [state(one) for one in (first, second.id, third.id)] == [(False, True), (True, False), (False, True)]
    assert dataset.undo().id == third.id and labels(dataset) == start and state(first) == (True, False)
    assert dataset.redo().id == third.id and labels(dataset) == changed and state(first) == (False, True)
    assert dataset.revert(first) is not None and labels(dataset) == start
    assert [state(one) for one in (first, second.id, third.id)] == [(True, False), (True, False), (False, True)]


def test_what_is_gone_is_not_offered_to_be_taken_back(dataset: Dataset) -> None:
    bar, cross = named(dataset, "bar"), named(dataset, "cross")
    dataset.edit_fields(cross, maker="Zeiss")
    dataset.relabel(dataset.item_ids(class_id=cross)[:1], bar)
    relabel, fields = dataset.history(2)
    shutil.rmtree(dataset.workspace.raw / "cross")
    dataset.rescan()
    after = {entry.id: entry.undoable for entry in dataset.history()}
    assert (after[fields.id], after[relabel.id]) == (False, True)
    with pytest.raises(Conflict, match="no longer there"):
        dataset.revert(fields.id)
    shutil.rmtree(dataset.workspace.raw / "bar")
    dataset.rescan()
    assert [entry.action for entry in dataset.history() if entry.undoable] == ["rescan"]  # it found a third class too
    assert [entry.detail for entry in dataset.history(2)] == [{"removed": 5}, {"removed": 3}]


def test_a_deleted_class_without_images_can_be_brought_back(dataset: Dataset) -> None:
    dataset.trash_class(dataset.create_class("x"))
    deleted, created = dataset.history(2)
    assert deleted.undoable and not created.undoable
    assert dataset.revert(deleted.id) is not None and named(dataset, "x")


def test_undo_finds_another_name_for_a_file_whose_place_was_taken(dataset: Dataset) -> None:
    bar, cross = named(dataset, "bar"), named(dataset, "cross")
    item = dataset.items(text="cross_0")[0]
    content = dataset.image_bytes(item)
    dataset.relabel([item.id], bar)
    (dataset.workspace.raw / "cross" / "cross_0.png").write_bytes(b"by hand")
    dataset.undo()
    back = dataset.item(item.id)
    assert back.class_id == cross and back.path.endswith("cross/cross_0_2.png")
    assert dataset.image_bytes(back) == content


def test_a_name_taken_since_stops_an_undo(dataset: Dataset) -> None:
    cross = named(dataset, "cross")
    dataset.rename_class(cross, "x")
    dataset.acting_as(Actor("Bo")).create_class("Cross")
    with pytest.raises(Conflict, match="already"):
        dataset.undo()
    assert {c.name for c in dataset.classes()} == {"bar", "circle", "x", "Cross"}
