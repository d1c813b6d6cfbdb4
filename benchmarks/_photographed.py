"""Photographs made to measure by: a drawing engraved in a lens that lies on a table, or into a real photograph.

Other code than the scenes the finder learns from (`core.synthesis.scenes`), other kinds of grounds and lights, so that
nothing measured here was learnt. Reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

FRAMINGS = ("fills the frame", "loose crop", "a quarter of the frame", "whole photograph")
WHOLE = (4000, 3000)  # px
# Grey levels of a groove's light and shade. Where they fill the frame and the whole picture is taken as the mark, four
# in five bold marks are named, two in three plain ones, one in four faint ones.
BOLD, PLAIN, FAINT = (72, 200), (41, 115), (18, 50)
_ENLARGED = 4  # how many times smaller the scene is painted
_SHARES = {"fills the frame": (0.82, 0.95), "loose crop": (0.45, 0.62), "a quarter of the frame": (0.22, 0.28)}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Photograph:
    """``picture`` (H, W, 3) uint8 and the ``box`` (x, y, width, height) of its mark, if it has one."""

    picture: np.ndarray
    box: Box | None


def cover(drawing: np.ndarray, side: int) -> np.ndarray:
    """The ink of a drawing (h, w) uint8 on white as smooth cover, 0 to 1, its larger side ``side`` pixels."""
    ink = 255 - drawing.astype(np.float32)
    x, y, w, h = cv2.boundingRect((ink > 100).astype(np.uint8))
    ink = ink[y : y + h, x : x + w]
    factor = side / max(w, h)
    size = max(2, round(w * factor)), max(2, round(h * factor))
    large = cv2.resize(ink, size, interpolation=cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA)
    large = cv2.GaussianBlur(large, (0, 0), max(0.3, 0.35 * factor))
    return np.clip((large / 255 - 0.35) / 0.3, 0, 1)


@dataclass(frozen=True)
class Negative:
    """A whole photograph before it is enlarged: colours (h, w, 3) float32, and the box of the mark."""

    page: np.ndarray
    box: Box | None


def lens(drawing: np.ndarray | None, rng: np.random.Generator, *, depth: tuple[float, float] = FAINT) -> Negative:
    """A lens on a table, with the mark (8 to 14 % of the width, engraved ``depth`` grey levels deep) or without."""
    width, height = WHOLE[0] // _ENLARGED, WHOLE[1] // _ENLARGED
    page = _table(width, height, rng)
    middle = np.array([width * rng.uniform(0.42, 0.58), height * rng.uniform(0.44, 0.56)])
    radius = height * rng.uniform(0.38, 0.47)
    _glass(page, middle, radius, rng)
    box: Box | None = None
    if drawing is not None:
        side = round(width * rng.uniform(0.08, 0.14))
        ink = _turned(cover(drawing, side), rng.uniform(-20, 20))
        away, angle = radius * rng.uniform(0, 0.55), rng.uniform(0, 2 * np.pi)
        at = middle + away * np.array([np.cos(angle), np.sin(angle)])
        x, y = round(at[0] - ink.shape[1] / 2), round(at[1] - ink.shape[0] / 2)
        _cut(page[y : y + ink.shape[0], x : x + ink.shape[1]], ink, rng.uniform(*depth), rng)
        box = (x, y, ink.shape[1], ink.shape[0])
    _reflections(page, middle, radius, rng, box)
    return Negative(cv2.GaussianBlur(page, (0, 0), rng.uniform(0.3, 0.6)), box)


def developed(negative: Negative, framing: str, rng: np.random.Generator) -> Photograph:
    """The photograph of twelve megapixels, or a piece of it in which the mark takes so much of the width."""
    page, box = negative.page, negative.box
    if framing != "whole photograph" and box is not None:
        x, y, w, h = box
        side = max(w, h) / rng.uniform(*_SHARES[framing])
        left, up = np.array([x, y]) - (side - np.array([w, h])) * rng.uniform(0.35, 0.65, 2)
        x0, y0 = int(np.clip(left, 0, page.shape[1] - side)), int(np.clip(up, 0, page.shape[0] - side))
        page = page[y0 : y0 + round(side), x0 : x0 + round(side)]
        box = (x - x0, y - y0, w, h)
    large = cv2.resize(np.clip(page, 0, 255), None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    noise = np.empty(large.shape[:2], np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 30)))
    cv2.randn(noise, 0, rng.uniform(1.5, 4))
    return Photograph(_coded(large + noise[..., None], rng, 80, 93), box and tuple(_ENLARGED * v for v in box))  # type: ignore[arg-type]


def engraved(drawing: np.ndarray | None, ground: np.ndarray, rng: np.random.Generator) -> Photograph:
    """A piece of a real photograph, with the mark (16 to 45 % of its width) or without."""
    height, width = ground.shape[:2]
    side = int(min(height, width) * rng.uniform(0.75, 1))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    page = cv2.resize(ground[y : y + side, x : x + side], (640, 640), interpolation=cv2.INTER_AREA).astype(np.float32)
    page = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.3, 4))  # out of focus, or a stone that was polished
    mean = page.mean(axis=(0, 1))
    page = (page - mean) * rng.uniform(0.4, 1) + mean
    if drawing is None:
        return Photograph(_coded(page, rng, 80, 95), None)
    ink = _turned(cover(drawing, round(640 * rng.uniform(0.16, 0.45))), rng.uniform(-15, 15))
    high, wide = ink.shape
    y, x = int(rng.integers(10, 630 - high)), int(rng.integers(10, 630 - wide))
    piece = page[y : y + high, x : x + wide]
    strength = max(15.0, float(piece.std()) * rng.uniform(1.3, 4))
    manner = rng.random()
    if manner < 0.4:
        _cut(piece, ink, strength * 1.3, rng)
    else:
        soft = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.5, 2))
        bright = float(piece.mean()) < 128 if rng.random() < 0.7 else rng.random() < 0.5
        piece += ((strength if bright else -strength) * soft)[..., None]
    return Photograph(_coded(page, rng, 80, 95), (float(x), float(y), float(wide), float(high)))


def _turned(ink: np.ndarray, degrees: float) -> np.ndarray:
    high, wide = ink.shape
    reach = int(np.ceil(np.hypot(high, wide))) + 2
    move = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 1.0)
    move[:, 2] += (reach - wide) / 2, (reach - high) / 2
    out = cv2.warpAffine(ink, move, (reach, reach), flags=cv2.INTER_LINEAR)
    x, y, w, h = cv2.boundingRect((out > 0.3).astype(np.uint8))
    return out[y : y + h, x : x + w]


def _cut(piece: np.ndarray, ink: np.ndarray, depth: float, rng: np.random.Generator) -> None:
    """A groove with light from one side, frosted at its bottom: in place."""
    soft = cv2.GaussianBlur(ink, (0, 0), max(0.5, 0.004 * max(ink.shape)))
    slope_x, slope_y = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3)
    angle = rng.uniform(0, 2 * np.pi)
    flank = slope_x * np.cos(angle) + slope_y * np.sin(angle)
    flank *= 1 / max(float(np.abs(flank).max()), 1e-3)
    piece += (depth * (flank * rng.uniform(0.6, 1) + soft * rng.uniform(0.15, 0.6)))[..., None]


def _noise(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    small = rng.standard_normal((max(2, int(shape[0] / cell)), max(2, int(shape[1] / cell)))).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR)


def _table(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Boards, felt, or a cutting mat with its grid."""
    shape, kind = (height, width), int(rng.integers(3))
    page = np.ones((height, width, 3), np.float32) * rng.uniform(60, 190) * (1 + rng.normal(0, 0.12, 3))
    page += (_noise(shape, 200, rng) * 12)[..., None]
    if kind == 0:
        rings = np.sin(_noise(shape, 130, rng) * 9 + np.arange(width)[None] / rng.uniform(15, 40))
        page += (rings * 7 + _noise((height, 2), 2, rng)[:, :1] * 6)[..., None]
        for x in range(int(rng.integers(100)), width, int(rng.integers(170, 300))):
            page[:, x : x + 2] -= 35
    elif kind == 1:
        page += (_noise(shape, 2, rng) * 9 + _noise(shape, 1, rng) * 5)[..., None]
    else:
        step = int(rng.integers(30, 65))
        page[::step] += 40
        page[:, ::step] += 40
    return page.astype(np.float32)


def _glass(page: np.ndarray, middle: np.ndarray, radius: float, rng: np.random.Generator) -> None:
    """The lens: what lies below shows through it shifted, its rim refracts the light."""
    height, width = page.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    far = np.hypot(x - middle[0], y - middle[1]) / radius
    k = rng.uniform(0.75, 1.25)
    move = np.array([[k, 0, middle[0] * (1 - k)], [0, k, middle[1] * (1 - k)]], np.float32)
    through = cv2.warpAffine(
        page, move, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    through = cv2.GaussianBlur(through, (0, 0), rng.uniform(1.5, 7))
    through = through * rng.uniform(0.75, 1.0) + rng.uniform(-15, 40)
    inside = np.clip((1 - far) * radius + 0.5, 0, 1)[..., None]
    page += inside * (through - page)
    light = np.cos(np.arctan2(y - middle[1], x - middle[0]) - rng.uniform(0, 6.3))
    for at, wide, strength in ((0.985, 0.012, 70), (0.955, 0.006, -45), (1.02, 0.02, -40)):
        page += (strength * rng.uniform(0.5, 1.4) * (0.5 + 0.5 * light) * np.exp(-(((far - at) / wide) ** 2)))[
            ..., None
        ]


def _reflections(
    page: np.ndarray, middle: np.ndarray, radius: float, rng: np.random.Generator, box: Box | None
) -> None:
    """A window with its bars, tubes, a ring light: bright, soft-edged, anywhere on the glass but on the mark."""
    for _ in range(int(rng.integers(1, 4))):
        mask = np.zeros(page.shape[:2], np.uint8)
        at = middle + rng.uniform(-0.75, 0.75, 2) * radius
        kind = int(rng.integers(3))
        if kind == 0:
            size = radius * rng.uniform(0.08, 0.22, 2)
            turn = np.radians(rng.uniform(-30, 30))
            turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            for row in (-1, 1):
                for column in (-1, 1):
                    pane = np.array([[0.08, 0.08], [1, 0.08], [1, 1], [0.08, 1]]) * (column, row) * size
                    cv2.fillPoly(mask, [np.rint(pane @ turning.T + at).astype(np.int32)], 255)
        elif kind == 1:
            angle, reach = rng.uniform(0, np.pi), radius * rng.uniform(0.1, 0.4)
            end = at + reach * np.array([np.cos(angle), np.sin(angle)])
            cv2.line(
                mask,
                tuple(map(round, at)),
                tuple(map(round, end)),
                255,
                max(2, round(radius * rng.uniform(0.01, 0.05))),
            )
        else:
            cv2.circle(
                mask, tuple(map(round, at)), round(radius * rng.uniform(0.04, 0.12)), 255, max(3, round(radius * 0.02))
            )
        soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.7, 4)).astype(np.float32) / 255
        if box and soft[int(box[1]) : int(box[1] + box[3]), int(box[0]) : int(box[0] + box[2])].any():
            continue
        page += (soft * rng.uniform(60, 220))[..., None]


def _coded(page: np.ndarray, rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    out = np.clip(page, 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(low, high))])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].copy()
