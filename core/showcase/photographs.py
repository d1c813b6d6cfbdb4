"""Photographs to try Identify on: marks of the sample engraved in a lens or inked on paper, a foreign one, none.

Easy ones on purpose: they say nothing about how good the finder is. They are no part of the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.synthesis import engraving, grounds
from core.synthesis.marks import SIGNS
from core.synthesis.sample import CLASSES
from core.synthesis.strokes import Template

SIDE = 720  # px

Placed = tuple[Template, float, float, float]  # a mark, its middle and its larger side, in sides of the picture


@dataclass(frozen=True)
class Photograph:
    """One to try: its file's name, the classes of the marks that it shows from left to right ("" for one that is not in
    the base), and the JPEG."""

    file: str
    shows: tuple[str, ...]
    data: bytes


def photographs(*, seed: int = 7) -> Iterator[Photograph]:
    """All of them; the same seed gives the same bytes."""
    for number, (file, shows, make) in enumerate(_ALL):
        rng = np.random.default_rng([seed, 200, number])
        picture = np.clip(make(rng), 0, 255).astype(np.uint8)
        yield Photograph(
            file, shows, cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        )


def _of(name: str) -> Template:
    return next(c.template for c in CLASSES if c.name == name)


def _lens(rng: np.random.Generator, marks: Sequence[Placed]) -> np.ndarray:
    """A lens on a cloth, lit from the side, with marks engraved in it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - 0.5
    cloth = (172 + 14 * x - 20 * y)[..., None] * np.array([0.97, 1.0, 1.04], np.float32)
    cloth = cloth + 2.5 * grounds.clouds(rng, SIDE, 0.004)[..., None] + 3 * grounds.clouds(rng, SIDE, 0.2)[..., None]
    away = np.hypot(x / 0.475, y / 0.455)  # 1 on the rim
    glass = (104 - 26 * x + 30 * y)[..., None] * np.array([0.94, 1.0, 1.03], np.float32)
    glass = glass + 3 * grounds.clouds(rng, SIDE, 0.4)[..., None]
    inside = np.clip((1 - away) * 90, 0, 1)[..., None]
    shadow = 38 * np.exp(-np.clip(np.hypot((x - 0.012) / 0.48, (y - 0.02) / 0.465) - 1, 0, None) * 28)[..., None]
    page = (cloth - shadow) * (1 - inside) + glass * inside
    lamp = 0.5 + 0.5 * np.cos(np.arctan2(y, x) + 2.2)
    page = page + (95 * np.exp(-(((away - 0.975) / 0.014) ** 2)) * lamp)[..., None]
    page = page + (20 * np.exp(-(((away - 0.93) / 0.03) ** 2)) * lamp**3)[..., None]
    for mark in marks:
        soft = cv2.GaussianBlur(_cover(rng, *mark), (0, 0), 1.1)
        move = np.array([[1, 0, 1.6], [0, 1, 1.6]], np.float32)
        flank = soft - cv2.warpAffine(soft, move, soft.shape[::-1])
        page = page + (74 * soft + 60 * flank)[..., None]
    return _seen(page, rng)


def _paper(rng: np.random.Generator, marks: Sequence[Placed]) -> np.ndarray:
    """Ink on paper, with the shadow of a hand falling in."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - 0.5
    page = np.array([236, 231, 219], np.float32) + 3 * grounds.clouds(rng, SIDE, 0.006)[..., None]
    page = page + 2.5 * grounds.clouds(rng, SIDE, 0.05)[..., None]
    for mark in marks:
        ink = cv2.GaussianBlur(_cover(rng, *mark), (0, 0), 0.9)[..., None] * 0.92
        page = page * (1 - ink) + np.array([40, 46, 88], np.float32) * ink
    light = 1 + 0.10 * x - 0.14 * y - 0.22 / (1 + np.exp(-(x + 0.6 * y - 0.42) / 0.05))
    return _seen(page * light[..., None], rng)


def _cover(rng: np.random.Generator, template: Template, x: float, y: float, extent: float) -> np.ndarray:
    """How far each pixel is covered by the mark's strokes, (SIDE, SIDE) float32."""
    form = engraving.Form.of(template)
    everything = np.concatenate(form.lines)
    least, size = everything.min(axis=0), np.ptp(everything, axis=0)
    scale = extent * SIDE / float(size.max())
    lines = [(line - least - size / 2) * scale + np.array([x, y]) * SIDE for line in form.lines]
    return engraving.inked(lines, extent * SIDE * 0.062, SIDE, (), rng).max(axis=2)


def _seen(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a camera: a little soft, a little grain."""
    soft = cv2.GaussianBlur(page.astype(np.float32), (0, 0), 0.7)
    return soft + rng.normal(0, 1.3, (SIDE, SIDE, 1)) + rng.normal(0, 0.7, (SIDE, SIDE, 3))


_ALL: tuple[tuple[str, tuple[str, ...], Callable[[np.random.Generator], np.ndarray]], ...] = (
    ("lens.jpg", ("Ω",), lambda rng: _lens(rng, [(_of("Ω"), 0.46, 0.52, 0.26)])),
    (
        "two-marks.jpg",
        ("(e", "ancre"),
        lambda rng: _lens(rng, [(_of("(e"), 0.29, 0.5, 0.19), (_of("ancre"), 0.71, 0.49, 0.18)]),
    ),
    ("paper.jpg", ("lune à droite",), lambda rng: _paper(rng, [(_of("lune à droite"), 0.5, 0.48, 0.36)])),
    ("foreign.jpg", ("",), lambda rng: _lens(rng, [(Template.of(SIGNS["crown"]), 0.53, 0.47, 0.25)])),
    ("no-mark.jpg", (), lambda rng: _lens(rng, [])),
)
