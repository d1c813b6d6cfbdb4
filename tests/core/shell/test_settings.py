"""``python -m core settings``: shown, changed within their rules, and taken back like everything else."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.ground.errors import Conflict, NotAllowed
from core.ground.rights import Actor
from core.shell.main import main


def test_a_setting_is_changed_and_taken_back(drawn_workspace, capsys):
    at = ["--workspace", str(drawn_workspace.root), "settings"]
    assert main([*at, "set", "size", "128"]) == 0 and drawn_workspace.config().preprocessing.size == 128
    assert main([*at, "set", "neighbours", "7"]) == 0
    assert main([*at, "role", "ada@example.org", "curator"]) == 0
    assert main(at) == 0
    said = capsys.readouterr().out
    assert "128" in said and "role of ada@example.org: curator" in said
    assert main([*at, "undo"]) == 0 and drawn_workspace.config().roles == {}
    assert main([*at, "undo"]) == 0 and drawn_workspace.config().neighbours == 10
    assert drawn_workspace.config().preprocessing.size == 128
    for name, value in (("neighbours", "0"), ("size", "100"), ("neighbours", "x"), ("weights", "nowhere.pt")):
        assert main([*at, "set", name, value]) == 2
    assert main([*at, "set", "catalogue_url", "sqlite:////no/such/folder/x.sqlite"]) == 2
    assert drawn_workspace.config().neighbours == 10 and drawn_workspace.config().catalogue_url == ""


def test_settings_are_a_researchers_and_in_the_history(drawn_workspace):
    dataset = Dataset(drawn_workspace)
    with pytest.raises(NotAllowed):
        dataset.acting_as(Actor("Ada", "curator")).set_settings(neighbours=3)
    mine = dataset.acting_as(Actor("Ada", "researcher"))
    mine.set_settings(neighbours=3, false_accept_rate=0.1)
    mine.set_settings(neighbours=3)  # nothing new, no entry
    (entry,) = mine.history(action="settings")
    assert entry.undoable and entry.detail["settings"] == {"neighbours": [10, 3], "false_accept_rate": [0.05, 0.1]}
    mine.undo()
    assert drawn_workspace.config().neighbours == 10
    mine.redo()
    assert drawn_workspace.config().neighbours == 3
    back = mine.revert(entry.id)
    assert drawn_workspace.config().neighbours == 10
    mine.revert(back.id)  # a taking back is taken back
    assert drawn_workspace.config().neighbours == 3
    with pytest.raises(NotAllowed):
        dataset.acting_as(Actor("Bo", "curator")).revert(entry.id)


def test_a_setting_that_was_changed_again_is_not_overwritten(drawn_workspace):
    dataset = Dataset(drawn_workspace)
    dataset.set_settings(neighbours=3)
    entry = dataset.history(1)[0]
    drawn_workspace.save_config(drawn_workspace.config().with_(neighbours=4))
    with pytest.raises(Conflict):
        dataset.revert(entry.id)
    assert drawn_workspace.config().neighbours == 4
