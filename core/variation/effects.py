"""What albumentations has not, or has at ten times the price: effects on strokes, paper and light.

Each takes a picture (H, W, 3) uint8, its parameters' values and a generator, and returns a picture of
the same size. Which parameters there are is `core.variation.transforms`' table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

Values = Mapping[str, float]

INK = 40  # grey levels of 255 from the background: ink, for the transforms that follow strokes


def background(picture: np.ndarray) -> tuple[float, ...]:
    """The colour around the mark: of each channel, the median along the border."""
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    middle = len(edge) // 2
    return tuple(float(v) for v in np.partition(edge, middle, axis=0)[middle])


def elastic(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """Smooth random displacements (Simard et al. 2003), ``strength`` on average.

    Drawn on a grid as coarse as they are smooth, then scaled up: the same as blurring noise, which
    is what ElasticTransform spends 10 ms on at 224 px, in 1 ms.
    """
    height, width = picture.shape[:2]
    side = max(height, width)
    cell = max(1.0, 2 * values["smoothness"] / 100 * side)
    shape = (2, round(height / cell) + 3, round(width / cell) + 3)
    nodes = rng.standard_normal(shape, dtype=np.float32) * np.float32(values["strength"] / 100 * side)
    x = cv2.resize(nodes[0], (width, height), interpolation=cv2.INTER_CUBIC) + np.arange(width, dtype=np.float32)
    y = cv2.resize(nodes[1], (width, height), interpolation=cv2.INTER_CUBIC)
    y += np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=background(picture))


def thicken(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """``width`` added to every stroke, of dark or of light ink."""
    grow = cv2.erode if _dark_ink(picture) else cv2.dilate
    return _widened(picture, grow, values["width"] / 100 * max(picture.shape[:2]))


def thin(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """Never by more than half a stroke, which would break it or take it away."""
    ink = _ink(picture)
    shrink = cv2.dilate if _dark_ink(picture) else cv2.erode
    width = min(values["width"] / 100 * max(picture.shape[:2]), 0.5 * _stroke_width(ink))
    return _widened(picture, shrink, width)


def line_breaks(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """Short gaps: discs of paper on places drawn among the ink's pixels."""
    ink = _ink(picture)
    places = np.flatnonzero(ink)
    if not places.size or not values["count"]:
        return picture
    stroke = _stroke_width(ink)
    radius = max(1, round(max(values["length"] / 100 * max(picture.shape[:2]), 1.2 * stroke) / 2))
    gaps = np.zeros(picture.shape[:2], np.uint8)
    for place in rng.choice(places, int(values["count"])):
        y, x = divmod(int(place), picture.shape[1])
        cv2.circle(gaps, (x, y), radius, 255, -1, cv2.LINE_AA)
    around = np.ones((2 * round(stroke) + 3,) * 2, np.uint8)
    paper = cv2.dilate(picture, around) if _dark_ink(picture) else cv2.erode(picture, around)
    rows, columns = np.nonzero(gaps)
    share = gaps[rows, columns, None].astype(np.float32) / 255
    made = picture.copy()
    made[rows, columns] = np.rint(picture[rows, columns] * (1 - share) + paper[rows, columns] * share)
    return made


def paper(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """Grain of two sizes, fibres and fine noise, as light on an uneven sheet."""
    height, width = picture.shape[:2]
    fibres = rng.standard_normal((max(2, height // 4), max(2, width // 4)), dtype=np.float32)
    grain = cv2.resize(fibres, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = grain + 0.5 * rng.standard_normal((height, width), dtype=np.float32)
    return _levels(picture + (values["strength"] * 2.55) * grain[:, :, None])


def shadow(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """One side of a line darkened; the line runs near the middle, its edge as soft as asked."""
    height, width = picture.shape[:2]
    side = max(height, width)
    angle = np.deg2rad(values["angle"])
    x = (np.arange(width, dtype=np.float32) - width / 2) * np.float32(np.cos(angle) / side)
    y = (np.arange(height, dtype=np.float32) - height / 2) * np.float32(np.sin(angle) / side)
    softness = max(values["softness"] / 100, 1 / side)
    across = (x - np.float32(rng.uniform(-0.25, 0.25)) + y[:, None]) / np.float32(softness)
    light = 1 - np.float32(values["strength"] / 100) * np.clip(np.float32(0.5) + across, 0, 1)
    return cv2.multiply(picture, cv2.merge([light] * 3), dtype=cv2.CV_8U)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)


def _dark_ink(picture: np.ndarray) -> bool:
    return float(picture.mean()) <= sum(background(picture)) / 3


def _ink(picture: np.ndarray) -> np.ndarray:
    """Where ink is, (H, W) uint8 of 0 and 1."""
    level = round(float(np.dot(background(picture), (0.299, 0.587, 0.114))))
    return (np.abs(_grey(picture) - level) > INK).astype(np.uint8)


def _stroke_width(ink: np.ndarray) -> float:
    """In pixels: across a line of width w the distance to its edge is w / 4 on average."""
    area = cv2.countNonZero(ink)
    return 4 * float(cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_5).sum()) / area if area else 0.0


def _widened(picture: np.ndarray, grow: Callable[..., np.ndarray], width: float) -> np.ndarray:
    """``width`` pixels of stroke more, by the two kernels around it: strokes change smoothly."""
    whole = int(width)
    below = grow(picture, _kernel(whole + 1)) if whole else picture
    share = width - whole
    return cv2.addWeighted(below, 1 - share, grow(picture, _kernel(whole + 2)), share, 0) if share > 0.01 else below


def _kernel(size: int) -> np.ndarray:
    shape = cv2.MORPH_ELLIPSE if size > 3 else cv2.MORPH_RECT
    return cv2.getStructuringElement(shape, (size, size))
