"""What lies in a box: looked at in a window of a fixed size, the strokes of its mark and whether it is a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.sight import network
from core.sight.groups import Box
from core.sight.inputs import window_channels

SIDE, EXTENT = 128, 88  # px: of the window, and of the larger side of the box in it
MIDDLE = (15, 15, 113, 113)  # of the window: the box, and a little round it


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
