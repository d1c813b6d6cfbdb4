"""One picture in, one answer out: which gravure it is, or that it is not in the base.

Reads a `Gallery` and its `Calibration`; stores nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from core.embedding.gallery import Gallery
from core.ground.preprocessing import see
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.ranking import ClassAnswer, rank

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder


@dataclass(frozen=True)
class Answer:
    """The verdict, the candidate classes (best first), what the model saw (S, S, 3) uint8, the
    query's vector (D,), and where the time went in milliseconds."""

    verdict: Verdict
    classes: list[ClassAnswer]
    seen: np.ndarray
    vector: np.ndarray
    latency_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self, names: dict[int, str]) -> dict[str, Any]:
        """The answer as the shell prints it; ``names`` maps class ids to display names."""
        classes = [{"name": names[c.class_id], "similarity": round(c.similarity, 4)} for c in self.classes]
        return {"verdict": self.verdict, "classes": classes}


def identify(
    image: Image.Image,
    *,
    gallery: Gallery,
    calibration: Calibration,
    embedder: Embedder,
    k: int = 10,
    top: int = 5,
    kinds: list[str] | None = None,
    class_ids: list[int] | None = None,
) -> Answer:
    """Name the mark in ``image`` (decoded, RGB) among the gallery's classes.

    ``k`` neighbours vote, ``top`` classes are answered; ``kinds`` and ``class_ids`` restrict the
    references. An empty gallery, or a picture of one tone, is answered "unknown".
    """
    started = time.perf_counter()
    seen = see(image, embedder.preprocessing)
    saw = time.perf_counter()
    vector = embedder.embed(seen[None])[0]
    embedded = time.perf_counter()
    allowed = gallery.select(class_ids=class_ids, kinds=kinds)
    classes = rank(vector, gallery, k=k, top=max(top, 2), allowed=allowed)  # the margin needs the second
    blank = bool((seen == seen[0, 0]).all())
    verdict: Verdict = "unknown" if blank else calibration.verdict(classes)
    done = time.perf_counter()
    spent = {"see": saw - started, "embed": embedded - saw, "search": done - embedded, "total": done - started}
    return Answer(verdict, classes[:top], seen, vector, {name: 1000 * seconds for name, seconds in spent.items()})
