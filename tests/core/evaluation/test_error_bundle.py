"""The folder of wrong answers: it stands for itself, and is analysed without the workspace."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from dataclasses import replace

import pytest

from core.evaluation.error_bundle import analyse, by_folder, write_bundle
from core.evaluation.output_manifest import finish, settle
from core.evaluation.store import Evaluation
from core.evaluation.traits import Traits
from core.evaluation.work import doubts_in
from core.ground.errors import Conflict, NotFound
from core.ground.names import folder_for
from core.ground.workspace import temporary
from core.variation.sources import Original, originals_of
from tests.core.evaluation import made
from tests.plant import at_every_step


@pytest.fixture(scope="module")
def bundle(collection, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "incorrect_predictions"
    doubted = by_folder(doubts_in(collection, "fake-pixels-8x8"), collection)
    count = write_bundle(
        folder, evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection),
        doubted=doubted, traits=Traits.read(evaluation.folder),
    )  # fmt: skip
    assert count == 1
    return folder


def test_the_misclassified_file_lies_under_both_names(bundle, evaluation):
    true, said = folder_for(made.PICTURE), folder_for(made.SCRIPT)
    (image,) = (bundle / "images" / true / said).iterdir()
    assert image.name.endswith("circle_7.png")
    assert len(list((bundle / "pictures").iterdir())) == 3


def test_it_is_analysed_anywhere(bundle, tmp_path):
    away = tmp_path / "away"
    shutil.copytree(bundle, away)
    report, groups, written = analyse(away, tmp_path / "analysis")
    assert [fault.cause for group in groups for fault in group.faults] == ["label"]
    assert {path.name for path in written} >= {"report.html", "errors.csv", "tendencies.csv", "report.txt"}
    page = (tmp_path / "analysis" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") == 3 and "<script>alert(1)" not in page
    (row,) = csv.DictReader((tmp_path / "analysis" / "errors.csv").read_text(encoding="utf-8").splitlines())
    assert (row["label"], row["answer"]) == (folder_for(made.PICTURE), folder_for(made.SCRIPT))
    assert row["likely_cause"] == "Likely a wrong label" and report.top1.n == 8


def contents(folder):
    """Path in the folder -> content of every file in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_earlier_bundle_is_replaced_and_other_files_never(bundle, collection, evaluation, tmp_path):
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    folder = tmp_path / "bundle"
    write_bundle(folder, made.predictions([0], [[1]]), evaluation.report, evaluation.split, [
        Original(folder="a", class_name="a", path=next(iter(originals_of(collection))).path, sha256=made.hashed(0)),
    ])  # fmt: skip
    earlier = set(contents(folder))
    assert len([name for name in earlier if name.startswith("images/")]) == 1
    theirs = {"verdicts.json": b"{}", "images/a/b/note.txt": b"look", "images/mine.png": b"mine", "pictures/x": b"x"}
    for name, content in theirs.items():
        (folder / name).write_bytes(content)
    write_bundle(folder, *parts)
    held = contents(folder)
    assert {name: held.pop(name) for name in theirs} == theirs
    write_bundle(tmp_path / "fresh", *parts)
    assert set(held) == set(contents(tmp_path / "fresh")) != earlier, "all of the earlier bundle is gone"
    assert analyse(folder, tmp_path / "analysis")[0].top1.n == 8
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "fresh", "analysis"}


@pytest.mark.parametrize("name", ["thesis.txt", "report.json", "predictions.json", "written.json"])
def test_a_folder_that_is_no_bundle_is_left_alone(collection, evaluation, tmp_path, name):
    """Whatever the names of the files in it."""
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).write_text('{"mine": 1}')
    with pytest.raises(Conflict, match="holds other files"):
        write_bundle(mine, *parts)
    with pytest.raises(Conflict, match="is a file"):
        write_bundle(mine / name, *parts)
    assert contents(mine) == {name: b'{"mine": 1}'}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_of_another_hand_is_never_written_over(bundle, collection, evaluation, tmp_path):
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    folder = tmp_path / "bundle"
    write_bundle(folder, made.predictions([0], [[0]]), evaluation.report, evaluation.split, [])
    (folder / "images").write_text("a file where a folder would be")
    before = contents(folder)
    with pytest.raises(Conflict, match="images was not written by Burin"):
        write_bundle(folder, *parts)
    assert contents(folder) == before

    output = tmp_path / "analysis"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    for _ in range(2):  # beside other files, and once more
        analyse(bundle, output)
    (output / "written.json").unlink()
    (output / "report.html").write_text("mine")
    before = contents(output)
    with pytest.raises(Conflict, match="was not written by Burin"):
        analyse(bundle, output)
    assert contents(output) == before and before["notes.txt"] == b"mine"


def test_the_list_of_files_leads_nowhere_else(bundle, collection, evaluation, tmp_path):
    """A bundle may come from a stranger."""
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.txt").write_text("years of work")
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    (folder / "link").symlink_to(tmp_path / "linked")
    files = ["../thesis.txt", str(tmp_path / "thesis.txt"), "link/a.txt", "images/../../thesis.txt", "..", ".", ""]
    record = json.loads((folder / "written.json").read_text(encoding="utf-8"))
    (folder / "written.json").write_text(json.dumps({**record, "files": [*record["files"], *files]}))
    write_bundle(folder, *parts)
    assert (tmp_path / "thesis.txt").is_file() and (tmp_path / "linked" / "a.txt").is_file()


def test_nothing_to_analyse(tmp_path):
    with pytest.raises(NotFound):
        analyse(tmp_path, tmp_path / "out")


def test_a_bundle_is_never_gone(bundle, collection, evaluation, tmp_path):
    """Killed at every step of its replacement: it is the old one or can be brought to be the new one."""
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    number = itertools.count()

    def prepare():
        folder = tmp_path / str(next(number)) / "bundle"
        shutil.copytree(bundle, folder)
        (folder / "note.txt").write_text("mine")
        return folder

    def settle_again(folder):
        staging = temporary(folder)
        Evaluation(staging).save(evaluation.predictions, replace(evaluation.report, queries=222), evaluation.split)
        settle(staging, folder, anew=True)

    def check(folder):
        finish(folder)
        held = Evaluation(folder)
        assert held.predictions.sha256.tolist() == parts[0].sha256.tolist()
        images = (folder / "images").is_dir()
        assert (held.report.queries, images) in ((222, False), (parts[1].queries, True))
        assert (folder / "note.txt").is_file()

    assert at_every_step(prepare, settle_again, check) >= 10
