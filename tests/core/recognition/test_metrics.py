"""The metrics against scikit-learn and scipy on random inputs, and by hand on three classes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.recognition.metrics import (
    average_precision_at_r,
    confusion,
    hits_at,
    macro_recall,
    map_at_r,
    mcnemar,
    mean_interval,
    precision_recall_f1,
    top_k,
    wilson,
)

# Six queries of the classes 0, 1 and 2; two of them wrong: a 0 called 1 and a 2 called 0.
TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 1, 0])


def test_three_classes_by_hand():
    scores = precision_recall_f1(TRUTH, PREDICTED, np.arange(3))
    assert scores.support.tolist() == [3, 2, 1]
    assert scores.hits.tolist() == [2, 2, 0]
    assert scores.precision == pytest.approx([2 / 3, 2 / 3, 0])
    assert scores.recall == pytest.approx([2 / 3, 1, 0])
    assert scores.f1 == pytest.approx([2 / 3, 4 / 5, 0])
    assert scores.macro == pytest.approx((4 / 9, 5 / 9, 22 / 45))
    assert scores.weighted[1] == pytest.approx(4 / 6)  # the weighted recall is the accuracy
    assert macro_recall(TRUTH, PREDICTED) == pytest.approx(5 / 9)
    assert confusion(TRUTH, PREDICTED, 3).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_top_k_by_hand():
    ranked = np.array([[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]])
    truth = np.array([0, 0, 0, 1])
    assert [top_k(ranked, truth, k) for k in (1, 2, 3)] == [0.25, 0.75, 1.0]
    assert hits_at(ranked, truth, 2).tolist() == [True, True, False, True]
    assert math.isnan(top_k(np.empty((0, 3)), np.empty(0), 1))


def test_map_at_r_by_hand():
    # One query of class 0 against four references in the order 0, 1, 0, 0: R = 3, hits at 1 and 3.
    query = np.array([[1.0, 0.0]])
    angles = np.array([0.1, 0.2, 0.3, 0.4])
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.array([0, 1, 0, 0])
    assert map_at_r(query, np.array([0]), gallery, labels) == pytest.approx((1 + 2 / 3) / 3)
    # A class that the gallery lacks is left out of the mean, not counted as 0.
    both = average_precision_at_r(np.repeat(query, 2, axis=0), np.array([0, 7]), gallery, labels)
    assert both[0] == pytest.approx(5 / 9) and math.isnan(both[1])
    assert math.isnan(map_at_r(query, np.array([7]), gallery, labels))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn(seed):
    from sklearn import metrics as sk

    rng = np.random.default_rng(seed)
    classes, n = 7, 200
    truth = rng.integers(classes - 1, size=n)  # the last class has no query
    predicted = np.where(rng.random(n) < 0.6, truth, rng.integers(classes, size=n))
    labels = np.arange(classes)
    ours = precision_recall_f1(truth, predicted, labels)
    theirs = sk.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    for mine, other in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        assert mine == pytest.approx(other)
    for average, mine in (("macro", ours.macro), ("weighted", ours.weighted)):
        other = sk.precision_recall_fscore_support(truth, predicted, labels=labels, average=average, zero_division=0)
        assert mine == pytest.approx(other[:3])
    assert macro_recall(truth, predicted) == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert (confusion(truth, predicted, classes) == sk.confusion_matrix(truth, predicted, labels=labels)).all()
    scores = rng.random((n, classes))
    ranked = np.argsort(-scores, axis=1)
    for k in (1, 3, 5):
        assert top_k(ranked, truth, k) == pytest.approx(sk.top_k_accuracy_score(truth, scores, k=k, labels=labels))


@pytest.mark.parametrize("seed", range(3))
def test_map_at_r_as_written_out(seed):
    rng = np.random.default_rng(seed)
    queries, gallery = (_unit(rng.normal(size=(n, 8))) for n in (30, 90))
    asked, known = rng.integers(6, size=30), rng.integers(5, size=90)  # class 5 is not in the gallery
    expected = []
    for vector, label in zip(queries, asked, strict=True):
        r = int((known == label).sum())
        order = np.argsort(-(gallery @ vector))[:r]
        precisions = [(known[order[: i + 1]] == label).mean() for i in range(r) if known[order[i]] == label]
        if r:
            expected.append(sum(precisions) / r)
    assert map_at_r(queries, asked, gallery, known, block=7) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (57, 80), (9000, 10000)])
def test_wilson_as_scipy(hits, n):
    from scipy.stats import binomtest

    other = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((other.low, other.high), abs=1e-9)


def test_wilson_of_nothing_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (5, 5), (2, 9), (30, 50), (1500, 1700)])
def test_mcnemar_as_the_binomial_test(only_a, only_b):
    from scipy.stats import binomtest

    a = np.array([True] * only_a + [False] * only_b + [True, False])
    b = np.array([False] * only_a + [True] * only_b + [True, False])
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_interval_of_a_mean_narrows_with_more_values_and_holds_the_mean():
    values = np.random.default_rng(1).random(400)
    low, high = mean_interval(values)
    fewer = mean_interval(np.append(values[:40], math.nan))
    assert low < values.mean() < high and 0.03 < high - low < 0.09 < fewer[1] - fewer[0]
    assert all(math.isnan(end) for end in mean_interval(np.array([0.5, math.nan])))
