"""Photographs, on a wide window and on a phone: several marks, none, and one that is shown."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from tests.browser.test_journeys import FILES, answer, ready
from tests.chromium import Server, Visit
from tests.conftest import draw, png_bytes

SIZES = pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["wide", "phone"])
SHAPES = ("circle", "cross", "triangle", "square", "wave")


def photograph(*marks: tuple[str, int, int, int]) -> bytes:
    """A JPEG of 1200 x 900: an uneven grey ground with marks (shape, left, top, side) drawn into it."""
    rng = np.random.default_rng(3)
    ground = 165 + np.linspace(-25, 25, 1200)[None] + rng.normal(0, 3, (900, 1200))
    for shape, x, y, side in marks:
        ink = np.asarray(draw(shape, seed=77, side=side).convert("L"), float) / 255
        ground[y : y + side, x : x + side] -= 80 * (1 - ink)
    buffer = io.BytesIO()
    Image.fromarray(ground.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def base(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with five drawn shapes, eight originals each."""
    workspace = Workspace(tmp_path_factory.mktemp("photographs") / "workspace")
    for shape in SHAPES:
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(8):
            (workspace.raw / shape / f"{shape}_{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    server = start_server(workspace)
    yield server
    server.stop()


def given(visit: Callable[..., Visit], server: Server, picture: bytes, width: int, height: int) -> Visit:
    """Identify with this photograph dropped on it."""
    tab = visit(server, width=width, height=height)
    page = tab.open("identify")
    ready(tab)
    page.locator(FILES).set_input_files({"name": "lens.jpg", "mimeType": "image/jpeg", "buffer": picture})
    page.locator(".stage").wait_for()
    tab.wait()
    return tab


def drag(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a rectangle on the first picture, in shares of its sides."""
    stage = page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    page.locator("button.draw").first.click()
    box = stage.bounding_box()
    assert box is not None

    def to(x: float, y: float) -> None:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)

    to(left, top)
    page.mouse.down()
    to((left + right) / 2, (top + bottom) / 2)
    to(right, bottom)
    page.mouse.up()
    page.wait_for_timeout(600)  # what was drawn is sent when the hand rests


@SIZES
def test_two_marks_in_a_photograph_are_answered_each_on_its_own(base, visit, width, height):
    marks = photograph(("circle", 150, 250, 300), ("cross", 750, 350, 300))
    tab = given(visit, base, marks, width, height)
    expect(answer(tab.page)).to_have_count(2)
    expect(tab.page.locator(".box").filter(has_text=re.compile("circle"))).to_have_count(1)
    expect(tab.page.locator(".box").filter(has_text=re.compile("cross"))).to_have_count(1)
    inside = tab.page.evaluate(f"document.querySelector('[data-testid=stMain]').scrollWidth <= {width}")
    assert inside, "the page scrolls sideways"


@SIZES
def test_a_rectangle_drawn_on_the_image_gets_its_own_answer(base, visit, width, height):
    tab = given(visit, base, photograph(("triangle", 150, 250, 300), ("wave", 750, 350, 300)), width, height)
    drag(tab.page, 0.6, 0.35, 0.9, 0.75)
    tab.wait()
    box = tab.page.locator(".box.chosen, .box").filter(has_text=re.compile("wave"))
    expect(box).to_have_count(1)
    box.focus()
    box.press("Delete")  # the keyboard reaches it
    expect(tab.page.locator(".box").filter(has_text=re.compile("wave"))).to_have_count(0)


@SIZES
def test_a_photograph_without_a_mark_asks_where_it_is(base, visit, width, height):
    tab = given(visit, base, photograph(), width, height)
    expect(answer(tab.page)).to_contain_text("No mark found")
    expect(answer(tab.page)).not_to_contain_text("ot in the base")
    expect(tab.page.locator("button.draw")).to_have_attribute("aria-pressed", "true")


def test_a_reported_photograph_gets_its_region_and_helps_from_then_on(base, visit):
    """A mark that the base knows only the parts of: shown in the Inbox as one, it is one in the next photograph."""
    tab = given(visit, base, photograph(("circle", 350, 150, 280), ("triangle", 350, 420, 280)), 1440, 900)
    page = tab.page
    answer(page).first.get_by_role("button", name="This is wrong").click()
    page.get_by_role("button", name="Send to the curator").click()
    expect(page.get_by_text("Sent to the curator. Thank you.")).to_be_visible()

    tab.open("inbox")
    tab.wait()
    page.locator(".stage").wait_for()
    drag(page, 0.28, 0.15, 0.54, 0.8)
    tab.wait()
    page.get_by_role("combobox", name="Give it a class").fill("keyhole")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The image is now an original of keyhole.")).to_be_visible()
    (item,) = [one for one in Dataset(base.workspace).items() if one.class_name == "keyhole"]
    assert item.region is not None
    assert item.region.box == pytest.approx([336, 135, 312, 585], abs=25)
    assert item.sight != "doubt"

    ready(tab)
    other = given(visit, base, photograph(("circle", 600, 240, 250), ("triangle", 600, 480, 250)), 1440, 900)
    drag(other.page, 0.48, 0.24, 0.73, 0.84)
    other.wait()
    expect(other.page.locator(".box").filter(has_text=re.compile("keyhole"))).to_have_count(1)


def test_a_photograph_is_looked_at_closer_down_to_its_own_pixels(base, visit):
    """By the wheel, by buttons, by keys, and by two fingers; the small picture makes way for the whole one."""
    tab = given(visit, base, photograph(("circle", 150, 250, 300), ("cross", 750, 350, 300)), 1440, 900)
    page, stage, image = tab.page, tab.page.locator(".stage").first, tab.page.locator(".picture .image").first

    def scale() -> float:
        return float(image.evaluate("image => new DOMMatrix(getComputedStyle(image).transform).a"))

    assert image.evaluate("image => image.naturalWidth") < 1200
    stage.scroll_into_view_if_needed()
    whole, box = scale(), stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.3 * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -240)
    expect(image).to_have_js_property("naturalWidth", 1200)
    assert scale() > 3 * whole
    page.locator(".picture button.fit").first.click()
    assert scale() == pytest.approx(whole)
    page.locator(".picture button.closer").first.click()
    closer = scale()
    stage.press("+")
    assert whole < closer < scale()
    stage.press("0")
    assert scale() == pytest.approx(whole)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    touch = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 20), ("touchMove", 60), ("touchMove", 120), ("touchEnd", 0)):
        places = [{"x": middle[0] + side * apart, "y": middle[1], "id": at} for at, side in enumerate((-1, 1))]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places if apart else []})
    page.wait_for_timeout(300)
    assert scale() > 3 * whole
