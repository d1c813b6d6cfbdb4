"""The figures hold the numbers of the report, and names as text."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.figures import calibration, confusion, rejection, top_k
from core.evaluation.report import evaluate
from core.variation.figures import Look
from tests.core.evaluation import made

LOOK = Look("#111111", "#555555", "#ffffff", "#98481c", "#dccfb9", "#a8322b")
WORDS = {name: name for name in ("true", "predicted", "share", "count", "k", "right", "answered", "error",
                                 "false_accepts", "threshold", "vote", "answers")}  # fmt: skip
REPORT = evaluate(
    made.predictions([0, 0, 0, 1, 2], [[0], [0], [1, 0], [1], [2]], names=(made.SCRIPT, "b", "c"), outside=[0.1] * 5)
)


def test_confusion_in_the_order_given():
    figure = confusion(REPORT, np.array([2, 0, 1]), look=LOOK, words=WORDS, logarithmic=False)
    heat, markers = figure.data
    assert np.nan_to_num(np.array(heat.z, float)).tolist() == [[1, 0, 0], [0, 2 / 3, 1 / 3], [0, 0, 1]]
    assert list(figure.layout.yaxis.ticktext) == ["c", "&lt;script&gt;alert(1)&lt;/script&gt;", "b"]
    places = {tuple(c): (x, y) for c, x, y in zip(markers.customdata, markers.x, markers.y, strict=True)}
    assert places == {(0, 0): (1, 1), (0, 1): (2, 1), (1, 1): (2, 2), (2, 2): (0, 0)}
    assert not any("<script" in text for text in markers.text)


def test_confusion_without_its_diagonal_and_with_a_logarithmic_colour():
    figure = confusion(REPORT, np.arange(3), look=LOOK, words=WORDS, diagonal=False)
    heat, markers = figure.data
    shown = np.array(heat.z, float)
    assert np.isnan(shown).sum() == 8 and shown[0, 1] == pytest.approx(np.log10(1 / 3))
    assert [tuple(c) for c in markers.customdata] == [(0, 1)]
    clean = evaluate(made.predictions([0, 1], [[0], [1]]))
    assert not confusion(clean, np.arange(3), look=LOOK, words=WORDS, diagonal=False).data[1].x


def test_curves_hold_the_report():
    line = top_k(REPORT, look=LOOK, words=WORDS).data[1]
    assert list(line.y)[:2] == [0.8, 1.0]
    errors, accepts = rejection(REPORT, look=LOOK, words=WORDS).data
    assert list(errors.x) == [p.coverage for p in REPORT.rejection]
    assert list(accepts.y) == [p.false_accepts for p in REPORT.rejection]
    dots = calibration(REPORT, look=LOOK, words=WORDS).data[1]
    assert list(dots.x) == [0.75] and list(dots.y) == [0.8]
