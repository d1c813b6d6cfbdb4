"""Products: made, changed, merged, thrown away, and all of it undone; a class takes its products along."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.records import Carried, ProductDraft
from core.collection.backup import back_up, restore
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, Conflict, ImageRefused, NameRefused, NotFound
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from tests.conftest import draw, png_bytes


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace, actor=Actor("Ada"))
    dataset.rescan()
    return dataset


def named(dataset: Dataset, name: str) -> int:
    return next(c.id for c in dataset.classes() if c.name == name)


def clara(dataset: Dataset) -> ProductDraft:
    marks = (Carried(named(dataset, "circle"), "left"), Carried(named(dataset, "cross"), "right"))
    return ProductDraft("Clara", "Lenso", "T67", {"index": "1.67"}, marks)


@pytest.mark.both_databases
def test_a_product_is_made_changed_and_undone_step_by_step(dataset: Dataset) -> None:
    (one,) = dataset.create_products([clara(dataset)])
    made = dataset.product(one)
    assert replace(made, id=0, ver=0) == replace(made, **vars(clara(dataset)), id=0, ver=0)
    dataset.edit_products({one: {"name": "  Clara  HD ", "code": "T68", "index": "", "note": "blue"}})
    dataset.set_product_marks(one, [Carried(named(dataset, "bar"), "above")], version=made.ver + 1)
    now = dataset.product(one)
    assert (now.name, now.maker, now.code, now.fields) == ("Clara HD", "Lenso", "T68", {"note": "blue"})
    assert now.marks == (Carried(named(dataset, "bar"), "above"),)
    dataset.trash_products([one])
    assert dataset.products() == [] and [p.name for p in dataset.products(state="trash")] == ["Clara HD"]
    actions = [entry.action for entry in dataset.history(product_id=one)]
    assert actions == ["product_trash", "product_edit", "product_edit", "product_create"]
    for _ in range(3):
        dataset.undo()
    assert replace(dataset.product(one), ver=0) == replace(made, ver=0)
    dataset.undo()
    assert dataset.products() == dataset.products(state="trash") == []
    for _ in range(4):
        dataset.redo()
    assert [p.name for p in dataset.products(state="trash")] == ["Clara HD"]
    dataset.restore_products([one])
    assert replace(dataset.product(one), ver=0) == replace(now, ver=0)


@pytest.mark.both_databases
def test_two_products_are_the_same_by_maker_name_and_code(dataset: Dataset) -> None:
    one, other = dataset.create_products([clara(dataset), replace(clara(dataset), code="T60")])
    with pytest.raises(Conflict, match="already is a product"):
        dataset.create_products([replace(clara(dataset), name="CLARA")])
    with pytest.raises(Conflict, match="already is a product"):
        dataset.edit_products({other: {"code": "t67"}})
    dataset.trash_products([one])
    dataset.edit_products({other: {"code": "T67"}})
    with pytest.raises(Conflict, match="already is a product"):
        dataset.restore_products([one])
    assert [p.id for p in dataset.products()] == [other]


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(dataset: Dataset) -> None:
    (one,) = dataset.create_products([clara(dataset)])
    seen = dataset.product(one)
    dataset.acting_as(Actor("Bo")).edit_products({one: {"note": "Bo's"}})
    with pytest.raises(Conflict, match="somebody else"):
        dataset.edit_products({one: {"note": "Ada's"}}, shown={one: {"note": ""}})
    with pytest.raises(Conflict, match="somebody else"):
        dataset.set_product_marks(one, [], version=seen.ver)
    with pytest.raises(Conflict, match="somebody else"):
        dataset.trash_products([one], versions={one: seen.ver})
    dataset.edit_products({one: {"index": "1.5"}}, shown={one: {"index": "1.67"}})
    assert dataset.product(one).fields == {"index": "1.5", "note": "Bo's"}


@pytest.mark.both_databases
def test_merging_products_keeps_what_each_knew(dataset: Dataset) -> None:
    circle, cross, bar = (named(dataset, name) for name in ("circle", "cross", "bar"))
    first = ProductDraft("Clara", "", "", {"index": "1.6"}, (Carried(circle), Carried(circle)))
    second = ProductDraft("Clara 67", "Lenso", "T67", {"index": "1.67", "note": "n"}, (Carried(circle), Carried(bar)))
    third = ProductDraft("Klara", "Other", "K", {}, (Carried(cross, "below"),), ("x.png",))
    one, two, three = dataset.create_products([first, second, third])
    dataset.merge_products([two, three], one)
    (kept,) = dataset.products()
    assert (kept.name, kept.maker, kept.code) == ("Clara", "Lenso", "T67")
    assert kept.fields == {"index": "1.6", "note": "n"} and kept.pictures == ("x.png",)
    assert kept.marks == (Carried(circle), Carried(circle), Carried(bar), Carried(cross, "below"))
    assert dataset.products(state="trash") == []
    dataset.undo()
    assert len(dataset.products()) == 3 and dataset.product(one).maker == ""


@pytest.mark.both_databases
def test_a_class_that_is_renamed_merged_or_brought_back_takes_its_products_along(dataset: Dataset) -> None:
    circle, cross, bar = (named(dataset, name) for name in ("circle", "cross", "bar"))
    one, thrown = dataset.create_products([clara(dataset), ProductDraft("Old", marks=(Carried(circle),))])
    dataset.trash_products([thrown])
    dataset.rename_class(circle, "(e")
    assert dataset.product(one).marks[0] == Carried(circle, "left")
    dataset.merge_classes([circle], bar)
    assert dataset.product(one).marks == (Carried(bar, "left"), Carried(cross, "right"))
    assert dataset.product(thrown).marks == (Carried(bar),)
    dataset.undo()
    assert (
        dataset.product(one).marks[0] == Carried(circle, "left") and dataset.product(thrown).marks[0].class_id == circle
    )
    items = dataset.item_ids(class_id=circle)
    dataset.trash_class(circle)
    heir = dataset.create_class("(e")
    dataset.restore(items)
    assert dataset.product(one).marks[0] == Carried(heir, "left")


def test_what_cannot_be_a_product_is_refused_and_changes_nothing(dataset: Dataset) -> None:
    before = dataset.version
    for draft, error in (
        (ProductDraft("  "), NameRefused),
        (ProductDraft("x" * 201), NameRefused),
        (ProductDraft("x", marks=(Carried(99),)), NotFound),
        (ProductDraft("x", marks=(Carried(1, "middle"),)), BadInput),  # type: ignore[arg-type]
        (ProductDraft("x", marks=(Carried(1),) * 13), BadInput),
    ):
        with pytest.raises(error):
            dataset.create_products([ProductDraft("fine"), draft])
    assert dataset.products() == [] and dataset.version == before
    (one,) = dataset.create_products([ProductDraft("a\nb\x00\u202e", fields={"note": "c\td", "": "x"})])
    assert (dataset.product(one).name, dataset.product(one).fields) == ("a b", {"note": "c d"})


def test_pictures_are_kept_without_metadata_and_come_off_and_back(dataset: Dataset) -> None:
    (one,) = dataset.create_products([clara(dataset)])
    name = dataset.add_product_picture(one, png_bytes(draw("wave")))
    assert dataset.add_product_picture(one, png_bytes(draw("wave"))) == name
    assert dataset.product(one).pictures == (name,) and dataset.product_picture(name).read_bytes()[:4] == b"\x89PNG"
    dataset.remove_product_picture(one, name)
    assert dataset.product(one).pictures == ()
    dataset.undo()
    assert dataset.product(one).pictures == (name,)
    with pytest.raises(ImageRefused):
        dataset.add_product_picture(one, b"no picture")
    for wrong in ("../catalogue.sqlite", "..\\x", "gone.png"):
        with pytest.raises(NotFound):
            dataset.product_picture(wrong)


def test_a_backup_brings_the_products_and_their_pictures_back(dataset: Dataset, tmp_path) -> None:
    (one,) = dataset.create_products([clara(dataset)])
    name = dataset.add_product_picture(one, png_bytes(draw("wave")))
    assert back_up(dataset, tmp_path / "b.zip") is not None
    restore(tmp_path / "b.zip", Workspace(tmp_path / "new"))
    again = Dataset(Workspace(tmp_path / "new"))
    assert again.products() == dataset.products()
    assert again.product_picture(name).read_bytes() == dataset.product_picture(name).read_bytes()


@pytest.mark.both_databases
def test_a_catalogue_from_before_the_products_opens_with_nothing_lost(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    dataset.edit_fields(named(dataset, "bar"), maker="Lenso", product="Clara")
    before, history = dataset.items(limit=None), dataset.history()
    with dataset.catalogue.write() as connection:
        db.products.drop(connection)
        connection.execute(sa.text("ALTER TABLE items DROP COLUMN tags"))
        db.put(connection, "schema", "4")
    dataset.catalogue.close()
    again = Dataset(drawn_workspace)
    assert again.catalogue.get("schema") == str(db.SCHEMA)
    assert again.items(limit=None) == before and again.history() == history and again.products() == []
    (one,) = again.create_products([clara(again)])
    assert [p.id for p in Dataset(drawn_workspace).products()] == [one]


def test_of_a_damaged_catalogue_the_products_are_salvaged_with_their_marks(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.trash_class(dataset.create_class("first"))  # so that the ids will be others
    dataset.rescan()
    dataset.create_products([clara(dataset)])
    dataset.trash_class(named(dataset, "circle"))
    shutil.rmtree(drawn_workspace.trash)
    with dataset.catalogue.write() as connection:  # ballast at the end, for the damage to strike
        connection.execute(sa.text("CREATE TABLE ballast (x TEXT)"))
        connection.execute(sa.text("INSERT INTO ballast VALUES (:x)"), [{"x": "x" * 3000} for _ in range(50)])
    dataset.catalogue.close()
    content = bytearray(drawn_workspace.catalogue.read_bytes())
    content[-40960:] = b"\xff" * 40960
    drawn_workspace.catalogue.write_bytes(content)
    again = Dataset(drawn_workspace)
    assert again.notice is not None
    (one,) = again.products()
    assert (one.name, one.code, one.marks) == ("Clara", "T67", (Carried(named(again, "cross"), "right"),))
