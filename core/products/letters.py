"""Letters beside marks, read by OCR where the extra ``ocr`` is installed; without it a code is typed.

RapidOCR on ONNX Runtime (https://github.com/RapidAI/RapidOCR, Apache-2.0), with the models that its wheel holds: it is
never let ask for others.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ENLARGED = 3  # times: codes in catalogue pictures are ten to thirty pixels high
SURE = 0.8  # a reading below this is taken for nonsense: what a logo is read as
LARGEST = 1600  # px of a side that is read


@dataclass(frozen=True)
class Letters:
    """A piece of text, how sure it is (0 to 1), and the pixels [x, y, width, height] that it takes."""

    text: str
    sure: float
    box: tuple[int, int, int, int]


def can_read() -> bool:
    """Whether letters can be read here: the extra ``ocr`` is installed, with its models."""
    found = importlib.util.find_spec("rapidocr")
    folder = Path(found.origin).parent / "models" if found and found.origin else None
    return folder is not None and any(folder.glob("*_rec_*.onnx")) and any(folder.glob("*_det_*.onnx"))


def read_letters(image: Image.Image) -> list[Letters]:
    """The lines of text on a clean page, as they are read, from left to right; none where `can_read` is false."""
    if not can_read():
        return []
    times = min(ENLARGED, LARGEST / max(image.size))
    large = image.convert("RGB").resize(
        (max(1, round(image.width * times)), max(1, round(image.height * times))), Image.Resampling.BICUBIC
    )
    # Said each time: what one call asks for, the next one would do too.
    found = _engine()(np.asarray(large), use_det=True, use_cls=False, use_rec=True)
    if getattr(found, "boxes", None) is None or not found.txts:
        return []
    read = []
    for corners, text, sure in zip(found.boxes, found.txts, found.scores, strict=True):
        (left, top), (right, bottom) = np.asarray(corners).min(axis=0) / times, np.asarray(corners).max(axis=0) / times
        box = (int(left), int(top), round(right - left), round(bottom - top))
        read.append(Letters(str(text).strip(), float(sure), box))
    return in_reading_order(read)


def in_reading_order(lines: Iterable[Letters]) -> list[Letters]:
    """Row by row, each from left to right: of a row is what has its middle above the lower edge of its first."""
    rows: list[list[Letters]] = []
    for line in sorted(lines, key=lambda one: one.box[1]):
        _, up, _, high = line.box
        if rows and up + high / 2 < rows[-1][0].box[1] + rows[-1][0].box[3]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: one.box[0])]


def read_line(image: Image.Image) -> Letters:
    """What a picture is read as where all of it is taken for one line of text."""
    times = min(ENLARGED, LARGEST / max(image.size))
    large = image.convert("RGB").resize(
        (max(1, round(image.width * times)), max(1, round(image.height * times))), Image.Resampling.BICUBIC
    )
    found = _engine()(np.asarray(large), use_det=False, use_cls=False, use_rec=True)
    text, sure = (found.txts[0], found.scores[0]) if found.txts else ("", 0.0)
    return Letters(str(text).strip(), float(sure), (0, 0, *image.size))


@lru_cache(maxsize=1)
def _engine() -> Any:
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2})
