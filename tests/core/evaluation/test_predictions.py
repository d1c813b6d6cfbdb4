"""Who is asked and against what: only originals of one side, only training references, the verdicts of Identify."""

from __future__ import annotations

import numpy as np
import pytest

from core.embedding.gallery import Gallery
from core.evaluation.predictions import About, Predictions, predict
from core.ground.errors import BadInput, NotFound
from core.recognition.calibrate import calibrate
from core.recognition.ranking import rank
from core.training.splits import Split
from core.variation.references import references
from core.variation.sources import originals_of
from tests.conftest import FakeEmbedder
from tests.core.evaluation import made


def test_queries_are_the_side_and_references_the_training_side(collection, evaluation):
    side = evaluation.split.side
    found = evaluation.predictions
    assert {side[sha256] for sha256 in found.sha256.tolist()} == {"test"}
    assert {side[sha256] for sha256 in found.gallery.tolist()} == {"train"}
    assert len(found) == sum(1 for each in side.values() if each == "test")
    assert not set(found.sha256.tolist()) & set(found.gallery.tolist())
    files = {f"{o.folder}/{o.path.name}": o.sha256 for o in originals_of(collection)}
    assert [files[name] for name in found.files.tolist()] == found.sha256.tolist()


def test_answers_are_those_of_identify_with_the_training_originals(collection, evaluation):
    found = evaluation.predictions
    originals = {original.sha256: original for original in originals_of(collection)}
    learnt = [originals[sha256] for sha256 in found.gallery.tolist()]
    refs = references(learnt, FakeEmbedder())
    ids = np.arange(len(learnt))
    gallery = Gallery(0, "", ids, refs.owners, np.full(len(ids), "drawing"), refs.vectors)
    calibration = calibrate(gallery)
    for row in range(len(found)):
        vector = next(FakeEmbedder().embed_images([originals[found.sha256[row]].read]))
        answer = rank(vector, gallery, k=10, top=10)
        assert [refs.folders[a.class_id] for a in answer] == [found.folders[c] for c in found.ranked[row] if c >= 0]
        assert found.similarities[row, 0] == pytest.approx(answer[0].similarity, abs=1e-5)
        assert found.references[row, 0] == refs.originals[answer[0].item_id].sha256
        assert found.verdicts[row] == calibration.verdict(answer)


def test_the_best_reference_of_the_true_class_is_found(collection, evaluation):
    found = evaluation.predictions
    originals = {original.sha256: original for original in originals_of(collection)}
    for row in range(len(found)):
        query, *own = FakeEmbedder().embed_images(
            [
                originals[sha256].read
                for sha256 in [
                    found.sha256[row],
                    *found.gallery[found.gallery_truth == found.truth[row]].tolist(),
                ]
            ]
        )
        assert found.own[row] == pytest.approx(max(float(query @ each) for each in own), abs=1e-5)


def test_left_out_classes_are_never_named_by_their_own_references(collection, evaluation):
    """Asked without its class, a mark is less like the base than with it."""
    found = evaluation.predictions
    right = (found.predicted == found.truth) & (found.verdicts == "certain")
    assert right.any() and (found.outside_scores[right] < found.scores[right]).all()


def test_saved_and_read_again(evaluation):
    again = Predictions.read(evaluation.folder)
    assert again.about == evaluation.predictions.about
    assert again.calibration == evaluation.predictions.calibration
    for name in ("sha256", "files", "ranked", "references", "scores", "centres"):
        assert np.array_equal(getattr(again, name), getattr(evaluation.predictions, name)), name


def test_nothing_and_damage_are_told_apart(tmp_path, evaluation):
    with pytest.raises(NotFound):
        Predictions.read(tmp_path)
    for name in ("predictions.json", "predictions.npz"):
        content = (evaluation.folder / name).read_bytes()
        (tmp_path / name).write_bytes(content if name.endswith("json") else content[: len(content) // 2])
    with pytest.raises(BadInput, match="damaged"):
        Predictions.read(tmp_path)


def test_a_class_without_references_counts_as_a_mark_from_outside(collection):
    """Every original of one class on the test side: it has no reference and can only be unknown."""
    originals = originals_of(collection)
    away = originals[0].folder
    side = {o.sha256: "test" if o.folder == away or i % 4 == 0 else "train" for i, o in enumerate(originals)}
    split = Split(0, side, dict.fromkeys(side, 0))
    found = predict(originals, split, FakeEmbedder(), about=About(side="test"))
    assert found is not None
    own = found.truth == found.folders.index(away)
    assert not found.known[own].any() and found.known[~own].all()
    assert np.isnan(found.precisions[own]).all() and (found.own_references[own] == "").all()


def test_an_empty_side_is_refused(collection):
    originals = originals_of(collection)
    split = Split(0, {o.sha256: "train" for o in originals}, {o.sha256: 0 for o in originals})
    with pytest.raises(BadInput, match="no image on the side test"):
        predict(originals, split, FakeEmbedder(), about=About(side="test"))


def test_an_unreadable_original_is_named_and_left_out(tmp_path):
    dataset = made.collection(tmp_path)
    originals = originals_of(dataset)
    originals[1].path.write_bytes(b"no image")
    side = {o.sha256: "test" if i % 3 == 1 else "train" for i, o in enumerate(originals)}
    found = predict(originals, Split(0, side, {}), FakeEmbedder(), about=About(side="test"))
    assert found is not None
    assert found.about.refused == (f"{originals[1].folder}/{originals[1].path.name}",)
    assert originals[1].sha256 not in found.sha256


def test_asked_to_stop_it_stops(collection):
    originals = originals_of(collection)
    side = {o.sha256: "test" if i % 3 == 1 else "train" for i, o in enumerate(originals)}
    assert predict(originals, Split(0, side, {}), FakeEmbedder(), about=About(), should_stop=lambda: True) is None
