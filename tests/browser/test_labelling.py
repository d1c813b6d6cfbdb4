"""Labelling in a real browser: the keyboard alone, a range in the grid, undo; nothing is lost however fast."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import UNLABELLED, Dataset
from core.embedding.embedder import load_embedder
from core.embedding.gallery import update
from tests.conftest import draw, png_bytes

SAVED = ".saved[data-state=saved]"


@pytest.fixture
def tray(drawn_workspace):
    """Three classes of four, and 24 images to label, eight of each shape; the encoder has seen them."""
    folder = drawn_workspace.data / "unlabelled"
    folder.mkdir(parents=True)
    for number in range(24):
        shape = ("circle", "cross", "bar")[number % 3]
        (folder / f"{shape}_{number}.png").write_bytes(png_bytes(draw(shape, seed=100 + number)))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, load_embedder(drawn_workspace))
    return drawn_workspace


@pytest.fixture
def server(start_server, tray):
    """A new process: where the second run of a page follows its first too fast, Streamlit 1.67 may leave a component
    with what the first gave it, and no proposal is ever shown."""
    server = start_server(tray, fresh=True)
    yield server
    server.stop()


def opened(visit, server, path="label", shown=".proposals button, .grid .said"):
    """A visit on the page, once the model has had its say."""
    at = visit(server)
    at.page.goto(f"{at.server.url}/{path}")  # not `open`: until the model is ready the page never rests
    at.page.wait_for_selector(shown, timeout=240_000)
    at.page.get_by_text("Getting the references ready").wait_for(state="hidden", timeout=240_000)
    at.wait()
    return at


def choose(page: Page, label: str, name: str) -> None:
    """Type ``name`` into a type-ahead and take it."""
    box = page.get_by_role("combobox", name=label)
    box.fill(name)
    expect(box).to_have_value(name)
    box.press("Enter")


def right(dataset: Dataset) -> int:
    """How many images carry the class that their file is named after."""
    return sum(item.path.rpartition("/")[2].startswith(item.class_name + "_") for item in dataset.items(limit=None))


def test_twenty_images_by_the_keyboard_alone(visit, server, tray):
    at = opened(visit, server)
    page = at.page
    assert page.locator(".place").inner_text() == "Image 1 of 36"
    for _ in range(20):
        page.keyboard.press("Enter")
    assert page.locator(".place").inner_text() == "Image 21 of 36", "shown at once, before the server has answered"
    page.wait_for_selector(SAVED)
    assert page.locator(".problem").inner_text() == ""
    dataset = Dataset(tray)
    assert dataset.counts().unlabelled == 4
    assert right(dataset) >= 30, "of 32: the neighbours are nearly always right on these shapes"

    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().unlabelled == 6
    assert page.locator(".place").inner_text() == "Image 19 of 36"


def test_a_burst_of_keys_loses_none(visit, server, tray):
    at = opened(visit, server)
    for _ in range(12):
        at.page.keyboard.press("2")
        at.page.keyboard.press("ArrowLeft")
        at.page.keyboard.press("1")
    at.page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().unlabelled == 12
    assert len(Dataset(tray).history(100, action="relabel")) >= 12


def test_a_desk_that_is_mounted_anew_goes_on_where_it_was(visit, server, tray):
    at = opened(visit, server)
    page = at.page
    for _ in range(20):
        page.keyboard.press("Enter")
    page.get_by_role("link", name="Table").click()  # at once, before the server has answered
    page.locator("tbody tr").first.wait_for()
    page.get_by_role("link", name="Label").click()
    page.wait_for_selector(SAVED)
    expect(page.locator(".place")).to_have_text("Image 21 of 36")
    at.wait()
    assert Dataset(tray).counts().unlabelled == 4
    page.keyboard.press("Control+z")  # what can be taken back is still known
    expect(page.locator(".place")).to_have_text("Image 20 of 36")
    page.wait_for_selector(SAVED)
    at.wait()
    assert Dataset(tray).counts().unlabelled == 5


def test_typing_a_class_moves_nothing_else(visit, server, tray):
    at = opened(visit, server)
    page = at.page
    page.keyboard.press("/")
    page.keyboard.type("x1jk étoile")
    assert page.locator(".place").inner_text() == "Image 1 of 36", "keys are text while one types"
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    at.wait()
    assert {record.name for record in Dataset(tray).classes()} >= {"x1jk étoile"}
    assert Dataset(tray).counts().unlabelled == 23


def test_a_range_is_selected_relabelled_and_taken_back(visit, server, tray):
    at = opened(visit, server, "label?view=grid&unlabelled=true")
    page = at.page
    tiles = page.locator(".grid button")
    expect(tiles).to_have_count(24)
    tiles.nth(2).click()
    expect(page.get_by_text("1 image selected")).to_be_visible()
    tiles.nth(9).click(modifiers=["Shift"])
    expect(page.get_by_text("8 images selected")).to_be_visible()
    at.wait()
    choose(page, "Give them the class", "bar")
    expect(page.get_by_text("8 images are now of bar.")).to_be_visible()
    dataset = Dataset(tray)
    assert dataset.counts().unlabelled == 16 and dataset.history(1)[0].items == 8
    at.wait()
    page.locator(".st-key-frame-undo-0 button").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert Dataset(tray).counts().unlabelled == 24


def test_one_selection_in_the_grid_and_in_the_table(visit, server, tray):
    at = opened(visit, server, "label?view=grid&unlabelled=true")
    page = at.page
    for place in (0, 1):
        page.locator(".grid button").nth(place).click()
    expect(page.get_by_text("2 images selected")).to_be_visible()
    at.wait()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Table").click()
    expect(page.get_by_role("heading", level=1, name="Table")).to_be_visible()
    expect(page.get_by_text("2 images selected")).to_be_visible()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.locator("tbody tr[aria-selected=false]").first.get_by_role("checkbox").click()
    expect(page.get_by_text("3 images selected")).to_be_visible()
    at.wait()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("0 images selected")).to_be_visible()
    expect(page.locator("tbody tr[aria-selected=true]")).to_have_count(0)


def test_escape_clears_the_selection(visit, server, tray):
    at = opened(visit, server, "label?view=grid")
    at.page.locator(".grid button").nth(0).click()
    expect(at.page.get_by_text("1 image selected")).to_be_visible()
    at.wait()
    at.page.keyboard.press("Escape")
    expect(at.page.get_by_text("0 images selected")).to_be_visible()


def test_a_cell_of_the_table_is_edited_in_place(visit, server, tray):
    at = opened(visit, server, "table?view=classes", "tbody tr")
    at.page.get_by_role("gridcell", name="bar", exact=True).first.dblclick()
    at.page.keyboard.press("Control+a")
    at.page.keyboard.type("---e")
    at.page.keyboard.press("Enter")
    expect(at.page.get_by_text("The class is now called ---e.")).to_be_visible()
    assert "---e" in {record.name for record in Dataset(tray).classes()}
    assert Dataset(tray).count(class_id=UNLABELLED) == 24


def test_the_name_one_picks_stands_in_the_history(visit, server, tray):
    at = opened(visit, server)
    page = at.page
    choose(page, "Who are you?", "Ada")
    at.wait()
    page.locator(".place").click()
    page.keyboard.press("1")
    expect(page.locator(SAVED)).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", level=1, name="History")).to_be_visible()
    expect(page.get_by_text("· Ada").first).to_be_visible()
    assert "Ada" not in page.url and Dataset(tray).history(1)[0].who == "Ada"
    page.reload()
    who = page.get_by_role("combobox", name="Who are you?")
    expect(who).to_have_value("Ada")
    at.wait()
    page.get_by_test_id("stSidebar").get_by_role("button", name="Clear value").click()
    expect(who).to_have_value("")
    at.wait()
    page.reload()
    at.wait()
    expect(who).to_have_value("")


def test_trash_undo_and_the_list_of_keys(visit, server, tray):
    at = opened(visit, server)
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
