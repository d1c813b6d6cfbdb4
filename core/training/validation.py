"""Validation: the held-out originals are asked for among the training originals, as Identify will be.

Never among themselves: that would be another, easier question. Vectors in, scores out.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.recognition.metrics import macro_recall, map_at_r, top_k
from core.recognition.ranking import vote_weights

if TYPE_CHECKING:
    from torch import nn

    from core.training.batches import Images

TOP = 5
CHUNK = 16  # images a forward: few enough that the features stay in the cache
NORMED = 256  # images whose embeddings are also measured before normalising
BLOCK = 256


@dataclass(frozen=True)
class Scores:
    """Shares (0 to 1) over ``n`` queries; nan where nothing was asked."""

    top1: float
    top5: float
    macro_recall: float
    map_at_r: float
    n: int

    @property
    def value(self) -> float:
        """What the best epoch is chosen by: the mean of top-1 and mAP@R, because top-1 alone is soon the same."""
        return (self.top1 + self.map_at_r) / 2 if self.n else math.nan

    def to_json(self) -> dict[str, Any]:
        return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in asdict(self).items()}


def embed(net: nn.Module, images: Images, rows: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """The embeddings (N, D) float32 of the ``images`` (or of these rows) as they are, by ``net`` in evaluation mode,
    and the mean length of the first of them before normalising."""
    import torch

    tower: Any = getattr(net, "tower", net)
    device = next(net.parameters()).device
    rows = np.arange(len(images)) if rows is None else rows
    chunk = CHUNK if device.type == "cpu" else 16 * CHUNK
    parts, lengths = [np.empty((0, tower.dimension), np.float32)], []
    with torch.inference_mode():
        for start in range(0, len(rows), chunk):
            shown = torch.from_numpy(images.seen(rows[start : start + chunk])).to(device).permute(0, 3, 1, 2)
            raw = tower.head(tower.features(shown))
            parts.append(torch.nn.functional.normalize(raw, dim=1).cpu().numpy())
            if start < NORMED:
                lengths += raw.norm(dim=1).tolist()
    return np.concatenate(parts), float(np.mean(lengths)) if lengths else 0.0


def nearest_classes(
    queries: np.ndarray, gallery: np.ndarray, labels: np.ndarray, *, k: int, top: int = TOP
) -> np.ndarray:
    """The ``top`` classes of each query, best first: (Q, top) of ``labels`` (N,), -1 where there are fewer.

    The ``k`` nearest of ``gallery`` (N, D) vote as in `core.recognition.ranking`; classes outside them follow by
    their best reference. ``queries`` (Q, D), all L2-normalised.
    """
    classes, own = np.unique(labels, return_inverse=True)
    order = np.argsort(own, kind="stable")
    gallery, own = gallery[order], own[order]
    starts = np.searchsorted(own, np.arange(len(classes)))
    k, found = min(k, len(gallery)), np.full((len(queries), top), -1, np.int64)
    for start in range(0, len(queries), BLOCK):
        similarities = queries[start : start + BLOCK] @ gallery.T
        rows = np.arange(len(similarities))[:, None]
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        votes = np.zeros((len(similarities), len(classes)))
        np.add.at(votes, (rows, own[nearest]), vote_weights(similarities[rows, nearest]))
        best = np.maximum.reduceat(similarities, starts, axis=1)
        ranked = np.lexsort((-best, -votes), axis=1)[:, :top]
        found[start : start + BLOCK, : ranked.shape[1]] = classes[ranked]
    return found


def score(
    queries: np.ndarray, query_labels: np.ndarray, gallery: np.ndarray, gallery_labels: np.ndarray, *, k: int
) -> Scores:
    """Scores of ``queries`` (Q, D) among the ``gallery`` (N, D); a query whose class is not in it is left out."""
    able = np.isin(query_labels, gallery_labels)
    queries, query_labels = queries[able], query_labels[able]
    if not len(queries):
        return Scores(math.nan, math.nan, math.nan, math.nan, 0)
    ranked = nearest_classes(queries, gallery, gallery_labels, k=k)
    return Scores(
        top_k(ranked, query_labels, 1),
        top_k(ranked, query_labels, TOP),
        macro_recall(query_labels, ranked[:, 0]),
        map_at_r(queries, query_labels, gallery, gallery_labels),
        len(queries),
    )
