"""Find a lens: from the answers to several marks, and a code, to the products that carry them.

What the marks are is `core.recognition.identify`'s; here their answers become probabilities, and products an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.catalogue.records import Product
from core.products.matching import Fit, ranked
from core.recognition.calibrate import Verdict
from core.recognition.identify import Answer
from core.recognition.verdicts import strengths

CANDIDATES = 12  # classes of a mark that are weighed
# Of the softmax over a mark's classes: the likeliest on Omniglot's characters (`benchmarks/products.py`).
TEMPERATURE = 0.04
FOREIGN: dict[Verdict, float] = {
    "certain": 0.02,
    "hesitates": 0.15,
    "unknown": 0.5,
    "not_found": 1.0,
}  # not of the base
CLEAR = 2.5  # log-odds that the first product must have over the next to be the one


@dataclass(frozen=True)
class Found:
    """The products best first, and how sure that is: "certain" (one fits wholly, and no other comes near), "hesitates"
    (several are close, or something does not fit), "unknown" (none fits more than chance)."""

    verdict: Verdict
    fits: list[Fit]

    def to_json(self, products: Mapping[int, Product]) -> dict[str, Any]:
        """As the shell prints it."""
        listed = [
            {"name": one.name, "maker": one.maker, "code": one.code, "fields": one.fields, **fit.to_json()}
            for fit in self.fits
            if (one := products.get(fit.product_id)) is not None
        ]
        return {"verdict": self.verdict, "products": listed}


def probabilities(answer: Answer) -> dict[int, float]:
    """Class id -> the probability (0 to 1) that the mark is of it; what is lacking from 1 is that it is of none."""
    classes = answer.classes
    if not classes or answer.verdict == "not_found":
        return {}
    speaks = strengths(classes)
    strokes = [one.strokes for one in classes]
    laid = [at for at, one in enumerate(strokes) if one is not None]
    if laid:
        costs = np.array([strokes[at] for at in laid])[:, 3]
        taken = np.full(len(classes), costs.max())  # those that were not laid over it are no likelier than the worst
        taken[laid] = costs
        speaks = speaks - taken
    weights = np.exp((speaks - speaks.max()) / TEMPERATURE)
    shares = (1 - FOREIGN[answer.verdict]) * weights / weights.sum()
    return {one.class_id: float(share) for one, share in zip(classes, shares, strict=True)}


def find(products: Sequence[Product], marks: Iterable[Mapping[int, float]], *, code: str = "", top: int = 20) -> Found:
    """The products that carry these ``marks`` (class id -> probability each, see `probabilities`) and this ``code``."""
    asked = [dict(mark) for mark in marks]
    fits = ranked(products, asked, code=code, top=top)
    return Found(_verdict(fits, bool(asked or code)), fits)


def _verdict(fits: Sequence[Fit], asked: bool) -> Verdict:
    if not fits or not asked or fits[0].score <= 0:
        return "unknown"
    first, second = fits[0], fits[1].score if len(fits) > 1 else -np.inf
    sure = all(pair.probability >= 0.5 for pair in first.pairs)
    return "certain" if first.whole and sure and first.score - second >= CLEAR else "hesitates"
