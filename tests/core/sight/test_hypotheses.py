"""Groupings of ink: every plausible one, each once, with nothing else in its picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from core.sight.hypotheses import MOST_PIECES, hypotheses


def page(*boxes: tuple[int, int, int, int], colour: str = "black") -> Image.Image:
    image = Image.new("RGB", (200, 100), "white")
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, outline=colour, width=3)
    return image


def test_one_piece_is_one_hypothesis() -> None:
    (only,) = hypotheses(page((20, 20, 60, 70)))
    assert only.region.box == [20, 20, 41, 51]
    assert only.pieces == {0}


def test_pieces_in_a_row_give_each_alone_and_every_run() -> None:
    found = hypotheses(page((10, 30, 30, 60), (40, 30, 60, 60), (120, 30, 150, 60)))
    groups = {tuple(sorted(h.pieces)) for h in found}
    assert groups == {(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)}
    assert len(found) == len(groups)


def test_the_tree_joins_what_is_near_across_the_reading_order() -> None:
    """Two above each other, and one beside: the near ones are a group though another comes between in reading."""
    found = hypotheses(page((10, 10, 40, 20), (100, 10, 140, 20), (10, 28, 40, 60)))
    boxes = {tuple(h.region.box) for h in found}
    assert (10, 10, 31, 51) in boxes


def test_strokes_at_several_heights_are_one_from_left_to_right() -> None:
    """Five forms in a row, each a little higher or lower, and a line of text beside them."""
    forms = [(8, 40, 20, 52), (26, 10, 38, 22), (44, 44, 56, 56), (62, 12, 74, 24), (80, 42, 92, 54)]
    found = hypotheses(page(*forms, (100, 20, 115, 50), (122, 20, 137, 50)))
    assert (8, 10, 85, 47) in {tuple(h.region.box) for h in found}


def test_a_picture_holds_its_own_pieces_alone() -> None:
    found = hypotheses(page((10, 30, 30, 60), (40, 30, 60, 60)))
    alone = next(h for h in found if h.pieces == {0})
    assert alone.picture.width < 40
    assert np.asarray(alone.picture).min() == 0
    assert np.asarray(alone.picture)[0].min() == 255  # a margin of white


def test_pale_and_coloured_ink_counts() -> None:
    assert len(hypotheses(page((20, 20, 60, 70), colour="yellow"))) == 1


def test_an_empty_page_and_a_page_of_text_have_none() -> None:
    assert hypotheses(Image.new("RGB", (50, 40), "white")) == []
    crowd = [
        (5 + 9 * (i % 20), 5 + 12 * (i // 20), 10 + 9 * (i % 20), 12 + 12 * (i // 20)) for i in range(MOST_PIECES + 1)
    ]
    assert hypotheses(page(*crowd)) == []
