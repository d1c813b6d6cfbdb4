"""The transforms: one table, from which forms, checks, documentation and tests follow.

An entry says what a transform is called, what its parameters may be and how it is done; drawing
the values and putting transforms in order is `core.variation.policies` and `core.variation.augment`. The only module
that imports albumentations, and only when a transform of its is first used.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal

import cv2
import numpy as np

from core.ground.translations import _
from core.variation.effects import (
    Values,
    background,
    elastic,
    engraved,
    ink_area,
    line_breaks,
    paper,
    shadow,
    thicken,
    thin,
    touches_border,
)

MOST_CHOICES = 6
LEFT, ROOMS = 0.7, 4  # share of a mark's ink below which it is cut; rooms tried: a tenth of the side, then twice it
STRENGTHS = (1 / 3, 2 / 3, 1.0)  # low, middle, high: places in the default range

Group = Literal["orientation", "geometry", "strokes", "light", "surface", "file"]
Apply = Callable[[np.ndarray, Values, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Parameter:
    """One number of a transform: allowed ``minimum`` to ``maximum``, the ``default`` range (low, high) that
    a draw is taken from, and the value that changes nothing (``neutral``). ``whole``: integers only."""

    name: str
    title: str
    unit: str
    minimum: float
    maximum: float
    default: tuple[float, float]
    step: float
    neutral: float = 0.0
    whole: bool = False

    @property
    def choices(self) -> list[float]:
        """Every value there is, where they are few and each is another thing, not more or less of one."""
        few = self.whole and self.default == (self.minimum, self.maximum) and self.maximum - self.minimum < MOST_CHOICES
        return [float(n) for n in range(round(self.minimum), round(self.maximum) + 1)] if few else []

    def at(self, place: float) -> float:
        """The value at ``place`` (0 to 1) of the default range, counted from its end nearest to neutral."""
        if self.default == (self.minimum, self.maximum) and not self.whole:  # a direction has no strength
            return self.rounded(self.minimum + (self.maximum - self.minimum) / 8)
        near, far = sorted(self.default, key=lambda end: (abs(end - self.neutral), end))
        if near < self.neutral < far or far < self.neutral < near:
            near = self.neutral
        return self.rounded(near + place * (far - near))

    def within(self, low: float, high: float, place: float) -> float:
        """The value at ``place`` (0 <= place < 1) of a range; of whole numbers each is as likely."""
        return self.rounded(np.floor(low + place * (high - low + 1)) if self.whole else low + place * (high - low))

    def rounded(self, value: float) -> float:
        return round(float(value)) if self.whole else round(float(value), 4)


@dataclass(frozen=True)
class Transform:
    """One entry: ``apply(picture, values, rng)`` takes and returns (H, W, 3) uint8, and nothing it does depends
    on anything else. ``help`` is one sentence for people."""

    name: str
    title: str
    group: Group
    help: str
    apply: Apply = field(repr=False)
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        return next((p for p in self.parameters if p.name == name), None)

    def strength(self, share: float) -> dict[str, float]:
        """Values at a ``share`` (0 to 1) of the default strength."""
        return {p.name: p.at(share) for p in self.parameters}

    def samples(self) -> list[dict[str, float]]:
        """Values to know it by: each one of a choice, else low, middle and high ones of the default range."""
        if len(self.parameters) == 1 and (choices := self.parameters[0].choices):
            return [{self.parameters[0].name: choice} for choice in choices]
        return [self.strength(share) for share in STRENGTHS]


# Albumentations


def _by(kind: str, picture: np.ndarray, rng: np.random.Generator, **state: Any) -> np.ndarray:
    """``picture`` through the albumentations transform ``kind`` with this ``state``.

    Its constructor checks its arguments for half a millisecond, as long as it then works; the
    values here were checked before, so a copy of one that was constructed gets them as its state.
    """
    transform = copy.copy(_prototype(kind))
    assert state.keys() <= vars(transform).keys(), f"{kind} has no {state.keys() - vars(transform).keys()}"
    vars(transform).update(state, _key2func={"image": transform.apply})  # else still the original's
    transform.set_random_seed(int(rng.integers(1 << 32)))
    return transform(image=picture)["image"]


def _filled(kind: str, picture: np.ndarray, rng: np.random.Generator, **state: Any) -> np.ndarray:
    """`_by` where the picture may leave its frame: what comes in is its own background."""
    return _by(kind, picture, rng, border_mode=cv2.BORDER_CONSTANT, fill=background(picture), **state)


@cache
def _prototype(kind: str) -> Any:
    return getattr(_library(), kind)(p=1.0)


@cache
def _library() -> Any:
    """albumentations, without its question to the network and without its bridge to torch (20 s of imports)."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    missing = object()
    bridge = sys.modules.get("albumentations.pytorch", missing)
    sys.modules["albumentations.pytorch"] = None  # type: ignore[assignment]
    try:
        import albumentations
    finally:
        if bridge is missing:
            del sys.modules["albumentations.pytorch"]
        else:
            sys.modules["albumentations.pytorch"] = bridge  # type: ignore[assignment]
    return albumentations


def _flip(kind: str, picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    return _by(kind, picture, rng)


def _quarter_turn(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(picture, int(values["turns"])))


def _rotate(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    angle = values["angle"]
    return _filled("Rotate", picture, rng, limit=(angle, angle))


def _affine(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    wide, high = values["scale"] * (1 + values["stretch"] / 100), values["scale"]
    height, width = picture.shape[:2]
    x, y = round(values["shift_x"] / 100 * width), round(values["shift_y"] / 100 * height)
    return _filled(
        "Affine", picture, rng,
        scale={"x": (wide, wide), "y": (high, high)},
        shear={"x": (values["shear"], values["shear"]), "y": (0.0, 0.0)},
        translate_px={"x": (x, x), "y": (y, y)},
    )  # fmt: skip


def _perspective(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    share = values["strength"] / 100
    return _filled("Perspective", picture, rng, scale=(share, share))


def _grid(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    share = values["strength"] / 100
    if not share:  # its grid is rounded to pixels: even without distortion it moves some lines by one
        return picture
    return _filled("GridDistortion", picture, rng, distort_limit=(-share, share))


def _optical(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    share = values["strength"] / 100
    if not share:  # half a pixel, likewise
        return picture
    return _filled("OpticalDistortion", picture, rng, distort_limit=(share, share))


def _noise(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    share = values["strength"] / 100
    return _by("GaussNoise", picture, rng, std_range=(share, share), per_channel=False)


def _blur(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    sigma = values["radius"] / 100 * max(picture.shape[:2])
    return _by("GaussianBlur", picture, rng, sigma_limit=(sigma, sigma)) if sigma > 0.05 else picture


def _motion_blur(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    length = 2 * round(values["length"] / 200 * max(picture.shape[:2])) + 1
    if length < 3:
        return picture
    angle = (values["angle"], values["angle"])
    even = {"direction_range": (0.0, 0.0), "allow_shifted": False}
    return _by("MotionBlur", picture, rng, blur_limit=(length, length), angle_range=angle, **even)


def _contrast(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    contrast, brightness = values["contrast"] / 100, values["brightness"] / 100
    limits = {"contrast_limit": (contrast, contrast), "brightness_limit": (brightness, brightness)}
    return _by("RandomBrightnessContrast", picture, rng, **limits)


def _jpeg(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    quality = int(values["quality"])
    return _by("ImageCompression", picture, rng, quality_range=(quality, quality))


def _downscale(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
    pair = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
    if values["factor"] >= 1:
        return picture
    return _by("Downscale", picture, rng, scale_range=(values["factor"],) * 2, interpolation_pair=pair)


def _kept(apply: Apply) -> Apply:
    """``apply`` that leaves the mark in the picture: where it would be cut, with room of its own ground around it."""

    def whole(picture: np.ndarray, values: Values, rng: np.random.Generator) -> np.ndarray:
        made = apply(picture, values, rng)
        height, width = picture.shape[:2]
        least = LEFT * ink_area(picture) * min(1.0, values.get("scale", 1.0) ** 2)
        for tried in range(ROOMS):
            if touches_border(picture) or not (touches_border(made) or ink_area(made) < least):
                break
            more = max(height, width) * 2**tried // 10
            sides = (more * height // max(height, width),) * 2 + (more * width // max(height, width),) * 2
            room = cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=background(picture))
            made = apply(cv2.resize(room, (width, height), interpolation=cv2.INTER_AREA), values, rng)
            least *= (width / room.shape[1]) ** 2
        return made

    return whole


# The table

_PERCENT, _SIDE = "%", _("% of the side")
_STRENGTH = partial(Parameter, "strength", _("Strength"))

_TABLE = (
    Transform("flip_horizontal", _("Horizontal flip"), "orientation", _("Left and right change places."),
              partial(_flip, "HorizontalFlip")),
    Transform("flip_vertical", _("Vertical flip"), "orientation", _("Top and bottom change places."),
              partial(_flip, "VerticalFlip")),
    Transform("quarter_turn", _("Quarter turns"), "orientation",
              _("Turned by 90, 180 or 270 degrees."), _quarter_turn, (
        Parameter("turns", _("Turns"), "× 90°", 1, 3, (1, 3), 1, whole=True),)),
    Transform("rotate", _("Rotation"), "geometry", _("Turned a little around the middle."), _kept(_rotate), (
        Parameter("angle", _("Angle"), "°", -180, 180, (-10, 10), 0.5),)),
    Transform("affine", _("Scale, stretch, slant, shift"), "geometry",
              _("Larger or smaller, wider, slanted like handwriting, and moved."), _kept(_affine), (
        Parameter("scale", _("Scale"), "×", 0.5, 1.5, (0.88, 1.08), 0.01, neutral=1.0),
        Parameter("stretch", _("Stretch"), _PERCENT, -40, 40, (-10, 10), 1),
        Parameter("shear", _("Slant"), "°", -30, 30, (-8, 8), 0.5),
        Parameter("shift_x", _("Shift across"), _PERCENT, -30, 30, (-4, 4), 0.5),
        Parameter("shift_y", _("Shift down"), _PERCENT, -30, 30, (-4, 4), 0.5),)),
    Transform("perspective", _("Perspective"), "geometry",
              _("Seen from the side, as by a phone held askew."), _kept(_perspective), (
        _STRENGTH(_PERCENT, 0, 20, (2, 7), 0.5),)),
    Transform("elastic", _("Elastic"), "geometry", _("Lines waver, as from another hand."), _kept(elastic), (
        _STRENGTH(_SIDE, 0, 6, (0.3, 1.2), 0.1),
        Parameter("smoothness", _("Smoothness"), _SIDE, 2, 20, (6, 12), 0.5, neutral=20),)),
    Transform("grid_distortion", _("Grid distortion"), "geometry",
              _("Parts of the mark grow at the cost of others."), _kept(_grid), (
        _STRENGTH(_PERCENT, 0, 60, (5, 25), 1),)),
    Transform("optical_distortion", _("Lens distortion"), "geometry",
              _("Barrel or cushion, as seen through a lens."), _kept(_optical), (
        _STRENGTH(_PERCENT, -80, 80, (-40, 40), 1),)),
    Transform("thicken", _("Thicker strokes"), "strokes", _("A broader pen."), thicken, (
        Parameter("width", _("Width"), _SIDE, 0, 8, (0.5, 2.5), 0.1),)),
    Transform("thin", _("Thinner strokes"), "strokes",
              _("A finer pen; never less than half of the stroke is left."), thin, (
        Parameter("width", _("Width"), _SIDE, 0, 8, (0.3, 1.5), 0.1),)),
    Transform("line_breaks", _("Line breaks"), "strokes",
              _("Short gaps along the strokes, as of a worn engraving."), line_breaks, (
        Parameter("count", _("Gaps"), "", 0, 12, (1, 4), 1, whole=True),
        Parameter("length", _("Length"), _SIDE, 0, 15, (2, 5), 0.5),)),
    Transform("contrast", _("Contrast and brightness"), "light",
              _("Paler or stronger, darker or lighter."), _contrast, (
        Parameter("contrast", _("Contrast"), _PERCENT, -80, 80, (-25, 25), 1),
        Parameter("brightness", _("Brightness"), _PERCENT, -60, 60, (-10, 10), 1),)),
    Transform("shadow", _("Shadow"), "light", _("One side lies in the shade."), shadow, (
        _STRENGTH(_PERCENT, 0, 80, (10, 35), 1),
        Parameter("softness", _("Softness"), _SIDE, 0, 150, (20, 80), 5, neutral=150),
        Parameter("angle", _("Direction"), "°", 0, 360, (0, 360), 5),)),
    Transform("noise", _("Noise"), "surface", _("The grain of a sensor in poor light."), _noise, (
        _STRENGTH(_PERCENT, 0, 30, (1, 5), 0.5),)),
    Transform("paper", _("Paper texture"), "surface", _("An uneven sheet instead of pure white."), paper, (
        _STRENGTH(_PERCENT, 0, 15, (0.5, 3), 0.1),)),
    Transform("engraved", _("Engraved and photographed"), "surface",
              _("Cut into glass, metal or stone or printed on them, under a lamp, as a camera takes it."), engraved, (
        _STRENGTH(_PERCENT, 0, 100, (60, 100), 5),)),
    Transform("blur", _("Blur"), "surface", _("Out of focus."), _blur, (
        Parameter("radius", _("Radius"), _SIDE, 0, 5, (0.2, 1), 0.1),)),
    Transform("motion_blur", _("Motion blur"), "surface", _("The hand moved."), _motion_blur, (
        Parameter("length", _("Length"), _SIDE, 0, 15, (1.5, 4), 0.5),
        Parameter("angle", _("Direction"), "°", 0, 360, (0, 360), 5),)),
    Transform("jpeg", _("JPEG compression"), "file", _("Saved once too often."), _jpeg, (
        Parameter("quality", _("Quality"), "", 5, 100, (35, 85), 1, neutral=100, whole=True),)),
    Transform("downscale", _("Low resolution"), "file", _("Photographed from too far away."), _downscale, (
        Parameter("factor", _("Factor"), "×", 0.1, 1, (0.4, 0.8), 0.05, neutral=1),)),
)  # fmt: skip

TRANSFORMS: dict[str, Transform] = {entry.name: entry for entry in _TABLE}

GROUPS: dict[Group, str] = {
    "orientation": _("Orientation"),
    "geometry": _("Geometry"),
    "strokes": _("Strokes"),
    "light": _("Light"),
    "surface": _("Surface"),
    "file": _("File"),
}
