"""Promise: a fault of the machine is one sentence that says what is safe and what to do, and the work goes on by itself
when its cause is gone; nothing is acknowledged that was written into a file that is no longer there."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest
import sqlalchemy as sa

from core.catalogue import sqlitefile
from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.errors import BurinError, MachineFault, WorkspaceRefused
from core.ground.machine_faults import fault_of
from core.ground.workspace import Workspace
from core.shell.main import main
from pages.ui.refusals import said_of
from tests.plant import failing


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return dataset


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "no space"), "The disk is full"),
        (OSError(errno.EROFS, "read-only", "/x/y"), "/x/y cannot be written"),
        (PermissionError(errno.EACCES, "denied", "/x"), "/x cannot be written"),
        (OSError(errno.EIO, "input/output"), "The disk reports an error"),
        (sqlite3.OperationalError("database is locked"), "Another program holds the catalogue"),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written"),
        (sqlite3.DatabaseError("database disk image is malformed"), "The catalogue is damaged"),
        (MemoryError(), "There is not enough memory"),
        (ValueError("ours"), None),
        (FileNotFoundError(errno.ENOENT, "gone"), None),
    ],
)
def test_the_machine_s_faults_are_told_from_ours(error, said):
    found = fault_of(error)
    assert str(said_of(error)) == str(found) and (found is None if said is None else said in str(found))


def test_a_full_disk_keeps_the_old_and_is_over_when_there_is_room(dataset, capsys):
    workspace, config = dataset.workspace, WorkspaceConfig(neighbours=7)
    workspace.save_config(config)
    with failing(errno.ENOSPC, below=workspace.root):
        with pytest.raises(OSError) as full:
            workspace.save_config(config.with_(neighbours=9))
        assert "The disk is full" in str(fault_of(full.value)) and workspace.config() == config
        assert main(["--workspace", str(workspace.root), "settings", "set", "neighbours", "9"]) == 2
    assert "burin: The disk is full" in capsys.readouterr().err
    workspace.save_config(config.with_(neighbours=9))
    assert workspace.config().neighbours == 9


def test_a_locked_catalogue_is_said_and_goes_on(drawn_workspace, monkeypatch):
    monkeypatch.setattr(sqlitefile, "BUSY_MS", 50)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    other = sqlite3.connect(drawn_workspace.catalogue, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MachineFault, match="Another program holds the catalogue"):
        dataset.create_class("new")
    other.execute("ROLLBACK")
    other.close()
    assert dataset.create_class("new")


AWAY = "The database of the catalogue does not answer"


def test_a_database_that_is_away_is_said_and_gone_on_with_when_it_is_back(drawn_workspace, postgres, capsys):
    drawn_workspace.save_config(WorkspaceConfig(catalogue_url=postgres.fresh()))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    known, name = dataset.counts(), [record.name for record in dataset.classes()]
    with postgres.away():
        for work in (
            dataset.counts,
            lambda: dataset.create_class("new"),
            dataset.rescan,
            lambda: Dataset(drawn_workspace),
        ):
            with pytest.raises(Exception) as away:
                work()
            assert AWAY in str(fault_of(away.value) or away.value), away.value
            assert "password" not in str(away.value).lower()
        assert main(["--workspace", str(drawn_workspace.root), "index"]) == 2
        assert AWAY in capsys.readouterr().err
    assert dataset.counts() == known, "the same collection goes on by itself"
    assert [record.name for record in dataset.classes()] == name, "nothing half done"
    dataset.create_class("new")
    assert dataset.rescan().refused == []
    dataset.catalogue.close()


def test_a_change_that_is_cut_off_is_not_acknowledged(drawn_workspace, postgres):
    """The connection is lost in the middle of a transaction: all or nothing, and said."""
    drawn_workspace.save_config(WorkspaceConfig(catalogue_url=postgres.fresh()))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    with pytest.raises(Exception) as cut, dataset.catalogue.write() as connection:
        connection.execute(sa.text("UPDATE items SET state = 'trash'"))
        with postgres.away():
            connection.execute(sa.text("UPDATE items SET state = 'trash'"))
    assert AWAY in str(fault_of(cut.value) or cut.value)
    assert len(dataset.items(limit=None)) == 12 and dataset.items(state="trash", limit=None) == []
    dataset.catalogue.close()


def test_a_catalogue_that_is_deleted_while_it_is_open_is_put_back_whole(dataset):
    workspace, before = dataset.workspace, dataset.version
    dataset.edit_fields(dataset.classes()[0].id, maker="kept")
    for path in workspace.data.glob("catalogue.sqlite*"):
        path.unlink()
    made = dataset.create_class("after")
    stranger = Dataset(workspace)
    assert {c.name for c in stranger.classes()} == {"bar", "circle", "cross", "after"} and made
    assert stranger.classes()[1].fields == {"maker": "kept"} or any(c.fields for c in stranger.classes())
    assert stranger.version > before and len(stranger.history(10)) >= 3


def test_one_that_is_deleted_within_a_change_takes_nothing(dataset):
    with pytest.raises(BurinError, match="deleted or replaced"), dataset.catalogue.write() as connection:
        os.unlink(dataset.workspace.catalogue)
        connection.exec_driver_sql("INSERT INTO meta VALUES ('lost', '1')")
    assert dataset.catalogue.get("lost") == "" and len(dataset.items(limit=None)) == 12


def test_one_that_is_replaced_is_gone_on_with(dataset):
    path = dataset.workspace.catalogue
    other = path.with_name("other")
    with sqlite3.connect(path) as source, sqlite3.connect(other) as copy:
        source.backup(copy)
    dataset.create_class("forgotten")
    seen = dataset.version
    os.replace(other, path)
    assert dataset.create_class("kept") and dataset.version > seen
    assert {c.name for c in Dataset(dataset.workspace).classes()} >= {"kept"}


def test_rows_that_nobody_wrote_are_damage(dataset):
    with sqlite3.connect(dataset.workspace.catalogue) as connection:
        connection.execute("UPDATE classes SET fields = '{broken'")
    with pytest.raises(MachineFault, match="The catalogue is damaged"):
        dataset.classes()


@pytest.mark.parametrize("url", ["nonsense", "nonsense://x", "postgresql+nothing://x/y"])
def test_a_wrong_address_is_said_and_put_right_in_the_shell(workspace, url, capsys):
    workspace.save_config(WorkspaceConfig(catalogue_url=url))
    with pytest.raises(WorkspaceRefused, match="address of the catalogue"):
        Dataset(workspace)
    assert main(["--workspace", str(workspace.root), "settings", "set", "catalogue_url", ""]) == 0, capsys.readouterr()
    assert Dataset(workspace).classes() == []
