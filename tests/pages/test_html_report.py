"""Verdicts brought back: what is confirmed, what is left alone and why, and classes that are not there yet."""

from __future__ import annotations

import json

from core.collection.dataset import Dataset
from core.evaluation.corrections import FORMAT, LARGEST, VERSION
from tests.pages.conftest import text_of


def open_with(open_page, workspace, *ticked, **how):
    record = {"format": FORMAT, "version": VERSION, "run": "", "side": "test", "snapshot": "", "verdicts": list(ticked)}
    at = open_page(workspace, "errors", view="report", **how)
    box = next(box for box in at.file_uploader if box.key.startswith("errors.verdicts"))
    return box.set_value([("verdicts.json", json.dumps(record).encode(), "application/json")]).run()


def of(workspace, name, number=0):
    return [item for item in Dataset(workspace).items(limit=None) if item.class_name == name][number]


def about(item, verdict, **more):
    return {"sha256": item.sha256, "label": item.class_name, "said": "cross", "verdict": verdict, **more}


def frame_of(at, column):
    """The table that has this column, as rows without the picture."""
    (frame,) = [each.value for each in at.dataframe if column in each.value.columns]
    assert all(picture.startswith("/thumbnail/") for picture in frame["Image"] if picture)
    return frame


def test_what_is_left_alone_is_shown_with_picture_file_and_reason(open_page, measured):
    bar, cross = of(measured, "bar"), of(measured, "cross")
    at = open_with(
        open_page, measured,
        about(bar, "relabel", to=""),
        {**about(cross, "trash"), "label": "elsewhere"},
        {"sha256": "0" * 64, "label": "bar", "verdict": "trash", "file": "bar/gone.png"},
        about(of(measured, "bar", 1), "right"),
    )  # fmt: skip
    left = frame_of(at, "Why")
    files = [bar.path.rpartition("/")[2], cross.path.rpartition("/")[2], "gone.png"]
    assert list(left["File"]) == files and [bool(picture) for picture in left["Image"]] == [True, True, False]
    assert list(left["Why"]) == [
        "A class needs a name.", "Its label is no longer elsewhere.", "The image is no longer there.",
    ]  # fmt: skip
    confirmed = frame_of(at, "Class")
    assert list(confirmed["File"]) == [of(measured, "bar", 1).path.rpartition("/")[2]]
    assert not at.checkbox


def test_a_class_that_is_not_there_is_made_when_that_is_ticked(open_page, measured):
    bars = [of(measured, "bar", n) for n in (0, 1)]
    at = open_with(open_page, measured, *(about(bar, "relabel", to="![x](new)") for bar in bars))
    assert "0 corrections · 0 labels confirmed · 2 left alone" in text_of(at)
    assert not any(button.key == "errors.apply" for button in at.button)
    (box,) = at.checkbox
    assert "Create 1 class that is not there" in box.label and "![x](new)" not in box.label, "names are text"
    at = box.check().run()
    assert "2 corrections · 0 labels confirmed · 0 left alone" in text_of(at)
    assert list(frame_of(at, "Then")["Then"]) == ["![x](new) (new class)"] * 2
    at.button(key="errors.apply").click().run()
    made = {item.id: item.class_name for item in Dataset(measured).items(limit=None)}
    assert [made[bar.id] for bar in bars] == ["![x](new)"] * 2
    at.button(key="frame.undo.0").click().run()
    assert "![x](new)" not in {record.name for record in Dataset(measured).classes()}
    assert of(measured, "bar").id == bars[0].id


def test_the_limit_of_the_file_is_said(open_page, measured):
    at = open_page(measured, "errors", view="report")
    box = next(box for box in at.file_uploader if box.key.startswith("errors.verdicts"))
    assert box.proto.max_upload_size_mb == LARGEST // 1_000_000


def test_in_french(open_page, measured):
    at = open_with(open_page, measured, about(of(measured, "bar"), "relabel", to="Neuve"), locale="fr-FR")
    assert "Créer 1 classe qui n’existe pas : Neuve" in at.checkbox[0].label
    assert "Laissées telles quelles" in text_of(at)
