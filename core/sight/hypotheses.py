"""Which pieces of ink on a clean page may be one mark, where marks stand beside letters or other marks.

No rule of distance separates a mark from a code: gaps inside a mark are as wide as those beside it. So every grouping
that is plausible is told, and recognition decides the cut: the best one by similarity, then the best that shares no
piece with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from core.ground.ink import FAINTEST
from core.ground.regions import Region

MOST_PIECES = 40  # a page of text is no row of marks
RUN = 4  # neighbours in reading order that are tried together at most
COLUMNS = 6  # and neighbours from left to right, where what stands above one another is one
_SPECK = 0.0015  # of the area of the ink's box: what is smaller is no piece
_LEVEL = 0.4  # of the strongest ink


@dataclass(frozen=True)
class Hypothesis:
    """``pieces`` (numbers of connected ink) that may be one mark, their ``region``, and their ink alone, dark on
    white."""

    pieces: frozenset[int]
    region: Region
    picture: Image.Image


def hypotheses(image: Image.Image) -> list[Hypothesis]:
    """The groupings of the ink of a clean page (decoded, upright), each once: all nodes of the single-linkage tree of
    the gaps between its pieces, all runs of two to `RUN` neighbours in reading order, and of one to `COLUMNS` columns
    from left to right. None without ink, and none where there are more than `MOST_PIECES`."""
    strength = _strength(image)
    labels, boxes = _pieces(strength)
    if not 1 <= len(boxes) <= MOST_PIECES:
        return []
    groups = {frozenset([i]) for i in range(len(boxes))} | _linked(boxes) | _runs(boxes) | _columns(boxes)
    return [_hypothesis(group, strength, labels, boxes) for group in sorted(groups, key=lambda g: (len(g), sorted(g)))]


def _strength(image: Image.Image) -> np.ndarray:
    """How far each pixel is from the page (H, W) uint8: over the channels, the furthest."""
    pixels = np.asarray(image if image.mode in ("RGB", "L") else image.convert("RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    page = np.partition(edge, len(edge) // 2, axis=0)[len(edge) // 2]
    return cv2.absdiff(pixels, np.broadcast_to(page, pixels.shape)).reshape(pixels.shape).max(axis=2)


def _pieces(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the piece of each pixel (H, W), -1 where there is none, and their boxes (n, 4), in reading order."""
    full = float(np.quantile(strength[strength >= FAINTEST], 0.9)) if (strength >= FAINTEST).any() else 255.0
    mask = (strength >= max(FAINTEST, _LEVEL * full)).astype(np.uint8)
    count, found, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    _, _, w, h = cv2.boundingRect(mask)
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= max(3, _SPECK * w * h)]
    line = 1.5 * float(np.median(stats[kept, cv2.CC_STAT_HEIGHT])) if kept else 1.0
    kept.sort(key=lambda i: _reading_order(stats[i], line))
    number = np.full(count, -1)
    number[kept] = np.arange(len(kept))
    return number[found], stats[kept, :4].astype(int)


def _reading_order(box: np.ndarray, line: float) -> tuple[int, int]:
    """Line by line, each ``line`` pixels high, from left to right."""
    return int((box[1] + box[3] / 2) // line), int(box[0])


def _linked(boxes: np.ndarray) -> set[frozenset[int]]:
    """The nodes of the single-linkage tree of the gaps between boxes."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    apart = np.maximum(0, np.maximum(low[:, None] - high[None], low[None] - high[:, None]))
    gaps = np.hypot(apart[..., 0], apart[..., 1])
    groups = [frozenset([i]) for i in range(len(boxes))]
    out = set()
    for i, j in sorted(zip(*np.triu_indices(len(boxes), 1), strict=True), key=lambda pair: gaps[pair]):
        one, other = (next(g for g in groups if k in g) for k in (i, j))
        if one != other:
            groups = [g for g in groups if g not in (one, other)] + [one | other]
            out.add(one | other)
    return out


def _runs(boxes: np.ndarray) -> set[frozenset[int]]:
    n = len(boxes)
    return {frozenset(range(i, i + length)) for length in range(2, RUN + 1) for i in range(n - length + 1)}


def _columns(boxes: np.ndarray) -> set[frozenset[int]]:
    """Runs of columns: a mark's strokes often stand at several heights, and no reading order keeps them together."""
    columns: list[tuple[frozenset[int], int, int]] = []
    for i in np.lexsort((boxes[:, 1], boxes[:, 0])).tolist():
        left, right = int(boxes[i, 0]), int(boxes[i, 0] + boxes[i, 2])
        if columns:
            held, first, last = columns[-1]
            if 2 * (min(right, last) - left) > min(right - left, last - first):
                columns[-1] = held | {i}, first, max(right, last)
                continue
        columns.append((frozenset([i]), left, right))
    n = len(columns)
    runs = ((i, i + length) for length in range(1, COLUMNS + 1) for i in range(n - length + 1))
    return {frozenset().union(*(column[0] for column in columns[i:j])) for i, j in runs}


def _hypothesis(group: frozenset[int], strength: np.ndarray, labels: np.ndarray, boxes: np.ndarray) -> Hypothesis:
    chosen = boxes[sorted(group)]
    x, y = chosen[:, :2].min(axis=0)
    right, down = (chosen[:, :2] + chosen[:, 2:]).max(axis=0)
    here = np.isin(labels[y:down, x:right], sorted(group)).astype(np.uint8)
    soft = cv2.dilate(here, np.ones((3, 3), np.uint8))  # the strokes' soft edges
    ink = np.where(soft > 0, strength[y:down, x:right], 0).astype(np.float32)
    dark = 255 - np.clip(ink * (255 / max(float(ink.max()), 1.0)), 0, 255)
    margin = max(2, round(0.06 * max(dark.shape)))
    page = cv2.copyMakeBorder(dark.astype(np.uint8), margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255)
    return Hypothesis(group, Region(int(x), int(y), int(right - x), int(down - y)), Image.fromarray(page))
