"""The five commands of the README, one after another in a workspace that has originals and nothing else."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from core.shell.main import main
from core.training.promoted import promoted
from core.training.runs import Runs
from tests.conftest import ROOT
from tests.core.training.conftest import fill

COMMANDS = ("augment", "oversample", "train --data_dir", "evaluate --model_path", "analyze-errors")


def typed(beginning: str) -> list[str]:
    """The words of a command as the README has it; two epochs for its fifty, and no dry run."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = re.search(rf"^python -m core ({re.escape(beginning)}[^#\n]*)", readme, re.MULTILINE)
    assert line is not None, beginning
    words = shlex.split(line[1].replace("--epochs 50", "--epochs 2").replace("--dry_run", ""))
    return ["2" if word == "5" and words[0] == "augment" else word for word in words]


def test_they_run_to_the_last_one_and_the_first_run_is_promoted(workspace, monkeypatch, capsys):
    fill(workspace.raw, classes=3, each=4)
    monkeypatch.chdir(workspace.root)
    for beginning in COMMANDS:
        words = typed(beginning)
        assert main(words) == 0, (words, capsys.readouterr().err)
        if words[0] == "train":
            (run,) = Runs(workspace).list()
            assert promoted(workspace).run_id == run.id and run.number == 1
            assert "Identify uses it from now on" in capsys.readouterr().out
    assert Path("model/error_analysis/report.html").is_file()
    assert Path("model/incorrect_predictions").is_dir()

    # A second run takes nothing over by itself; what to type for it is its last line.
    assert main(["train", "--epochs", "1", "--steps", "1", "--start", "1", "--name", "second", "--policy", "none"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert promoted(workspace).run_id == run.id and said.endswith("python -m core promote 2")
    assert main(said.partition("python -m core ")[2].split()) == 0
    assert promoted(workspace).run_id == Runs(workspace).find("second").id
    assert main(["promote", "--back"]) == 0 and promoted(workspace).run_id == run.id
