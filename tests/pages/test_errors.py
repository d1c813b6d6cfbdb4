"""Errors: likely causes apart, each mended where it is seen, and verdicts that come back as a plan before a change."""

from __future__ import annotations

import json

import pytest

from core.collection.dataset import Dataset
from core.evaluation.corrections import FORMAT, VERSION
from core.evaluation.store import Evaluation, folder_of
from tests.conftest import FakeEmbedder
from tests.pages.conftest import component, text_of


@pytest.fixture
def fault(measured):
    """The one wrong answer: a cross that carries the label circle."""
    predictions = Evaluation(folder_of(measured, "", "test", space=FakeEmbedder.space)).predictions
    (row,) = predictions.wrong
    sha256 = str(predictions.sha256[row])
    own, other = int(predictions.truth[row]), int(predictions.predicted[row])
    return sha256, f"errors.group.{own}.{other}.{sha256[:12]}"


def item_with(workspace, sha256):
    return next(item for item in Dataset(workspace).items(limit=None) if item.sha256 == sha256)


def test_the_wrong_label_is_told_apart_from_the_models_errors(open_page, measured, fault):
    at = open_page(measured, "errors")
    text = text_of(at)
    assert "Labelled **circle**, called **cross**" in text
    assert "Likely a wrong label" in text and "An error of the model" not in text
    assert [expander.label.replace("\\", "") for expander in at.expander] == ["**circle → cross** · 1 image"]


def test_it_is_relabelled_inline_and_taken_back(open_page, measured, fault):
    sha256, key = fault
    at = open_page(measured, "errors")
    at.button(key=f"{key}.said").click().run()
    assert item_with(measured, sha256).class_name == "cross"
    assert "now cross" in text_of(at) and "Out of date" in text_of(at)
    at.button(key=f"{key}.undo").click().run()
    assert item_with(measured, sha256).class_name == "circle"


def test_a_label_called_right_is_the_models_error(open_page, measured, fault):
    sha256, key = fault
    at = open_page(measured, "errors")
    at.button(key=f"{key}.right").click().run()
    assert "An error of the model" in text_of(at) and "Likely a wrong label" not in text_of(at)
    assert item_with(measured, sha256).class_name == "circle"


def test_more_like_this_are_its_neighbours(open_page, measured, fault):
    _sha256, key = fault
    at = open_page(measured, "errors")
    at.toggle(key=f"{key}.alike").set_value(True).run()
    (wall,) = component(at, "burin_gallery")
    tiles = wall["groups"][0]["tiles"]
    names = {item.id: item.path for item in Dataset(measured).some([tile["id"] for tile in tiles])}
    assert len(tiles) == 16
    assert all("cross" in names[tile["id"]] or "wrong" in names[tile["id"]] for tile in tiles[:10])


def test_images_that_mislead_are_shown_with_how_many(open_page, measured):
    from core.evaluation import faults
    from core.review.neighbourhood import Neighbourhood, path_of
    from core.review.predictions import Labels

    at = open_page(measured, "errors", view="hubs")
    held = Neighbourhood.read(path_of(measured, FakeEmbedder.space))
    found = faults.hubs(Labels.load(Dataset(measured)), held)
    walls = component(at, "burin_gallery")
    if not found:
        assert "No image misleads more others than it helps." in text_of(at)
        return
    marks = [tile["mark"] for tile in walls[0]["groups"][0]["tiles"]]
    assert marks[0] == f"misleads {found[0].misled} of {found[0].times}"
    at.button(key="errors.hubs.select").click().run()
    assert f"{len(marks)} image" in text_of(at) and "0 images selected" not in text_of(at)
    assert len(at.session_state["workbench"].selection) == len(marks)


def test_images_like_no_other(open_page, measured):
    at = open_page(measured, "errors", view="outliers")
    assert component(at, "burin_gallery") or "Every image has others like it." in text_of(at)


def test_tendencies_by_kind_and_size(open_page, measured):
    at = open_page(measured, "errors", view="tendencies")
    assert "over all images, 12.5% are wrong" in text_of(at)
    titles = [frame.value.columns[0] for frame in at.dataframe]
    assert "Kind of picture" in titles
    kinds = next(frame.value for frame in at.dataframe if frame.value.columns[0] == "Kind of picture")
    assert kinds["Images"].sum() == 8


def verdicts(*ticked):
    record = {"format": FORMAT, "version": VERSION, "run": "", "side": "test", "snapshot": "", "verdicts": list(ticked)}
    return json.dumps(record).encode()


def given(at, content):
    box = next(box for box in at.file_uploader if box.key.startswith("errors.verdicts"))
    return box.set_value([("verdicts.json", content, "application/json")]).run()


def test_verdicts_come_back_as_a_plan_then_as_one_change(open_page, measured, fault):
    sha256, _key = fault
    other = next(item for item in Dataset(measured).items(limit=None) if item.class_name == "bar")
    content = verdicts(
        {"sha256": sha256, "label": "circle", "verdict": "relabel", "to": "cross"},
        {"sha256": other.sha256, "label": "bar", "verdict": "right"},
        {"sha256": "0" * 64, "label": "bar", "verdict": "trash"},
    )
    at = given(open_page(measured, "errors", view="report"), content)
    text = text_of(at)
    assert "1 correction · 1 label confirmed · 1 left alone" in text
    assert "The image is no longer there." in text
    assert item_with(measured, sha256).class_name == "circle", "nothing is changed yet"
    plan = at.dataframe[0].value
    assert list(plan["Now"]) == ["circle"] and list(plan["Then"]) == ["cross"]
    at.button(key="errors.apply").click().run()
    assert item_with(measured, sha256).class_name == "cross"
    at.button(key="frame.undo.0").click().run()
    assert item_with(measured, sha256).class_name == "circle"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": "other"}', b"\xff\xfe"])
def test_another_file_is_refused_in_words(open_page, measured, content):
    at = given(open_page(measured, "errors", view="report"), content)
    assert "This is not a file of verdicts that a report saved." in text_of(at)


def test_the_report_is_offered(open_page, measured):
    at = open_page(measured, "errors", view="report")
    assert "errors.report" in {button.key for button in at.get("download_button")}


def test_in_french(open_page, measured):
    text = text_of(open_page(measured, "errors", locale="fr-FR"))
    assert "Étiquetée **circle**, appelée **cross**" in text
