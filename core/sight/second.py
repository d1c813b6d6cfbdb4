"""A second look at each place where a mark may be: its exact box, its ink, and how sure it is one whole mark.

The place is looked at again in two windows of a fixed size, so that a mark is as large as the network knows it best.
What they show becomes some twenty numbers, and those a probability (a small network of its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.sight.network import CELL, Seen, look
from core.sight.proposals import Box, Place, overlap

if TYPE_CHECKING:
    import onnxruntime

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "finder" / "second.onnx"
WINDOW = 96  # px
EXTENTS = (42, 68)  # px: the larger side of the place in each window
READ, READ_EXTENT = 160, 112  # px: the window that ink is read in, and the larger side of the mark in it
INK = 0.45  # probability of a stroke from which it is ink
_STRAY = 0.5  # share of a piece of ink that must lie in the box for it to be the mark's


@dataclass(frozen=True)
class Window:
    """A square piece of the picture, its middle and scale: window pixel = (picture pixel - ``corner``) * ``factor``."""

    pixels: np.ndarray
    corner: tuple[float, float]
    factor: float

    def inside(self, box: Box) -> Box:
        (cx, cy), k = self.corner, self.factor
        return (box[0] - cx) * k, (box[1] - cy) * k, box[2] * k, box[3] * k

    def outside(self, box: Box) -> Box:
        (cx, cy), k = self.corner, self.factor
        return box[0] / k + cx, box[1] / k + cy, box[2] / k, box[3] / k


def window(pixels: np.ndarray, box: Box, *, side: int, extent: float) -> Window:
    """The square around ``box`` in which its larger side is ``extent`` of ``side`` pixels; beyond the picture lies the
    colour of its edge."""
    factor = extent / max(box[2], box[3], 1.0)
    reach = side / factor
    x, y = box[0] + box[2] / 2 - reach / 2, box[1] + box[3] / 2 - reach / 2
    height, width = pixels.shape[:2]
    left, up = (int(np.clip(np.floor(v), 0, limit - 1)) for v, limit in ((x, width), (y, height)))
    right, down = (
        int(np.clip(np.ceil(v + reach) + 1, start + 1, limit))
        for v, start, limit in ((x, left, width), (y, up, height))
    )
    piece = pixels[up:down, left:right]
    over = 1.0
    if factor < 0.5:  # by area first: a warp alone would skip pixels
        over = 2 * factor
        size = max(1, round(piece.shape[1] * over)), max(1, round(piece.shape[0] * over))
        piece = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
    kx, ky = piece.shape[1] / (right - left), piece.shape[0] / (down - up)
    move = np.array([[factor / kx, 0, (left - x) * factor], [0, factor / ky, (up - y) * factor]], np.float32)
    edge = np.concatenate([piece[0], piece[-1], piece[:, 0], piece[:, -1]])
    value = tuple(float(v) for v in np.atleast_1d(np.median(edge, axis=0)))
    square = cv2.warpAffine(
        piece, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=value
    )
    return Window(square, (x, y), factor)


@dataclass(frozen=True)
class Judged:
    """A place after the second look: its exact ``box``, and what its probability is made of."""

    place: Place
    box: Box
    numbers: np.ndarray


def judged(pixels: np.ndarray, places: Sequence[Place]) -> list[Judged]:
    """Each of the places, looked at again."""
    if not places:
        return []
    windows = [window(pixels, p.box, side=WINDOW, extent=extent) for extent in EXTENTS for p in places]
    seen = look([w.pixels for w in windows])
    n = len(places)
    out = []
    for i, place in enumerate(places):
        wide, near = (windows[i], seen[i]), (windows[n + i], seen[n + i])
        middle, box, near_by = _middle(*wide, place.box)
        middle_near, box_near, _ = _middle(*near, place.box)
        exact = inked_box(near[1].strokes, near[0].inside(box), near[0]) or box
        numbers = [
            place.middle,
            place.seconded,
            middle,
            middle_near,
            near_by,
            overlap(place.box, box),
            overlap(place.box, box_near),
            overlap(box, box_near),
            overlap(exact, box),
            np.log(max(place.box[2], place.box[3]) / max(pixels.shape[:2])),
            np.log(max(place.box[2], place.box[3])) - 4,
            min(place.box[2], place.box[3]) / max(place.box[2], place.box[3]),
            *_strokes(wide[1].strokes, wide[0].inside(box)),
            *_strokes(near[1].strokes, near[0].inside(box)),
            _beyond(box, pixels.shape),
        ]
        out.append(Judged(place, exact, np.array(numbers, np.float32)))
    return out


def _middle(shown: Window, seen: Seen, box: Box) -> tuple[float, Box, float]:
    """The most probable middle near the middle of ``box``, the box of it in the picture, and the most probable other
    middle inside the box."""
    x, y, w, h = shown.inside(box)
    rows, columns = np.mgrid[0 : seen.middles.shape[0], 0 : seen.middles.shape[1]].astype(np.float32)
    px, py = (columns + 0.5) * CELL, (rows + 0.5) * CELL
    away = np.maximum(np.abs(px - x - w / 2) / max(w, 8.0), np.abs(py - y - h / 2) / max(h, 8.0))
    close = np.where(away < 0.3, seen.middles, 0)
    at = np.unravel_index(int(close.argmax()), close.shape)
    left, up, right, down = (float(v) for v in seen.sides[:, at[0], at[1]])
    cx, cy = float(px[at]), float(py[at])
    box_there = shown.outside((cx - left, cy - up, left + right, up + down))
    others = np.where((away >= 0.3) & (away < 0.75), seen.middles, 0)
    return float(close[at]), box_there, float(others.max())


def inked_box(strokes: np.ndarray, box: Box, shown: Window) -> Box | None:
    """The box, in the picture, of the ink that belongs to ``box`` (of the window); None where there is none."""
    mask = own_ink(strokes, box)
    if not mask.any():
        return None
    x, y, w, h = cv2.boundingRect(mask)
    return shown.outside((float(x), float(y), float(w), float(h)))


def own_ink(strokes: np.ndarray, box: Box) -> np.ndarray:
    """(h, w) uint8 of 0 and 1: the pieces of ink that lie in ``box``, most of them."""
    mask = (strokes > INK).astype(np.uint8)
    x, y, w, h = box
    slack = 0.05 * max(w, h) + 1
    inside = np.zeros_like(mask)
    x0, y0 = max(0, int(x - slack)), max(0, int(y - slack))
    inside[y0 : max(y0, int(np.ceil(y + h + slack))), x0 : max(x0, int(np.ceil(x + w + slack)))] = 1
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    if count < 2:
        return mask * 0
    within = np.bincount(labels.ravel(), weights=inside.ravel(), minlength=count)
    area = stats[:, cv2.CC_STAT_AREA]
    keep = (within >= _STRAY * area) & (area >= max(3, 0.004 * area[1:].max()))
    keep[0] = False
    return keep[labels].astype(np.uint8)


def _strokes(strokes: np.ndarray, box: Box) -> list[float]:
    """Mean probability of the ink, the share of it outside the box, filled share, length and width in extents, the
    share of unsure pixels."""
    side = strokes.shape[0]
    x, y, w, h = box
    x0, y0 = (int(np.clip(v, 0, side - 1)) for v in (x - 1, y - 1))
    x1, y1 = (int(np.clip(v, 1, side)) for v in (np.ceil(x + w + 1), np.ceil(y + h + 1)))
    inside = strokes[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    ink = inside > INK
    area, extent = float(ink.sum()), max(w, h, 4.0)
    padded = cv2.copyMakeBorder(ink.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    outline = float(cv2.countNonZero(padded - cv2.erode(padded, np.ones((3, 3), np.uint8))))
    length = max(outline / 2, 1.0)
    total = float(strokes.sum())
    return [
        float(inside[ink].mean()) if area else 0.0,
        1 - float(inside.sum()) / max(total, 1.0),
        area / max(inside.size, 1),
        length / extent,
        min(area / length / extent, 1.0),
        float(((inside > 0.15) & (inside < 0.7)).sum()) / max(float((inside > 0.15).sum()), 1.0),
    ]


def _beyond(box: Box, shape: tuple[int, ...]) -> float:
    """How much of the box lies outside the picture."""
    wide = min(box[0] + box[2], shape[1]) - max(box[0], 0)
    high = min(box[1] + box[3], shape[0]) - max(box[1], 0)
    return 1 - max(wide, 0) * max(high, 0) / max(box[2] * box[3], 1e-6)


def sureness(numbers: np.ndarray) -> np.ndarray:
    """(N,) the probability that each place, of which (N, K) numbers are known, is one whole mark."""
    return _session().run(["sure"], {"numbers": numbers.astype(np.float32)})[0]


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(WEIGHTS.read_bytes(), options, providers=["CPUExecutionProvider"])


def read_ink(pixels: np.ndarray, box: Box) -> np.ndarray:
    """(h, w) uint8, dark on white: how probably each place in and around ``box`` is a stroke of its mark."""
    shown = window(pixels, box, side=READ, extent=READ_EXTENT)
    strokes = look([shown.pixels])[0].strokes
    mask = own_ink(strokes, shown.inside(box))
    near = cv2.dilate(mask, np.ones((5, 5), np.uint8))
    return np.rint(255 * (1 - strokes * near)).astype(np.uint8)
