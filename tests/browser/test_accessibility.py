"""What a screen reader meets: axe-core on every page of the whole sample, by day and by night; an answer and the label
desk without a mouse. Nothing that axe calls serious or critical is let pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from tests.chromium import Server, Visit
from tests.pages.conftest import PAGES

GRAVE = {"serious", "critical"}
BESIDE = ("library?view=add", "table?view=classes", "augment?view=strip", "augment?view=write", "train?view=run")


@pytest.fixture(scope="module")
def sample(start_server: Callable[..., Server], whole_sample: Workspace) -> Iterator[Server]:
    """A server on the whole sample, where every page has something to show."""
    server = start_server(whole_sample)
    yield server
    server.stop()


def grave(page: Page, where: str) -> list[str]:
    """What axe finds serious or critical on the page as it stands: the rule, and the first elements that break it; and
    every name that is read out with the signs of Markdown."""
    page.wait_for_selector("[data-testid=stSidebarNavItems][role=presentation]", state="attached")  # mended once loaded
    found = Axe().run(page).response["violations"]
    names = page.evaluate("() => [...document.querySelectorAll('[aria-label]')].map(each => each.ariaLabel)")
    signs = [f"{where}: {name}" for name in names if re.search(r"\\[!-/:-@\[-`{-~]", name)]
    return signs + [
        f"{where}: {each['id']} ({each['help']}): " + "; ".join(node["html"][:120] for node in each["nodes"][:3])
        for each in found
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_shuts_anybody_out(sample, visit, scheme):
    tab: Visit = visit(sample, locale="fr-FR" if scheme == "light" else "en-GB")
    tab.page.emulate_media(color_scheme=scheme)
    found: list[str] = []
    for path in ["" if name == "overview" else name for name in PAGES] + list(BESIDE):
        tab.open(path)
        tab.page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')")
        found += grave(tab.page, path or "overview")
    assert not found, "\n".join(found)


def test_an_answer_and_its_report_shut_nobody_out(sample, visit):
    tab: Visit = visit(sample)
    page = tab.open("identify")
    page.locator(".st-key-identify-samples button").first.click()
    expect(page.locator("[class*='st-key-identify-answer']").first).to_be_visible(timeout=120_000)
    tab.wait()
    found = grave(page, "answer")
    page.get_by_role("button", name="This is wrong").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send to the curator")).to_be_visible()
    found += grave(page, "report")
    assert not found, "\n".join(found)


def test_an_image_gets_another_class_without_a_mouse(sample, visit):
    """The type-ahead says that it opens, what is chosen in it, and that it closes."""
    tab: Visit = visit(sample)
    page = tab.open("label")
    box = page.get_by_role("combobox", name="Another class: type its name")
    expect(box).to_have_attribute("aria-expanded", "false")
    place = page.locator(".place")
    expect(place).to_contain_text("Image 1 of")
    before = {item.id: item.class_name for item in Dataset(sample.workspace).items(limit=None)}
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("lune")
    expect(box).to_have_attribute("aria-expanded", "true")
    chosen = box.get_attribute("aria-activedescendant")
    option = page.locator(f"#{chosen}")
    expect(option).to_have_attribute("role", "option")
    expect(option).to_have_attribute("aria-selected", "true")
    assert not grave(page, "suggestions")
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") != chosen
    page.keyboard.press("Enter")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(place).to_contain_text("Image 2 of")
    page.wait_for_selector(".saved[data-state=saved]")
    after = {item.id: item.class_name for item in Dataset(sample.workspace).items(limit=None)}
    changed = [name for item, name in after.items() if name != before[item]]
    assert len(changed) == 1 and changed[0].startswith("lune")
