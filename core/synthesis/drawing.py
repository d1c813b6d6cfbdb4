"""How a mark gets onto a picture: drawn with a pen, printed as a catalogue icon, or photographed.

All randomness comes from the generator passed in, so the same seed draws the same pixels.
Forms are in `core.synthesis.marks`, the human hand in `core.synthesis.hands`; nothing is written here.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from PIL import Image

from core.synthesis.hands import STEP, Hand, by_hand, noise, random_hand
from core.synthesis.strokes import Template

Style = Literal["drawing", "photo", "icon"]  # the kinds of image, as ways to make one

_SUPERSAMPLING = 4


def draw(
    template: Template,
    rng: np.random.Generator,
    *,
    hand: Hand | None = None,
    style: Style = "drawing",
    size: int = 192,
) -> Image.Image:
    """A ``size`` x ``size`` picture (mode RGB) of the mark; ``hand``: default `random_hand`, unused by icons.

    A drawing is dark on white; an icon is bold, clean and partly filled; a photograph shows ink
    on paper or, one time in four, an engraving in a lens.
    """
    if style == "icon":
        return _icon(template, rng, size)
    hand = hand or random_hand(rng)
    if style == "photo":
        return _photo(template, rng, hand, size)
    lines = _on_page(by_hand(template, rng, hand), rng, low=0.38, high=0.86)
    ink = _pen(lines, size, hand.width * float(rng.uniform(0.85, 1.15)) / 1000, rng)
    tone = float(rng.choice([0, 0, 25, 55])) + float(rng.uniform(0, 12))
    return _rgb(255 - (255 - tone) * ink)


def _on_page(
    lines: list[np.ndarray], rng: np.random.Generator, *, low: float, high: float, margin: float = 0.03
) -> list[np.ndarray]:
    """Lines scaled to take ``low`` to ``high`` of the page's side and laid somewhere on it, all inside; page units."""
    everything = np.concatenate(lines)
    least, extent = everything.min(axis=0), np.ptp(everything, axis=0)
    scale = float(rng.uniform(low, high)) / max(float(extent.max()), 1e-6)
    room = 1 - 2 * margin - extent * scale
    corner = margin + room * np.clip(rng.normal(0.5, 0.17, 2), 0.0, 1.0)
    return [(points - least) * scale + corner for points in lines]


def _pen(
    lines: list[np.ndarray], size: int, width: float, rng: np.random.Generator, *, pressure: float = 0.12
) -> np.ndarray:
    """Ink coverage (size, size) float32, 0 to 1, of a pen ``width`` pages wide whose width varies by ``pressure``."""
    side = size * _SUPERSAMPLING
    canvas = np.zeros((side, side), np.uint8)
    pixels = max(width * size, 1.1) * _SUPERSAMPLING
    for points in lines:
        fixed = np.rint(points * side * 16).astype(np.int32)
        widths = pixels * (1 + pressure * noise(rng, len(points), 0.25 / STEP)[:, 0])
        for i in range(0, len(fixed) - 1, 6):
            piece = fixed[i : i + 7].reshape(-1, 1, 2)
            cv2.polylines(canvas, [piece], False, 255, max(1, round(float(widths[i]))), cv2.LINE_AA, shift=4)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _icon(template: Template, rng: np.random.Generator, size: int) -> Image.Image:
    """Bold, even and centred, as a catalogue prints it."""
    side = size * _SUPERSAMPLING
    fill = float(rng.uniform(0.6, 0.84))
    width = max(1, round(side * fill * float(rng.uniform(0.035, 0.085))))
    canvas = np.zeros((side, side), np.uint8)
    for stroke in template.strokes:
        points = np.rint(((np.array(stroke.points) - 0.5) * fill + 0.5) * side * 16).astype(np.int32).reshape(-1, 1, 2)
        if stroke.solid:
            cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, shift=4)
        cv2.polylines(canvas, [points], stroke.closed, 255, width, cv2.LINE_AA, shift=4)
    ink = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return _rgb(255 - 245 * ink)


def _rgb(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8)).convert("RGB")


# ---- the camera


def _photo(template: Template, rng: np.random.Generator, hand: Hand, size: int) -> Image.Image:
    lines = _on_page(by_hand(template, rng, hand), rng, low=0.45, high=0.78, margin=0.1)
    scene = _engraved_lens if rng.random() < 0.25 else _inked_paper
    colour = scene(lines, rng, hand, size)
    colour = cv2.GaussianBlur(colour, (0, 0), size / 256 * float(rng.uniform(0.5, 1.0)))
    grain = rng.normal(0, 1, (size, size, 1)) * float(rng.uniform(1.2, 2.6)) + rng.normal(0, 0.9, (size, size, 3))
    return Image.fromarray(np.rint(np.clip(colour + grain, 0, 255)).astype(np.uint8))


def _inked_paper(lines: list[np.ndarray], rng: np.random.Generator, hand: Hand, size: int) -> np.ndarray:
    """Ball pen on paper, seen a little askew, by uneven light, with a soft shadow falling in: (size, size, 3)."""
    ink = _pen(lines, size, max(hand.width, 12) * 1.25 / 1000, rng, pressure=0.2)
    ink *= np.clip(0.92 + 0.08 * _clouds(rng, size, 0.015) + 0.1 * _clouds(rng, size, 0.06), 0.4, 1)  # the ball skips
    ink = _askew(ink, rng)
    paper = np.array([238, 234, 224]) + rng.normal(0, 4) + rng.normal(0, [1.5, 1, 5])
    fibres = 3.2 * _clouds(rng, size, 0.006) + 2.6 * _clouds(rng, size, 0.03) + 2.2 * _clouds(rng, size, 0.15)
    pigment = np.array([[58, 50, 44], [84, 72, 62], [44, 52, 84], [70, 58, 48]][int(rng.integers(4))], float)
    page = paper + fibres[..., None]
    page = page * (1 - ink[..., None]) + (pigment + fibres[..., None]) * ink[..., None]
    return page * _light(rng, size)[..., None] * (1 + rng.normal(0, 0.02) * np.array([1, 0, -1.3]))


def _engraved_lens(lines: list[np.ndarray], rng: np.random.Generator, hand: Hand, size: int) -> np.ndarray:
    """A faint mark cut in glass before a blurred dark room: lit on one flank, shaded on the other: (size, size, 3)."""
    cut = _askew(_pen(lines, size, max(hand.width, 14) * 1.1 / 1000, rng, pressure=0.1), rng)
    shift = size / 150
    turn = float(rng.uniform(0, 360))
    move = np.array([[1, 0, shift * np.cos(np.radians(turn))], [0, 1, shift * np.sin(np.radians(turn))]], np.float32)
    soft = cv2.GaussianBlur(cut, (0, 0), size / 300)
    flank = soft - cv2.warpAffine(soft, move, (size, size))
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    room = (
        92
        + 17 * cv2.GaussianBlur(_clouds(rng, size, 0.3), (0, 0), size / 14)
        + 46 * (x * np.cos(turn) + y * np.sin(turn))
    )
    rim = np.hypot(x - rng.uniform(-0.2, 0.2), y - rng.uniform(1.22, 1.42))  # centred below the picture
    room += 70 * np.exp(-(((rim - 0.95) / 0.05) ** 2))  # a lamp's reflection along the edge
    room += 2.2 * _clouds(rng, size, 0.008)
    tint = np.array([[0.96, 1.0, 1.03], [1.0, 1.0, 0.97], [0.98, 1.02, 1.0]][int(rng.integers(3))])
    return (room + 62 * soft + 46 * flank)[..., None] * tint


def _askew(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Seen from a little to one side: the corners move by up to 5 % of the side."""
    size = ink.shape[0]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * size
    moved = corners + rng.uniform(-0.05, 0.05, (4, 2)).astype(np.float32) * size
    return cv2.warpPerspective(ink, cv2.getPerspectiveTransform(corners, moved), (size, size), flags=cv2.INTER_LINEAR)


def _light(rng: np.random.Generator, size: int) -> np.ndarray:
    """Light falling off across the page, and often the shadow of a hand or a telephone from one side."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    turn = float(rng.uniform(0, 2 * np.pi))
    light = 0.9 + float(rng.uniform(0.1, 0.26)) * (x * np.cos(turn) + y * np.sin(turn)) - 0.12 * (x**2 + y**2)
    if rng.random() < 0.7:
        turn += float(rng.uniform(-1, 1))
        edge = -(x * np.cos(turn) + y * np.sin(turn)) - float(rng.uniform(0.05, 0.4)) + 0.035 * _clouds(rng, size, 0.6)
        light *= 1 - float(rng.uniform(0.12, 0.34)) / (1 + np.exp(-edge / float(rng.uniform(0.015, 0.06))))
    return light


def _clouds(rng: np.random.Generator, size: int, grain: float) -> np.ndarray:
    """Smooth noise (size, size), unit variance, with blobs about ``grain`` of the side."""
    cells = max(3, int(1 / max(grain, 1 / size)))
    coarse = rng.normal(0, 1, (cells + 2, cells + 2)).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return fine / max(float(fine.std()), 1e-6)
