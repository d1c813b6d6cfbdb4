"""The figures hold the numbers of the report."""

from __future__ import annotations

import re

from core.evaluation.figures import calibration, rejection, top_k
from core.evaluation.report import evaluate
from core.variation.figures import Look
from tests.core.evaluation import made

LOOK = Look("#111111", "#555555", "#ffffff", "#98481c", "#dccfb9", "#a8322b")
WORDS = {name: name for name in ("k", "right", "answered", "error", "false_accepts", "threshold", "vote", "answers")}
FRENCH = "{:.1f}\u202f%"
HOW = {"look": LOOK, "words": WORDS, "percent": lambda share: FRENCH.format(100 * share).replace(".", ",")}
REPORT = evaluate(made.predictions([0, 0, 0, 1, 2], [[0], [0], [1, 0], [1], [2]], outside=[0.1] * 5))


def comma(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def test_shares_are_written_as_they_are_given():
    made = (top_k(REPORT, **HOW), rejection(REPORT, **HOW, decimals=comma), calibration(REPORT, **HOW))
    for figure in made:
        for axis in (figure.layout.yaxis, figure.layout.xaxis):
            assert axis.tickformat is None
            assert list(axis.ticktext or ()) == [HOW["percent"](tick) for tick in axis.tickvals or ()]
        said = " ".join(text for trace in figure.data for text in trace.text or ())
        assert ",0\u202f%" in said and not re.search(r"\d\.\d|\d%", said)
        assert not any("%}" in (trace.hovertemplate or "") for trace in figure.data)
    assert list(made[0].layout.yaxis.ticktext)[-1] == "100,0\u202f%"


def test_curves_hold_the_report():
    line = top_k(REPORT, **HOW).data[1]
    assert list(line.y)[:2] == [0.8, 1.0]
    errors, accepts = rejection(REPORT, **HOW, decimals=comma).data
    assert list(errors.x) == [p.coverage for p in REPORT.rejection]
    assert list(accepts.y) == [p.false_accepts for p in REPORT.rejection]
    dots = calibration(REPORT, **HOW).data[1]
    assert list(dots.x) == [0.75] and list(dots.y) == [0.8]
