"""An evaluation on disk: what lies there, and when it is out of date."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from core.evaluation.store import Changes, Evaluation, folder_of
from core.evaluation.work import HTML
from core.ground.errors import NotFound
from core.ground.names import folder_for
from core.ground.workspace import Workspace, sweep
from tests import conftest
from tests.core.evaluation import made
from tests.plant import at_every_step

WRITTEN = {
    "unseen.json",
    "predictions.json", "predictions.npz", "report.json", "split.json", "traits.npz", "report.txt", "classes.csv",
    "predictions.csv", "confusion.csv", "confusion.png", "curves.png", "confusion.fr.png", "curves.fr.png", HTML,
}  # fmt: skip


def test_everything_is_kept_beside_the_model(collection, evaluation):
    assert {path.name for path in evaluation.folder.iterdir()} == WRITTEN
    assert evaluation.folder == folder_of(collection.workspace, "", "test", space="fake-pixels-8x8")
    assert evaluation.folder.is_relative_to(collection.workspace.model)


def test_changes_make_it_stale_and_their_undo_does_not(tmp_path):
    dataset = made.collection(tmp_path)
    held = made.evaluation(dataset)
    assert not held.stale(dataset) and not held.changes(dataset)
    items = {item.sha256: item for item in dataset.items(limit=None)}
    query, reference = items[held.predictions.sha256[0]], items[held.predictions.gallery[0]]
    other = next(record for record in dataset.classes() if record.id != query.class_id)
    dataset.relabel([query.id], other.id)
    assert held.stale(dataset)
    assert held.changes(dataset) == Changes(relabelled=(query.sha256,))
    dataset.undo()
    assert not held.stale(dataset)
    dataset.trash([reference.id])
    path = dataset.workspace.raw / other.folder / "new.png"
    path.write_bytes(conftest.png_bytes(conftest.draw("wave", seed=99)))
    dataset.rescan()
    changes = held.changes(dataset)
    assert held.stale(dataset) and changes.gone == (reference.sha256,) and len(changes.new) == 1


def test_a_relabelled_error_moves_when_it_is_evaluated_again(tmp_path):
    """The two circles among the crosses: once they are labelled rightly, nothing is wrong with them any more."""
    dataset = made.collection(tmp_path)
    first = made.evaluation(dataset)
    circle = next(record.id for record in dataset.classes() if record.name == made.SCRIPT)
    strays = [i for i in dataset.items(limit=None) if "circle_" in i.path and i.class_id != circle]
    wrong = first.predictions.sha256[first.predictions.wrong].tolist()
    assert wrong and set(wrong) < {item.sha256 for item in strays}
    dataset.relabel([item.id for item in strays], circle)
    assert first.stale(dataset)
    second = made.evaluation(dataset)
    assert not second.stale(dataset) and not len(second.predictions.wrong)
    assert second.predictions.label_of()[wrong[0]] == folder_for(made.SCRIPT)


def test_nothing_there(tmp_path):
    held = Evaluation(tmp_path)
    assert not held.exists and held.made_at == 0
    with pytest.raises(NotFound):
        held.report  # noqa: B018


def test_the_old_one_stays_until_the_new_one_is_whole(collection, evaluation, tmp_path):
    """Killed at every step of the writing: the one or the other can be read, whole, and nothing is left beside it for
    good."""
    parts = (evaluation.predictions, evaluation.split)
    before, after = (replace(evaluation.report, queries=n) for n in (111, 222))
    number = itertools.count()

    def prepare():
        workspace = Workspace(tmp_path / str(next(number)))
        held = Evaluation(folder_of(workspace, "", "test", space="s"))
        with held.anew() as fresh:
            fresh.save(parts[0], before, parts[1])
        return workspace

    def work(workspace):
        with Evaluation(folder_of(workspace, "", "test", space="s")).anew() as fresh:
            fresh.save(parts[0], after, parts[1])

    def check(workspace):
        held = Evaluation(folder_of(workspace, "", "test", space="s"))
        assert held.report.queries in (111, 222) and held.split == parts[1]
        assert held.predictions.sha256.tolist() == parts[0].sha256.tolist()
        work(workspace)
        sweep(workspace, older_than_s=-1)
        assert [path.name for path in held.folder.parent.iterdir()] == ["test"]
        assert Evaluation(held.folder).report.queries == 222

    assert at_every_step(prepare, work, check) >= 10
