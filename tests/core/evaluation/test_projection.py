"""The map: PCA by hand, alignment of a turned layout, places of new points, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.projection import Points, Projection, aligned, keep, kept, latest, pca, place, umap
from tests.core.evaluation import made


def points(vectors: np.ndarray, *, space: str = "s", start: int = 0) -> Points:
    hashes = np.array([made.hashed(start + i) for i in range(len(vectors))], "U64")
    return Points(space, hashes, vectors.astype(np.float32))


def laid(xy: np.ndarray, digest: str = "d", *, start: int = 0) -> Projection:
    hashes = np.array([made.hashed(start + i) for i in range(len(xy))], "U64")
    return Projection("umap", digest, hashes, xy.astype(np.float32))


def test_pca_by_hand():
    """Points along (3, 4, 0): all variance is in one direction, 5 apart."""
    shown = pca(points(np.array([[0, 0, 0], [3, 4, 0], [6, 8, 0]])))
    assert shown.xy[:, 0] == pytest.approx([-5, 0, 5]) and shown.xy[:, 1] == pytest.approx([0, 0, 0], abs=1e-6)


def test_pca_of_one_and_none():
    assert pca(points(np.ones((1, 3)))).xy.tolist() == [[0, 0]]
    assert pca(points(np.empty((0, 3)))).xy.shape == (0, 2)


def test_a_turned_mirrored_and_scaled_layout_comes_back():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(30, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.diag([1, -1])
    after = aligned(laid(3 * before @ turn + [7, -2]), laid(before))
    assert after.xy == pytest.approx(before, abs=1e-5)


def test_only_what_both_show_counts():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(20, 2))
    both = aligned(laid(-before), laid(before[:10]))
    assert both.xy == pytest.approx(before, abs=1e-4)
    other = laid(before, start=500)
    assert aligned(other, laid(before)) is other


def test_a_new_point_lies_among_its_neighbours():
    vectors = np.repeat(np.eye(3), 4, axis=0)
    shown = laid(np.repeat(np.array([[0, 0], [10, 0], [0, 10]]), 4, axis=0))
    assert place(shown, points(vectors), np.eye(3)[[1, 2]].astype(np.float32), k=4) == pytest.approx(
        np.array([[10, 0], [0, 10]]), abs=1e-4
    )


@pytest.mark.usefixtures("evaluation")
def test_points_are_the_present_images_of_a_space(collection):
    found = Points.load(collection, "fake-pixels-8x8")
    assert found.sha256.tolist() == sorted(item.sha256 for item in collection.items(limit=None))
    assert not len(Points.load(collection, "another"))


def test_layouts_are_kept_by_content_and_the_last_ones_only(workspace):
    shown = points(np.eye(4))
    assert kept(workspace, shown) is None and latest(workspace, "s") is None
    for number in range(5):
        keep(workspace, "s", laid(np.full((4, 2), number), f"digest{number}"))
    assert latest(workspace, "s").digest == "digest4"
    assert len(list(workspace.cache.rglob("*.npz"))) == 3
    keep(workspace, "s", laid(np.zeros((4, 2)), shown.digest))
    assert kept(workspace, shown).xy.tolist() == np.zeros((4, 2)).tolist()
    assert kept(workspace, points(np.eye(4), start=1)) is None
    (path,) = workspace.cache.rglob(f"{shown.digest}.npz")
    path.write_bytes(path.read_bytes()[:50])
    assert kept(workspace, shown) is None  # cut short: it is made again


def test_too_few_points_for_umap_are_laid_out_by_pca():
    assert umap(points(np.eye(5))).method == "pca"


@pytest.mark.slow
def test_umap_keeps_together_what_is_alike_and_its_orientation():
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(8)[:3], 20, axis=0) + 0.3 * rng.normal(size=(60, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = np.repeat(np.arange(3), 20)
    first = umap(points(vectors))
    apart = np.linalg.norm(first.xy[:, None] - first.xy[None], axis=2) + 1e9 * np.eye(60)
    assert (groups[apart.argmin(axis=1)] == groups).mean() > 0.9
    more = np.concatenate([vectors, vectors[:5] + 0.01])
    second = umap(points(more / np.linalg.norm(more, axis=1, keepdims=True)), previous=first, seed=1)
    before, after = (
        np.array([layout.xy[:60][groups == g].mean(axis=0) for g in range(3)]) for layout in (first, second)
    )
    moved = np.linalg.norm(after[:, None] - before[None], axis=2)
    assert (moved.argmin(axis=1) == np.arange(3)).all()  # not turned, not mirrored
    assert np.linalg.norm(second.xy[:60] - first.xy, axis=1).mean() < 0.5 * first.xy.std()
