"""The embedding map: vectors laid out in the plane, by PCA at once or by UMAP in a job.

A layout is kept by what it shows, and a new one keeps the orientation of the one before. It knows contents
and vectors, no labels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from core.collection.dataset import Dataset
from core.ground.arrays import read_arrays, rows_in
from core.ground.workspace import Workspace, writing
from core.review.neighbourhood import Contents
from core.review.predictions import Labels

Method = Literal["pca", "umap"]

NEIGHBOURS, CLOSEST = 15, 0.1  # UMAP's own defaults: McInnes et al. 2018, https://arxiv.org/abs/1802.03426
FEWEST = 8  # points: below, there is nothing that UMAP could show better than PCA
AGAIN = 80  # epochs from an earlier layout on; from nothing UMAP takes 200 to 500
PLACED_BY = 5  # neighbours that say where a new point goes
KEPT = 3  # layouts of one encoder that are kept
BLOCK = 1024


@dataclass(frozen=True)
class Points:
    """What a map shows: ``sha256`` (N,) "U64", sorted, and ``vectors`` (N, D) float32, L2-normalised, of ``space``."""

    space: str
    sha256: np.ndarray
    vectors: np.ndarray

    @classmethod
    def load(cls, dataset: Dataset, space: str) -> Self:
        """The contents of the dataset's present images that are embedded in ``space``."""
        contents = Contents.load(dataset, space)
        present = np.isin(contents.sha256, Labels.load(dataset).sha256)
        return cls(space, contents.sha256[present].astype("U64"), contents.vectors[present])

    def __len__(self) -> int:
        return len(self.sha256)

    @property
    def digest(self) -> str:
        """Equal for equal sets of contents in one space; vectors follow from both."""
        return hashlib.sha256("\n".join([self.space, *self.sha256.tolist()]).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Projection:
    """A layout: where each content (``sha256`` (N,) "U64", sorted) is in the plane, ``xy`` (N, 2) float32."""

    method: Method
    digest: str
    sha256: np.ndarray
    xy: np.ndarray

    def __len__(self) -> int:
        return len(self.sha256)

    def rows_of(self, sha256: np.ndarray) -> np.ndarray:
        """The row of each content (M,); -1 for those that are not on the map."""
        return rows_in(self.sha256, sha256)

    def save(self, path: Path) -> None:
        with writing(path) as stream:
            np.savez(stream, method=self.method, digest=self.digest, sha256=self.sha256, xy=self.xy)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What `save` wrote; None where there is nothing usable, for it can be made again."""
        try:
            held = read_arrays(path)
            method: Method = "umap" if str(held["method"]) == "umap" else "pca"
            return cls(method, str(held["digest"]), held["sha256"], held["xy"])
        except (OSError, ValueError, KeyError):
            return None


def pca(points: Points) -> Projection:
    """The two directions of greatest variance; at once (0.1 s for 10,000 x 256), and the same every time: each
    direction points to where its largest weight is positive."""
    xy = np.zeros((len(points), 2), np.float32)
    if len(points) > 1:
        centred = points.vectors - points.vectors.mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :2]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        xy[:, : axes.shape[1]] = centred @ axes
    return Projection("pca", points.digest, points.sha256, xy)


def umap(points: Points, *, previous: Projection | None = None, seed: int = 0) -> Projection:
    """UMAP by cosine distance; minutes for tens of thousands of points, and numba compiles for half a minute first.

    With a ``previous`` layout it starts from there (new points where their neighbours are) and is laid over it
    as a whole. Fewer than `FEWEST` points are laid out by `pca`.
    """
    if len(points) < FEWEST:
        return pca(points)
    from umap import UMAP

    start: str | np.ndarray = "spectral" if len(points) > 4 * NEIGHBOURS else "pca"
    epochs = None
    if previous is not None and len(previous):
        start, epochs = _carried_over(points, previous), AGAIN
    reducer = UMAP(
        n_neighbors=min(NEIGHBOURS, len(points) - 1), min_dist=CLOSEST, metric="cosine", random_state=seed, init=start,
        n_epochs=epochs, n_jobs=1,
    )  # fmt: skip
    xy = np.asarray(reducer.fit_transform(points.vectors), np.float32)
    xy = np.where(np.isfinite(xy), xy, 0).astype(np.float32)  # a point without neighbours has no place
    made = Projection("umap", points.digest, points.sha256, xy)
    return made if previous is None else aligned(made, previous)


def aligned(projection: Projection, previous: Projection) -> Projection:
    """The same layout moved, turned, mirrored and scaled as a whole so that what both show lies as near to where it
    was as can be (orthogonal Procrustes: Schönemann 1966, https://doi.org/10.1007/BF02289451)."""
    rows = previous.rows_of(projection.sha256)
    common = np.flatnonzero(rows >= 0)
    if len(common) < 3:
        return projection
    one, other = projection.xy[common].astype(np.float64), previous.xy[rows[common]].astype(np.float64)
    middle, target = one.mean(axis=0), other.mean(axis=0)
    one, other = one - middle, other - target
    size = (one**2).sum()
    if not size or not (other**2).sum():
        return projection
    left, strengths, right = np.linalg.svd(one.T @ other)
    turned = (projection.xy - middle) @ (left @ right) * (strengths.sum() / size) + target
    return Projection(projection.method, projection.digest, projection.sha256, turned.astype(np.float32))


def place(projection: Projection, points: Points, queries: np.ndarray, *, k: int = PLACED_BY) -> np.ndarray:
    """Where new vectors ``queries`` (Q, D), of the same space, belong on the map: the mean place of the ``k`` nearest
    points, the nearer the heavier; (Q, 2) float32."""
    rows = projection.rows_of(points.sha256)
    there = rows >= 0
    xy, vectors = projection.xy[rows[there]], points.vectors[there]
    placed = np.zeros((len(queries), 2), np.float32)
    if not len(xy):
        return placed
    k = min(k, len(xy))
    for start in range(0, len(queries), BLOCK):
        alike = queries[start : start + BLOCK] @ vectors.T
        nearest = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(alike, nearest, axis=1)
        weights = np.exp((near - near.max(axis=1, keepdims=True)) / 0.05)
        placed[start : start + BLOCK] = (xy[nearest] * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    return placed


# The cache


def kept(workspace: Workspace, points: Points) -> Projection | None:
    """The UMAP layout of exactly these points; None where it was not computed yet."""
    return Projection.read(_folder(workspace, points.space) / f"{points.digest}.npz")


def latest(workspace: Workspace, space: str) -> Projection | None:
    """The last UMAP layout of a space, whatever it shows: what a new one is aligned to."""
    paths = _by_age(_folder(workspace, space))
    return Projection.read(paths[-1]) if paths else None


def keep(workspace: Workspace, space: str, projection: Projection) -> None:
    """Keep a layout; all but the last `KEPT` of its space are forgotten."""
    folder = _folder(workspace, space)
    projection.save(folder / f"{projection.digest}.npz")
    for path in _by_age(folder)[:-KEPT]:
        with suppress(FileNotFoundError):
            path.unlink()


def _folder(workspace: Workspace, space: str) -> Path:
    return workspace.cache / "projections" / hashlib.sha256(space.encode()).hexdigest()[:16]


def _by_age(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("[!.]*.npz"), key=os.path.getmtime) if folder.is_dir() else []


def _carried_over(points: Points, previous: Projection) -> np.ndarray:
    rows = previous.rows_of(points.sha256)
    xy = np.where((rows >= 0)[:, None], previous.xy[rows], 0).astype(np.float32)
    new = np.flatnonzero(rows < 0)
    if len(new) < len(points):
        xy[new] = place(previous, points, points.vectors[new])
    return xy
