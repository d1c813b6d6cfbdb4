"""Quality: each list with the click that settles it."""

from __future__ import annotations

import time

import pytest

from core.collection.dataset import Dataset
from core.ground.job import Job, publish
from core.ground.jobs import JobRunner
from core.ground.regions import Region
from core.review import quality
from pages.ui.data import review
from tests.conftest import draw, png_bytes
from tests.pages.conftest import text_of


@pytest.fixture
def messy(drawn_workspace, fake_embedder):
    """A wrong label, an exact copy across classes and a blank image, checked."""
    raw = drawn_workspace.raw
    (raw / "circle" / "wrong.png").write_bytes(png_bytes(draw("cross", seed=11)))
    (raw / "bar" / "copy.png").write_bytes((raw / "cross" / "cross_0.png").read_bytes())
    (raw / "bar" / "tiny.png").write_bytes(png_bytes(draw("bar", seed=9, side=16)))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    found = quality.check(dataset, fake_embedder, at=1.0)
    assert found is not None
    found.save(drawn_workspace)
    return drawn_workspace


def item_named(dataset, name):
    return next(item for item in dataset.items(limit=None) if item.path.endswith(f"/{name}"))


def test_without_images_there_is_nothing_to_check(open_page, workspace):
    assert "There is nothing to check yet." in text_of(open_page(workspace, "quality"))


def test_it_says_what_its_lists_wait_for(open_page, drawn_workspace, dataset_of, monkeypatch):
    at = open_page(drawn_workspace, "library")
    folder = drawn_workspace.jobs / "1"

    def start(self, kind, work, params, *, key=None, alone=False):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        folder.mkdir(parents=True, exist_ok=True)
        publish(job := Job("1", kind, str(folder), key, created_at=time.time(), beat_at=time.time()))
        return job

    monkeypatch.setattr(JobRunner, "start", start)
    monkeypatch.setattr(review, "INLINE", 0)
    (drawn_workspace.raw / "bar" / "new.png").write_bytes(png_bytes(draw("bar", seed=77)))
    dataset_of(drawn_workspace).rescan()
    at.switch_page("pages/data/quality.py").run()
    assert "Getting the references ready" in text_of(at)


def test_before_a_check_it_offers_one(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "quality")
    assert at.button(key="quality.check").label == "Check every image"
    for name in ("copies", "look", "sights", "twins"):
        at = open_page(drawn_workspace, "quality", list=name)
        assert ("not compared yet" if name == "copies" else "Not checked yet") in text_of(at), (
            "and does not say that all is well"
        )


def test_a_doubtful_label_is_corrected_in_one_click_and_taken_back(open_page, messy, dataset_of):
    at = open_page(messy, "quality")
    assert "Labelled **circle**, among images of **cross**" in text_of(at)
    dataset = dataset_of(messy)
    ids = {record.name: record.id for record in dataset.classes()}
    at.button(key=f"quality.hint.{ids['circle']}.{ids['cross']}.relabel").click().run()
    assert item_named(dataset_of(messy), "wrong.png").class_name == "cross"
    at.button(key="frame.undo.0").click().run()
    assert item_named(dataset_of(messy), "wrong.png").class_name == "circle"


def test_a_label_called_right_is_not_shown_again(open_page, messy, dataset_of):
    at = open_page(messy, "quality")
    ids = {record.name: record.id for record in dataset_of(messy).classes()}
    at.button(key=f"quality.hint.{ids['circle']}.{ids['cross']}.keep").click().run()
    assert "Labelled **circle**, among images of **cross**" not in text_of(at)
    assert item_named(dataset_of(messy), "wrong.png").class_name == "circle"


def test_one_of_the_copies_is_kept(open_page, messy, dataset_of):
    at = open_page(messy, "quality", list="copies")
    assert "in several classes" in text_of(at)
    original = item_named(dataset_of(messy), "cross_0.png")
    keep = next(b for b in at.button if b.key.startswith("quality.copies.") and b.key.endswith(f".keep.{original.id}"))
    keep.click().run()
    dataset = dataset_of(messy)
    assert dataset.item(original.id).state == "present" and dataset.counts().trash == 1
    assert "in several classes" not in text_of(at)


def test_one_of_each_group_of_copies_is_kept_at_once(open_page, drawn_workspace, dataset_of):
    raw = drawn_workspace.raw
    for name in ("cross", "bar"):
        (raw / name / "again.png").write_bytes((raw / name / f"{name}_0.png").read_bytes())
    (raw / "circle" / "elsewhere.png").write_bytes((raw / "bar" / "bar_1.png").read_bytes())
    dataset_of(drawn_workspace).rescan()
    at = open_page(drawn_workspace, "quality", list="copies")
    assert "1 group is in several classes" in text_of(at)
    at.get_by_key("quality.copies.rule").set_value("older").run()
    at.button(key="quality.copies.one").click().run()
    assert dataset_of(drawn_workspace).counts().trash == 2 and "2 images are in the trash." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert dataset_of(drawn_workspace).counts().trash == 0
    at.button(key="quality.copies.keep").click().run()
    assert "3 findings are settled." in text_of(at) and "No file is there twice." in text_of(at)


def test_copies_that_are_all_kept_can_be_shown_again(open_page, messy):
    at = open_page(messy, "quality", list="copies")
    next(b for b in at.button if b.key.startswith("quality.copies.") and b.key.endswith(".all")).click().run()
    assert "in several classes" not in text_of(at) and "1 finding is settled." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert "in several classes" in text_of(at)


def test_tiny_images_go_to_the_trash_together(open_page, messy, dataset_of):
    at = open_page(messy, "quality", list="look")
    at.button(key="quality.odd.tiny.trash").click().run()
    assert dataset_of(messy).counts().trash == 1
    assert "Every image shows a mark." in text_of(at)


def test_the_lists_are_counted(open_page, messy):
    at = open_page(messy, "quality")
    (control,) = [one for one in at.get("button_group") if one.proto.id.endswith("quality.list")]
    labels = [option.content for option in control.proto.options]
    assert any(label.startswith("Blank or tiny (1)") for label in labels)


def test_a_sight_in_doubt_is_listed_and_vouched_for_in_one_click(open_page, drawn_workspace, dataset_of):
    data = dataset_of(drawn_workspace)
    data.rescan()
    item_id = data.item_ids(text="bar")[0]
    data.set_sight([item_id], "doubt")
    at = open_page(drawn_workspace, "quality", list="sights")
    assert not at.exception
    assert "It does not vote." in text_of(at)
    at.button(key=f"quality.sight.{item_id}.sure").click().run()
    assert not at.exception
    assert dataset_of(drawn_workspace).item(item_id).sight == "sure"
    assert "1 image votes now." in text_of(at)


@pytest.mark.parametrize("button", ["sure", "doubt"])
def test_a_sight_is_not_judged_over_somebody_else_s_change(open_page, drawn_workspace, dataset_of, button):
    data = dataset_of(drawn_workspace)
    data.rescan()
    item_id = data.item_ids(text="bar")[0]
    data.set_sight([item_id], "doubt")
    at = open_page(drawn_workspace, "quality", list="sights")
    if button == "doubt":  # offered where it votes
        at = open_page(drawn_workspace, "library", item=str(item_id))
        at.button(key=f"detail.sure.{item_id}").click().run()
    data.set_region(item_id, Region(10, 10, 50, 44), sight=data.item(item_id).sight)
    before = data.item(item_id)
    key = f"quality.sight.{item_id}.sure" if button == "sure" else f"detail.doubt.{item_id}"
    at.button(key=key).click().run()
    assert "changed by somebody else" in text_of(at) and dataset_of(drawn_workspace).item(item_id) == before
