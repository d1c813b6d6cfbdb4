"""When to say a name, when to hesitate, and when to say "not in the base".

What foreign marks reach by chance, and what speaks for a name how much, is known from line art for bases of every size
(`core.recognition.evidence`), and counts while a base is small. Its own images move both, the more the more classes
they are of: they are asked against one another (`core.recognition.trials`). A gallery in, thresholds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

import numpy as np

from core.embedding.gallery import Gallery
from core.recognition import evidence
from core.recognition.metrics import wilson
from core.recognition.ranking import ClassAnswer
from core.recognition.trials import OfClasses, Part, Trials, compared, final, leave_one_out

# References of one's own that weigh as much as all line art, in the space that line art was asked in, and classes of
# one's own elsewhere: with another network or another way of seeing, foreign marks may reach more or less.
WORTH, ELSEWHERE = 60, 12
# Log-odds that foreign marks of a base's own kind reach beyond those of line art. Chosen on the shared drawings
# (`benchmarks/verdicts.py`), where bases of 5 and 10 classes let 8 and 9 % pass without it.
CAUTION = 0.6
FOLDS = 10  # parts of the classes, each asked with weights that the others moved
RESAMPLED = 100  # bootstrap rounds
REJECTED = 0.2  # of the target: the share of the known marks that may be called unknown (see `calibrate`)
HESITATION = 4  # outside marks that are at least hesitated about: at most this many times the target
CLEAR = 0.25  # of the target: the share of the outside marks that may be certain before strokes are compared

Verdict = Literal["certain", "hesitates", "unknown", "not_found"]  # the last: no mark, so nothing was compared


@dataclass(frozen=True)
class Calibration:
    """Thresholds on log-odds (`core.recognition.evidence`), and what they give on the workspace itself.

    Before strokes are compared an answer is "certain" from ``clear_at`` and "unknown" below ``doubt_from``; between, it
    is in doubt. After that it is "certain" from ``certain_at``, "unknown" below ``unknown_below``, and "hesitates"
    between. Where they cannot be compared, a doubt is "certain" from ``alone_at``, else "hesitates". Nothing is certain
    below a similarity of ``least``. ``target`` is the false-accept rate asked for; ``cohesion`` and ``twins`` are of
    each class by its id (`core.recognition.cohesion`), ``typical`` and ``twin`` those of one not known then.
    ``sight`` and ``strokes``: the weights of the score, empty for those of line art. ``photographed``: the same by line
    art's weights, for marks that were read in a photograph, of which the base's drawings tell nothing.
    ``outside`` and ``in_base`` count the trials behind the shares, ``independent`` and ``paired`` the classes that
    those are of; each class counts the same. ``false_accepts`` of the outside ones were called certain; of the in-base
    ones ``certain`` were, ``wrong`` with the wrong name, and ``rejected`` were called unknown.
    """

    certain_at: float
    unknown_below: float
    clear_at: float
    doubt_from: float
    alone_at: float
    target: float
    least: float = -1.0
    typical: float = 0.0
    twin: float = evidence.ALONE
    cohesion: Mapping[int, float] = field(default_factory=dict, repr=False)
    twins: Mapping[int, float] = field(default_factory=dict, repr=False)
    sight: tuple[float, ...] = ()
    strokes: tuple[float, ...] = ()
    photographed: Calibration | None = field(default=None, repr=False)
    outside: int = 0
    in_base: int = 0
    independent: int = 0
    paired: int = 0
    false_accepts: float = 0.0
    certain: float = 0.0
    wrong: float = 0.0
    rejected: float = 0.0

    def score(self, answer: Sequence[ClassAnswer]) -> float:
        """The log-odds of an answer (best class first, not empty), with its strokes where those were compared."""
        prior = evidence.shipped().with_weights(self.sight, self.strokes)
        best = answer[0]
        held_against = np.array(self.cohesion.get(best.class_id, self.typical))
        twin = np.array(self.twins.get(best.class_id, self.twin))
        of = np.array([found.similarity for found in answer])
        if best.strokes is None:
            margin = evidence.margin(of[0], of[1:])
            return float(prior.before(evidence.at_sight(of[0], margin, held_against, twin)))
        strokes = np.array([found.strokes for found in answer if found.strokes is not None])
        left = of[: len(strokes)] - evidence.misfit(strokes)
        margin = evidence.margin(left[0], left[1:], least=evidence.LAID)
        return float(prior.after(evidence.by_strokes(of[0], margin, held_against, twin, strokes[0])))

    def in_doubt(self, answer: Sequence[ClassAnswer]) -> bool:
        """Whether the strokes of an answer are worth comparing."""
        return self.doubt_from <= self.score(answer) < self.clear_at

    def torn(self, answer: Sequence[ClassAnswer]) -> bool:
        """Whether the first class would be certain were it not for the second, which the mark resembles as much: the
        base holds it, under one of the two names."""
        return len(answer) > 1 and self._certain(answer[0], self.score([answer[0], *answer[2:]]))

    def _certain(self, first: ClassAnswer, log_odds: float) -> bool:
        bound = min(self.clear_at, self.alone_at) if first.strokes is None else self.certain_at
        return log_odds >= bound and first.similarity >= self.least

    def verdict(self, answer: Sequence[ClassAnswer]) -> Verdict:
        """The verdict on an answer's classes, best first; all that were compared, and two where there are two."""
        if not answer:
            return "unknown"
        log_odds, compared = self.score(answer), answer[0].strokes is not None
        if log_odds < (self.unknown_below if compared else self.doubt_from):
            return "hesitates" if self.torn(answer) else "unknown"
        return "certain" if self._certain(answer[0], log_odds) else "hesitates"

    @property
    def false_accepts_interval(self) -> tuple[float, float]:
        """95 % interval of ``false_accepts``: the classes are what is independent, not their images."""
        return wilson(self.false_accepts * self.independent, self.independent)

    @property
    def rejected_interval(self) -> tuple[float, float]:
        """Likewise of ``rejected``."""
        return wilson(self.rejected * self.paired, self.paired)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """What `to_json` wrote, or an earlier version did, which had one score and compared no strokes."""
        by_class = {
            name: {int(number): value for number, value in record.get(name, {}).items()}
            for name in ("cohesion", "twins")
        }
        about = {each.name: record[each.name] for each in fields(cls) if each.name in record}
        if "clear_at" not in record:
            about |= {"clear_at": record["certain_at"], "alone_at": record["certain_at"]}
            about |= {"doubt_from": record["unknown_below"]}
        weights = {name: tuple(record.get(name, ())) for name in ("sight", "strokes")}
        if photographed := record.get("photographed"):
            about["photographed"] = cls.from_json(photographed)
        return cls(**{**about, **by_class, **weights})


# Of an empty base: there is nothing to name.
UNCALIBRATED = Calibration(99.0, 0.0, 99.0, 0.0, 99.0, target=0.0)


def calibrate(
    gallery: Gallery, *, false_accept_rate: float = 0.05, k: int = 10, seed: int = 0, part: Part | None = None
) -> Calibration:
    """Thresholds at which at most ``false_accept_rate`` of the marks from outside are called certain.

    They are quantiles over line art's outcomes on bases of this size and over the gallery's own, where every class
    counts the same and `WORTH` references count as much as line art. In a space that line art was not asked in it is
    `ELSEWHERE` classes, and one standard error is added: a new mark resembles the base as much as a class resembles the
    others, so the classes are what is resampled, in a bootstrap.
    ``unknown_below`` rejects a fifth as many of the in-base marks (a hesitation shows both pictures, and costs a person
    less than a wrong "not in the base"), unless more than `HESITATION` times the rate of the outside ones would
    then pass as hesitations. ``part``: where ``gallery`` holds but a part of the base.
    """
    classes, counts = np.unique(gallery.class_ids, return_counts=True)
    if not len(classes):
        return UNCALIBRATED
    rng = np.random.default_rng(seed)
    asked = None if part is None else part.asked
    series = leave_one_out(gallery, k=k, rng=rng, asked=asked)
    size = (len(classes), float(counts.mean())) if part is None else (part.classes, part.references)
    state = rng.bit_generator.state
    own = _measured(gallery, series, size, false_accept_rate, rng, moved=True)
    rng.bit_generator.state = state
    return replace(own, photographed=_measured(gallery, series, size, false_accept_rate, rng, moved=False))


def _measured(
    gallery: Gallery,
    series: tuple[Trials, Trials, OfClasses],
    size: tuple[int, float],
    false_accept_rate: float,
    rng: np.random.Generator,
    *,
    moved: bool,
) -> Calibration:
    """`calibrate` with what came of the trials, for a base of ``size``, its classes and the references of each; with
    weights that the trials ``moved``, or those of line art."""
    inside, outside, of_class = series
    classes, prior = np.unique(gallery.class_ids), evidence.shipped()
    sight, strokes = prior.sight, prior.strokes
    if moved:
        sight, inside, outside = _fitted(sight, inside, outside, "sight", "before")
    foreign, known, weight = prior.of_size(*size)
    at_home = gallery.space == prior.space
    weight, errors = weight * (WORTH / size[1] if at_home else ELSEWHERE), 0.0 if at_home else 1.0
    foreign = foreign + CAUTION
    rate, hesitated, rejected = 1 - false_accept_rate, 1 - HESITATION * false_accept_rate, REJECTED * false_accept_rate

    strange = _Mixed(outside, outside.before[:, 0], foreign[:, 0], weight)
    right = inside.only(inside.right)
    familiar = _Mixed(right, right.before[:, 0], known[:, 0], weight)
    clear_at = strange.bound(1 - CLEAR * false_accept_rate, rng, errors)
    alone_at = min(clear_at, strange.bound(rate, rng, errors))
    doubt = min(alone_at, max(strange.quantile(hesitated), familiar.quantile(rejected))), clear_at

    outside, inside = (compared(each, gallery, of_class, prior, doubt, rng) for each in (outside, inside))
    if moved:
        strokes, inside, outside = _fitted(strokes, inside, outside, "strokes", "after")
    right = inside.only(inside.right)
    strange = _Mixed(outside, outside.final(doubt), final(foreign[:, 0], foreign[:, 1], doubt), weight)
    familiar = _Mixed(right, right.final(doubt), final(known[:, 0], known[:, 1], doubt), weight)
    certain_at = strange.bound(rate, rng, errors)
    unknown_below = min(certain_at, max(strange.quantile(hesitated), familiar.quantile(rejected)))

    def certain(trials: Trials) -> np.ndarray:
        return (trials.final(doubt) >= certain_at) & (trials.similarities[:, 0] >= prior.least)

    def rejected_of(trials: Trials) -> np.ndarray:
        certain_apart = trials.apart >= np.where(trials.compared, certain_at, alone_at)
        torn = certain_apart & (trials.similarities[:, 0] >= prior.least) & (trials.classes[:, 1] >= 0)
        return (trials.final(doubt) < unknown_below) & ~torn

    return Calibration(
        certain_at=certain_at,
        unknown_below=unknown_below,
        clear_at=clear_at,
        doubt_from=doubt[0],
        alone_at=alone_at,
        target=false_accept_rate,
        least=prior.least,
        typical=of_class.typical,
        twin=float(of_class.twins.mean()),
        cohesion=dict(zip(classes.tolist(), of_class.cohesion.tolist(), strict=True)),
        twins=dict(zip(classes.tolist(), of_class.twins.tolist(), strict=True)),
        sight=tuple(sight.tolist()),
        strokes=tuple(strokes.tolist()),
        outside=len(outside),
        in_base=len(inside),
        independent=len(np.unique(outside.own)),
        paired=len(np.unique(inside.own)),
        false_accepts=outside.share(certain(outside)),
        certain=inside.share(certain(inside)),
        wrong=inside.share(certain(inside) & ~inside.right),
        rejected=inside.share(rejected_of(inside)),
    )


def _fitted(
    weights: np.ndarray, inside: Trials, outside: Trials, features: str, log_odds: str
) -> tuple[np.ndarray, Trials, Trials]:
    """The ``weights`` of the ``features`` moved by the trials, and the trials with their ``log_odds`` anew: by weights
    that trials of other classes moved, as a new mark is of none of them."""
    given = np.concatenate([getattr(trials, features) for trials in (inside, outside)])
    right = np.concatenate([inside.right, np.zeros(len(outside), bool)])
    counts, own = (np.concatenate([getattr(t, name) for t in (inside, outside)]) for name in ("weight", "own"))
    there = np.isfinite(given[:, 0, 0])

    def moved(which: np.ndarray) -> np.ndarray:
        return evidence.moved(weights, given[which, 0], right[which], counts[which])

    said = np.full(given.shape[:2], np.nan)
    parts = np.searchsorted(np.unique(own), own) % FOLDS
    for part in range(FOLDS):
        fold = moved(there & (parts != part))
        said[parts == part] = fold[0] + given[parts == part] @ fold[1:]
    in_base, from_outside = np.split(said, [len(inside)])
    return moved(there), replace(inside, **{log_odds: in_base}), replace(outside, **{log_odds: from_outside})


class _Mixed:
    """The values of one's own trials, each class as heavy as the others, and of line art's with their ``weight``, that
    of a class being 1."""

    def __init__(self, trials: Trials, values: np.ndarray, line_art: np.ndarray, weight: np.ndarray) -> None:
        self.order = np.argsort(np.concatenate([values, line_art]), kind="stable")
        self.values = np.concatenate([values, line_art])[self.order]
        self.line_art = weight
        self.groups, self.own = np.unique(trials.own, return_inverse=True)
        self.weight = trials.weight

    def quantile(self, share: float, times: np.ndarray | None = None) -> float:
        """The value below which ``share`` of the weight lies; ``times``: how often each class of one's own counts."""
        own = self.weight if times is None else self.weight * times[self.own]
        below = np.cumsum(np.concatenate([own, self.line_art])[self.order])
        return float(self.values[min(np.searchsorted(below, share * below[-1]), len(below) - 1)])

    def bound(self, share: float, rng: np.random.Generator, errors: float) -> float:
        """The same over `RESAMPLED` draws of the classes: the mean, plus so many standard ``errors``."""
        if len(self.groups) < 2:
            return self.quantile(share)
        count = len(self.groups)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLED)
        found = np.array([self.quantile(share, times) for times in drawn])
        return float(found.mean() + errors * found.std())
