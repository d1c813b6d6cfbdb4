"""The whole sample: what it lays out beside its marks, that all of it is as it says, and that one call removes it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from core.collection.dataset import Dataset
from core.collection.looks import Looks
from core.embedding.embedder import load_embedder
from core.embedding.gallery import Gallery
from core.embedding.weights import PROMOTED
from core.evaluation.store import Evaluation, folder_of
from core.ground.images import decode
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.intake.triage import label_report
from core.recognition.calibrate import calibrate
from core.recognition.identify import identify_marks
from core.review.dismissed import Kept
from core.review.neighbourhood import Contents, Neighbourhood, path_of
from core.review.predictions import Labels, References, predict
from core.review.quality import hints, near_copies
from core.showcase import shipped, tried
from core.showcase.laid import Laid
from core.showcase.laid import path_of as photograph
from core.showcase.sample import load, remove
from core.synthesis.sample import NEAR_COPIES, PLANTED, WRONG_LABELS, make_sample
from core.training import promotion
from core.training.runs import Runs
from core.training.splits import snapshot_of
from core.variation.sources import originals_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[tuple[int, int, str]]]:
    """The folder of a workspace with the sample, made once, and the progress that was reported."""
    workspace = Workspace(tmp_path_factory.mktemp("made") / "workspace")
    heard: list[tuple[int, int, str]] = []
    load(workspace, on_progress=lambda *said: heard.append(said))
    return workspace.root, heard


@pytest.fixture
def sampled(made, tmp_path) -> Workspace:
    shutil.copytree(made[0], tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def test_its_progress_goes_from_stage_to_stage(made):
    heard = made[1]
    assert list(dict.fromkeys(stage for *_, stage in heard)) == ["drawing", "embedding", "measuring"]
    assert all(done <= total for done, total, _ in heard) and heard[-1] == (3, 3, "measuring")


def test_each_photograph_is_answered_as_it_should_be(made):
    workspace = Workspace(made[0])
    dataset, embedder = Dataset(workspace), load_embedder(workspace)
    gallery = Gallery.load(dataset, embedder)
    calibration, names = calibrate(gallery), {record.id: record.name for record in dataset.classes()}
    photographs = Laid.read(workspace).photographs
    assert sorted(len(shows) for shows in photographs.values()) == [0, 1, 1, 1, 2]
    for file, shows in photographs.items():
        image = decode(photograph(workspace, file).read_bytes())
        answers = identify_marks(image, gallery=gallery, calibration=calibration, embedder=embedder)
        answers.sort(key=lambda answer: answer.box[0] if answer.box else 0)
        if not shows:
            assert [answer.verdict for answer in answers] == ["not_found"], file
        elif shows == [""]:
            assert [answer.verdict for answer in answers] == ["unknown"], file
        else:
            assert [(answer.verdict, names[answer.classes[0].class_id]) for answer in answers] == [
                ("certain", name) for name in shows
            ], file


def test_the_inbox_holds_one_report_with_what_was_answered(made):
    (entry,) = Dataset(Workspace(made[0])).inbox()
    assert (entry.who, entry.said, entry.verdict) == ("sample", "wrong", "unknown")
    assert entry.answer["region"] and entry.answer["file"] == "foreign.jpg"


def test_the_planted_labels_and_copies_are_found(made):
    workspace = Workspace(made[0])
    dataset, embedder = Dataset(workspace), load_embedder(workspace)
    contents, labels = Contents.load(dataset, embedder.space), Labels.load(dataset)
    held = Neighbourhood.read(path_of(workspace, embedder.space))
    found = hints(labels, predict(labels, held, References(contents, labels)))
    names = {record.id: record.name for record in dataset.classes()}
    said = {(names[hint.label], names[hint.said]) for group in found for hint in group}
    assert said >= set(WRONG_LABELS) and len(said) <= len(WRONG_LABELS) + 4, "and not much else is doubted"
    assert len(near_copies(Looks.of(workspace))) == len(NEAR_COPIES)


def test_the_run_is_whole_and_of_these_images(made):
    workspace = Workspace(made[0])
    (run,) = Runs(workspace).list()
    originals = originals_of(Dataset(workspace))
    assert run.id == Laid.read(workspace).run and run.state == "finished" and not run.audit.findings
    assert run.record.snapshot == snapshot_of(originals)
    assert set(run.split.side) == {original.sha256 for original in originals}
    assert len(run.epochs()) == run.settings.epochs == run.record.settings["epochs"]
    assert run.settings.unfreezing == shipped.SETTINGS.unfreezing
    embedder = load_embedder(workspace, model=run.best_path)
    assert embedder.engine == "onnxruntime" and len(list((workspace.model / "engines").iterdir())) == 1


def test_the_encoder_in_use_is_measured_on_what_the_run_was_not_trained_on(made):
    workspace = Workspace(made[0])
    dataset, space = Dataset(workspace), load_embedder(workspace).space
    (run,) = Runs(workspace).list()
    used = Evaluation(folder_of(workspace, "", "test", space=space))
    assert used.exists and not used.stale(dataset)
    assert used.split.side == run.split.side, "the two can be compared"
    assert 0.5 < used.report.top1.value < 1, "there is a confusion to look at"


def test_other_bytes_of_the_same_pictures_are_named_in_the_run(workspace):
    trained_on = json.loads((shipped.SHIPPED / shipped.IMAGES).read_text(encoding="utf-8"))
    other = {at: f"{number:064x}" for number, at in enumerate(trained_on.values())}
    run_id, beside = shipped.lay_out(workspace, other, "snap")
    run = Runs(workspace).get(run_id)
    assert set(run.split.side) == set(other.values()) and run.record.snapshot == "snap"
    assert [path.suffix for path in beside] == [".onnx"]
    assert sum(path.stat().st_size for path in shipped.SHIPPED.rglob("*") if path.is_file()) < 7e6


def test_the_run_is_promoted_without_pytorch(sampled, monkeypatch):
    monkeypatch.setattr("core.training.promotion.trains_here", lambda: False)
    monkeypatch.setitem(sys.modules, "core.embedding.model", None)  # so that importing it fails
    run = Runs(sampled).list()[0]
    (sampled.model / PROMOTED).with_suffix(".pt").write_bytes(b"of another")
    promotion.run_promotion(sampled, {"run_id": run.id}, lambda *_: None, lambda: False)
    assert promotion.promoted(sampled).run_id == run.id
    assert not (sampled.model / PROMOTED).with_suffix(".pt").exists()
    assert load_embedder(sampled).engine == "onnxruntime"


def test_removing_it_leaves_nothing_of_it(sampled):
    dataset = Dataset(sampled)
    label_report(dataset, dataset.inbox()[0].id, "couronne")
    promotion.promote(sampled, Runs(sampled).list()[0])
    tried.note(sampled, "map")
    remove(sampled)
    after = Dataset(sampled)
    assert after.counts().originals == 0 and after.inbox(state=None) == []
    assert Runs(sampled).list() == [] and promotion.promoted(sampled) is None
    files = [path for path in sampled.root.rglob("*") if path.is_file() and path.suffix != ".lock"]  # those are empty
    left = [path.relative_to(sampled.root).as_posix() for path in files]
    assert [path for path in left if path.startswith("model/") or path.endswith((".jpg", ".png", "tried.json"))] == []
    load_again = make_sample(sampled)
    assert load_again > PLANTED


def test_what_the_user_made_of_it_stays(sampled):
    own = Runs(sampled).create(shipped.SETTINGS, Runs(sampled).list()[0].split, Runs(sampled).list()[0].audit, [])
    promotion.promote(sampled, Runs(sampled).get(Laid.read(sampled).run))
    remove(sampled)
    assert [run.id for run in Runs(sampled).list()] == [own.id]
    assert Kept.read(sampled).keys == set()


def test_the_list_is_ticked_by_what_happened(sampled):
    ada = Dataset(sampled).acting_as(Actor("Ada"))
    assert tried.done(ada) == set()
    tried.note(ada.workspace, "identify")
    assert tried.done(ada) == {"identify"} and tried.done(Dataset(sampled)) == set(), "by person"
    wrong = next(iter(Laid.read(sampled).wrong))
    item = next(item for item in ada.items(limit=None) if item.sha256 == wrong)
    ada.relabel([item.id], next(record.id for record in ada.classes() if record.name == "étoile"))
    assert tried.done(ada) == {"identify", "labels"}
    Runs(sampled).create(shipped.SETTINGS, Runs(sampled).list()[0].split, Runs(sampled).list()[0].audit, [])
    assert tried.done(ada) == {"identify", "labels", "train"}
    assert not tried.dismissed(ada.workspace)
    tried.note(ada.workspace, tried.DISMISSED)
    assert tried.dismissed(ada.workspace) and not tried.dismissed(sampled)


def test_nothing_is_noted_without_a_sample(drawn_workspace):
    tried.note(drawn_workspace, "map")
    assert not (drawn_workspace.data / tried.FILE).exists()
