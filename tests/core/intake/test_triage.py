"""Triage: what visitors reported becomes an original, or is let go."""

from __future__ import annotations

import pytest

from core.collection.dataset import Actor, Dataset
from core.ground.errors import NotAllowed, NotFound
from core.ground.workspace import Workspace
from core.intake.triage import dismiss_report, label_report
from tests.conftest import draw, png_bytes


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    dataset = Dataset(workspace)
    for shape in ("wave", "square"):
        dataset.report(png_bytes(draw(shape)), verdict="unknown", said="unknown", answer={"classes": []}, who="Vi")
    return dataset


def test_a_report_becomes_an_original(dataset: Dataset) -> None:
    square, wave = dataset.inbox()
    outcome = label_report(dataset, wave.id, "(e")
    assert outcome.outcome == "added" and dataset.item(outcome.item_id).class_name == "(e"
    assert [entry.id for entry in dataset.inbox()] == [square.id]
    done = next(entry for entry in dataset.inbox(state=None) if entry.id == wave.id)
    assert (done.state, done.item_id) == ("labelled", outcome.item_id)
    with pytest.raises(NotFound):
        label_report(dataset, wave.id, "(e")
    dataset.undo()
    assert dataset.counts().trash == 1


def test_a_report_is_let_go(dataset: Dataset) -> None:
    square, _ = dataset.inbox()
    dismiss_report(dataset, square.id)
    assert dataset.counts().inbox == 1 and dataset.inbox(state="dismissed")[0].id == square.id
    with pytest.raises(NotFound):
        dismiss_report(dataset, square.id)


def test_a_viewer_answers_none(dataset: Dataset) -> None:
    viewer = dataset.acting_as(Actor("Vi", "viewer"))
    for answer in (lambda: label_report(viewer, 1, "x"), lambda: dismiss_report(viewer, 1)):
        with pytest.raises(NotAllowed):
            answer()
