"""Traits of the images that were asked: kind, size, stroke width and source, and where errors gather by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from PIL import Image

from core.collection.dataset import Dataset
from core.evaluation.predictions import Predictions
from core.evaluation.report import Share
from core.ground.arrays import read_arrays
from core.ground.config import Preprocessing
from core.ground.errors import BurinError
from core.ground.preprocessing import see, thin
from core.ground.translations import _
from core.ground.workspace import writing
from core.recognition.metrics import wilson

TRAITS: dict[str, str] = {
    "kind": _("Kind of picture"),
    "source": _("Where it came from"),
    "size": _("Longer side in pixels"),
    "stroke": _("Stroke width, share of the mark"),
}
STEPS = 4  # a number is looked at in so many groups, of one value each or of about equal size
FEWEST = 5  # images in a group: below, nothing is said of it
FILE = "traits.npz"

_SEEN = Preprocessing(mode="crop", size=128)
_INK = 128  # grey level below which a pixel of the cropped mark is ink


@dataclass(frozen=True)
class Traits:
    """Of the queries (Q,), in the order of the predictions: ``kind`` and ``source`` ("" where not known), ``size``
    (longer side, px; nan) and ``stroke`` (width as a share of the mark's longer side; nan)."""

    sha256: np.ndarray
    kind: np.ndarray
    source: np.ndarray
    size: np.ndarray
    stroke: np.ndarray

    def save(self, folder: Path) -> None:
        with writing(folder / FILE) as stream:
            np.savez_compressed(stream, **vars(self))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What `save` wrote; None where there is nothing usable."""
        try:
            held = read_arrays(folder / FILE)
            return cls(**{name: held[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError):
            return None


@dataclass(frozen=True)
class Tendency:
    """Queries of which a ``trait`` is ``value`` (a word), or from ``low`` to ``high`` (a number): how many were wrong.
    ``rows``: which ones, the most wrong first; ``telling``: even the interval of that share leaves out the share of
    all."""

    trait: str
    value: str
    low: float
    high: float
    wrong: Share
    telling: bool
    rows: tuple[int, ...] = ()


def traits_of(
    dataset: Dataset,
    predictions: Predictions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Traits | None:
    """Look the queries up in the catalogue and measure their strokes; None when stopped. Every image is opened."""
    items = {item.sha256: item for item in dataset.items(limit=None)}
    rows = []
    for row, sha256 in enumerate(predictions.sha256.tolist()):
        if row % 64 == 0:
            if should_stop():
                return None
            if on_progress:
                on_progress(row, len(predictions))
        item = items.get(sha256)
        if item is None:
            rows.append(("", "", math.nan, math.nan))
            continue
        try:
            stroke = stroke_width(dataset.picture(item))
        except (BurinError, OSError):
            stroke = math.nan
        rows.append((item.kind, item.source, float(max(item.width, item.height)), stroke))
    kind, source, size, stroke_widths = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Traits(
        predictions.sha256, np.array(kind, str), np.array(source, str), np.array(size, float),
        np.array(stroke_widths, float),
    )  # fmt: skip


def stroke_width(image: Image.Image) -> float:
    """Mean width of the strokes as a share of the mark's longer side: area of the ink by length of its centre
    lines. nan without ink."""
    mask = (see(image, _SEEN)[:, :, 0] < _INK).astype(np.uint8)
    length = cv2.countNonZero(thin(mask))
    if not length:
        return math.nan
    _x, _y, width, height = cv2.boundingRect(mask)
    return float(cv2.countNonZero(mask) / length / max(width, height))


def tendencies(predictions: Predictions, traits: Traits) -> list[Tendency]:
    """Groups of queries by every trait, those with the largest share of errors first; telling ones before others."""
    known = predictions.known
    wrong = (predictions.predicted != predictions.truth) & known
    overall = float(wrong[known].mean()) if known.any() else math.nan
    found = []
    for trait in TRAITS:
        for value, low, high, own in _groups(getattr(traits, trait), known):
            share = Share(int(wrong[own].sum()), int(own.sum()))
            if share.n >= FEWEST:
                below, above = wilson(share.hits, share.n)
                rows = np.flatnonzero(wrong & own)
                rows = rows[np.argsort(-predictions.gap[rows], kind="stable")]
                telling = not below <= overall <= above
                found.append(Tendency(trait, value, low, high, share, telling, tuple(rows.tolist())))
    return sorted(found, key=lambda each: (not each.telling, -each.wrong.value, each.trait, each.value, each.low))


def _groups(values: np.ndarray, known: np.ndarray) -> Iterable[tuple[str, float, float, np.ndarray]]:
    if values.dtype.kind == "U":
        for value in np.unique(values[known & (values != "")]).tolist():
            yield value, math.nan, math.nan, known & (values == value)
        return
    usable = known & np.isfinite(values)
    distinct, counts = np.unique(values[usable], return_counts=True)
    steps = np.arange(len(distinct))
    if len(distinct) > STEPS:  # equal values stay together, in the step that their middle rank falls into
        steps = (STEPS * (np.cumsum(counts) - counts / 2) / counts.sum()).astype(int)
    for step in np.unique(steps).tolist():
        within = distinct[steps == step]
        yield "", float(within[0]), float(within[-1]), usable & (values >= within[0]) & (values <= within[-1])
