"""`core.training.validation`: the vote is the one that Identify takes, and queries are asked among references only."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.embedding.gallery import Gallery
from core.recognition.ranking import rank
from core.training.validation import nearest_classes, score


def unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_it_ranks_as_identify_does(k):
    gallery, queries = unit(40, 0), unit(12, 1)
    labels = np.random.default_rng(2).integers(0, 9, 40)
    ranked = nearest_classes(queries, gallery, labels, k=k)
    held = Gallery(0, "test", np.arange(40), labels, np.full(40, "drawing"), gallery)
    for row, query in enumerate(queries):
        assert ranked[row].tolist() == [answer.class_id for answer in rank(query, held, k=k, top=5)]


def test_fewer_classes_than_places_leave_the_rest_empty():
    assert nearest_classes(unit(2, 0), unit(3, 1), np.array([4, 4, 7]), k=2, top=4)[:, 2:].tolist() == [[-1, -1]] * 2


def test_scores_by_hand():
    """Of three queries the third is nearest to the other class; a fourth, of an unknown class, is not asked."""
    gallery = np.array([[1, 0], [0, 1]], np.float32)
    queries = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    found = score(queries, np.array([0, 1, 0, 9]), gallery, np.array([0, 1]), k=1)
    assert found.n == 3
    assert found.top1 == pytest.approx(2 / 3) and found.top5 == 1
    assert found.macro_recall == pytest.approx((0.5 + 1) / 2)
    assert found.map_at_r == pytest.approx(2 / 3)
    assert found.value == pytest.approx(2 / 3)


def test_with_nothing_to_ask_there_is_no_score():
    found = score(unit(2, 0), np.array([5, 6]), unit(3, 1), np.array([0, 1, 2]), k=3)
    assert found.n == 0 and math.isnan(found.value)
    assert found.to_json() == {"top1": None, "top5": None, "macro_recall": None, "map_at_r": None, "n": 0}
