"""Errors: likely causes apart, each mended where it is seen, and verdicts that come back as a plan before a change."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.util import AttributeDictionary

from core.collection.dataset import Dataset
from core.evaluation import error_causes
from core.evaluation.corrections import FORMAT, VERSION
from core.evaluation.store import Evaluation, folder_of
from core.evaluation.work import Subject, evaluate_subject
from core.review.neighbourhood import Contents, Neighbourhood, path_of
from core.review.predictions import Labels
from tests.conftest import FakeEmbedder
from tests.pages.conftest import component, text_of, type_new
from tests.pages.made_runs import make_run


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


def causes(at):
    """The buttons that narrow the list to one cause."""
    (control,) = [one for one in at.get("button_group") if one.proto.id.endswith("errors.cause")]
    return [option.content for option in control.proto.options]


def test_what_was_corrected_is_no_fault_of_the_model(open_page, measured, fault):
    _sha256, key = fault
    at = open_page(measured, "errors")
    assert causes(at) == ["All (1)", "Likely a wrong label (1)"]
    at.button(key=f"{key}.said").click().run()
    assert "An error of the model" not in text_of(at) and "task_alt: Corrected]" in text_of(at)
    assert causes(at) == ["All (1)", "Corrected (1)"]
    at.button(key=f"{key}.undo").click().run()
    assert causes(at) == ["All (1)", "Likely a wrong label (1)"]
    at.button(key=f"{key}.trash").click().run()
    assert causes(at) == ["All (1)", "Corrected (1)"]


def test_a_label_called_right_is_the_models_error_until_that_is_taken_back(open_page, measured, fault):
    sha256, key = fault
    at = open_page(measured, "errors")
    at.button(key=f"{key}.right").click().run()
    assert "An error of the model" in text_of(at) and "Likely a wrong label" not in text_of(at)
    assert "1 label was called right" in text_of(at)
    assert item_with(measured, sha256).class_name == "circle"
    at.button(key="frame.undo.0").click().run()
    assert "Likely a wrong label" in text_of(at) and "An error of the model" not in text_of(at)
    assert "Taken back." in text_of(at) and "called right" not in text_of(at)


def test_two_people_on_one_error_do_not_overwrite_each_other(open_page, measured, fault):
    """As another class that is there, as a new one, as the trash: nothing of it over what was done meanwhile."""
    sha256, key = fault
    at = open_page(measured, "errors")
    item = item_with(measured, sha256)
    bar = next(record.id for record in Dataset(measured).classes() if record.name == "bar")
    Dataset(measured).relabel([item.id], bar)
    type_new(at.selectbox(key=f"{key}.class.{item.ver}"), "étoile")
    assert "changed by somebody else" in text_of(at) and "étoile" not in names_of(measured)
    for button in ("said", "trash"):
        Dataset(measured).tag([item.id], add=[button])
        at.button(key=f"{key}.{button}").click().run()
        assert "changed by somebody else" in text_of(at)
        assert item_with(measured, sha256).class_name == "bar" and item_with(measured, sha256).state == "present"
    at.run()
    type_new(at.selectbox(key=f"{key}.class.{item_with(measured, sha256).ver}"), "étoile")
    assert item_with(measured, sha256).class_name == "étoile"


def names_of(workspace):
    return {record.name for record in Dataset(workspace).classes()}


def test_it_is_said_that_identify_knows_the_originals_already(open_page, measured):
    assert "nothing has to be added to the gallery" in text_of(open_page(measured, "errors"))


def test_more_like_this_are_its_neighbours(open_page, measured, fault):
    _sha256, key = fault
    at = open_page(measured, "errors")
    at.toggle(key=f"{key}.alike").set_value(True).run()
    (wall,) = component(at, "burin_gallery")
    tiles = wall["groups"][0]["tiles"]
    names = {item.id: item.path for item in Dataset(measured).some([tile["id"] for tile in tiles])}
    assert len(tiles) == 16
    assert all("cross" in names[tile["id"]] or "wrong" in names[tile["id"]] for tile in tiles[:10])


def wall_of(at):
    """Item id -> name and note of each image in the grid."""
    (grid,) = component(at, "burin_picker")
    return {tile["id"]: (tile["name"], tile["note"]) for tile in grid["tiles"]}


def test_images_that_mislead_are_shown_with_how_many_and_corrected_one_by_one(open_page, measured):
    at = open_page(measured, "errors", view="hubs")
    held = Neighbourhood.read(path_of(measured, FakeEmbedder.space))
    found = error_causes.hubs(Labels.load(Dataset(measured)), held)
    items = {item.sha256: item for item in Dataset(measured).items(limit=None)}
    assert found, "six crosses that are labelled circle lie among the ten others"
    wall = wall_of(at)
    assert wall == {
        items[hub.sha256].id: (items[hub.sha256].class_name, f"misleads {hub.misled} of {hub.times}") for hub in found
    }
    worst, other = items[found[0].sha256], next(item for item in items.values() if item.id not in wall)
    at.session_state["workbench"].selection = [worst.id, other.id]  # the other one was selected on another page
    at.run()
    assert "1 image selected" in text_of(at)
    at.selectbox(key="select.class.0").set_value("bar").run()
    assert item_with(measured, worst.sha256).class_name == "bar"
    assert item_with(measured, other.sha256).class_name == other.class_name


def test_images_like_no_other(open_page, measured):
    at = open_page(measured, "errors", view="outliers")
    held = Neighbourhood.read(path_of(measured, FakeEmbedder.space))
    found = error_causes.outliers(Labels.load(Dataset(measured)), held)
    assert found
    assert [note for _name, note in wall_of(at).values()] == [f"nearest {one.similarity:.2f}" for one in found]


class Blind(FakeEmbedder):
    """Sees one edge alone, so that other images mislead it."""

    space = "edge"

    def embed(self, seen, subjects=()):
        vectors = super().embed(seen)
        vectors[:, 8:] = 0
        vectors[:, :8] += 1e-3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_run_shows_what_misleads_it_and_says_through_whose_eyes(open_page, measured):
    run = make_run(measured, name="first", weights=True)
    dataset = Dataset(measured)
    evaluate_subject(dataset, Subject(run.id, "first", Blind(), run.split, None), "test")
    contents = Contents.load(dataset, Blind.space)
    held = Neighbourhood.empty().extended(contents)
    found = error_causes.hubs(Labels.load(dataset), held)
    own = [note for _name, note in wall_of(open_page(measured, "errors", view="hubs")).values()]
    at = open_page(measured, "errors", view="hubs", run=run.id)
    notes = [note for _name, note in wall_of(at).values()]
    assert notes == [f"misleads {hub.misled} of {hub.times}" for hub in found] and found and notes != own
    assert "Compared as first sees them." in text_of(at)
    assert "comes from the encoder in use" in text_of(open_page(measured, "errors", run=run.id))


def frame_of(at, title):
    return next(frame for frame in at.dataframe if frame.value.columns[0] == title)


def test_tendencies_by_kind_and_size(open_page, measured):
    at = open_page(measured, "errors", view="tendencies")
    assert "over all images, 12.5% are wrong" in text_of(at)
    assert frame_of(at, "Kind of picture").value["Images"].sum() == 8
    assert list(frame_of(at, "Longer side in pixels").value["Longer side in pixels"]) == ["64"]
    assert "not recorded where they came from, nor of any image who drew it" in text_of(at)


def test_a_row_of_the_tendencies_leads_to_its_wrong_images(open_page, measured, fault):
    sha256, _key = fault
    at = open_page(measured, "errors", view="tendencies")
    assert "Labelled **circle**" not in text_of(at)
    at.session_state["errors.trait.size"] = AttributeDictionary(
        {"selection": {"rows": [0], "columns": [], "cells": []}}
    )
    at.run()
    assert "**64**: 1 of 8 images is wrong" in text_of(at) and "Labelled **circle**, called **cross**" in text_of(at)
    at.button(key=f"errors.trait.size.0.{sha256[:12]}.said").click().run()
    assert item_with(measured, sha256).class_name == "cross"


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
    assert list(at.dataframe[-1].value["Why"]) == ["The image is no longer there."]
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
