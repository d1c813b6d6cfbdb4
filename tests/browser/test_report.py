"""The report page opened from disk: it works under its own policy, and what is ticked in it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from core.evaluation.corrections import read_verdicts
from core.evaluation.error_causes import Doubts, groups
from core.evaluation.html_report import html_report
from core.evaluation.report import evaluate
from tests.conftest import draw, png_bytes
from tests.core.evaluation import made

NAMES = (made.SCRIPT, made.PICTURE, '"><img src=x onerror=alert(1)>', "étoile")


@pytest.fixture
def page(browser: Browser, tmp_path: Path):
    """The page of five wrong answers, in a fresh profile; nothing may be asked of any host, nothing may complain."""
    held = made.predictions([0, 0, 1, 2, 3], [[1, 0], [1, 0], [0, 1], [3, 2], [2, 1, 3]], names=NAMES)
    picture = png_bytes(draw("cross"))
    path = tmp_path / "report.html"
    path.write_text(
        html_report(
            held, evaluate(held), groups(held, Doubts({}, {})), lambda sha256: picture,
            charts={"en": [picture] * 2, "fr": [picture] * 2},
        ),
        encoding="utf-8",
    )  # fmt: skip
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == [] and said == []


def test_names_are_read_and_never_run(page):
    for name in NAMES:
        expect(page.locator("tr.row td:first-child").get_by_text(name, exact=True)).to_have_count(1)
    assert page.locator("script").count() == 1 and page.locator("img[src='x']").count() == 0


def test_find_sort_and_language(page):
    cards = page.locator(".card")
    expect(cards).to_have_count(5)
    assert cards.first.get_attribute("data-sha256") == made.hashed(4)  # its class came third: the most wrong
    page.locator("[data-find=card]").fill("ETOILE")
    expect(page.locator(".card:visible")).to_have_count(2)
    expect(page.locator("[data-count=card]")).to_have_text("2 / 5")
    page.locator("[data-find=card]").fill("nothing like it")
    expect(page.get_by_text("Nothing fits.")).to_be_visible()
    page.locator("[data-find=card]").fill("")
    page.locator("[data-sort=card]").select_option("pair")
    pairs = [card.get_attribute("data-pair") for card in cards.all()]
    assert pairs == sorted(pairs)
    charts = page.locator("img.chart")
    page.locator("summary", has_text="Charts").click()
    assert [chart.get_attribute("lang") for chart in charts.all() if chart.is_visible()] == ["en", "en"]
    page.get_by_role("button", name="Français").click()
    assert [chart.get_attribute("lang") for chart in charts.all() if chart.is_visible()] == ["fr", "fr"]
    expect(page.get_by_role("heading", name="Rapport d’évaluation")).to_be_visible()
    expect(page.get_by_role("heading", name="Evaluation report")).to_be_hidden()


def test_ticked_verdicts_come_back(page):
    expect(page.locator("#save")).to_be_disabled()
    first, second, third = (page.locator(".card").nth(i) for i in range(3))
    first.locator("[value=right]").check()
    second.locator(".to").fill("étoile")  # naming a class is saying that it should be that
    third.locator("[value=trash]").check()
    third.locator(".undo").click()
    expect(page.locator("#ticked")).to_have_text("2")
    third.locator("[value=relabel]").check()  # another class without its name is no verdict
    third.locator(".to").fill("  ")
    expect(page.locator("#ticked")).to_have_text("2")
    expect(third.locator(".to")).to_have_attribute("aria-invalid", "true")
    page.reload()  # what was ticked is still there
    expect(page.locator("#ticked")).to_have_text("2")
    expect(first.locator("[value=right]")).to_be_checked()
    expect(second.locator(".to")).to_have_value("étoile")
    with page.expect_download() as download:
        page.locator("#save").click()
    verdicts = read_verdicts(Path(download.value.path()).read_bytes())
    assert [(t.sha256, t.verdict, t.to) for t in verdicts.ticked] == [
        (first.get_attribute("data-sha256"), "right", ""),
        (second.get_attribute("data-sha256"), "relabel", "étoile"),
    ]
    assert all(t.file for t in verdicts.ticked)
    assert [t.label for t in verdicts.ticked] == [
        page.locator(".card").nth(i).get_attribute("data-label") for i in (0, 1)
    ]
