"""Faults: two circles among the crosses are told from errors of the model; hubs and outliers by hand."""

from __future__ import annotations

import numpy as np

from core.evaluation.error_causes import Doubts, doubts, groups, hubs, outliers
from core.evaluation.work import doubts_in
from core.review.neighbourhood import KEPT, Contents, Neighbourhood
from core.review.predictions import Labels, predict
from tests.core.evaluation import made


def test_exactly_the_wrong_labels_are_doubted(collection, evaluation):  # which embeds it
    found = doubts_in(collection, "fake-pixels-8x8")
    items = {item.sha256: item for item in collection.items(limit=None)}
    doubted = sorted(items[sha256].path.rpartition("/")[2] for sha256 in found.doubt)
    assert doubted == ["circle_6.png", "circle_7.png"]
    circle = next(record.id for record in collection.classes() if record.name == made.SCRIPT)
    assert set(found.said.values()) == {circle}
    assert all(0.5 < doubt <= 1 for doubt in found.doubt.values())


def test_a_wrong_label_is_told_from_an_error_of_the_model(collection, evaluation):
    held = evaluation.predictions
    ids = {record.folder: record.id for record in collection.classes()}
    class_ids = [ids[folder] for folder in held.folders]
    (group,) = groups(held, doubts_in(collection, "fake-pixels-8x8"), class_ids)
    (fault,) = group.faults
    assert held.files[fault.row].endswith("circle_7.png") and fault.cause == "label"
    (group,) = groups(held, Doubts({}, {}), class_ids)
    assert group.faults[0].cause == "model"


def test_a_doubtful_reference_is_named():
    held = made.predictions([0, 0], [[1, 0], [0]])
    (group,) = groups(held, Doubts({"f" * 64: 0.9}, {"f" * 64: 0}))
    assert [(fault.cause, fault.doubt) for fault in group.faults] == [("reference", 0.9)]


def test_what_was_corrected_since_is_nobodys_fault():
    """Of four wrong answers one has the same class still, one another, one none, and one is gone."""
    held = made.predictions([0, 0, 0, 0], [[1, 0]] * 4)
    doubted = Doubts({made.hashed(1): 0.9, "f" * 64: 0.9}, {made.hashed(1): 11, "f" * 64: 10})
    now = {made.hashed(0): 10, made.hashed(1): 11, made.hashed(2): None}
    (group,) = groups(held, doubted, [10, 11, 12], now=now)
    causes = {fault.row: (fault.cause, fault.doubt) for fault in group.faults}
    corrected = ("corrected", 0.0)
    assert causes == {0: ("reference", 0.9), 1: corrected, 2: corrected, 3: corrected}
    (group,) = groups(held, doubted, [None, 11, 12], now=now)  # the judged class is there no more
    assert [fault.cause for fault in group.faults[:2]] == ["corrected", "corrected"]


def test_another_class_said_is_no_explanation():
    """The neighbours doubt the label, but say a third class: the answer stays the model's error."""
    held = made.predictions([0], [[1, 0]])
    doubted = Doubts({made.hashed(0): 0.9}, {made.hashed(0): 2})
    assert groups(held, doubted, [0, 1, 2])[0].faults[0].cause == "model"
    assert groups(held, doubted)[0].faults[0].cause == "label"


def test_the_most_wrong_first():
    """Gaps: row 0 0.1, row 1 0.2, row 2 (true class not in the answer) 0.8."""
    held = made.predictions([0, 0, 1], [[1, 0], [1, 2, 0], [2]])
    found = groups(held, Doubts({}, {}))
    assert [(g.true, g.predicted, [f.row for f in g.faults]) for g in found] == [(1, 2, [2]), (0, 1, [1, 0])]


def neighbourhood(nearest: list[list[int]], similarities: list[list[float]]) -> Neighbourhood:
    n = len(nearest)
    rows, values = np.full((n, KEPT), -1, np.int32), np.full((n, KEPT), -np.inf, np.float32)
    for i, (ids, alike) in enumerate(zip(nearest, similarities, strict=True)):
        rows[i, : len(ids)], values[i, : len(ids)] = ids, alike
    return Neighbourhood(np.array([made.hashed(i) for i in range(n)], "S64"), rows, values)


def labels(classes: list[int]) -> Labels:
    n = len(classes)
    hashes = np.array([made.hashed(i) for i in range(n)], "S64")
    return Labels(0, np.arange(1, n + 1), np.array(classes), np.full(n, "drawing"), hashes)


def test_a_hub_misleads_more_images_than_it_should():
    """Image 0 is the nearest of all 12 others; they are of another class."""
    near = neighbourhood([[1]] + [[0]] * 12, [[0.9]] * 13)
    assert [(h.sha256, h.times, h.misled) for h in hubs(labels([1] + [2] * 12), near)] == [(made.hashed(0), 12, 12)]
    assert hubs(labels([2] * 13), near) == []


def test_the_far_one_is_an_outlier():
    alike = [[0.9 + 0.001 * i] for i in range(10)] + [[0.2]]
    near = neighbourhood([[(i + 1) % 11] for i in range(11)], alike)
    assert [o.sha256 for o in outliers(labels([1] * 11), near)] == [made.hashed(10)]
    assert outliers(labels([1] * 3), neighbourhood([[1], [0], [0]], [[0.9], [0.9], [0.1]])) == []


def test_nothing_embedded_is_no_fault(workspace):
    from core.collection.dataset import Dataset

    dataset = Dataset(workspace)
    assert doubts_in(dataset, "nothing") == Doubts({}, {})
    empty = Neighbourhood.empty()
    assert doubts(Labels.load(dataset), predict(Labels.load(dataset), empty)) == Doubts({}, {})
    assert not len(Contents.load(dataset, "nothing")) and hubs(Labels.load(dataset), empty) == []
