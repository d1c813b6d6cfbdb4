"""The marks in a picture: where each is, how sure that is, and its ink, ready to be seen.

Knows nothing of a base: whether a mark has a name is `core.recognition`'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from core.ground.preprocessing import has_ink
from core.ground.regions import Region


@dataclass(frozen=True)
class Mark:
    """One mark found: its ``region`` in the upright picture; ``sure``, the probability (0 to 1) that it is one whole
    mark and nothing else; ``picture``, what `core.ground.preprocessing.see` is to be given for it."""

    region: Region
    sure: float
    picture: Image.Image


def find_marks(image: Image.Image, *, most: int = 5) -> list[Mark]:
    """The marks in ``image`` (decoded, upright), surest first; none where there is none."""
    if most < 1 or not has_ink(image):
        return []
    return [Mark(Region(0, 0, image.width, image.height), 1.0, image)]


def read_region(image: Image.Image, region: Region) -> Mark:
    """The mark that somebody pointed at."""
    x, y, w, h = region.box
    cut = image.crop((x, y, min(image.width, x + w), min(image.height, y + h)))
    return Mark(region, 1.0, cut.rotate(region.turn, expand=True, fillcolor="white") if region.turn else cut)
