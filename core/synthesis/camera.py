"""Light on a picture, and the picture as a camera or a scanner gives it.

All randomness comes from the generator passed in; nothing is read or written.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.ground.images import decode
from core.synthesis import grounds


def lit(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light on the picture: falling off, a shadow's edge, lamps and windows mirrored in glass."""
    side = page.shape[0]
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        page = page * (1 + float(rng.uniform(0, 0.6)) * (x * np.cos(angle) + y * np.sin(angle)))[..., None]
    if rng.random() < 0.2:
        angle = rng.uniform(0, 2 * np.pi)
        edge = x * np.cos(angle) + y * np.sin(angle) - float(rng.uniform(-0.4, 0.4))
        page = (
            page
            * (1 - float(rng.uniform(0.15, 0.6)) / (1 + np.exp(-edge / float(rng.uniform(0.005, 0.08)))))[..., None]
        )
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            page = page + glare(x, y, rng)[..., None] * grounds.tint(rng, 0.06)
    return page


def glare(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lamp, a panel, a window, a disc or a ring mirrored somewhere: what it adds at ``x`` and ``y``, each (H, W) and
    -0.5 to 0.5 in the picture."""
    cx, cy, angle = *rng.uniform(-0.6, 0.6, 2), rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    a, b = np.exp(rng.uniform(np.log(0.02), np.log(0.4), 2))
    kind = rng.random()
    if kind < 0.25:
        return (np.exp(-((u / a) ** 2 + (v / b) ** 2)) * float(rng.uniform(30, 250))).astype(np.float32)
    if kind < 0.45:  # a lamp's or a screen's panel, a tube
        away = np.maximum(np.abs(u) - a, np.abs(v) - b)
    elif kind < 0.6:  # a window with its bars
        panes = rng.integers(1, 4, 2)
        fold_u, fold_v = np.mod(u, 2 * a) - a, np.mod(v, 2 * b) - b
        bar = float(rng.uniform(0.05, 0.2))
        pane = np.maximum(np.abs(fold_u) - a * (1 - bar), np.abs(fold_v) - b * (1 - bar))
        away = np.maximum(pane, np.maximum(np.abs(u) - a * panes[0], np.abs(v) - b * panes[1]))
    elif kind < 0.8:  # a disc
        away = np.hypot(u, v * a / b) - a
    else:  # a ring of light
        a = float(rng.uniform(0.03, 0.2))
        away = np.abs(np.hypot(u, v * float(rng.uniform(0.8, 1.25))) - a) - a * float(rng.uniform(0.08, 0.3))
    soft = float(np.exp(rng.uniform(np.log(0.003), np.log(0.03))))
    spot = 1 / (1 + np.exp(np.clip(away / soft, -30, 30)))
    return (spot * float(rng.uniform(60, 300))).astype(np.float32)


def camera(page: np.ndarray, rng: np.random.Generator, faintest: float = 255.0) -> np.ndarray:
    """The picture as a camera or a scanner gives it, (H, W, 3) uint8, with less noise than the ``faintest`` mark stands
    out by."""
    side = page.shape[0]
    if rng.random() < 0.25:  # enlarged from something smaller
        less = max(24, round(side / float(rng.uniform(1.1, 2.2))))
        page = cv2.resize(
            cv2.resize(page, (less, less), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_CUBIC
        )
    if rng.random() < 0.5:
        page = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 1.3)))
    kind = rng.random()
    if kind < 0.12:
        page = np.repeat(page.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.6:
        noise = rng.standard_normal((side, side, 1 if rng.random() < 0.5 else 3), np.float32)
        page = page + noise * min(0.6 * faintest, float(np.exp(rng.uniform(np.log(0.5), np.log(9)))))
    out = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.06:
        out = 255 - out
    if rng.random() < 0.45:
        coded = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])[1]
        out = np.asarray(decode(coded.tobytes()))
    return out
