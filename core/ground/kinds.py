"""What a picture is, told from its pixels alone: a drawing, a photograph, or an icon as makers publish them.

A guess: people say what it is. Where a mark lies in it is `core.sight`'s.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.ground.config import Kind

FLAT = 0.6  # of the pixels within 4 of 256 levels of the two commonest tones: ink edges take less than the rest
GRAIN = 2.0  # levels of the median Laplacian; a sensor leaves more (4 and up), a drawing or its JPEG 0
WHITE = 235  # a ground as light as this is paper or a page, whose grain a scanner sees too
BROAD_PX, BROAD = 2.0, 0.04  # of an icon's strokes: pixels, and the share of the mark's longer side
SOFT = 0.02  # share of the ink between paper and full tone: a picture of two tones was not set by a program
_CLOSE, _WIDE = 256, 512  # px to which a picture is brought to be counted, and measured


def guess_kind(image: Image.Image) -> Kind:
    """``photo`` where the ground is not flat or has a sensor's grain, ``icon`` where a flat one holds broad, even, soft
    strokes, else ``drawing``.

    Broad: wider than 2 px and 4 % of the mark. Of 643 hand drawings of marks and 24 icons by their makers, on which
    these bounds were set, 4 drawings (three of them makers' icons too) and all 24 icons are.
    """
    grey = image.convert("L")
    if not is_flat(grey) or _is_grainy(grey):
        return "photo"
    return "icon" if _is_broad(grey) else "drawing"


def is_flat(image: Image.Image) -> bool:
    """Whether the background is one flat tone: ink edges take less than the rest; paper grain and shadow take more."""
    small = image.convert("L")
    if max(small.size) > _CLOSE:  # every n-th pixel: averaging would hide the grain that is looked for
        scale = _CLOSE / max(small.size)
        small = small.resize([max(1, round(s * scale)) for s in small.size], Image.Resampling.NEAREST)
    counts = np.array(small.histogram(), dtype=float)
    share = 0.0
    for _ in range(2):
        window = np.convolve(counts, np.ones(9), mode="same")
        tone = int(window.argmax())
        share += window[tone]
        counts[max(0, tone - 4) : tone + 5] = 0
    return share >= FLAT * small.width * small.height


def _is_grainy(grey: Image.Image) -> bool:
    """Whether neighbouring pixels of a ground that is not white differ everywhere."""
    left, top = max(0, (grey.width - _WIDE) // 2), max(0, (grey.height - _WIDE) // 2)
    tones = np.asarray(grey.crop((left, top, min(grey.width, left + _WIDE), min(grey.height, top + _WIDE))), np.int16)
    if min(tones.shape) < 3 or np.bincount(tones.ravel(), minlength=256).argmax() >= WHITE:
        return False
    inner = 4 * tones[1:-1, 1:-1] - tones[:-2, 1:-1] - tones[2:, 1:-1] - tones[1:-1, :-2] - tones[1:-1, 2:]
    return float(np.median(np.abs(inner))) > GRAIN


def _is_broad(grey: Image.Image) -> bool:
    """Whether the strokes are an icon's: their width is twice their area over their outline's length, which is the
    total variation of the ink."""
    if max(grey.size) > _WIDE:
        grey = grey.copy()
        grey.thumbnail((_WIDE, _WIDE), Image.Resampling.BOX)
    tones = np.asarray(grey, np.float32)
    ink = np.abs(tones - np.bincount(tones.astype(np.uint8).ravel(), minlength=256).argmax())
    full = float(ink.max())
    if full == 0:
        return False
    ink = np.where(ink < 0.1 * full, 0, ink / full)
    rows, columns = np.nonzero(ink > 0.5)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    padded = np.pad(ink, 1)
    outline = float(np.hypot(padded[1:, :-1] - padded[:-1, :-1], padded[:-1, 1:] - padded[:-1, :-1]).sum())
    width = 2 * float(ink.sum()) / outline
    soft = float((ink[ink > 0] < 0.9).mean())
    return bool(width >= BROAD_PX and width >= BROAD * extent and soft > SOFT)
