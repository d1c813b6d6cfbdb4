"""The networks: the finder says where strokes and whole marks lie in a picture, the reader what lies in one box, the
chooser which of several boxes is a whole mark.

They run in ONNX Runtime. What becomes of their answers is the matter of `core.sight.proposals`, `core.sight.reading`
and `core.sight.choosing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.sight.inputs import CHANNELS, channels

if TYPE_CHECKING:
    import onnxruntime

_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "finder"
FINDER, READER, JUDGE, CHOOSER = (_FOLDER / f"{name}.onnx" for name in ("finder", "reader", "judge", "chooser"))
CELL = 4  # px: side of a cell of the map of boxes
CHOSEN_FROM = 9  # maps and planes of a box that the chooser is given
_STEP = 32  # px: the network halves a picture five times


@dataclass(frozen=True)
class Seen:
    """``strokes`` (h, w) float32: how probably each pixel is a stroke of a mark; ``middles`` (p, q) float32: how
    probably a cell of `CELL` pixels is the middle of one whole mark; ``sides`` (4, p, q): how far, in pixels, that
    mark's left, upper, right and lower edges are from the cell's middle."""

    strokes: np.ndarray
    middles: np.ndarray
    sides: np.ndarray


def look(pictures: list[np.ndarray]) -> list[Seen]:
    """What the network sees in pictures of one size, (h, w, 3) or (h, w) uint8 each."""
    height, width = pictures[0].shape[:2]
    padded = np.zeros((len(pictures), CHANNELS, -(-height // _STEP) * _STEP, -(-width // _STEP) * _STEP), np.float32)
    for i, picture in enumerate(pictures):
        padded[i, :, :height, :width] = channels(picture)
    strokes, boxes = _session(FINDER).run(["strokes", "boxes"], {"picture": padded})
    high, wide = -(-height // CELL), -(-width // CELL)
    return [
        Seen(s[:height, :width], b[0, :high, :wide], b[1:, :high, :wide]) for s, b in zip(strokes, boxes, strict=True)
    ]


def judge(numbers: np.ndarray) -> np.ndarray:
    """(N,) the probabilities that a forest gives to (N, K) ``numbers`` of places."""
    return _session(JUDGE).run(["sure"], {"numbers": numbers.astype(np.float32)})[0]


def read(windows: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What lies in the boxes of (N, 5, S, S) ``windows`` (`core.sight.inputs.window_channels`): (N, S, S) float32, how
    probably each pixel is a stroke of the mark in the box; (N,), how probably the box is one whole mark and nothing
    else, after ``judged`` (N,), what the judge said."""
    given = {"window": windows.astype(np.float32), "judged": logit(judged.astype(np.float32))}
    strokes, sure = _session(READER).run(["strokes", "sure"], given)
    return strokes, sure


def choose(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of boxes seen as (N, 9, S, S) ``views`` (`core.sight.choosing.views`): (N,), how probably each is one whole mark;
    (N, 4), how far the mark's left, upper, right and lower edges lie outside of it, in extents of the box."""
    sure, edges = _session(CHOOSER).run(["sure", "edges"], {"views": views.astype(np.float32)})
    return sure, edges


def logit(p: np.ndarray) -> np.ndarray:
    """The log-odds of probabilities, none of them beyond those of 1 in 10,000."""
    limited = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(limited / (1 - limited))


@lru_cache
def _session(weights: Path) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    if weights == JUDGE:
        options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(weights.read_bytes(), options, providers=["CPUExecutionProvider"])
