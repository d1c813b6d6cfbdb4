"""Inbox: a reported image becomes an original, or is let go; either is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.regions import Region
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of


@pytest.fixture
def reported(drawn_workspace):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    answer = {"classes": [{"name": "(e"}, {"name": "bar"}], "right": "cross"}
    picture = png_bytes(draw("cross", seed=40))
    dataset.report(picture, verdict="certain", said="wrong", answer=answer, note="on an old <b>lens</b>", who="Anne")
    return drawn_workspace


def test_nothing_waits(open_page, drawn_workspace):
    assert "their image comes here" in text_of(open_page(drawn_workspace, "inbox"))


def test_a_report_says_what_was_answered_and_noted(open_page, reported):
    at = open_page(reported, "inbox")
    text = text_of(at)
    assert "It was told: (e." in text and "on an old <b>lens</b>" in text and "Anne" in text
    assert any(button.label.replace("\\", "") == "Yes, it is cross" for button in at.button)


def test_the_visitors_own_word_makes_it_an_original(open_page, reported, dataset_of):
    at = open_page(reported, "inbox")
    at.button(key="inbox.right.1").click().run()
    dataset = dataset_of(reported)
    (item,) = dataset.items(text="report")
    assert (item.class_name, item.source) == ("cross", "report 1.png")
    assert dataset.inbox() == [] and dataset.inbox(state=None)[0].item_id == item.id
    assert "labelled cross" in text_of(at)


def test_another_class_can_be_typed(open_page, reported, dataset_of):
    at = open_page(reported, "inbox")
    at.selectbox(key="inbox.class.1").set_value("bar").run()
    assert dataset_of(reported).items(text="report")[0].class_name == "bar"


def test_dismissed_and_opened_again(open_page, reported, dataset_of):
    at = open_page(reported, "inbox")
    at.button(key="inbox.dismiss.1").click().run()
    assert dataset_of(reported).counts().inbox == 0
    at.button(key="inbox.reopen.1").click().run()
    assert dataset_of(reported).counts().inbox == 1


def test_opening_again_takes_the_label_back(open_page, reported, dataset_of):
    at = open_page(reported, "inbox")
    at.button(key="inbox.right.1").click().run()
    at.button(key="inbox.reopen.1").click().run()
    dataset = dataset_of(reported)
    assert dataset.counts().inbox == 1 and dataset.counts().originals == 12 and dataset.counts().trash == 1


def test_the_undo_at_the_foot_puts_the_report_back_as_it_was(open_page, reported, dataset_of):
    (before,) = dataset_of(reported).inbox()
    at = open_page(reported, "inbox")
    at.button(key="inbox.right.1").click().run()
    assert dataset_of(reported).inbox() == []
    at.button(key="frame.undo.0").click().run()
    (after,) = dataset_of(reported).inbox()
    assert replace(after, item_id=None) == before  # it remembers its image, for who does it again
    assert dataset_of(reported).counts().originals == 12
    assert at.button(key="inbox.right.1")


def test_the_place_of_the_mark_goes_into_the_collection_with_it(open_page, drawn_workspace, dataset_of):
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    told = Region(0, 0, 100, 100)
    answer = {"classes": [], "right": "bar", "region": told.to_json()}
    dataset_of(drawn_workspace).report(png_bytes(picture), verdict="not_found", said="wrong", answer=answer)
    at = open_page(drawn_workspace, "inbox")
    assert not at.exception
    assert "It was told: no mark found." in text_of(at)
    (shown,) = component(at, "burin_picture")
    assert [(box["x"], box["width"], box["taken"]) for box in shown["boxes"]] == [(0, 100, True)]
    place = Region(200, 0, 100, 100)
    at.session_state["workbench"].pointed["inbox 1"] = (place,)
    at.run()
    at.button(key="inbox.right.1").click().run()
    (item,) = dataset_of(drawn_workspace).items(text="report")
    assert (item.class_name, item.region, item.sight) == ("bar", place, "")


def test_a_sight_in_doubt_is_said_before_and_after_it_is_named(open_page, drawn_workspace, dataset_of):
    blank = png_bytes(Image.new("RGB", (90, 90), "white"))
    dataset_of(drawn_workspace).report(blank, verdict="not_found", said="wrong", answer={"right": "bar"})
    at = open_page(drawn_workspace, "inbox")
    assert "No mark is found in it. As it is, it will not vote" in text_of(at)
    at.button(key="inbox.right.1").click().run()
    assert "Its sight is in doubt, so it does not vote" in text_of(at)
    assert dataset_of(drawn_workspace).items(text="report")[0].sight == "doubt"
