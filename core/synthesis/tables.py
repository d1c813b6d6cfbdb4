"""Whole photographs, made: a disc, a plate or nothing on a table, small marks on it, and light that plays on it.

What the judge of the finder (`core.sight.proposals`) learns from beside `core.synthesis.scenes`, whose grounds,
marks and lights they share: in a large picture much more than the mark can be taken for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from core.synthesis import grounds
from core.synthesis.camera import camera, glare, lit
from core.synthesis.clutter import beside, blend, scratches, tone_on
from core.synthesis.engraving import LEAST_SEEN, Form, laid, marked, stands_out, washed_out
from core.synthesis.scenes import Scene

SMALLEST, LARGEST = 0.045, 0.3  # larger side of a mark, shares of the picture's
_TRIES = 12


def table(
    forms: Callable[[np.random.Generator], Form],
    rng: np.random.Generator,
    *,
    side: int = 640,
    ground: np.ndarray | None = None,
    marks: int = 1,
) -> Scene:
    """A made photograph of ``side`` x ``side`` pixels. ``forms`` gives a mark; ``ground`` (side, side, 3) takes the
    place of a made one; ``marks``: how many at most."""
    page = grounds.made(rng, side) if ground is None else ground.astype(np.float32)
    thing = _thing(rng, side)
    _lay(page, thing, rng)
    np.clip(page, 0, 255, out=page)
    boxes: list[np.ndarray] = []
    ink = np.zeros((side, side), np.float32)
    faintest = 255.0
    for _ in range(marks):
        seen = _mark(page, ink, forms(rng), thing, boxes, rng)
        faintest = min(faintest, seen)
    if rng.random() < 0.5:
        beside(page, rng, boxes)
    _play(page, thing, boxes, rng)
    picture = camera(lit(page, rng) if rng.random() < 0.5 else page, rng, faintest)
    kept = np.array([b for b in boxes if not washed_out(picture, _only(ink, b))], np.float32).reshape(-1, 4)
    ink = np.max([_only(ink, box) for box in kept], axis=0) if len(kept) else np.zeros_like(ink)
    return Scene(picture, ink, kept)


@dataclass(frozen=True)
class _Thing:
    """What lies on the table: an ellipse or, with ``corners``, a plate; its middle and half axes in pixels."""

    middle: np.ndarray
    axes: np.ndarray
    turn: float
    corners: bool

    def filled(self, side: int, grow: float = 1.0, width: int = -1) -> np.ndarray:
        """Its area, or its outline ``width`` pixels wide, ``grow`` times as large: (side, side) uint8."""
        mask = np.zeros((side, side), np.uint8)
        if self.corners:
            wide, high = (2 * grow * float(v) for v in self.axes)
            corners = cv2.boxPoints(((float(self.middle[0]), float(self.middle[1])), (wide, high), self.turn))
            points = [np.rint(corners * 16).astype(np.int32)]
            if width < 0:
                cv2.fillPoly(mask, points, 255, cv2.LINE_AA, shift=4)
            else:
                cv2.polylines(mask, points, True, 255, width, cv2.LINE_AA, shift=4)
            return mask
        centre, axes = (tuple(round(float(v) * 16) for v in pair) for pair in (self.middle, grow * self.axes))
        cv2.ellipse(mask, centre, axes, self.turn, 0, 360, 255, width, cv2.LINE_AA, shift=4)
        return mask

    def place(self, rng: np.random.Generator, spread: float) -> np.ndarray:
        """Somewhere on it, up to ``spread`` of the way to its edge."""
        angle, away = rng.uniform(0, 2 * np.pi), spread * np.sqrt(rng.random())
        x, y = away * self.axes * np.array([np.cos(angle), np.sin(angle)])
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        return self.middle + np.array([c * x - s * y, s * x + c * y])


def _thing(rng: np.random.Generator, side: int) -> _Thing:
    axes = side * rng.uniform(0.25, 0.62) * np.array([1, rng.uniform(0.8, 1)])
    return _Thing(side * rng.uniform(0.35, 0.65, 2), axes, float(rng.uniform(0, 180)), bool(rng.random() < 0.2))


def _lay(page: np.ndarray, thing: _Thing, rng: np.random.Generator) -> None:
    """Glass, metal or paper on the table: lighter, darker or of another ground, with one to four rims."""
    side = page.shape[0]
    kind = rng.random()
    if kind > 0.85:  # nothing lies there
        return
    inside = cv2.GaussianBlur(thing.filled(side), (0, 0), float(rng.uniform(0.5, 2.5)))[..., None] / 255.0
    if kind < 0.4:  # glass
        blurred = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.5, 8)))
        page += inside * (blurred * rng.uniform(0.7, 1.05) + rng.uniform(-20, 50) - page)
    else:
        page += inside * (grounds.made(rng, side) - page)
    grow = 1.0
    for _ in range(int(rng.integers(0, 5))):
        width = max(1, round(side * float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))))
        rim = cv2.GaussianBlur(thing.filled(side, grow, width), (0, 0), float(rng.uniform(0.4, 2.5)))
        if rng.random() < 0.6:  # bright where the lamp is
            y, x = np.mgrid[0:side, 0:side].astype(np.float32)
            angle = np.arctan2(y - thing.middle[1], x - thing.middle[0]) - rng.uniform(0, 2 * np.pi)
            rim = (rim * np.clip(0.5 + rng.uniform(0.5, 2) * np.cos(angle), 0, 1)).astype(np.uint8)
        blend(page, rim, tone_on(page, rng))
        grow *= 1 - float(rng.uniform(0.01, 0.15))


def _mark(
    page: np.ndarray, ink: np.ndarray, form: Form, thing: _Thing, boxes: list[np.ndarray], rng: np.random.Generator
) -> float:
    """Cut or paint one mark, in place, where there is room; how far it stands out in grey levels (255: none was)."""
    side = page.shape[0]
    extent = side * float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
    piece = round(1.3 * extent) + 12
    for _ in range(_TRIES):
        x, y = (int(v) for v in np.rint(thing.place(rng, 0.8) - piece / 2))
        if x < 0 or y < 0 or max(x, y) + piece > side:
            continue
        if any(x < b[0] + b[2] and b[0] < x + piece and y < b[1] + b[3] and b[1] < y + piece for b in boxes):
            continue
        placed = laid(form, rng, piece, (extent / piece, 1.001 * extent / piece), [])
        if placed is None:
            continue
        box, cover = placed
        if min(box[:2]) < 0 or max(box[0] + box[2], box[1] + box[3]) > piece:
            continue
        here = page[y : y + piece, x : x + piece]
        with_mark = marked(here, cover, rng, extent=extent)
        seen = stands_out(here, with_mark, cover.max(axis=2))
        if seen is None or seen < LEAST_SEEN:
            continue
        here[:] = with_mark
        ink[y : y + piece, x : x + piece] = np.maximum(ink[y : y + piece, x : x + piece], cover.max(axis=2))
        boxes.append(box + np.array([x, y, 0, 0], np.float32))
        return seen
    return 255.0


def _play(page: np.ndarray, thing: _Thing, boxes: list[np.ndarray], rng: np.random.Generator) -> None:
    """Lamps, windows, arcs of light and scratches on the thing, in place; never over a mark."""
    side = page.shape[0]
    free: np.ndarray = np.ones((side, side), np.float32)
    for x, y, w, h in boxes:
        more = 0.1 * max(w, h)
        cv2.rectangle(free, (round(x - more), round(y - more)), (round(x + w + more), round(y + h + more)), 0.0, -1)
    free = cv2.blur(free, (9, 9))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    for _ in range(int(rng.integers(0, 6))):
        at = thing.place(rng, 1.0) / side
        scale = float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))  # `glare` fills a picture; here it is a spot
        near = float(np.hypot(*(0.6 * np.ones(2)))) * scale
        light = glare((x - at[0]) / scale, (y - at[1]) / scale, rng)
        light *= np.hypot(x - at[0], y - at[1]) < 2 * near
        page += (light * free)[..., None] * grounds.tint(rng, 0.06)
    for _ in range(int(rng.integers(0, 4))):  # arcs of light, as a bent edge throws them
        mask = np.zeros((side, side), np.uint8)
        centre = tuple(round(float(v) * 16) for v in thing.place(rng, 1.2))
        axes = tuple(round(side * 16 * float(v)) for v in np.exp(rng.uniform(np.log(0.02), np.log(0.5), 2)))
        start = rng.uniform(0, 360)
        width = max(1, round(side * float(np.exp(rng.uniform(np.log(0.002), np.log(0.015))))))
        cv2.ellipse(mask, centre, axes, 0, start, start + rng.uniform(20, 200), 255, width, cv2.LINE_AA, shift=4)
        soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.5, 4)))
        page += (soft.astype(np.float32) / 255 * free * rng.uniform(15, 160))[..., None]
    if rng.random() < 0.3:
        scratches(page, rng)


def _only(ink: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The ink (H, W) that lies in ``box``."""
    x, y, w, h = box
    out = np.zeros_like(ink)
    rows, columns = slice(max(0, int(y) - 1), int(y + h) + 2), slice(max(0, int(x) - 1), int(x + w) + 2)
    out[rows, columns] = ink[rows, columns]
    return out
