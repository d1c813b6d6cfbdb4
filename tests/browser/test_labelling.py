"""Labelling in a real browser: the keyboard alone, a range in the grid, undo; nothing is lost however fast."""

from __future__ import annotations

import shutil

import pytest

from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.embedding.gallery import update
from tests.conftest import draw, png_bytes

SAVED = ".saved[data-state=saved]"


@pytest.fixture
def tray(drawn_workspace, engines):
    """Three classes of four, and 24 images to label, eight of each shape; the encoder has seen them."""
    folder = drawn_workspace.data / "unlabelled"
    folder.mkdir(parents=True)
    for number in range(24):
        shape = ("circle", "cross", "bar")[number % 3]
        (folder / f"{shape}_{number}.png").write_bytes(png_bytes(draw(shape, seed=100 + number)))
    shutil.copytree(engines, drawn_workspace.cache / "engines")
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, load_embedder(drawn_workspace))
    return drawn_workspace


def opened(visit, start_server, workspace, path="label", shown=".proposals button, .grid .said"):
    """A visit on the page, once the model has had its say."""
    at = visit(start_server(workspace))
    at.page.goto(f"{at.server.url}/{path}")  # not `open`: until the model is ready the page never rests
    at.page.wait_for_selector(shown, timeout=240_000)
    at.page.get_by_text("Getting the references ready").wait_for(state="hidden", timeout=240_000)
    at.wait()
    return at


def right(dataset: Dataset) -> int:
    """How many images carry the class that their file is named after."""
    return sum(item.path.rpartition("/")[2].startswith(item.class_name + "_") for item in dataset.items(limit=None))


def test_twenty_images_by_the_keyboard_alone(visit, start_server, tray):
    at = opened(visit, start_server, tray)
    page = at.page
    assert page.locator(".place").inner_text() == "Image 1 of 36"
    for _ in range(20):
        page.keyboard.press("Enter")
    assert page.locator(".place").inner_text() == "Image 21 of 36", "shown at once, before the server has answered"
    page.wait_for_selector(SAVED)
    dataset = Dataset(tray)
    assert dataset.counts().unlabelled == 4
    assert right(dataset) >= 30, "of 32: the neighbours are nearly always right on these shapes"

    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().unlabelled == 6
    assert page.locator(".place").inner_text() == "Image 19 of 36"


def test_a_burst_of_keys_loses_none(visit, start_server, tray):
    at = opened(visit, start_server, tray)
    for _ in range(12):
        at.page.keyboard.press("2")
        at.page.keyboard.press("ArrowLeft")
        at.page.keyboard.press("1")
    at.page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().unlabelled == 12
    assert len(Dataset(tray).history(100, action="relabel")) >= 12


def test_typing_a_class_moves_nothing_else(visit, start_server, tray):
    at = opened(visit, start_server, tray)
    page = at.page
    page.keyboard.press("/")
    page.keyboard.type("x1jk étoile")
    assert page.locator(".place").inner_text() == "Image 1 of 36", "keys are text while one types"
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    at.wait()
    assert {record.name for record in Dataset(tray).classes()} >= {"x1jk étoile"}
    assert Dataset(tray).counts().unlabelled == 23


def test_trash_undo_and_the_list_of_keys(visit, start_server, tray):
    at = opened(visit, start_server, tray)
    page = at.page
    page.keyboard.press("x")
    page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().trash == 1
    page.keyboard.press("Control+z")
    page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().trash == 0 and page.locator(".place").inner_text() == "Image 1 of 36"
    page.keyboard.press("?")
    assert page.locator(".keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator(".keys").is_visible()
    page.keyboard.press("z")
    assert "scale(2)" in (page.locator(".paper img").get_attribute("style") or "")
