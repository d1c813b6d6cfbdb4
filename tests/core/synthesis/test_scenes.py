"""Made photographs: the same from the same seed, marks where their boxes say, and none where none is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from core.synthesis.engraving import Form
from core.synthesis.grounds import KINDS
from core.synthesis.marks import random_template
from core.synthesis.scenes import Scene, scene

SIDE = 96


def form(rng: np.random.Generator) -> Form:
    return Form.of(random_template(rng))


def made(seed: int, **options: object) -> Scene:
    return scene(form, np.random.default_rng(seed), side=SIDE, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_a_ground_fills_the_picture(kind: str) -> None:
    page = KINDS[kind][0](np.random.default_rng(3), SIDE)
    assert page.shape == (SIDE, SIDE, 3)
    assert np.isfinite(page).all()


def test_the_same_seed_gives_the_same_scene_and_another_seed_another() -> None:
    one, same, other = made(1), made(1), made(2)
    assert np.array_equal(one.picture, same.picture)
    assert np.array_equal(one.boxes, same.boxes)
    assert not np.array_equal(one.picture, other.picture)


@pytest.mark.parametrize("seed", range(25))
def test_ink_lies_in_its_boxes(seed: int) -> None:
    given = made(seed)
    assert given.picture.shape == (SIDE, SIDE, 3)
    assert given.picture.dtype == np.uint8
    ys, xs = np.nonzero(given.ink > 0.4)
    inside = np.zeros(len(xs), bool)
    for x, y, w, h in given.boxes:
        inside |= (xs >= x - 2) & (xs <= x + w + 2) & (ys >= y - 2) & (ys <= y + h + 2)
    assert inside.all()


def test_no_mark_leaves_no_ink() -> None:
    for seed in range(10):
        given = made(seed, marks=0)
        assert len(given.boxes) == 0
        assert not given.ink.any()


def test_marks_stand_apart() -> None:
    most = 0
    for seed in range(40):
        boxes = made(seed, marks=2, extent=(0.2, 0.35)).boxes
        most = max(most, len(boxes))
        if len(boxes) == 2:
            (ax, ay, aw, ah), (bx, by, bw, bh) = boxes
            assert ax + aw < bx or bx + bw < ax or ay + ah < by or by + bh < ay
    assert most == 2


def test_a_mark_can_be_seen() -> None:
    """Where a scene says that there is ink, its picture differs from its surroundings."""
    told = []
    for seed in range(30):
        ground = np.full((SIDE, SIDE, 3), 130, np.uint8)
        given = made(seed, marks=1, ground=ground, extent=(0.3, 0.6))
        if len(given.boxes):
            here = given.ink > 0.4
            grey = given.picture.mean(axis=2)
            told.append(grey[here].std() + abs(grey[here].mean() - np.median(grey)) > 3)
    assert len(told) > 20
    assert np.mean(told) > 0.9
