"""Groups of strokes in what the network sees: which pieces of ink may be one mark, at one size of the picture.

Pieces are joined one after another, nearest first (single linkage), and every step may be a mark; so may the ink in
each box that the network sees by itself. Each group has numbers that tell a part from a whole: how wide its own gaps
are beside the gap to the next ink, how much lies in and around it that is not its own, how sure its strokes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.sight.network import CELL, Seen

INK = 0.45  # probability of a stroke from which it is ink
SMALLEST = 12  # px: larger side of a group
WIDEST = 0.6  # of a group's extent: no wider gap is joined
_PIECES = 36  # that hold the most ink
_POINTS = 48  # of a piece's outline that gaps are measured from
_MOST = 60  # groups of one picture
_INSIDE = 0.6  # share of a piece that lies in the network's box from which it belongs to it

Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True)
class Group:
    """Pieces of ink that may be one mark: their ``box`` in pixels of what was seen, and the ``numbers`` that say what
    the group is like."""

    box: Box
    numbers: list[float]

    @property
    def alone(self) -> float:
        """The gap to the next ink, in extents."""
        return self.numbers[4]

    @property
    def sure(self) -> float:
        """How probable its strokes are, on the mean."""
        return self.numbers[7]

    @property
    def weight(self) -> float:
        """How much of sure strokes there is: length in extents, times how sure they are, to the fourth."""
        return self.numbers[6] * self.sure**4


@dataclass(frozen=True)
class _Pieces:
    """Connected ink: ``corners`` (n, 4) x0, y0, x1, y1; the sum of its probabilities, ``mass`` (n,); its pixels,
    ``area`` (n,); the ``gaps`` (n, n) between outlines; the mass of all ink, ``total``."""

    corners: np.ndarray
    mass: np.ndarray
    area: np.ndarray
    gaps: np.ndarray
    total: float


def groups(seen: Seen, boxes: Sequence[Box], *, size: tuple[float, float], shift: float, largest: float) -> list[Group]:
    """What may be a mark in ``seen``: groups of its ink and the ink of its ``boxes``. ``size``: height and width of the
    picture in it, which starts ``shift`` pixels from its upper left corner. No group's larger side is over
    ``largest``."""
    pieces = _pieces(seen.strokes, largest)
    if pieces is None:
        return []
    joined = _joined(pieces, boxes, largest)
    found = [_measured(pieces, sorted(members), gap, side=max(size)) for members, gap in joined.items()]
    kept = sorted((group for group in found if group is not None), key=lambda group: -group.weight)[:_MOST]
    return [_with_surroundings(group, seen, size, shift) for group in kept]


def _pieces(strokes: np.ndarray, largest: float) -> _Pieces | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (strokes > INK).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    mass = np.bincount(labels.ravel(), strokes.ravel(), count)
    fits = (stats[:, cv2.CC_STAT_AREA] >= 4) & (
        stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) <= largest
    )
    fits[0] = False
    order = np.flatnonzero(fits)
    order = order[np.argsort(-mass[order], kind="stable")][:_PIECES]
    if not len(order):
        return None
    outlines = [_outline(labels, stats[i], int(i)) for i in order]
    left, up, wide, high = stats[order, :4].astype(np.float32).T
    return _Pieces(
        np.stack([left, up, left + wide, up + high], axis=1),
        mass[order],
        stats[order, cv2.CC_STAT_AREA].astype(float),
        _gaps(outlines),
        float(mass[1:].sum()),
    )


def _outline(labels: np.ndarray, stat: np.ndarray, label: int) -> np.ndarray:
    """(p, 2) points of a piece's outline."""
    x, y, w, h = (int(v) for v in stat[:4])
    own = (labels[y : y + h, x : x + w] == label).astype(np.uint8)
    lines, _ = cv2.findContours(own, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(lines)[:, 0].astype(np.float32)
    if len(points) > _POINTS:
        points = points[np.linspace(0, len(points) - 1, _POINTS).astype(int)]
    return points + np.array([x, y], np.float32)


def _gaps(outlines: Sequence[np.ndarray]) -> np.ndarray:
    """(n, n) the least distance between points of each two."""
    points = np.concatenate(outlines)
    starts = np.cumsum([0, *(len(each) for each in outlines)])
    squares = (points**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)
    rows = np.minimum.reduceat(apart, starts[:-1], axis=0)
    return np.sqrt(np.minimum.reduceat(rows, starts[:-1], axis=1))


def _joined(pieces: _Pieces, boxes: Sequence[Box], largest: float) -> dict[frozenset[int], float]:
    """The groups, each with the widest gap in it."""
    corners, gaps, count = pieces.corners, pieces.gaps, len(pieces.mass)
    extents = (corners[:, 2:] - corners[:, :2]).max(axis=1)
    found = {frozenset([i]): 0.0 for i in range(count)}
    pairs = np.triu_indices(count, 1)
    for nearness in (gaps, gaps / (np.maximum(extents[:, None], extents) + 4)):  # in pixels, and in sizes of the pieces
        own = {i: frozenset([i]) for i in range(count)}
        of = list(range(count))
        for at in np.argsort(nearness[pairs], kind="stable"):
            one, other, gap = of[pairs[0][at]], of[pairs[1][at]], float(gaps[pairs[0][at], pairs[1][at]])
            if one == other:
                continue
            both = own[one] | own[other]
            extent = _extent(corners[sorted(both)])
            if extent > largest or gap > WIDEST * extent:
                continue
            for i in own[other]:
                of[i] = one
            own[one] = both
            found.setdefault(both, gap)
    for x, y, w, h in boxes:
        if max(w, h) > 1.1 * largest:
            continue
        slack = 0.06 * max(w, h) + 1
        wide = np.minimum(corners[:, 2], x + w + slack) - np.maximum(corners[:, 0], x - slack)
        high = np.minimum(corners[:, 3], y + h + slack) - np.maximum(corners[:, 1], y - slack)
        shared = (np.clip(wide, 0, None) + 0.5) * (np.clip(high, 0, None) + 0.5)
        inside = shared / (corners[:, 2:] - corners[:, :2] + 0.5).prod(axis=1) > _INSIDE
        members = frozenset(np.flatnonzero(inside).tolist())
        if members and members not in found:
            found[members] = _widest(gaps[np.ix_(sorted(members), sorted(members))])
    return found


def _extent(corners: np.ndarray) -> float:
    return float((corners[:, 2:].max(axis=0) - corners[:, :2].min(axis=0)).max())


def _widest(gaps: np.ndarray) -> float:
    """The widest gap of the least spanning tree of (n, n) ``gaps``, after Prim."""
    left, widest, outside = gaps[0].copy(), 0.0, np.ones(len(gaps), bool)
    outside[0] = False
    for _ in range(len(gaps) - 1):
        nearest = int(np.where(outside, left, np.inf).argmin())
        widest = max(widest, float(left[nearest]))
        outside[nearest] = False
        left = np.minimum(left, gaps[nearest])
    return widest


def _measured(pieces: _Pieces, members: list[int], gap: float, *, side: float) -> Group | None:
    """The group of ``members``, with what its own ink and the other ink say; None where it is too small."""
    corners, mass, area = pieces.corners, pieces.mass, pieces.area
    low, high = corners[members, :2].min(axis=0), corners[members, 2:].max(axis=0)
    (wide, tall), extent = (high - low).tolist(), float((high - low).max())
    if extent < SMALLEST:
        return None
    held, rest = float(mass[members].sum()), np.setdiff1d(np.arange(len(mass)), members)
    own = np.array(members)
    outer, within, around, close = 3.0, 0.0, 0.0, 0.0
    if len(rest):
        middles, reach = (corners[rest, :2] + corners[rest, 2:]) / 2, 0.35 * extent
        apart = pieces.gaps[np.ix_(own, rest)].min(axis=0)
        outer = float(apart.min()) / extent
        within = float(mass[rest][((middles > low) & (middles < high)).all(axis=1)].sum()) / held
        around = float(mass[rest][((middles > low - reach) & (middles < high + reach)).all(axis=1)].sum()) / held
        close = float(mass[rest][apart < 0.5 * extent].sum()) / held
    inner, outer = gap / extent, min(outer, 2.5)
    numbers = [
        np.log(extent),
        float(np.log(extent / side)),
        min(wide, tall) / extent,
        inner,
        outer,
        outer / (inner + 0.05),
        held / extent,
        held / float(area[members].sum()),
        len(members),
        float(mass[members].max()) / held,
        held / max(pieces.total, 1.0),
        min(within, 3.0),
        min(around, 4.0),
        min(close, 4.0),
        float(area[members].sum()) / max(wide * tall, 1.0),
    ]
    return Group((float(low[0]), float(low[1]), wide, tall), numbers)


def _with_surroundings(group: Group, seen: Seen, size: tuple[float, float], shift: float) -> Group:
    """The group with what the network says of its box: the middle near its own, how far the box that goes with that is
    its box; how near the picture's edge it is, and how much around it is neither ink nor ground."""
    x, y, w, h = group.box
    extent, (height, width) = max(w, h), size
    cx, cy, reach = (x + w / 2) / CELL, (y + h / 2) / CELL, max(1, round(0.18 * extent / CELL))
    top, left = max(0, int(cy) - reach), max(0, int(cx) - reach)
    near = seen.middles[top : int(cy) + reach + 1, left : int(cx) + reach + 1]
    middle = fits = larger = 0.0
    if near.size:
        row, column = np.unravel_index(int(near.argmax()), near.shape)
        middle = float(near[row, column])
        there = box_at(seen, int(row) + top, int(column) + left)
        fits, larger = overlap(group.box, there), float(np.log(max(there[2], there[3], 1) / extent))
    inside = seen.middles[
        max(0, int(y / CELL)) : int((y + h) / CELL) + 1, max(0, int(x / CELL)) : int((x + w) / CELL) + 1
    ]
    edge = min(x - shift, y - shift, width + shift - x - w, height + shift - y - h) / extent
    more = 0.3 * extent
    around = seen.strokes[max(0, int(y - more)) : int(y + h + more) + 1, max(0, int(x - more)) : int(x + w + more) + 1]
    unsure = int(np.count_nonzero((around > 0.12) & (around < INK))) / max(int(np.count_nonzero(around > INK)), 1)
    numbers = [
        *group.numbers,
        middle,
        fits,
        larger,
        float(inside.max(initial=0.0)),
        float(inside.sum()),
        float(np.clip(edge, -1, 2)),
        min(unsure, 4.0),
    ]
    return Group(group.box, numbers)


def box_at(seen: Seen, row: int, column: int) -> Box:
    """The box that goes with a cell of the map of middles."""
    left, up, right, down = (float(v) for v in seen.sides[:, row, column])
    x, y = (column + 0.5) * CELL, (row + 0.5) * CELL
    return x - left, y - up, left + right, up + down


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / (one[2] * one[3] + other[2] * other[3] - wide * high)
