"""What people come for, in a real browser on a real server: each test is one visit from its first click to its last."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from burin import __version__
from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.synthesis.sample import make_sample, sample_images, wrong_files
from tests.chromium import Server, Visit
from tests.conftest import SHARED, draw, png_bytes

CLASSES = ("(e", "e)", "[sl", "^", "étoile", "lune", "triangle", "carré", "hexagone", "sablier")
VERDICT = re.compile("^(verified|balance|block)?\\s*(certain|hesitates|not in the base)$")
FILES = "[data-testid=stFileUploaderDropzoneInput]"


@dataclass(frozen=True)
class Base:
    """A server with references, one drawing that is not among them (its file and its class), and another class."""

    server: Server
    query: Path
    name: str
    other: str


@pytest.fixture
def warm(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server on this test's empty workspace, with the encoder ready."""
    server = start_server(workspace)
    yield server
    server.stop()


@pytest.fixture
def cold(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server that has everything still to do; what it began elsewhere is stopped with it."""
    server = start_server(workspace, fresh=True)
    yield server
    server.stop()
    for job in JobRunner(server.workspace).active():
        if job.pid:
            os.kill(job.pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def base(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """Real drawings where there are any, else the sample; the last étoile is kept out as the question."""
    root = tmp_path_factory.mktemp("base")
    workspace, query = Workspace(root / "workspace"), root / "question.png"
    real, other = SHARED / "gravures" / "raw_gravures", "lune"
    if real.is_dir():
        for folder in real.iterdir():
            if folder.name in CLASSES:
                shutil.copytree(folder, workspace.raw / folder.name)
        held = sorted((workspace.raw / "étoile").iterdir())[-1]
        shutil.move(held, query)
    else:
        make_sample(workspace)
        for planted in wrong_files():  # a star called an anchor would be an honest reason to hesitate
            (workspace.raw / planted).unlink()
        other = "lune à gauche"
        # A drawing by another hand than the sample's: the same class under another seed.
        query.write_bytes(
            next(i.data for i in sample_images(seed=99) if i.class_name == "étoile" and i.kind == "drawing")
        )
    server = start_server(workspace)
    yield Base(server, query, "étoile", other)
    server.stop()


def ready(visit: Visit) -> None:
    """Until the server has read its folders and loaded its encoder."""
    visit.wait()
    expect(visit.page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=120_000)
    visit.wait()


def answer(page: Page):
    return page.locator("[class*='st-key-identify-answer']")


# The frame


@pytest.mark.parametrize(
    ("path", "title"),
    [("", "From the mark to its name"), ("identify", "Which gravure is it?"), ("library?view=add", "Library")],
)
def test_a_deep_link_to_a_fresh_server_opens_its_page_in_its_frame(cold, visit, path, title):
    page = visit(cold).open(path)
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    for name in ("Overview", "Identify", "Library"):
        expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url.removeprefix(f"{cold.url}/") == path


@pytest.mark.parametrize(
    ("locale", "title", "lang"),
    [("fr-FR", "Quelle est cette gravure ?", "fr"), ("en-GB", "Which gravure is it?", "en")],
)
def test_the_page_speaks_the_browser_s_language_and_switches(base, visit, locale, title, lang):
    tab = visit(base.server, locale=locale)
    page = tab.open("identify")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator("html")).to_have_attribute("lang", lang)
    other, its_title = ("English", "Library") if lang == "fr" else ("Français", "Bibliothèque")
    page.get_by_test_id("stSidebar").get_by_role("radio", name=other).click()
    tab.wait()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=its_title).click()
    tab.wait()
    expect(page.get_by_role("heading", level=1)).to_have_text(its_title)
    assert f"lang={'en' if lang == 'fr' else 'fr'}" in page.url
    page.reload()
    tab.wait()
    expect(page.get_by_role("heading", level=1)).to_have_text(its_title)


def test_streamlit_s_own_words_are_in_the_reader_s_language(base, browser):
    """The dialog about an address that is none, which Streamlit writes into the console too, and an uploader."""
    context = browser.new_context(locale="fr-FR", viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{base.server.url}/nowhere")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Cette page n’existe pas")
        expect(dialog).to_contain_text("Il n’y a pas de page à cette adresse.")
        page.goto(f"{base.server.url}/library?view=add")
        uploader = page.locator("[data-testid=stFileUploader]").first
        expect(uploader).to_contain_text("Parcourir")
        expect(uploader).to_contain_text("par fichier")
        expect(uploader).to_contain_text("ZIP, CSV")
        assert not re.search("Upload|per file|Browse", uploader.inner_text())
    finally:
        context.close()


@pytest.mark.parametrize(
    ("locale", "about", "help_", "title", "link", "section"),
    [
        ("en-GB", "MIT licence. Burin sends nothing", "Get help", "Burin's guide", "Help on this page", "Label fast"),
        (
            "fr-FR",
            "Licence MIT. Burin n’envoie",
            "Aide",
            "Le guide de Burin",
            "Aide sur cette page",
            "Étiqueter vite",
        ),
    ],
)
def test_the_menu_says_what_this_is_and_opens_the_guide(base, visit, locale, about, help_, title, link, section):
    tab = visit(base.server, locale=locale)
    page = tab.open("label")
    dots = page.get_by_test_id("stMainMenu").get_by_role("button")
    dots.click()
    menu = page.get_by_test_id("stMainMenuPopover")
    if locale == "fr-FR":
        expect(menu).to_contain_text("Enregistrer l’écran")
        assert not re.search("Record|Print|About|Made with", menu.inner_text())
    menu.get_by_text("About" if locale == "en-GB" else "À propos", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(about)
    expect(page.get_by_role("dialog")).to_contain_text(f"Burin {__version__}")
    page.keyboard.press("Escape")
    dots.click()
    with page.context.expect_page() as opened:
        menu.get_by_text(help_, exact=True).click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text(title)
    opened.value.close()
    page.get_by_test_id("stSidebar").get_by_role("link", name=link).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(section)


@pytest.mark.parametrize("path", ["", "identify", "library", "library?view=add"])
def test_nothing_sticks_out_on_a_phone(base, visit, path):
    tab = visit(base.server, locale="fr-FR", width=390, height=844)
    page = tab.open(path)
    ready(tab)
    inside = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth <= 390")
    assert inside, "the page scrolls sideways"
    expect(page.get_by_role("heading", level=1)).to_be_visible()


# Identify


def test_a_drawing_gets_its_name(base, visit):
    tab = visit(base.server)
    page = tab.open("identify")
    page.set_input_files(FILES, base.query)
    expect(answer(page).get_by_role("heading")).to_contain_text(base.name, timeout=120_000)
    expect(answer(page).get_by_text("What the model sees", exact=True)).to_be_visible()
    expect(page.get_by_text("at most 5% are to be called certain").first).to_be_visible()
    expect(page.get_by_text("Answered in")).to_be_visible()
    expect(answer(page).get_by_test_id("stImage").get_by_role("img")).to_have_count(3)


def test_a_base_of_three_drawings_claims_no_certainty_it_has_not(start_server, visit, tmp_path):
    drawings = SHARED / "gravures" / "raw_gravures"
    if not drawings.is_dir():
        pytest.skip(f"no real drawings in {SHARED}: set BURIN_SHARED")
    workspace = Workspace(tmp_path / "workspace")
    for name in ("(e", "e)", "étoile"):
        (workspace.raw / name).mkdir(parents=True)
        shutil.copy(min((drawings / name).iterdir()), workspace.raw / name)
    server = start_server(workspace)
    try:
        tab = visit(server)
        page = tab.open("identify")
        ready(tab)
        page.set_input_files(FILES, min((drawings / "notemusique").iterdir()))  # a mark of another class
        expect(answer(page).get_by_role("heading")).to_be_visible(timeout=120_000)
        expect(answer(page).get_by_text(VERDICT).first).to_be_visible()
        expect(answer(page).get_by_text(re.compile("^(verified)?\\s*certain$"))).to_have_count(0)
        expect(page.get_by_text("from 3 independent classes").first).to_be_visible()
        page.get_by_role("button", name="Start again").click()
        page.set_input_files(FILES, max((drawings / "(e").iterdir()))  # another drawing of one that is in it
        expect(answer(page).get_by_role("heading")).to_contain_text("(e", timeout=120_000)
        expect(
            answer(page).get_by_text(re.compile("^(verified|balance)?\\s*(certain|hesitates)$")).first
        ).to_be_visible()
        folded = page.get_by_text("Stroke over stroke")
        if not page.get_by_role("slider", name="From as drawn to laid over").is_visible():
            folded.click()
        over = page.get_by_role("img", name=re.compile("of its strokes lie on those of"))
        expect(over).to_be_visible()
        before = over.get_attribute("aria-label")
        page.get_by_role("slider", name="From as drawn to laid over").fill("0")
        page.get_by_role("group", name="Laid over").get_by_role("button").nth(1).click()
        expect(over).not_to_have_attribute("aria-label", before or "")
    finally:
        server.stop()


def test_a_letter_called_png_is_refused_and_the_app_lives_on(base, visit):
    tab = visit(base.server)
    page = tab.open("identify")
    ready(tab)
    page.set_input_files(FILES, {"name": "photo.png", "mimeType": "image/png", "buffer": b"Dear sir, find enclosed"})
    expect(
        page.get_by_text("photo.png is not an image Burin opens (PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF).")
    ).to_be_visible()
    page.set_input_files(FILES, base.query)
    expect(page.get_by_text(base.name).first).to_be_visible()
    expect(page.get_by_text("photo.png is not an image Burin opens")).to_be_visible()


def test_a_picture_is_pasted_anywhere_on_the_page(base, visit):
    tab = visit(base.server)
    page = tab.open("identify")
    ready(tab)
    page.evaluate(
        """data => {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0))
            const carried = new DataTransfer()
            carried.items.add(new File([bytes], 'image.png', { type: 'image/png' }))
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried, bubbles: true }))
        }""",
        base64.b64encode(base.query.read_bytes()).decode(),
    )
    expect(answer(page).get_by_role("heading")).to_contain_text(base.name)
    page.get_by_role("button", name="Start again").click()
    expect(answer(page)).to_have_count(0)


def test_a_mark_is_drawn_undone_and_cleared(base, visit):
    tab = visit(base.server, width=390, height=844)
    page = tab.open("identify?way=draw")
    ready(tab)
    sheet = page.get_by_label("Draw the mark here with a finger, a pen or the mouse")
    sheet.scroll_into_view_if_needed()
    said = page.locator(".st-key-identify-said")
    expect(said).to_have_text("The answer comes here.")
    box = sheet.bounding_box()
    x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 4
    for start, end in (((x, y - r), (x, y + r)), ((x - r, y), (x + r, y))):
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=8)
        page.mouse.up()
    expect(answer(page).get_by_role("heading")).to_be_visible()
    expect(said).not_to_have_text("The answer comes here.")
    assert sheet.bounding_box() == pytest.approx(box), "the sheet moved under the hand"
    expect(said).to_be_in_viewport()
    pixels = "canvas.getContext('2d').getImageData(0, 0, 512, 512).data"
    inked = f"canvas => {pixels}.filter((value, i) => i % 4 == 0 && value < 128).length"
    both = sheet.evaluate(inked)
    page.get_by_role("button", name="Undo").click()
    assert 0 < sheet.evaluate(inked) < both
    page.get_by_role("button", name="Clear").click()
    assert sheet.evaluate(inked) == 0
    expect(answer(page)).to_have_count(0)


def test_a_wrong_answer_goes_to_the_curator(base, visit):
    tab = visit(base.server)
    page = tab.open("identify")
    ready(tab)
    before = len(Dataset(base.server.workspace).inbox())
    page.set_input_files(FILES, base.query)
    answer(page).get_by_role("button", name="This is wrong").click()
    page.get_by_role("combobox", name="Which class is it, if you know?").fill("(e")
    page.get_by_role("option", name="(e", exact=True).click()
    page.get_by_role("button", name="Send to the curator").click()
    expect(page.get_by_text("Sent to the curator. Thank you.")).to_be_visible()
    entries = Dataset(base.server.workspace).inbox()
    assert len(entries) == before + 1
    assert (entries[0].said, entries[0].answer["right"]) == ("wrong", "(e")


# The library


def test_the_same_zip_twice_is_taken_in_once(warm, visit):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        for shape in ("circle", "cross"):
            for seed in range(3):
                members.writestr(f"marks/({shape}/{seed}.png", png_bytes(draw(shape, seed=seed)))
        members.writestr("marks/(circle/note.png", b"not an image")
    upload = {"name": "marks.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
    tab = visit(warm)
    page = tab.open("library?view=add")
    ready(tab)
    for expected in ("6 added", "6 already there"):
        page.set_input_files(FILES, upload)
        page.get_by_role("button", name="Import 1 file").click()
        panel = page.locator(".st-key-library-import")
        expect(panel.get_by_text(expected)).to_be_visible(timeout=60_000)
        expect(panel.get_by_text("1 refused")).to_be_visible()
        expect(panel.get_by_text("note.png is not an image Burin opens")).to_be_visible()
        tab.wait()
    counts = Dataset(warm.workspace).counts()
    assert (counts.originals, counts.classes) == (6, 2)
    page.get_by_role("radio", name="Browse").click()
    expect(page.get_by_role("heading", level=3, name="(circle")).to_be_visible()
    expect(page.locator(".tiles button")).to_have_count(6)


def test_filters_live_in_the_address(base, visit):
    tab = visit(base.server)
    page = tab.open("library")
    ready(tab)
    page.get_by_role("searchbox", name="Search").fill(base.other)
    expect(page.locator("section h3")).to_have_text([base.other])
    expect(page).to_have_url(re.compile(r"[?&]q=lune"))
    page.reload()
    tab.wait()
    expect(page.locator("section h3")).to_have_text([base.other])


def test_an_image_is_seen_given_a_new_class_binned_and_brought_back(base, visit):
    tab = visit(base.server, locale="fr-FR")
    page = tab.open(f"library?class={quote(base.other)}")
    ready(tab)
    tiles = page.locator(".tiles button")
    count = tiles.count()
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Ce que voit le modèle")).to_be_visible()
    address = page.url
    assert "item=" in address
    page.goto(address)
    tab.wait()
    expect(drawer.get_by_text("Ce que voit le modèle")).to_be_visible()
    drawer.get_by_role("combobox", name="Classe").fill("e)_")
    page.keyboard.press("Enter")
    expect(page.get_by_text("L’image est maintenant de la classe e)_.")).to_be_visible()
    expect(drawer.get_by_role("heading", name="e)_")).to_be_visible()
    tab.wait()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(page).not_to_have_url(re.compile("item="))
    page.locator(".st-key-frame-undo-0 button").click()
    expect(tiles).to_have_count(count)
    tab.wait()
    tiles.first.click()
    drawer.get_by_role("button", name="Mettre à la corbeille").click()
    expect(drawer).to_have_count(0)
    expect(tiles).to_have_count(count - 1)
    page.locator(".st-key-frame-undo-0 button").click()
    expect(tiles).to_have_count(count)


# The first run


def test_the_sample_is_loaded_used_and_removed(cold, visit):
    tab = visit(cold)
    page = tab.open()
    ready(tab)
    page.get_by_role("button", name="Load the sample").click()
    expect(page.get_by_text("Sample workspace.")).to_be_visible(timeout=120_000)
    ready(tab)
    page.get_by_role("button", name="Identify").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Which gravure is it?")
    page.get_by_role("button", name="On a lens").click()
    expect(answer(page).get_by_role("heading")).to_contain_text("Ω", timeout=120_000)
    page.get_by_role("button", name="Start again").click()
    item = Dataset(cold.workspace).items(text="étoile")[0]
    page.set_input_files(FILES, Dataset(cold.workspace).path(item))
    expect(answer(page).get_by_role("heading")).to_contain_text("étoile", timeout=120_000)
    page.get_by_role("button", name="Remove the sample").click()
    expect(page.get_by_text("Sample workspace.")).to_have_count(0)
    expect(page.get_by_text("nothing to compare with yet")).to_be_visible()
    assert Dataset(cold.workspace).counts().originals == 0


def test_a_class_name_that_is_markup_asks_nobody_for_anything(warm, visit):
    data = Dataset(warm.workspace)
    for number, name in enumerate(
        ["![t](canary.invalid)", "<img src=x onerror=alert(1)>", ":material/home:", "->", "$a$"]
    ):
        class_id = data.create_class(name)
        folder = next(record.folder for record in data.classes() if record.id == class_id)
        (warm.workspace.raw / folder / "a.png").write_bytes(png_bytes(draw("circle", seed=number)))
    tab = visit(warm)
    page = tab.open("library")
    ready(tab)
    expect(page.locator("section h3")).to_have_count(5)
    expect(page.get_by_role("heading", name="<img src=x onerror=alert(1)>")).to_be_visible()
    tab.open("identify")
    page.set_input_files(
        FILES, {"name": "<b>.png", "mimeType": "image/png", "buffer": png_bytes(draw("circle", seed=1))}
    )
    expect(answer(page).get_by_role("heading")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("->").first).to_be_visible()
