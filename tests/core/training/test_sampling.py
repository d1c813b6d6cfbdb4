"""`core.training.sampling`: P classes x K images in every batch, in words what does not fit, nothing but the seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.ground.errors import ConfigRefused
from core.training.sampling import ClassBatches, plan_sampling

LABELS = np.repeat([0, 1, 2, 3], [8, 4, 2, 1])


def batches(labels=LABELS, *, p=3, k=2, steps=6, seed=0, epoch=0, **options) -> list[np.ndarray]:
    plan = plan_sampling(np.bincount(labels).tolist(), classes_per_batch=p, images_per_class=k, steps=steps)
    return list(ClassBatches(labels, plan, seed=seed, **options).epoch(epoch))


def test_every_batch_holds_p_classes_of_k_images():
    for rows in batches():
        assert sorted(Counter(LABELS[rows].tolist()).values()) == [2, 2, 2]


def test_a_class_shows_all_its_images_before_any_again():
    shown = Counter(row for rows in batches(steps=8, p=4, k=2) for row in rows.tolist())
    assert {shown[row] for row in range(8)} == {2}  # eight images, sixteen places


def test_the_same_seed_and_epoch_give_the_same_batches():
    same, again = batches(epoch=3), batches(epoch=3)
    assert all((one == other).all() for one, other in zip(same, again, strict=True))
    assert any((one != other).any() for one, other in zip(same, batches(epoch=4), strict=True))
    assert any((one != other).any() for one, other in zip(same, batches(epoch=3, seed=1), strict=True))


@pytest.mark.parametrize(("balance", "ratio"), [("even", 1.0), ("sqrt", 4.0), ("none", 16.0)])
def test_balance_says_how_often_large_classes_come(balance, ratio):
    labels = np.repeat([0, 1, 2, 3, 4, 5], [160, 160, 160, 10, 10, 10])
    counted = Counter(labels[np.concatenate(batches(labels, p=2, k=1, steps=600, balance=balance))].tolist())
    large, small = sum(counted[i] for i in (0, 1, 2)), sum(counted[i] for i in (3, 4, 5))
    assert large / small == pytest.approx(ratio, rel=0.15)


def test_processes_share_the_classes_of_every_batch():
    whole = batches(p=4)
    shares = [batches(p=4, rank=rank, world=2) for rank in range(2)]
    for rows, one, other in zip(whole, *shares, strict=True):
        assert sorted(np.concatenate([one, other]).tolist()) == sorted(rows.tolist())
        assert not set(LABELS[one]) & set(LABELS[other])
    with pytest.raises(ConfigRefused, match="3 classes a batch cannot be shared evenly among 2 processes"):
        batches(p=3, rank=0, world=2)


def test_what_does_not_fit_is_said_in_words():
    plan = plan_sampling([8, 4, 2, 1, 0], classes_per_batch=16, images_per_class=4, varied=False)
    assert (plan.classes, plan.images, plan.steps) == (4, 4, 1)
    assert [str(warning) for warning in plan.warnings] == [
        "A batch was to hold 16 classes, but only 4 have training images: it holds those.",
        "Classes with fewer than 4 training images: 2 of 4. Theirs are repeated as they are.",
    ]
    assert plan_sampling([64, 64], classes_per_batch=2, images_per_class=4).steps == 16
    with pytest.raises(ConfigRefused, match="at least 2 with training images, and there are 1"):
        plan_sampling([8, 0], classes_per_batch=2, images_per_class=2)
    with pytest.raises(ConfigRefused, match="there are no pairs to learn from"):
        plan_sampling([1, 1], classes_per_batch=2, images_per_class=2, varied=False)
