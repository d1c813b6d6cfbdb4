"""The figures hold the numbers of the report."""

from __future__ import annotations

from core.evaluation.figures import calibration, rejection, top_k
from core.evaluation.report import evaluate
from core.variation.figures import Look
from tests.core.evaluation import made

LOOK = Look("#111111", "#555555", "#ffffff", "#98481c", "#dccfb9", "#a8322b")
WORDS = {name: name for name in ("k", "right", "answered", "error", "false_accepts", "threshold", "vote", "answers")}
REPORT = evaluate(made.predictions([0, 0, 0, 1, 2], [[0], [0], [1, 0], [1], [2]], outside=[0.1] * 5))


def test_curves_hold_the_report():
    line = top_k(REPORT, look=LOOK, words=WORDS).data[1]
    assert list(line.y)[:2] == [0.8, 1.0]
    errors, accepts = rejection(REPORT, look=LOOK, words=WORDS).data
    assert list(errors.x) == [p.coverage for p in REPORT.rejection]
    assert list(accepts.y) == [p.false_accepts for p in REPORT.rejection]
    dots = calibration(REPORT, look=LOOK, words=WORDS).data[1]
    assert list(dots.x) == [0.75] and list(dots.y) == [0.8]
