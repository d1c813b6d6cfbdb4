"""Nothing that is written is cut off: every page of the whole sample, in the longer of the two languages, wide and on a
phone; and the options of every list. Names keep their letters: `->` is not drawn as an arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from core.ground.workspace import Workspace
from tests.chromium import Server, Visit
from tests.pages.conftest import PAGES

BESIDE = (
    "library?view=add", "library?view=export", "table?view=classes", "products?view=pictures", "augment?view=write",
    "train?view=new", "evaluate?view=classes", "errors?view=hubs", "identify?ask=lens",
)  # fmt: skip
MENDED = "[data-testid=stSidebarNavItems][role=presentation]"  # Streamlit's own elements, once the page is loaded
LISTS = "[data-testid=stMain] [data-testid=stSelectbox]:not(:has(input[disabled]))"

# What is wider than its box, which hides the rest: texts, and what stands in fields. Tables and charts draw their own.
CUT = """() => {
    const all = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e])
    const found = new Set()
    for (const e of all(document.querySelector('[data-testid=stMain]'))) {
        if (!e.checkVisibility({ visibilityProperty: true }) || e.clientWidth < 5) continue
        if (e.closest('svg, canvas, table, .tile, [data-testid=stDataFrame], [data-testid=stFileChip]')) continue
        if (e.scrollWidth <= e.clientWidth + 1) continue
        const style = getComputedStyle(e), own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
        const hides = ['hidden', 'clip'].includes(style.overflowX) && (own || style.textOverflow === 'ellipsis')
        const words = e.tagName === 'INPUT' ? e.value || e.placeholder : hides ? e.textContent.trim() : ''
        if (words) found.add(words.slice(0, 70))
    }
    return [...found]
}"""
OPTIONS = """() => [...document.querySelectorAll('[role=option]')].filter(
    e => [e, ...e.querySelectorAll('*')].some(
        x => x.clientWidth > 4 && x.scrollWidth > x.clientWidth + 1 && getComputedStyle(x).overflowX !== 'visible'
    )
).map(e => e.textContent.trim())"""
LIGATURES = """family => {
    const drawn = (text, apart) => {
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d', { willReadFrequently: true })
        canvas.width = 240
        canvas.height = 60
        pen.font = `40px "${family}"`
        pen.letterSpacing = apart  // any spacing switches ligatures off
        pen.fillText(text, 10, 45)
        return pen.getImageData(0, 0, 240, 60).data
    }
    return document.fonts.load(`40px "${family}"`).then(() => ['->', '<-', '=>', '!=', '--e', 'www'].filter(text => {
        const [one, other] = [drawn(text, '0px'), drawn(text, '0.001px')]
        return one.reduce((sum, value, at) => sum + Math.abs(value - other[at]), 0) > 20000
    }))
}"""


@pytest.fixture(scope="module")
def sample(start_server: Callable[..., Server], whole_sample: Workspace) -> Iterator[Server]:
    """A server on the whole sample, where every page has something to show."""
    server = start_server(whole_sample)
    yield server
    server.stop()


def listed(page: Page, where: str) -> list[str]:
    """The options of this page's lists that are cut off."""
    found = []
    for at in range(page.locator(LISTS).count()):
        box = page.locator(LISTS).nth(at)
        if box.is_visible():
            box.locator("input").first.click()
            page.wait_for_timeout(150)
            found += [f"{where}, option: {words}" for words in page.evaluate(OPTIONS)]
            page.keyboard.press("Escape")
    return found


def test_no_words_are_cut_off(sample, visit):
    tab: Visit = visit(sample, locale="fr-FR", width=1440)
    page, found = tab.page, []
    for path in ["" if name == "overview" else name for name in PAGES] + list(BESIDE):
        page.set_viewport_size({"width": 1440, "height": 900})
        tab.open(path)
        page.wait_for_selector(MENDED, state="attached")
        page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')")
        found += [f"{path or 'overview'}: {words}" for words in page.evaluate(CUT)]
        found += listed(page, path or "overview")
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(300)
        found += [f"{path or 'overview'} on a phone: {words}" for words in page.evaluate(CUT)]
    assert not found, "\n".join(dict.fromkeys(found))


def test_an_answer_can_be_reported_without_scrolling(sample, visit):
    """The popover of "This is wrong" opens wholly inside the window."""
    tab: Visit = visit(sample, locale="fr-FR", width=1440)
    page = tab.open("identify")
    page.locator(".st-key-identify-samples button").first.click()
    expect(page.locator("[class*='st-key-identify-answer']").first).to_be_visible(timeout=120_000)
    tab.wait()
    wrong, send = (page.get_by_role("button", name=name).first for name in ("C’est faux", "Envoyer pour examen"))
    for size in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        wrong.click()
        expect(send).to_be_in_viewport(ratio=0.99)
        page.keyboard.press("Escape")
        expect(send).to_have_count(0)


def test_names_keep_their_letters(sample, visit):
    page = visit(sample).open("history")
    assert page.evaluate("() => [...document.fonts].map(font => font.family)")
    for family in ("Instrument Sans", "JetBrains Mono", "Newsreader"):
        assert page.evaluate(LIGATURES, family) == [], family
