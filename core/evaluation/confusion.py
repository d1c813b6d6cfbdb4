"""The confusion matrix as people read it: which pairs are confused most, classes ordered so that alike ones are
neighbours, and the images behind a cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluation.predictions import Predictions
from core.evaluation.report import EvaluationReport, Share
from core.recognition.metrics import confusion


@dataclass(frozen=True)
class Pair:
    """One kind of confusion: queries of class ``true`` that were called ``predicted`` (numbers of classes),
    ``share`` of that class's queries; ``back``: how many went the other way."""

    true: int
    predicted: int
    share: Share
    back: int

    @property
    def count(self) -> int:
        return self.share.hits


def pairs(report: EvaluationReport) -> list[Pair]:
    """What was confused, most often first; of equal counts the larger share of its class, then by number."""
    matrix = report.matrix
    found = [
        Pair(true, predicted, Share(count, int(matrix[true].sum())), int(matrix[predicted, true]))
        for true, predicted, count in report.counts
        if true != predicted
    ]
    return sorted(found, key=lambda pair: (-pair.count, -pair.share.value, pair.true, pair.predicted))


def cell(predictions: Predictions, true: int, predicted: int) -> np.ndarray:
    """Rows of the known queries of class ``true`` that were called ``predicted``: the most wrong first, or on the
    diagonal those with the lowest score."""
    rows = np.flatnonzero(predictions.known & (predictions.truth == true) & (predictions.predicted == predicted))
    key = predictions.scores[rows] if true == predicted else -predictions.gap[rows]
    return rows[np.argsort(key, kind="stable")]


def blocks(predictions: Predictions) -> np.ndarray:
    """An order of the classes (C,) in which those whose references look alike stand together, and what was confused
    is near: the leaves of an average-linkage tree over cosine distances, made smaller where classes were confused.
    """
    count = len(predictions.folders)
    if count < 3:
        return np.arange(count)
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    known = predictions.known
    matrix = confusion(predictions.truth[known], predictions.predicted[known], count)
    confused = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    distance = np.clip(1 - predictions.centres @ predictions.centres.T, 0, 2)
    distance *= 1 - np.maximum(confused, confused.T) / 2
    np.fill_diagonal(distance, 0)
    condensed = squareform((distance + distance.T) / 2, checks=False)
    return leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))
