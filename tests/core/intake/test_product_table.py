"""The table of products: what goes out comes back, a spreadsheet adds to it, and a zip brings it with its pictures."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.catalogue import products
from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.errors import BadInput
from core.ground.workspace import Workspace
from core.intake import product_table
from core.intake.exports import export_zip
from core.intake.ingest import import_archive
from core.intake.product_table import import_products, products_csv
from core.intake.work import receive, run_import
from tests.conftest import draw, png_bytes


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    ids = {c.name: c.id for c in dataset.classes()}
    dataset.rename_class(ids["bar"], "=a|b, c")
    two = (Carried(ids["bar"], "above"), Carried(ids["circle"]))
    dataset.create_products(
        [ProductDraft("=1+1", "Lenso", "T67", {"index": "1.67", "Été": "a\tb"}, two), ProductDraft("Duo", code="-6")]
    )
    return dataset


class Told:
    """What a job is told."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def __call__(self, done: int, total: int, note: str = "") -> None:
        pass

    def append(self, record: dict) -> None:
        self.records.append(record)


def table(dataset: Dataset) -> bytes:
    return products_csv(dataset.products(), {c.id: c.name for c in dataset.classes()})


def bare(dataset: Dataset) -> list[tuple]:
    """The products without their numbers, their marks by name."""
    names = {c.id: c.name for c in dataset.classes()}
    return [
        (p.name, p.maker, p.code, p.fields, [(names[m.class_id], m.at) for m in p.marks], p.pictures)
        for p in dataset.products()
    ]


def test_what_goes_out_comes_back_and_no_cell_is_a_formula(dataset: Dataset) -> None:
    out, before = table(dataset), bare(dataset)
    assert not any(cell.startswith(("=", "-")) for row in csv.reader(io.StringIO(out.decode())) for cell in row)
    dataset.trash_products([p.id for p in dataset.products()])
    taken = import_products(dataset, out)
    assert (taken.created, taken.changed, taken.unknown, taken.refused) == (2, 0, [], [])
    assert bare(dataset) == before
    assert import_products(dataset, out).changed == 0
    dataset.undo()
    assert dataset.products() == []


def test_a_spreadsheet_adds_and_changes_and_empty_cells_change_nothing(dataset: Dataset) -> None:
    rows = "Product;Maker;Code;Mark 1;Where 1;mark_2;coating\n"
    rows += "duo;;-6;CROSS;Left;;blue\n=1+1;Lenso;T67;;;;green\nNew;M;;circle;middle;nothing like it;\n;;;;;;\n"
    rows += f"{'x' * 300};;;;;;\n"
    taken = import_products(dataset, rows.encode())
    assert (taken.created, taken.changed, taken.unknown) == (1, 2, ["nothing like it"])
    assert [name[:3] for name, _ in taken.refused] == ["xxx"]
    found = {p[0]: p for p in bare(dataset)}
    assert found["Duo"][3:5] == ({"coating": "blue"}, [("cross", "left")])
    assert found["=1+1"][3:5] == (
        {"index": "1.67", "Été": "a b", "coating": "green"},
        [("=a|b, c", "above"), ("circle", "")],
    )
    assert found["New"][4] == [("circle", "")]
    assert dataset.history(1)[0].action == "product_import"
    with pytest.raises(BadInput, match="product"):
        import_products(dataset, b"a,b\n1,2\n")


def test_the_zip_brings_the_products_with_their_pictures(dataset: Dataset, tmp_path) -> None:
    picture = dataset.add_product_picture(dataset.products()[0].id, png_bytes(draw("wave")))
    with open(tmp_path / "all.zip", "wb") as stream:
        export_zip(dataset, stream)
    other = Dataset(Workspace(tmp_path / "other"))
    outcomes = import_archive(other, tmp_path / "all.zip")
    assert Counter(outcome.outcome for outcome in outcomes) == {"added": 12, "read": 2}, "classes and products"
    assert bare(other) == bare(dataset) and other.product_picture(picture).is_file()
    assert other.counts().originals == 12
    ver = {p.name: p.ver for p in other.products()}
    import_archive(other, tmp_path / "all.zip")
    assert {p.name: p.ver for p in other.products()} == ver


def test_a_preview_and_a_strange_table_bring_no_product(dataset: Dataset, tmp_path) -> None:
    with open(tmp_path / "all.zip", "wb") as stream:
        export_zip(dataset, stream)
    other = Dataset(Workspace(tmp_path / "other"))
    import_archive(other, tmp_path / "all.zip", preview=True)
    assert other.products() == []
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        archive.writestr("products.csv", "product,maker,pictures\nOne,M,../../x.png\n,,\n")
        archive.writestr("product_pictures/photo.png", png_bytes(draw("bar")))
    outcomes = import_archive(other, tmp_path / "odd.zip")
    assert [(o.outcome, o.class_name) for o in outcomes] == [
        ("added", "product_pictures"), ("read", None),
    ], "a class like any other"  # fmt: skip
    (one,) = other.products()
    assert one == replace(one, name="One", maker="M", pictures=())


def test_a_loose_table_beside_images_is_taken_in_with_its_pictures_and_said(dataset: Dataset, tmp_path) -> None:
    """As an export that was unpacked, and then dropped as a folder."""
    picture = dataset.add_product_picture(dataset.products()[0].id, png_bytes(draw("wave")))
    archive = tmp_path / "all.zip"
    with open(archive, "wb") as stream:
        export_zip(dataset, stream)
    other = Dataset(Workspace(tmp_path / "other"))
    with zipfile.ZipFile(archive) as packed:
        uploads = [(f"all/{name}", packed.read(name)) for name in packed.namelist()]
    params = {"files": receive(other.workspace, uploads), "preview": True}
    report = Told()
    said = report.records
    run_import(other.workspace, params, report, lambda: False)  # type: ignore[arg-type]
    assert other.products() == [] and [one["outcome"] for one in said if one["name"] == "all/products.csv"] == ["read"]
    said.clear()
    run_import(other.workspace, {**params, "preview": False}, report, lambda: False)  # type: ignore[arg-type]
    assert bare(other) == bare(dataset) and other.counts().originals == dataset.counts().originals
    assert other.product_picture(picture).is_file()
    assert "product_pictures" not in {record.name for record in other.classes()}
    assert [one["outcome"] for one in said if one["name"] == "all/products.csv"] == ["read"]


def test_a_wide_table_costs_what_is_in_it(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of ten thousand columns and rows of one cell, in a file of some kilobytes, took hours in the server."""
    asked = Counter[str]()
    for name in ("_MARK", "_WHERE"):
        known = getattr(product_table, name)

        def fullmatch(text: str, known: re.Pattern = known, name: str = name) -> re.Match | None:
            asked[name] += 1
            return known.fullmatch(text)

        monkeypatch.setattr(product_table, name, SimpleNamespace(fullmatch=fullmatch))
    wide = "product," + ",".join(f"mark_{n},note {n}" for n in range(5000)) + "\n"
    taken = import_products(dataset, (wide + "".join(f"wide {n}\n" for n in range(300))).encode())
    assert taken.created == 300 and sum(asked.values()) < 3 * 300 + 10_000


def test_the_classes_are_read_once_for_all_rows(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"p{n},circle" for n in range(50)]
    import_products(dataset, ("product,mark_1\n" + "\n".join(rows)).encode())
    read = []
    known = products._classes
    monkeypatch.setattr(products, "_classes", lambda connection: read.append(1) or known(connection))
    again = [f"p{n},cross" for n in range(50)]
    assert import_products(dataset, ("product,mark_1\n" + "\n".join(again)).encode()).changed == 50
    assert len(read) <= 2


@pytest.mark.parametrize("header", ["product,mark_" + "9" * 5000, "product,maker"])
def test_what_is_no_table_of_products_is_said(dataset: Dataset, header: str) -> None:
    rows = {"product,maker": "A," + "x" * 200_000}.get(header, "A,circle")
    before = len(dataset.products())
    with pytest.raises(BadInput, match="at most 200" if "999" in header else "cannot be read"):
        import_products(dataset, f"{header}\n{rows}\n".encode())
    assert len(dataset.products()) == before


def test_a_row_of_too_many_marks_is_refused_alone(dataset: Dataset) -> None:
    header = "product," + ",".join(f"mark_{n}" for n in range(13))
    taken = import_products(dataset, f"{header}\nmany{',circle' * 13}\none,circle\n".encode())
    assert taken.created == 1 and [(name, "at most 12" in str(why)) for name, why in taken.refused] == [("many", True)]


def test_a_table_that_cannot_be_read_stops_no_import(dataset: Dataset) -> None:
    told = Told()
    unread = b"product,maker,pictures\nA,B," + b"x" * 200_000 + b"\n"
    sent = receive(dataset.workspace, [("products.csv", unread), ("wave.png", png_bytes(draw("wave")))])
    assert run_import(dataset.workspace, {"files": sent}, told, lambda: False)["added"] == 1  # type: ignore[arg-type]
    assert {record["name"]: record["outcome"] for record in told.records}["products.csv"] == "refused"
