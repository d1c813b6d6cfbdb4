"""Traits: stroke widths that a ruler would confirm, and groups whose errors are more than chance."""

from __future__ import annotations

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
