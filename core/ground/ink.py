"""The ink in a picture: what stands out from its background, dark or light, on paper or in the shadow of a photograph.

Finds it, how strong it is at each pixel, and where it lies. What the model is shown of it is
`core.ground.preprocessing`'s: whoever changes this raises the version there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

AROUND = 0.15  # of the longer side: margin given to a picture that is not clean, in which ink at the edge is dropped
FAINTEST = 16  # grey levels of 255: what differs less from its background is not ink

_WORK = 480  # px: pictures are reduced to this side before the search for ink
_SMALL = 32  # px: side on which the background is estimated
_WINDOW = 13  # px of _SMALL: more than twice the widest stroke, so that the median in it is paper
_SHARP = 90  # grey levels within two pixels of _SMALL: an edge of solid ink; a shadow's is softer
_LAG = 0.12  # of the range of a shaded page: what the estimate of its light may be off by
_AROUND = np.ones((3, 3), np.uint8)
_SPECK = 0.01  # of the area of the largest piece of ink


@dataclass(frozen=True)
class Ink:
    """The ink in its bounding box: ``strength`` (h, w) uint8, how far each pixel is from the
    background; from ``level`` on it is ink, at ``full`` it is fully covered. The box has its upper left corner at
    (``x``, ``y``) of the picture, and one pixel of it is ``scale`` of the picture's."""

    strength: np.ndarray
    level: float
    full: float
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0


def find_ink(image: Image.Image) -> Ink | None:
    """The ink that `see` shows of a decoded picture, before it is scaled or redrawn; None without any."""
    return _find_ink(_pixels(image))


def has_ink(image: Image.Image) -> bool:
    """Whether there is a mark to look at: something that stands out from its background."""
    return find_ink(image) is not None


def ink_box(image: Image.Image) -> tuple[float, float, float, float] | None:
    """Where the ink lies, as shares of the picture: left, top, right, bottom; None where there is none."""
    pixels = _reduced(_pixels(image), _WORK)
    found = _ink_in(_channels(pixels))
    if found is None:
        return None
    (x, y, w, h), (height, width) = found[1], pixels.shape[:2]
    return x / width, y / height, (x + w) / width, (y + h) / height


@dataclass(frozen=True)
class _Pieces:
    """Ink in a picture: its ``mask`` (h, w) uint8 of 0 and 1 with the upper left corner at (``x``, ``y``), and the
    two levels of `Ink`."""

    mask: np.ndarray
    x: int
    y: int
    level: float
    full: float


def _pixels(image: Image.Image) -> np.ndarray:
    """(H, W) of greys, which is a third of the work, else (H, W, 3)."""
    return np.asarray(image if image.mode in ("RGB", "L") else image.convert("RGB"))


def _find_ink(pixels: np.ndarray) -> Ink | None:
    """Search a reduced copy; a mark that is small in a large picture is cut out and looked at again."""
    reduced = _reduced(pixels, _WORK)
    found = _ink_in(_channels(reduced))
    if found is None:
        return None
    ink, (x, y, w, h) = found
    scale = max(pixels.shape[:2]) / max(reduced.shape[:2])
    if scale > 1 and max(w, h) < _WORK / 3:
        around = max(w, h) // 2 + 4
        rows = slice(int(max(0, y - around) * scale), int((y + h + around) * scale))
        columns = slice(int(max(0, x - around) * scale), int((x + w + around) * scale))
        part = pixels[rows, columns]
        again = _ink_in(_channels(_reduced(part, _WORK)))
        if again:
            closer = max(1.0, max(part.shape[:2]) / _WORK)
            left, top = again[1][:2]
            return replace(again[0], x=columns.start + closer * left, y=rows.start + closer * top, scale=closer)
    return replace(ink, x=scale * x, y=scale * y, scale=scale)


def _channels(pixels: np.ndarray) -> list[np.ndarray]:
    """The channels (H, W) of a picture, the one with the most contrast first; of a grey one, whatever its mode, one."""
    if pixels.ndim == 2:
        return [pixels]
    channels = list(cv2.split(pixels))
    if all(np.array_equal(channels[0], other) for other in channels[1:]):
        return channels[:1]
    _, spread = cv2.meanStdDev(pixels)
    channels.insert(0, channels.pop(int(spread.argmax())))
    return channels


def _ink_in(channels: list[np.ndarray]) -> tuple[Ink, tuple[int, int, int, int]] | None:
    """The ink of a picture and its bounding box (x, y, width, height)."""
    backgrounds = [median_of(edge_of(channel)) for channel in channels]
    papers = [_paper(channel, background) for channel, background in zip(channels, backgrounds, strict=True)]
    around = 0
    if any(paper is not None for paper in papers) and all(paper is None or _even_edge(paper) for paper in papers):
        around = max(1, round(AROUND * max(channels[0].shape)))
        channels = [_widened(channel, around, int(b)) for channel, b in zip(channels, backgrounds, strict=True)]
        papers = [_paper(channel, background) for channel, background in zip(channels, backgrounds, strict=True)]
    uneven = [paper for paper in papers if paper is not None]
    strength = _strength(channels, [b if p is None else p for b, p in zip(backgrounds, papers, strict=True)])
    lag = max((_LAG * float(np.ptp(paper)) for paper in uneven), default=0.0)
    found = _pieces(strength, faintest=FAINTEST + lag, framed=bool(uneven))
    if found is not None and 2 * cv2.countNonZero(found.mask) > strength.size:  # the edge was a frame
        strength = _strength(channels, [median_of(channel.ravel()) for channel in channels])
        found = _pieces(strength, framed=True) or found
    if found is None:
        return None
    x, y, w, h = cv2.boundingRect(found.mask)
    mask = found.mask[y : y + h, x : x + w]
    x, y = found.x + x, found.y + y
    alone = strength[y : y + h, x : x + w]
    specks = cv2.subtract(reaching(alone, found.level), mask)
    if specks.any():
        alone = cv2.copyTo(alone, 1 - specks)
    return Ink(alone, found.level, found.full), (x - around, y - around, w, h)


def _even_edge(paper: np.ndarray) -> bool:
    """Whether the light along the edge of ``paper`` is even enough for a margin of one tone not to be ink itself."""
    low, high = np.percentile(edge_of(paper), (10, 90))
    return bool(high - low <= 2 * FAINTEST)


def _widened(channel: np.ndarray, around: int, background: int) -> np.ndarray:
    return cv2.copyMakeBorder(channel, around, around, around, around, cv2.BORDER_CONSTANT, value=background)


def edge_of(pixels: np.ndarray) -> np.ndarray:
    """The pixels along the four sides."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def median_of(values: np.ndarray) -> np.ndarray:
    """The median along the first axis, as one of the values (a fifth of the time of np.median)."""
    return np.partition(values, len(values) // 2, axis=0)[len(values) // 2]


def _paper(grey: np.ndarray, background: np.ndarray) -> np.ndarray | None:
    """The background at each pixel (H, W), or None where it is even.

    The median in a large window is paper, whatever its polarity, and follows shadows. Where the
    picture leaves the background by a sharp edge, it is solid ink instead, and not followed.
    """
    even = cv2.inRange(grey, int(background) - 2, int(background) + 2)
    if cv2.countNonZero(even) > 0.6 * grey.size:  # a drawn or clean page
        return None
    small = _reduced(grey, _SMALL)
    paper = cv2.medianBlur(small, _WINDOW)
    away = cv2.absdiff(paper, np.full_like(paper, background))
    if away.max() < FAINTEST / 2:
        return None
    border = cv2.morphologyEx((away > away.max() / 2).astype(np.uint8), cv2.MORPH_GRADIENT, _AROUND) > 0
    if border.any() and np.median(cv2.morphologyEx(small, cv2.MORPH_GRADIENT, _AROUND)[border]) > _SHARP:
        return None
    return cv2.resize(cv2.GaussianBlur(paper, (0, 0), 2), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _strength(channels: list[np.ndarray], papers: list[np.ndarray]) -> np.ndarray:
    """How far each pixel is from the paper, (H, W) uint8, on its darker or its lighter side: the one with more
    contrast. The first channel alone where it shows all there is, else at each pixel the channel that is furthest:
    ink of one colour is seen best in one channel, and of two colours each may be missing in the other's."""
    dark, light = _sides(channels[0], papers[0])
    first = dark if cv2.norm(dark) >= cv2.norm(light) else light
    if len(channels) == 1:
        return first
    for channel, paper in zip(channels[1:], papers[1:], strict=True):
        darker, lighter = _sides(channel, paper)
        dark, light = cv2.max(dark, darker), cv2.max(light, lighter)
    furthest = dark if cv2.norm(dark) >= cv2.norm(light) else light
    clear = furthest >= 2 * FAINTEST
    lost = clear & (first < furthest // 2)
    return furthest if np.count_nonzero(lost) > _SPECK * np.count_nonzero(clear) else first


def _sides(channel: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    paper = paper if paper.ndim else np.full_like(channel, paper)
    return cv2.subtract(paper, channel), cv2.subtract(channel, paper)


def _pieces(strength: np.ndarray, *, faintest: float = FAINTEST, framed: bool = False) -> _Pieces | None:
    """The ink in ``strength`` (H, W) uint8; None without ink.

    ``faintest``: the least strength of ink on paper without grain; grain raises it. ``framed``:
    what touches the edge of the picture is no ink (a frame, a table, a reflection), if there is
    enough else.
    """
    some = strength[::2, ::2]
    half_is_paper = 2 * np.count_nonzero(some) < some.size  # one side of even paper: half of it is 0
    noise = 0.0 if half_is_paper else 1.4826 * float(median_of(some.ravel()))
    faintest = max(faintest, min(6 * noise, 4 * FAINTEST))  # where most is ink, the median is no noise
    strong = strength[strength >= faintest]
    if not strong.size:
        return None
    tenth = len(strong) * 9 // 10
    full = max(float(np.partition(strong, tenth)[tenth]), 2.0 * FAINTEST)
    level = max(faintest, 0.4 * full)
    mask = reaching(strength, level)
    x = y = 0
    if not framed:  # what lies outside the box of the ink need not be searched
        x, y, w, h = cv2.boundingRect(mask)
        mask = mask[y : y + h, x : x + w]
    # 16 bits hold every label of a picture of this size, and take half the time of 32
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    if count < 2:
        return None
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    if framed:
        inner = area.copy()
        inner[edge_of(labels)] = 0
        area = inner if inner.max() > area.max() / 50 else area
    keep = area >= _SPECK * area.max()
    return _Pieces(mask if keep[1:].all() else keep.astype(np.uint8)[labels], x, y, level, full)


def reaching(strength: np.ndarray, level: float) -> np.ndarray:
    """1 where ``strength``, which is uint8, is at least ``level``, else 0."""
    return cv2.threshold(strength, math.ceil(level) - 1, 1, cv2.THRESH_BINARY)[1]


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """``picture`` at another size: averaged where that is smaller, else by cubic interpolation."""
    smaller = width * height < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _reduced(pixels: np.ndarray, side: int) -> np.ndarray:
    """``pixels`` with its longer side at most ``side``."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    return resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
