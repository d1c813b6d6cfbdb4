"""Confusions by hand: the pairs, the cells, and an order that puts alike classes side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.evaluation.confusion import blocks, cell, pairs
from core.evaluation.report import evaluate
from tests.core.evaluation import made

HELD = made.predictions([0, 0, 0, 1, 1, 2], [[1, 0], [1, 2, 0], [0], [0, 1], [1], [2]])


def test_most_confused_first():
    found = pairs(evaluate(HELD))
    assert [(p.true, p.predicted, p.count, p.share.n, p.back) for p in found] == [(0, 1, 2, 3, 1), (1, 0, 1, 2, 2)]


def test_a_cell_holds_its_queries_the_most_wrong_first():
    assert cell(HELD, 0, 1).tolist() == [1, 0]  # in row 1 the true class came third, in row 0 second
    assert cell(HELD, 1, 1).tolist() == [4]
    assert cell(HELD, 2, 0).tolist() == []


def test_alike_classes_stand_together():
    """Six classes in three directions, two each: whatever the order given, the two are neighbours."""
    held = made.predictions([0], [[0]], names="abcdef")
    directions = np.eye(3)[[0, 1, 2, 0, 1, 2]] + 0.05 * np.eye(6, 3)
    centres = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
    order = blocks(replace(held, centres=centres)).tolist()
    assert sorted(order) == list(range(6))
    for one, other in ((0, 3), (1, 4), (2, 5)):
        assert abs(order.index(one) - order.index(other)) == 1


def test_few_classes_keep_their_order():
    assert blocks(made.predictions([0], [[0]], names="ab")).tolist() == [0, 1]
