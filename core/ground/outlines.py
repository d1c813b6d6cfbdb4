"""Outlines: the strokes of what the model sees as a few points with directions, to be laid over one another.

They depend on the picture alone, and are kept beside its vector; what is done with them is
`core.recognition.alignment`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.ground.preprocessing import thin

POINTS = 48  # of a mark; with 72, laying two over one another takes 2.3 times as long and tells no more
MOST = 600  # pixels of a mark that are chosen from: a scribble has more
REACH = 5  # px around a point whose strokes give its direction

Strokes = tuple[np.ndarray, np.ndarray]


def outline_of(seen: np.ndarray) -> np.ndarray:
    """`POINTS` points of the strokes in ``seen``, which `core.ground.preprocessing.see` made: (POINTS, 3) uint8.

    Columns: x and y in pixels, and twice the stroke's direction there as a share of the circle, in 256ths. Thinned
    strokes, farthest-point sampling from the pixel farthest from the middle. Where there is no ink: (0, 3).
    """
    pixels, turns = strokes_of(seen, choose=_farthest)
    return np.concatenate([pixels, np.rint(turns / (2 * np.pi) * 256)[:, None] % 256], axis=1).astype(np.uint8)


def strokes_of(seen: np.ndarray, *, choose: Callable[[np.ndarray], np.ndarray] | None = None) -> Strokes:
    """The thinned strokes in ``seen`` (of two pictures beside each other, in the left one): the pixels (M, 2) float32
    as x and y, and at each twice the direction in radians (M,); with ``choose``, of the rows alone that it picks."""
    grey = (seen if seen.ndim == 2 else seen[..., 0])[:, : len(seen)]
    lines = thin(cv2.copyMakeBorder((grey < 128).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0))
    y, x = np.nonzero(lines[1:-1, 1:-1])
    pixels = np.stack([x, y], axis=1).astype(np.float32)
    if not len(pixels):
        return pixels, pixels[:, 0]
    chosen = pixels[choose(pixels)] if choose else pixels
    away = pixels[None] - chosen[:, None]
    near = ((away * away).sum(axis=2) <= REACH * REACH).astype(np.float32)
    x, y = (pixels - pixels.mean(axis=0)).T
    one, sx, sy, xx, xy, yy = (near @ np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)).T
    return chosen, np.arctan2(2 * (xy - sx * sy / one), (xx - sx * sx / one) - (yy - sy * sy / one))


def _farthest(pixels: np.ndarray) -> np.ndarray:
    """Rows of `POINTS` pixels (M, 2) that cover all; where there are fewer, some come several times."""
    if len(pixels) > MOST:
        pixels, kept = pixels[:: -(-len(pixels) // MOST)], -(-len(pixels) // MOST)
    else:
        kept = 1
    length = (pixels * pixels).sum(axis=1)
    apart = length[:, None] + length - 2 * (pixels @ pixels.T)
    away = pixels - pixels.mean(axis=0)
    at = int((away * away).sum(axis=1).argmax())
    chosen = np.empty(POINTS, np.int64)
    left = np.full(len(pixels), np.inf, np.float32)
    for place in range(POINTS):
        chosen[place] = at
        np.minimum(left, apart[at], out=left)
        at = int(left.argmax())
        if left[at] <= 0:  # all are taken: begin again
            left[:] = np.inf
    return chosen * kept


def pack(outline: np.ndarray) -> bytes:
    """As it is stored; b"" where there is no ink."""
    return outline.tobytes()


def unpack(stored: bytes) -> np.ndarray:
    """(POINTS, 3) uint8; zeros where nothing was stored, or no ink seen."""
    whole = len(stored) == 3 * POINTS
    return np.frombuffer(stored if whole else bytes(3 * POINTS), np.uint8).reshape(POINTS, 3)
