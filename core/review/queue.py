"""The labelling queue: in which order a person looks at images. It only sorts; nothing is stored.

The order is made once and kept while somebody works through it, so that no image moves under their hands.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from core.review.predictions import NONE, Labels, Predictions

Order = Literal["unlabelled", "doubtful", "confused", "class"]
ORDERS: tuple[Order, ...] = get_args(Order)


def ordered(
    labels: Labels,
    predictions: Predictions,
    order: Order,
    *,
    names: dict[int, str],
    class_ids: list[int] | None = None,
    kind: str | None = None,
) -> np.ndarray:
    """The item ids (M,) int64 to go through, first one first.

    ``unlabelled``: those without a label, class by class as predicted so that likes come together, then
    the rest as ``doubtful``: the least certain first. ``confused``: only where the neighbours
    disagree with the label, the pair of classes with most of them first. ``class``: by class name.
    ``class_ids``: only images of these classes, or predicted to be (`NONE`: without a label).
    """
    keep = np.ones(len(labels), bool)
    if class_ids is not None:
        keep &= np.isin(labels.class_ids, class_ids) | np.isin(
            np.where(predictions.known, predictions.class_ids, -1), class_ids
        )
    if kind is not None:
        keep &= labels.kinds == kind
    bare = labels.class_ids == NONE
    if order == "confused":
        keep &= disagree(labels, predictions)
    rows = np.flatnonzero(keep)
    rank = _ranks(names)
    shown = np.where(bare, predictions.class_ids, labels.class_ids)[rows]
    by_name = np.array([rank.get(class_id, len(rank)) for class_id in shown.tolist()])
    if order == "class":
        keys: tuple[np.ndarray, ...] = (labels.item_ids[rows], by_name, ~bare[rows])
    elif order == "unlabelled":
        doubt = np.where(bare[rows], -predictions.vote[rows], predictions.certainty[rows])
        keys = (labels.item_ids[rows], doubt, np.where(bare[rows], by_name, 0), ~bare[rows])
    elif order == "confused":
        pair, size = _pairs(labels.class_ids[rows], predictions.class_ids[rows])
        keys = (labels.item_ids[rows], predictions.certainty[rows], by_name, pair, -size)
    else:
        keys = (labels.item_ids[rows], predictions.certainty[rows])
    return labels.item_ids[rows[np.lexsort(keys)]]


def disagree(labels: Labels, predictions: Predictions) -> np.ndarray:
    """Which items (N,) have a label that their neighbours could vote for and do not."""
    return (
        (labels.class_ids != NONE) & predictions.known & predictions.able & (predictions.class_ids != labels.class_ids)
    )


def _ranks(names: dict[int, str]) -> dict[int, int]:
    return {class_id: place for place, class_id in enumerate(sorted(names, key=lambda c: names[c].casefold()))}


def _pairs(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the number of its unordered pair of classes, and how many rows that pair has."""
    if not len(one):
        return np.zeros(0, int), np.zeros(0, int)
    both = np.sort(np.stack([one, other], axis=1), axis=1)
    _, pair, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    pair = pair.reshape(-1)
    return pair, counts[pair]
