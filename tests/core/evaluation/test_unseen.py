"""`core.evaluation.unseen`: classes that training never saw, on vectors made by hand."""

from __future__ import annotations

import math

import numpy as np

from core.evaluation.report import Share
from core.evaluation.unseen import Unseen, measure


def clouds(classes: int, each: int, *, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``each`` unit vectors (N, 32) around every one of ``classes`` directions, and the folders (N,)."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(classes, 32)), each, axis=0)
    vectors = (middles + spread * rng.normal(size=middles.shape)).astype(np.float32)
    names = np.array([f"c{at // each:02}" for at in range(classes * each)])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), names


def test_of_an_encoder_that_was_never_trained_every_class_counts():
    vectors, folders = clouds(8, 6, spread=0.2)
    found = measure(vectors, folders, np.full(len(folders), "test"))
    assert found is not None and len(found.classes) == 8 and found.images == 48
    assert [(r.references, r.classes, r.queries) for r in found.ranks] == [(1, 8, 40), (2, 8, 32), (5, 8, 8)]
    assert all(rank.mean == 1 and rank.deviation == 0 for rank in found.ranks)
    assert math.isnan(found.auroc) and found.accepted.n == 0


def test_more_references_help_where_a_class_is_spread():
    vectors, folders = clouds(12, 8, spread=1.2)
    found = measure(vectors, folders, np.full(len(folders), "test"), seed=3)
    assert found is not None
    one, two, five = found.ranks
    assert 1 / 12 < one.mean < two.mean < five.mean < 1 and one.deviation > 0
    assert measure(vectors, folders, np.full(len(folders), "test"), seed=3) == found


def test_held_out_classes_are_strangers_to_the_trained_ones():
    vectors, folders = clouds(12, 8, spread=0.3)
    own = np.array([int(folder[1:]) for folder in folders])
    sides = np.where(own >= 8, "test", np.where(np.arange(len(own)) % 4 == 0, "validation", "train"))
    found = measure(vectors, folders, sides)
    assert found is not None and found.classes == ("c08", "c09", "c10", "c11")
    assert found.auroc > 0.99 and found.accepted.n == 32 and found.accepted.value < 0.2
    vectors[own >= 8] = vectors[own < 4]  # the same marks under another name: no encoder can tell
    mixed = measure(vectors, folders, sides)
    assert mixed is not None and mixed.auroc < 0.7 and mixed.accepted.value > 0.5


def test_a_class_with_too_few_images_is_left_out_and_one_class_alone_says_nothing():
    vectors, folders = clouds(3, 3, spread=0.1)
    found = measure(vectors, folders, np.full(9, "test"))
    assert found is not None and [rank.references for rank in found.ranks] == [1, 2]
    sides = np.where(folders == "c00", "test", "train")
    assert measure(vectors, folders, sides) is None


def test_what_was_found_is_kept(tmp_path):
    vectors, folders = clouds(4, 3, spread=0.1)
    found = measure(vectors, folders, np.full(12, "test"))
    assert found is not None and Unseen.read(tmp_path) is None
    found.save(tmp_path)
    read = Unseen.read(tmp_path)
    assert read is not None and math.isnan(read.auroc) and read.ranks == found.ranks and read.accepted == Share(0, 0)
    (tmp_path / "unseen.json").write_text("{", encoding="utf-8")
    assert Unseen.read(tmp_path) is None
