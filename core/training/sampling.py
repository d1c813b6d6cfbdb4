"""P x K sampling: every batch holds P classes with K images each, so that it is full of triplets.

Batches follow from the seed, the epoch and their place in it: nothing has to be saved to go on where a
training stopped. It samples rows and opens no image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.ground.errors import BurinError, ConfigRefused


@dataclass(frozen=True)
class PlannedSampling:
    """What is drawn, ``classes`` (P) x ``images`` (K) in each of ``steps`` batches an epoch, and in ``warnings``
    what does not fit what was asked for."""

    classes: int
    images: int
    steps: int
    warnings: tuple[BurinError, ...] = ()


def plan_sampling(
    counts: Sequence[int], *, classes_per_batch: int, images_per_class: int, steps: int = 0, varied: bool = True
) -> PlannedSampling:
    """Fit P x K to classes of these many training images.

    ``steps`` 0: as many batches as hold every image once. ``varied``: the same image looks different each time
    it is drawn. Raises `ConfigRefused` when there are not two classes to tell apart.
    """
    counts = [count for count in counts if count]
    if len(counts) < 2:
        raise ConfigRefused(
            "Training compares classes: it needs at least 2 with training images, and there are {count}.",
            count=len(counts),
        )
    warnings: list[BurinError] = []
    classes = min(classes_per_batch, len(counts))
    if classes < classes_per_batch:
        warnings.append(
            BurinError(
                "A batch was to hold {asked} classes, but only {count} have training images: it holds those.",
                asked=classes_per_batch,
                count=len(counts),
            )
        )
    few = sum(1 for count in counts if count < images_per_class)
    if few and not varied:
        warnings.append(
            BurinError(
                "Classes with fewer than {images} training images: {few} of {count}. Theirs are repeated as they are.",
                few=few,
                count=len(counts),
                images=images_per_class,
            )
        )
    if not varied and all(count < 2 for count in counts):
        raise ConfigRefused(
            "Every class has a single training image and nothing varies it: there are no pairs to learn from."
        )
    own = max(1, math.ceil(sum(counts) / (classes * images_per_class)))
    return PlannedSampling(classes, images_per_class, steps or own, tuple(warnings))


class ClassBatches:
    """Batches of rows, P classes x K rows each, from ``labels`` (N,).

    ``balance``: "even", every class equally often; "none", by its number of rows; "sqrt", by the root of
    that. Within an epoch a class shows all its rows before any again. With ``world`` processes, process
    ``rank`` gets its share of the classes of every batch, so that all together see what one alone would.
    """

    def __init__(
        self,
        labels: np.ndarray,
        plan: PlannedSampling,
        *,
        seed: int,
        balance: str = "even",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if plan.classes % world:
            raise ConfigRefused(
                "{classes} classes a batch cannot be shared evenly among {world} processes.",
                classes=plan.classes,
                world=world,
            )
        self.plan, self.seed, self.rank, self.world = plan, seed, rank, world
        self.rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        sizes = np.array([len(rows) for rows in self.rows], float)
        weight = {"even": np.ones_like(sizes), "sqrt": np.sqrt(sizes), "none": sizes}[balance]
        self.share = weight / weight.sum()

    def __len__(self) -> int:
        return self.plan.steps

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        """The batches (P x K / world,) of one epoch, rows of a class side by side."""
        rng = np.random.default_rng([self.seed, epoch])
        classes = self._classes(rng)
        waiting: list[list[int]] = [[] for _ in self.rows]
        for _ in range(self.plan.steps):
            batch = []
            for label in next(classes):
                drawn: list[int] = []
                while len(drawn) < self.plan.images:
                    if not waiting[label]:
                        waiting[label] = rng.permutation(self.rows[label]).tolist()
                    drawn.append(waiting[label].pop())
                batch.append(drawn)
            yield np.concatenate([np.array(rows, np.int64) for rows in batch[self.rank :: self.world]])

    def _classes(self, rng: np.random.Generator) -> Iterator[list[int]]:
        """P different classes a batch: those that have waited longest for their share; one just drawn waits anew."""
        due = rng.uniform(size=len(self.rows)) / self.share
        while True:
            chosen = np.argsort(due, kind="stable")[: self.plan.classes]
            yield chosen.tolist()
            due[chosen] += rng.uniform(0.5, 1.5, len(chosen)) / self.share[chosen]
