"""Cohesion by hand, on a circle."""

import numpy as np
import pytest

from core.recognition.cohesion import SHRINK, USUAL, cohesion, cohesion_without, siblings


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
