"""Triage: what visitors reported becomes an original, or is let go."""

from __future__ import annotations

import pytest
from PIL import Image

from core.collection import inbox
from core.collection.dataset import Dataset
from core.embedding.gallery import update
from core.ground.errors import NotAllowed, NotFound
from core.ground.regions import Region
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.intake.triage import dismiss_report, label_report, region_of, reopen_report
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


def test_a_picture_that_two_people_reported_stays_while_one_of_them_waits(dataset: Dataset) -> None:
    """As the sample takes its own report with it when it goes."""
    picture, about = png_bytes(draw("bar")), {"verdict": "unknown", "said": "unknown", "answer": {}}
    first, second = (dataset.report(picture, who=who, **about) for who in ("Vi", "Ada"))
    path = dataset.workspace.root / dataset.inbox()[0].path
    inbox.withdraw(dataset.catalogue, dataset.workspace, first)
    assert path.is_file() and second in {entry.id for entry in dataset.inbox()}
    inbox.withdraw(dataset.catalogue, dataset.workspace, second)
    assert not path.exists() and len(dataset.inbox()) == 2


@pytest.mark.parametrize("answer", ["undo", "revert", "reopen"])
def test_taking_the_label_back_puts_the_report_back_and_redo_answers_it_again(dataset: Dataset, answer: str) -> None:
    square, wave = dataset.inbox()
    outcome = label_report(dataset, wave.id, "(e")
    ways = {
        "undo": dataset.undo,
        "revert": lambda: dataset.revert(dataset.history(1, action="import")[0].id),
        "reopen": lambda: reopen_report(dataset, wave.id),
    }
    ways[answer]()
    assert [entry.id for entry in dataset.inbox()] == [square.id, wave.id]
    assert dataset.item(outcome.item_id).state == "trash"
    if answer == "undo":
        dataset.redo()
    else:
        dataset.undo()
    assert [entry.id for entry in dataset.inbox()] == [square.id]
    assert dataset.item(outcome.item_id).state == "present"


def test_undoing_something_else_of_the_same_image_leaves_the_report_answered(dataset: Dataset) -> None:
    square, wave = dataset.inbox()
    outcome = label_report(dataset, wave.id, "(e")
    dataset.set_kind([outcome.item_id], "icon")
    dataset.undo()
    assert [entry.id for entry in dataset.inbox()] == [square.id]


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


def test_a_report_brings_the_place_of_its_mark_along(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    place = Region(200, 0, 100, 100)
    answer = {"classes": [], "region": place.to_json()}
    entry_id = dataset.report(png_bytes(picture), verdict="unknown", said="wrong", answer=answer)
    (entry,) = dataset.inbox()
    assert region_of(entry) == place
    outcome = label_report(dataset, entry_id, "bar", region=place)
    item = dataset.item(outcome.item_id)
    assert (item.region, item.sight) == (place, "")
    other = dataset.report(png_bytes(picture), verdict="unknown", said="wrong", answer={"region": "nonsense"})
    assert region_of(dataset.inbox()[0]) is None
    second = label_report(dataset, other, "circle", region=Region(0, 0, 100, 100))
    assert second.outcome == "added"  # the other mark of the same photograph


def test_a_reported_picture_whose_sight_is_in_doubt_does_not_vote(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    entry_id = dataset.report(
        png_bytes(Image.new("RGB", (90, 90), "white")), verdict="not_found", said="wrong", answer={}
    )
    outcome = label_report(dataset, entry_id, "bar")
    assert dataset.item(outcome.item_id).sight == "doubt"
    update(dataset, fake_embedder)
    assert outcome.item_id not in dataset.vectors(fake_embedder.space)[0]
    dataset.set_sight([outcome.item_id], "sure")
    assert outcome.item_id in dataset.vectors(fake_embedder.space)[0]
