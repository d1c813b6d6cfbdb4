"""The evaluation as a job: which split is honest for which encoder, and what the job says it did."""

from __future__ import annotations

import shutil

import pytest

from core.evaluation.store import Evaluation
from core.evaluation.work import in_use, of_model, run_evaluation, run_projection, subject
from core.ground.errors import BadInput, NotFound
from core.training.audit import audit
from core.training.promotion import PROMOTED
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import make_split
from core.variation.sources import originals_of
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


def test_stopped_it_keeps_nothing(dataset):
    assert run_evaluation(dataset.workspace, {"run": "", "side": "test"}, Notes(), lambda: True) == {}
    assert not dataset.workspace.model.exists()


def test_before_any_training_a_clean_split_is_drawn(dataset, fake_embedder):
    originals = originals_of(dataset)
    one, again, other = (in_use(dataset.workspace, fake_embedder, originals, seed=seed) for seed in (1, 1, 2))
    assert one.split == again.split != other.split
    assert one.leak is not None and one.leak["clean"]


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
