"""Sights in doubt over a collection: found by a check, each content once, and settled by a person."""

import pytest
from PIL import Image, ImageDraw

from core.collection.dataset import Dataset
from core.ground.regions import Region
from core.intake.ingest import IncomingFile, import_files
from core.review import sights
from tests.conftest import png_bytes


@pytest.fixture
def dot():
    """A dot, and a cross beside it."""
    picture = Image.new("RGB", (400, 200), "white")
    ImageDraw.Draw(picture).ellipse((98, 98, 102, 102), fill="black")
    return png_bytes(picture)


@pytest.fixture
def dataset(drawn_workspace):
    found = Dataset(drawn_workspace)
    found.rescan()
    return found


def test_what_the_check_finds_waits_until_somebody_vouches_for_it(dataset, dot):
    (outcome,) = import_files(dataset, [IncomingFile("dot.png", dot, class_name="bar")])
    found = sights.look(dataset)
    assert sights.in_doubt(dataset, found) == {outcome.item_id: ["little"]}
    assert sights.Sights.read(dataset.workspace) == found
    dataset.set_sight([outcome.item_id], "sure")
    assert sights.in_doubt(dataset, found) == {}
    dataset.set_sight([outcome.item_id], "doubt")
    assert sights.in_doubt(dataset, sights.Sights()) == {
        outcome.item_id: []
    }  # it does not vote: nobody need look again


def test_another_region_is_another_sight(dataset, dot, monkeypatch):
    (outcome,) = import_files(dataset, [IncomingFile("dot.png", dot, class_name="bar")])
    sights.look(dataset)
    dataset.set_region(outcome.item_id, Region(90, 90, 20, 20))
    asked = []
    monkeypatch.setattr(sights, "doubts_of", lambda image, how, *, region: asked.append(region) or [])
    assert sights.in_doubt(dataset, sights.look(dataset)) == {}
    assert asked == [Region(90, 90, 20, 20)]  # the others were looked at before


def test_a_damaged_note_is_none(workspace):
    path = workspace.cache / "quality" / "sights.json"
    path.parent.mkdir(parents=True)
    for text in ("", "[]", '{"how": "strokes", "doubts": 3}'):
        path.write_text(text)
        assert sights.Sights.read(workspace) == sights.Sights()
