"""``python -m core train``: its options become the settings, and the result is a run that can be promoted."""

from __future__ import annotations

import json
import signal

import pytest
import torch

from core.ground.errors import BadInput, ConfigRefused
from core.shell.main import main
from core.shell.training_options import settings_of
from core.training.promoted import promoted
from core.training.runs import Runs
from tests.core.training.conftest import fill

FAST = ["--image_size", "32", "--mode", "crop", "--policy", "none", "--steps", "1", "--images_per_class", "2"]


def test_train_promotes_and_resumes(workspace, capsys):
    fill(workspace.raw)
    raw = str(workspace.raw)
    status = main(["train", "--data_dir", raw, "--epochs", "2", "--batch_size", "4", "--progressive_unfreeze",
                   "--onecycle", "--seed", "3", "--name", "mine", "--promote", *FAST])  # fmt: skip
    out = capsys.readouterr().out
    assert status == 0
    (run,) = Runs(workspace).list()
    assert run.record.name == "mine" and promoted(workspace).run_id == run.id
    settings = run.settings
    assert (settings.epochs, settings.classes_per_batch, settings.seed, settings.onecycle) == (2, 2, 3, True)
    assert [(thaw.epoch, thaw.part) for thaw in settings.unfreezing] == [(0, "head"), (1, "last"), (2, "all")]
    assert "before training: top-1" in out and "epoch 2: top-1" in out and "Run 1 (mine) finished." in out
    assert main(["train", "--data_dir", raw, "--resume", run.id, *FAST]) == 2
    assert "nothing to go on with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch_size", "7"], "A batch of 7 images cannot hold 2 of each class"),
        (["--batch_size", "2"], "A batch of 2 images holds one class of 2"),
        (["--start", "elsewhere"], "There is no start elsewhere"),
        (["--start", "scratch", "--progressive_unfreeze"], "there is nothing worth freezing"),
        (["--unfreeze", "0:tail"], "0:tail is not a line of the unfreezing table"),
        (["--loss_number", "margin"], "margin is not a number of the loss"),
        (["--blend", "2"], "blend must be from 0.01 to 1.0"),
        (["--resume", "none"], "There is no run none."),
        (["--loss", "contrastive"], "The loss contrastive does not fit the model embedding."),
        (["--data_dir", "nowhere"], "There is no folder"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(workspace, capsys, options, said):
    assert main(["--workspace", str(workspace.root), "train", *FAST, *options]) == 2
    assert said in capsys.readouterr().err
    assert not workspace.runs.exists()


def test_settings_come_from_flags_before_a_file_before_the_defaults(workspace, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"loss": "triplet", "blend": 0.9, "epochs": 4, "size": 64}))
    typed = {"settings": path, "margin": 0.3, "epochs": 6, "unfreeze": "2:last,0:head", "weight_decay": 0.01}
    settings = settings_of(typed, workspace)
    assert (settings.loss, settings.loss_parameters["margin"], settings.blend) == ("triplet", 0.3, 0.9)
    assert (settings.epochs, settings.preprocessing.size, settings.weight_decay) == (6, 64, 0.01)
    assert [(thaw.epoch, thaw.part) for thaw in settings.unfreezing] == [(0, "head"), (2, "last")]
    path.write_text(json.dumps({"settings": settings.to_json()}))  # as a run keeps them
    assert settings_of({"settings": path}, workspace) == settings
    path.write_text(json.dumps({"lose": "triplet"}))
    with pytest.raises(ConfigRefused, match="There is no setting lose"):
        settings_of({"settings": path}, workspace)


def test_from_scratch_everything_learns_from_the_first_epoch(workspace):
    settings = settings_of({"start": "scratch", "epochs": 9}, workspace)
    assert settings.unfreezing == () and settings.trunk_rate == 1.0
    assert settings_of({"start": "scratch", "trunk_rate": 0.5}, workspace).trunk_rate == 0.5


def test_a_run_is_given_more_epochs_and_nothing_else(workspace, capsys):
    fill(workspace.raw)
    root = ["--workspace", str(workspace.root)]
    assert main([*root, "train", "--epochs", "1", "--no-promote", *FAST]) == 0
    (run,) = Runs(workspace).list()
    assert main([*root, "train", "--resume", "1", "--epochs", "2", "--loss", "triplet", "--seed", "5"]) == 2
    assert "loss, seed cannot change" in capsys.readouterr().err
    assert main([*root, "train", "--resume", "1", "--epochs", "1"]) == 2
    assert main([*root, "train", "--resume", "1", "--epochs", "3", "--name", "other", "--no-promote"]) == 0
    assert "--name is ignored" in capsys.readouterr().err
    (after,) = Runs(workspace).list()
    assert (after.id, after.settings.epochs, len(after.epochs()), after.state) == (run.id, 3, 3, "finished")
    rates = [m["lr"]["head"] for m in after.metrics() if m["kind"] == "step"]
    assert rates[-1] < max(rates) and after.settings.seed == 0


def test_ctrl_c_ends_a_training_which_says_so_and_keeps_what_it_has(workspace, capsys, monkeypatch):
    fill(workspace.raw)
    monkeypatch.setattr("core.shell.training._tell", lambda event: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    assert main(["--workspace", str(workspace.root), "train", "--epochs", "9", "--name", "cut", *FAST]) == 1
    (run,) = Runs(workspace).list()
    assert run.state == "stopped" and len(run.epochs()) < 3 and run.best_path.is_file()
    assert "(cut) stopped" in capsys.readouterr().out and signal.getsignal(signal.SIGINT) is before
    assert promoted(workspace) is None


def test_a_training_starts_from_a_run_or_a_wrapped_state_dict(workspace, tmp_path, capsys):
    """Whoever was measured with stays unseen, and where nobody knows what was seen, that is said."""
    fill(workspace.raw)
    root = ["--workspace", str(workspace.root)]
    assert main([*root, "train", "--epochs", "1", "--name", "first", *FAST]) == 0
    first = Runs(workspace).find("first")
    assert main([*root, "train", "--epochs", "1", "--name", "next", "--start", "first", "--seed", "9", *FAST]) == 0
    after = Runs(workspace).find("next")
    assert after.settings.start_from == first.id and "the run first" in after.record.start
    assert dict(after.split.side) == dict(first.split.side) and "Nobody knows" not in capsys.readouterr().err

    state = torch.load(workspace.model / "best_efficientnet_triplet.pt", weights_only=True)
    torch.save({"epoch": 3, "model_state_dict": state, "optimizer_state_dict": {}}, tmp_path / "theirs.pt")
    options = ["--start", str(tmp_path / "theirs.pt"), "--name", "theirs"]
    assert main([*root, "train", "--epochs", "1", *options, *FAST]) == 0
    theirs = Runs(workspace).find("theirs")
    assert theirs.settings.embedding_size == first.settings.embedding_size
    assert "Nobody knows what theirs.pt was trained on" in capsys.readouterr().err
    with pytest.raises(BadInput):
        settings_of({"start": "first", "embedding_size": 7, "loss_number": ["alpha=1"]}, workspace)
