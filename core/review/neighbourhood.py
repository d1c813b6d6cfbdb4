"""The neighbourhood: for every content that was embedded, the contents most like it.

Labels play no part in it, so relabelling never makes it stale; new images extend it. What the
labels of the neighbours say is `core.review.predictions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from core.catalogue import database as db
from core.collection.dataset import Dataset
from core.embedding.neighbours import FlatIndex
from core.ground.arrays import read_arrays, rows_in
from core.ground.job_process import Report
from core.ground.workspace import Workspace, writing

KEPT = 32  # neighbours remembered: ten of them vote, the others stand in for those without a label
AT_ONCE = 4000  # new contents up to which a page does it itself (0.5 s on two cores); above, it is a job
BLOCK = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Contents:
    """Embedded contents of one space: ``sha256`` (V,) "S64", sorted, and ``vectors`` (V, D) float32, L2-normalised."""

    space: str
    sha256: np.ndarray
    vectors: np.ndarray

    @classmethod
    def load(cls, dataset: Dataset, space: str) -> Contents:
        """Every vector that the catalogue keeps in ``space``."""
        query = sa.select(db.vectors.c.sha256, db.vectors.c.vector).where(db.vectors.c.space == space)
        with dataset.catalogue.read() as connection:
            rows = connection.execute(query.order_by(db.vectors.c.sha256)).all()
        matrix = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").astype(np.float32)
        return cls(space, np.array([row[0] for row in rows], dtype="S64"), matrix.reshape(len(rows), -1 if rows else 0))

    def __len__(self) -> int:
        return len(self.sha256)

    def rows_of(self, sha256: np.ndarray) -> np.ndarray:
        """The row (N,) of each content hash (N,) "S64"; -1 where it is not embedded."""
        return rows_in(self.sha256, sha256)


def count(dataset: Dataset, space: str) -> int:
    """How many contents are embedded in ``space``: contents are only ever added, so equal counts are equal sets."""
    with dataset.catalogue.read() as connection:
        query = sa.select(sa.func.count()).select_from(db.vectors).where(db.vectors.c.space == space)
        return int(connection.execute(query).scalar_one())


@dataclass(frozen=True)
class Neighbourhood:
    """Of each of ``sha256`` (V,), sorted: the rows ``nearest`` (V, K) int32, most similar first and
    itself left out, and their ``similarities`` (V, K); -1 and -inf where there are fewer."""

    sha256: np.ndarray
    nearest: np.ndarray
    similarities: np.ndarray

    @cached_property
    def kept(self) -> int:
        return self.nearest.shape[1]

    @classmethod
    def empty(cls) -> Neighbourhood:
        return cls(np.empty(0, "S64"), np.empty((0, KEPT), np.int32), np.empty((0, KEPT), np.float32))

    def save(self, path: Path) -> None:
        with writing(path) as file:
            np.savez(file, sha256=self.sha256, nearest=self.nearest, similarities=self.similarities)

    @classmethod
    def read(cls, path: Path) -> Neighbourhood:
        """What `save` wrote; an empty one where there is nothing usable, for it can be made again."""
        try:
            held = read_arrays(path)
            return cls(held["sha256"], held["nearest"], held["similarities"])
        except (OSError, ValueError, KeyError):
            return cls.empty()

    def missing(self, contents: Contents) -> int:
        """How many of ``contents`` it does not know."""
        return int((~np.isin(contents.sha256, self.sha256)).sum())

    def extended(
        self,
        contents: Contents,
        *,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Neighbourhood | None:
        """This neighbourhood over exactly ``contents``; only what is new is searched. None when stopped.

        The known rows keep their neighbours that are still there and let the new ones in.
        """
        size = len(contents)
        here = contents.rows_of(self.sha256)  # old row -> new row, or -1
        nearest = np.full((size, KEPT), -1, np.int32)
        similarities = np.full((size, KEPT), -np.inf, np.float32)
        stays = np.flatnonzero(here >= 0)
        if len(stays):
            kept = self.nearest[stays]
            moved = np.where(kept >= 0, here[kept], -1)
            found = np.where(moved >= 0, self.similarities[stays], -np.inf)
            order = np.argsort(-found, axis=1, kind="stable")  # closes the gaps that the lost ones left
            nearest[here[stays]] = np.take_along_axis(moved, order, axis=1)
            similarities[here[stays]] = np.take_along_axis(found, order, axis=1)
        new = np.setdiff1d(np.arange(size), here[stays])
        index = FlatIndex(contents.vectors.shape[1])
        index.add(np.arange(size), contents.vectors)
        for start in range(0, len(new), BLOCK):
            if should_stop():
                return None
            rows = new[start : start + BLOCK]
            ids, found = index.search(contents.vectors[rows], KEPT + 1)
            own = ids == rows[:, None]
            own[~own.any(axis=1), -1] = True  # its copies were nearer: the farthest gives way
            nearest[rows] = ids[~own].reshape(len(rows), KEPT)
            similarities[rows] = found[~own].reshape(len(rows), KEPT)
            if on_progress:
                on_progress(min(start + BLOCK, len(new)), len(new))
        if len(stays) and len(new):
            _let_in(new, here[stays], contents.vectors, nearest, similarities)
        return Neighbourhood(contents.sha256, nearest, similarities)


def _let_in(
    new: np.ndarray, known: np.ndarray, vectors: np.ndarray, nearest: np.ndarray, similarities: np.ndarray
) -> None:
    """Give the rows ``known`` those of the ``new`` ones that are nearer than what they have, in place."""
    for start in range(0, len(known), BLOCK):
        rows = known[start : start + BLOCK]
        both = np.concatenate([similarities[rows], vectors[rows] @ vectors[new].T], axis=1)
        ids = np.concatenate([nearest[rows], np.broadcast_to(new.astype(np.int32), (len(rows), len(new)))], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :KEPT]
        similarities[rows] = np.take_along_axis(both, order, axis=1)
        nearest[rows] = np.where(np.isfinite(similarities[rows]), np.take_along_axis(ids, order, axis=1), -1)


def path_of(workspace: Workspace, space: str) -> Path:
    """Where the neighbourhood of a space is kept."""
    return workspace.cache / "neighbourhoods" / f"{hashlib.sha256(space.encode()).hexdigest()[:16]}.npz"


def of(dataset: Dataset, contents: Contents) -> tuple[Neighbourhood, int]:
    """The neighbourhood of ``contents`` and how many of them it still lacks.

    Up to `AT_ONCE` new ones are searched here and now; with more, what is there is given as it is,
    and `run_neighbourhood` is the job that completes it.
    """
    path = path_of(dataset.workspace, contents.space)
    held = Neighbourhood.read(path)
    lacking = held.missing(contents)
    if not lacking and np.array_equal(held.sha256, contents.sha256):
        return held, 0
    if not len(contents):
        return Neighbourhood.empty(), 0
    if lacking > AT_ONCE or lacking * len(contents) > AT_ONCE**2:
        return held, lacking
    made = held.extended(contents)
    assert made is not None
    made.save(path)
    return made, 0


def run_neighbourhood(
    workspace: Workspace, params: dict, report: Report, should_stop: Callable[[], bool]
) -> dict[str, int]:
    """The job: extend the neighbourhood of ``params["space"]`` to all that is embedded."""
    contents = Contents.load(Dataset(workspace), params["space"])
    path = path_of(workspace, contents.space)
    made = Neighbourhood.read(path).extended(contents, on_progress=report, should_stop=should_stop)
    if made is None:
        return {"contents": 0}
    made.save(path)
    return {"contents": len(contents)}
