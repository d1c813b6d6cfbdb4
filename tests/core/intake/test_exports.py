"""Exports: what goes out is whole, harmless in a spreadsheet, and comes back."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.errors import BadInput
from core.ground.images import content_hash, decode
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.intake.exports import COLUMNS, classes_csv, export_csv, export_parquet, export_zip, import_class_fields
from core.intake.ingest import IncomingFile, import_archive, import_files, preview_files, with_classes
from core.intake.originals import is_bare_png
from tests.conftest import draw, png_bytes


class Pipe(io.RawIOBase):
    """A target that cannot seek, as a download is."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.content += data
        return len(data)


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    names = {c.name: c.id for c in dataset.classes()}
    dataset.rename_class(names["bar"], "---e")
    dataset.rename_class(names["cross"], "*")
    dataset.edit_fields(names["bar"], maker="=1+1", note="a, b")
    dataset.set_aliases(names["bar"], ["@e", "tirets"])
    dataset.relabel(dataset.item_ids(text="circle_0"), None)
    return dataset


def test_a_zip_is_a_stream_of_class_folders(dataset: Dataset) -> None:
    pipe, seen = Pipe(), []
    report = export_zip(dataset, pipe, on_progress=lambda done, total: seen.append((done, total)))  # type: ignore[arg-type]
    assert (report.images, report.missing) == (12, []) and seen[-1] == (12, 12)
    with zipfile.ZipFile(io.BytesIO(pipe.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sorted(names) == sorted(
            [f"---e/bar_{n}.png" for n in range(4)] + [f"%2A/cross_{n}.png" for n in range(4)]
            + [f"circle/circle_{n}.png" for n in range(1, 4)] + ["circle_0.png", "labels.csv", "classes.csv"]
        )  # fmt: skip
        item = dataset.items(text="cross_1")[0]
        assert archive.read("%2A/cross_1.png") == dataset.image_bytes(item)
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
        assert {row["file_name"]: row["label"] for row in rows}["'---e/bar_0.png"] == "'---e"
        assert archive.read("classes.csv") == classes_csv(dataset.classes())


def test_a_choice_of_classes_and_a_lost_file(dataset: Dataset) -> None:
    star = next(c.id for c in dataset.classes() if c.name == "*")
    dataset.path(dataset.items(text="cross_2")[0]).unlink()
    report = export_zip(dataset, io.BytesIO(), class_ids=[star])
    assert report.images == 3 and report.missing == ["data/raw_gravures/%2A/cross_2.png"]


def test_a_choice_of_images(dataset: Dataset) -> None:
    wanted = dataset.item_ids()[1:3]
    target = io.BytesIO()
    assert export_zip(dataset, target, item_ids=wanted).images == 2
    with zipfile.ZipFile(target) as archive:
        files = {name.rpartition("/")[2] for name in archive.namelist()} - {"labels.csv", "classes.csv"}
    assert files == {item.path.rpartition("/")[2] for item in dataset.some(wanted)}


def test_a_csv_holds_no_formula(dataset: Dataset) -> None:
    target = io.BytesIO()
    assert export_csv(dataset, target) == 12
    rows = list(csv.reader(io.StringIO(target.getvalue().decode("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 13
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_parquet_with_embeddings_and_places(dataset: Dataset, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    items = dataset.items(limit=None)
    dataset.add_vectors("s", {item.sha256: np.full(3, item.id, dtype=np.float32) for item in items[:10]})
    labelled = [item for item in items[:10] if item.class_id is not None]
    count = export_parquet(dataset, tmp_path / "x.parquet", space="s", places={labelled[0].id: (0.5, -1.0)})
    rows = {row["item_id"]: row for row in pq.read_table(tmp_path / "x.parquet").to_pylist()}
    assert count == len(rows) == len(labelled)
    for item in labelled:
        row = rows[item.id]
        assert (row["label"], row["sha256"], row["embedding"]) == (item.class_name, item.sha256, [item.id] * 3)
    assert (rows[labelled[0].id]["x"], rows[labelled[0].id]["y"]) == (0.5, -1.0) and rows[labelled[1].id]["x"] is None


def test_class_fields_come_back_from_their_csv(dataset: Dataset) -> None:
    table = classes_csv(dataset.classes())
    assert b"=1+1" not in table.replace(b"'=1+1", b"") and b"'---e" in table
    before = {c.name: (c.aliases, c.fields) for c in dataset.classes()}
    bar = next(c.id for c in dataset.classes() if c.name == "---e")
    dataset.edit_fields(bar, maker=None, note=None)
    dataset.set_aliases(bar, [])
    assert import_class_fields(dataset, table + b"nobody,,x,y\n") == ["nobody"]
    assert {c.name: (c.aliases, c.fields) for c in dataset.classes()} == before
    with pytest.raises(BadInput, match="name"):
        import_class_fields(dataset, b"a,b\n1,2\n")
    assert import_class_fields(dataset, b"label;produit\r\n---E;Varilux\r\n") == []
    assert next(c for c in dataset.classes() if c.id == bar).fields["produit"] == "Varilux"


def test_a_zip_brings_everything_back(dataset: Dataset, tmp_path: Path) -> None:
    names = {c.name: c.id for c in dataset.classes()}
    dataset.create_class("nothing yet")
    dataset.edit_fields(names["circle"], product="X | Y")
    ids = dataset.item_ids(text="cross")
    dataset.set_kind(ids[:2], "photo")
    dataset.tag(ids[1:], add=["worn", "côté", "=1"])
    dataset.tag(dataset.item_ids(class_id=0)[:1], add=["worn"])
    dataset.set_region(ids[0], Region(3, 4, 40, 30), sight="sure")
    dataset.set_sight(ids[3:], "doubt")
    with open(tmp_path / "out.zip", "wb") as target:
        export_zip(dataset, target)
    other = Dataset(Workspace(tmp_path / "other"))
    outcomes = import_archive(other, tmp_path / "out.zip")
    assert Counter(outcome.outcome for outcome in outcomes) == {"added": 12, "read": 1}

    def facts(where: Dataset) -> tuple[object, object]:
        classes = sorted((c.name, c.aliases, sorted(c.fields.items()), c.originals) for c in where.classes())
        items = [(i.class_name, i.file_sha256, i.kind, i.tags, i.region, i.sight) for i in where.items(limit=None)]
        return classes, sorted(items, key=repr)

    assert facts(other) == facts(dataset)
    other.undo()
    assert other.classes() == [] and other.counts().originals == 0
    other.redo()
    assert facts(other) == facts(dataset)


def test_a_list_of_classes_changes_nothing_that_somebody_wrote(dataset: Dataset) -> None:
    table = IncomingFile("classes.csv", b"name,aliases,maker,period\n---e,tirets | new,other,1990\nfresh,,,2001\n")
    files, _, classes = with_classes([table])
    (told,) = preview_files(dataset, files, classes=classes)
    before = dataset.version
    assert (told.outcome, told.reason and told.reason.values) == ("read", {"made": 1, "told": 1}) and before
    (done,) = import_files(dataset, files, classes=classes)
    assert done.reason is not None and done.reason.values == {"made": 1, "told": 2}
    by_name = {c.name: c for c in dataset.classes()}
    assert by_name["---e"].fields == {"maker": "=1+1", "note": "a, b", "period": "1990"}
    assert by_name["---e"].aliases == ["@e", "tirets", "new"] and by_name["fresh"].fields == {"period": "2001"}
    dataset.undo()
    assert "fresh" not in {c.name for c in dataset.classes()}


def test_a_part_takes_only_its_own_classes_along_and_files_may_keep_their_first_names(dataset: Dataset) -> None:
    circle = next(c.id for c in dataset.classes() if c.name == "circle")
    photo = png_bytes(draw("wave", seed=3))
    for name in ("IMG 0001.HEIC", "sub/IMG 0001.jpg"):
        import_files(dataset, [IncomingFile(name, photo, class_name="circle")])
        photo = png_bytes(draw("wave", seed=4))
    target = io.BytesIO()
    export_zip(dataset, target, class_ids=[circle], original_names=True)
    with zipfile.ZipFile(target) as archive:
        assert {"circle/IMG 0001.png", "circle/IMG 0001_2.png"} <= set(archive.namelist())
        assert archive.read("classes.csv").decode().splitlines()[1:] == ["circle,"]


def hidden_jpeg() -> bytes:
    """A JPEG with a place in its EXIF, a comment, and a script behind its end."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    exif[0x0112] = 6
    buffer = io.BytesIO()
    draw("wave", seed=5).resize((60, 40)).save(buffer, "JPEG", exif=exif, comment=b"SECRET-COMMENT")
    return buffer.getvalue() + b"<script>SECRET-TAIL</script>"


def test_of_files_put_there_by_hand_only_the_pixels_go_out(drawn_workspace: Workspace) -> None:
    folder = drawn_workspace.raw / "circle"
    (folder / "hand.jpg").write_bytes(hidden_jpeg())
    (folder / "hand.png").write_bytes(png_bytes(draw("wave", seed=6)) + b"SECRET-TAIL")
    (folder / "gone.gif").write_bytes(png_bytes(draw("wave", seed=7)) + b"SECRET-TAIL")
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    (folder / "gone.gif").write_bytes(b"not a picture any more")
    target = io.BytesIO()
    report = export_zip(dataset, target)
    assert (report.images, report.missing) == (14, ["data/raw_gravures/circle/gone.gif"])
    with zipfile.ZipFile(target) as archive:
        assert not any(b"SECRET" in archive.read(name) for name in archive.namelist())
        names = [name for name in archive.namelist() if "hand" in name]
        assert sorted(names) == ["circle/hand.png", "circle/hand_2.png"]
        rows = {row["file_name"]: row for row in csv.DictReader(io.StringIO(archive.read("labels.csv").decode()))}
        for name in names:
            content = archive.read(name)
            assert rows[name]["sha256"] == content_hash(content) and is_bare_png(content)
        turned = decode(hidden_jpeg())
        assert any(decode(archive.read(name)).tobytes() == turned.tobytes() for name in names), "upright, no pixel lost"


def test_a_table_that_is_none_is_said(dataset: Dataset) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        import_class_fields(dataset, b"name,maker\n" + b'"' + b"x" * 200_000)
