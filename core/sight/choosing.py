"""Which of the boxes that were read is a whole mark, and where that mark's edges are.

A part looks like a mark where only its own box is seen. So every likely box is looked at once more, small, with much of
what is around it: what the finder saw there at two sizes, what the reader read, and the picture itself. A network says
how probably the box is one whole mark and nothing else, and how far its edges are from the mark's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from core.sight import network
from core.sight.groups import Box
from core.sight.network import CELL, Seen
from core.sight.reading import EXTENT as READ_EXTENT
from core.sight.reading import Reading, window

SIDE, EXTENT = 64, 23  # px: of a view, and of the larger side of the box in it
_SHARP = 40.0  # px: extent of a box at which the finder sees it best
_LEAST = 3.0  # px: side of a box


@dataclass(frozen=True)
class Look:
    """What the finder has ``seen`` of the picture at one size: how many of its pixels one of the picture's is
    (``factor``), and how far the margin pushes it (``shift``)."""

    seen: Seen
    factor: float
    shift: float

    def box(self, box: Box) -> Box:
        """A box of the picture, here."""
        x, y, w, h = (v * self.factor for v in box)
        return x + self.shift, y + self.shift, w, h

    def suits(self, box: Box) -> float:
        """How far its size is from the best one for ``box``; 0 is best."""
        return abs(float(np.log(max(max(box[2:]) * self.factor, 1e-3) / _SHARP)))


@dataclass(frozen=True)
class Asked:
    """A ``box`` to look at, the ``look`` in which it was found, what was read in it, and how sure the judge is of it
    (``judged``)."""

    box: Box
    look: Look
    reading: Reading
    judged: float


def choose(pixels: np.ndarray, asked: Sequence[Asked], looks: Sequence[Look]) -> list[tuple[Box, float]]:
    """Of each of ``asked`` in ``pixels`` (H, W, 3) or (H, W) uint8 the box of its mark, and the probability that what
    was asked is one whole mark. ``looks`` are all that the finder has seen."""
    if not asked:
        return []
    sure, moved = network.choose(views(pixels, asked, looks))
    return [(_moved(one.box, edges), float(p)) for one, edges, p in zip(asked, moved, sure, strict=True)]


def views(pixels: np.ndarray, asked: Sequence[Asked], looks: Sequence[Look]) -> np.ndarray:
    """(N, 9, SIDE, SIDE) float32, what the network is given of N boxes: strokes where the box was found, and at
    the size that suits it best of the others; middles; the ink that was read; the picture's light; the box; and three
    planes, the judge's and the reader's logits and the logarithm of the box's share of the picture."""
    out = np.zeros((len(asked), network.CHOSEN_FROM, SIDE, SIDE), np.float32)
    for view, one in zip(out, asked, strict=True):
        here = one.look.box(one.box)
        others = [look for look in looks if look is not one.look] or [one.look]
        other = min(others, key=partial(Look.suits, box=one.box))
        view[0] = _square(one.look.seen.strokes, here)
        view[1] = _square(other.seen.strokes, other.box(one.box))
        view[2] = _square(one.look.seen.middles, (here[0] / CELL, here[1] / CELL, here[2] / CELL, here[3] / CELL))
        _paste(view[3], one.reading.ink)
        shown = window(pixels, one.box, side=SIDE, extent=EXTENT).pixels.reshape(SIDE, SIDE, -1).mean(axis=2)
        view[4] = np.clip(0.5 + 0.157 * (shown - shown.mean()) / (shown.std() + 6), 0, 1)
        said = network.logit(np.array([one.judged, one.reading.sure])).tolist()
        planes = *said, float(np.log(max(one.box[2:]) / max(pixels.shape[:2])))
        view[5:] = framed(one.box[2:], planes)
    return out


def framed(sides: tuple[float, float], planes: Sequence[float]) -> np.ndarray:
    """(4, SIDE, SIDE): the pixels of a box with these sides, and the planes."""
    wide, high = (v * EXTENT / max(*sides, 1e-3) / 2 + 0.5 for v in sides)
    off = np.abs(np.arange(SIDE) + 0.5 - SIDE / 2)
    box = (off <= high)[:, None] & (off <= wide)[None]
    return np.stack([box.astype(np.float32), *(np.full((SIDE, SIDE), v / 10, np.float32) for v in planes)])


def _square(values: np.ndarray, box: Box) -> np.ndarray:
    """(SIDE, SIDE) of a map (H, W) float32 around ``box``, whose larger side is EXTENT there; 0 beyond it."""
    factor = EXTENT / max(box[2], box[3], 1e-3)
    reach = SIDE / factor
    x, y = box[0] + box[2] / 2 - reach / 2, box[1] + box[3] / 2 - reach / 2
    height, width = values.shape
    if factor < 0.5:  # by area first: a warp alone would skip pixels
        over = max(2 * factor, 0.02)
        size = max(1, round(width * over)), max(1, round(height * over))
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    fx, fy = factor * width / values.shape[1], factor * height / values.shape[0]
    move = np.array([[fx, 0, fx / 2 - 0.5 - x * factor], [0, fy, fy / 2 - 0.5 - y * factor]], np.float32)
    return cv2.warpAffine(values, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _paste(view: np.ndarray, ink: np.ndarray) -> None:
    """The reader's ``ink``, dark on white, as large as the view's other maps are."""
    factor = EXTENT / READ_EXTENT
    small = cv2.resize(255 - ink, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    start = (SIDE - len(small)) // 2
    view[start : start + len(small), start : start + len(small)] = small.astype(np.float32) / 255


def _moved(box: Box, edges: np.ndarray) -> Box:
    """``box`` with its left, upper, right and lower edge moved outwards by ``edges`` (4,), in extents."""
    left, up, right, down = (max(box[2:]) * float(v) for v in edges)
    return box[0] - left, box[1] - up, max(box[2] + left + right, _LEAST), max(box[3] + up + down, _LEAST)
