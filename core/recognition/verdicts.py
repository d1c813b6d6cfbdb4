"""The answer to one mark: classes ranked, their strokes compared where the ranking leaves a doubt, and the verdict.

Identify, the shell and an evaluation all ask here, so that one mark has one verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from core.embedding.candidates import References
from core.recognition.alignment import align
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.evidence import strokes_of
from core.recognition.ranking import TEMPERATURE, ClassAnswer, Neighbours, ranked

CANDIDATES = 8  # classes whose strokes are compared at most
PLAY = 0.4  # of similarity: a class that far behind the first is not in play


def answer_to(
    vector: np.ndarray,
    outline: Callable[[], np.ndarray] | None,
    gallery: References,
    calibration: Calibration,
    *,
    k: int = 10,
    top: int = 5,
    allowed: Any = None,
) -> tuple[list[ClassAnswer], Verdict]:
    """The ``top`` likeliest classes, best first, for a mark's ``vector`` (D,), and the verdict.

    As `core.recognition.ranking.rank`; where that leaves a doubt, the strokes are compared. ``outline`` makes the
    mark's (`core.ground.outlines`): it is asked for only then.
    """
    near = Neighbours(vector, gallery, allowed)
    classes = ranked(near, k=k, top=max(top, 2))  # the margin needs the second
    if classes and outline is not None and gallery.has_outlines and calibration.in_doubt(classes):
        made = outline()
        if len(made) and made.any():
            more = ranked(near, k=k, top=CANDIDATES) if top < CANDIDATES else classes
            classes = compared(made, more, gallery)
    return classes[:top], calibration.verdict(classes)


def compared(outline: np.ndarray, classes: list[ClassAnswer], gallery: References) -> list[ClassAnswer]:
    """``classes`` (best first) ordered anew by how well the query's strokes lie on those of each one's best reference;
    unchanged where the gallery has no outlines, or none of the first."""
    likely = strengths(classes)
    play = [at for at in range(min(len(classes), CANDIDATES)) if likely[at] >= likely[0] - PLAY]
    asked = np.array([classes[at].item_id for at in play])
    if (held := gallery.outlines_of(asked)) is None:
        return classes
    icons = np.asarray(gallery.kinds_of(asked) == "icon")
    there = np.asarray(held.any(axis=(1, 2)))
    if not there[0]:
        return classes
    play = [at for at, has in zip(play, there.tolist(), strict=True) if has]
    strokes = strokes_of(align(outline, held[there]), icons[there])
    order = np.argsort(-(likely[play] - strokes[:, 3]), kind="stable").tolist()
    laid = [replace(classes[play[at]], strokes=tuple(strokes[at].tolist())) for at in order]
    return laid + [found for at, found in enumerate(classes) if at not in play]


def strengths(classes: list[ClassAnswer]) -> np.ndarray:
    """How much the ranking speaks for each class, on the scale of similarities, up to a constant: of one that has a
    vote, its logarithm; the others follow at the distance of their similarity."""
    voted = [(TEMPERATURE * float(np.log(found.vote)), found.similarity) for found in classes if found.vote > 0]
    shift = min((strength - similarity for strength, similarity in voted), default=0.0)
    return np.array(
        [TEMPERATURE * np.log(found.vote) if found.vote > 0 else found.similarity + shift for found in classes]
    )
