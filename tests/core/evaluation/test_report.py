"""The figures of a report: recomputed from the stored predictions with scikit-learn, and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from core.evaluation.report import EvaluationReport, Share, calibration_error, evaluate, rejection_curve, renamed
from core.ground.errors import BadInput
from core.recognition.metrics import wilson
from tests.core.evaluation import made


def test_figures_are_those_of_the_stored_predictions(evaluation):
    from sklearn import metrics as sk

    held, report = evaluation.predictions, evaluation.report
    truth, predicted = held.truth, held.predicted
    assert held.known.all()
    assert report.queries == len(truth) and report.references == len(held.gallery)
    assert report.top1.value == pytest.approx(sk.accuracy_score(truth, predicted))
    asked = np.unique(truth)
    for average, mine in (("macro", report.macro), ("weighted", report.weighted)):
        theirs = sk.precision_recall_fscore_support(truth, predicted, labels=asked, average=average, zero_division=0)
        assert mine == pytest.approx(theirs[:3])
    assert (report.matrix == sk.confusion_matrix(truth, predicted, labels=range(len(held.folders)))).all()
    for k, share in enumerate(report.top, start=1):
        assert share.hits == sum(t in row[:k] for t, row in zip(truth.tolist(), held.ranked.tolist(), strict=True))
    assert report.map_at_r == pytest.approx(np.nanmean(held.precisions))
    for number, row in enumerate(report.classes):
        own = truth == number
        assert (row.n, row.hits) == (own.sum(), (own & (predicted == number)).sum())
        assert row.references == (held.gallery_truth == number).sum()
    assert sum(row.n for row in report.verdicts) == report.queries
    for row in report.verdicts:
        given = held.verdicts == row.verdict
        assert (row.n, row.hits) == (given.sum(), (given & (truth == predicted)).sum())
        assert row.outside == (held.outside_verdicts == row.verdict).sum()


def test_three_classes_by_hand():
    report = evaluate(made.predictions([0, 0, 0, 1, 1, 2], [[0, 1], [0, 2], [1, 0], [1], [1, 2], [0, 1, 2]]))
    assert [share.hits for share in report.top[:3]] == [4, 5, 6]
    assert report.macro[1] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert report.matrix.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert report.normalised[0] == pytest.approx([2 / 3, 1 / 3, 0])
    first = report.classes[0]
    assert (first.taken_for, first.times, first.share.interval) == ("b", 1, wilson(2, 3))


def test_one_query_measures_nothing():
    report = evaluate(made.predictions([0, 0, 1], [[0], [0], [1]]))
    assert [row.measurable for row in report.classes] == [True, False, False]
    assert [row.n for row in report.classes] == [2, 1, 0]
    assert math.isnan(report.classes[2].map_at_r)


def test_classes_without_references_are_strangers_not_errors():
    held = made.predictions([0, 1, 2], [[0], [1], [1]], gallery_truth=[0, 0, 1], outside=[0.2, 0.3, math.nan])
    report = evaluate(held)
    assert (report.queries, report.strangers, report.outside) == (2, 1, 3)
    assert report.top1 == Share(2, 2)


def test_rejection_by_hand():
    scores = np.array([0.9, 0.7, 0.7, 0.5])
    right = np.array([True, False, True, True])
    curve = rejection_curve(scores, right, np.array([0.8, 0.6, 0.1, 0.1]))
    assert [(p.threshold, p.coverage) for p in curve] == [(0.5, 1.0), (0.7, 0.75), (0.9, 0.25)]
    assert [p.error for p in curve] == pytest.approx([1 / 4, 1 / 3, 0])
    assert [p.false_accepts for p in curve] == [0.5, 0.25, 0.0]
    assert rejection_curve(np.empty(0), np.empty(0, bool), np.empty(0)) == ()


def test_calibration_error_by_hand():
    """All votes are 0.75; half of the answers are right."""
    report = evaluate(made.predictions([0, 1], [[0, 1], [0, 1]]))
    assert [(b.n, b.hits) for b in report.bins] == [(2, 1)]
    assert calibration_error(report.bins) == pytest.approx(0.25)


def test_json_and_back(evaluation):
    for report in (evaluation.report, evaluate(made.predictions([0, 0, 1], [[0], [1], [1]]))):
        text = json.dumps(report.to_json(), allow_nan=False)
        again = EvaluationReport.from_json(json.loads(text))
        assert json.dumps(again.to_json(), allow_nan=False) == text
        assert again.top == report.top and again.counts == report.counts


@pytest.mark.parametrize("record", [None, {}, [], {"about": {}}, {"about": {"refused": []}, "queries": "many"}])
def test_another_record_is_refused(record):
    with pytest.raises(BadInput):
        EvaluationReport.from_json(record)


def test_names_of_today():
    report = renamed(evaluate(made.predictions([0, 1], [[0], [1]])), {"a": "Alpha"})
    assert [row.name for row in report.classes] == ["Alpha", "b", "c"]
