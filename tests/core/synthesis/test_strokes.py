"""Strokes, their notation and templates: forms that can be checked by hand."""

from __future__ import annotations

import math

import pytest

from core.synthesis.strokes import Template, arc, bend, path, read, ring


def test_straight_strokes_are_read_in_hundredths():
    first, second = read("- 0 0 100 50 / - 20 20 30 80 z")
    assert first.points == ((0, 0), (1, 0.5)) and not first.closed
    assert second.points == ((0.2, 0.2), (0.3, 0.8), (0.2, 0.2)) and second.closed and not second.solid


def test_pieces_of_one_stroke_are_joined_without_lifting_the_pen():
    (stroke,) = read("- 0 0 50 0 ~ 50 0 80 20 100 100 z*")
    assert stroke.points[0] == stroke.points[-1] == (0, 0)
    assert stroke.closed and stroke.solid


def test_a_bend_goes_through_its_points_and_keeps_its_ends():
    points = ((0.0, 0.0), (0.4, 0.9), (1.0, 0.2))
    drawn = bend(*points).points
    assert all(min(math.dist(p, d) for d in drawn) < 1e-9 for p in points)
    assert drawn[0] == pytest.approx(points[0]) and drawn[-1] == pytest.approx(points[-1])


def test_a_closed_bend_returns_to_its_start():
    drawn = bend((0, 0), (1, 0), (1, 1), (0, 1), closed=True)
    assert drawn.closed and drawn.points[0] == pytest.approx(drawn.points[-1])


def test_a_ring_is_a_closed_ellipse_begun_at_its_top():
    drawn = ring(0.5, 0.5, 0.5, 0.25)
    assert drawn.closed and drawn.points[0] == pytest.approx((0.5, 0.25))
    assert all(((x - 0.5) / 0.5) ** 2 + ((y - 0.5) / 0.25) ** 2 == pytest.approx(1) for x, y in drawn.points)
    assert not arc(0, 0, 1, 1, 0, 180).closed


def test_a_template_fits_the_unit_square_and_keeps_proportions():
    template = Template.of([path((10, 10), (14, 10), (14, 12))])
    assert template.strokes[0].points == ((0, 0.25), (1, 0.25), (1, 0.75))


def test_mirroring_twice_is_nothing_and_once_exchanges_left_and_right():
    template = Template.of(read("- 0 0 100 100 0 100"))
    assert template.mirrored().strokes[0].points == ((1, 0), (0, 1), (1, 1))
    assert template.mirrored().mirrored() == template


def test_turning_is_clockwise_and_fits_the_square_again():
    right = Template.of(read("- 0 50 100 50")).turned(90)
    (start, end) = right.strokes[0].points
    assert start == pytest.approx((0.5, 0)) and end == pytest.approx((0.5, 1))
