"""Neighbours, predictions and the queue, on vectors small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.embedding.gallery import update
from core.review import neighbourhood, predictions
from core.review.neighbourhood import KEPT, Contents, Neighbourhood
from core.review.predictions import NONE, Labels, References, predict
from core.review.queue import ORDERS, disagree, ordered


def contents_of(vectors: dict[str, tuple[float, float]]) -> Contents:
    """Contents named by the letters of ``vectors``, normalised."""
    names = sorted(vectors)
    matrix = np.array([vectors[name] for name in names], np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return Contents("test", np.array(names, "S64"), matrix)


def labels_of(classes: list[tuple[str, int]]) -> Labels:
    """Items 1, 2, … with these contents and classes."""
    ids = np.arange(1, len(classes) + 1)
    class_ids = np.array([class_id for _, class_id in classes], np.int64)
    return Labels(
        1, ids, class_ids, np.array(["drawing"] * len(ids), "U8"), np.array([sha for sha, _ in classes], "S64")
    )


# a and b point right, c and d up; e lies near the first two
PLANE = {"a": (1, 0), "b": (1, 0.1), "c": (0, 1), "d": (0.1, 1), "e": (1, 0.2)}


def neighbourhood_of(contents: Contents) -> Neighbourhood:
    made = Neighbourhood.empty().extended(contents)
    assert made is not None
    return made


def test_the_nearest_others_come_first_and_never_itself():
    held = neighbourhood_of(contents_of(PLANE))
    assert held.nearest[0, :4].tolist() == [1, 4, 3, 2], "of a: b, e, d, c"
    assert held.nearest.shape == (5, KEPT) and (held.nearest[:, 4:] == -1).all()
    assert not (held.nearest == np.arange(5)[:, None]).any()
    assert held.similarities[0, 0] == pytest.approx(1 / np.sqrt(1.01), abs=1e-6)


def test_an_extension_is_what_a_fresh_search_gives():
    rng = np.random.default_rng(3)
    vectors = {f"{i:03d}": rng.normal(size=2) for i in range(90)}
    few = contents_of({name: vectors[name] for name in list(vectors)[::2]})
    everything = contents_of(vectors)
    grown = neighbourhood_of(few).extended(everything)
    fresh = neighbourhood_of(everything)
    assert grown is not None
    np.testing.assert_allclose(grown.similarities, fresh.similarities, atol=1e-5)
    assert (np.sort(grown.nearest) == np.sort(fresh.nearest)).mean() > 0.99, "but for ties"


def test_what_went_is_forgotten():
    left = neighbourhood_of(contents_of(PLANE)).extended(contents_of({name: PLANE[name] for name in "ace"}))
    assert left is not None
    assert left.sha256.tolist() == [b"a", b"c", b"e"]
    assert left.nearest[0, :2].tolist() == [2, 1]
    assert (left.nearest < 3).all()


def test_a_stopped_search_gives_nothing():
    assert Neighbourhood.empty().extended(contents_of(PLANE), should_stop=lambda: True) is None


def test_it_is_the_same_after_a_round_trip_and_damage_makes_it_empty(tmp_path):
    held = neighbourhood_of(contents_of(PLANE))
    held.save(tmp_path / "n.npz")
    again = Neighbourhood.read(tmp_path / "n.npz")
    assert (again.nearest == held.nearest).all() and (again.sha256 == held.sha256).all()
    (tmp_path / "n.npz").write_bytes(b"half a file")
    assert not len(Neighbourhood.read(tmp_path / "n.npz").sha256)


def test_an_unlabelled_image_gets_the_class_of_its_neighbours():
    labels = labels_of([("a", 7), ("b", 7), ("c", 8), ("d", 8), ("e", NONE)])
    found = predict(labels, neighbourhood_of(contents_of(PLANE)))
    assert found.class_ids.tolist() == [7, 7, 8, 8, 7]
    assert found.vote[4] > 0.9 and found.known.all()
    assert found.certainty[4] == found.vote[4]


def test_where_no_neighbour_that_is_kept_has_a_label_the_nearest_references_are_asked(monkeypatch):
    crowd = {f"n{i:02d}": (1, i / 1000) for i in range(KEPT + 2)}
    contents = contents_of({**PLANE, **crowd})
    labels = labels_of([("b", 7), ("e", 7), ("c", 8), ("d", 8), *((name, NONE) for name in crowd)])
    held, references = neighbourhood_of(contents), References(contents, labels)
    assert (predict(labels, held).class_ids[4:] == NONE).any(), "all that it is like is unlabelled too"
    found = predict(labels, held, references)
    assert found.known.all() and set(found.class_ids[4:]) == {7}
    assert found.vote[4:].min() > 0.9 and found.certainty[4] == found.vote[4]
    assert found.class_ids[:4].tolist() == [7, 7, 8, 8]
    monkeypatch.setattr(predictions, "PAIRS", 1)
    assert set(predict(labels, held, references).class_ids[4:]) == {7}, "one reference of each class will do"


def test_references_are_found_nearest_first_and_never_the_image_itself():
    contents = contents_of(PLANE)
    references = References(contents, labels_of([("a", 7), ("b", 7), ("c", 8), ("d", 8), ("e", NONE)]))
    classes, similarities = references.nearest(np.array([b"a", b"e", b"none"], "S64"), 9)
    assert classes.tolist() == [[7, 8, 8, NONE], [7, 7, 8, 8], [NONE] * 4]
    assert similarities[0, 0] == pytest.approx(1 / np.sqrt(1.01), abs=1e-6) and similarities[0, 3] == -np.inf
    assert (np.diff(similarities[1]) <= 0).all()
    classes, _similarities = references.nearest(np.array([b"e"], "S64"), 9, step=2)
    assert classes.tolist() == [[7, 8]], "the first of each class"


def test_its_own_row_has_no_say():
    """A wrong label does not vote for itself: a is said to be 8, its only kin says 7."""
    labels = labels_of([("a", 8), ("b", 7), ("e", 7), ("c", 8), ("d", 8)])
    found = predict(labels, neighbourhood_of(contents_of(PLANE)))
    assert found.class_ids[0] == 7 and found.own[0] < 0.1
    assert disagree(labels, found).tolist() == [True, False, False, False, False]


def test_the_only_image_of_a_class_is_not_called_wrong():
    labels = labels_of([("a", 9), ("b", 7), ("e", 7), ("c", 8), ("d", 8)])
    found = predict(labels, neighbourhood_of(contents_of(PLANE)))
    assert found.class_ids[0] == 7, "nobody else could say 9"
    assert not found.able[0] and not disagree(labels, found).any()
    assert found.certainty[0] == 1.0


def test_without_labels_or_neighbours_nobody_says_anything():
    bare = predict(labels_of([("a", NONE), ("b", NONE)]), neighbourhood_of(contents_of(PLANE)))
    assert not bare.known.any() and bare.class_ids.tolist() == [NONE, NONE]
    unknown = predict(labels_of([("a", 7)]), Neighbourhood.empty())
    assert not unknown.known.any()
    assert len(predict(labels_of([]), Neighbourhood.empty()).class_ids) == 0


def test_proposals_are_the_likeliest_classes_with_their_best_reference():
    contents = contents_of(PLANE)
    labels = labels_of([("a", 7), ("b", 7), ("c", 8), ("d", 8), ("e", NONE)])
    (likely,) = References(contents, labels).propose(["e"])
    assert [one.class_id for one in likely] == [7, 8]
    assert likely[0].sha256 == "b" and likely[1].sha256 == "d"
    assert likely[0].vote + likely[1].vote == pytest.approx(1)
    (own,) = References(contents, labels).propose(["a"])
    assert own[0].sha256 == "b", "not itself"
    assert References(contents, labels).propose(["not embedded"]) == [[]]
    assert References(contents, labels_of([("a", NONE)])).propose(["a"]) == [[]]


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_has_each_item_once(order):
    labels = labels_of([("a", 8), ("b", 7), ("e", 7), ("c", 8), ("d", NONE)])
    found = ordered(
        labels, predict(labels, neighbourhood_of(contents_of(PLANE))), order, names={7: "seven", 8: "eight"}
    )
    wanted = [1, 4] if order == "confused" else [1, 2, 3, 4, 5]
    assert sorted(found.tolist()) == wanted


def test_the_orders_do_what_they_say():
    labels = labels_of([("a", 8), ("b", 7), ("e", 7), ("c", 8), ("d", NONE)])
    found = predict(labels, neighbourhood_of(contents_of(PLANE)))
    names = {7: "seven", 8: "eight"}
    assert ordered(labels, found, "unlabelled", names=names)[0] == 5
    assert ordered(labels, found, "doubtful", names=names)[0] == 1, "the wrong label is the least certain"
    assert ordered(labels, found, "class", names=names).tolist() == [5, 1, 4, 2, 3], "the tray, then eight, then seven"
    assert ordered(labels, found, "class", names=names, class_ids=[NONE]).tolist() == [5]
    assert 1 in ordered(labels, found, "class", names=names, class_ids=[7]), "it is predicted to be 7"
    assert len(ordered(labels, found, "class", names=names, kind="photo")) == 0


def test_from_a_workspace(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    contents = Contents.load(dataset, fake_embedder.space)
    assert len(contents) == 12 == neighbourhood.count(dataset, fake_embedder.space)
    held, lacking = neighbourhood.of(dataset, contents)
    assert lacking == 0 and neighbourhood.path_of(drawn_workspace, fake_embedder.space).exists()
    labels = Labels.load(dataset)
    found = predict(labels, held)
    assert (found.class_ids == labels.class_ids).mean() > 0.8
    assert labels.row_of(int(labels.item_ids[3])) == 3 and labels.row_of(10_000) is None


def test_many_new_contents_are_left_to_the_job(drawn_workspace, fake_embedder, monkeypatch):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    monkeypatch.setattr(neighbourhood, "AT_ONCE", 3)
    contents = Contents.load(dataset, fake_embedder.space)
    held, lacking = neighbourhood.of(dataset, contents)
    assert lacking == 12 and not len(held.sha256)
    done = neighbourhood.run_neighbourhood(
        drawn_workspace, {"space": fake_embedder.space}, lambda *a: None, lambda: False
    )
    assert done == {"contents": 12}
    assert neighbourhood.of(dataset, contents)[1] == 0
