"""The folder of wrong answers: it stands for itself, and is analysed without the workspace."""

from __future__ import annotations

import csv
import shutil

import pytest

from core.evaluation.bundle import analyse, by_folder, write_bundle
from core.evaluation.traits import Traits
from core.evaluation.work import doubts_in
from core.ground.errors import Conflict, NotFound
from core.ground.names import folder_for
from core.variation.sources import originals_of
from tests.core.evaluation import made


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


def test_an_earlier_bundle_is_replaced_and_other_files_never(bundle, collection, evaluation, tmp_path):
    parts = (evaluation.predictions, evaluation.report, evaluation.split, originals_of(collection))
    folder = tmp_path / "bundle"
    shutil.copytree(bundle, folder)
    (folder / "images" / "old").mkdir()
    write_bundle(folder, *parts)
    assert not (folder / "images" / "old").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict, match="holds other files"):
        write_bundle(mine, *parts)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "mine"}


def test_nothing_to_analyse(tmp_path):
    with pytest.raises(NotFound):
        analyse(tmp_path, tmp_path / "out")
