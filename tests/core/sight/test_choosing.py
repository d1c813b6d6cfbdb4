"""The chooser: what it is given of a box, that it knows a part from a whole, and where it puts a mark's edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.sight.choosing import EXTENT, SIDE, Asked, Look, choose, framed, views
from core.sight.groups import Box, overlap
from core.sight.network import CHOOSER, CHOSEN_FROM, look
from core.sight.proposals import all_places, places
from core.sight.reading import Reading, read

MARK = (180.0, 130.0, 120.0, 60.0)  # a ring, and a cross to its right


def photograph(seed: int = 0) -> np.ndarray:
    """Uneven light with grain, and a mark of two pieces cut into it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:320, 0:480].astype(np.float32)
    ink = np.zeros((320, 480), np.uint8)
    cv2.circle(ink, (208, 160), 27, 255, 4, cv2.LINE_AA)
    cv2.line(ink, (244, 132), (298, 188), 255, 4, cv2.LINE_AA)
    cv2.line(ink, (298, 132), (244, 188), 255, 4, cv2.LINE_AA)
    page = 130 + 40 * x / 480 - 25 * y / 320 - 70 * (ink / 255.0) + rng.normal(0, 2, ink.shape)
    return np.repeat(np.clip(page, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def asked_for(pixels: np.ndarray, boxes: list[Box]) -> tuple[list[Asked], list[Look]]:
    _, looks = all_places(pixels)
    found = [min(looks, key=lambda one: one.suits(box)) for box in boxes]
    readings = read(pixels, boxes)
    return [Asked(box, at, one, 0.5) for box, at, one in zip(boxes, found, readings, strict=True)], looks


def test_a_whole_mark_is_surer_than_its_parts_and_their_edges_are_moved_towards_its_own() -> None:
    pixels = photograph()
    parts: list[Box] = [(179, 131, 58, 58), (242, 130, 58, 60)]
    asked, looks = asked_for(pixels, [MARK, *parts])
    (kept, sure), *others = choose(pixels, asked, looks)
    assert overlap(kept, MARK) > 0.8
    assert sure > max(other for _, other in others)
    assert any(overlap(moved, MARK) > overlap(part, MARK) for (moved, _), part in zip(others, parts, strict=True))


def test_the_first_place_is_the_whole_of_the_mark() -> None:
    for seed in range(3):
        box, reading = places(photograph(seed), most=3)[0]
        assert overlap(box, MARK) > 0.75 and reading.sure > 0.5


def test_a_view_shows_the_box_in_its_middle_with_all_that_is_around() -> None:
    pixels = photograph()
    asked, looks = asked_for(pixels, [MARK, (0, 0, 40, 80)])
    seen = views(pixels, asked, looks)
    assert seen.shape == (2, CHOSEN_FROM, SIDE, SIDE) and seen.dtype == np.float32
    wide, high = (seen[:, 5] > 0).any(axis=1).sum(axis=1), (seen[:, 5] > 0).any(axis=2).sum(axis=1)
    assert abs(int(wide[0]) - EXTENT) <= 1 and abs(int(high[0]) - EXTENT // 2) <= 1
    assert abs(int(high[1]) - EXTENT) <= 1 and abs(int(wide[1]) - EXTENT // 2) <= 1
    middle = slice(SIDE // 2 - EXTENT // 2, SIDE // 2 + EXTENT // 2 + 1)
    strokes = seen[0, 0]
    assert strokes[:, middle].sum() > 0.9 * strokes.sum(), "the strokes of the mark lie in its box"


def test_planes_are_the_same_everywhere_and_the_box_is_never_larger_than_its_extent() -> None:
    made = framed((0.5, 1.0), (1.0, -2.0, 3.0))
    assert made.shape == (4, SIDE, SIDE)
    np.testing.assert_allclose(made[1:, 0, 0], [0.1, -0.2, 0.3], atol=1e-6)
    assert all(len(np.unique(plane)) == 1 for plane in made[1:])


@pytest.mark.parametrize("box", [(-30.0, -30.0, 20.0, 20.0), (470.0, 300.0, 60.0, 60.0), (0.0, 0.0, 480.0, 2.0)])
def test_boxes_at_and_beyond_the_edge_are_answered(box: Box) -> None:
    pixels = photograph()
    seen = look([pixels])[0]
    blank = Reading(np.full((128, 128), 255, np.uint8), 0.0)
    [(moved, sure)] = choose(pixels, [Asked(box, Look(seen, 1.0, 0.0), blank, 0.0)], [])
    assert 0 <= sure <= 1 and min(moved[2:]) >= 3 and np.isfinite(moved).all()


def test_nothing_asked_is_nothing_answered() -> None:
    assert choose(photograph(), [], []) == []


def test_all_networks_together_stay_below_four_megabytes() -> None:
    assert sum(path.stat().st_size for path in CHOOSER.parent.glob("*.onnx")) < 4_000_000
