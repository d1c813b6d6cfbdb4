"""The evaluation as a job: which split is honest for which encoder, and what the job says it did."""

from __future__ import annotations

import shutil

import pytest

from core.embedding.weights import PROMOTED
from core.evaluation.store import Evaluation
from core.evaluation.unseen import Unseen
from core.evaluation.work import doubts_in, in_use, of_model, page_of, run_evaluation, run_projection, subject
from core.ground.errors import BadInput, NotFound
from core.review.dismissed import Kept, hint_parts
from core.training.audit import LeakAudit, audit
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import Split, make_split
from core.variation.sources import originals_of
from tests.conftest import draw, png_bytes
from tests.core.evaluation import made


class Notes(list):
    """Stands in for a job's report."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self.append(note)


@pytest.fixture
def dataset(tmp_path, fake_embedder, monkeypatch):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, *, model=None: fake_embedder)
    return made.collection(tmp_path)


@pytest.fixture
def run(dataset):
    """A run whose split is drawn with another seed; its weights are never opened here."""
    originals = originals_of(dataset)
    split = make_split(originals, seed=5, validation=0.25, test=0.25)
    made_run = Runs(dataset.workspace).create(TrainSettings(seed=5), split, audit(split, originals), originals)
    made_run.best_path.write_bytes(b"weights")
    return made_run


def test_the_job_evaluates_and_says_where(dataset):
    notes = Notes()
    result = run_evaluation(dataset.workspace, {"run": "", "side": "validation"}, notes, lambda: False)
    held = Evaluation(dataset.workspace.root / result["folder"])
    assert held.report.about.side == "validation" and held.report.about.run == ""
    assert (result["hits"], result["queries"]) == (held.report.top1.hits, held.report.queries)
    assert set(notes) == {"looking", "embedding", "asking", "strokes", "report"}


def test_a_run_keeps_to_its_own_split_and_folder(dataset, run):
    result = run_evaluation(dataset.workspace, {"run": run.id, "side": "test"}, Notes(), lambda: False)
    held = Evaluation(run.folder / "evaluation" / "test")
    assert result["folder"] == held.folder.relative_to(dataset.workspace.root).as_posix()
    assert {run.split.side[sha256] for sha256 in held.predictions.sha256.tolist()} == {"test"}
    assert held.report.about.name == run.record.name and held.report.leak_free is run.audit.clean is False
    assert held.split == run.split


def test_a_checkpoint_brought_in_is_asked_on_a_split_drawn_for_it(dataset):
    """Nobody knows what it was trained on: its scores say so, and the split stays from one evaluation to the next."""
    brought = Runs(dataset.workspace).create(TrainSettings(), Split(0, {}, {}), LeakAudit(), [], state="finished")
    brought.best_path.write_bytes(b"weights")
    assert brought.brought_in
    result = run_evaluation(dataset.workspace, {"run": brought.id, "side": "test"}, Notes(), lambda: False)
    held = Evaluation(brought.folder / "evaluation" / "test")
    assert result["queries"] == held.report.queries > 0 and held.report.leak_free is None
    assert Unseen.read(held.folder) is None
    assert subject(dataset.workspace, brought.id, originals_of(dataset)).split == held.split


def test_every_image_is_asked_of_an_encoder_that_was_trained_on_none(dataset, run):
    result = run_evaluation(dataset.workspace, {"run": "", "side": "all"}, Notes(), lambda: False)
    held = Evaluation(dataset.workspace.root / result["folder"])
    originals = originals_of(dataset)
    assert held.report.about.side == "all" and held.report.leak_free
    assert sorted(held.predictions.sha256.tolist()) == sorted({original.sha256 for original in originals})
    assert all(row.measurable for row in held.report.classes)
    assert not any(
        query == reference
        for query, own in zip(held.predictions.sha256, held.predictions.references, strict=True)
        for reference in own
    )
    unseen = Unseen.read(held.folder)
    assert unseen is not None and len(unseen.classes) == len(held.report.classes) and unseen.ranks[0].references == 1
    with pytest.raises(BadInput, match="trained on none of them"):
        run_evaluation(dataset.workspace, {"run": run.id, "side": "all"}, Notes(), lambda: False)


def test_classes_held_out_of_training_are_measured_as_never_seen(dataset):
    originals = originals_of(dataset)
    split = make_split(originals, seed=1, validation=0.2, test=0.2, held_out=0.5)
    trained = {original.folder for original in split.of(originals, "train")}
    made_run = Runs(dataset.workspace).create(TrainSettings(seed=1), split, audit(split, originals), originals)
    made_run.best_path.write_bytes(b"weights")
    run_evaluation(dataset.workspace, {"run": made_run.id, "side": "test"}, Notes(), lambda: False)
    found = Unseen.read(made_run.folder / "evaluation" / "test")
    out = {original.folder for original in originals} - trained
    if len(out) > 1:
        assert found is not None and set(found.classes) == out and found.accepted.n == found.images
    else:
        assert found is None


def test_stopped_it_keeps_nothing(dataset):
    assert run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: True) == {}
    assert not dataset.workspace.model.exists()


def test_before_any_training_a_clean_split_is_drawn(dataset, fake_embedder):
    originals = originals_of(dataset)
    one, again, other = (in_use(dataset.workspace, fake_embedder, originals, seed=seed) for seed in (1, 1, 2))
    assert one.split == again.split != other.split
    assert one.leak is not None and one.leak["clean"]


def test_corrections_do_not_change_which_images_are_asked(dataset, fake_embedder):
    run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: False)
    before = in_use(dataset.workspace, fake_embedder, originals_of(dataset))
    asked = [each for each in originals_of(dataset) if before.split.side[each.sha256] == "test"]
    other = next(each.class_name for each in originals_of(dataset) if each.folder != asked[0].folder)
    (to,) = [record.id for record in dataset.classes() if record.name == other]
    dataset.relabel([asked[0].item_id], to)
    dataset.trash([asked[-1].item_id])
    (dataset.workspace.raw / asked[1].folder / "new.png").write_bytes(png_bytes(draw("circle", seed=77)))
    dataset.rescan()
    run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: False)
    held = in_use(dataset.workspace, fake_embedder, originals_of(dataset))
    kept = {sha256: side for sha256, side in before.split.side.items() if sha256 != asked[-1].sha256}
    assert kept.items() < held.split.side.items() and len(held.split.side) == len(kept) + 1
    assert held.leak is not None and held.leak["clean"]
    assert in_use(dataset.workspace, fake_embedder, originals_of(dataset), seed=3).split.seed == 3, "drawn anew"


def test_a_split_that_cannot_be_read_is_drawn_anew(dataset, fake_embedder):
    result = run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: False)
    split = in_use(dataset.workspace, fake_embedder, originals_of(dataset)).split
    (dataset.workspace.root / result["folder"] / "split.json").write_text("{", encoding="utf-8")
    assert in_use(dataset.workspace, fake_embedder, originals_of(dataset)).split == split


def test_the_promoted_network_keeps_to_the_split_of_its_run(dataset, fake_embedder, run, monkeypatch):
    from core.training import promotion

    (dataset.workspace.model / PROMOTED).write_bytes(b"weights")
    where = "core.evaluation.work.promoted"
    monkeypatch.setattr(where, lambda workspace: promotion.Promoted(run.id, "", 0.0))
    originals = originals_of(dataset)
    assert in_use(dataset.workspace, fake_embedder, originals).split == run.split
    plain = dataset.workspace.model / "best_efficientnet_triplet.pt"
    assert of_model(dataset.workspace, plain, originals).split == run.split
    shutil.rmtree(run.folder)  # with the run went the knowledge of what it was trained on
    assert in_use(dataset.workspace, fake_embedder, originals).leak is None


def test_a_model_by_its_file(dataset, run, tmp_path):
    originals = originals_of(dataset)
    assert of_model(dataset.workspace, run.best_path, originals).run_id == run.id
    foreign = of_model(dataset.workspace, tmp_path / "other.safetensors", originals)
    assert (foreign.name, foreign.leak) == ("other.safetensors", None)


def test_what_cannot_be_evaluated_is_said(dataset, run):
    with pytest.raises(BadInput, match="no side train"):
        run_evaluation(dataset.workspace, {"side": "train"}, Notes(), lambda: False)
    run.best_path.unlink()
    with pytest.raises(NotFound, match="no weights yet"):
        subject(dataset.workspace, run.id, [])
    with pytest.raises(NotFound, match="no run"):
        subject(dataset.workspace, "0123456789a", [])


def test_the_map_is_not_laid_out_twice(dataset, monkeypatch):
    from core.evaluation import work

    calls = []

    def laid(points, *, previous=None, seed=0):
        calls.append(previous)
        return work_pca(points)

    from core.evaluation.projection import pca as work_pca

    monkeypatch.setattr(work, "umap", laid)
    first = run_projection(dataset.workspace, {"run": ""}, Notes(), lambda: False)
    assert run_projection(dataset.workspace, {"run": ""}, Notes(), lambda: False) == first
    assert first["points"] == 48 and calls == [None]
    dataset.trash([dataset.items(limit=1)[0].id])
    second = run_projection(dataset.workspace, {"run": ""}, Notes(), lambda: False)
    assert second["points"] == 47 and calls[1].digest == first["digest"]


def test_a_label_called_right_is_doubted_no_more(dataset):
    """In the page to send, too, as it is made next."""
    result = run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: False)
    held = Evaluation(dataset.workspace.root / result["folder"])
    (row,) = held.predictions.wrong.tolist()
    sha256, space = str(held.predictions.sha256[row]), held.report.about.space
    before = doubts_in(dataset, space)
    assert sha256 in before.doubt and 'data-cause="label"' in page_of(held, dataset)
    item = next(item for item in dataset.items(limit=None) if item.sha256 == sha256)
    kept = Kept.read(dataset.workspace)
    kept.add("hint", hint_parts(item.id, item.class_id, item.class_id))  # about another class
    assert doubts_in(dataset, space) == before
    kept.add("hint", hint_parts(item.id, item.class_id, before.said[sha256]))
    after = doubts_in(dataset, space)
    assert before.doubt.keys() - after.doubt.keys() == {sha256}
    assert 'data-cause="model"' in page_of(held, dataset) and 'data-cause="label"' not in page_of(held, dataset)
    assert '<html lang="fr"' in page_of(held, dataset, language="fr")
