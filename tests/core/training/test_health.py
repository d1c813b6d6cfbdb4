"""`core.training.health`: numbers that can be checked by hand, and a collapse that is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from core.training.health import PATIENCE, CollapseDetector, active_pairs, active_triplets, measure, spread

RIGHT = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], np.float32)
LABELS = np.array([0, 0, 1, 1])


def test_distances_within_and_between_classes():
    health = measure(RIGHT, LABELS, norm=2.0)
    assert health.positive[2] == pytest.approx((0.2 + 1.0) / 2)  # 1 - 0.8 and 1 - 0: their median
    assert health.negative[2] == pytest.approx((1.0 + 1.8) / 2)  # of 1, 2, 0.4 and 1.8: between 1 and 1.8
    assert health.to_json()["norm"] == 2.0 and len(health.to_json()["positive"]) == 5


def test_a_class_of_one_image_has_no_positive_distances():
    assert measure(RIGHT[:2], np.array([0, 1])).positive == ()


def test_spread_is_none_at_one_point_and_all_in_opposite_ones():
    assert spread(np.array([[1.0, 0.0]] * 5)) == pytest.approx(0)
    assert spread(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(1)


def test_active_triplets_by_hand():
    """Anchors 0 and 1 have positive cosine 0.8 against negatives 0, -1 and 0.6, -0.8: one of four is within 0.2.
    Anchors 2 and 3 have positive cosine 0 against 0, 0.6 and -1, -0.8: two of four."""
    assert active_triplets(RIGHT, LABELS, margin=0.25) == pytest.approx(3 / 8)
    assert active_triplets(RIGHT, np.zeros(4)) == 0
    assert active_triplets(RIGHT, np.arange(4)) == 0


def test_a_collapse_is_said_after_some_steps_and_not_after_one():
    detector, same = CollapseDetector(), np.array([[1.0, 0.0]] * 6)
    apart = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert [detector.look(0.2, same) for _ in range(PATIENCE - 1)] == [None] * (PATIENCE - 1)
    assert detector.look(0.2, apart) is None
    said = [detector.look(0.2, same) for _ in range(PATIENCE)]
    assert said[:-1] == [None] * (PATIENCE - 1) and "collapsed" in str(said[-1]) and "0.0000" in str(said[-1])
    assert "not a number" in str(CollapseDetector().look(float("inf"), apart))


def test_active_pairs_are_those_of_two_classes_nearer_than_the_margin():
    points = np.array([[1, 0], [1, 0], [0.8, 0.6], [0, 1]])  # distances to the first: 0, 0.632, 1.414
    assert active_pairs(points, np.array([0, 0, 1, 2]), margin=0.7) == pytest.approx(2 / 5)
    assert active_pairs(points[:2], np.array([0, 0]), margin=0.7) == 0
