"""Trials: a gallery's own references asked against the others, and what came of it.

Leave one out: each is asked once with its own row removed (is it named rightly?) and once with its whole class removed
(it is then a mark from outside the base: is it named all the same?). Arrays in, arrays out; what follows from them is
`core.recognition.calibrate`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from core.embedding.gallery import Gallery
from core.ground.outlines import POINTS
from core.recognition import evidence
from core.recognition.alignment import align
from core.recognition.cohesion import NEAR_COPY, Others, cohesion, cohesion_without, siblings
from core.recognition.evidence import Prior
from core.recognition.ranking import TEMPERATURE

SAMPLED = 2000  # references asked at most: beyond, the thresholds move by less than their own error
BLOCK = 256  # queries compared at once, so that memory stays at BLOCK x N
COMPARED = 3  # classes whose strokes a trial is laid over
LAID = 100  # trials of each series whose strokes are compared at most; they stand for the others in doubt
SURE = 12.0  # log-odds of what needs no comparing, either way


@dataclass(frozen=True)
class Trials:
    """Leave-one-out outcomes of one series (T,): the ``rows`` asked and the class ``own`` of each; the likeliest
    ``classes`` (T, `COMPARED`), best first, -1 where there are fewer, with the row of each one's best reference, its
    similarity (nan), its strength (-inf) and its ``twins``; the ``cohesion`` of the first. ``sight`` (T, 2, 4) and
    ``strokes`` (T, 2, 7; nan where they were not compared): the features of the answer (`core.recognition.evidence`),
    and what they were, were the second class not there. ``before`` and ``after`` (T, 2): the log-odds of both;
    ``weight`` (T,): what each counts."""

    rows: np.ndarray
    own: np.ndarray
    classes: np.ndarray
    references: np.ndarray
    similarities: np.ndarray
    strengths: np.ndarray
    twins: np.ndarray
    cohesion: np.ndarray
    sight: np.ndarray
    strokes: np.ndarray
    before: np.ndarray
    after: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def right(self) -> np.ndarray:
        return self.classes[:, 0] == self.own

    def only(self, which: np.ndarray) -> Trials:
        return Trials(**{each.name: getattr(self, each.name)[which] for each in fields(self)})

    @property
    def compared(self) -> np.ndarray:
        """Whether the strokes of each were (T,)."""
        return np.isfinite(self.strokes[:, 0, 0])

    def final(self, doubt: tuple[float, float]) -> np.ndarray:
        """The log-odds that decide (T,), as `final`."""
        return final(self.before[:, 0], self.after[:, 0], doubt)

    @property
    def apart(self) -> np.ndarray:
        """The last of them (T,), were the second class not there."""
        return np.where(self.compared, self.after[:, 1], self.before[:, 1])

    def share(self, hits: np.ndarray) -> float:
        return float(np.average(hits, weights=self.weight)) if self.weight.sum() else 0.0


@dataclass(frozen=True)
class Part:
    """Of a base too large to be held: how many ``classes`` and how many ``references`` each has in all, and the rows of
    the gallery that are ``asked`` (Q,), every neighbour of which the gallery holds."""

    classes: int
    references: float
    asked: np.ndarray


@dataclass(frozen=True)
class OfClasses:
    """Of each class (C,) its ``cohesion`` and its ``twins``; the ``typical`` cohesion."""

    cohesion: np.ndarray
    twins: np.ndarray
    typical: float


def leave_one_out(
    gallery: Gallery, *, k: int, rng: np.random.Generator, asked: np.ndarray | None = None
) -> tuple[Trials, Trials, OfClasses]:
    """Ask the gallery's own references (the rows ``asked``; else all, or `SAMPLED` drawn by ``rng``), as the module
    says: the trials in the base (only of references whose class has another original) and from outside, and what the
    classes are like."""
    prior = evidence.shipped()
    order = np.argsort(gallery.class_ids, kind="stable")
    vectors, class_ids = gallery.vectors[order], gallery.class_ids[order]
    classes, starts = np.unique(class_ids, return_index=True)
    own = np.searchsorted(classes, class_ids)
    asked = np.arange(len(vectors)) if asked is None else np.flatnonzero(np.isin(order, asked))
    if len(asked) > SAMPLED:
        asked = np.sort(rng.choice(asked, SAMPLED, replace=False))
    inside, outside, able = [], [], []
    for start in range(0, len(asked), BLOCK):
        rows = asked[start : start + BLOCK]
        similarities = vectors[rows] @ vectors.T
        same = own[rows][:, None] == own
        similarities[same & (similarities > NEAR_COPY)] = -np.inf
        similarities[np.arange(len(rows)), rows] = -np.inf
        able.append(np.isfinite(np.where(same, similarities, -np.inf).max(axis=1)))
        inside.append(_ranked(similarities, own, starts, k))
        similarities[same] = -np.inf
        outside.append(_ranked(similarities, own, starts, k))
    alike = siblings(vectors, own, usual=prior.cohesion)
    of_class = cohesion(alike, own, len(classes))
    nearest = [np.concatenate(column) for column in zip(*outside, strict=True)]
    others = Others(own[asked], nearest[0], nearest[2], evidence.ALONE)

    def series(ranked: list[tuple[np.ndarray, ...]], which: np.ndarray, *, within: bool) -> Trials:
        top, where, similarity, strength = (np.concatenate(column)[which] for column in zip(*ranked, strict=True))
        rows, places = asked[which], np.flatnonzero(which)
        gone, itself = (np.full(len(rows), -1), places) if within else (own[rows], np.full(len(rows), -1))
        twins = others.twins_without(
            top, np.broadcast_to(gone[:, None], top.shape), np.broadcast_to(itself[:, None], top.shape)
        )
        held_against = of_class[top[:, 0]]
        mine = np.flatnonzero(top[:, 0] == own[rows])
        held_against[mine] = cohesion_without(alike, own, rows[mine])
        margins = [evidence.margin(similarity[:, 0], similarity[:, others:]) for others in (1, 2)]
        of_both = [evidence.at_sight(similarity[:, 0], margin, held_against, twins[:, 0]) for margin in margins]
        sight, strokes = np.stack(of_both, axis=1), np.full((len(rows), 2, 7), np.nan)
        counts = np.bincount(own[rows], minlength=len(classes))
        return Trials(
            order[rows], own[rows], top, np.where(where >= 0, order[where], -1), similarity, strength, twins,
            held_against, sight, strokes, prior.before(sight), prior.after(strokes), 1 / counts[own[rows]],
        )  # fmt: skip

    some = np.full(len(asked), len(classes) > 1)
    trials = series(inside, np.concatenate(able), within=True), series(outside, some, within=False)
    return *trials, OfClasses(of_class, others.twins(len(classes)), alike.typical)


def _ranked(similarities: np.ndarray, own: np.ndarray, starts: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """For each row of ``similarities`` (Q, N), columns sorted by class, -inf where hidden: the `COMPARED` likeliest
    classes, best first, as `core.recognition.ranking.rank` orders them; the column of each one's best reference, its
    similarity, and its strength (`core.recognition.verdicts.strengths`). -1, -1, nan and -inf where there are fewer."""
    k = min(k, similarities.shape[1])
    rows = np.arange(len(similarities))[:, None]
    nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    best = np.maximum.reduceat(similarities, starts, axis=1)
    highest = np.maximum(best.max(axis=1, keepdims=True), -1.0)
    votes = np.zeros_like(best)
    np.add.at(votes, (rows, own[nearest]), np.exp((similarities[rows, nearest] - highest) / TEMPERATURE))
    strength = np.maximum(TEMPERATURE * np.log(np.maximum(votes, 1e-30)), best - highest)
    strength[~np.isfinite(best)] = -np.inf
    order = np.argsort(-strength, axis=1, kind="stable")[:, :COMPARED]
    shape = len(best), COMPARED
    classes, where = np.full(shape, -1), np.full(shape, -1)
    similarity, likely = np.full(shape, np.nan), np.full(shape, -np.inf)
    ends = np.append(starts[1:], similarities.shape[1])
    for row, place in np.argwhere(np.isfinite(strength[rows, order])).tolist():
        class_ = order[row, place]
        classes[row, place] = class_
        where[row, place] = starts[class_] + similarities[row, starts[class_] : ends[class_]].argmax()
        similarity[row, place], likely[row, place] = best[row, class_], strength[row, class_]
    return classes, where, similarity, likely


def compared(
    trials: Trials,
    gallery: Gallery,
    of_class: OfClasses,
    prior: Prior,
    doubt: tuple[float, float],
    rng: np.random.Generator,
) -> Trials:
    """``trials`` with their classes ordered anew where they are in ``doubt``: `LAID` of those at most are laid over
    their candidates, and count for the others too, which are left out."""
    wanted = (trials.before[:, 0] >= doubt[0]) & (trials.before[:, 0] < doubt[1])
    if gallery.outlines is None or not wanted.any():
        return trials
    chosen = np.flatnonzero(wanted)
    if len(chosen) > LAID:
        chosen = np.sort(rng.choice(chosen, LAID, replace=False))
    weight = trials.weight.copy()
    weight[chosen] *= weight[wanted].sum() / weight[chosen].sum()
    kept = ~wanted
    kept[chosen] = True
    out = replace(trials, **{n: getattr(trials, n).copy() for n in ("classes", "similarities", "cohesion", "strokes")})
    for row in chosen.tolist():
        there = np.flatnonzero(trials.references[row] >= 0)
        there = there[gallery.outlines[trials.references[row, there]].any(axis=(1, 2))]
        query = gallery.outlines[trials.rows[row]]
        if not len(there) or not query.any():
            continue
        references = trials.references[row, there]
        icons = gallery.kinds[references] == "icon"
        strokes = _laid(query.tobytes(), gallery.outlines[references].tobytes(), icons.tobytes())
        order = np.argsort(-(trials.strengths[row, there] - strokes[:, 3]), kind="stable")
        left = trials.similarities[row, there] - evidence.misfit(strokes)
        first = int(order[0])
        out.classes[row, : len(there)] = trials.classes[row, there[order]]
        out.similarities[row, : len(there)] = trials.similarities[row, there[order]]
        if there[first] != 0:
            out.cohesion[row] = of_class.cohesion[trials.classes[row, there[first]]]
        others = left[order[1:]]
        margins = [evidence.margin(left[first], rest, least=evidence.LAID) for rest in (others, others[1:])]
        about = out.cohesion[row], trials.twins[row, there[first]], np.tile(strokes[first], (2, 1))
        similar = np.full(2, trials.similarities[row, there[first]])
        out.strokes[row] = evidence.by_strokes(similar, np.array(margins), *about)
    return replace(out, weight=weight, after=prior.after(out.strokes)).only(kept)


@lru_cache(maxsize=20_000)
def _laid(query: bytes, references: bytes, icons: bytes) -> np.ndarray:
    """`strokes_of` an outline laid over others: remembered, since a gallery changes by a few images at a time."""
    outlines = [np.frombuffer(each, np.uint8).reshape(-1, POINTS, 3) for each in (query, references)]
    return evidence.strokes_of(align(outlines[0][0], outlines[1]), np.frombuffer(icons, bool))


def final(before: np.ndarray, after: np.ndarray, doubt: tuple[float, float]) -> np.ndarray:
    """The log-odds that decide: those after strokes were compared where there was a doubt, else `SURE` or `-SURE`;
    those before where they could not be compared."""
    settled = np.where(before >= doubt[1], SURE, np.where(before < doubt[0], -SURE, after))
    return np.where(np.isnan(settled), before, settled)
