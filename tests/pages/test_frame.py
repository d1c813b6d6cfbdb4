"""The frame: language, the one place for errors, and names that would break a careless page."""

from __future__ import annotations

import ast
import importlib
from contextlib import nullcontext
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.budget import PIXELS
from core.ground.errors import WeightsUnavailable
from core.ground.images import decode
from core.training.queue import Queue
from pages.ui import cached, services, status
from pages.ui.components import native
from pages.ui.text import cell, esc, file_name
from tests.conftest import ROOT, draw, png_bytes
from tests.pages.conftest import HOME, component, text_of

TRAPS = [
    "(e",
    "[sl",
    "^",
    "---e",
    "{s}",
    "_x_",
    "e)_",
    "étoile",
    "->",
    "$a$",
    ":smile:",
    "![x](canary.invalid)",
    "<b>x",
]


def test_the_browser_s_language_is_spoken_and_can_be_changed(open_page, drawn_workspace):
    at = open_page(drawn_workspace, locale="fr-CA")
    assert at.title[0].value == "De la gravure à son nom"
    at.get_by_key("frame.lang").set_value("en").run()
    assert at.title[0].value == "From the mark to its name"
    assert at.query_params["lang"] == "en"


def test_a_language_nobody_translated_falls_back_to_english(open_page, drawn_workspace):
    assert open_page(drawn_workspace, locale="nl-BE").title[0].value == "From the mark to its name"


def test_the_language_of_a_link_wins_over_the_browser_s(open_page, drawn_workspace):
    at = open_page(drawn_workspace, locale="en-GB", lang="fr")
    assert at.title[0].value == "De la gravure à son nom"
    at.switch_page("pages/data/library.py").run()
    assert at.title[0].value == "Bibliothèque"


def test_the_words_that_are_mended_are_streamlit_s():
    """What Streamlit puts together of parts is not looked for; what it has renamed would stay English."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    said = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    parts = (" icon", "+Enter to ", "Press Enter to ", ". Running the app")
    whole = [english for english in native.words() if not any(part in english for part in parts)]
    assert len(whole) > 70
    assert [english for english in whole if english not in said] == []


def test_an_unknown_language_in_the_link_changes_nothing(open_page, drawn_workspace):
    at = open_page(drawn_workspace, lang="../../etc")
    assert at.title[0].value == "From the mark to its name"


def missing_weights():
    raise WeightsUnavailable("There is no file of weights at {path}.", path="a_b_c")


def test_without_an_encoder_the_collection_can_still_be_seen(open_page, drawn_workspace, monkeypatch):
    monkeypatch.setattr(services, "embedder", missing_weights)
    at = open_page(drawn_workspace, "library")
    assert not at.exception
    assert [warning.value.replace("\\", "") for warning in at.warning] == ["There is no file of weights at a_b_c."]
    assert "12 originals in 3 classes" in text_of(at)


def test_an_error_of_core_is_one_translated_sentence(open_page, drawn_workspace, monkeypatch):
    at = open_page(drawn_workspace, "identify", locale="fr-FR")
    monkeypatch.setattr(services, "embedder", missing_weights)
    at.file_uploader[0].upload("a.png", png_bytes(draw("circle")), "image/png").run()
    assert not at.exception
    assert [error.value.replace("\\", "") for error in at.error] == ["Il n’y a pas de fichier de poids à a_b_c."]


@pytest.mark.parametrize("page", ["overview", "identify", "library"])
def test_names_that_are_markup_stay_names(open_page, workspace, page):
    data = Dataset(workspace)
    for name in TRAPS:
        data.create_class(name)
    for number, record in enumerate(data.classes()):
        (workspace.raw / record.folder / "a.png").write_bytes(png_bytes(draw("circle", seed=number)))
    at = open_page(workspace, page)
    assert not at.exception
    assert not any("canary.invalid" in str(element.value) for element in at.get("markdown"))
    if page == "library":
        (wall,) = component(at, "burin_gallery")
        assert {group["title"] for group in wall["groups"]} == set(TRAPS)


@pytest.mark.parametrize("name", TRAPS)
def test_escaped_text_reads_as_it_was_written(name):
    assert esc(name).replace("\\", "").replace("\u2060", "") == name


def test_an_upload_s_name_loses_its_folders():
    assert file_name("../../etc/passwd.png") == "passwd.png"
    assert file_name("C:\\scans\\a.png") == "a.png"
    assert file_name("a.png") == "a.png"


@pytest.mark.parametrize("page", ["overview", "identify", "library"])
def test_the_first_render_waits_neither_for_the_folders_nor_for_the_encoder(
    open_page, drawn_workspace, monkeypatch, page
):
    asked = []
    monkeypatch.setattr(services, "embedder", lambda: asked.append(page))
    monkeypatch.setattr(services, "in_background", lambda work: None)  # begun, and never done
    at = open_page(drawn_workspace, page)
    assert not at.exception
    assert not asked
    assert at.title
    assert ":material/hourglass: Reading the folders…" in text_of(at)


@pytest.mark.parametrize("page", ["library", "label", "table", "quality", "augment"])
def test_what_is_not_read_yet_is_not_called_empty(open_page, drawn_workspace, monkeypatch, page):
    monkeypatch.setattr(services, "in_background", lambda work: None)  # begun, and never done
    at = open_page(drawn_workspace, page)
    assert "Reading the folders…" in [info.value for info in at.info]
    assert "The library is empty" not in [info.proto.title for info in at.info]
    assert "0 originals" not in text_of(at) and "library.start" not in [button.key for button in at.button]


def test_an_empty_workspace_is_called_so_at_once(open_page, workspace, monkeypatch):
    monkeypatch.setattr(services, "in_background", lambda work: None)
    at = open_page(workspace, "library")
    assert "The library is empty" in [info.proto.title for info in at.info]


def test_nothing_is_said_to_be_right_before_it_was_compared(open_page, drawn_workspace, monkeypatch):
    Dataset(drawn_workspace).rescan()
    monkeypatch.setattr(services, "in_background", lambda work: None)
    at = open_page(drawn_workspace, "quality")
    assert "The images are not all compared yet." in text_of(at) and "of its own label" not in text_of(at)
    services.preparation().stage = "ready"
    assert "Every image lies among others of its own label." in text_of(at.run())


def test_a_large_picture_that_waits_for_others_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(cached.st, "spinner", lambda text: said.append(text) or nullcontext())
    picture = png_bytes(draw("circle"))
    with cached.in_turn(picture, within=None):
        assert said == []
    with PIXELS.take(PIXELS.limit), cached.in_turn(picture, within=None):
        pass
    assert said == ["Large pictures are worked on one after another: yours waits its turn…"]


def test_a_picture_that_is_shown_is_decoded_once_when_it_is_large(monkeypatch):
    asked = []
    monkeypatch.setattr(cached, "decode", lambda data, within=None: asked.append(within) or decode(data, within=within))
    large, small = (png_bytes(Image.new("L", (side, side), 99)) for side in (cached.VIEW + 1, cached.VIEW))
    for data, name in ((large, "large"), (small, "small")):
        sizes = [max(cached._view(data, name, within=within).size) for within in (2048, 1024, 192)]
        assert all(side <= within for side, within in zip(sizes, (2048, 1024, 192), strict=True)), sizes
    assert asked == [cached.VIEW, 2048, 1024, 192]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@x", "\t=1", "'=1", "＝1"])
def test_what_a_page_s_own_table_saves_is_no_formula(text):
    """The toolbar of `st.dataframe` writes the cells as they are: every table goes through `widgets.table`."""
    assert str(cell(text)).startswith("\u2060") and str(cell(text)).endswith(text)
    assert cell("étoile") == "étoile" and cell(-1.5) == -1.5
    pages = HOME.with_name("pages")
    held = [path.name for path in pages.rglob("*.py") if "st.dataframe(" in path.read_text(encoding="utf-8")]
    assert held == ["widgets.py"]


def test_every_work_that_a_page_starts_is_told_on_every_page(monkeypatch):
    monkeypatch.setattr(status, "_", str)
    told = set(status.places()) | {"index"}  # which the preparation tells
    started = {}
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or len(call.args) < 2:
                continue
            if call.func.attr == "start" and isinstance(call.args[1], (ast.Constant, ast.Name, ast.Attribute)):
                started[path.relative_to(ROOT).as_posix(), ast.unparse(call.args[0])] = call.args[0]
    kinds = set()
    for (path, _text), kind in started.items():
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        kinds.add(kind.value if isinstance(kind, ast.Constant) else getattr(module, ast.unparse(kind)))
    assert {"import", "train", "views", "restore", "pictures", "index"} <= kinds
    assert kinds <= told


def test_the_queue_is_read_once_a_view(open_page, drawn_workspace, monkeypatch):
    read, line = [], Queue.line
    monkeypatch.setattr(Queue, "line", lambda self: read.append(self) or line(self))
    open_page(drawn_workspace, "history")
    assert len(read) == 1
