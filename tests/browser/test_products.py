"""From marks to the lens in a real browser: drawn one after another, found, corrected, undone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from tests.chromium import Server
from tests.conftest import draw, png_bytes

SHAPES = ("circle", "cross", "bar", "triangle")
SHEET = "Draw the mark here with a finger, a pen or the mouse"
Points = list[tuple[float, float]]


@pytest.fixture
def stocked(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server on four classes and three products that share marks."""
    for shape in SHAPES:
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(4):
            (workspace.raw / shape / f"{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    data = Dataset(workspace)
    data.rescan()
    mark = {record.name: Carried(record.id) for record in data.classes()}
    data.create_products(
        [
            ProductDraft("Clara", "Lenso", "T67", {}, (mark["circle"], mark["cross"], mark["bar"])),
            ProductDraft("Nova", "Lenso", "T60", {}, (mark["circle"], mark["cross"], mark["triangle"])),
            ProductDraft("Luna", "Other", "74", {}, (mark["triangle"],)),
        ]
    )
    server = start_server(workspace)
    yield server
    server.stop()


def lines_of(shape: str) -> list[Points]:
    """Strokes of a shape, in shares of the sheet."""
    ring = [(0.5 + 0.3 * math.cos(a / 12 * math.pi), 0.5 + 0.3 * math.sin(a / 12 * math.pi)) for a in range(25)]
    return {
        "circle": [ring],
        "cross": [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)]],
        "bar": [[(0.15, 0.5), (0.85, 0.5)]],
    }[shape]


def scribble(page: Page, shape: str) -> None:
    """Draw a shape on the sheet with the mouse."""
    sheet = page.get_by_label(SHEET)
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box
    for line in lines_of(shape):
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()


def test_three_marks_are_drawn_and_a_code_typed_and_the_lens_is_found_corrected_and_undone(stocked, visit):
    tab = visit(stocked, height=1000)
    page = tab.open("identify?ask=lens&way=draw")
    for count, shape in enumerate(("circle", "cross", "bar"), start=1):
        scribble(page, shape)
        expect(page.get_by_text(f"{count} mark" + ("s" if count > 1 else "") + " of the lens")).to_be_visible()
        if count < 3:
            page.get_by_role("button", name="Keep it, and draw the next").click()
            tab.wait()
    page.get_by_role("textbox", name="Code").fill("T67")
    first = page.locator("[class*=st-key-lens-product]").first
    expect(first).to_contain_text("1. Lenso Clara")
    expect(first).to_contain_text("code T67, the same")
    first.get_by_role("link", name="Sheet").click()
    expect(page.get_by_role("heading", name="Clara")).to_be_visible()
    tab.wait()
    page.locator("form, [data-testid=stForm]").get_by_role("textbox", name="Code").fill("T74")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Clara is described anew.").first).to_be_visible()
    data = Dataset(stocked.workspace)
    assert next(one.code for one in data.products() if one.name == "Clara") == "T74"
    page.get_by_role("button", name="Undo").first.click()
    expect(page.locator(".lens .code")).to_have_text("T67")
    assert next(one.code for one in data.products() if one.name == "Clara") == "T67"


def test_a_product_is_opened_from_the_table_and_its_cell_is_edited(stocked, visit):
    tab = visit(stocked, width=1600)
    page = tab.open("products")
    cell = page.locator("tbody tr").nth(1).locator("td[data-column=code]")
    cell.dblclick()
    page.keyboard.type("T61")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nova is described anew.").first).to_be_visible()
    page.locator("tbody tr").nth(1).locator("td[data-column=open]").click()
    expect(page.get_by_role("heading", name="Nova")).to_be_visible()
    expect(page.locator(".lens figure")).to_have_count(3)
    expect(page.locator(".lens .code")).to_have_text("T61")


def test_a_folder_of_catalogue_pictures_becomes_products_that_a_drawing_finds(stocked, visit, tmp_path):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for name, shapes in (("Sola", ("circle", "bar")), ("Vega", ("triangle", "cross"))):
        picture = Image.new("RGB", (200, 90), "white")
        for at, shape in enumerate(shapes):
            picture.paste(draw(shape, seed=60 + at), (20 + 96 * at, 13))
        picture.save(folder / f"{name}.png")
    tab = visit(stocked, height=1100)
    page = tab.open("products?view=pictures")
    page.get_by_role("radio", name="A folder").or_(page.get_by_role("button", name="A folder")).first.click()
    tab.wait()
    page.locator("[data-testid=stFileUploaderDropzoneInput][webkitdirectory]").first.set_input_files(folder)
    page.get_by_role("button", name="Read them").click()
    expect(page.get_by_text("2 pictures wait to be confirmed.")).to_be_visible(timeout=180_000)
    tab.wait()
    page.get_by_role("button", name="Take in all 2 products").click()
    expect(page.get_by_text("2 products are taken in.").first).to_be_visible()
    tab.wait()
    data = Dataset(stocked.workspace)
    names = {record.id: record.name for record in data.classes()}
    sola = next(one for one in data.products() if one.name == "Sola")
    assert {names[mark.class_id] for mark in sola.marks} == {"circle", "bar"} and len(sola.pictures) == 1
    tab.open("identify?ask=lens&way=draw")
    for shape in ("circle", "bar"):
        scribble(page, shape)
        tab.wait()
        page.get_by_role("button", name="Keep it, and draw the next").click()
        tab.wait()
    expect(page.locator("[class*=st-key-lens-product]").first).to_contain_text("1. Sola")
