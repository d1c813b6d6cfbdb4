"""Catalogue pictures, made: one or two marks by hand with a code in print beside them, 100 to 200 px wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf")
FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/liberation")


@dataclass(frozen=True)
class Catalogued:
    """A picture, the rows of the drawings in it, from where to where each is (pixels from the left), and the code in
    print."""

    picture: Image.Image
    rows: tuple[int, ...]
    code: str
    places: tuple[tuple[float, float], ...] = ()


def catalogued(drawings: Sequence[Image.Image], rows: Sequence[int], code: str, rng: np.random.Generator) -> Catalogued:
    """Marks and code in a row, in any order, with gaps as wide as those inside a mark."""
    parts = [_mark(drawings[row], int(rng.integers(46, 84))) for row in rows]
    at = int(rng.integers(0, len(parts) + 1)) if code else len(parts)
    if code:
        parts.insert(at, _print(code, rng))
    gap = int(rng.integers(8, 18))
    width = sum(part.shape[1] for part in parts) + gap * (len(parts) + 1)
    height = max(part.shape[0] for part in parts) + 2 * gap
    page = np.full((height, width), int(rng.integers(235, 256)), np.float32)
    x, tone = gap, rng.integers(0, 70)
    places = []
    for part in parts:
        y = (height - part.shape[0]) // 2 + int(rng.integers(-gap // 2, gap // 2 + 1))
        here = page[y : y + part.shape[0], x : x + part.shape[1]]
        here[:] = np.minimum(here, tone + part * (here - tone) / 255)
        places.append((x, x + part.shape[1]))
        x += part.shape[1] + gap
    small = Image.fromarray(np.clip(page + rng.normal(0, 2, page.shape), 0, 255).astype(np.uint8))
    small.thumbnail((int(rng.integers(130, 221)), 200), Image.Resampling.LANCZOS)
    own = [(left * small.width / width, right * small.width / width) for left, right in places]
    return Catalogued(small.convert("RGB"), tuple(rows), code, tuple(own[:at] + own[at + bool(code) :]))


def _mark(drawing: Image.Image, height: int) -> np.ndarray:
    """A drawing cut to its ink, so many pixels high, 0 ink to 255 none."""
    grey = np.asarray(drawing.convert("L")).astype(np.float32)
    page = float(np.median(grey))
    ink = np.abs(grey - page)
    ys, xs = np.nonzero(ink > 0.35 * ink.max())
    cut = 255 * ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] / ink.max()
    width = max(8, min(130, round(cut.shape[1] * height / cut.shape[0])))
    small = Image.fromarray(cut.astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    strong = np.asarray(small).astype(np.float32)
    return 255 - np.clip(strong * 255 / max(1.0, np.quantile(strong, 0.97)), 0, 255)


def _print(code: str, rng: np.random.Generator) -> np.ndarray:
    known = [path for folder in FOLDERS for name in FONTS if (path := Path(folder) / name).is_file()]
    size = int(rng.integers(24, 44))
    font = ImageFont.truetype(str(rng.choice(known)), size) if known else ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(code)
    page = Image.new("L", (round(right - left) + 4, round(bottom - top) + 4), 255)
    ImageDraw.Draw(page).text((2 - left, 2 - top), code, font=font, fill=0)
    return np.asarray(page).astype(np.float32)
