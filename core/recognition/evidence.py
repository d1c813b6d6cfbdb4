"""Evidence: how much an answer speaks for the base holding the mark, as log-odds, and what foreign marks reach by
chance.

Both were fitted once, on line art that is no drawing of anybody's base (`benchmarks/prior.py` makes
assets/verdicts.json). What a workspace's own images say moves the weights (`moved`); how it moves the thresholds is
`core.recognition.calibrate`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from core.recognition.alignment import Alignment

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "verdicts.json"
FIT, BEND = 2.5, 0.3  # of the four costs and of the deformation: what the strokes take from a similarity
# Of the four costs, and of how differently the two marks see them (strokes that one of them lacks): what they take from
# a class's place in the order. Chosen on the shared data; a catalogue's icon is drawn otherwise than by hand, so that
# strokes say less there (with the same weights 90 % are right, with these 92 %).
ORDER, LACK = 2.0, 2.0
ICON_ORDER, ICON_LACK = 0.75, 0.5
# What the second class has where there is none, or none so near, before and after strokes are compared: any two marks
# are that much alike.
ALONE, LAID = 0.2, -0.2


SPEAK_FOR = 2  # features, the first: however marks of a base look, more likeness and a larger margin are no worse
HELD = 3.0  # classes of one's own that weigh as much as line art. Chosen on bases of Omniglot's characters.


def misfit(strokes: np.ndarray) -> np.ndarray:
    """What the strokes of candidates take from their similarity: ``strokes`` (..., 4) as `strokes_of` has them."""
    return FIT * (strokes[..., 0] + strokes[..., 1]) + BEND * strokes[..., 2]


def strokes_of(found: Alignment, icons: np.ndarray) -> np.ndarray:
    """Of each candidate (B, 4): the costs of the query laid onto it, of it laid onto the query, the deformation, and
    what all of it takes from the candidate's place in the order; ``icons`` (B,) tells which are icons."""
    costs = found.costs
    lack = np.abs(costs[:, 0] - costs[:, 1]) + np.abs(costs[:, 2] - costs[:, 3])
    taken = np.where(icons, ICON_ORDER, ORDER) * found.cost + np.where(icons, ICON_LACK, LACK) * lack
    return np.stack([costs[:, :2].sum(axis=1), costs[:, 2:].sum(axis=1), found.bend, taken], axis=1)


def margin(first: np.ndarray, others: np.ndarray, *, least: float = ALONE) -> np.ndarray:
    """How far ``first`` (...) is from the best of ``others`` (..., M), nan or none: from ``least`` at least."""
    return first - np.max(np.nan_to_num(others, nan=least), axis=-1, initial=least)


def at_sight(similarity: np.ndarray, margin: np.ndarray, cohesion: np.ndarray, twin: np.ndarray) -> np.ndarray:
    """The features (..., 4) of an answer whose strokes were not compared. ``twin``: how like another class of the base
    the class named is (`core.recognition.cohesion`): what resembles much is easily resembled."""
    return np.stack(np.broadcast_arrays(similarity, margin, cohesion, twin), axis=-1)


def by_strokes(
    similarity: np.ndarray, margin: np.ndarray, cohesion: np.ndarray, twin: np.ndarray, strokes: np.ndarray
) -> np.ndarray:
    """The features (..., 7) of one whose strokes were: ``margin`` is that of similarity less `misfit`, and ``strokes``
    (..., 4) are those of the class named (`strokes_of`)."""
    return np.concatenate([at_sight(similarity, margin, cohesion, twin), strokes[..., :3]], axis=-1)


@dataclass(frozen=True)
class Prior:
    """What line art says.

    ``sight`` (5,) and ``strokes`` (8,): the weights of a logistic regression on `at_sight` and `by_strokes`, the
    constant first; ``cohesion``: a class's where nothing is known of it. For bases of ``classes`` (S,) x ``each`` (E,)
    references, ``foreign`` and ``known`` (E, S, T, 2) are log-odds of marks from outside, and of marks of the base that
    are named rightly, before and after their strokes are compared. ``least``: what one reference is like by chance.
    All of it holds in ``space``, that of the encoder it was asked of; elsewhere it is a first guess.
    """

    sight: np.ndarray
    strokes: np.ndarray
    cohesion: float
    least: float
    classes: np.ndarray
    each: np.ndarray
    foreign: np.ndarray
    known: np.ndarray
    space: str

    def with_weights(self, sight: Sequence[float], strokes: Sequence[float]) -> Prior:
        """With other weights; its own where they are empty."""
        moved = np.array(sight) if sight else self.sight, np.array(strokes) if strokes else self.strokes
        return replace(self, sight=moved[0], strokes=moved[1])

    def before(self, features: np.ndarray) -> np.ndarray:
        """Log-odds of `at_sight`'s features (..., 4)."""
        return self.sight[0] + features @ self.sight[1:]

    def after(self, features: np.ndarray) -> np.ndarray:
        """Log-odds of `by_strokes`'s features (..., 7)."""
        return self.strokes[0] + features @ self.strokes[1:]

    def of_size(self, classes: int, each: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Outcomes on bases of about this size: ``foreign`` and ``known`` (T, 2), and how much each row counts (T,),
        which sums to 1: bases of the sizes around it, mixed by how near they are in proportion."""
        shares = np.outer(_shares(self.each, each), _shares(self.classes, classes))
        used = shares > 0
        weight = np.repeat(shares[used] / self.foreign.shape[2], self.foreign.shape[2])
        return self.foreign[used].reshape(-1, 2), self.known[used].reshape(-1, 2), weight


def moved(weights: np.ndarray, features: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The ``weights`` (K + 1,) of a logistic regression, the constant first, moved by trials: ``features`` (T, K),
    whether each is ``right`` (T,), and what it ``counts`` (T,); as they are where all are right, or none.

    The likeliest under a normal distribution round ``weights``, of variance 1 / `HELD` once a feature is divided by its
    spread (Chelba and Acero 2004, Adaptation of maximum entropy capitalizer: little data can help a lot). The first
    `SPEAK_FOR` never speak against a name. scipy minimises it: scikit-learn's regression is drawn to nothing but zero.
    """
    if right.all() or not right.any():
        return weights
    given = np.column_stack([np.ones(len(features)), features])
    spread = np.concatenate([[1.0], features.std(axis=0)])
    sign = np.where(right, 1.0, -1.0)

    def loss(now: np.ndarray) -> tuple[float, np.ndarray]:
        off, log_odds = spread * (now - weights), sign * (given @ now)
        slope = given.T @ (-counts * sign / (1 + np.exp(np.clip(log_odds, -500, 500)))) + HELD * spread * off
        return float(counts @ np.logaddexp(0, -log_odds) + 0.5 * HELD * off @ off), slope

    bounds = [(None, None), *[(0, None)] * SPEAK_FOR] + [(None, None)] * (len(weights) - 1 - SPEAK_FOR)
    return minimize(loss, weights, jac=True, bounds=bounds, method="L-BFGS-B").x


def _shares(sizes: np.ndarray, wanted: float) -> np.ndarray:
    """How much each of ``sizes``, ascending, has of ``wanted``: the two around it, by nearness in proportion."""
    at = np.interp(np.log(max(wanted, 1e-9)), np.log(sizes), np.arange(len(sizes)))
    return np.maximum(0, 1 - np.abs(np.arange(len(sizes)) - at))


@cache
def shipped() -> Prior:
    """The prior of assets/verdicts.json."""
    held = json.loads(SHIPPED.read_text("utf-8"))
    arrays = {name: np.array(held[name], float) for name in ("sight", "strokes", "classes", "each", "foreign", "known")}
    return Prior(cohesion=held["cohesion"], least=held["least"], space=held["space"], **arrays)
