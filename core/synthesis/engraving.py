"""How a mark lies on a ground: its lines inked, then drawn, printed, cut or burnt, and whether it can be seen there.

All randomness comes from the generator passed in; nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.synthesis import grounds
from core.synthesis.strokes import Template

Line = np.ndarray  # (n, 2) float, units of the mark
FAINTEST = 7.0  # grey levels: no mark is drawn fainter
LEAST_SEEN = 4.5  # grey levels by which a mark must stand out once the strokes' edges are blurred


@dataclass(frozen=True)
class Form:
    """A mark's lines in the unit square, and which of the closed ones are filled."""

    lines: tuple[Line, ...]
    solid: tuple[int, ...] = ()

    @classmethod
    def of(cls, template: Template) -> Form:
        """As a catalogue prints it."""
        lines = tuple(np.array(s.points, np.float32) for s in template.strokes)
        return cls(lines, tuple(i for i, s in enumerate(template.strokes) if s.solid))


def laid(
    form: Form, rng: np.random.Generator, side: int, extent: tuple[float, float], others: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """The mark somewhere in the picture beside the others: its box, its cover (side, side, 2: each a half of its
    strokes); None where there is no room."""
    low, high = np.log(extent[0]), np.log(extent[1])
    turn = (
        rng.normal(0, 9) if rng.random() < 0.75 else rng.uniform(-35, 35) if rng.random() < 0.9 else rng.uniform(0, 360)
    )
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    lean = np.array([[c, -s], [s, c]]) @ (np.eye(2) + rng.normal(0, 0.05, (2, 2)))
    points = [(np.asarray(line, float) - 0.5) @ lean.T for line in form.lines]
    everything = np.concatenate(points)
    least, size = everything.min(axis=0), np.ptp(everything, axis=0)
    for _ in range(6):
        larger = side * np.exp(rng.uniform(low, high))
        scale = larger / max(float(size.max()), 1e-6)
        if scale * max(float(size.max()), 1e-6) < 9:
            continue
        width, height = size * scale
        whole = larger < 0.95 * side and rng.random() < 0.93
        corner = [
            rng.uniform(2, side - 2 - e) if whole else rng.uniform(-0.75 * e, side - 0.25 * e) for e in (width, height)
        ]
        if others and any(too_near((*corner, width, height), o, 0.12 * max(width, height, *o[2:])) for o in others):
            continue
        lines = [(p - least) * scale + corner for p in points]
        pen = max(1.0, larger * float(np.exp(rng.uniform(np.log(0.018), np.log(0.095)))))
        cover = inked(lines, pen, side, form.solid, rng)
        half = pen / 2
        box = np.array([corner[0] - half, corner[1] - half, width + pen, height + pen], np.float32)
        return box, cover
    return None


def too_near(one: Sequence[float], other: Sequence[float] | np.ndarray, apart: float) -> bool:
    """Whether two boxes (x, y, width, height) are less than ``apart`` pixels from each other, or overlap."""
    return all(one[i] < other[i] + other[i + 2] + apart and other[i] < one[i] + one[i + 2] + apart for i in (0, 1))


def inked(lines: list[np.ndarray], pen: float, side: int, solid: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Cover (side, side, 2) float32, 0 to 1, of strokes ``pen`` pixels wide; each stroke lies in one of two layers."""
    over = 2 if side * 2 <= 1024 else 1
    canvas = np.zeros((2, side * over, side * over), np.uint8)
    manner = rng.random()
    layer = int(rng.integers(2))
    for i, line in enumerate(lines):
        fixed = np.rint(line * over * 16).astype(np.int32).reshape(-1, 1, 2)
        width = max(1, round(pen * over * float(np.exp(rng.normal(0, 0.08)))))
        sheet = canvas[layer if rng.random() < 0.5 else 1 - layer]
        if i in solid and manner < 0.6:
            cv2.fillPoly(sheet, [fixed], 255, cv2.LINE_AA, shift=4)
        if manner > 0.9 and pen < 0.05 * side:  # a laser's dots
            _dotted(sheet, line * over, max(pen * over, 2), float(rng.uniform(1.3, 2.2)))
        else:
            cv2.polylines(sheet, [fixed], False, 255, width, cv2.LINE_AA, shift=4)
    if 0.85 < manner < 0.9 and pen > 4:  # a broad stroke by its outline
        width = round(pen * over / 3) * 2 - 1
        inner = [cv2.erode(sheet, np.ones((width, width), np.uint8)) for sheet in canvas]
        canvas = np.stack([cv2.subtract(sheet, core) for sheet, core in zip(canvas, inner, strict=True)])
    small = [cv2.resize(sheet, (side, side), interpolation=cv2.INTER_AREA) for sheet in canvas]
    return np.stack(small, axis=2).astype(np.float32) / 255


def _dotted(sheet: np.ndarray, line: np.ndarray, pen: float, spacing: float) -> None:
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0, steps[-1] + 1e-6, pen * spacing)
    for x, y in zip(np.interp(at, steps, line[:, 0]), np.interp(at, steps, line[:, 1]), strict=True):
        cv2.circle(sheet, (round(x * 16), round(y * 16)), round(pen * 8), 255, -1, cv2.LINE_AA, shift=4)


def marked(page: np.ndarray, cover: np.ndarray, rng: np.random.Generator, *, extent: float) -> np.ndarray:
    """``page`` (H, W, 3) float32 with a mark of this ``cover`` (H, W, 2) drawn, printed or engraved on it."""
    both = cover.max(axis=2)
    here = cv2.dilate((both > 0.2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    grain = float(page[here].std()) if here.any() else 0.0
    strength = max(FAINTEST * float(rng.uniform(1, 3)), grain * float(rng.uniform(1.2, 4.5)))
    depth = _uneven(both.shape, rng)
    mean = float(page[here].mean()) if here.any() else 128.0
    towards = -1.0 if mean + strength > 235 else 1.0 if mean - strength < 20 else 0.0  # what can be seen at all
    manner = rng.random()
    if manner < 0.40:  # ink or paint, of one colour or two
        return _painted(page, cover, rng, strength, depth)
    soft = cv2.GaussianBlur(both, (0, 0), float(rng.uniform(0.4, 0.4 + 0.015 * extent)))
    if manner < 0.80:  # a groove: one flank bright, one dark
        shift = float(rng.uniform(0.6, 1.0 + 0.02 * extent))
        angle = rng.uniform(0, 2 * np.pi)
        move = np.array([[1, 0, shift * np.cos(angle)], [0, 1, shift * np.sin(angle)]], np.float32)
        flank = soft - cv2.warpAffine(soft, move, soft.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        floor = (towards or float(rng.choice([-1.0, 1.0, 0.0]))) * float(rng.uniform(0.1, 1.0))
        return page + (strength * depth * (1.5 * flank + floor * soft))[..., None] * grounds.tint(rng, 0.05)
    sign = towards or (1.0 if rng.random() < 0.55 else -1.0)  # frosted, etched or burnt: brighter or darker
    return page + (sign * strength * depth * soft)[..., None] * grounds.tint(rng, 0.12)


def _uneven(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """How deep each place is cut, about 1."""
    kind = rng.random()
    if kind < 0.4:
        return np.ones(shape, np.float32)
    coarse = grounds.clouds(rng, shape[0], float(rng.uniform(0.08, 0.5)))
    return np.clip(1 + float(rng.uniform(0.15, 0.5)) * coarse, 0.12, 1.8).astype(np.float32)


def _painted(
    page: np.ndarray, cover: np.ndarray, rng: np.random.Generator, strength: float, depth: np.ndarray
) -> np.ndarray:
    two = rng.random() < 0.25
    out = page
    first: np.ndarray | None = None
    mean = page[cover.max(axis=2) > 0.2].mean(axis=0) if (cover.max(axis=2) > 0.2).any() else page.mean(axis=(0, 1))
    for layer in range(2):
        if first is None or two:
            first = _pigment(rng, mean, strength)
        alpha = cover[..., layer] * np.clip(depth, 0, 1)
        out = out * (1 - alpha[..., None]) + first * alpha[..., None]
    return out


def _pigment(rng: np.random.Generator, mean: np.ndarray, strength: float) -> np.ndarray:
    """A colour that differs from ``mean`` enough to be seen: in tone mostly, in colour alone at times."""
    for _ in range(12):
        kind = rng.random()
        if kind < 0.45:  # ink as strong as it comes
            colour = np.array([1, 1, 1]) * (rng.uniform(0, 70) if mean.mean() > 110 else rng.uniform(185, 255))
            colour = colour + rng.normal(0, 12, 3)
        elif kind < 0.7:  # a little darker or brighter than the ground
            colour = mean + (1 if rng.random() < 0.5 else -1) * strength * grounds.tint(rng, 0.15)
        else:  # any colour
            colour = cv2.cvtColor(
                np.array([[[rng.integers(180), rng.integers(90, 256), rng.integers(60, 256)]]], np.uint8),
                cv2.COLOR_HSV2RGB,
            )[0, 0].astype(float)
        colour = np.clip(colour, 0, 255)
        if np.abs(colour - mean).max() >= strength and np.abs(colour - mean).sum() > 1.3 * strength:
            return colour.astype(np.float32)
    return np.full(3, 0 if mean.mean() > 120 else 255, np.float32)


def stands_out(before: np.ndarray, after: np.ndarray, cover: np.ndarray) -> float | None:
    """By how many grey levels a mark stands out, blurred a little; None where none of it is in the picture."""
    here = cover > 0.4
    if not here.any():
        return None
    change = cv2.GaussianBlur(np.abs(np.clip(after, 0, 255) - before).max(axis=2), (0, 0), 0.8)
    return float(change[here].mean())


def washed_out(picture: np.ndarray, cover: np.ndarray) -> bool:
    """Whether most of a mark lies where the camera saw only white or only black."""
    here = cover > 0.4
    if not here.any():
        return False
    around = cv2.dilate(here.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    values = picture[around]
    return bool(((values.min(axis=1) >= 252) | (values.max(axis=1) <= 3)).mean() > 0.6)
