"""The marks in a picture: where each is, how sure that is, and its ink, ready to be seen.

Knows nothing of a base: whether a mark has a name is `core.recognition`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from core.ground.config import Preprocessing
from core.ground.ink import FAINTEST, has_ink
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.sight.groups import Box
from core.sight.inputs import evened
from core.sight.proposals import SAME, places
from core.sight.reading import read, read_finely

FOUND = 0.3  # probability from which there is a mark: nine in ten left-out scenes without one stay below
_LEAST = 0.03  # what is less sure is not even proposed
_AROUND = 0.4  # of a region that was pointed at, shown to the network around it
_EVEN = 0.45  # share of a clean page's pixels that is of one colour, its ground's
_MOST = 2304  # px: a larger picture is reduced to this side: a mark of 2 % of it is 46 px
_CLOSE = 0.06  # of a box's larger side: what is left round it where the photograph itself is cut out
_CUT = 256  # px: larger side of what is cut out; no encoder of a photograph sees more


@dataclass(frozen=True)
class Subject:
    """What is looked at: ``picture``, what `core.ground.preprocessing.see` is to be given; where that is ink that was
    read in a photograph, the ``photograph`` of the same place, cut close, in greys."""

    picture: Image.Image
    photograph: Image.Image | None = None


@dataclass(frozen=True)
class Mark:
    """One mark found: its ``region`` in the upright picture; ``sure``, the probability (0 to 1) that it is one whole
    mark and nothing else; ``picture`` and ``photograph``: its `Subject`."""

    region: Region
    sure: float
    picture: Image.Image
    photograph: Image.Image | None = None

    @property
    def subject(self) -> Subject:
        return Subject(self.picture, self.photograph)


def find_marks(image: Image.Image, *, most: int = 5, alike: float = SAME) -> list[Mark]:
    """Where marks may be in ``image`` (decoded, upright), surest first; from `FOUND` on there is one. Boxes may share
    their ink: a mark and a part of it, each with its own sureness, or one mark with other edges, as far as they overlap
    (intersection over union) by ``alike`` at most. A clean drawing is one mark, the whole of it."""
    if most < 1:
        return []
    if is_clean(image):
        return [] if _blank(image) else [Mark(Region(0, 0, image.width, image.height), 1.0, image)]
    pixels, factor = _worked_on(image)
    return [
        Mark(_region(box, factor, image), reading.sure, Image.fromarray(reading.ink), _cut_close(pixels, box))
        for box, reading in places(pixels, most=most, alike=alike)
        if reading.sure >= _LEAST
    ]


def read_region(image: Image.Image, region: Region) -> Mark:
    """The mark that somebody pointed at: its ink, or what lies there as it is where no ink is found or the ground is
    even."""
    piece = cut_region(image, region)
    if is_clean(piece):
        return Mark(region, 1.0, piece)
    around = cut_region(image, region, margin=_AROUND)
    pixels = _toned(np.asarray(around), region)
    wide, high = piece.size
    box = ((around.width - wide) / 2, (around.height - high) / 2, float(wide), float(high))
    there = read_boxes(pixels, [box])[0]
    if not has_ink(there.picture):
        return Mark(region, 1.0, piece)
    return Mark(region, 1.0, there.picture, there.photograph)


def read_boxes(pixels: np.ndarray, boxes: Sequence[Box]) -> list[Subject]:
    """What is read in ``boxes`` of ``pixels`` (H, W, 3) or (H, W) uint8."""
    pixels = evened(pixels)
    readings = read_finely(pixels, boxes, read(pixels, boxes))
    return [
        Subject(Image.fromarray(one.ink), _cut_close(pixels, box)) for one, box in zip(readings, boxes, strict=True)
    ]


def cut_region(image: Image.Image, region: Region, *, margin: float = 0.0) -> Image.Image:
    """What lies in the region, turned as it says, its corners white where it is turned; with ``margin`` (share of its
    larger side) all round it, in the colour of the picture's edge where that lies outside."""
    image = image if image.mode in ("RGB", "L") else image.convert("RGB")
    x, y, w, h = region.box
    w, h = min(w, image.width - x), min(h, image.height - y)
    if not margin and not region.turn:
        return image.crop((x, y, x + w, y + h))
    more = round(margin * max(w, h))
    if not margin:
        return image.crop((x, y, x + w, y + h)).rotate(region.turn, expand=True, fillcolor="white")
    reach = more + (round(np.hypot(w, h) / 2) if region.turn else 0)  # so that turning leaves no corner empty
    pixels = np.asarray(image)
    x0, y0, x1, y1 = (
        max(0, x - reach),
        max(0, y - reach),
        min(image.width, x + w + reach),
        min(image.height, y + h + reach),
    )
    beyond = (
        (y - reach < 0) * (reach - y),
        max(0, y + h + reach - image.height),
        max(0, reach - x),
        max(0, x + w + reach - image.width),
    )
    square = cv2.copyMakeBorder(pixels[y0:y1, x0:x1], *beyond, cv2.BORDER_REPLICATE)
    turned = Image.fromarray(square)
    if not region.turn:
        return turned
    turned = turned.rotate(region.turn, resample=Image.Resampling.BICUBIC)
    wide, high = Image.new("L", (w, h)).rotate(region.turn, expand=True).size
    wide, high = min(wide + 2 * more, turned.width), min(high + 2 * more, turned.height)
    left, up = (turned.width - wide) // 2, (turned.height - high) // 2
    return turned.crop((left, up, left + wide, up + high))


def pointed_at(image: Image.Image, region: Region | None, preprocessing: Preprocessing) -> Image.Image | Subject:
    """What `sight` is to be given, later and without the region, to see what lies in it; without one the image."""
    return image if region is None else subject(image, preprocessing, region=region)


def sight(image: Image.Image | Subject, preprocessing: Preprocessing, *, region: Region | None = None) -> np.ndarray:
    """What the model sees of ``image``, `Preprocessing.shape` uint8: `subject` as `core.ground.preprocessing.see` takes
    it. Everything that makes vectors asks this."""
    return see(subject(image, preprocessing, region=region).picture, preprocessing)


def subject(image: Image.Image | Subject, preprocessing: Preprocessing, *, region: Region | None = None) -> Subject:
    """What is looked at in ``image``: the mark that was pointed at, else the surest one found, else the whole picture;
    of what is a subject already, itself.

    Where the picture itself is compared (`Preprocessing.whole`), only a region cuts it.
    """
    if isinstance(image, Subject):
        return image
    if preprocessing.whole:
        return Subject(image if region is None else cut_region(image, region))
    if region is not None:
        return read_region(image, region).subject
    if is_clean(image):
        return Subject(image)
    marks = find_marks(image, most=1)
    return marks[0].subject if marks and marks[0].sure >= FOUND else Subject(image)


def is_clean(image: Image.Image) -> bool:
    """Whether the picture is a drawing on an even page: its ground is flat in every channel."""
    small = image if image.mode in ("RGB", "L") else image.convert("RGB")
    if max(small.size) > 256:  # every n-th pixel: averaging would hide the grain that is looked for
        scale = 256 / max(small.size)
        small = small.resize([max(1, round(s * scale)) for s in small.size], Image.Resampling.NEAREST)
    pixels = np.asarray(small)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.partition(edge, len(edge) // 2, axis=0)[len(edge) // 2].astype(int)
    even = (pixels == ground.astype(np.uint8)).all(axis=2)  # a photograph's noise alone leaves a quarter of it at most
    return np.count_nonzero(even) > _EVEN * even.size


def _blank(image: Image.Image) -> bool:
    """Whether a clean page holds nothing, by its range of tones alone: `see` searches its ink anyway."""
    ranges = np.reshape((image if image.mode in ("RGB", "L") else image.convert("RGB")).getextrema(), (-1, 2))
    return bool((ranges[:, 1] - ranges[:, 0] < FAINTEST).all())


def _worked_on(image: Image.Image) -> tuple[np.ndarray, float]:
    """The pixels that are searched, and how many of them one of the picture's is."""
    pixels = np.asarray(image if image.mode in ("RGB", "L") else image.convert("RGB"))
    factor = min(1.0, _MOST / max(pixels.shape[:2]))
    if factor < 1:
        size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return evened(pixels), factor


def _cut_close(pixels: np.ndarray, box: Box) -> Image.Image:
    """What lies in ``box`` of the photograph, as far as it lies in it."""
    height, width = pixels.shape[:2]
    more = _CLOSE * max(box[2:])
    x0, y0 = (int(np.clip(v - more, 0, limit - 1)) for v, limit in zip(box[:2], (width, height), strict=True))
    x1 = int(np.clip(np.ceil(box[0] + box[2] + more), x0 + 1, width))
    y1 = int(np.clip(np.ceil(box[1] + box[3] + more), y0 + 1, height))
    cut = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1])).convert("L")  # references are opened as greys
    cut.thumbnail((_CUT, _CUT), Image.Resampling.BOX)
    return cut


def _toned(pixels: np.ndarray, region: Region) -> np.ndarray:
    """Without what is brighter than the ground of a dark mark, or darker than that of a bright one."""
    if not region.tone:
        return pixels
    ground = np.median(pixels.reshape(-1, *pixels.shape[2:]), axis=0).astype(np.uint8)
    return np.minimum(pixels, ground) if region.tone == "dark" else np.maximum(pixels, ground)


def _region(box: Box, factor: float, image: Image.Image) -> Region:
    x0, y0 = (int(np.clip(v / factor, 0, limit - 1)) for v, limit in zip(box[:2], image.size, strict=True))
    x1 = int(np.clip(np.ceil((box[0] + box[2]) / factor), x0 + 1, image.width))
    y1 = int(np.clip(np.ceil((box[1] + box[3]) / factor), y0 + 1, image.height))
    return Region(x0, y0, x1 - x0, y1 - y0)
