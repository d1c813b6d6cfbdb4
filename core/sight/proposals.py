"""Where marks may be: groups of strokes at several sizes of the picture, each place told once, likeliest first.

How likely a place is one whole mark says a judge first: boosted trees over the numbers of its group, and of the groups
that lie in it, around it and at other sizes. The likeliest are looked at again by the reader, which knows strokes from
texture, and held against what is around them (`core.sight.choosing`), which may also move their edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.sight.choosing import Asked, Look, choose
from core.sight.groups import Box, Group, box_at, groups, overlap
from core.sight.network import Seen, judge, look
from core.sight.reading import Reading, read, read_finely

SCALES = (
    96,
    192,
    384,
    768,
)  # px: longer sides at which the picture is looked at; a mark is 15 to 112 px at two of them
MARGIN = 0.14  # round the picture at the coarse ones: a mark may touch the border
_MARGINED = 192
# px: larger side of a group; a rim is no mark, and seen whole at a coarser scale. At these a mark may fill the picture.
_LARGEST, _FILLS = 125, 1.04
LEAST = 0.08  # a middle less probable than this is none
SAME = 0.6  # overlap (intersection over union) from which two places are one
ALIKE, LOOKED_AT = 0.8, 8  # overlap from which they are not both looked at again, and how many are
_STAYED = 0.85  # overlap of a box with the mark's from which it is left as it is
LIKELY = 0.15  # sureness from which a mark is read finely; below it a box is proposed to the person only
_SUPPORTS = 0.5  # overlap from which a group at another size says the same
_HELD, _LARGER = 0.85, 1.3  # share of a box that lies in another from which it is a part of it, and how much larger


@dataclass(frozen=True)
class Place:
    """A box in the picture that may hold one whole mark, the ``look`` in which it was found, and the ``numbers`` (K,)
    that are known of it."""

    box: Box
    look: Look
    numbers: np.ndarray


def places(pixels: np.ndarray, *, most: int, alike: float = SAME) -> list[tuple[Box, Reading]]:
    """The places in ``pixels`` (H, W, 3) or (H, W) uint8 where a mark may be, likeliest first, no two of which overlap
    by more than ``alike``, with what is read there."""
    found, looks = all_places(pixels)
    if not found:
        return []
    judged = judge(np.stack([place.numbers for place in found]))
    again = likeliest([place.box for place in found], judged)
    readings = read(pixels, [found[i].box for i in again], judged[again])
    seen = zip((found[i] for i in again), readings, judged[again].tolist(), strict=True)
    asked = [Asked(place.box, place.look, reading, said) for place, reading, said in seen]
    chosen = choose(pixels, asked, looks)
    moved = [i for i, (box, _) in enumerate(chosen) if overlap(box, asked[i].box) < _STAYED]
    of = [*moved, *range(len(asked))]  # a box whose edges were moved stays one too: they may have been right
    boxes = [chosen[i][0] for i in moved] + [one.box for one in asked]
    sure = np.array([chosen[i][1] for i in of])
    first = likeliest(boxes, sure, most=most, alike=alike)
    marks = {i: Reading(readings[of[i]].ink, float(sure[i])) for i in first}
    anew = [i for i in first if i < len(moved)]
    for i, reading in zip(anew, read(pixels, [boxes[i] for i in anew]), strict=True):
        marks[i] = Reading(reading.ink, marks[i].sure)
    likely = [i for i in first if marks[i].sure >= LIKELY]
    finely = read_finely(pixels, [boxes[i] for i in likely], [marks[i] for i in likely])
    marks |= dict(zip(likely, finely, strict=True))
    return [(boxes[i], marks[i]) for i in first]


def likeliest(
    boxes: Sequence[Sequence[float]], sure: np.ndarray, *, most: int = LOOKED_AT, alike: float = ALIKE
) -> list[int]:
    """At most ``most`` of ``boxes``, the surest first, no two of which overlap by more than ``alike``: by the defaults,
    those that are worth a second look."""
    kept: list[int] = []
    for i in np.argsort(-sure, kind="stable").tolist():
        if len(kept) == most:
            break
        if not any(overlap(boxes[i], boxes[j]) > alike for j in kept):
            kept.append(i)
    return kept


def all_places(pixels: np.ndarray) -> tuple[list[Place], list[Look]]:
    """Every group of strokes at every size, in no order, with its numbers; and the picture as seen at each size."""
    boxes: list[Box] = []
    held: list[Group] = []
    at: list[int] = []
    seen_in: list[Look] = []
    looks: list[Look] = []
    longest = max(pixels.shape[:2])
    for i, scale in enumerate(SCALES):
        if i > 1 and scale > 1.35 * longest:
            break
        shown, factor, shift = reduced(pixels, scale)
        seen = look([shown])[0]
        looks.append(Look(seen, factor, shift))
        size = pixels.shape[0] * factor, pixels.shape[1] * factor
        largest = max(_LARGEST, _FILLS * scale) if scale <= _MARGINED else _LARGEST
        for group in groups(seen, _peaks(seen), size=size, shift=shift, largest=largest):
            boxes.append(_back(group.box, factor, shift))
            held.append(group)
            at.append(scale)
            seen_in.append(looks[-1])
    if not held:
        return [], looks
    among = _among(np.array(boxes), held, np.array(at))
    numbers = np.column_stack([[group.numbers for group in held], np.array(at) / longest, among]).astype(np.float32)
    return [Place(*about) for about in zip(boxes, seen_in, numbers, strict=True)], looks


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


def _peaks(seen: Seen, *, most: int = 24) -> list[Box]:
    """Boxes at the local maxima of the map of middles, most probable first."""
    heat = seen.middles
    top = (heat >= cv2.dilate(heat, np.ones((3, 3), np.uint8))) & (heat > LEAST)
    ys, xs = np.nonzero(top)
    order = np.argsort(-heat[ys, xs])[:most]
    return [box_at(seen, y, x) for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True)]


def _back(box: Box, factor: float, shift: float) -> Box:
    x, y, w, h = box
    return (x - shift) / factor, (y - shift) / factor, w / factor, h / factor


def _among(boxes: np.ndarray, held: Sequence[Group], at: np.ndarray) -> np.ndarray:
    """(N, 7) of each of ``boxes`` (N, 4) at the scales ``at`` (N,): how far a group at another size has the same box,
    how sure its strokes are and how far off the next ink; its weight, and the weight of the heaviest group that it is a
    part of, of the heaviest part of it, and its own, each beside the other."""
    corner = boxes[:, :2] + boxes[:, 2:]
    shared = np.clip(np.minimum(corner[:, None], corner) - np.maximum(boxes[:, None, :2], boxes[:, :2]), 0, None)
    common, area = shared.prod(axis=2), np.maximum(boxes[:, 2:].prod(axis=1), 1e-6)
    same = common / (area[:, None] + area - common)
    elsewhere = np.where(at[:, None] != at, same, 0)
    nearest, best = elsewhere.argmax(axis=1), elsewhere.max(axis=1)
    said = best > _SUPPORTS
    sure = np.array([group.sure for group in held])[nearest] * said
    alone = np.array([group.alone for group in held])[nearest] * said
    weight = np.array([group.weight for group in held])
    own = np.maximum(weight, 0.05)
    part = (common / area[:, None] > _HELD) & (area > _LARGER * area[:, None]) & (area < 12 * area[:, None])
    whole = (common / area > _HELD) & (area * _LARGER < area[:, None])
    above, below = (np.where(mask, weight, 0).max(axis=1) / own for mask in (part, whole))
    first = weight / max(weight.max(), 0.01)
    return np.column_stack([best, sure, alone, weight, np.minimum(above, 6), np.minimum(below, 6), first])
