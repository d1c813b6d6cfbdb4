"""Products: the table and the sheet, what each change does and how it is undone, and what a visitor may not."""

from __future__ import annotations

import zlib

import pytest

from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from pages.ui import services
from pages.ui.components.sheet import Edit, Said
from pages.ui.products import shelf
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of


@pytest.fixture
def stocked(drawn_workspace: Workspace) -> Workspace:
    """Two products: Clara (circle on the left, cross) and Nova (bar)."""
    data = Dataset(drawn_workspace)
    data.rescan()
    ids = {record.name: record.id for record in data.classes()}
    clara = ProductDraft(
        "Clara", "Lenso", "T67", {"index": "1.67"}, (Carried(ids["circle"], "left"), Carried(ids["cross"]))
    )
    data.create_products([clara, ProductDraft("Nova", "Other", "74", {}, (Carried(ids["bar"]),))])
    return drawn_workspace


def named(data: Dataset, name: str):
    return next(product for product in data.products() if product.name == name)


def said(monkeypatch, *events):
    """Make the table report these events, one a run, and keep what it was given."""
    given, waiting = [], list(events)

    def stand_in(rows, columns, **how):
        given.append((rows, columns, how))
        return waiting.pop(0) if waiting else None

    monkeypatch.setattr(shelf, "sheet", stand_in)
    return given


def test_an_empty_shelf_says_what_a_product_is_and_one_is_made(open_page, drawn_workspace, dataset_of):
    at = open_page(drawn_workspace, "products")
    assert "There are no products yet" in [info.proto.title for info in at.info]
    at.text_input("products.new.0").set_value("Clara")
    at.text_input("products.new_code.0").set_value("T67")
    at.button("products.make").click().run()
    assert [(p.name, p.code) for p in dataset_of(drawn_workspace).products()] == [("Clara", "T67")]
    assert at.title[0].value == "Clara", "its sheet is open"
    at.button("frame.undo.0").click().run()
    assert dataset_of(drawn_workspace).products() == []


def test_the_table_shows_every_product_with_its_marks(open_page, stocked, monkeypatch):
    given = said(monkeypatch)
    at = open_page(stocked, "products")
    rows, columns, _ = given[-1]
    assert [(row["name"], row["maker"], row["code"], row["marks"]) for row in rows] == [
        ("Clara", "Lenso", "T67", "circle · cross"), ("Nova", "Other", "74", "bar"),
    ]  # fmt: skip
    assert all(row["picture"].startswith("/thumbnail/") for row in rows)
    assert {"name", "maker", "code"} <= {column.id for column in columns if column.editable}
    at.text_input("q").set_value("cross").run()
    assert [row["name"] for row in given[-1][0]] == ["Clara"] and "1 product" in text_of(at)


def test_cells_of_several_products_are_one_change_and_one_undo(open_page, stocked, dataset_of, monkeypatch):
    data = dataset_of(stocked)
    clara, nova = named(data, "Clara").id, named(data, "Nova").id
    note = shelf._column("note")
    said(monkeypatch, Said((Edit(clara, note, "blue"), Edit(nova, note, "blue"), Edit(nova, "code", "75", "74"))))
    at = open_page(stocked, "products")
    assert {p.fields.get("note") for p in data.products()} == {"blue"} and named(data, "Nova").code == "75"
    assert "2 products are described anew." in text_of(at)
    at.button("frame.undo.0").click().run()
    assert {p.fields.get("note") for p in data.products()} == {None} and named(data, "Nova").code == "74"


def test_what_is_refused_stays_in_its_cell_and_the_others_are_taken(open_page, stocked, dataset_of, monkeypatch):
    data = dataset_of(stocked)
    clara, nova = named(data, "Clara").id, named(data, "Nova").id
    refused = []
    monkeypatch.setattr(shelf, "refuse", lambda key, edit, why: refused.append((edit.row, edit.value, why)))
    said(monkeypatch, Said((Edit(clara, "name", "", "Clara"), Edit(nova, "maker", "Novel", "Other"))))
    open_page(stocked, "products")
    assert (named(data, "Clara").name, named(data, "Nova").maker) == ("Clara", "Novel")
    assert refused == [(clara, "", "A product needs a name.")]


def test_a_cell_that_somebody_else_wrote_into_is_not_overwritten(open_page, stocked, dataset_of, monkeypatch):
    data = dataset_of(stocked)
    nova = named(data, "Nova").id
    said(monkeypatch, Said((Edit(nova, "maker", "Mine", "Theirs before"),)))
    at = open_page(stocked, "products")
    assert named(data, "Nova").maker == "Other" and "somebody else" in text_of(at)


def test_ticked_products_are_merged_or_thrown_away_and_come_back(open_page, stocked, dataset_of, monkeypatch):
    data = dataset_of(stocked)
    clara, nova = named(data, "Clara").id, named(data, "Nova").id
    said(monkeypatch, Said(selected=[clara, nova]))
    at = open_page(stocked, "products")
    at.selectbox("products.into.0").set_value(clara).run()
    (one,) = data.products()
    assert (one.name, len(one.marks)) == ("Clara", 3)
    at.button("frame.undo.0").click().run()
    assert [p.name for p in data.products()] == ["Clara", "Nova"]
    said(monkeypatch, Said(selected=[nova]))
    at.run()
    at.button("products.trash").click().run()
    assert [p.name for p in data.products()] == ["Clara"]
    at.query_params["view"] = "trash"
    at.run()
    assert "Nova" in text_of(at)
    at.button(f"products.restore.{nova}").click().run()
    assert [p.name for p in data.products()] == ["Clara", "Nova"]


def test_the_sheet_draws_the_lens_and_its_marks_are_set_in_place(open_page, stocked, dataset_of, monkeypatch):
    data = dataset_of(stocked)
    clara = named(data, "Clara")
    said(monkeypatch, Said(opened=clara.id))
    at = open_page(stocked, "products")
    (drawn,) = component(at, "burin_lens")
    assert [(mark["name"], mark["at"]) for mark in drawn["marks"]] == [("circle", "left"), ("cross", "")]
    assert drawn["code"] == "T67" and all(mark["src"].startswith("/thumbnail/") for mark in drawn["marks"])
    bar = next(record.id for record in data.classes() if record.name == "bar")
    at.selectbox(f"product.{clara.id}.{clara.ver}.class.1").set_value(bar).run()
    at.selectbox(f"product.{clara.id}.{clara.ver + 1}.place.1").set_value("right").run()
    now = named(data, "Clara")
    assert now.marks == (clara.marks[0], Carried(bar, "right"))
    at.button(f"product.{clara.id}.{now.ver}.drop.0").click().run()
    assert named(data, "Clara").marks == (Carried(bar, "right"),)
    at.selectbox(f"product.{clara.id}.{now.ver + 1}.more").set_value(clara.marks[0].class_id).run()
    assert named(data, "Clara").marks == (Carried(bar, "right"), Carried(clara.marks[0].class_id))


def test_the_sheet_describes_and_its_past_can_be_taken_back(open_page, stocked, dataset_of):
    data = dataset_of(stocked)
    clara = named(data, "Clara")
    at = open_page(stocked, "products", product=str(clara.id))
    at.text_input(f"product.{clara.id}.field.code.{zlib.crc32(b'T67'):x}").set_value("T74")
    at.text_input(f"product.{clara.id}.0.more_name").set_value("tint")
    at.text_input(f"product.{clara.id}.0.more_text").set_value("grey")
    at.button(f"product.save.{clara.id}").click().run()
    now = named(data, "Clara")
    assert (now.code, now.fields) == ("T74", {"index": "1.67", "tint": "grey"})
    entry = data.history(1)[0]
    at.button(f"product.revert.{entry.id}").click().run()
    assert named(data, "Clara").code == "T67"


def test_a_picture_is_added_seen_and_taken_off(open_page, stocked, dataset_of):
    data = dataset_of(stocked)
    clara = named(data, "Clara").id
    at = open_page(stocked, "products", product=str(clara))
    at.file_uploader(f"product.pictures.{clara}.0").upload("lens.png", png_bytes(draw("circle")), "image/png").run()
    (name,) = named(data, "Clara").pictures
    assert data.product_picture(name).is_file() and "Pictures" in text_of(at)
    at.button(f"product.picture.{name}").click().run()
    assert named(data, "Clara").pictures == ()


def test_a_product_of_an_old_address_is_said_to_be_gone(open_page, stocked):
    assert "There is no such product any more." in text_of(open_page(stocked, "products", product="999"))


def test_what_the_classes_say_is_proposed_made_with_one_click_and_undone_with_one(open_page, stocked, dataset_of):
    data = dataset_of(stocked)
    ids = {record.name: record.id for record in data.classes()}
    data.describe(
        {ids["bar"]: {"maker": "Third", "product": "Luna"}, ids["circle"]: {"maker": "Third", "product": "luna"}}
    )
    at = open_page(stocked, "products")
    assert "1 product that is not here yet" in text_of(at) and "Third Luna" in text_of(at)
    at.button("products.propose").click().run()
    luna = next(p for p in data.products() if p.maker == "Third")
    assert {mark.class_id for mark in luna.marks} == {ids["bar"], ids["circle"]}
    assert not [button for button in at.button if button.key == "products.propose"]
    at.button("frame.undo.0").click().run()
    assert [p.name for p in data.products()] == ["Clara", "Nova"]


def test_a_csv_comes_in_says_what_became_of_it_and_is_undone(open_page, stocked, dataset_of):
    data = dataset_of(stocked)
    at = open_page(stocked, "products")
    table = b"product,maker,code,mark_1,mark_2,tint\nLuna,Third,L1,bar,nothing,grey\nNova,Other,74,,,brown\n"
    at.file_uploader("products.csv.0").upload("products.csv", table, "text/csv").run()
    at.button("products.fill").click().run()
    assert "1 product is new, 1 was changed. Not classes here: nothing." in text_of(at)
    assert named(data, "Luna").fields == {"tint": "grey"} and named(data, "Nova").fields == {"tint": "brown"}
    at.button("frame.undo.0").click().run()
    assert [p.name for p in data.products()] == ["Clara", "Nova"] and named(data, "Nova").fields == {}


def test_a_visitor_looks_and_changes_nothing(open_page, stocked, dataset_of, monkeypatch):
    stocked.save_config(WorkspaceConfig(default_role="viewer"))
    given = said(monkeypatch)
    at = open_page(stocked, "products")
    assert not any(column.editable for column in given[-1][1]) and given[-1][0]
    for key in ("products.make", "products.fill", "products.trash"):
        assert at.button(key).disabled, key
    clara = named(dataset_of(stocked), "Clara").id
    at.query_params["product"] = str(clara)
    at.run()
    assert at.title[0].value == "Clara" and "T67" in text_of(at) and component(at, "burin_lens")
    assert not [box for box in at.selectbox if box.key.startswith("product.")] and at.button("product.trash").disabled


@pytest.mark.parametrize("role", ["curator", "researcher"])
def test_who_keeps_the_collection_or_trains_may_do_all_of_it(open_page, stocked, dataset_of, monkeypatch, role):
    stocked.save_config(WorkspaceConfig(default_role=role))
    given = said(monkeypatch)
    at = open_page(stocked, "products")
    assert any(column.editable for column in given[-1][1])
    at.text_input("products.new.0").set_value("Luna")
    at.button("products.make").click().run()
    luna = named(dataset_of(stocked), "Luna").id
    assert at.title[0].value == "Luna" and not at.button("product.trash").disabled
    at.button("product.trash").click().run()
    assert [one.id for one in dataset_of(stocked).products(state="trash")] == [luna]


def test_an_edited_product_loads_no_reference_anew(open_page, stocked, dataset_of):
    open_page(stocked, "products")
    before = services.base()
    data = dataset_of(stocked).acting_as(Actor("Ada"))
    data.edit_products({named(data, "Clara").id: {"code": "T1"}})
    assert services.base() is before
    data.relabel(data.item_ids()[:1], next(record.id for record in data.classes() if record.name == "cross"))
    assert services.base() is not before
