"""Work under way, and what is typed, as somebody at the screen meets them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from tests.chromium import Server, Visit
from tests.conftest import SHAPES, draw, png_bytes

FILES = "[data-testid=stFileUploaderDropzoneInput]"


@pytest.fixture
def warm(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server on this test's empty workspace, with the encoder ready."""
    server = start_server(workspace)
    yield server
    server.stop()


def files(count: int) -> list[dict]:
    """Drawn pictures, no two alike."""
    return [
        {"name": f"{SHAPES[i % 6]}_{i}.png", "mimeType": "image/png", "buffer": png_bytes(draw(SHAPES[i % 6], seed=i))}
        for i in range(count)
    ]


def test_after_a_look_the_panel_follows_the_import_and_a_second_start_is_impossible(warm, visit):
    """Two tabs show the same look; one takes the images in, and the other can only see that."""
    one: Visit = visit(warm)
    page = one.open("library?view=add")
    page.locator(FILES).first.set_input_files(files(9))
    page.get_by_role("button", name="Look first").click()
    take = page.locator(".st-key-library-go_on button")
    expect(take).to_be_visible(timeout=120_000)
    other: Visit = visit(warm)
    late = other.open("library?view=add").locator(".st-key-library-go_on button")
    expect(late).to_be_visible()

    take.click()
    panel = page.locator(".st-key-library-import")
    expect(panel.get_by_text("9 added")).to_be_visible(timeout=120_000)
    expect(take).to_have_count(0)
    expect(page.get_by_text("9 originals").first).to_be_visible()

    late.click()
    expect(other.page.locator(".st-key-library-import").get_by_text("9 added")).to_be_visible()
    assert [job.state for job in JobRunner(warm.workspace).list("import")] == ["succeeded"] * 2
    assert Dataset(warm.workspace).counts().originals == 9

    panel.get_by_role("button", name="Dismiss").click()
    expect(panel).to_have_count(0)
    expect(page.get_by_text("How images come in")).to_be_visible()


def test_work_under_way_is_seen_on_every_page_and_a_click_leads_there(warm, visit):
    """An import that never ends, as far as these pages can tell."""
    one: Visit = visit(warm)
    one.open()
    one.wait()
    expect(one.page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=120_000)
    job = JobRunner(warm.workspace).start("import", "tests.core.ground.test_jobs:linger", {}, key="import test")
    page = one.open("history")
    link = page.locator(".st-key-frame-work").get_by_role("link", name="Import")
    expect(link).to_be_visible(timeout=60_000)
    page = one.open()
    expect(page.get_by_text("an import is under way")).to_be_visible()
    expect(page.get_by_role("heading", name="Start here")).to_have_count(0)
    page.locator(".st-key-frame-work").get_by_role("link", name="Import").click()
    expect(page.locator(".st-key-library-import").get_by_role("button", name="Stop")).to_be_visible()
    JobRunner(warm.workspace).stop(job.id)
    expect(page.locator(".st-key-frame-work").get_by_role("link")).to_have_count(0, timeout=60_000)


@pytest.fixture
def known(start_server: Callable[..., Server], drawn_workspace: Workspace) -> Iterator[Server]:
    """A server on three drawn classes, with the encoder ready."""
    server = start_server(drawn_workspace)
    yield server
    server.stop()


def prepared(visit: Visit) -> None:
    expect(visit.page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=120_000)
    visit.wait()


def paste(visit: Visit, seed: int) -> None:
    """Ctrl+V of a drawn picture, wherever the focus is."""
    content = base64.b64encode(png_bytes(draw("wave", seed=seed))).decode()
    visit.page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0)), data = new DataTransfer()
            data.items.add(new File([bytes], 'image.png', { type: 'image/png' }))
            const how = { clipboardData: data, bubbles: true, composed: true, cancelable: true }
            const event = new ClipboardEvent('paste', how)
            ;(document.activeElement ?? document.body).dispatchEvent(event)
        }""",
        content,
    )
    visit.wait()


def test_what_was_given_and_typed_on_identify_stays(known, visit):
    """The note goes along with the click; images stay over other ways and pages, and leave one by one."""
    one: Visit = visit(known)
    page = one.open("identify")
    prepared(one)
    page.locator(FILES).first.set_input_files(files(2))
    removers = page.locator(".st-key-identify-given").get_by_role("button")
    expect(removers).to_have_count(3)  # two, and Start again
    page.get_by_role("radio", name="Draw").click()
    expect(removers).to_have_count(0)
    paste(one, seed=21)  # while a drawing could be made
    expect(removers).to_have_count(4)
    expect(removers.first).to_contain_text("Pasted image")
    paste(one, seed=22)
    expect(removers).to_have_count(5)
    page.get_by_role("link", name="History").click()
    one.wait()
    page.get_by_role("link", name="Identify").click()
    expect(removers).to_have_count(5)
    removers.nth(0).click()
    expect(removers).to_have_count(4)

    page.locator('[class*="st-key-identify-fold"] summary').first.click()  # the open answer went with its image
    page.get_by_role("button", name="This is wrong").first.click()
    note = page.get_by_label("Note for the curator").first
    note.press_sequentially("seen on the left lens")
    page.get_by_role("button", name="Send to the curator").first.click()
    expect(page.get_by_text("Sent to the curator").first).to_be_visible()
    assert [report.note for report in Dataset(known.workspace).inbox()] == ["seen on the left lens"]


def test_what_is_refused_is_said_beside_what_is_taken(known, visit):
    """A picture is answered, a damaged one and a letter are not, and each says why: in one drop, in French."""
    one: Visit = visit(known, locale="fr-FR")
    page = one.open("identify")
    prepared(one)
    broken = {"name": "photo.heic", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" + bytes(200)}
    letter = {"name": "letter.docx", "mimeType": "application/msword", "buffer": b"PK" + bytes(99)}
    drawing = {"name": "mark.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"}
    page.locator(FILES).first.set_input_files([*files(1), broken, letter, drawing])
    expect(page.get_by_role("button", name="photo.heic")).to_be_visible()  # given, to be taken out again
    expect(page.get_by_text("photo.heic est")).to_be_visible()
    main = page.locator("[data-testid=stMain]")
    expect(main.get_by_role("alert").filter(has_text="letter.docx")).to_contain_text("Refusé")
    expect(main.get_by_role("alert").filter(has_text="letter.docx")).to_be_visible()
    svg = "Un dessin SVG n’est pas une image que Burin ouvre\u00a0: exportez-le d’abord en PNG."
    expect(main.get_by_role("alert").filter(has_text="mark.svg")).to_contain_text(svg)
    page.goto(f"{known.url}/library?view=add")
    page.locator(FILES).first.set_input_files([*files(1), letter])
    expect(page.get_by_role("button", name="Importer 1 fichier")).to_be_enabled()
    expect(page.locator("[data-testid=stFileChip]").filter(has_text="letter.docx")).to_contain_text("Refusé")


def test_a_class_is_made_by_enter_and_by_a_click_and_two_tabs_do_not_overwrite_each_other(known, visit):
    one: Visit = visit(known)
    page = one.open("table?view=classes")
    prepared(one)
    box = page.get_by_label("A new class")
    box.press_sequentially("étoile")
    box.press("Enter")
    expect(page.get_by_role("gridcell", name="étoile", exact=True)).to_be_visible()
    box.press_sequentially("lune")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("gridcell", name="lune", exact=True)).to_be_visible()

    other: Visit = visit(known)
    late = other.open("table?view=classes")
    expect(late.get_by_role("gridcell", name="bar", exact=True)).to_be_visible()
    for tab, name in ((page, "barre"), (late, "trait")):
        tab.get_by_role("gridcell", name="bar", exact=True).dblclick()
        tab.keyboard.type(name)
        tab.keyboard.press("Enter")
    expect(page.get_by_role("gridcell", name="barre", exact=True)).to_be_visible()
    expect(late.get_by_text("was changed by somebody else in the meantime")).to_be_visible()
    expect(late.locator("td.refused")).to_have_text("trait")
    assert {record.name for record in Dataset(known.workspace).classes()} >= {"barre", "étoile", "lune"}


def test_the_browser_remembers_the_language(known, visit):
    one: Visit = visit(known)
    page = one.open("history")
    page.get_by_role("radio", name="Français").click()
    expect(page.get_by_role("heading", name="Historique")).to_be_visible()
    again = page.context.new_page()
    again.goto(f"{known.url}/history")
    expect(again.get_by_role("heading", name="Historique")).to_be_visible()


def test_what_is_said_covers_nothing_and_moves_nothing(known, visit):
    """After each step the buttons at the top right are where they were, and nothing lies over them."""
    one: Visit = visit(known)
    page = one.open("history")
    prepared(one)
    data = Dataset(known.workspace)
    for name in ("un", "deux"):
        data.create_class(name)
    page = one.open("history")
    undo, redo = (page.locator(f".st-key-history-{name} button") for name in ("undo", "redo"))
    before = [undo.bounding_box(), redo.bounding_box()]
    for button, said in ((undo, "Undone"), (undo, "Undone"), (redo, "Done again"), (redo, "Done again")):
        button.click()
        foot = page.locator(".st-key-frame-notice-0")
        expect(foot).to_contain_text(said)
        one.wait()
        assert [undo.bounding_box(), redo.bounding_box()] == before
        for each in (undo, redo):
            assert each.evaluate(
                "button => { const box = button.getBoundingClientRect()\n"
                "return button.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)) }"
            )
    expect(page.locator("[data-testid=stToast]")).to_have_count(0)
