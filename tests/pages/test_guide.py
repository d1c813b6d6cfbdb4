"""The guide: every section in both languages, reached from every page and from Streamlit's menu."""

from __future__ import annotations

import re

import pytest

from pages.ui.guide import ABOUT, GUIDE, SECTIONS, address
from tests.pages.conftest import PAGES

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
