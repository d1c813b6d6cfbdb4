"""The ink of one mark: its place looked at again in a window of a fixed size, as large as the network knows best."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.sight.groups import INK, Box
from core.sight.network import look

SIDE = 160  # px: of the window
EXTENTS = (112, 64)  # px: of the larger side of the mark in it; the next where nothing is seen: large, a ring is a rim
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


def read_ink(pixels: np.ndarray, box: Box) -> np.ndarray:
    """(h, w) uint8, dark on white: how probably each place in and around ``box`` is a stroke of its mark."""
    ink = np.full((SIDE, SIDE), 255, np.uint8)
    for extent in EXTENTS:
        shown = window(pixels, box, side=SIDE, extent=extent)
        strokes = look([shown.pixels])[0].strokes
        mask = own_ink(strokes, shown.inside(box))
        near = cv2.dilate(mask, np.ones((5, 5), np.uint8))
        ink = np.rint(255 * (1 - strokes * near)).astype(np.uint8)
        if mask.any():
            break
    return ink


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
