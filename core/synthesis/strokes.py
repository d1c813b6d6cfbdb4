"""The pen's movements: strokes, templates made of them, and a short notation to write them down.

Geometry only: which marks exist is in `core.synthesis.marks`, how they get onto a picture in `core.synthesis.drawing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """One movement of the pen: ``points`` (x right, y down), sampled finely enough to be joined by lines.

    ``solid``: a catalogue icon fills it with ink.
    """

    points: tuple[Point, ...]
    closed: bool = False
    solid: bool = False

    def mapped(self, change: Callable[[float, float], Point]) -> Stroke:
        return replace(self, points=tuple(change(x, y) for x, y in self.points))


@dataclass(frozen=True)
class Template:
    """The ideal form of a mark: its strokes, inside the unit square and touching two opposite sides of it."""

    strokes: tuple[Stroke, ...]

    @classmethod
    def of(cls, strokes: Sequence[Stroke]) -> Template:
        """``strokes`` moved and scaled, proportions kept, into the middle of the unit square."""
        xs = [x for stroke in strokes for x, _ in stroke.points]
        ys = [y for stroke in strokes for _, y in stroke.points]
        left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        scale = 1 / max(width, height, 1e-9)
        dx, dy = (1 - width * scale) / 2, (1 - height * scale) / 2
        return cls(tuple(s.mapped(lambda x, y: ((x - left) * scale + dx, (y - top) * scale + dy)) for s in strokes))

    def mirrored(self) -> Template:
        """The same mark seen in a mirror (left and right exchanged)."""
        return Template(tuple(mirrored(self.strokes)))

    def turned(self, degrees: float) -> Template:
        """The same mark rotated clockwise about its middle, fitted into the square again."""
        return Template.of(turned(self.strokes, degrees))


def mirrored(strokes: Sequence[Stroke]) -> list[Stroke]:
    """Unit-square strokes with left and right exchanged."""
    return [s.mapped(lambda x, y: (1 - x, y)) for s in strokes]


def turned(strokes: Sequence[Stroke], degrees: float) -> list[Stroke]:
    """Strokes rotated clockwise about the point (0, 0)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [k.mapped(lambda x, y: (c * x - s * y, s * x + c * y)) for k in strokes]


def placed(strokes: Sequence[Stroke], x: float, y: float, width: float, height: float) -> list[Stroke]:
    """Unit-square strokes moved into a box whose top left corner is (x, y)."""
    return [s.mapped(lambda u, v: (x + u * width, y + v * height)) for s in strokes]


def path(*points: Point, closed: bool = False) -> Stroke:
    """Straight from point to point."""
    return Stroke((*points, points[0]) if closed else points, closed)


def bend(*points: Point, closed: bool = False) -> Stroke:
    """A smooth line through the points: centripetal Catmull-Rom spline (Yuksel, Schaefer and Keyser, 2011)."""
    p = np.array([points[-1], *points, points[0], points[1]] if closed else [points[0], *points, points[-1]], float)
    if not closed:
        p[0], p[-1] = 2 * p[1] - p[2], 2 * p[-2] - p[-3]
    knots = np.concatenate([[0], np.cumsum(np.sqrt(np.maximum(np.linalg.norm(np.diff(p, axis=0), axis=1), 1e-9)))])
    out = []
    for i in range(1, len(p) - 2):
        t0, t1, t2, t3 = knots[i - 1 : i + 3]
        p0, p1, p2, p3 = p[i - 1 : i + 3]
        t = np.linspace(t1, t2, 12, endpoint=i == len(p) - 3)[:, None]
        a = (t1 - t) / (t1 - t0) * p0 + (t - t0) / (t1 - t0) * p1
        b = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
        c = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
        d = (t2 - t) / (t2 - t0) * a + (t - t0) / (t2 - t0) * b
        e = (t3 - t) / (t3 - t1) * b + (t - t1) / (t3 - t1) * c
        out.append((t2 - t) / (t2 - t1) * d + (t - t1) / (t2 - t1) * e)
    return Stroke(_points(np.concatenate(out)), closed)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Part of an ellipse about (x, y), angles in degrees, 0 to the right and 90 downward."""
    angles = np.radians(np.linspace(start, end, max(8, int(abs(end - start) / 6))))
    return Stroke(
        _points(np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)), abs(end - start) >= 360
    )


def ring(x: float, y: float, rx: float, ry: float | None = None) -> Stroke:
    """A whole ellipse, begun at its top and drawn to the left as people do."""
    return arc(x, y, rx, rx if ry is None else ry, -90, -450)


def read(notation: str) -> tuple[Stroke, ...]:
    """Strokes from their notation, in hundredths of the unit square.

    Strokes are parted by ``/``. A stroke is one or more pieces drawn without lifting the pen:
    ``- x y x y ...`` straight, ``~ x y ...`` smooth, ``( x y rx ry start end`` an arc in degrees,
    ``o x y rx ry`` an ellipse. A last word ``z`` closes it, ``z*`` also fills it in icons.
    """
    return tuple(_read_stroke(part.split()) for part in notation.split("/"))


def _read_stroke(words: list[str]) -> Stroke:
    ending = words.pop() if words[-1] in ("z", "z*") else ""
    pieces: list[tuple[str, list[float]]] = []
    for word in words:
        if word in _PIECES:
            pieces.append((word, []))
        else:
            pieces[-1][1].append(float(word))
    if len(pieces) == 1 and ending and pieces[0][0] in "-~":
        make = path if pieces[0][0] == "-" else bend
        return replace(make(*_pairs(pieces[0][1]), closed=True), solid=ending == "z*")
    drawn = [_PIECES[kind](numbers) for kind, numbers in pieces]
    if len(drawn) == 1:
        return replace(drawn[0], solid=ending == "z*")
    joined = path(*(point for piece in drawn for point in piece.points), closed=bool(ending))
    return replace(joined, solid=ending == "z*")


def _pairs(numbers: list[float]) -> list[Point]:
    return [(x / 100, y / 100) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


_PIECES: dict[str, Callable[[list[float]], Stroke]] = {
    "-": lambda n: path(*_pairs(n)),
    "~": lambda n: bend(*_pairs(n)),
    "(": lambda n: arc(n[0] / 100, n[1] / 100, n[2] / 100, n[3] / 100, n[4], n[5]),
    "o": lambda n: ring(n[0] / 100, n[1] / 100, n[2] / 100, n[3] / 100),
}


def _points(array: np.ndarray) -> tuple[Point, ...]:
    return tuple((x, y) for x, y in array.tolist())
