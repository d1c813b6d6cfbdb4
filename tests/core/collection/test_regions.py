"""Originals with a region: what is seen of them, their vectors, the journal, and what goes out and comes back."""

import io
import sqlite3

import numpy as np
import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.collection.salvage import salvage
from core.embedding.gallery import Gallery, update
from core.ground.errors import ConfigRefused, Conflict
from core.ground.images import decode
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.intake.exports import export_zip
from core.intake.ingest import IncomingFile, import_archive, import_files
from core.intake.labels import Look
from tests.conftest import draw, png_bytes

LEFT, RIGHT = Region(0, 0, 100, 100), Region(200, 0, 100, 100)


@pytest.fixture
def photo():
    """A picture of a circle at the left and a bar at the right."""
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    return png_bytes(picture)


@pytest.fixture
def dataset(drawn_workspace):
    found = Dataset(drawn_workspace)
    found.rescan()
    return found


def take(dataset, photo, class_name, look=None, name="photo.png"):
    (outcome,) = import_files(dataset, [IncomingFile(name, photo, class_name=class_name, look=look or Look())])
    return outcome


@pytest.mark.both_databases
def test_a_region_is_what_is_seen_and_is_taken_back_by_undo(dataset, photo, fake_embedder, catalogue_url):
    item = dataset.item(take(dataset, photo, "bar").item_id)
    assert (item.region, item.sha256) == (None, item.file_sha256)
    update(dataset, fake_embedder)
    dataset.set_region(item.id, RIGHT, versions={item.id: item.ver})
    told = dataset.item(item.id)
    assert told.region == RIGHT
    assert told.file_sha256 == item.sha256 != told.sha256
    assert dataset.image_bytes(told) == photo  # the file is not touched
    assert dataset.picture(told).size == (100, 100)
    assert decode(dataset.thumbnail(told)).size == (100, 100)
    assert [one.id for one in dataset.missing_vectors(fake_embedder.space)] == [item.id]  # its vector is made anew
    update(dataset, fake_embedder)
    gallery = Gallery.load(dataset, fake_embedder)
    row = int(gallery.rows_of(np.array([item.id]))[0])
    alone = decode(photo).crop((200, 0, 300, 100))
    expected = fake_embedder.embed(see(alone, fake_embedder.preprocessing)[None])[0]
    assert gallery.vectors[row] == pytest.approx(expected, abs=1e-6)

    (entry,) = dataset.history(1)
    assert (entry.action, entry.items, entry.undoable) == ("region", 1, True)
    dataset.undo()
    assert (dataset.item(item.id).region, dataset.item(item.id).sha256) == (None, item.sha256)
    assert dataset.missing_vectors(fake_embedder.space) == []  # the one of the whole picture is still there
    dataset.redo()
    assert dataset.item(item.id).region == RIGHT


def test_a_region_outside_the_picture_is_refused_and_the_whole_picture_is_none(dataset, photo):
    item = dataset.item(take(dataset, photo, "bar").item_id)
    with pytest.raises(ConfigRefused, match="300 × 100"):
        dataset.set_region(item.id, Region(300, 0, 5, 5))
    dataset.set_region(item.id, Region(0, 0, 300, 100))
    assert dataset.item(item.id).region is None
    dataset.set_region(item.id, Region(250, 50, 500, 500))
    assert dataset.item(item.id).region == Region(250, 50, 50, 50)
    with pytest.raises(Conflict):
        dataset.set_region(item.id, LEFT, versions={item.id: item.ver})


@pytest.mark.both_databases
def test_two_marks_of_one_picture_are_two_originals_with_two_vectors(dataset, photo, fake_embedder, catalogue_url):
    first = take(dataset, photo, "circle", Look(LEFT))
    second = take(dataset, photo, "bar", Look(RIGHT))
    assert (first.outcome, second.outcome) == ("added", "added")
    assert take(dataset, photo, "bar", Look(RIGHT)).outcome == "present"
    assert take(dataset, photo, None).outcome == "present"  # the file as such is there
    one, other = dataset.some([first.item_id, second.item_id])
    assert one.file_sha256 == other.file_sha256
    assert one.sha256 != other.sha256
    update(dataset, fake_embedder)
    gallery = Gallery.load(dataset, fake_embedder)
    rows = gallery.vectors[gallery.rows_of(np.array([one.id, other.id]))]
    assert float(rows[0] @ rows[1]) < 0.99
    assert gallery.outlines is not None


def test_with_an_embedder_the_vector_of_the_region_comes_with_its_row(dataset, photo, fake_embedder):
    file = IncomingFile("photo.png", photo, class_name="bar", look=Look(RIGHT))
    update(dataset, fake_embedder)
    import_files(dataset, [file], embedder=fake_embedder)
    assert dataset.missing_vectors(fake_embedder.space) == []


@pytest.mark.both_databases
def test_what_is_in_doubt_does_not_vote_until_somebody_vouches_for_it(dataset, photo, fake_embedder, catalogue_url):
    item_id = take(dataset, photo, "bar").item_id
    update(dataset, fake_embedder)
    assert item_id in Gallery.load(dataset, fake_embedder).item_ids
    dataset.set_sight([item_id], "doubt")
    assert dataset.item(item_id).sight == "doubt"
    assert item_id not in Gallery.load(dataset, fake_embedder).item_ids
    dataset.undo()
    assert item_id in Gallery.load(dataset, fake_embedder).item_ids
    dataset.redo()
    dataset.set_sight([item_id], "sure")
    assert item_id in Gallery.load(dataset, fake_embedder).item_ids
    assert dataset.history(1)[0].detail == {"to": "sure"}


def test_regions_go_out_with_the_zip_and_come_back(dataset, photo, tmp_path):
    first = take(dataset, photo, "circle", Look(LEFT, "sure"))
    take(dataset, photo, "bar", Look(Region(200, 0, 100, 100, turn=-7.5, tone="dark")))
    loose = take(dataset, png_bytes(draw("cross", seed=9, side=80)), None, Look(Region(1, 2, 30, 40)), "loose.png")
    target = io.BytesIO()
    export_zip(dataset, target)
    (tmp_path / "out.zip").write_bytes(target.getvalue())
    again = Dataset(Workspace(tmp_path / "again"))
    import_archive(again, tmp_path / "out.zip")

    def what(data):
        return sorted((i.class_name, i.file_sha256, str(i.region), i.sight) for i in data.items(limit=None))

    assert what(again) == what(dataset)
    assert dataset.item(first.item_id).region == LEFT
    assert dataset.item(loose.item_id).class_id is None


def test_a_file_changed_by_hand_keeps_its_region_where_that_still_fits(dataset, photo):
    item = dataset.item(take(dataset, photo, "bar").item_id)
    dataset.set_region(item.id, RIGHT)
    before = dataset.item(item.id)
    path = dataset.path(before)
    path.write_bytes(png_bytes(decode(photo).transpose(Image.Transpose.FLIP_TOP_BOTTOM)))
    dataset.rescan()
    after = dataset.item(item.id)
    assert after.region == RIGHT
    assert after.sha256 == RIGHT.of(after.file_sha256) != before.sha256
    path.write_bytes(png_bytes(draw("bar", seed=3, side=90)))
    dataset.rescan()
    assert (dataset.item(item.id).region, dataset.item(item.id).sha256) == (None, dataset.item(item.id).file_sha256)


def test_a_damaged_catalogue_gives_its_regions_back_and_an_older_one_what_it_has(dataset, photo, drawn_workspace):
    item = dataset.item(take(dataset, photo, "bar").item_id)
    dataset.set_region(item.id, RIGHT)
    dataset.set_sight([item.id], "doubt")
    dataset.set_kind([item.id], "icon")
    connection = sqlite3.connect(drawn_workspace.catalogue)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    copy = drawn_workspace.catalogue.with_name("older.sqlite")
    copy.write_bytes(drawn_workspace.catalogue.read_bytes())
    dataset.set_region(item.id, None)
    salvage(dataset.catalogue, copy)
    found = dataset.item(item.id)
    assert (found.region, found.sight, found.kind) == (RIGHT, "doubt", "icon")
    assert found.sha256 == RIGHT.of(found.file_sha256)
    connection = sqlite3.connect(copy)
    connection.execute("DROP INDEX IF EXISTS items_by_seen")
    for trigger in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger[0]}")
    for column in ("region", "view", "sight"):
        connection.execute(f"ALTER TABLE items DROP COLUMN {column}")
    connection.commit()
    connection.close()
    dataset.set_kind([item.id], "photo")
    salvage(dataset.catalogue, copy)
    assert dataset.item(item.id).kind == "icon"
