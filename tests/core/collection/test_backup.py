"""`core.collection.backup`: one file holds the workspace as it was, also while people work; nothing foreign enters."""

from __future__ import annotations

import itertools
import json
import zipfile

import pytest

from core.collection.backup import MANIFEST, back_up, restore
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, Conflict
from core.ground.workspace import Workspace
from tests.plant import at_every_step


def contents(dataset: Dataset) -> dict[str, list[str]]:
    names = {record.id: record.name for record in dataset.classes()}
    found: dict[str, list[str]] = {}
    for item in dataset.items(limit=None):
        assert (dataset.workspace.root / item.path).is_file()
        found.setdefault(names.get(item.class_id, ""), []).append(item.sha256)
    return {name: sorted(hashes) for name, hashes in found.items()}


@pytest.fixture
def dataset(drawn_workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    record = next(record for record in dataset.classes() if record.name == "bar")
    dataset.edit_fields(record.id, maker="Essilor")
    dataset.trash([dataset.items(limit=1)[0].id])
    dataset.set_settings(neighbours=7)
    return dataset


def test_everything_comes_back_with_its_history(dataset, tmp_path):
    made = back_up(dataset, tmp_path / "all.zip")
    assert made.missing == () and made.files >= 13
    there = Workspace(tmp_path / "there")
    assert restore(tmp_path / "all.zip", there) == made.files
    back = Dataset(there)
    report = back.rescan()
    assert (report.added, report.removed, report.moved) == (0, 0, 0)
    assert contents(back) == contents(dataset) and back.counts().trash == 1
    assert [entry.action for entry in back.history()] == [entry.action for entry in dataset.history()]
    assert next(r for r in back.classes() if r.name == "bar").fields == {"maker": "Essilor"}
    assert there.config().neighbours == 7
    with pytest.raises(Conflict, match="restore into an empty folder"):
        restore(tmp_path / "all.zip", there)


def test_what_was_restored_is_there_whole_or_not_at_all_wherever_it_was_killed(dataset, tmp_path):
    (dataset.workspace.model / "runs").mkdir(parents=True)
    (dataset.workspace.model / "runs" / "x").write_text("x")
    back_up(dataset, tmp_path / "all.zip")
    number = itertools.count()

    def check(there: Workspace) -> None:
        if not there.data.exists():  # the same again completes it, whatever was there already
            restore(tmp_path / "all.zip", there)
        assert (there.model / "runs" / "x").is_file() and contents(Dataset(there)) == contents(dataset)

    steps = at_every_step(
        lambda: Workspace(tmp_path / f"there-{next(number)}"), lambda there: restore(tmp_path / "all.zip", there), check
    )
    assert steps > 10


@pytest.mark.parametrize("other", ["y", "x"])
def test_nothing_is_restored_over_models_that_are_not_in_the_backup(dataset, tmp_path, other):
    (dataset.workspace.model / "runs").mkdir(parents=True)
    (dataset.workspace.model / "runs" / "x").write_text("x")
    back_up(dataset, tmp_path / "all.zip")
    there = Workspace(tmp_path / "there")
    (there.model / "runs").mkdir(parents=True)
    (there.model / "runs" / other).write_text("of somebody else")
    with pytest.raises(Conflict, match="restore into an empty folder"):
        restore(tmp_path / "all.zip", there)
    assert (there.model / "runs" / other).read_text() == "of somebody else" and not there.data.exists()


def test_a_catalogue_in_postgresql_comes_back_as_a_file(drawn_workspace, postgres, tmp_path):
    drawn_workspace.save_config(drawn_workspace.config().with_(catalogue_url=postgres.fresh(), neighbours=7))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    record = next(record for record in dataset.classes() if record.name == "bar")
    dataset.edit_fields(record.id, maker="Essilor")
    dataset.trash([dataset.items(limit=1)[0].id])
    made = back_up(dataset, tmp_path / "all.zip")
    assert made.missing == ()
    there = Workspace(tmp_path / "there")
    restore(tmp_path / "all.zip", there)
    assert (there.config().catalogue_url, there.config().neighbours) == ("", 7)
    back = Dataset(there)
    assert contents(back) == contents(dataset) and back.counts().trash == 1
    assert [entry.action for entry in back.history()] == [entry.action for entry in dataset.history()]
    assert next(r for r in back.classes() if r.name == "bar").fields == {"maker": "Essilor"}
    back.undo()
    assert back.counts().trash == 0


def test_images_that_move_meanwhile_are_where_the_copy_of_the_catalogue_says(dataset, tmp_path):
    before = contents(dataset)
    classes = {record.name: record.id for record in dataset.classes()}
    moved = False

    def on_progress(done: int, total: int) -> None:
        nonlocal moved
        if not moved:
            moved = True
            dataset.merge_classes([classes["circle"]], classes["cross"])

    made = back_up(dataset, tmp_path / "busy.zip", on_progress=on_progress)
    assert moved and made.missing == ()
    there = Workspace(tmp_path / "there")
    restore(tmp_path / "busy.zip", there)
    assert contents(Dataset(there)) == before != contents(dataset)


def test_a_backup_that_was_stopped_leaves_no_file(dataset, tmp_path):
    assert back_up(dataset, tmp_path / "stopped.zip", should_stop=lambda: True) is None
    assert not (tmp_path / "stopped.zip").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/outside", "data/../../outside", "other/x", "data//x", "data"])
def test_nothing_is_unpacked_outside_the_workspace(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr(MANIFEST, json.dumps({"format": 1, "files": {name: "0" * 64}}))
    with pytest.raises(BadInput):
        restore(tmp_path / "bad.zip", Workspace(tmp_path / "there"))
    assert not (tmp_path / "outside.txt").exists() and not (tmp_path / "there" / "data").exists()


def test_a_damaged_backup_puts_nothing_in_place(dataset, tmp_path):
    back_up(dataset, tmp_path / "all.zip")
    content = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.zip").write_text("Dear sir")
    for name in ("cut.zip", "text.zip"):
        with pytest.raises(BadInput):
            restore(tmp_path / name, Workspace(tmp_path / "there"))
    assert not any((tmp_path / "there").glob("*")) if (tmp_path / "there").exists() else True


def test_a_file_that_is_not_the_one_that_was_backed_up_is_refused(dataset, tmp_path):
    """A sound zip all the same: its own sums are of what is in it."""
    back_up(dataset, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as source, zipfile.ZipFile(tmp_path / "other.zip", "w") as target:
        changed = next(name for name in source.namelist() if name.endswith(".png"))
        for name in source.namelist():
            target.writestr(name, source.read(name) + (b"x" if name == changed else b""))
    with pytest.raises(BadInput, match="is damaged"):
        restore(tmp_path / "other.zip", Workspace(tmp_path / "there"))
    assert not (tmp_path / "there" / "data").exists()
