"""Capture sheets: pages to print, with boxes in which people draw more marks of a class, and the way back.

One self-contained HTML file. Its pages have a mark in each corner, by which `cut_sheet` finds the
boxes of a page that was scanned or photographed and gives those with something in them.
"""

from __future__ import annotations

import base64
import html
import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from core.ground.errors import ConfigRefused, ImageRefused
from core.ground.images import thumbnail
from core.ground.ink import has_ink
from core.ground.translations import _

MOST = 200
TITLE = _("{n} more of {name}")
HINT = _("Draw the mark once in each box, by hand, as you would on a lens. Do not trace it.")

# A page, in mm from its upper left corner; it fits on A4 and on US Letter with 12 mm of margin.
WIDTH, HEIGHT = 186, 250
MARK = 8  # side of a corner mark; that of the upper left corner is hollow
COLUMNS, ROWS = 4, 5
TOP = 38  # of the first row of boxes
ACROSS, DOWN = WIDTH / COLUMNS, 40  # from box to box
BOX = 35
LEFT = (ACROSS - BOX) / 2

_HOLE = 3.2
_LINE = 1.8  # mm inside its printed line that a box is cut, which makes up for paper that is not flat
_SCALE = 8  # px for a mm of the page that is cut
_GRAIN = 4  # px averaged before a box is looked at: the noise of a camera in poor light is no ink
_FINDING = 1200  # px: side of the copy in which the marks are looked for
_CANDIDATES = 14  # dark squares looked at together, the largest

_PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ margin: 12mm }}
body {{ font: 11pt sans-serif; color: #000; background: #fff; margin: 12mm auto; width: {width}mm }}
section {{ position: relative; width: {width}mm; height: {height}mm; overflow: hidden; margin-bottom: 12mm }}
i {{ position: absolute; box-sizing: border-box; width: {mark}mm; height: {mark}mm; border: {half}mm solid #000 }}
.a {{ left: 0; top: 0; border-width: {rim}mm }} .b {{ right: 0; top: 0 }}
.c {{ left: 0; bottom: 0 }} .d {{ right: 0; bottom: 0 }}
header {{ position: absolute; left: 14mm; right: 14mm; top: 0; height: 34mm; overflow: hidden;
  display: flex; gap: 6mm; align-items: center }}
header img {{ height: 24mm; max-width: 40mm; object-fit: contain }}
h1 {{ font-size: 16pt; margin: 0 0 2mm; overflow-wrap: anywhere }} p {{ margin: 0 }}
main {{ position: absolute; left: 0; top: {top}mm; display: grid; grid-template-columns: repeat({columns}, {across}mm);
  grid-auto-rows: {down}mm }}
figure {{ margin: 0 {left}mm }}
figure div {{ box-sizing: border-box; width: {box}mm; height: {box}mm; border: 0.3mm solid #999 }}
figcaption {{ font-size: 8pt; color: #555; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }}
@media print {{ body {{ margin: 0 }} section {{ margin: 0; break-after: page }}
  section:last-child {{ break-after: auto }} }}
</style></head><body>
{pages}
</body></html>
"""
_SECTION = """<section><i class="a"></i><i class="b"></i><i class="c"></i><i class="d"></i>
<header>{example}<div><h1>{title}</h1><p>{hint}</p></div></header><main>
{boxes}
</main></section>"""


def capture_sheet(
    name: str,
    n: int,
    *,
    example: Image.Image | None = None,
    title: str = TITLE,
    hint: str = HINT,
    language: str = "en",
) -> str:
    """The sheet for ``n`` more images of the class ``name``, as HTML without any link to elsewhere.

    ``example``: an original to show; ``title`` and ``hint`` may be translated. Raises `ConfigRefused`.
    """
    if not 1 <= n <= MOST:
        raise ConfigRefused("A capture sheet has from 1 to {limit} boxes, not {value}.", limit=MOST, value=n)
    shown = ""
    if example is not None:
        data = base64.b64encode(thumbnail(example)).decode()
        shown = f'<img alt="" src="data:image/webp;base64,{data}">'
    escaped = html.escape(name)
    boxes = [f"<figure><div></div><figcaption>{escaped} · {i}</figcaption></figure>" for i in range(1, n + 1)]
    about = {"example": shown, "title": html.escape(title.format(n=n, name=name)), "hint": html.escape(hint)}
    each = COLUMNS * ROWS
    pages = [_SECTION.format(boxes="\n".join(boxes[at : at + each]), **about) for at in range(0, n, each)]
    return _PAGE.format(
        language=html.escape(language), title=about["title"], pages="\n".join(pages),
        width=WIDTH, height=HEIGHT, mark=MARK, half=MARK / 2, rim=(MARK - _HOLE) / 2,
        top=TOP, columns=COLUMNS, across=ACROSS, down=DOWN, left=LEFT, box=BOX,
    )  # fmt: skip


def cut_sheet(image: Image.Image, *, name: str = "") -> list[Image.Image]:
    """The filled boxes of a scanned or photographed page (RGB), in reading order, turned upright.

    ``name`` is what a refusal calls the file. Raises `ImageRefused` where the four corner marks are not found.
    """
    pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    corners = _corners(pixels)
    if corners is None:
        raise ImageRefused(
            "{name}: the four black marks in the corners of the sheet were not found. All of them must be in the "
            "picture, flat and sharp.",
            name=name,
        )
    middle = MARK / 2
    at = [(middle, middle), (WIDTH - middle, middle), (WIDTH - middle, HEIGHT - middle), (middle, HEIGHT - middle)]
    move = cv2.getPerspectiveTransform(corners.astype(np.float32), np.array(at, np.float32) * _SCALE)
    page = cv2.warpPerspective(pixels, move, (WIDTH * _SCALE, HEIGHT * _SCALE), flags=cv2.INTER_LINEAR)
    found = []
    side = round((BOX - 2 * _LINE) * _SCALE)
    for row, column in itertools.product(range(ROWS), range(COLUMNS)):
        x = round((LEFT + column * ACROSS + _LINE) * _SCALE)
        y = round((TOP + row * DOWN + _LINE) * _SCALE)
        box = Image.fromarray(page[y : y + side, x : x + side])
        if has_ink(box.reduce(_GRAIN)):
            found.append(box)
    return found


@dataclass(frozen=True)
class _Mark:
    """A dark square: its centre in px, its side, and whether it is hollow."""

    x: float
    y: float
    side: float
    hollow: bool


def _corners(pixels: np.ndarray) -> np.ndarray | None:
    """The centres (4, 2) of the corner marks in px, clockwise from the hollow one, or None."""
    scale = min(1.0, _FINDING / max(pixels.shape[:2]))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    best: tuple[float, list[_Mark]] | None = None
    for four in itertools.combinations(_marks(grey), 4):
        first = [mark for mark in four if mark.hollow]
        if len(first) == 1 and max(m.side for m in four) < 1.8 * min(m.side for m in four):
            ordered = _clockwise(four, first[0])
            area = _fitting(ordered)
            if area and (best is None or area > best[0]):
                best = area, ordered
    return None if best is None else np.array([(m.x, m.y) for m in best[1]]) / scale


def _marks(grey: np.ndarray) -> list[_Mark]:
    """The dark squares of a page, the largest, whatever light falls on it."""
    around = max(grey.shape) // 10 | 1  # twice a mark and more: its middle is paper
    paper = cv2.GaussianBlur(cv2.dilate(grey, np.ones((around, around), np.uint8)), (around, around), 0)
    dark = (grey < 0.55 * paper).astype(np.uint8)
    contours, nested = cv2.findContours(dark, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for number, contour in enumerate(contours):
        if nested[0][number][3] >= 0:  # the edge of a hole
            continue
        (x, y), (w, h), _angle = cv2.minAreaRect(contour)
        area = cv2.contourArea(contour)
        if min(w, h) < max(grey.shape) / 100 or max(w, h) > 1.6 * min(w, h) or area < 0.8 * w * h:
            continue
        inside = nested[0][number][2]
        hole = 0.0
        while inside >= 0:
            hole = max(hole, cv2.contourArea(contours[inside]))
            inside = nested[0][inside][0]
        if hole < 0.45 * area:  # else a frame: the outline of a box
            found.append(_Mark(x, y, float(np.sqrt(w * h)), hole > 0.05 * area))
    return sorted(found, key=lambda mark: -mark.side)[:_CANDIDATES]


def _clockwise(four: tuple[_Mark, ...], first: _Mark) -> list[_Mark]:
    x, y = np.mean([mark.x for mark in four]), np.mean([mark.y for mark in four])
    ordered = sorted(four, key=lambda mark: np.arctan2(mark.y - y, mark.x - x))
    start = ordered.index(first)
    return ordered[start:] + ordered[:start]


def _fitting(four: list[_Mark]) -> float:
    """The area inside four marks as far as they can be those of a page, seen not too much from the side; else 0."""
    points = np.array([(mark.x, mark.y) for mark in four], np.float32)
    if not cv2.isContourConvex(points):
        return 0.0
    sides = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    wide, high = sides[[0, 2]], sides[[1, 3]]
    alike = max(wide) < 1.4 * min(wide) and max(high) < 1.4 * min(high)
    shape = (wide.sum() / high.sum()) / ((WIDTH - MARK) / (HEIGHT - MARK))
    size = sides.sum() / np.mean([mark.side for mark in four]) / (2 * (WIDTH + HEIGHT - 2 * MARK) / MARK)
    return float(cv2.contourArea(points)) if alike and 0.75 < shape < 1.33 and 0.7 < size < 1.4 else 0.0
