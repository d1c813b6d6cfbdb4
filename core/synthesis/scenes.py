"""Made photographs: marks drawn, printed or engraved on grounds of every kind, with all that lies beside a mark.

What the finder of marks (`core.sight`) learns from. A ground is made here (`core.synthesis.grounds`) or given: a piece
of a photograph. All randomness comes from the generator passed in; nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.synthesis import grounds
from core.synthesis.camera import camera, lit
from core.synthesis.clutter import behind, beside
from core.synthesis.engraving import LEAST_SEEN, Form, laid, marked, stands_out, washed_out

NONE = 0.16  # share of scenes without a mark


@dataclass(frozen=True)
class Scene:
    """``picture`` (H, W, 3) uint8; ``ink`` (H, W) float32, how far each pixel is covered by a mark; ``boxes`` (n, 4)
    float32 of x, y, width, height: one a mark, also where a part of it lies outside."""

    picture: np.ndarray
    ink: np.ndarray
    boxes: np.ndarray


def scene(
    forms: Callable[[np.random.Generator], Form],
    rng: np.random.Generator,
    *,
    side: int = 128,
    ground: np.ndarray | None = None,
    marks: int | None = None,
    extent: tuple[float, float] = (0.13, 1.25),
) -> Scene:
    """A made photograph of ``side`` x ``side`` pixels.

    ``forms`` gives a mark; ``ground`` (side, side, 3) takes the place of a made one; ``marks``: how many (default:
    none, one or two); ``extent``: the least and the greatest larger side of a mark, shares of the picture's.
    """
    page = grounds.made(rng, side) if ground is None else ground.astype(np.float32)
    behind(page, rng, real=ground is not None)
    if marks is None:
        marks = int(rng.choice([0, 1, 2, 3], p=[NONE, 0.57, 0.21, 0.06]))
    np.clip(page, 0, 255, out=page)
    boxes: list[np.ndarray] = []
    covers: list[np.ndarray] = []
    faintest = 255.0
    for _ in range(marks):
        placed = laid(forms(rng), rng, side, extent, boxes)
        if placed is None:
            continue
        box, cover = placed
        with_mark = marked(page, cover, rng, extent=max(box[2:]))
        seen = stands_out(page, with_mark, cover.max(axis=2))
        if seen is None or seen >= LEAST_SEEN:
            page = with_mark
            boxes.append(box)
            covers.append(cover.max(axis=2))
            faintest = min(faintest, 255.0 if seen is None else seen)
    beside(page, rng, boxes)
    picture = camera(lit(page, rng), rng, faintest)
    kept = [i for i, cover in enumerate(covers) if not washed_out(picture, cover)]
    ink = np.max([covers[i] for i in kept], axis=0) if kept else np.zeros((side, side), np.float32)
    return Scene(picture, ink, np.array([boxes[i] for i in kept], np.float32).reshape(-1, 4))
