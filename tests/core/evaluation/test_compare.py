"""Two evaluations on common queries, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.compare import LeftOut, compare
from core.ground.errors import BadInput
from tests.core.evaluation import made


def test_changes_by_hand():
    before = made.predictions([0, 0, 1, 1, 2], [[0], [1], [0], [1], [2]])
    after = made.predictions([0, 0, 1, 1, 2], [[0], [0], [1], [0], [2]])
    found = compare(before, after)
    assert (found.queries, found.left_out, found.references) == (5, LeftOut(), 0)
    assert (found.before.hits, found.after.hits) == (3, 4)
    assert found.gained == (made.hashed(1), made.hashed(2)) and found.lost == (made.hashed(3),)
    assert found.p_value == 1.0 and not found.significant  # two against one: chance
    assert [(c.folder, c.change) for c in found.classes] == [("a", 1), ("b", 0), ("c", 0)]
    assert [len(c.moved) for c in found.classes] == [1, 2, 0]


def test_many_gains_are_more_than_chance():
    before = made.predictions([0] * 20, [[1]] * 20)
    after = made.predictions([0] * 20, [[0]] * 20)
    assert compare(before, after).p_value == pytest.approx(2 / 2**20)
    assert compare(before, after).significant


def test_a_relabelled_query_is_left_out():
    before = made.predictions([0, 0], [[0], [0]])
    after = made.predictions([0, 1], [[0], [0]])
    found = compare(before, after)
    assert (found.queries, found.left_out) == (1, LeftOut(relabelled=1))


def test_what_one_was_asked_and_the_other_learnt_from_is_left_out():
    before = made.predictions([0, 0, 0], [[0], [0], [0]])
    after = replace(
        made.predictions([0], [[0]]),
        gallery=np.array([made.hashed(1), made.hashed(1000), made.hashed(1001)], "U64"),  # before: 1000, 1001 and 1002
        gallery_truth=np.array([0, 0, 1]),
    )
    found = compare(before, after)
    assert (found.queries, found.left_out) == (1, LeftOut(learnt=1, unasked=1)) and len(found.left_out) == 2
    assert found.references == 2, "one that only the first has, one that only the second has"
    assert compare(after, before).left_out == found.left_out


def test_nothing_in_common_is_refused():
    with pytest.raises(BadInput, match="no image in common"):
        compare(made.predictions([0], [[0]]), made.predictions([1], [[1]]))
