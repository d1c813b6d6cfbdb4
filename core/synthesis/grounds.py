"""Grounds that a mark may lie on, made here: paper, metal, cloth, glass, and plain light.

Colours only: what is drawn on them is in `core.synthesis.engraving`.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np


def made(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) float32 of 0 to 255: one of `KINDS`."""
    names = list(KINDS)
    weights = np.array([KINDS[name][1] for name in names])
    return KINDS[names[int(rng.choice(len(names), p=weights / weights.sum()))]][0](rng, side)


def tint(rng: np.random.Generator, amount: float) -> np.ndarray:
    """A colour cast (3,) about 1."""
    return (1 + rng.normal(0, amount, 3)).astype(np.float32)


def clouds(rng: np.random.Generator, side: int, grain: float, *, stretch: float = 1.0) -> np.ndarray:
    """Smooth noise (side, side) float32, unit variance, with blobs about ``grain`` of the side, ``stretch`` times as
    long as high."""
    high = max(3, min(side, int(1 / max(grain, 1 / side))) + 2)
    wide = max(3, int(high / stretch) + 1)
    coarse = rng.standard_normal((high, wide), np.float32)
    fine = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return fine / max(float(fine.std()), 1e-6)


def _tone(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.35:
        level = rng.uniform(200, 255)
    elif kind < 0.85:
        level = rng.uniform(50, 210)
    else:
        level = rng.uniform(0, 60)
    return (level * tint(rng, 0.15 if rng.random() < 0.3 else 0.04)).astype(np.float32)


def _even(rng: np.random.Generator, side: int) -> np.ndarray:
    return np.broadcast_to(_tone(rng), (side, side, 3)).astype(np.float32)


def _white(rng: np.random.Generator, side: int) -> np.ndarray:
    return np.full((side, side, 3), rng.uniform(235, 256), np.float32)


def _cloudy(rng: np.random.Generator, side: int) -> np.ndarray:
    page = np.broadcast_to(_tone(rng), (side, side, 3)).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        grain = float(np.exp(rng.uniform(np.log(0.01), np.log(0.8))))
        page = page + clouds(rng, side, grain)[..., None] * rng.uniform(1, 14) * tint(rng, 0.2)
    return page


def _paper(rng: np.random.Generator, side: int) -> np.ndarray:
    page = rng.uniform(190, 250) * tint(rng, 0.03) * np.ones((side, side, 1), np.float32)
    for grain in (0.008, 0.03, 0.15):
        page = page + clouds(rng, side, grain)[..., None] * rng.uniform(0.5, 5)
    return page.astype(np.float32)


def _stripes(rng: np.random.Generator, side: int, period: float, angle: float) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle) + clouds(rng, side, 0.3) * rng.uniform(0, 0.5)
    return np.sin(along * (2 * np.pi / period))


def _laid(rng: np.random.Generator, side: int) -> np.ndarray:
    """Laid paper: close fine lines, and wide ones across them."""
    page = _paper(rng, side)
    angle = rng.normal(0, 0.06) + (np.pi / 2 if rng.random() < 0.5 else 0)
    page = page + _stripes(rng, side, rng.uniform(2.2, 7), angle)[..., None] * rng.uniform(1.5, 9)
    chain = _stripes(rng, side, side * rng.uniform(0.12, 0.4), angle + np.pi / 2)
    return page - np.clip(chain - 0.93, 0, 1)[..., None] * rng.uniform(0, 160)


def _brushed(rng: np.random.Generator, side: int) -> np.ndarray:
    """Brushed or turned metal."""
    page = _even(rng, side)
    lines = clouds(rng, side, 1 / side, stretch=float(rng.uniform(15, 60))) * rng.uniform(3, 16)
    lines = lines + clouds(rng, side, 0.03, stretch=10) * rng.uniform(1, 8)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.choice([0, 90, rng.uniform(0, 180)])), 1.0)
    turned = cv2.warpAffine(lines, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    sheen = np.exp(-(((x + rng.normal(0, 0.3) * y - rng.uniform(0, 1)) / rng.uniform(0.1, 0.5)) ** 2)) * rng.uniform(
        0, 60
    )
    return page + (turned + sheen)[..., None] * tint(rng, 0.03)


def _woven(rng: np.random.Generator, side: int) -> np.ndarray:
    """Cloth, leather cloth, a screen."""
    page = _even(rng, side)
    period, angle = rng.uniform(2.5, 9), rng.normal(0, 0.3)
    weave = _stripes(rng, side, period, angle) + _stripes(rng, side, period * rng.uniform(0.8, 1.25), angle + np.pi / 2)
    return page + (weave * rng.uniform(2, 14) + clouds(rng, side, 0.2) * rng.uniform(0, 8))[..., None] * tint(rng, 0.05)


def _stone(rng: np.random.Generator, side: int) -> np.ndarray:
    """Grains of every size."""
    page = _even(rng, side)
    for grain in (0.01, 0.02, 0.05, 0.12, 0.3):
        rough = clouds(rng, side, grain)
        if rng.random() < 0.3:
            rough = -np.abs(rough)
        page = page + rough[..., None] * rng.uniform(0, 9)
    return page


def _glass(rng: np.random.Generator, side: int) -> np.ndarray:
    """A blurred room seen through a lens: light and dark areas without an edge, lamps out of focus."""
    tone = rng.uniform(30, 200)
    page = np.broadcast_to((tone * tint(rng, 0.06)).astype(np.float32), (side, side, 3))
    page = page + clouds(rng, side, rng.uniform(0.3, 0.9))[..., None] * rng.uniform(4, 35) * tint(rng, 0.1)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    for _ in range(int(rng.integers(0, 4))):
        far = np.hypot(x - rng.uniform(-0.2, 1.2), y - rng.uniform(-0.2, 1.2))
        soft = np.clip((far - rng.uniform(0.03, 0.5)) / rng.uniform(0.005, 0.06), -30, 30)
        page = page + (rng.uniform(10, 90) / (1 + np.exp(soft)))[..., None]
    return page.astype(np.float32)


KINDS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "even": (_even, 1.0),
    "white": (_white, 1.2),
    "clouds": (_cloudy, 1.6),
    "paper": (_paper, 0.9),
    "laid": (_laid, 0.7),
    "brushed": (_brushed, 0.9),
    "woven": (_woven, 0.6),
    "stone": (_stone, 0.9),
    "glass": (_glass, 1.6),
}
