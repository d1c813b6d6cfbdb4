"""The figures that measure recognition: accuracy at k, precision and recall, mAP@R, intervals, paired tests.

Arrays in, numbers out; scikit-learn and scipy compute what they have. It knows neither images nor galleries, and
decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution: two-sided 95 % intervals


def top_k(ranked: np.ndarray, truth: np.ndarray, k: int) -> float:
    """The share of queries whose true class is among the first ``k`` of ``ranked`` (Q, K) class ids.

    ``truth`` is (Q,). Without queries there is no share: nan.
    """
    hits = hits_at(ranked, truth, k)
    return float(hits.mean()) if len(hits) else math.nan


def hits_at(ranked: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Whether each query's true class is among its first ``k``: (Q,) bool."""
    return (np.asarray(ranked)[:, :k] == np.asarray(truth)[:, None]).any(axis=1)


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each of the ``labels`` (C,), and their means.

    ``support`` counts a label's queries, ``predicted`` its answers. A share of nothing is 0, as
    scikit-learn's ``zero_division=0``. ``macro`` is the plain mean over ``labels``, ``weighted``
    the mean by support; each is (precision, recall, F1).
    """

    labels: np.ndarray
    support: np.ndarray
    predicted: np.ndarray
    hits: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    macro: tuple[float, float, float]
    weighted: tuple[float, float, float]


def precision_recall_f1(truth: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> ClassScores:
    """Scores per class of ``labels`` (C,) from ``truth`` and ``predicted`` (Q,).

    Answers outside ``labels`` count as errors of their true class and for no label's precision.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, predicted, labels = np.asarray(truth), np.asarray(predicted), np.asarray(labels)
    support, answers = _counts(truth, labels), _counts(predicted, labels)
    hits = _counts(truth[truth == predicted], labels)
    if not len(labels) or not len(truth):
        nothing = np.zeros(len(labels))
        none = (math.nan, math.nan, math.nan)
        macro = none if not len(labels) else (0.0, 0.0, 0.0)
        return ClassScores(labels, support, answers, hits, nothing, nothing, nothing, macro, none)
    each: dict[str, Any] = {"labels": labels, "zero_division": 0.0}
    precision, recall, f1, _support = precision_recall_fscore_support(truth, predicted, **each)
    weighted = np.full(3, math.nan)
    if support.sum():
        weighted = np.stack([precision, recall, f1]) @ support / support.sum()
    macro = np.stack([precision, recall, f1]).mean(axis=1)
    return ClassScores(
        labels, support, answers, hits, precision, recall, f1, _three(macro), _three(weighted)
    )  # fmt: skip


def macro_recall(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean recall over the classes that have queries (balanced accuracy); nan without queries."""
    labels = np.unique(truth)
    return precision_recall_f1(truth, predicted, labels).macro[1]


def confusion(truth: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """How often class i was called j: (n, n) int64 from class ids 0 to n - 1 in ``truth`` and ``predicted`` (Q,)."""
    from sklearn.metrics import confusion_matrix

    if not n or not len(truth):
        return np.zeros((n, n), np.int64)
    return np.asarray(confusion_matrix(truth, predicted, labels=np.arange(n)), np.int64)


def map_at_r(
    queries: np.ndarray, query_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray, *, block: int = 256
) -> float:
    """Mean average precision at R (Musgrave et al. 2020, https://arxiv.org/abs/2003.08505, section 3.2), which
    scikit-learn has not.

    ``queries`` (Q, D) and ``gallery`` (N, D) are L2-normalised, and no query is in the gallery. R is
    the number of a query's class in the gallery; queries without one are left out. nan where none
    is left. ``block`` queries are compared at once, so that memory stays at block x N.
    """
    values = average_precision_at_r(queries, query_labels, gallery, gallery_labels, block=block)
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def average_precision_at_r(
    queries: np.ndarray, query_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray, *, block: int = 256
) -> np.ndarray:
    """`map_at_r` of each query: (Q,), nan where the gallery has none of its class."""
    query_labels, gallery_labels = np.asarray(query_labels), np.asarray(gallery_labels)
    values = np.full(len(query_labels), math.nan)
    if not len(gallery_labels):
        return values
    classes, counts = np.unique(gallery_labels, return_counts=True)
    known = np.searchsorted(classes, query_labels).clip(max=len(classes) - 1)
    relevant = np.where(classes[known] == query_labels, counts[known], 0)
    for start in range(0, len(query_labels), block):
        r = relevant[start : start + block]
        deepest = int(r.max())
        if not deepest:
            continue
        similarities = queries[start : start + block] @ gallery.T
        nearest = _nearest(similarities, deepest)
        hits = gallery_labels[nearest] == query_labels[start : start + block, None]
        hits &= np.arange(deepest) < r[:, None]
        precision = np.cumsum(hits, axis=1) / np.arange(1, deepest + 1)
        found = r > 0
        values[start : start + block][found] = (precision * hits).sum(axis=1)[found] / r[found]
    return values


def wilson(hits: float, n: int, *, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share of ``hits`` in ``n`` (Wilson 1927), 95 % where ``z`` is not given.

    Keeps inside 0 to 1 and does not shrink to a point at 0 % or 100 %. (0, 1) where n is 0. Ours, not scipy's: a
    table asks for hundreds, and its `binomtest` takes more than a hundred times as long for the same numbers.
    """
    if not n:
        return 0.0, 1.0
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mean_interval(values: np.ndarray, *, level: float = 0.95, resamples: int = 2000) -> tuple[float, float]:
    """The bootstrap interval of the mean of ``values`` (Q,), by percentiles; nan is left out. (nan, nan) of fewer than
    two."""
    from scipy.stats import bootstrap

    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return math.nan, math.nan
    found = bootstrap(
        (values,), np.mean, n_resamples=resamples, confidence_level=level, method="percentile", batch=64,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """The two-sided p-value of McNemar's exact test: are A and B right equally often on the same queries?

    ``right_a`` and ``right_b`` are (Q,) bool. Only queries where one of them alone is right count:
    under the hypothesis their number is binomial with one half. 1.0 where there is none.
    """
    from scipy.stats import binomtest

    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _counts(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    found, counts = np.unique(values, return_counts=True)
    table = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return np.array([table.get(label, 0) for label in labels.tolist()], np.int64)


def _three(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _nearest(similarities: np.ndarray, k: int) -> np.ndarray:
    """The columns of the ``k`` largest of each row, largest first."""
    k = min(k, similarities.shape[1])
    some = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarities, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
