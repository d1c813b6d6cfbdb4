"""When to say a name, when to hesitate, and when to say "not in the base".

The thresholds come from the workspace itself by leave-one-out: each reference is asked twice,
once with its own row removed (is it named rightly?) and once with its whole class removed (it
is then a mark from outside the base: is it named all the same?). Arrays in, thresholds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from core.embedding.gallery import Gallery
from core.recognition.cohesion import NEAR_COPY, cohesion, cohesion_without, siblings
from core.recognition.ranking import ClassAnswer, vote_weights

SAMPLED = 2000  # references asked at most: beyond, the thresholds move by less than their own error
BLOCK = 256  # queries compared at once, so that memory stays at BLOCK x N
MARGIN_WEIGHT = 0.25  # see `score`
RESAMPLED = 200  # bootstrap rounds
WRONG = 0.01  # share of the certain answers that may name the wrong class
REJECTED = 0.2  # of the target: the share of the known marks that may be called unknown (see `calibrate`)
HESITATION = 4  # outside marks that are at least hesitated about: at most this many times the target

Number = TypeVar("Number", float, np.ndarray)
Verdict = Literal["certain", "hesitates", "unknown", "not_found"]  # the last: no mark, so nothing was compared


def score(similarity: Number, margin: Number, cohesion: Number) -> Number:
    """How much an answer speaks for the base holding the mark: the similarity of the best class, held against
    the ``cohesion`` of its references (`core.recognition.cohesion`), plus a quarter of its margin to the second.

    Measured against similarity and margin alone, on drawings and on Omniglot, with 1, 3 and more references a
    class (`benchmarks/accuracy.py` prints it): a third to two thirds fewer known marks are refused at the same
    false-accept rate where classes have several references, and no more where they have one.
    """
    return similarity + MARGIN_WEIGHT * margin - cohesion


@dataclass(frozen=True)
class Trials:
    """Leave-one-out outcomes (T,) in two series; ``outside_groups`` are the classes of the references
    asked, ``cohesion`` that of each class (C,), ``typical`` their mean over references.

    ``in_base``: own row removed, only references whose class has another original; ``outside``:
    the whole class removed.
    """

    in_base_score: np.ndarray
    in_base_margin: np.ndarray
    in_base_right: np.ndarray
    outside_score: np.ndarray
    outside_groups: np.ndarray
    cohesion: np.ndarray
    typical: float


@dataclass(frozen=True)
class Calibration:
    """Thresholds on `score`, and what they give on the workspace itself.

    "certain": score >= ``certain_at`` and margin >= ``margin``; "unknown": score below
    ``unknown_below``; "hesitates" between. ``target`` is the false-accept rate asked for.
    ``cohesion`` of each class by its id, ``typical`` that of one not known then.
    ``outside`` and ``in_base`` count the trials behind the shares: ``false_accepts`` of the outside
    ones were called certain; of the in-base ones ``certain`` were, ``wrong`` with the wrong
    name, and ``rejected`` were called unknown.
    """

    certain_at: float
    margin: float
    unknown_below: float
    target: float
    typical: float = 0.0
    cohesion: Mapping[int, float] = field(default_factory=dict, repr=False)
    outside: int = 0
    in_base: int = 0
    false_accepts: float = 0.0
    certain: float = 0.0
    wrong: float = 0.0
    rejected: float = 0.0

    def score(self, answer: Sequence[ClassAnswer]) -> float:
        """The `score` of an answer's best class; ``answer`` must not be empty."""
        best = answer[0]
        return score(best.similarity, _margin(answer), self.cohesion.get(best.class_id, self.typical))

    def verdict(self, answer: Sequence[ClassAnswer]) -> Verdict:
        """The verdict on an answer's classes, best first; two at least where there are two."""
        if not answer:
            return "unknown"
        value = self.score(answer)
        if value < self.unknown_below:
            return "unknown"
        return "certain" if value >= self.certain_at and _margin(answer) >= self.margin else "hesitates"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# With one class or none there is nothing to calibrate on, and no name is given as certain.
UNCALIBRATED = Calibration(certain_at=3.0, margin=0.0, unknown_below=0.9, target=0.0)


def calibrate(gallery: Gallery, *, false_accept_rate: float = 0.05, k: int = 10, seed: int = 0) -> Calibration:
    """Thresholds at which at most ``false_accept_rate`` of the marks from outside are called certain.

    A new mark resembles the base as much as a class resembles the others, so the classes are
    what is resampled: ``certain_at`` is the mean plus one standard error, over a bootstrap of
    the classes, of the (1 - rate) quantile of the outside scores. ``unknown_below`` rejects a
    fifth as many of the in-base marks (a hesitation shows both pictures, and costs a person less than a wrong
    "not in the base"; measured, this takes 1 to 2 in a hundred outside marks to a hesitation), unless more than
    `HESITATION` times the rate of the outside ones would then pass as hesitations.
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
        floor = max(floor, float(np.quantile(trials.in_base_score, REJECTED * false_accept_rate)))
    unknown_below = min(floor, certain_at)

    named = trials.in_base_score >= certain_at
    certain = named & (trials.in_base_margin >= margin)
    return Calibration(
        certain_at=certain_at,
        margin=margin,
        unknown_below=unknown_below,
        target=false_accept_rate,
        typical=trials.typical,
        cohesion=dict(zip(classes.tolist(), trials.cohesion.tolist(), strict=True)),
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
        in_base.append(best_class(similarities, own, starts, k))
        similarities[same] = -np.inf
        outside.append(best_class(similarities, own, starts, k))
    # A class of one original has no row left to be found by: it cannot be asked in the base.
    asked_in_base = np.concatenate(able)
    top, similarity, margin = (np.concatenate(column)[asked_in_base] for column in zip(*in_base, strict=True))
    other, outside_similarity, outside_margin = (np.concatenate(column) for column in zip(*outside, strict=True))
    alike = siblings(vectors, own)
    of_class = cohesion(alike, own, len(classes))
    rows = asked[asked_in_base]
    right = top == own[rows]
    return Trials(
        in_base_score=score(similarity, margin, np.where(right, cohesion_without(alike, own, rows), of_class[top])),
        in_base_margin=margin,
        in_base_right=right,
        outside_score=score(outside_similarity, outside_margin, of_class[other]),
        outside_groups=own[asked],
        cohesion=of_class,
        typical=alike.typical,
    )


def best_class(
    similarities: np.ndarray, own: np.ndarray, starts: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row of ``similarities`` (Q, N), columns sorted by class: the class that wins the vote of the ``k``
    nearest, the similarity of its best reference, and its margin to the best of any other class, all (Q,).

    ``own`` (N,) is the class of each column, ``starts`` (C,) where each begins; -inf hides a column.
    """
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


def _margin(answer: Sequence[ClassAnswer]) -> float:
    return answer[0].similarity - max((other.similarity for other in answer[1:]), default=-1.0)


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
