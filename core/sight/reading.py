"""What lies in a box: looked at in a window of a fixed size, the strokes of its mark and whether it is a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.sight import network
from core.sight.groups import Box
from core.sight.inputs import window_channels

SIDE, EXTENT = 128, 88  # px: of the window, and of the larger side of the box in it
MIDDLE = (15, 15, 113, 113)  # of the window: the box, and a little round it
# px: the finer window, and how large a mark is in it. One of fewer pixels is not read finely: there is nothing finer.
_FINE = 192
_FINE_EXTENT = _FINE * EXTENT / SIDE
_FINELY = 0.5  # what the finer look weighs in the ink
_SLACK = 0.05  # of a box's larger side: how far strokes may lie outside of it


@dataclass(frozen=True)
class Window:
    """A square piece of the picture, its middle and scale: window pixel = (picture pixel - ``corner``) * ``factor``."""

    pixels: np.ndarray
    corner: tuple[float, float]
    factor: float

    def inside(self, box: Box) -> Box:
        (cx, cy), k = self.corner, self.factor
        return (box[0] - cx) * k, (box[1] - cy) * k, box[2] * k, box[3] * k


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
class Reading:
    """What lies in one box: its ``ink`` (SIDE, SIDE) uint8, dark on white: how probably each place is a stroke of the
    mark in it; ``sure``, the probability (0 to 1) that it is one whole mark and nothing else."""

    ink: np.ndarray
    sure: float


def read(pixels: np.ndarray, boxes: Sequence[Box], judged: np.ndarray | None = None) -> list[Reading]:
    """What lies in ``boxes`` of ``pixels``; ``judged`` (N,): how sure the judge is of each."""
    if not boxes:
        return []
    shown = [window(pixels, box, side=SIDE, extent=EXTENT) for box in boxes]
    given = np.stack([window_channels(w.pixels, w.inside(box)) for w, box in zip(shown, boxes, strict=True)])
    strokes, sure = network.read(given, np.full(len(boxes), 0.5) if judged is None else judged)
    return [Reading(np.rint(255 * (1 - s)).astype(np.uint8), float(p)) for s, p in zip(strokes, sure, strict=True)]


def read_finely(pixels: np.ndarray, boxes: Sequence[Box], readings: Sequence[Reading]) -> list[Reading]:
    """The ``readings`` of ``boxes``; where a mark has the pixels for it, with what the finder sees in a finer window.
    Beside a ground that changes slowly, wood behind glass for instance, fine lines are lost at the reader's size."""
    out = list(readings)
    large = [i for i, box in enumerate(boxes) if max(box[2:]) >= _FINE_EXTENT]
    if not large:
        return out
    shown = [window(pixels, boxes[i], side=_FINE, extent=_FINE_EXTENT) for i in large]
    for i, there, seen in zip(large, shown, network.look([w.pixels for w in shown]), strict=True):
        strokes = cv2.resize(within(seen.strokes, there.inside(boxes[i])), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        ink = (1 - _FINELY) * out[i].ink + _FINELY * 255 * (1 - strokes)
        out[i] = replace(out[i], ink=np.rint(ink).astype(np.uint8))
    return out


def within(strokes: np.ndarray, box: Box) -> np.ndarray:
    """``strokes`` (H, W) without what lies outside of ``box``."""
    x, y, w, h = box
    slack = _SLACK * max(w, h) + 1
    rows = slice(max(0, int(y - slack)), int(np.ceil(y + h + slack)))
    columns = slice(max(0, int(x - slack)), int(np.ceil(x + w + slack)))
    kept = np.zeros_like(strokes)
    kept[rows, columns] = strokes[rows, columns]
    return kept
