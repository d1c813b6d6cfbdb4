"""The shell's commands about runs: listed, called by name, number or id, promoted, exported, compared."""

from __future__ import annotations

import json

import onnx
import pytest
import torch

from core.embedding.model import EmbeddingNet
from core.shell.main import main
from core.training.audit import LeakAudit
from core.training.promoted import promoted
from core.training.run import BEST, Run
from core.training.runs import Runs
from core.training.splits import Split
from tests.core.training.conftest import TINY


def made(workspace, name: str, *, top1: float, **changes) -> Run:
    torch.manual_seed(0)
    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=8, stage=1, grid=2).eval()
    run = Runs(workspace).create(TINY.with_(**changes), Split(0, {}, {}), LeakAudit(), [], name=name, state="finished")
    scores = {"n": 20, "top1": top1, "top5": 1.0, "macro_recall": top1, "map_at_r": top1}
    run.update(best={"epoch": 0, "scores": scores})
    net.save(run.folder / BEST, preprocessing=TINY.preprocessing, classes=["(e", "étoile"])
    return run


@pytest.fixture
def two(workspace) -> tuple[Run, Run]:
    return made(workspace, "été", top1=0.5), made(workspace, "", top1=0.75, epochs=5)


def test_a_run_is_called_by_its_number_its_name_or_its_id(workspace, two, capsys):
    one, other = two
    at = ["--workspace", str(workspace.root)]
    for called, run in (("1", one), ("#2", other), ("été", one), (other.id, other)):
        assert main([*at, "promote", called]) == 0
        assert promoted(workspace).run_id == run.id
    assert main([*at, "runs", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [(each["number"], each["in_use"]) for each in listed] == [(2, True), (1, False)]
    assert main([*at, "promote", "3"]) == 2 and "There is no run 3" in capsys.readouterr().err
    Runs(workspace).rename(other.id, "été")
    assert main([*at, "promote", "été"]) == 2 and one.id in capsys.readouterr().err


@pytest.mark.parametrize("name", ["#1 tf_efficientnet_lite0, hard-triplet, 32 px", "#12 mine"])
def test_a_record_from_before_runs_were_numbered_has_the_number_of_its_name(workspace, two, name):
    one, _other = two
    one.update(number=0, name=name)
    assert Runs(workspace).find(name.split()[0]).id == one.id


def test_an_exported_network_says_how_to_use_it(workspace, two, tmp_path, capsys):
    at = ["--workspace", str(workspace.root), "export", "été"]
    assert main([*at, "--format", "onnx", "--out", str(tmp_path)]) == 0
    assert "burin-1-ete.onnx" in capsys.readouterr().out
    said = {p.key: p.value for p in onnx.load(tmp_path / "burin-1-ete.onnx").metadata_props}
    assert (said["mode"], said["size"], json.loads(said["classes"])) == ("crop", "32", ["(e", "étoile"])
    assert json.loads(said["mean"]) == [127.0] * 3 and json.loads(said["std"]) == [128.0] * 3
    for suffix in ("pt", "safetensors"):
        assert main([*at, "--format", suffix, "--out", str(tmp_path / f"mine.{suffix}")]) == 0
    assert set(torch.load(tmp_path / "mine.pt", weights_only=True)) > {"head.weight"}


def test_two_runs_are_compared(workspace, two, capsys):
    assert main(["--workspace", str(workspace.root), "compare", "1", "2"]) == 0
    said = capsys.readouterr().out
    assert "50.0 %" in said and "75.0 %" in said and "epochs" in said and "evaluate --model_path" in said
