"""Whole photographs, made: the same from the same seed, marks with their ink in their boxes, and light beside them."""

from __future__ import annotations

import numpy as np
import pytest

from core.synthesis.engraving import Form
from core.synthesis.marks import random_template
from core.synthesis.scenes import Scene
from core.synthesis.tables import LARGEST, table

SIDE = 256


def form(rng: np.random.Generator) -> Form:
    return Form.of(random_template(rng))


def made(seed: int, **options: object) -> Scene:
    return table(form, np.random.default_rng(seed), side=SIDE, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_photograph_and_another_seed_another() -> None:
    one, same, other = made(1), made(1), made(2)
    assert np.array_equal(one.picture, same.picture)
    assert np.array_equal(one.boxes, same.boxes)
    assert not np.array_equal(one.picture, other.picture)


@pytest.mark.parametrize("seed", range(12))
def test_ink_lies_in_the_boxes_of_small_marks(seed: int) -> None:
    given = made(seed, marks=2)
    assert given.picture.shape == (SIDE, SIDE, 3)
    ys, xs = np.nonzero(given.ink > 0.4)
    inside = np.zeros(len(xs), bool)
    for x, y, w, h in given.boxes:
        assert max(w, h) < 1.2 * LARGEST * SIDE
        held = (xs >= x - 2) & (xs <= x + w + 2) & (ys >= y - 2) & (ys <= y + h + 2)
        assert held.any()
        inside |= held
    assert inside.all()


def test_most_photographs_have_the_marks_that_are_asked_for_and_none_has_others() -> None:
    assert np.mean([len(made(seed).boxes) == 1 for seed in range(12)]) > 0.6
    for seed in range(6):
        without = made(seed, marks=0)
        assert len(without.boxes) == 0
        assert not without.ink.any()


def test_a_ground_that_is_given_is_the_table() -> None:
    ground = np.zeros((SIDE, SIDE, 3), np.uint8)
    ground[..., 2] = 250
    blue = made(3, ground=ground).picture.astype(int)
    corners = blue[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners[:, 2] - corners[:, 0] > 60).sum() >= 2
