"""`core.training.batches`: what a batch holds follows from the seed; what is left out for a class stays out."""

from __future__ import annotations

import numpy as np

from core.ground.config import Preprocessing
from core.ground.preprocessing import see
from core.training.batches import Images, Loader
from core.training.sampling import ClassBatches, plan_sampling
from core.variation.policies import PRESETS
from core.variation.sources import Original

SEEN = Preprocessing(mode="crop", size=32)


def loader(images: Images, *, workers: int = 2, seed: int = 3, **options) -> Loader:
    plan = plan_sampling(np.bincount(images.labels).tolist(), classes_per_batch=3, images_per_class=2, steps=3)
    return Loader(images, ClassBatches(images.labels, plan, seed=seed), seed=seed, workers=workers, **options)


def test_images_are_what_the_model_sees(originals):
    images = Images(originals, SEEN)
    assert images.folders == ["bar", "circle", "cross", "triangle"] and len(images) == 20
    assert images.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    np.testing.assert_array_equal(images.seen(np.array([7]))[0], see(originals[7].read(), SEEN))


def test_an_unreadable_file_is_listed_and_shifts_no_row(originals, tmp_path):
    broken = Original("bar", "bar", tmp_path / "broken.png", "0" * 64)
    broken.path.write_bytes(b"\x89PNG\r\n\x1a\n")
    images = Images([originals[0], broken, originals[1]], SEEN)
    assert images.originals == [originals[0], originals[1]]
    assert [outcome.name for outcome in images.refused] == ["bar/broken.png"]
    np.testing.assert_array_equal(images.seen(np.array([1]))[0], see(originals[1].read(), SEEN))


def test_batches_are_the_same_for_a_seed_whoever_makes_them(originals):
    images = Images(originals, SEEN, varied=True)
    policies = dict.fromkeys(images.folders, PRESETS["sketch-icon"])
    one = list(loader(images, policies=policies, workers=1).epoch(2))
    other = list(loader(images, policies=policies, workers=4).epoch(2))
    assert [batch.images.shape for batch in one] == [(6, 32, 32, 3)] * 3
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.images, second.images)
        np.testing.assert_array_equal(first.labels, second.labels)
    later = list(loader(images, policies=policies).epoch(3))
    assert any((first.images != second.images).any() for first, second in zip(one, later, strict=True))


def test_without_a_policy_images_are_as_they_are(originals):
    images = Images(originals, SEEN)
    batch = next(loader(images).epoch(0))
    rows = next(loader(images).sampler.epoch(0))
    np.testing.assert_array_equal(batch.images, images.seen(rows))
    np.testing.assert_array_equal(batch.labels, images.labels[rows])


def test_what_is_left_out_for_a_class_is_left_out(originals):
    images = Images(originals, SEEN, varied=True)
    policies = dict.fromkeys(images.folders, PRESETS["sketch-icon"])
    policies["bar"] = PRESETS["sketch-icon"].without([step.transform for step in PRESETS["sketch-icon"].steps])
    sampler = loader(images).sampler
    for batch, rows in zip(loader(images, policies=policies).epoch(0), sampler.epoch(0), strict=True):
        bars = images.labels[rows] == 0
        np.testing.assert_array_equal(batch.images[bars], images.seen(rows[bars]))
        assert (batch.images[~bars] != images.seen(rows[~bars])).any()
