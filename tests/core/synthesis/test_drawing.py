"""Hands, pen, icon and camera: what comes out is reproducible, whole, and of the kind that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from core.ground.kinds import guess_kind
from core.synthesis.drawing import draw
from core.synthesis.hands import HANDS, Hand, by_hand, random_hand
from core.synthesis.marks import SIGNS, random_template
from core.synthesis.strokes import Template

STAR = Template.of(SIGNS["star"])
STILL = Hand(0, 0, 0, 0, 0, 0, 0, 0, 0, 13)


def grey(template, seed, **how):
    return np.asarray(draw(template, np.random.default_rng(seed), **how).convert("L"), float)


@pytest.mark.parametrize("style", ["drawing", "photo", "icon"])
@pytest.mark.parametrize("size", [96, 300])
def test_the_same_seed_draws_the_same_pixels_and_another_does_not(style, size):
    one, same, other = (draw(STAR, np.random.default_rng(seed), style=style, size=size) for seed in (1, 1, 2))
    assert one.mode == "RGB" and one.size == (size, size)
    assert one.tobytes() == same.tobytes() != other.tobytes()


def test_a_hand_without_habits_draws_the_form_itself():
    template = Template.of(SIGNS["diamond"])
    (line,) = by_hand(template, np.random.default_rng(0), STILL)
    assert len(line) > 100
    on_edge = np.abs(np.abs(line - 0.5).sum(axis=1) - 0.5)  # |x| + |y| = 1/2 is the diamond
    lean = 0.12  # what remains: a trace of slant and of proportions
    assert on_edge.max() < lean


@pytest.mark.parametrize("name", HANDS)
def test_every_hand_stays_near_the_form_and_never_repeats_itself(name):
    rng = np.random.default_rng(3)
    first, second = (np.concatenate(by_hand(STAR, rng, HANDS[name])) for _ in range(2))
    for drawn in (first, second):
        assert drawn.min() > -0.45 and drawn.max() < 1.45
    assert first.shape != second.shape or not np.allclose(first, second)


def test_random_hands_differ():
    rng = np.random.default_rng(0)
    assert len({random_hand(rng) for _ in range(50)}) == 50


def test_a_drawing_is_dark_lines_on_white_wholly_on_the_page():
    rng = np.random.default_rng(11)
    for seed in range(40):
        page = grey(random_template(rng), seed, size=128)
        border = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
        assert border.min() > 200, "ink runs off the page"
        assert page.min() < 110 and 0.001 < (page < 128).mean() < 0.4
        assert (page == 255).mean() > 0.5


def test_ink_edges_are_smooth():
    page = grey(STAR, 4, size=192)
    assert ((page > 90) & (page < 240)).sum() > 100


def test_an_icon_is_bold_and_fills_solid_forms():
    hollow, filled = (
        grey(Template.of(SIGNS["circle"]), 0, style="icon"),
        grey(Template.of(SIGNS["dot"]), 0, style="icon"),
    )
    assert hollow[96, 96] == 255 and filled[96, 96] < 20
    assert (hollow < 128).mean() > 2 * (grey(Template.of(SIGNS["circle"]), 0) < 128).mean()


@pytest.mark.parametrize("style,kind", [("drawing", "drawing"), ("photo", "photo"), ("icon", "icon")])
def test_the_kind_is_seen_in_the_pixels(style, kind):
    rng = np.random.default_rng(8)
    guesses = [guess_kind(draw(random_template(rng), rng, style=style, size=224)) for _ in range(30)]
    assert guesses.count(kind) >= 22  # some pens are as broad as an icon


def test_some_photographs_are_of_a_lens_light_on_dark():
    means = [grey(STAR, seed, style="photo", size=128).mean() for seed in range(40)]
    dark = sum(mean < 130 for mean in means)
    assert 3 <= dark <= 20
