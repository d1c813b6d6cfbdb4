"""A second look at each place where a mark may be: its exact box, its ink, and how sure it is one whole mark.

The place is looked at again in a window of a fixed size, so that a mark is as large as the network knows it best. What
it shows, and which other places lie in it and around it, become 36 numbers, and those a probability (boosted trees).
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
WINDOW, EXTENT = 64, 40  # px: side of the window, and the larger side of the place in it
READ, READ_EXTENT = 160, 112  # px: the window that ink is read in, and the larger side of the mark in it
INK = 0.45  # probability of a stroke from which it is ink
_HELD = 0.8  # share of a box that lies in another from which it is a part of it
_SAME = 0.6  # overlap from which two boxes are one
_RING = 0.3  # of the larger side: how far around a box ink is said to be near
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
    windows = [window(pixels, p.box, side=WINDOW, extent=EXTENT) for p in places]
    boxes, numbers = [], []
    for place, shown, seen in zip(places, windows, look([w.pixels for w in windows]), strict=True):
        middle, box, near_by = _middle(shown, seen, place.box)
        there = shown.inside(box)
        exact = inked_box(seen.strokes, there, shown) or box
        boxes.append(exact)
        numbers.append(
            [
                place.middle,
                place.seconded,
                np.log(max(place.box[2:]) / max(pixels.shape[:2])),
                np.log(max(place.box[2:])) - 4,
                min(place.box[2:]) / max(place.box[2:]),
                middle,
                near_by,
                overlap(place.box, box),
                overlap(exact, box),
                *_strokes(seen.strokes, there),
                _beyond(box, pixels.shape),
                *_around(seen.strokes, there, shown.pixels),
            ]
        )
    others = _relations(boxes, [place.middle for place in places])
    every = np.concatenate([np.array(numbers, np.float32), others], axis=1)
    return [Judged(place, box, row) for place, box, row in zip(places, boxes, every, strict=True)]


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


def _around(strokes: np.ndarray, box: Box, picture: np.ndarray) -> list[float]:
    """How the ink of ``box`` ends: what of its pieces goes on outside, what lies near it and how far off, how many
    pieces it is and how sure; how strong edges are in it and away from all ink; how bright the ink is."""
    side = strokes.shape[0]
    x, y, w, h = box
    extent = max(w, h, 4.0)

    def within(more: float) -> np.ndarray:
        mask = np.zeros((side, side), bool)
        x0, y0, x1, y1 = (int(np.clip(round(v), 0, side)) for v in (x - more, y - more, x + w + more, y + h + more))
        mask[y0:y1, x0:x1] = True
        return mask

    inside, ink = within(1), strokes > INK
    count, labels = cv2.connectedComponents(ink.astype(np.uint8), connectivity=8)
    total = np.bincount(labels.ravel(), minlength=count).astype(float)
    held = np.bincount(labels.ravel(), weights=inside.ravel(), minlength=count)
    total[0] = held[0] = 0
    beyond, all_held = total - held, max(float(held.sum()), 1.0)
    near = within(_RING * extent) & ~inside
    outside = ink & ~inside
    gap = 1.5
    if outside.any():
        ys, xs = np.nonzero(outside)
        across, down = np.maximum(np.maximum(x - xs, xs - x - w), 0), np.maximum(np.maximum(y - ys, ys - y - h), 0)
        gap = min(1.5, float(np.quantile(np.hypot(across, down), 0.05)) / extent)
    grey = (picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)).astype(np.float32)
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3))
    inked = cv2.dilate(ink.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    own, ground = edges[inside & inked], edges[~inked]
    lit, sure = grey[inside & ink], strokes[inside & ink]
    return [
        float(np.minimum(held, beyond).sum()) / all_held,
        min(3.0, float(beyond[(held > 0.15 * total) & (held > 0)].sum()) / all_held),
        min(3.0, float(strokes[near].sum()) / max(float(strokes[inside].sum()), 1.0)),
        gap,
        min(4.0, float(outside.sum()) / all_held),
        float(np.log1p(own.mean())) if own.size else 0.0,
        float(np.log1p(ground.mean())) if ground.size else 0.0,
        float(np.log1p(np.quantile(ground, 0.95))) if ground.size else 0.0,
        min(8.0, float(((held > 0.02 * all_held) & (held > 3)).sum())),
        float(np.quantile(sure, 0.25)) if sure.size else 0.0,
        float((lit > 250).mean()) if lit.size else 0.0,
        float(lit.mean() - np.median(grey)) / (float(grey.std()) + 5) if lit.size else 0.0,
    ]


def _relations(boxes: Sequence[Box], middles: Sequence[float]) -> np.ndarray:
    """(N, 8) of each box, the middles of others: of the best one that holds it and how much larger that is, of the best
    one in it and how much smaller, of all in it, of the best elsewhere, of the same box again; and how far it is ahead
    of them."""
    out = np.zeros((len(boxes), 8), np.float32)
    for i, one in enumerate(boxes):
        row = out[i]
        for other, middle in ((b, m) for j, (b, m) in enumerate(zip(boxes, middles, strict=True)) if j != i):
            ratio = float(np.sqrt(other[2] * other[3] / max(one[2] * one[3], 1e-6)))
            shared = overlap(one, other)
            if shared > _SAME:
                row[6] = max(row[6], middle)
            elif ratio > 1 and _share(one, other) > _HELD:
                if middle > row[0]:
                    row[0], row[1] = middle, min(ratio, 4.0)
            elif ratio < 1 and _share(other, one) > _HELD:
                row[4] += middle
                if middle > row[2]:
                    row[2], row[3] = middle, ratio
            elif shared < 0.1:
                row[5] = max(row[5], middle)
        row[7] = middles[i] - max(row[0], row[2], row[5], row[6])
    return out


def _share(one: Box, other: Box) -> float:
    """How much of ``one`` lies in ``other``."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0) / max(one[2] * one[3], 1e-6)


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
