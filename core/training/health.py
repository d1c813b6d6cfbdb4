"""The health of a training: do triplets still teach, do classes come apart, has everything fallen into one point?

Embeddings in, numbers out. It decides one thing: when a network has collapsed.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.ground.errors import BurinError

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MARGIN = 0.2  # of the active fraction where the loss has none of its own
SAMPLED = 512  # embeddings that distances are taken between: 130,000 pairs
COLLAPSED = 0.01  # spread below which all images have one embedding; random directions have 1 - 1/N
PATIENCE = 10  # steps in a row, for a batch may be odd


@dataclass(frozen=True)
class Health:
    """``positive`` and ``negative``: quantiles (5, 25, 50, 75, 95 %) of the cosine distance (1 - cosine) between
    embeddings of one class and of two; ``norm``: mean length before normalising; ``spread``: 1 less the
    squared length of the mean embedding, 0 when all are the same."""

    positive: tuple[float, ...]
    negative: tuple[float, ...]
    norm: float
    spread: float

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def measure(embeddings: np.ndarray, labels: np.ndarray, *, norm: float = 1.0) -> Health:
    """Of up to `SAMPLED` of the embeddings (N, D), L2-normalised, with ``labels`` (N,)."""
    if len(embeddings) > SAMPLED:
        chosen = np.linspace(0, len(embeddings) - 1, SAMPLED).round().astype(int)
        embeddings, labels = embeddings[chosen], labels[chosen]
    distances = 1 - embeddings @ embeddings.T
    one, other = np.triu_indices(len(embeddings), k=1)
    same = labels[one] == labels[other]
    between = distances[one, other]
    return Health(_quantiles(between[same]), _quantiles(between[~same]), norm, spread(embeddings))


def spread(embeddings: np.ndarray) -> float:
    """1 - |mean|²: 0 when all embeddings (N, D) are one, near 1 when they point everywhere."""
    if not len(embeddings):
        return 0.0
    return float(1 - np.square(embeddings.mean(axis=0, dtype=np.float64)).sum())


def active_triplets(embeddings: np.ndarray, labels: np.ndarray, *, margin: float = MARGIN) -> float:
    """The share of all triplets in a batch that still cost something: whose negative is not farther than the
    positive by ``margin``, in cosine. 0 where there are no triplets."""
    cosines = embeddings @ embeddings.T
    same = labels[:, None] == labels
    active = total = 0
    for row in range(len(labels)):
        positives = np.flatnonzero(same[row])
        positives = positives[positives != row]
        negatives = ~same[row]
        if len(positives) and negatives.any():
            gaps = cosines[row, positives][:, None] - cosines[row, negatives]
            active += int((gaps < margin).sum())
            total += gaps.size
    return active / total if total else 0.0


def active_pairs(embeddings: np.ndarray, labels: np.ndarray, *, margin: float) -> float:
    """The share of the pairs of two classes in a batch that still cost something: nearer than ``margin``, in
    Euclidean distance. 0 where there are none."""
    apart = np.sqrt(np.clip(2 - 2 * embeddings @ embeddings.T, 0, None))[labels[:, None] != labels]
    return float((apart < margin).mean()) if apart.size else 0.0


class CollapseDetector:
    """Watches the batches of a training; `look` says, as a sentence, why it must stop, or None."""

    def __init__(self) -> None:
        self.low = 0

    def look(self, loss: float, embeddings: np.ndarray) -> BurinError | None:
        """``embeddings`` (N, D) of a batch of several classes, L2-normalised."""
        if not math.isfinite(loss):
            return BurinError("The loss is not a number any more: the learning rate is probably too high.")
        value = spread(embeddings)
        self.low = self.low + 1 if not value > COLLAPSED else 0
        if self.low < PATIENCE:
            return None
        return BurinError(
            "The network has collapsed: for {steps} steps all images had nearly the same embedding (spread {spread})."
            " A lower learning rate or another loss may help.",
            steps=PATIENCE,
            spread=f"{value:.4f}",
        )


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(values, QUANTILES)) if len(values) else ()
