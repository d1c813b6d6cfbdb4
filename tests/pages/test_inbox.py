"""Inbox: a reported image becomes an original, or is let go; either is taken back."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from tests.conftest import draw, png_bytes
from tests.pages.conftest import text_of


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
