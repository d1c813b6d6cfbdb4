"""Texts, tables and charts: figures as they are, names as data."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np

from core.evaluation.artefacts import classes_csv, confusion_csv, confusion_png, curves_png, predictions_csv, text
from core.evaluation.report import evaluate
from core.ground.images import decode
from tests.core.evaluation import made

HELD = made.predictions([0, 0, 0, 1], [[0], [1, 0], [0], [1]], names=("=1+1", "@cmd", "$e_{a}$"))
REPORT = evaluate(HELD)


def rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def test_the_text_says_what_can_be_measured_and_what_cannot():
    said = text(REPORT)
    assert "top-1               75.0 % [30.1, 95.4]" in said
    assert "1 of 3     =1+1 taken for @cmd" in said
    assert "n = 1: cannot be measured" in said and "n = 0: cannot be measured" in said
    assert "Clean: nothing that is measured was seen in training." in said
    leaky = replace(REPORT, about=replace(REPORT.about, leak={"clean": False, "findings": []}))
    assert "LEAK" in text(leaky) and "Not known" in text(replace(REPORT, about=replace(REPORT.about, leak=None)))


def test_no_cell_is_a_formula():
    for table in (classes_csv(REPORT), predictions_csv(HELD), confusion_csv(REPORT)):
        for row in rows(table):
            assert not any(cell.startswith(("=", "@", "+")) for cell in row.values())
    assert rows(classes_csv(REPORT))[0]["class"] == "'=1+1"


def test_the_tables_hold_the_figures():
    first, second, third = rows(classes_csv(REPORT))
    assert (first["queries"], first["right"], first["recall"], first["taken_for"]) == ("3", "2", "0.666667", "'@cmd")
    assert second["recall"] == third["recall"] == ""
    answers = rows(predictions_csv(HELD))
    assert [row["class_1"] for row in answers] == ["'=1+1", "'@cmd", "'=1+1", "'@cmd"]
    assert answers[0]["class_2"] == "" and answers[1]["class_2"] == "'=1+1"
    assert [(r["true"], r["predicted"], r["count"], r["share"]) for r in rows(confusion_csv(REPORT))] == [
        ("'=1+1", "'=1+1", "2", "0.666667"), ("'=1+1", "'@cmd", "1", "0.333333"), ("'@cmd", "'@cmd", "1", "1"),
    ]  # fmt: skip


def test_charts_are_pictures_whatever_the_names():
    """``$e_{a}$`` would be mathematics to matplotlib."""
    assert decode(confusion_png(REPORT, np.array([2, 0, 1]))).width > 400
    assert decode(curves_png(REPORT)).width > 1000
