"""Capture sheets: the page as it is printed, and what comes back of one that was drawn on and photographed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from core.ground.errors import ConfigRefused, ImageRefused
from core.variation import capture
from core.variation.capture import BOX, MARK, capture_sheet, cut_sheet
from tests import conftest

MM = 6  # px for a mm of the page as it is drawn here


def place(n: int) -> tuple[float, float]:
    """The upper left corner of box ``n`` (from 0) in mm."""
    row, column = divmod(n, capture.COLUMNS)
    return capture.LEFT + column * capture.ACROSS, capture.TOP + row * capture.DOWN


def page(filled: dict[int, str]) -> np.ndarray:
    """The printed page (H, W, 3) with shapes drawn in these boxes."""
    sheet = np.full((capture.HEIGHT * MM, capture.WIDTH * MM, 3), 255, np.uint8)

    def box(x: float, y: float, side: float, colour: int, line: int = -1) -> None:
        low, high = (round(x * MM), round(y * MM)), (round((x + side) * MM) - 1, round((y + side) * MM) - 1)
        cv2.rectangle(sheet, low, high, (colour,) * 3, line)

    for x in (0, capture.WIDTH - MARK):
        for y in (0, capture.HEIGHT - MARK):
            box(x, y, MARK, 0)
    box((MARK - 3.2) / 2, (MARK - 3.2) / 2, 3.2, 255)
    for n in range(capture.COLUMNS * capture.ROWS):
        x, y = place(n)
        box(x, y, BOX, 0x99, 2)
        cv2.putText(sheet, f"losange {n + 1}", (round(x * MM), round((y + BOX + 3) * MM)), 0, 0.5, (90, 90, 90), 1)
        if n in filled:
            shape = np.asarray(conftest.draw(filled[n], side=28 * MM, seed=n))
            left, top = round((x + 3) * MM), round((y + 3) * MM)
            sheet[top : top + len(shape), left : left + len(shape)] = shape
    cv2.putText(sheet, "12 more of losange", (80 * MM, 15 * MM), 0, 1.5, (0, 0, 0), 3)
    return sheet


def photograph(
    sheet: np.ndarray, *, angle: float = 0, tilt: float = 0, shade: float = 0, noise: float = 0
) -> Image.Image:
    """``sheet`` on a table: turned by ``angle`` degrees, its upper edge narrower, one side in the shade."""
    height, width = sheet.shape[:2]
    side = round(1.5 * max(height, width))
    size = np.array((width, height), np.float32)
    corners = np.array([(tilt, 0), (1 - tilt, 0), (1, 1), (0, 1)], np.float32) * size
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    target = cv2.transform(corners[None], turn)[0].astype(np.float32)
    move = cv2.getPerspectiveTransform(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * size, target)
    paper = cv2.copyMakeBorder(sheet, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    move = move @ np.array([[1, 0, -60], [0, 1, -60], [0, 0, 1]], np.float64)
    made = cv2.warpPerspective(paper, move, (side, side), flags=cv2.INTER_AREA, borderValue=(120, 95, 80))
    light = 0.92 - shade * np.linspace(0, 1, side)[None, :, None] * np.linspace(0.6, 1, side)[:, None, None]
    grain = np.random.default_rng(1).normal(0, noise, made.shape)
    return Image.fromarray(np.clip(made * light + grain, 0, 255).astype(np.uint8))


def shape_of(box: Image.Image) -> str:
    """The name of the shape that a box looks most like, as the model sees it."""
    from core.ground.config import Preprocessing
    from core.ground.preprocessing import see

    looks = {name: see(conftest.draw(name, side=168), Preprocessing(size=96)) for name in conftest.SHAPES}
    seen = cv2.GaussianBlur(see(box, Preprocessing(size=96)), (0, 0), 4).astype(float)
    return min(looks, key=lambda name: np.abs(cv2.GaussianBlur(looks[name], (0, 0), 4) - seen).mean())


FILLED = {0: "triangle", 3: "cross", 5: "bar", 10: "circle", 19: "triangle"}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"angle": 4, "shade": 0.4, "noise": 4},
        {"angle": -7, "tilt": 0.05, "shade": 0.5, "noise": 6},
        {"angle": 90, "shade": 0.2},
        {"angle": 183, "tilt": 0.03, "noise": 3},
    ],
)
def test_the_filled_boxes_come_back_in_order_and_upright(how):
    boxes = cut_sheet(photograph(page(FILLED), **how))
    assert [shape_of(box) for box in boxes] == list(FILLED.values())
    for box in boxes:
        edge = np.asarray(box.convert("L"), dtype=float)
        assert edge[1].min() > 0.7 * np.median(edge[1]), "the printed line of the box came with it"


def test_an_empty_sheet_gives_nothing():
    assert cut_sheet(photograph(page({}), angle=3, shade=0.5, noise=5)) == []


def test_squares_that_were_drawn_are_no_corners():
    sheet = page(FILLED)
    for n in (6, 7, 12):
        x, y = (round((side + 10) * MM) for side in place(n))
        cv2.rectangle(sheet, (x, y), (x + 9 * MM, y + 9 * MM), (0, 0, 0), -1)
        cv2.rectangle(sheet, (x + 3 * MM, y + 3 * MM), (x + 6 * MM, y + 6 * MM), (255, 255, 255), -1)
    assert len(cut_sheet(photograph(sheet, angle=5, shade=0.3))) == len(FILLED) + 3


def test_without_its_four_marks_a_picture_is_refused():
    sheet = page(FILLED)
    sheet[-10 * MM :, : 10 * MM] = 255
    for image in (photograph(sheet), conftest.draw("cross"), Image.new("RGB", (400, 500), "white")):
        with pytest.raises(ImageRefused, match=r"scan\.png: the four black marks"):
            cut_sheet(image, name="scan.png")


def test_a_capture_sheet_is_one_self_contained_page():
    sheet = capture_sheet("<b>{s}_losange & co", 12, example=conftest.draw("square"))
    assert "12 more of &lt;b&gt;{s}_losange &amp; co" in sheet and "<b>" not in sheet
    assert sheet.count("<figure>") == 12 and "data:image/webp;base64," in sheet
    assert "http" not in sheet and "<script" not in sheet
    french = capture_sheet("é", 2, title="Encore {n} de {name}", hint="Dessinez.", language="fr")
    assert "Encore 2 de é" in french and 'lang="fr"' in french and "<img" not in french
    with pytest.raises(ConfigRefused):
        capture_sheet("x", 0)


def test_every_page_of_a_sheet_has_its_corners():
    sheet = capture_sheet("x", 41)
    assert sheet.count("<section>") == 3 and sheet.count('<i class="a">') == 3 and sheet.count("<figure>") == 41
