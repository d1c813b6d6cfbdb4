"""What speaks against a picture as a reference: a sight that is no mark, several, a part of one, or next to nothing.

Measured on what the model is given, before the picture becomes an original; whether it is let in all the same is a
person's to say.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image

from core.ground.config import Preprocessing
from core.ground.ink import ink_box
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.sight.marks import FOUND, find_marks, read_region

Doubt = Literal["none", "several", "border", "scattered", "little"]
DOUBTS: tuple[str, ...] = get_args(Doubt)

_SEEN = Preprocessing(mode="strokes", size=128)
_JOIN = 9  # px of 128: strokes that are as near belong together, as a dotted line's do
_PIECES = 8  # apart from one another: the marks that our own code draws have 4 at most
_INK = 0.012  # of the square: half of what the shortest stroke of a mark gives; a dot gives 0.001
_APART = 0.1  # of the smaller box that lies in the other: below, they are two marks
_SMALLEST = 16  # px: ink that is smaller has no strokes to be told apart, and a spot is redrawn as a ring
_EDGE = 0.004  # of the side: ink that near to the border is cut by it


def doubts_of(image: Image.Image, preprocessing: Preprocessing, *, region: Region | None = None) -> list[Doubt]:
    """What speaks against ``image`` (decoded, upright), or what lies in its ``region``, as a reference; [] is nothing.

    ``none``: no mark is found; ``several``: more than one, and nobody said which; ``border``: the ink is cut by the
    edge; ``scattered``: it lies in many places; ``little``: there is next to none. Where the picture itself is
    compared (`Preprocessing.whole`), nothing is.
    """
    if preprocessing.whole:
        return []
    if region is not None:
        return _against(read_region(image, region.inside(*image.size)).picture)
    marks = [mark for mark in find_marks(image) if mark.sure >= FOUND]
    if any(marks[0].region.shared(mark.region) < _APART for mark in marks[1:]):
        return ["several"]
    return _against(marks[0].picture) if marks else ["none"]


def _against(picture: Image.Image) -> list[Doubt]:
    where = ink_box(picture)
    if where is None:
        return ["none"]
    found: list[Doubt] = []
    if min(where[:2]) < _EDGE or max(where[2:]) > 1 - _EDGE:
        found.append("border")
    ink = (see(picture, _SEEN)[..., 0] < 128).astype(np.uint8)
    across, down = picture.width * (where[2] - where[0]), picture.height * (where[3] - where[1])
    if ink.mean() < _INK or max(across, down) < _SMALLEST:
        return [*found, "little"]
    around = cv2.dilate(ink, np.ones((_JOIN, _JOIN), np.uint8))
    if cv2.connectedComponents(around, connectivity=8)[0] - 1 > _PIECES:
        found.append("scattered")
    return found
