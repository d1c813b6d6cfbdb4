"""`core.training.run` and `runs`: what is on disk comes back; a run without a process is interrupted; none is lost."""

from __future__ import annotations

import json

import pytest

from core.ground.errors import BadInput, Conflict, NotFound
from core.training.audit import audit
from core.training.run import Run
from core.training.runs import Runs
from core.training.splits import make_split, snapshot_of


@pytest.fixture
def made(filled, originals, tiny) -> Run:
    split = make_split(originals, seed=0, validation=0.2, test=0.2)
    return Runs(filled).create(tiny, split, audit(split, originals), originals, note="a note", dataset_version=3)


def test_a_run_comes_back_as_it_was_written(made, filled, originals, tiny):
    (run,) = Runs(filled).list()
    assert run.id == made.id and run.record == made.record
    assert run.settings == tiny and run.split == made.split and run.audit == made.audit
    assert run.record.name == "#1 tf_efficientnet_lite0, hard-triplet, 32 px"
    assert run.record.classes[0] == {"folder": "bar", "name": "bar", "originals": 5}
    assert run.record.snapshot == snapshot_of(originals[::-1]) != snapshot_of(originals[1:])
    assert {"python", "torch", "timm"} <= set(run.record.versions)


def test_a_run_whose_process_is_gone_is_interrupted(made, filled):
    assert made.record.state == "running" and made.state == "interrupted"
    with made.held():
        assert Runs(filled).get(made.id).state == "running"
        with pytest.raises(Conflict, match="trained already"), Runs(filled).get(made.id).held():
            pass
        with pytest.raises(Conflict, match="stop it first"):
            Runs(filled).delete(made.id)
    assert Runs(filled).get(made.id).state == "interrupted"
    made.end("stopped", BadInput("Because of {what}.", what="a test"))
    again = Runs(filled).get(made.id)
    assert again.state == "stopped" and str(again.reason) == "Because of a test." and not again.resumable
    again.resume_path.write_bytes(b"")
    assert again.resumable


def test_a_run_that_was_asked_to_stop_was_stopped_also_where_its_process_could_not_say_so(made, filled):
    made.begin()
    with made.held():
        made.ask_to_stop()
        assert Runs(filled).get(made.id).state == "running"
    assert Runs(filled).get(made.id).state == "stopped"
    made.begin()  # gone on with, and cut short
    assert Runs(filled).get(made.id).state == "interrupted"


def test_metrics_are_whole_lines(made):
    path = made.folder / "metrics.jsonl"
    path.write_text('{"kind": "step", "step": 1}\n{"kind": "epoch", "epoch": 0}\n{"kind": "st', encoding="utf-8")
    assert made.metrics() == [{"kind": "step", "step": 1}, {"kind": "epoch", "epoch": 0}]
    assert made.epochs() == [{"kind": "epoch", "epoch": 0}]


def test_naming_notes_and_pause(made, filled):
    runs = Runs(filled)
    runs.rename(made.id, "  {s} best ")
    runs.note(made.id, "étoile")
    run = runs.get(made.id)
    assert (run.record.name, run.record.note) == ("{s} best", "étoile")
    with pytest.raises(BadInput):
        runs.rename(made.id, " ")
    assert not run.paused
    run.pause()
    assert run.paused and Runs(filled).get(made.id).paused
    run.go_on()
    assert not run.paused


def test_default_names_differ_and_no_number_comes_again(made, filled, originals, tiny):
    runs = Runs(filled)
    made.end("stopped")
    runs.delete(made.id)
    other = runs.create(tiny, made.split, made.audit, originals)
    assert other.record.name == "#2 tf_efficientnet_lite0, hard-triplet, 32 px"


def test_the_trash_gives_a_run_back(made, filled):
    runs = Runs(filled)
    runs.delete(made.id)
    assert runs.list() == [] and runs.deleted() == [made.id]
    assert runs.restore(made.id).record == made.record
    assert [run.id for run in runs.list()] == [made.id] and runs.deleted() == []
    with pytest.raises(NotFound):
        runs.restore(made.id)


@pytest.mark.parametrize("run_id", ["", "..", ".trash", "../runs", "nothing", "é"])
def test_what_is_no_run_is_not_found(filled, run_id):
    with pytest.raises(NotFound):
        Runs(filled).get(run_id)


def test_a_damaged_record_hides_its_run_only(made, filled, originals, tiny):
    split = made.split
    other = Runs(filled).create(tiny, split, made.audit, originals)
    (made.folder / "run.json").write_text("{", encoding="utf-8")
    assert [run.id for run in Runs(filled).list()] == [other.id]
    record = json.loads((other.folder / "run.json").read_text(encoding="utf-8"))
    (other.folder / "run.json").write_text(json.dumps({**record, "of a newer Burin": 1}), encoding="utf-8")
    assert Runs(filled).get(other.id).record == other.record
