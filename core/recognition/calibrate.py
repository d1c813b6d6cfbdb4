"""When to say a name, when to hesitate, and when to say "not in the base".

The thresholds come from the workspace itself by leave-one-out: each reference is asked twice,
once with its own row removed (is it named rightly?) and once with its whole class removed (it
is then a mark from outside the base: is it named all the same?). Arrays in, thresholds out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from core.embedding.gallery import Gallery
from core.recognition.ranking import vote_weights

SAMPLED = 2000  # references asked at most: beyond, the thresholds move by less than their own error
BLOCK = 256  # queries compared at once, so that memory stays at BLOCK x N
NEAR_COPY = 0.9995  # cosine above which two references of a class count as one original
MARGIN_WEIGHT = 0.5  # see `score`
RESAMPLED = 200  # bootstrap rounds
WRONG = 0.01  # share of the certain answers that may name the wrong class
HESITATION = 4  # outside marks that are at least hesitated about: at most this many times the target

Number = TypeVar("Number", float, np.ndarray)


def score(similarity: Number, margin: Number) -> Number:
    """How much an answer speaks for the base holding the mark: similarity of the best class plus
    half its margin to the second.

    With one reference a class the margin helps to tell outside marks; with more, it changes little
    (`benchmarks/accuracy.py` prints what the verdicts come to).
    """
    return similarity + MARGIN_WEIGHT * margin


@dataclass(frozen=True)
class Trials:
    """Leave-one-out outcomes (T,) in two series; ``groups`` are the class ids of the references asked.

    ``in_base``: own row removed, only references whose class has another original; ``outside``:
    the whole class removed.
    """

    in_base_score: np.ndarray
    in_base_margin: np.ndarray
    in_base_right: np.ndarray
    outside_score: np.ndarray
    outside_groups: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Thresholds on `score`, and what they give on the workspace itself.

    "certain": score >= ``certain_at`` and margin >= ``margin``; "unknown": score below
    ``unknown_below``; "hesitates" between. ``target`` is the false-accept rate asked for.
    ``outside`` and ``in_base`` count the trials behind the shares: ``false_accepts`` of the outside
    ones were called certain; of the in-base ones ``certain`` were, ``wrong`` with the wrong
    name, and ``rejected`` were called unknown.
    """

    certain_at: float
    margin: float
    unknown_below: float
    target: float
    outside: int = 0
    in_base: int = 0
    false_accepts: float = 0.0
    certain: float = 0.0
    wrong: float = 0.0
    rejected: float = 0.0

    def verdict(self, similarities: list[float]) -> Literal["certain", "hesitates", "unknown"]:
        """The verdict on an answer whose classes have these ``similarities``, in the answer's order."""
        if not similarities:
            return "unknown"
        margin = _margin(similarities)
        value = score(similarities[0], margin)
        if value < self.unknown_below:
            return "unknown"
        return "certain" if value >= self.certain_at and margin >= self.margin else "hesitates"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# With one class or none there is nothing to calibrate on, and no name is given as certain.
UNCALIBRATED = Calibration(certain_at=3.0, margin=0.0, unknown_below=0.9, target=0.0)


def calibrate(gallery: Gallery, *, false_accept_rate: float = 0.05, k: int = 10, seed: int = 0) -> Calibration:
    """Thresholds at which at most ``false_accept_rate`` of the marks from outside are called certain.

    A new mark resembles the base as much as a class resembles the others, so the classes are
    what is resampled: ``certain_at`` is the mean plus one standard error, over a bootstrap of
    the classes, of the (1 - rate) quantile of the outside scores. ``unknown_below`` rejects at
    most the same rate of the in-base marks, unless more than `HESITATION` times the rate of the
    outside ones would then pass as hesitations.
    """
    classes = np.unique(gallery.class_ids)
    if len(classes) < 2:
        return UNCALIBRATED
    rng = np.random.default_rng(seed)
    trials = leave_one_out(gallery, k=k, rng=rng)
    quantiles = _bootstrap(trials, 1 - false_accept_rate, rng)
    certain_at = float(quantiles.mean() + quantiles.std())
    margin = _margin_at(trials, certain_at)
    floor = float(np.quantile(trials.outside_score, max(0.0, 1 - HESITATION * false_accept_rate)))
    if len(trials.in_base_score):
        floor = max(floor, float(np.quantile(trials.in_base_score, false_accept_rate)))
    unknown_below = min(floor, certain_at)

    named = trials.in_base_score >= certain_at
    certain = named & (trials.in_base_margin >= margin)
    return Calibration(
        certain_at=certain_at,
        margin=margin,
        unknown_below=unknown_below,
        target=false_accept_rate,
        outside=len(trials.outside_score),
        in_base=len(trials.in_base_score),
        false_accepts=_share(trials.outside_score >= certain_at),
        certain=_share(certain),
        wrong=_share(certain & ~trials.in_base_right),
        rejected=_share(trials.in_base_score < unknown_below),
    )


def leave_one_out(gallery: Gallery, *, k: int, rng: np.random.Generator) -> Trials:
    """Ask the gallery's own references (all, or `SAMPLED` drawn by ``rng``), as the module says."""
    order = np.argsort(gallery.class_ids, kind="stable")
    vectors, class_ids = gallery.vectors[order], gallery.class_ids[order]
    classes, starts = np.unique(class_ids, return_index=True)
    own = np.searchsorted(classes, class_ids)
    asked = np.arange(len(vectors))
    if len(asked) > SAMPLED:
        asked = np.sort(rng.choice(asked, SAMPLED, replace=False))
    in_base, outside, able = [], [], []
    for start in range(0, len(asked), BLOCK):
        rows = asked[start : start + BLOCK]
        similarities = vectors[rows] @ vectors.T
        same = own[rows][:, None] == own
        similarities[same & (similarities > NEAR_COPY)] = -np.inf
        similarities[np.arange(len(rows)), rows] = -np.inf
        able.append(np.isfinite(np.where(same, similarities, -np.inf).max(axis=1)))
        in_base.append(_best(similarities, own, starts, k))
        similarities[same] = -np.inf
        outside.append(_best(similarities, own, starts, k))
    # A class of one original has no row left to be found by: it cannot be asked in the base.
    asked_in_base = np.concatenate(able)
    top, similarity, margin = (np.concatenate(column)[asked_in_base] for column in zip(*in_base, strict=True))
    _, outside_similarity, outside_margin = (np.concatenate(column) for column in zip(*outside, strict=True))
    return Trials(
        in_base_score=score(similarity, margin),
        in_base_margin=margin,
        in_base_right=top == own[asked][asked_in_base],
        outside_score=score(outside_similarity, outside_margin),
        outside_groups=own[asked],
    )


def _best(
    similarities: np.ndarray, own: np.ndarray, starts: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row of ``similarities`` (Q, N), columns sorted by class: the class that wins the vote,
    the similarity of its best reference, and its margin to the best of any other class."""
    k = min(k, similarities.shape[1])
    rows = np.arange(len(similarities))[:, None]
    nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    best = np.maximum.reduceat(similarities, starts, axis=1)
    votes = np.zeros_like(best)
    np.add.at(votes, (rows, own[nearest]), vote_weights(similarities[rows, nearest]))
    top = votes.argmax(axis=1)
    chosen = best[rows[:, 0], top].copy()
    best[rows[:, 0], top] = -np.inf
    second = np.maximum(best.max(axis=1), -1.0)
    return top, chosen, chosen - second


def _margin(similarities: list[float]) -> float:
    return similarities[0] - max(similarities[1:], default=-1.0)


def _bootstrap(trials: Trials, quantile: float, rng: np.random.Generator) -> np.ndarray:
    """The ``quantile`` of the outside scores in `RESAMPLED` draws of the classes with replacement."""
    groups = [trials.outside_score[trials.outside_groups == group] for group in np.unique(trials.outside_groups)]
    draws = rng.integers(len(groups), size=(RESAMPLED, len(groups)))
    return np.array([np.quantile(np.concatenate([groups[i] for i in draw]), quantile) for draw in draws])


def _margin_at(trials: Trials, certain_at: float) -> float:
    """The smallest margin at which at most `WRONG` of the certain in-base answers are wrong."""
    named = trials.in_base_score >= certain_at
    order = np.argsort(-trials.in_base_margin[named])
    margins, wrong = trials.in_base_margin[named][order], ~trials.in_base_right[named][order]
    good = np.cumsum(wrong) <= WRONG * np.arange(1, len(wrong) + 1)
    return float(margins[np.flatnonzero(good)[-1]]) if good.any() and not good.all() else 0.0


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else 0.0
