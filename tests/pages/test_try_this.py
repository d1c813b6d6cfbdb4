"""The sample on the pages: photographs one click from their answer, and the list of what to try."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.ground import extras
from core.ground.rights import Actor
from core.ground.workspace import write_atomic
from core.showcase import shipped, tried
from core.showcase.laid import Laid, path_of
from core.showcase.photographs import Photograph, photographs
from tests.pages.conftest import component, text_of

TITLES = ("Name this photograph", "Find the wrong labels", "Start a two-minute training", "Look at the map")


@pytest.fixture(scope="module")
def files() -> list[Photograph]:
    """The photographs, which take longer to make than a page."""
    return list(photographs())


@pytest.fixture
def sampled(drawn_workspace, files):
    """A small collection that says it is the sample, with the photographs, and two crosses called bar."""
    data = Dataset(drawn_workspace)
    data.rescan()
    for one in files:
        write_atomic(path_of(drawn_workspace, one.file), one.data)
    wrong = {item.sha256: "bar" for item in data.items(limit=None) if item.class_name == "bar"}
    Laid().with_(drawn_workspace, photographs={one.file: list(one.shows) for one in files}, wrong=wrong)
    drawn_workspace.save_config(drawn_workspace.config().with_(sample=True))
    return drawn_workspace


def ticked(at) -> list[str]:
    lines = [str(element.value) for element in at.markdown]
    return [title for title in TITLES if any("check_circle" in line and title in line for line in lines)]


def test_the_list_is_there_with_the_sample_only(open_page, sampled):
    at = open_page(sampled)
    assert [title for title in TITLES if title in text_of(at)] == list(TITLES) and ticked(at) == []
    sampled.save_config(sampled.config().with_(sample=False))
    assert TITLES[0] not in text_of(open_page(sampled))


def test_it_speaks_french(open_page, sampled):
    assert "Trouver les étiquettes fausses" in text_of(open_page(sampled, locale="fr-FR"))


def test_one_click_names_the_photograph_and_ticks_it_off(open_page, sampled):
    at = open_page(sampled)
    at.button(key="overview.try.name").click().run()
    assert not at.exception
    assert at.title[0].value == "Which gravure is it?"
    assert [query.name for query in at.session_state["slice.given"]] == ["lens.jpg"]
    at.switch_page("pages/home/overview.py").run()
    assert ticked(at) == [TITLES[0]]


def test_a_mended_label_and_a_visit_to_the_map_are_ticked(open_page, sampled):
    data = Dataset(sampled).acting_as(Actor())
    data.relabel([item.id for item in data.items(limit=None) if item.class_name == "bar"][:1], data.classes()[1].id)
    at = open_page(sampled, "embeddings")
    assert not at.exception
    at.switch_page("pages/home/overview.py").run()
    assert ticked(at) == [TITLES[1], TITLES[3]]


def test_the_short_training_is_chosen_in_the_form(open_page, sampled):
    at = open_page(sampled)
    at.button(key="overview.try.choose").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"
    base = at.session_state["slice.training"].base
    assert (base.epochs, base.unfreezing) == (shipped.SETTINGS.epochs, shipped.SETTINGS.unfreezing)


def test_a_light_install_says_why_it_does_not_train(open_page, sampled, monkeypatch):
    monkeypatch.setattr(extras, "trains_here", lambda: False)
    at = open_page(sampled)
    assert "Training is not installed" in text_of(at)
    assert not [button for button in at.button if button.key == "overview.try.choose"]


def test_it_is_dismissed_for_good(open_page, sampled):
    at = open_page(sampled)
    at.button(key="overview.try.dismiss").click().run()
    assert TITLES[0] not in text_of(at)
    assert TITLES[0] not in text_of(open_page(sampled)), "in another session too"
    assert tried.dismissed(sampled)


def test_identify_offers_the_photographs_until_one_is_given(open_page, sampled):
    at = open_page(sampled, "identify")
    (wall,) = component(at, "burin_gallery")
    tiles = wall["groups"][0]["tiles"]
    assert [tile["mark"] for tile in tiles] == [
        "On a lens",
        "Two marks",
        "On paper",
        "From elsewhere",
        "Without a mark",
    ]
    assert all(tile["src"].startswith("data:image/webp") for tile in tiles)
    sampled.save_config(sampled.config().with_(sample=False))
    assert component(open_page(sampled, "identify"), "burin_gallery") == []
