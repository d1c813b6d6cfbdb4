"""What the model sees: a decoded picture becomes a square of black ink on white.

The ink that `core.ground.ink` finds is cropped to, and redrawn with strokes of one width. It neither opens files nor
normalises values.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from PIL import Image

from core.ground.config import Preprocessing
from core.ground.ink import Ink, edge_of, find_ink, median_of, reaching, resized

VERSION = 2  # goes up whenever `see` gives another picture for the same input: vectors stay comparable

MARGIN = 0.06  # white around the ink, share of the side
STROKE = 0.03  # width of the redrawn strokes, share of the side

_THIN = 64  # px: side on which strokes are thinned; 56 to 128 are equally right; 96 takes twice the time
_SOLID = 0.07  # of the side: radius from which a piece of ink may be solid
_COMPACT = 3.0
_INSCRIBED = np.ones((2 * int(0.6 * _SOLID * _THIN) + 1,) * 2, np.uint8)  # a square inside that circle


def see(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """``image`` (decoded, RGB or of greys) as the model's input, `Preprocessing.shape` uint8, proportions kept.

    ``strokes``: the ink's centre lines, redrawn black on white with one width; ``crop``: the ink
    itself, dark on white; ``plain``: the whole picture on its own background; ``joined``: the last two
    beside each other. Any picture gives one: without ink, the first two are blank (all 255).
    """
    if len(preprocessing.parts) > 1:
        return np.concatenate([see(image, part) for part in preprocessing.parts], axis=1)
    if preprocessing.mode == "plain":
        return _padded(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), preprocessing.size)
    ink = find_ink(image)
    if ink is None:
        return np.full((preprocessing.size, preprocessing.size, 3), 255, np.uint8)
    make = _redrawn if preprocessing.mode == "strokes" else _cropped
    return cv2.cvtColor(make(ink, preprocessing.size), cv2.COLOR_GRAY2RGB)


def _padded(pixels: np.ndarray, side: int) -> np.ndarray:
    return _fitted(pixels, side, margin=0, background=median_of(edge_of(pixels)))


def _cropped(ink: Ink, side: int) -> np.ndarray:
    darkness = _fitted(ink.strength, side, margin=MARGIN)
    return cv2.convertScaleAbs(255 - np.minimum(darkness * (255 / ink.full), 255))


def _redrawn(ink: Ink, side: int) -> np.ndarray:
    """The centre lines of the ink, scaled to the square and drawn anew with round, smooth strokes.

    The distance to the lines is scaled, not their pixels, so that edges stay smooth; the lines'
    own box fills the square, so that a bold and a fine version of a mark give the same picture.
    """
    height, width = ink.strength.shape
    larger = max(height, width)
    shape = max(1, round(width * _THIN / larger)), max(1, round(height * _THIN / larger))
    mask = reaching(resized(ink.strength, *shape), ink.level)
    lines = thin(_hollowed(cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)))
    x, y, w, h = cv2.boundingRect(lines)
    if not w:  # too fine and too faint to be there at this side: no line to be at a distance from
        return np.full((side, side), 255, np.uint8)
    distance = cv2.distanceTransform(1 - lines, cv2.DIST_L2, cv2.DIST_MASK_5)
    scale = min(side * (1 - 2 * MARGIN - STROKE) / max(w - 1, h - 1, 1), 1.5 * side / _THIN)
    middle = (side - 1) / 2
    move = np.array([[scale, 0, middle - scale * (x + (w - 1) / 2)], [0, scale, middle - scale * (y + (h - 1) / 2)]])
    distance = cv2.warpAffine(distance, move, (side, side), flags=cv2.INTER_LINEAR, borderValue=(_THIN,))
    np.multiply(distance, scale, out=distance)
    edge = np.subtract(STROKE * side / 2 + 0.5, distance, out=distance).clip(0, 1, out=distance)
    np.multiply(edge, 255, out=edge)
    return 255 - np.rint(edge, out=edge).astype(np.uint8)


def _hollowed(mask: np.ndarray) -> np.ndarray:
    """``mask`` with compact solid pieces reduced to their outline: people draw a filled shape by its contour.

    A stroke of length l and width w has the area l w; a piece with less than `_COMPACT` times
    the square of its greatest width is no stroke.
    """
    if not cv2.erode(mask, _INSCRIBED).any():  # nothing that wide: true of every thin drawing, and quickly seen
        return mask
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_3)
    out = mask.copy()
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    for piece in range(1, count):
        here = labels == piece
        radius = float(inside[here].max())
        if radius >= _SOLID * _THIN and stats[piece, cv2.CC_STAT_AREA] < _COMPACT * (2 * radius) ** 2:
            out[here & (inside > 2)] = 0
    return out


def thin(mask: np.ndarray) -> np.ndarray:
    """The centre lines of ``mask`` (H, W) uint8 of 0 and 1, one pixel wide and connected as it was.

    Guo and Hall 1989, https://doi.org/10.1145/62065.62074, algorithm A2: peel off, from two sides
    in turn, the pixels that a table of the 256 neighbourhoods allows. (The better known one of
    Zhang and Suen eats diagonal strokes from their ends and squares of four whole.)
    """
    lines, left, idle = mask, cv2.countNonZero(mask), 0
    for table in itertools.cycle(_PEEL):
        around = cv2.filter2D(lines, cv2.CV_8U, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
        lines = cv2.bitwise_and(lines, cv2.LUT(around, table))
        now = cv2.countNonZero(lines)
        idle = idle + 1 if now == left else 0
        if idle == 2:  # neither half-step finds anything any more
            break
        left = now
    return lines


_NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)  # bits clockwise from the north


def _peel_tables() -> tuple[np.ndarray, np.ndarray]:
    """For each half-step, 0 where a pixel with this neighbourhood goes and 1 where it stays."""
    n, ne, e, se, s, sw, w, nw = ((np.arange(256)[:, None] >> np.arange(8)) & 1).T
    pieces = (1 - n) * (ne | e) + (1 - e) * (se | s) + (1 - s) * (sw | w) + (1 - w) * (nw | n)
    count = np.minimum((nw | n) + (ne | e) + (se | s) + (sw | w), (n | ne) + (e | se) + (s | sw) + (w | nw))
    goes = (pieces == 1) & (count >= 2) & (count <= 3)
    first, second = goes & ((s | sw | (1 - nw)) & w == 0), goes & ((n | ne | (1 - se)) & e == 0)
    return (~first).astype(np.uint8), (~second).astype(np.uint8)


_PEEL = _peel_tables()


def _fitted(picture: np.ndarray, side: int, *, margin: float, background: np.ndarray | None = None) -> np.ndarray:
    """``picture`` scaled into a square of ``side``, centred, proportions kept, on ``background`` (0)."""
    height, width = picture.shape[:2]
    scale = side * (1 - 2 * margin) / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    out = np.zeros((side, side, *picture.shape[2:]), np.uint8)
    if background is not None:
        out[:] = background
    x, y = (side - w) // 2, (side - h) // 2
    out[y : y + h, x : x + w] = resized(picture, w, h)
    return out
