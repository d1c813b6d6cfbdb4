"""The report: predictions in, the figures of an evaluation out, each share with its interval and its counts.

Pure arithmetic on `core.evaluation.predictions`; what it is drawn as is `core.evaluation.figures`'s, what is
written of it `core.evaluation.artefacts`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from core.evaluation.predictions import KEPT, About, Predictions
from core.ground.errors import BadInput
from core.ground.translations import _
from core.recognition.metrics import confusion, hits_at, mean_interval, precision_recall_f1, wilson

MEASURED_FROM = 2  # queries: of one alone, a recall is 0 % or 100 % and says nothing
BINS = 10
VERDICTS = ("certain", "hesitates", "unknown")
TOO_FEW = _("n = {n}: cannot be measured")


@dataclass(frozen=True)
class Share:
    """``hits`` of ``n``, with its Wilson 95 % interval; `value` is nan where n is 0."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.n)


@dataclass(frozen=True)
class ClassRow:
    """One class: ``references`` and queries ``n``, how many were right (``hits``) and among the first three, how
    often its name was given (``predicted``), its scores, mean average precision (nan without queries), and the
    class it was taken for most often (``taken_for``, a folder or "", ``times``)."""

    folder: str
    name: str
    references: int
    n: int
    hits: int
    hits3: int
    predicted: int
    precision: float
    recall: float
    f1: float
    map_at_r: float
    taken_for: str
    times: int

    @property
    def measurable(self) -> bool:
        """Whether its recall says anything; if not, `TOO_FEW` says why."""
        return self.n >= MEASURED_FROM

    @property
    def share(self) -> Share:
        return Share(self.hits, self.n)


@dataclass(frozen=True)
class Rejection:
    """What asking for a score of ``threshold`` gives: the ``coverage`` of the known queries that are answered, the
    ``error`` among those, and the share of marks from outside that are named (``false_accepts``)."""

    threshold: float
    coverage: float
    error: float
    false_accepts: float


@dataclass(frozen=True)
class VerdictRow:
    """One verdict: how many known queries got it (``n``), how many of them with the right name (``hits``), and how
    many of the same marks got it while their class was not in the base (``outside``)."""

    verdict: str
    n: int
    hits: int
    outside: int


@dataclass(frozen=True)
class Bin:
    """Answers whose class got a share of the vote from ``low`` to ``high``: how many, how many right, mean vote."""

    low: float
    high: float
    n: int
    hits: int
    vote: float


@dataclass(frozen=True)
class EvaluationReport:
    """The figures of one evaluation.

    ``queries``: known queries that the shares count; ``strangers``: queries of classes without a reference, which
    count as marks from outside; ``outside``: marks from outside behind the false accepts. ``top``: share with the
    true class among the first k, k = 1 to `KEPT`. ``macro``, ``weighted``: (precision, recall, F1), macro over
    the classes that have queries. ``map_interval``: of mAP@R, 95 %, by resampling the queries. ``counts``: (true,
    predicted, n) of the confusion matrix, numbers of classes.
    """

    about: About
    queries: int
    strangers: int
    references: int
    outside: int
    top: tuple[Share, ...]
    macro: tuple[float, float, float]
    weighted: tuple[float, float, float]
    map_at_r: float
    classes: tuple[ClassRow, ...]
    counts: tuple[tuple[int, int, int], ...]
    rejection: tuple[Rejection, ...]
    verdicts: tuple[VerdictRow, ...]
    bins: tuple[Bin, ...]
    map_interval: tuple[float, float] = (math.nan, math.nan)

    @property
    def top1(self) -> Share:
        return self.top[0]

    @property
    def top3(self) -> Share:
        return self.top[2]

    @property
    def top5(self) -> Share:
        return self.top[4]

    @property
    def leak_free(self) -> bool | None:
        """Whether the audit of the split found nothing; None where none was made, or where it left that open."""
        leak = self.about.leak
        return None if leak is None or (leak.get("open") and not leak["findings"]) else bool(leak["clean"])

    @cached_property
    def matrix(self) -> np.ndarray:
        """The confusion matrix (C, C): row the true class, column the answer, both in the order of ``classes``."""
        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        for true, predicted, count in self.counts:
            matrix[true, predicted] = count
        return matrix

    @cached_property
    def normalised(self) -> np.ndarray:
        """`matrix` with each row as shares of its queries; rows without any are 0."""
        rows = self.matrix.sum(axis=1, keepdims=True)
        return np.divide(self.matrix, rows, out=np.zeros(self.matrix.shape), where=rows > 0)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what has no value is null; shares carry their value and interval."""
        record = asdict(self)
        record["top"] = [{**asdict(s), "value": s.value, "interval": list(s.interval)} for s in self.top]
        record["classes"] = [
            {**asdict(row), "measurable": row.measurable, "interval": list(row.share.interval)} for row in self.classes
        ]
        plain = _plain(record)
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Raises `BadInput` on anything that `to_json` did not write."""
        try:
            about = {**record["about"], "refused": tuple(record["about"]["refused"])}
            return cls(
                about=About(**about),
                **{name: int(record[name]) for name in ("queries", "strangers", "references", "outside")},
                top=tuple(Share(s["hits"], s["n"]) for s in record["top"]),
                macro=_three(record["macro"]),
                weighted=_three(record["weighted"]),
                map_at_r=_number(record["map_at_r"]),
                classes=tuple(_filled(ClassRow, row) for row in record["classes"]),
                counts=tuple((int(t), int(p), int(n)) for t, p, n in record["counts"]),
                rejection=tuple(_filled(Rejection, point) for point in record["rejection"]),
                verdicts=tuple(VerdictRow(**row) for row in record["verdicts"]),
                bins=tuple(_filled(Bin, each) for each in record["bins"]),
                map_interval=_pair(record.get("map_interval", (None, None))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("This is not the report of an evaluation.") from error


def evaluate(predictions: Predictions) -> EvaluationReport:
    """The figures of these predictions."""
    known = predictions.known
    truth, ranked = predictions.truth[known], predictions.ranked[known]
    predicted = predictions.predicted[known]
    precisions = predictions.precisions[known]
    right = truth == predicted
    asked = np.unique(truth)
    matrix = confusion(truth, predicted, len(predictions.folders))
    scores = precision_recall_f1(truth, predicted, asked)
    outside, outside_verdicts = _outside(predictions)
    rows, columns = np.nonzero(matrix)
    return EvaluationReport(
        about=predictions.about,
        queries=len(truth),
        strangers=int((~known).sum()),
        references=len(predictions.gallery),
        outside=len(outside),
        top=tuple(Share(int(hits_at(ranked, truth, k).sum()), len(truth)) for k in range(1, KEPT + 1)),
        macro=scores.macro,
        weighted=scores.weighted,
        map_at_r=float(np.nanmean(precisions)) if np.isfinite(precisions).any() else math.nan,
        classes=_classes(predictions, matrix),
        counts=tuple((int(t), int(p), int(matrix[t, p])) for t, p in zip(rows, columns, strict=True)),
        rejection=rejection_curve(predictions.scores[known], right, outside),
        verdicts=tuple(
            VerdictRow(
                verdict, int(given.sum()), int((given & right).sum()), int((outside_verdicts == verdict).sum())
            )
            for verdict in VERDICTS
            for given in (predictions.verdicts[known] == verdict,)
        ),
        bins=_bins(predictions.votes[known, 0], right),
        map_interval=mean_interval(precisions),
    )  # fmt: skip


def rejection_curve(
    scores: np.ndarray, right: np.ndarray, outside: np.ndarray, *, points: int = 200
) -> tuple[Rejection, ...]:
    """`Rejection` at thresholds from the lowest score to the highest: at most ``points`` of the ``scores`` (Q,).

    ``right`` (Q,): which of those answers are right; ``outside`` (T,): scores of the marks from outside.
    """
    if not len(scores):
        return ()
    order = np.argsort(-scores, kind="stable")
    wrong = np.cumsum(~right[order])
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # ties are answered together
    chosen = last[np.unique(np.linspace(0, len(last) - 1, points).round().astype(int))][::-1]
    return tuple(
        Rejection(
            threshold=float(scores[order[i]]),
            coverage=(i + 1) / len(scores),
            error=float(wrong[i] / (i + 1)),
            false_accepts=float((outside >= scores[order[i]]).mean()) if len(outside) else math.nan,
        )
        for i in chosen.tolist()
    )


def _outside(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Scores and verdicts of the marks from outside: known queries asked with their class left out, and
    queries whose class has no reference."""
    known = predictions.known
    asked = known & np.isfinite(predictions.outside_scores)
    scores = np.concatenate([predictions.outside_scores[asked], predictions.scores[~known]])
    return scores, np.concatenate([predictions.outside_verdicts[asked], predictions.verdicts[~known]])


def _classes(predictions: Predictions, matrix: np.ndarray) -> tuple[ClassRow, ...]:
    known = predictions.known
    truth = predictions.truth[known]
    numbers = np.arange(len(predictions.folders))
    scores = precision_recall_f1(truth, predictions.predicted[known], numbers)
    third = hits_at(predictions.ranked[known], truth, 3)
    references = np.bincount(predictions.gallery_truth, minlength=len(numbers))
    missed = matrix.copy()
    np.fill_diagonal(missed, 0)
    rows = []
    for number in numbers.tolist():
        own = truth == number
        worst = int(missed[number].argmax())
        times = int(missed[number, worst])
        precisions = predictions.precisions[known][own]
        rows.append(
            ClassRow(
                folder=predictions.folders[number],
                name=predictions.names[number],
                references=int(references[number]),
                n=int(scores.support[number]),
                hits=int(scores.hits[number]),
                hits3=int(third[own].sum()),
                predicted=int(scores.predicted[number]),
                precision=float(scores.precision[number]),
                recall=float(scores.recall[number]),
                f1=float(scores.f1[number]),
                map_at_r=float(precisions.mean()) if len(precisions) else math.nan,
                taken_for=predictions.folders[worst] if times else "",
                times=times,
            )
        )
    return tuple(rows)


def _bins(votes: np.ndarray, right: np.ndarray) -> tuple[Bin, ...]:
    """Answers by the vote of their class, in `BINS` equal steps; those without any answer are left out. Ours: the
    calibration curve of scikit-learn does not say how many answers are in a bin."""
    place = np.minimum((votes * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        own = place == number
        if own.any():
            low, high = number / BINS, (number + 1) / BINS
            found.append(Bin(low, high, int(own.sum()), int(right[own].sum()), float(votes[own].mean())))
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Expected calibration error: mean distance of vote and accuracy over the answers (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, equation 5); nan without answers."""
    n = sum(each.n for each in bins)
    return sum(abs(each.hits - each.vote * each.n) for each in bins) / n if n else math.nan


def renamed(report: EvaluationReport, names: Mapping[str, str]) -> EvaluationReport:
    """The report with the display names of today (class folder -> name)."""
    return replace(report, classes=tuple(replace(row, name=names.get(row.folder, row.name)) for row in report.classes))


def _filled(kind: type, record: Mapping[str, Any]) -> Any:
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: math.nan if record[name] is None else record[name] for name in names})


def _three(values: Any) -> tuple[float, float, float]:
    one, two, three = (_number(value) for value in values)
    return one, two, three


def _pair(values: Any) -> tuple[float, float]:
    low, high = (_number(value) for value in values)
    return low, high


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
