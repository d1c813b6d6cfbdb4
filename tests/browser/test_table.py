"""The table under somebody's hands: typing, pasting, filling down, ticking; nothing is lost and nothing jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from tests.chromium import Server, Visit
from tests.conftest import draw, png_bytes

NAMES = [f"class {n:02}" for n in range(30)]


@pytest.fixture
def many(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server on thirty classes of one drawing."""
    for n, name in enumerate(NAMES):
        (workspace.raw / name).mkdir(parents=True)
        (workspace.raw / name / "one.png").write_bytes(png_bytes(draw("cross", seed=n)))
    Dataset(workspace).rescan()
    server = start_server(workspace)
    yield server
    server.stop()


def cell(page: Page, row: int, heading: str):
    """The cell of the ``row``th row under ``heading``."""
    heads = page.locator("thead tr:first-child th")
    heads.first.wait_for()
    at = heads.evaluate_all("(all, wanted) => all.findIndex(head => head.textContent.trim() === wanted)", heading)
    return page.locator(f"tbody tr:nth-child({row + 1}) td:nth-child({at + 1})")


def fields(workspace: Workspace, *names: str) -> list[dict[str, str]]:
    known = {record.name: record.fields for record in Dataset(workspace).classes()}
    return [known[name] for name in names]


def test_typing_moves_on_with_tab_and_enter_and_the_place_is_kept(many, visit):
    tab = visit(many, width=1800)
    page = tab.open("table?view=classes")
    far = cell(page, 20, "Maker")
    far.scroll_into_view_if_needed()
    scrolled = page.locator(".frame").evaluate("frame => frame.scrollTop")
    far.click()
    page.keyboard.type("Essilor")
    page.keyboard.press("Tab")
    page.keyboard.type("Varilux")
    page.keyboard.press("Enter")
    page.keyboard.type("Physio")  # the next row at once, while the server still writes the first
    page.keyboard.press("Enter")
    expect(page.get_by_text("described anew.").first).to_be_visible()
    tab.wait()
    assert fields(many.workspace, NAMES[20], NAMES[21]) == [
        {"maker": "Essilor", "product": "Varilux"},
        {"product": "Physio"},
    ]
    assert page.locator(".frame").evaluate("frame => frame.scrollTop") >= scrolled > 0
    expect(cell(page, 22, "Product")).to_be_focused()


def test_a_block_is_pasted_filled_down_and_taken_back_in_one_step(many, visit):
    tab = visit(many, width=1800)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=many.url)
    page = tab.open("table?view=classes")
    page.evaluate("() => navigator.clipboard.writeText('Essilor\\tVarilux\\nHoya\\tiD')")
    cell(page, 0, "Maker").click()
    page.keyboard.press("Control+v")
    expect(page.get_by_text("2 classes are described anew.")).to_be_visible()
    tab.wait()
    assert fields(many.workspace, *NAMES[:2]) == [
        {"maker": "Essilor", "product": "Varilux"},
        {"maker": "Hoya", "product": "iD"},
    ]
    cell(page, 1, "Maker").click()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Control+d")
    expect(page.get_by_text("4 classes are described anew.")).to_be_visible()
    tab.wait()
    assert [each["maker"] for each in fields(many.workspace, *NAMES[1:6])] == ["Hoya"] * 5
    page.keyboard.press("Control+c")
    assert page.evaluate("() => navigator.clipboard.readText()") == "\n".join(["Hoya"] * 5)
    page.get_by_role("button", name="Undo").first.click()
    expect(cell(page, 3, "Maker")).to_have_text("")
    expect(cell(page, 1, "Maker")).to_have_text("Hoya")


def test_escape_leaves_the_cell_and_a_refused_name_is_said(many, visit):
    tab = visit(many, width=1800)
    page = tab.open("table?view=classes")
    name = cell(page, 0, "Class")
    name.dblclick()
    page.keyboard.type("other")
    page.keyboard.press("Escape")
    expect(name).to_have_text(NAMES[0])
    name.dblclick()
    page.keyboard.type(NAMES[1])
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"There already is a class named {NAMES[1]}.")).to_be_visible()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_text(NAMES[1])  # what was typed stays, to be mended
    tab.wait()
    assert {record.name for record in Dataset(many.workspace).classes()} == set(NAMES)


def test_a_class_is_chosen_by_its_name_and_nothing_else_is_taken(many, visit):
    tab = visit(many, width=1800)
    page = tab.open("table")
    first = cell(page, 0, "Class")
    first.click()
    page.keyboard.type("no such class")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is none of the choices.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(first).to_have_text(NAMES[0])
    page.keyboard.type(NAMES[7])
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"1 image is now of {NAMES[7]}.")).to_be_visible()
    assert {item.class_name for item in Dataset(many.workspace).items(limit=30)} == set(NAMES[1:])


def test_rows_are_sorted_filtered_and_ticked(many, visit):
    tab = visit(many, width=1800)
    page = tab.open("table?view=classes")
    heading = page.get_by_role("columnheader", name="Class").get_by_role("button")
    heading.click()
    heading.click()
    expect(cell(page, 0, "Class")).to_have_text(NAMES[-1])
    page.get_by_label("Filter… Class", exact=True).fill("class 1")
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_label("select all").check()
    expect(page.get_by_text("10 classes ticked")).to_be_visible()
    page.get_by_label("Filter… Class", exact=True).fill("")
    page.locator("tbody tr").first.get_by_role("checkbox").check()
    expect(page.get_by_text("11 classes ticked")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("0 classes ticked")).to_be_visible()
    tab.wait()
    assert len(Dataset(many.workspace).classes()) == 19


def saved(tab: Visit, name: str) -> str:
    """What the first button of that name saves when the page rests: Streamlit gives it another address with each
    run, and who clicks in the moment in which one ends is told that the file could not be made."""
    tab.wait()
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name=name).first.click()
    return Path(download.value.path()).read_text(encoding="utf-8-sig")


def test_what_is_saved_is_made_when_it_is_asked_for_in_the_language_of_the_screen(many, visit):
    tab = visit(many, locale="fr-FR", width=1800)
    page = tab.open("table?view=classes")
    cell(page, 0, "Fabricant").click()
    page.keyboard.type("Essilor")
    page.keyboard.press("Enter")
    expect(page.get_by_text("une nouvelle description").first).to_be_visible()
    page.get_by_text("Champs venus d’un tableur").click()
    assert "Essilor" in saved(tab, "Le tableau tel qu’il est").splitlines()[1]
    tab.open("balance")
    sheet = saved(tab, "Feuille à dessiner")
    assert '<html lang="fr">' in sheet and "Dessinez" in sheet


def test_what_was_typed_just_before_leaving_is_kept(many, visit):
    tab = visit(many, width=1800)
    page = tab.open("table?view=classes")
    cell(page, 0, "Maker").click()
    page.keyboard.type("Essilor")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Balance").click()  # at once, before the server has answered
    page.get_by_role("heading", name="Balance").wait_for()
    tab.wait()
    page.get_by_role("link", name="Table").click()
    page.get_by_text("Classes").first.click()
    tab.wait()
    expect(cell(page, 0, "Maker")).to_have_text("Essilor")
    assert fields(many.workspace, NAMES[0]) == [{"maker": "Essilor"}]
