"""Which product carries these marks and this code: every product weighed by all evidence together, best first.

Each mark counts with its probability of being each class, not by its first name. A mark that a product should carry and
that was not seen costs, as does one that was seen and that it does not carry; so does each edit of the code. Arrays in,
rows out; 10,000 products take some ten milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.catalogue.records import Carried, Product
from core.products.codes import distances, plain

MOST = 8  # marks that are asked with
SPREAD = 50.0  # classes a mark might be by chance: a certain one speaks by its logarithm
UNLIKELY = 0.004  # probability of a class that is not among a mark's candidates: it may be misread all the same
EXTRA, MISSING = -2.0, -2.0  # log-odds of a mark seen that the product has not, and of one not seen
PER_SIGN, LONG = 3.0, 4  # log-odds of a sign of a code that agrees, of the first few
EDIT, WORST = -5.0, -6.0  # of one edit, and at most
NO_CODE = -1.0  # a code was asked and this product has none written down
LIKELY = 0.1  # from this probability a mark fits
_CLOSELY = 1000  # products that are weighed exactly: the best by what they could reach at most


@dataclass(frozen=True)
class Pair:
    """A mark that was ``asked`` with (its number), the mark of the product that it was taken for, and the probability
    (0 to 1) that it is of that class; it ``fits`` from `LIKELY` on, or where it is its likeliest."""

    asked: int
    carried: Carried
    probability: float
    fits: bool


@dataclass(frozen=True)
class Fit:
    """How one product fits: its ``score`` in log-odds against chance, the ``pairs``, the marks that were seen and it
    has not (``extra``, numbers) and those that it has and were not seen (``missing``); ``edits`` from its code (None:
    nothing to compare)."""

    product_id: int
    score: float
    pairs: tuple[Pair, ...]
    extra: tuple[int, ...]
    missing: tuple[Carried, ...]
    edits: float | None

    @property
    def fitting(self) -> int:
        """How many of the marks asked with fit."""
        return sum(pair.fits for pair in self.pairs)

    @property
    def whole(self) -> bool:
        """Whether everything fits: all marks, both ways, and the code but for signs that look alike."""
        every = all(pair.fits for pair in self.pairs) and not self.extra and not self.missing
        return every and (self.edits is None or self.edits < 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "score": round(self.score, 3),
            "fits": self.fitting,
            "differs": [pair.asked for pair in self.pairs if not pair.fits],
            "extra": list(self.extra),
            "missing": len(self.missing),
            "edits": None if self.edits is None else round(self.edits, 2),
        }


def ranked(
    products: Sequence[Product], marks: Sequence[Mapping[int, float]], *, code: str = "", top: int = 20
) -> list[Fit]:
    """The ``top`` products, best first, for ``marks`` (class id -> probability each, at most `MOST`) and ``code``."""
    marks = marks[:MOST]
    if not products:
        return []
    carried, gains = _gains(products, marks)
    edits, by_code = _codes(products, code)
    chosen = np.arange(len(products))
    if len(products) > _CLOSELY:
        unseen = np.maximum(0, (carried >= 0).sum(axis=1) - len(marks))
        bound = gains.max(axis=2).clip(EXTRA).sum(axis=0) + MISSING * unseen + by_code
        chosen = np.argpartition(-bound, _CLOSELY)[:_CLOSELY]
    scores, choices = _assigned(carried[chosen], gains[:, chosen])
    scores = scores + by_code[chosen]
    order = np.lexsort((chosen, -scores))[:top]
    return [
        _fit(products[chosen[at]], marks, _pairs(choices, at, len(marks)), float(scores[at]), edits[chosen[at]])
        for at in order.tolist()
    ]


def _gains(products: Sequence[Product], marks: Sequence[Mapping[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The columns of the classes that products carry (P, L), -1 where there is no mark, and what each mark asked with
    gains by being taken for it (M, P, L)."""
    most = max(1, max(len(product.marks) for product in products))
    columns: dict[int, int] = {}
    carried = np.full((len(products), most), -1, np.int32)
    for row, product in enumerate(products):
        for at, mark in enumerate(product.marks):
            carried[row, at] = columns.setdefault(mark.class_id, len(columns))
    likely = np.full((len(marks), len(columns) + 1), UNLIKELY, np.float32)  # the last column: no mark
    for row, shares in enumerate(marks):
        for class_id, probability in shares.items():
            if class_id in columns:
                likely[row, columns[class_id]] = max(probability, UNLIKELY)
    gains = np.log(likely * SPREAD)[:, carried]
    gains[:, carried < 0] = -np.inf
    return carried, gains


def _codes(products: Sequence[Product], code: str) -> tuple[np.ndarray, np.ndarray]:
    """Edits from each product's code (P,), nan where there is nothing to compare, and what they speak (P,)."""
    asked = plain(code)
    held = [plain(product.code) for product in products]
    if not asked:
        return np.full(len(products), np.nan), np.zeros(len(products))
    edits = distances(asked, held)
    none = np.array([not one for one in held])
    length = np.array([min(max(len(asked), len(one)), LONG) for one in held])
    speaks = np.maximum(PER_SIGN * length + EDIT * edits, WORST)
    return np.where(none, np.nan, edits), np.where(none, NO_CODE, speaks)


def _assigned(carried: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best score of taking marks for carried ones, each at most once (P,), and for every carried mark and every set
    of marks taken so far which one was taken for it, -1 none (L, 2^M, P): dynamic programming over the sets."""
    count, (rows, most) = len(gains), carried.shape
    best = np.full((1 << count, rows), -np.inf, np.float32)
    best[0] = 0.0
    choices = np.full((most, 1 << count, rows), -1, np.int8)
    for at in range(most):
        unseen = np.where(carried[:, at] >= 0, np.float32(MISSING), np.float32(0))
        now = best + unseen
        for taken in range(1, 1 << count):
            for mark in range(count):
                if taken >> mark & 1:
                    value = best[taken ^ (1 << mark)] + gains[mark, :, at]
                    better = value > now[taken]
                    now[taken][better] = value[better]
                    choices[at, taken][better] = mark
        best = now
    left = np.array([count - taken.bit_count() for taken in range(1 << count)], np.float32)
    final = best + EXTRA * left[:, None]
    return final.max(axis=0), np.concatenate([choices, final.argmax(axis=0)[None, None].repeat(1 << count, 1)])


def _pairs(choices: np.ndarray, row: int, count: int) -> list[tuple[int, int]]:
    """(Mark asked with, number of the carried mark) for one product, by going back through the choices."""
    taken, pairs = int(choices[-1, 0, row]), []
    for at in range(len(choices) - 2, -1, -1):
        mark = int(choices[at, taken, row])
        if mark >= 0:
            pairs.append((mark, at))
            taken ^= 1 << mark
    return sorted(pairs)


def _fit(
    product: Product, marks: Sequence[Mapping[int, float]], pairs: Sequence[tuple[int, int]], score: float, edits: float
) -> Fit:
    made = []
    for asked, at in pairs:
        probability = marks[asked].get(product.marks[at].class_id, 0.0)
        first = probability > 0 and probability >= max(marks[asked].values())
        made.append(Pair(asked, product.marks[at], probability, probability >= LIKELY or first))
    used = {at for _asked, at in pairs}
    seen = {asked for asked, _at in pairs}
    return Fit(
        product.id,
        score,
        tuple(made),
        tuple(number for number in range(len(marks)) if number not in seen),
        tuple(mark for at, mark in enumerate(product.marks) if at not in used),
        None if np.isnan(edits) else float(edits),
    )
