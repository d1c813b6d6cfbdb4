"""The table of forms and the endless marks made of them."""

from __future__ import annotations

import numpy as np
import pytest

from core.synthesis.marks import FENCES, LETTERS, SIGNS, fenced, random_template, written
from core.synthesis.strokes import Template


@pytest.mark.parametrize("name,strokes", [*LETTERS.items(), *SIGNS.items(), *FENCES.items()], ids=lambda v: str(v)[:9])
def test_every_form_of_the_table_lies_in_the_unit_square(name, strokes):
    points = np.array([p for stroke in strokes for p in stroke.points])
    assert np.isfinite(points).all()
    assert points.min() > -0.16 and points.max() < 1.16, name
    assert np.ptp(points, axis=0).max() > 0.75, "it fills its box in one direction at least"


def test_fences_stand_on_their_side_and_are_mirror_images():
    inner = written("o")
    left, right = fenced(inner, left="[")[-1], fenced(inner, right="[")[-1]
    assert max(x for x, _ in left.points) < 0 < 1 < min(x for x, _ in right.points)
    width = [(max(x) - min(x)) for x in ([p[0] for p in s.points] for s in (left, right))]
    assert width[0] == pytest.approx(width[1])


def test_writing_puts_letters_in_a_row():
    (first, second) = written("vv")
    assert max(x for x, _ in first.points) < min(x for x, _ in second.points)


def test_random_marks_are_endless_finite_and_fitted():
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(300):
        template = random_template(rng)
        points = np.array([p for stroke in template.strokes for p in stroke.points])
        assert np.isfinite(points).all()
        assert points.min() >= -1e-9 and points.max() <= 1 + 1e-9
        assert np.ptp(points, axis=0).max() == pytest.approx(1)
        seen.add(template)
    assert len(seen) > 285, "almost no two are the same (a lone letter may come twice)"


def test_the_same_seed_gives_the_same_marks():
    first = [random_template(np.random.default_rng([9, i])) for i in range(20)]
    assert first == [random_template(np.random.default_rng([9, i])) for i in range(20)]
    assert isinstance(first[0], Template)
