"""The vote and the ranking, on vectors in a plane whose neighbours can be read off by hand."""

import numpy as np
import pytest

from core.embedding.candidates import FURTHER
from core.embedding.gallery import Gallery
from core.recognition.ranking import FETCHED, rank, vote_weights


def at(*degrees: float) -> np.ndarray:
    """Unit vectors (N, 2) at these angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def gallery(classes: dict[int, list[float]]) -> Gallery:
    """Class id -> angles of its references; item ids are 100, 101, ... in that order."""
    class_ids = [c for c, angles in classes.items() for _ in angles]
    angles = [a for angles in classes.values() for a in angles]
    count = len(angles)
    return Gallery(
        1, "plane", np.arange(100, 100 + count), np.array(class_ids), np.array(["drawing"] * count), at(*angles)
    )


def test_classes_come_by_vote_with_their_best_reference():
    answers = rank(at(0)[0], gallery({1: [5, 50], 2: [20], 3: [90]}))
    assert [a.class_id for a in answers] == [1, 2, 3]
    assert [a.item_id for a in answers] == [100, 102, 103]
    assert answers[0].similarity == pytest.approx(np.cos(np.radians(5)))
    assert sum(a.vote for a in answers) == pytest.approx(1)


def test_two_near_references_outvote_one_slightly_nearer():
    answers = rank(at(0)[0], gallery({1: [10], 2: [11, 11.5]}))
    assert answers[0].class_id == 2
    assert answers[0].similarity < answers[1].similarity


def test_only_k_neighbours_vote_and_the_rest_still_follow_by_similarity():
    answers = rank(at(0)[0], gallery({1: [10], 2: [11, 11.5], 3: [60]}), k=1)
    assert [a.class_id for a in answers] == [1, 2, 3]
    assert [a.vote for a in answers] == [1, 0, 0]


def test_only_allowed_references_answer():
    answers = rank(at(0)[0], gallery({1: [5], 2: [20], 3: [90]}), allowed=np.array([101, 102]))
    assert [a.class_id for a in answers] == [2, 3]
    assert rank(at(0)[0], gallery({1: [5]}), allowed=np.array([], dtype=int)) == []


@pytest.mark.parametrize("fetched", [FETCHED, FURTHER])
def test_a_class_with_more_references_than_are_fetched_hides_no_other(fetched):
    crowd = {1: list(np.linspace(0, 10, fetched + 20)), 2: [40], 3: [80]}
    assert [a.class_id for a in rank(at(0)[0], gallery(crowd), top=3)] == [1, 2, 3]
    assert [a.class_id for a in rank(at(0)[0], gallery({1: crowd[1]}), top=3)] == [1]


def test_an_empty_gallery_ranks_nothing():
    empty = Gallery(1, "plane", np.array([], int), np.array([], int), np.array([]), np.empty((0, 2), np.float32))
    assert rank(at(0)[0], empty) == []


def test_vote_weights_are_the_published_exponential_up_to_a_factor():
    similarities = np.array([0.9, 0.8, 0.5])
    expected = np.exp(similarities / 0.07)
    assert vote_weights(similarities) / vote_weights(similarities).sum() == pytest.approx(expected / expected.sum())
