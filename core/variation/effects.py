"""What albumentations has not, or has at ten times the price: effects on strokes, paper and light.

Each takes a picture (H, W, 3) uint8, its parameters' values and a generator, and returns a picture of
the same size. Which parameters there are is `core.variation.transforms`' table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from core.synthesis import camera, engraving, grounds

Values = Mapping[str, float]

INK = 40  # grey levels of 255 from the background: ink, for the transforms that follow strokes
_SEEN = 2.5 * engraving.LEAST_SEEN  # grey levels: a person can name a mark that stands out by as much
_TRIES = 8  # photographs taken until the mark can be seen in one


def background(picture: np.ndarray) -> tuple[float, ...]:
    """The colour around the mark: of each channel, the median along the border."""
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    middle = len(edge) // 2
    return tuple(float(v) for v in np.partition(edge, middle, axis=0)[middle])


def ink_area(picture: np.ndarray) -> int:
    """How many pixels are ink."""
    return cv2.countNonZero(_ink(picture))


def touches_border(picture: np.ndarray) -> bool:
    """Whether ink lies on the picture's border: what was drawn may go on beyond it."""
    ink = _ink(picture)
    return bool(ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any())


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
    """Half of every stroke stays, and half of the ink: a stroke too fine to lose pixels gets paler instead."""
    ink, dark = _ink(picture), _dark_ink(picture)
    shrink, grow = (cv2.dilate, cv2.erode) if dark else (cv2.erode, cv2.dilate)
    width = min(values["width"] / 100 * max(picture.shape[:2]), 0.5 * _stroke_width(ink))
    if width < 0.01:
        return picture

    def halved(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        shrunk = shrink(picture, kernel)
        middle = (len(kernel) - 1 - len(kernel) // 2,) * 2  # of the kernel turned round: one of even size has a side
        back = grow(shrunk, np.ascontiguousarray(kernel[::-1, ::-1]), anchor=middle)
        lost = cv2.absdiff(back, picture)  # finer than the kernel: nothing of it is left
        return cv2.addWeighted(shrunk, 1, lost, -0.5 if dark else 0.5, 0)

    made = _widened(picture, halved, width)
    taken = cv2.absdiff(made, picture)[ink > 0].sum(dtype=np.float64)
    spare = 0.5 * cv2.absdiff(picture, _flat(picture))[ink > 0].sum(dtype=np.float64)
    return made if taken <= spare else cv2.addWeighted(made, spare / taken, picture, 1 - spare / taken, 0)


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


def engraved(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    """A photograph of the mark, cut into a made ground or printed on it, under a lamp (`core.synthesis.engraving`):
    ``strength`` of that, and of the picture as it was the rest. The mark stays where it is, and can be seen."""
    share = values["strength"] / 100
    away = np.abs(picture.astype(np.float32) - np.array(background(picture), np.float32)).max(axis=2)
    if share <= 0 or away.max() < INK:
        return picture
    (height, width), side = picture.shape[:2], max(picture.shape[:2])
    cover = np.zeros((side, side), np.float32)
    cover[:height, :width] = np.clip(away / np.quantile(away[away >= INK], 0.9), 0, 1)
    for _ in range(_TRIES):
        taken = _photographed(cover, rng)
        if taken is not None:
            return _levels((1 - share) * picture + share * taken[:height, :width])
    return picture


def _photographed(cover: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A photograph (S, S, 3) uint8 of a mark of this ``cover`` (S, S); None where the mark can hardly be seen in it."""
    page = np.clip(grounds.made(rng, len(cover)), 0, 255)
    after = engraving.marked(page, np.stack([cover, np.zeros_like(cover)], axis=2), rng, extent=len(cover))
    seen = engraving.stands_out(page, after, cover)
    if seen is None or seen < _SEEN:
        return None
    taken = camera.camera(camera.lit(after, rng), rng, seen)
    return None if engraving.washed_out(taken, cover) else taken


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _flat(picture: np.ndarray) -> np.ndarray:
    """Nothing but the background."""
    return np.broadcast_to(np.rint(background(picture)).astype(np.uint8), picture.shape).copy()


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)


def _dark_ink(picture: np.ndarray) -> bool:
    return float(picture.mean()) <= sum(background(picture)) / 3


def _ink(picture: np.ndarray) -> np.ndarray:
    """Where ink is, (H, W) uint8 of 0 and 1."""
    level = round(float(np.dot(background(picture), (0.299, 0.587, 0.114))))
    return (np.abs(_grey(picture) - level) > INK).astype(np.uint8)


def _stroke_width(ink: np.ndarray) -> float:
    """In pixels. Across a line of 2 n pixels the distances to its edge are 1 to n and back: (n + 1) / 2 on average.
    Every pixel counts as two by two, so that a line is never of an odd number of them."""
    area = cv2.countNonZero(ink)
    if not area:
        return 0.0
    twice = cv2.resize(ink, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(twice, cv2.DIST_L2, cv2.DIST_MASK_5)
    return 2 * float(distance.sum(dtype=np.float64)) / (4 * area) - 1


def _widened(picture: np.ndarray, grow: Callable[..., np.ndarray], width: float) -> np.ndarray:
    """``width`` pixels of stroke more, by the two kernels around it: strokes change smoothly."""
    whole = int(width)
    below = grow(picture, _kernel(whole + 1)) if whole else picture
    share = width - whole
    return cv2.addWeighted(below, 1 - share, grow(picture, _kernel(whole + 2)), share, 0) if share > 0.01 else below


def _kernel(size: int) -> np.ndarray:
    shape = cv2.MORPH_ELLIPSE if size > 3 else cv2.MORPH_RECT
    return cv2.getStructuringElement(shape, (size, size))
