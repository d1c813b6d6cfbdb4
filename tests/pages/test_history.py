"""History: entries in words, filters in the address, undo, redo and taking back one entry."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.ground.rights import Actor
from core.intake.ingest import IncomingFile, import_files
from tests.conftest import draw, png_bytes
from tests.pages.conftest import text_of


@pytest.fixture
def busy(drawn_workspace):
    """A workspace with some past: a relabel by Anne, a rename, one image in the trash."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    classes = {record.name: record.id for record in dataset.classes()}
    items = dataset.items(class_id=classes["bar"])
    dataset.acting_as(Actor("Anne")).relabel([items[0].id, items[1].id], classes["cross"])
    dataset.rename_class(classes["circle"], "(e")
    dataset.trash([items[2].id])
    return drawn_workspace


def test_entries_say_who_did_what_from_what_to_what(open_page, busy):
    text = text_of(open_page(busy, "history"))
    assert "2 images labelled cross" in text and "bar → cross (2 images)" in text and "Anne" in text
    assert "Class circle renamed (e" in text
    assert "1 image to the trash" in text and "collection → trash" in text


def test_one_entry_is_taken_back_and_the_others_stay(open_page, busy, dataset_of):
    at = open_page(busy, "history")
    entry = next(entry for entry in dataset_of(busy).history() if entry.action == "relabel")
    at.button(key=f"history.revert.{entry.id}").click().run()
    dataset = dataset_of(busy)
    assert sorted((record.name, record.originals) for record in dataset.classes()) == [
        ("(e", 4),
        ("bar", 3),
        ("cross", 4),
    ]
    assert "Taken back: 2 images labelled cross" in text_of(at)
    assert not [button for button in at.button if button.key == f"history.revert.{entry.id}"]
    taken = next(one for one in at.markdown if "2 images labelled cross" in one.value and "Taken" not in one.value)
    assert "~~2 images labelled cross~~" in taken.value and ":gray-badge[taken back]" in text_of(at)


def test_imports_and_rescans_say_what_and_from_where(open_page, busy, dataset_of):
    import_files(dataset_of(busy), [IncomingFile("up/a.png", png_bytes(draw("wave", seed=7)))])
    next((busy.raw / "bar").iterdir()).unlink()
    dataset_of(busy).rescan()
    text = text_of(open_page(busy, "history"))
    assert "1 image imported from up" in text
    assert "Folders read: 12 added" in text and "Folders read: 1 no longer there" in text


def test_undo_and_redo_walk_through_ones_own_changes(open_page, busy, dataset_of):
    at = open_page(busy, "history")
    at.button(key="history.undo").click().run()
    assert dataset_of(busy).counts().trash == 0
    at.button(key="history.redo").click().run()
    assert dataset_of(busy).counts().trash == 1
    assert "Done again: 1 image to the trash" in text_of(at)


def test_filters_narrow_the_list(open_page, busy):
    assert "renamed" not in text_of(open_page(busy, "history", action="relabel"))
    assert "labelled" not in text_of(open_page(busy, "history", action="rename"))
    assert "renamed" not in text_of(open_page(busy, "history", who="Anne"))


def test_the_history_of_one_image(open_page, busy, dataset_of):
    entry = next(entry for entry in dataset_of(busy).history() if entry.action == "trash")
    (change,) = dataset_of(busy).changes(entry.id)
    text = text_of(open_page(busy, "history", item=str(change.row_id)))
    assert "Only what happened to this image" in text
    assert "to the trash" in text and "renamed" not in text and "labelled" not in text


def test_a_blocked_undo_is_said(open_page, busy, dataset_of):
    at = open_page(busy, "history")
    relabel = next(entry for entry in dataset_of(busy).history() if entry.action == "relabel")
    moved = [change.row_id for change in dataset_of(busy).changes(relabel.id)]
    dataset_of(busy).relabel(moved, None)
    at.button(key=f"history.revert.{relabel.id}").click().run()
    assert "was changed by another action in the meantime" in text_of(at)


def test_in_french(open_page, busy):
    text = text_of(open_page(busy, "history", locale="fr-FR"))
    assert "Étiquette cross donnée à 2 images" in text and "Classe circle renommée (e" in text
