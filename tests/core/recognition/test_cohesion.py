"""Cohesion by hand, on a circle."""

import numpy as np
import pytest

from core.recognition.cohesion import SHRINK, USUAL, Others, cohesion, cohesion_without, siblings


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


VECTORS = unit(0, 10, 30, 90, 180, 180.1)  # class 0: three; class 1: one; class 2: one original kept twice
OWN = np.array([0, 0, 0, 1, 2, 2])


def test_each_reference_knows_its_most_alike_siblings():
    found = siblings(VECTORS, OWN, usual=0.5)
    assert found.best[:3] == pytest.approx([cos(10), cos(10), cos(20)], abs=1e-6)
    assert found.second[:3] == pytest.approx([cos(30), cos(20), cos(30)], abs=1e-6)
    assert found.nearest[:3].tolist() == [1, 0, 1]
    assert np.isnan(found.best[3:]).all()  # alone, or with nothing but a copy of itself
    assert found.typical == pytest.approx((2 * cos(10) + cos(20) + USUAL * 0.5) / (3 + USUAL), abs=1e-6)


def test_a_class_without_pairs_has_the_typical_cohesion():
    found = siblings(VECTORS, OWN, usual=0.5)
    of_class = cohesion(found, OWN, 3)
    three = 2 * cos(10) + cos(20)
    assert of_class[0] == pytest.approx((three + SHRINK * found.typical) / (3 + SHRINK), abs=1e-6)
    assert of_class[1:] == pytest.approx([found.typical] * 2)


def test_cohesion_without_a_reference_is_that_of_the_others():
    found = siblings(VECTORS, OWN, usual=0.5)
    without = cohesion_without(found, OWN, np.array([1, 3]))
    # without the one at 10 degrees, 0 and 30 have each other only
    assert without[0] == pytest.approx((2 * cos(30) + SHRINK * found.typical) / (2 + SHRINK), abs=1e-6)
    assert without[1] == pytest.approx(found.typical)


def test_without_any_pair_it_is_nought():
    found = siblings(unit(0, 90), np.array([0, 1]), usual=0.7)
    assert [found.typical, *cohesion(found, np.array([0, 1]), 2).tolist()] == pytest.approx([0.7] * 3)


# two references of class 0, one each of classes 1 and 2: the other classes of each, most alike first
OTHERS = Others(
    own=np.array([0, 0, 1, 2]),
    classes=np.array([[1, 2], [2, 1], [0, 2], [0, 1]]),
    similarities=np.array([[0.8, 0.1], [0.4, 0.3], [0.8, 0.2], [0.4, 0.2]]),
    alone=0.25,
)


def test_a_twin_is_the_mean_of_what_references_share_with_the_most_alike_other_class():
    assert OTHERS.twins(4) == pytest.approx([0.6, 0.8, 0.4, 0.6])  # class 3 was not looked at: the mean of all four
    nobody = Others(np.zeros(2, int), np.full((2, 1), -1), np.full((2, 1), np.nan), alone=0.25)
    assert nobody.twins(1) == pytest.approx([0.25])


def test_a_twin_is_found_again_without_a_class_or_a_reference():
    named, out, rows = np.array([0, 0, 0, 1, -1]), np.array([1, -1, -1, 0, 0]), np.array([-1, 0, -1, -1, -1])
    # without class 1; without the first reference; with all; without class 0; where nothing is named
    assert OTHERS.twins_without(named, out, rows) == pytest.approx([(0.1 + 0.4) / 2, 0.4, 0.6, 0.2, 0.25])
    assert OTHERS.twins_without(np.array([2]), np.array([-1]), np.array([3])) == pytest.approx([0.4])  # it has no other
