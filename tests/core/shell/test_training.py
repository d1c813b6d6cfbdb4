"""``python -m core train``: its options become the settings, and the result is a run that can be promoted."""

from __future__ import annotations

import pytest

from core.shell.main import main
from core.training.runs import Runs
from core.training.used import promoted
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
    assert "before training: top-1" in out and "epoch 2: top-1" in out and f"Run {run.id} finished." in out
    assert main(["train", "--data_dir", raw, "--resume", run.id, *FAST]) == 2
    assert "nothing to go on with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch_size", "7"], "A batch of 7 images cannot hold 2 of each class"),
        (["--resume", "none"], "There is no run none."),
        (["--loss", "contrastive"], "The loss contrastive does not fit the model embedding."),
        (["--data_dir", "nowhere"], "There is no folder"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(workspace, capsys, options, said):
    assert main(["--workspace", str(workspace.root), "train", *FAST, *options]) == 2
    assert said in capsys.readouterr().err
    assert not workspace.runs.exists()
