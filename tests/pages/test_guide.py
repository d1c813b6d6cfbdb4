"""The guide: every section in both languages, reached from every page and from Streamlit's menu."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po

from pages.ui.guide import ABOUT, GUIDE, SECTIONS, address
from tests.pages.conftest import PAGES
from tests.test_locale import PO, extracted

ROOT = GUIDE.parents[1]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_section_is_written_in_both_languages_and_its_links_lead_somewhere(language):
    assert {path.stem for path in (GUIDE / language).glob("*.md")} == set(SECTIONS)
    for name in SECTIONS:
        text = (GUIDE / language / f"{name}.md").read_text(encoding="utf-8")
        assert text.startswith("# ") and len(text) > 400, name
        assert set(re.findall(r"\]\((\w+)\.md\)", text)) <= set(SECTIONS)
        shown = re.findall(r"!\[[^\]]+\]\(\.\./pictures/([\w-]+)\.webp\)", text)
        assert text.count("](") == len(re.findall(r"\]\((\w+)\.md\)", text)) + len(shown), "no link leads out of it"
        assert {picture.rpartition("-")[2] for picture in shown} <= {"light" if language == "en" else "fr"}


def test_the_site_has_every_section_too():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"(\w\w)/(\w+)\.md", nav)) == {(lang, name) for lang in ("en", "fr") for name in SECTIONS}


@pytest.fixture(scope="module")
def interface() -> dict[str, set[str]]:
    """Every string of the interface, by language."""
    messages = [one for each in extracted() for one in (each if isinstance(each, tuple) else (each,))]
    with open(PO, "rb") as stream:
        forms = [entry.string for entry in read_po(stream, locale="fr") if entry.id]
    french = [one for each in forms for one in (each if isinstance(each, tuple) else (each,))]
    return {"en": set(messages), "fr": set(french)}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(("language", "quotes"), [("en", '"([^"]+)"'), ("fr", r"«\s([^»]+)\s»")])
def test_what_is_bold_or_quoted_is_said_by_the_interface_in_these_very_words(interface, language, quotes, section):
    """A button, a view or a page that the guide names is found on the screen under that name."""
    text = re.sub(r"\s*\n\s*", " ", (GUIDE / language / f"{section}.md").read_text(encoding="utf-8"))
    named = [*re.findall(r"\*\*([^*]+)\*\*", text), *re.findall(quotes, text)]
    assert named or section in ("index", "figures")
    figures = {one for one in named if re.search(r"\d", one)}
    assert set(named) - figures - interface[language] == set()


@pytest.mark.parametrize(("locale", "title"), [("en-GB", "Label fast"), ("fr-FR", "Étiqueter vite")])
def test_a_section_opens_by_its_address(open_page, workspace, locale, title):
    at = open_page(workspace, "guide", locale=locale, section="label")
    assert not at.exception
    assert at.main.markdown[0].value.startswith(f"# {title}")


def test_an_address_that_names_no_section_opens_the_list(open_page, workspace):
    at = open_page(workspace, "guide", section="../../SECURITY")
    assert at.main.markdown[0].value.startswith("# Burin's guide")
    assert any("](guide?section=identify)" in part.value for part in at.main.markdown)
    assert len(at.image) == 1, "with its picture"


def test_every_page_leads_to_a_section_of_its_own():
    pages = {"" if name == "overview" else name for name in PAGES} - {"guide"}
    assert pages <= set(ABOUT)
    assert set(ABOUT.values()) <= set(SECTIONS)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("http://localhost:8501/", "http://localhost:8501/guide"),
        ("http://localhost:8501", "http://localhost:8501/guide"),
        ("https://burin.example.org/identify?way=draw", "https://burin.example.org/guide"),
        ("https://example.org/burin/label", "https://example.org/burin/guide"),
        ("", None),
    ],
)
def test_the_menu_gets_a_full_address(page, expected):
    assert address(page) == expected
