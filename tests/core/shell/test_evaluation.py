"""``evaluate`` and ``analyze-errors``: what they print and write, and that variants are never asked."""

from __future__ import annotations

import json

import pytest

from core.ground.workspace import Workspace
from core.shell.main import main
from core.variation.policies import PRESETS
from core.variation.sources import originals_of
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write
from tests.core.evaluation import made


@pytest.fixture
def dataset(tmp_path, fake_embedder, monkeypatch):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, *, model=None: fake_embedder)
    return made.collection(tmp_path / "w")


def test_evaluate_then_analyse(dataset, capsys):
    workspace = dataset.workspace
    tasks = tasks_per_image(originals_of(dataset), 1)
    write(Manifest(workspace.augmented), tasks, PRESETS["sketch-icon"], seed=0, safety=None)
    assert main(["evaluate", "--data_dir", str(workspace.augmented), "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert "recognised as variants and not asked: 48 files." in err
    assert report["queries"] + report["references"] < 48 and report["top"][0] == {
        "hits": 7, "n": 8, "value": 7 / 8, "interval": pytest.approx([0.529, 0.978], abs=1e-3),
    }  # fmt: skip
    assert (workspace.model / "incorrect_predictions" / "predictions.csv").is_file()

    arguments = ["analyze-errors", "--incorrect_dir", str(workspace.model / "incorrect_predictions")]
    output = workspace.root / "analysis"
    assert main([*arguments, "--output_dir", str(output), "--language", "fr"]) == 0
    out = capsys.readouterr().out
    assert "Wrong: 1 of 8 answers.\nLikely causes: label 1, reference 0, model 0." in out
    assert f"1 x {made.PICTURE} taken for {made.SCRIPT}" in out
    assert '<html lang="fr"' in (output / "report.html").read_text(encoding="utf-8")


def test_any_folder_is_evaluated_without_a_workspace(dataset, tmp_path, capsys, monkeypatch):
    folder, away = dataset.workspace.raw.rename(tmp_path / "marks"), tmp_path / "away"
    monkeypatch.setenv("BURIN_WORKSPACE", str(away))
    assert main(["evaluate", "--data_dir", str(folder), "--output_dir", str(tmp_path / "out"), "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "top-1" in out and f"are in {tmp_path / 'out'}." in out
    assert not away.exists() or not Workspace(away).catalogue.exists()


def test_from_another_folder_the_workspace_is_meant(dataset, tmp_path, capsys, monkeypatch):
    """The commands of the README, and a folder that is nowhere: nothing is made of it."""
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    monkeypatch.setenv("BURIN_WORKSPACE", str(dataset.workspace.root))
    write(Manifest(dataset.workspace.augmented), tasks_per_image(originals_of(dataset), 1), PRESETS["sketch-icon"],
          seed=0, safety=None)  # fmt: skip
    assert main(["evaluate", "--data_dir", "data/augmented_gravures"]) == 0
    assert (dataset.workspace.model / "incorrect_predictions" / "report.json").is_file()
    assert main(["analyze-errors", "--incorrect_dir", "model/incorrect_predictions", "--output_dir", "out"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--data_dir", "elsewhere/data/augmented_gravures"]) == 2
    assert "There is no folder elsewhere/data/augmented_gravures." in capsys.readouterr().err
    assert {path.name for path in away.iterdir()} == {"out"}


def test_a_folder_of_other_files_is_refused_before_anything_is_asked(dataset, tmp_path, capsys, fake_embedder):
    mine = tmp_path / "proj"
    mine.mkdir()
    (mine / "report.json").write_text('{"mine": 1}')
    (mine / "thesis.txt").write_text("years of work")
    assert main(["evaluate", "--workspace", str(dataset.workspace.root), "--output_dir", str(mine)]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in mine.iterdir()} == {
        "report.json": '{"mine": 1}', "thesis.txt": "years of work",
    }  # fmt: skip
    assert not (dataset.workspace.model / "evaluation").exists()


def test_a_model_that_is_not_there(dataset, capsys):
    path = dataset.workspace.model / "best_efficientnet_triplet.pt"
    assert main(["evaluate", "--model_path", str(path), "--workspace", str(dataset.workspace.root)]) == 2
    assert "There is no model at" in capsys.readouterr().err


def test_nothing_to_analyse(workspace, capsys):
    assert main(["analyze-errors", "--workspace", str(workspace.root)]) == 2
    assert "Nothing was evaluated here yet." in capsys.readouterr().err
