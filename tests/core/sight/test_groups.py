"""Which pieces of ink may be one mark, on strokes that are drawn by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.sight.groups import Group, _gaps, _widest, groups, overlap
from core.sight.network import CELL, Seen

SIZE, LARGEST = (160.0, 160.0), 125


def seen(*boxes: tuple[int, int, int, int], side: int = 160) -> Seen:
    """Frames drawn 3 px wide, all sure; no middle is seen anywhere."""
    strokes = np.zeros((side, side), np.float32)
    for x, y, w, h in boxes:
        cv2.rectangle(strokes, (x + 1, y + 1), (x + w - 2, y + h - 2), 1.0, 3)
    cells = -(-side // CELL)
    return Seen(strokes, np.zeros((cells, cells), np.float32), np.zeros((4, cells, cells), np.float32))


def best(found: list[Group], box: tuple[float, float, float, float]) -> Group | None:
    return next((group for group in found if overlap(group.box, box) > 0.8), None)


def test_a_part_and_the_whole_are_both_told_and_the_gap_around_tells_them_apart() -> None:
    found = groups(seen((40, 40, 30, 30), (76, 40, 30, 30)), [], size=SIZE, shift=0, largest=LARGEST)
    part, whole = best(found, (40, 40, 30, 30)), best(found, (40, 40, 66, 30))
    assert part is not None and whole is not None
    assert part.numbers[4] == pytest.approx(5 / 32, abs=0.05)  # the next ink is near
    assert whole.numbers[4] == 2.5  # nothing lies around it
    assert whole.numbers[3] == pytest.approx(5 / 68, abs=0.03)  # its own gap


def test_what_is_far_apart_is_no_group_and_a_rim_is_none() -> None:
    found = groups(seen((5, 5, 20, 20), (120, 120, 20, 20)), [], size=SIZE, shift=0, largest=LARGEST)
    assert len(found) == 2
    assert groups(seen((2, 2, LARGEST + 10, LARGEST + 10)), [], size=SIZE, shift=0, largest=LARGEST) == []


def test_a_box_of_the_network_makes_a_group_of_the_ink_in_it() -> None:
    strokes = seen((20, 20, 24, 24), (96, 20, 24, 24), (58, 50, 24, 24))
    box = (16.0, 16.0, 108.0, 32.0)
    found = groups(strokes, [], size=SIZE, shift=0, largest=LARGEST)
    assert best(found, (20, 20, 100, 24)) is None  # the third is nearer to both
    group = best(groups(strokes, [box], size=SIZE, shift=0, largest=LARGEST), (20, 20, 100, 24))
    assert group is not None
    assert group.numbers[8] == 2


def test_what_the_network_says_of_the_middle_is_told() -> None:
    strokes = seen((40, 40, 40, 40))
    strokes.middles[15, 15] = 0.9
    strokes.sides[:, 15, 15] = 22.0, 22.0, 18.0, 18.0
    (group,) = groups(strokes, [], size=SIZE, shift=0, largest=LARGEST)
    assert group.numbers[15] == pytest.approx(0.9)
    assert group.numbers[16] > 0.9  # the network's box is the group's


def test_the_edge_of_the_picture_counts_from_where_it_starts() -> None:
    frame = seen((40, 60, 40, 40))
    at = [groups(frame, [], size=(100, 100), shift=shift, largest=LARGEST)[0].numbers[20] for shift in (0.0, 30.0)]
    assert at[0] == pytest.approx(0.0, abs=0.05)  # the lower edge is at 100
    assert at[1] == pytest.approx(10 / 40, abs=0.05)  # the left edge is at 30


def test_no_ink_is_no_group() -> None:
    assert groups(seen(), [(0.0, 0.0, 50.0, 50.0)], size=SIZE, shift=0, largest=LARGEST) == []


def test_gaps_and_the_widest_of_the_least_tree() -> None:
    lines = [np.float32([[0, 0], [1, 0]]), np.float32([[4, 0], [5, 0]]), np.float32([[15, 0]])]
    gaps = _gaps(lines)
    np.testing.assert_allclose(gaps, [[0, 3, 14], [3, 0, 10], [14, 10, 0]], atol=1e-3)
    assert _widest(gaps) == pytest.approx(10)
    assert _widest(gaps[:1, :1]) == 0
