"""Strokes laid over one another: what is the same costs nothing, what was moved or bent a little, a twin much."""

import itertools

import cv2
import numpy as np
import pytest

from core.ground.outlines import outline_of
from core.recognition.alignment import FAR, align


def drawn(*lines: list[tuple[float, float]], bend: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """The outline of strokes in a unit square, bent sideways by a wave, or turned by degrees."""
    page = np.full((96, 96), 255, np.uint8)
    around = np.array([[np.cos(np.radians(turn)), np.sin(np.radians(turn))],
                       [-np.sin(np.radians(turn)), np.cos(np.radians(turn))]])  # fmt: skip
    for line in lines:
        points = np.array(line, float)
        fine = np.concatenate([np.linspace(a, b, 30) for a, b in itertools.pairwise(points)])
        fine[:, 0] += bend * np.sin(3 * fine[:, 1])
        fine = (fine - 0.5) @ around + 0.5
        cv2.polylines(page, [np.rint(12 + 72 * fine).astype(np.int32)], False, 0, 3)
    return outline_of(page)


BAR, HOOK, BOW = [(0, 0.5), (1, 0.5)], [(0.1, 0), (0.1, 1), (0.9, 1)], [(0.8, 0), (0.3, 0.3), (0.3, 0.7), (0.8, 1)]


def test_a_mark_over_itself_costs_nothing_and_needs_no_move() -> None:
    found = align(drawn(HOOK), drawn(HOOK)[None])
    assert found.cost[0] < 0.04
    assert found.affine[0] < 0.01 and found.bend[0] < 0.01


def test_a_turned_and_bent_mark_is_laid_over_its_like_and_not_over_another() -> None:
    references = np.stack([drawn(HOOK), drawn(BOW), drawn(BAR)])
    found = align(drawn(HOOK, bend=0.12, turn=12), references)
    assert found.cost.argmin() == 0
    assert found.cost[0] < 0.4 * found.cost[1:].min()
    assert found.affine[0] > 0.01
    # the points were carried onto the reference: nearly all lie within a pixel or two of its strokes
    here = references[0, :, :2].astype(float)
    middle = here.mean(axis=0)
    scale = np.sqrt(((here - middle) ** 2).sum(axis=1).mean() / 2)
    away = np.linalg.norm((found.moved[0] * scale + middle)[:, None] - here[None], axis=2).min(axis=1)
    assert np.quantile(away, 0.9) < 3


def test_mirror_twins_stay_apart() -> None:
    letter = [(0.4, 0.3), (0.7, 0.5), (0.4, 0.7)]
    left, right = drawn([(0.0, 0), (-0.15, 0.5), (0.0, 1)], letter), drawn([(1.0, 0), (1.15, 0.5), (1.0, 1)], letter)
    same = align(left, left[None]).cost[0]
    assert align(left, right[None]).cost[0] > same + 0.05


def test_both_directions_are_asked_alike() -> None:
    one, other = drawn(HOOK), drawn(BOW)
    there, back = align(one, other[None]), align(other, one[None])
    assert there.cost[0] == pytest.approx(back.cost[0], abs=1e-4)
    assert (there.costs <= FAR).all() and (there.costs >= 0).all()


def test_a_batch_says_what_each_says_alone() -> None:
    references = np.stack([drawn(HOOK), drawn(BOW), drawn(BAR)])
    together = align(drawn(BOW, turn=-8), references)
    alone = [align(drawn(BOW, turn=-8), reference[None]).cost[0] for reference in references]
    assert together.cost == pytest.approx(alone, abs=1e-4)
    assert align(drawn(BOW), references[:0]).cost.shape == (0,)
