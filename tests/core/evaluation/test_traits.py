"""Traits: stroke widths that a ruler would confirm, and groups whose errors are more than chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.evaluation.traits import Traits, stroke_width, tendencies, traits_of
from tests.core.evaluation import made


def cross(width: int) -> Image.Image:
    image = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(image)
    pen.line([(50, 150), (250, 150)], fill="black", width=width)
    pen.line([(150, 50), (150, 250)], fill="black", width=width)
    return image


@pytest.mark.parametrize("width", [6, 12, 20])
def test_stroke_width_is_what_was_drawn(width):
    assert stroke_width(cross(width)) == pytest.approx(width / 200, rel=0.35)


def test_thicker_is_more_and_nothing_is_nan():
    assert stroke_width(cross(6)) < stroke_width(cross(12)) < stroke_width(cross(20))
    assert np.isnan(stroke_width(Image.new("RGB", (64, 64), "white")))


def test_traits_come_from_the_catalogue(collection, evaluation):
    found = traits_of(collection, evaluation.predictions)
    assert found is not None
    assert set(found.kind.tolist()) <= {"drawing", "icon", "photo"} and (found.size == 64).all()
    assert np.isfinite(found.stroke).all()
    again = Traits.read(evaluation.folder)
    assert again is not None and np.array_equal(again.stroke, found.stroke)


def test_a_telling_group_is_told_first():
    """Ten icons, all wrong; twenty drawings, all right; sizes that say nothing."""
    held = made.predictions([0] * 30, [[1]] * 10 + [[0]] * 20)
    kind = np.array(["icon"] * 10 + ["drawing"] * 20)
    traits = Traits(held.sha256, kind, np.full(30, ""), np.tile([100.0, 200.0], 15), np.full(30, np.nan))
    found = tendencies(held, traits)
    assert [(t.trait, t.value, t.wrong.hits, t.wrong.n, t.telling) for t in found[:2]] == [
        ("kind", "icon", 10, 10, True), ("kind", "drawing", 0, 20, True),
    ]  # fmt: skip
    sizes = [t for t in found if t.trait == "size"]
    assert sum(t.wrong.n for t in sizes) == 30 and not any(t.telling for t in sizes)
    assert {t.trait for t in found} == {"kind", "size"}


def sizes_of(sizes, wrong):
    """(low, high, wrong, images) of the groups by size; the rows of the wrong ones are those that are wrong."""
    n = len(sizes)
    held = made.predictions([0] * n, [[1] if row in wrong else [0] for row in range(n)])
    empty = np.full(n, "")
    found = list(tendencies(held, Traits(held.sha256, empty, empty, np.array(sizes, float), np.full(n, np.nan))))
    for each in found:
        assert set(each.rows) == {row for row in wrong if each.low <= sizes[row] <= each.high}
    return sorted((t.low, t.high, t.wrong.hits, t.wrong.n) for t in found)


def test_the_two_sizes_that_there_are_stand_apart():
    """Most drawings are of 64 px, some of 300: quartiles alone would put all into one group."""
    assert sizes_of([64] * 27 + [300] * 80, set(range(20))) == [(64, 64, 20, 27), (300, 300, 0, 80)]
    assert sizes_of([64] * 100 + [300] * 7, {0, 105}) == [(64, 64, 1, 100), (300, 300, 1, 7)]


def test_many_sizes_are_looked_at_in_steps_that_keep_equal_ones_together():
    assert sizes_of(range(100, 140), {0, 39}) == [
        (100, 109, 1, 10), (110, 119, 0, 10), (120, 129, 0, 10), (130, 139, 1, 10),
    ]  # fmt: skip
    found = sizes_of([64] * 60 + [n for size in range(300, 308) for n in [size] * 5], set())
    assert found[0] == (64, 64, 0, 60) and sum(n for *_others, n in found) == 100
    assert all(high < low for (_low, high, *_), (low, *_others) in itertools.pairwise(found))


def test_the_most_wrong_of_a_group_come_first():
    """Gaps: row 0 0.1, row 1 0.8 (its class is not in the answer)."""
    held = made.predictions([0] * 6, [[1, 0], [1], *[[0]] * 4])
    unknown = np.full(6, np.nan)
    (found,) = tendencies(held, Traits(held.sha256, np.full(6, "icon"), np.full(6, ""), unknown, unknown))
    assert found.rows == (1, 0)
