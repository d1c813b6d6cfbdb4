"""Where marks may be: the network's map of middles at several sizes of the picture, each place told once.

Places only, with all that a second look (`core.sight.second`) is told of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.sight.network import CELL, Seen, look

SCALES = (
    96,
    192,
    384,
    768,
)  # px: longer sides at which the picture is looked at; a mark is 15 to 112 px at two of them
MARGIN = 0.14  # round the picture at the coarse ones: a mark may touch the border
_MARGINED = 192
LEAST = 0.08  # a middle less probable than this is none
WORTH = 0.2  # of the most probable middle's: what is less is not looked at again
INK = 0.45  # probability of a stroke from which it is ink
_REACHES = (3, 8)  # px: half the gap over which strokes are one group
_SMALLEST, _LARGEST = 14, 120  # px: larger side of a group: a rim is no mark, and seen whole at a coarser scale
_UNSEEN = 0.3
SAME = 0.55  # overlap (intersection over union) from which two places are one

Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the picture


@dataclass(frozen=True)
class Place:
    """A box in the picture that may hold one whole mark; ``middle``: how probably so at the first look; ``scale``: the
    picture's longer side at it; ``seconded``: the highest probability of the same place at another scale."""

    box: Box
    middle: float
    scale: int
    seconded: float = 0.0


def places(pixels: np.ndarray, *, most: int = 12, scales: Sequence[int] = SCALES) -> list[Place]:
    """The places in ``pixels`` (H, W, 3) or (H, W) uint8 where a mark may be, most probable first."""
    found: list[Place] = []
    longest = max(pixels.shape[:2])
    for i, scale in enumerate(scales):
        if i > 1 and scale > 1.35 * longest:
            break
        shown, factor, shift = reduced(pixels, scale)
        seen = look([shown])[0]
        found += [Place(_back(box, factor, shift), middle, scale) for box, middle in (*_peaks(seen), *_groups(seen))]
    once = _once(found)
    return [place for place in once[:most] if place.middle >= WORTH * once[0].middle]


def reduced(pixels: np.ndarray, scale: int) -> tuple[np.ndarray, float, float]:
    """The picture with ``scale`` as its longer side, how many of its pixels that one of the picture's is, and how far
    the margin pushes it."""
    factor = scale / max(pixels.shape[:2])
    size = max(8, round(pixels.shape[1] * factor)), max(8, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    if scale > _MARGINED:
        return small, factor, 0.0
    margin = round(MARGIN * scale)
    return with_margin(small, margin), factor, float(margin)


def with_margin(pixels: np.ndarray, margin: int) -> np.ndarray:
    """``pixels`` within ``margin`` pixels of its edges' median colour."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(edge, axis=0)
    value = tuple(float(v) for v in np.atleast_1d(colour))
    return cv2.copyMakeBorder(pixels, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=value)


def _peaks(seen: Seen, *, most: int = 24) -> list[tuple[Box, float]]:
    """Boxes at the local maxima of the map of middles, and their probabilities."""
    heat = seen.middles
    top = (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))) & (heat > LEAST)
    ys, xs = np.nonzero(top)
    order = np.argsort(-heat[ys, xs])[:most]
    out = []
    for y, x in zip(ys[order], xs[order], strict=True):
        left, up, right, down = (float(v) for v in seen.sides[:, y, x])
        cx, cy = (x + 0.5) * CELL, (y + 0.5) * CELL
        out.append(((cx - left, cy - up, left + right, up + down), float(heat[y, x])))
    return out


def _groups(seen: Seen, *, most: int = 8) -> list[tuple[Box, float]]:
    """Boxes of strokes that lie near each other, at two distances, and how probable a middle is in each; a part of how
    sure its strokes are where no middle was seen."""
    mask = (seen.strokes > INK).astype(np.uint8)
    inked = np.nonzero(mask)
    out = []
    for reach in _REACHES:
        near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8, ltype=cv2.CV_32S)
        own = labels[inked]
        sure = np.bincount(own, seen.strokes[inked], count) / np.maximum(np.bincount(own, minlength=count), 1)
        for i in range(1, count):
            x, y, w, h = (int(v) for v in stats[i, :4] + (reach, reach, -2 * reach, -2 * reach))
            x, y, w, h = max(x, 0), max(y, 0), max(w, 1), max(h, 1)
            if _SMALLEST <= max(w, h) <= _LARGEST:
                rows = slice((y + h // 4) // CELL, (y + h - h // 4) // CELL + 1)
                columns = slice((x + w // 4) // CELL, (x + w - w // 4) // CELL + 1)
                middle = seen.middles[rows, columns].max(initial=0.0)
                out.append(((float(x), float(y), float(w), float(h)), max(float(middle), _UNSEEN * float(sure[i]))))
    return sorted(out, key=lambda one: -one[1])[:most]


def _back(box: Box, factor: float, shift: float) -> Box:
    x, y, w, h = box
    return (x - shift) / factor, (y - shift) / factor, w / factor, h / factor


def _once(found: list[Place]) -> list[Place]:
    """Each place once, at its most probable scale, told how probable it is at another."""
    out: list[Place] = []
    for place in sorted(found, key=lambda p: -p.middle):
        for i, kept in enumerate(out):
            if overlap(kept.box, place.box) > SAME:
                if place.scale != kept.scale and place.middle > kept.seconded:
                    out[i] = Place(kept.box, kept.middle, kept.scale, place.middle)
                break
        else:
            out.append(place)
    return out


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / (one[2] * one[3] + other[2] * other[3] - wide * high)
