"""The catalogue: durable, one writer, and a damaged file is never the end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import sqlitefile, vectorstore
from core.catalogue.catalogue import Catalogue
from core.collection.dataset import Dataset
from core.ground.errors import WorkspaceRefused
from core.ground.regions import Region
from core.ground.workspace import Workspace


def test_it_is_safe_against_a_power_cut_and_waits_for_other_writers(workspace: Workspace) -> None:
    with Catalogue(workspace).read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30000}


@pytest.mark.both_databases
def test_the_version_grows_with_every_write_that_ends_well(workspace: Workspace) -> None:
    catalogue = Catalogue(workspace)
    before = catalogue.version
    with catalogue.write() as connection:
        db.put(connection, "colour", "blue")
    assert (catalogue.version, catalogue.get("colour")) == (before + 1, "blue")
    with pytest.raises(ZeroDivisionError), catalogue.write() as connection:
        db.put(connection, "colour", "red")
        raise ZeroDivisionError
    with catalogue.write(quiet=True) as connection:
        db.put(connection, "seen", "yes")
    assert (catalogue.version, catalogue.get("colour"), catalogue.get("seen")) == (before + 1, "blue", "yes")


@pytest.mark.both_databases
def test_writers_in_many_threads_and_two_catalogues_lose_nothing(workspace: Workspace) -> None:
    catalogues = [Catalogue(workspace), Catalogue(workspace)]

    def add(number: int) -> None:
        for _ in range(10):
            with catalogues[number % 2].write() as connection:
                row = connection.execute(sa.select(db.meta.c.value).where(db.meta.c.key == "count")).scalar()
                db.put(connection, "count", str(int(row or 0) + 1))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalogues[0].get("count") == "60"


@pytest.mark.parametrize("damage", ["rubbish", "cut", "page"])
def test_a_damaged_file_is_set_aside_and_rebuilt_from_the_folders(drawn_workspace: Workspace, damage: str) -> None:
    first = Dataset(drawn_workspace)
    first.rescan()
    labels = {item.sha256: item.class_name for item in first.items(limit=None)}
    first.catalogue.close()
    path = drawn_workspace.catalogue
    content = bytearray(path.read_bytes())
    content = {
        "rubbish": b"not a database" * 100,
        "cut": content[: len(content) // 2],
        "page": content[:4096] + b"\xff" * 8192 + content[12288:],
    }[damage]
    path.write_bytes(content)
    again = Dataset(drawn_workspace)
    assert again.notice is not None and "set aside" in str(again.notice)
    assert {item.sha256: item.class_name for item in again.items(limit=None)} == labels
    aside = [p for p in drawn_workspace.data.iterdir() if p.name.startswith("catalogue.damaged-")]
    assert [p.read_bytes() for p in aside if p.suffix == ".sqlite"] == [bytes(content)]
    again.catalogue.close()
    assert Dataset(drawn_workspace).notice is None


def test_what_only_the_damaged_catalogue_knew_is_salvaged(drawn_workspace: Workspace) -> None:
    first = Dataset(drawn_workspace)
    first.rescan()
    bar = first.classes()[0].id
    first.edit_fields(bar, maker="Zeiss")
    first.set_aliases(bar, ["|"])
    first.set_kind(first.item_ids(class_id=bar)[:1], "icon")
    first.report(first.image_bytes(first.items()[0]), verdict="unknown", said="wrong", answer={"a": 1}, note="kept")
    with first.catalogue.write() as connection:  # ballast at the end, for the damage to strike
        connection.execute(sa.text("CREATE TABLE ballast (x TEXT)"))
        connection.execute(sa.text("INSERT INTO ballast VALUES (:x)"), [{"x": "x" * 3000} for _ in range(50)])
    first.catalogue.close()
    content = bytearray(drawn_workspace.catalogue.read_bytes())
    content[-40960:] = b"\xff" * 40960
    drawn_workspace.catalogue.write_bytes(content)
    again = Dataset(drawn_workspace)
    assert again.notice is not None
    assert (again.classes()[0].aliases, again.classes()[0].fields) == (["|"], {"maker": "Zeiss"})
    assert again.count(kind="icon") == 1 and again.counts().originals == 12
    assert [(entry.note, entry.answer) for entry in again.inbox()] == [("kept", {"a": 1})]


def test_the_last_writes_may_be_lost_with_their_file_and_the_folders_still_tell(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    bar = next(c for c in dataset.classes() if c.name == "bar")
    old = sqlite3.connect(drawn_workspace.catalogue)
    old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old.close()
    dataset.relabel(dataset.item_ids(text="cross"), bar.id)
    dataset.catalogue.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{drawn_workspace.catalogue}{suffix}").unlink(missing_ok=True)
    again = Dataset(drawn_workspace)
    again.rescan()
    assert again.count(class_id=bar.id) == 8 and again.counts().originals == 12


@pytest.mark.both_databases
def test_a_newer_schema_is_refused(workspace: Workspace) -> None:
    with Catalogue(workspace).write() as connection:
        db.put(connection, "schema", str(db.SCHEMA + 1))
    with pytest.raises(WorkspaceRefused, match="newer"):
        Catalogue(workspace)


def test_chunks() -> None:
    assert [list(some) for some in db.chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(db.chunks([])) == []


def without_outbox(connection: sa.Connection) -> None:
    """Take away what schemas 4 and 6 brought."""
    connection.execute(sa.text("ALTER TABLE items DROP COLUMN tags"))
    for name, (when, _) in db._WATCHED.items():
        on = f" ON {when.rpartition(' ')[2]}" if connection.dialect.name == "postgresql" else ""
        connection.execute(sa.text(f"DROP TRIGGER {name}{on}"))
    connection.execute(sa.text("DROP INDEX items_by_seen"))
    connection.execute(sa.text("DROP TABLE outbox"))


def test_a_catalogue_of_the_first_schema_opens_with_everything_in_it(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    sha256 = {item.sha256: np.full(4, n, np.float32) for n, item in enumerate(dataset.items())}
    dataset.add_vectors("s", sha256)
    with dataset.catalogue.write() as connection:
        without_outbox(connection)
        for table, column in (("vectors", "outline"), ("items", "region"), ("items", "view"), ("items", "sight")):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        db.put(connection, "schema", "1")
    dataset.catalogue.close()
    again = Dataset(drawn_workspace)
    assert again.catalogue.get("schema") == str(db.SCHEMA)
    assert len(again.vectors("s")[0]) == 12 and again.outlines("s") == {}
    assert len(again.missing_outlines("s")) == len(sha256)
    again.add_outlines("s", {item.sha256: b"\x01\x02\x03" for item in again.items()})
    assert set(again.outlines("s").values()) == {b"\x01\x02\x03"} and again.missing_outlines("s") == []
    assert Dataset(drawn_workspace).outlines("s") == again.outlines("s")


@pytest.mark.both_databases
def test_a_catalogue_from_before_the_regions_opens_with_nothing_lost(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    dataset.set_kind(dataset.item_ids(text="bar"), "icon")
    dataset.add_vectors("s", {item.sha256: np.full(4, n, np.float32) for n, item in enumerate(dataset.items())})
    before, vectors, history = dataset.items(limit=None), dataset.vectors("s"), dataset.history()
    with dataset.catalogue.write() as connection:
        without_outbox(connection)
        for column in ("region", "view", "sight"):
            connection.execute(sa.text(f"ALTER TABLE items DROP COLUMN {column}"))
        db.put(connection, "schema", "2")
    dataset.catalogue.close()
    again = Dataset(drawn_workspace)
    assert again.catalogue.get("schema") == str(db.SCHEMA)
    assert again.items(limit=None) == before
    assert again.history() == history
    assert all(np.array_equal(one, other) for one, other in zip(again.vectors("s"), vectors, strict=True))
    again.set_region(before[0].id, Region(1, 2, 30, 40))
    assert again.item(before[0].id).region == Region(1, 2, 30, 40)
    again.undo()
    again.undo()
    assert again.count(kind="icon") == 0


@pytest.mark.both_databases
def test_a_catalogue_from_before_the_outbox_opens_with_nothing_lost_and_writes_it(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    before, history = dataset.items(limit=None), dataset.history()
    with dataset.catalogue.write() as connection:
        without_outbox(connection)
        db.put(connection, "schema", "3")
    dataset.catalogue.close()
    again = Dataset(drawn_workspace)
    assert again.catalogue.get("schema") == str(db.SCHEMA)
    assert again.items(limit=None) == before and again.history() == history
    version = again.version
    again.trash([before[3].id])
    with again.catalogue.read() as connection:
        assert vectorstore.changed(connection, version).tolist() == [before[3].id]


def test_a_large_file_is_checked_once_a_day_and_at_once_where_something_is_off(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    verdict = sqlitefile._verdict
    monkeypatch.setattr(sqlitefile, "_verdict", lambda file, check: asked.append(check) or verdict(file, check))
    monkeypatch.setattr(sqlitefile, "DAILY_FROM", 0)
    monkeypatch.setattr(sqlitefile, "CLOSELY_BELOW", 0)

    def opened() -> int:
        asked.clear()
        Catalogue(workspace).close()
        return len(asked)

    assert [opened() for _ in range(3)] == [0, 1, 0]  # made, looked at, known
    sound = workspace.data / sqlitefile._SOUND
    yesterday = time.time() - 90_000
    os.utime(sound, (yesterday, yesterday))
    assert [opened(), opened()] == [1, 0]
    sqlitefile.suspect(workspace)
    assert [opened(), opened()] == [2, 0]
    shutil.copy(workspace.catalogue, workspace.data / "other")  # another file in its place
    os.replace(workspace.data / "other", workspace.catalogue)
    assert [opened(), opened()] == [1, 0]
