"""Products ranked by all marks and the code together; checked by hand, and against trying every assignment."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.catalogue.records import Carried, Product
from core.products import matching
from core.products.finding import find
from core.products.matching import EXTRA, MISSING, SPREAD, UNLIKELY, ranked


def product(number: int, *classes: int, code: str = "") -> Product:
    return Product(f"P{number}", "", code, {}, tuple(Carried(one) for one in classes), id=number)


SURE = {1: {1: 0.9, 2: 0.05}, 2: {2: 0.9, 3: 0.05}, 3: {3: 0.9, 1: 0.05}}


def test_the_product_with_all_marks_comes_first_and_says_what_fits():
    shelf = [product(1, 1, 2), product(2, 1, 2, 3), product(3, 1), product(4, 4, 5)]
    fits = ranked(shelf, [SURE[2], SURE[1]])
    assert [fit.product_id for fit in fits] == [1, 2, 3, 4]
    first, larger, smaller, other = fits
    assert (
        first.whole and first.fitting == 2 and [(p.asked, p.carried.class_id) for p in first.pairs] == [(0, 2), (1, 1)]
    )
    assert larger.missing == (Carried(3),) and not larger.whole and larger.fitting == 2
    assert smaller.extra == (0,) and smaller.fitting == 1
    assert other.fitting == 0 and not other.whole


def test_a_second_name_counts_where_the_first_is_on_no_product():
    shelf = [product(1, 1, 3), product(2, 1, 4)]
    (first, second) = ranked(shelf, [SURE[1], {2: 0.7, 3: 0.25}])
    assert first.product_id == 1 and first.pairs[1].fits and first.score - second.score > 4


def test_the_same_mark_twice_needs_two_of_it():
    shelf = [product(1, 1), product(2, 1, 1)]
    assert [fit.product_id for fit in ranked(shelf, [SURE[1], SURE[1]])] == [2, 1]
    assert [fit.product_id for fit in ranked(shelf, [SURE[1]])] == [1, 2]


def test_the_code_decides_between_equals_and_look_alikes_hardly_cost():
    shelf = [product(1, 1, code="74"), product(2, 1, code="6"), product(3, 1, code="T60"), product(4, 1)]
    by_code = ranked(shelf, [SURE[1]], code="74")
    assert by_code[0].product_id == 1 and by_code[0].edits == 0 and by_code[0].whole
    assert {fit.product_id: fit.edits for fit in by_code}[4] is None
    misread = ranked(shelf, [SURE[1]], code="T6O")
    assert misread[0].product_id == 3 and misread[0].whole
    assert ranked(shelf, [], code="6")[0].product_id == 2


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_that_of_the_best_assignment(seed, monkeypatch):
    monkeypatch.setattr(matching, "_CLOSELY", 30)  # the bound must not hide the best
    rng = np.random.default_rng(seed)
    shelf = [product(n, *rng.integers(1, 8, rng.integers(0, 5)).tolist()) for n in range(1, 80)]
    marks = [dict(zip(rng.permutation(7)[:3] + 1, (0.6, 0.3, 0.05), strict=True)) for _ in range(seed)]
    best = {}
    for one in shelf:
        carried = [*one.marks, *[None] * len(marks)]
        scores = []
        for order in set(itertools.permutations(range(len(carried)), len(marks))):
            seen = [carried[at] for at in order]
            score = sum(
                EXTRA if it is None else float(np.log(max(mark.get(it.class_id, 0), UNLIKELY) * SPREAD))
                for mark, it in zip(marks, seen, strict=True)
            )
            scores.append(score + MISSING * (len(one.marks) - sum(it is not None for it in seen)))
        best[one.id] = max(scores)
    fits = ranked(shelf, marks, top=10)
    assert [fit.score for fit in fits] == pytest.approx(sorted(best.values(), reverse=True)[:10], abs=1e-4)
    for fit in fits:
        assert fit.score == pytest.approx(best[fit.product_id], abs=1e-4)
        assert len(fit.pairs) + len(fit.extra) == len(marks)


def test_the_verdict_is_certain_only_where_one_fits_wholly_and_none_is_near():
    shelf = [product(1, 1, 2, code="A7"), product(2, 1, 2, code="K3"), product(3, 3)]
    assert find(shelf, [SURE[1], SURE[2]], code="A7").verdict == "certain"
    assert find(shelf, [SURE[1], SURE[2]]).verdict == "hesitates"  # two carry both
    assert find(shelf, [SURE[1]], code="A7").verdict == "hesitates"  # a mark was not seen
    assert find(shelf, [{7: 0.9}]).verdict == "unknown"
    assert find(shelf, []).verdict == find([], [SURE[1]]).verdict == "unknown"
    said = find(shelf, [SURE[3]], top=2).to_json({one.id: one for one in shelf})
    assert said["verdict"] == "certain" and said["products"][0]["name"] == "P3"
    assert said["products"][0]["fits"] == 1 and said["products"][0]["missing"] == 0
