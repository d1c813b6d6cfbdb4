"""Table: what it is given, and what edited cells or a set of ticks do."""

from __future__ import annotations

import json

import pytest

from core.collection.dataset import Dataset
from pages.ui.components import sheet
from pages.ui.components.sheet import Column, Edit, Said
from pages.ui.data import class_table, tables
from tests.pages.conftest import component, text_of

MARKER = "::JSCODE::function(){window.__hit=1}::JSCODE::"


def ids_of(workspace):
    """The ids of the classes by name, once the folders are read."""
    Dataset(workspace).rescan()
    return {record.name: record.id for record in Dataset(workspace).classes()}


def said(monkeypatch, *events):
    """Make the grid report these events, one a run, and keep what it was given."""
    given, waiting = [], list(events)

    def stand_in(rows, columns, **how):
        given.append((rows, columns, how))
        return waiting.pop(0) if waiting else None

    monkeypatch.setattr(tables, "sheet", stand_in)
    monkeypatch.setattr(class_table, "sheet", stand_in)
    return given


def test_the_images_with_what_their_neighbours_say(open_page, drawn_workspace, monkeypatch):
    given = said(monkeypatch)
    at = open_page(drawn_workspace, "table")
    rows, columns, how = given[-1]
    names = dict(next(column.choices for column in columns if column.id == "class"))
    assert len(rows) == 12 and names[rows[0]["class"]] == "bar" and rows[0]["picture"].startswith("/thumbnail/")
    assert sum(names[row["class"]] == row["said"] for row in rows) >= 10
    assert {column.id for column in columns if column.editable} == {"class", "kind"}
    assert how["selected"] == [] and "12 images" in text_of(at)


def test_an_edited_cell_relabels_that_image_with_undo(open_page, drawn_workspace, dataset_of, monkeypatch):
    ids = ids_of(drawn_workspace)
    said(monkeypatch, Said((Edit(1, "class", ids["cross"], ids["bar"]),)))
    at = open_page(drawn_workspace, "table")
    assert dataset_of(drawn_workspace).item(1).class_name == "cross"
    at.button(key="frame.undo.0").click().run()
    assert dataset_of(drawn_workspace).item(1).class_name == "bar"


def test_the_kind_is_edited_in_its_cell(open_page, drawn_workspace, dataset_of, monkeypatch):
    said(monkeypatch, Said((Edit(1, "kind", "photo", "drawing"),)))
    open_page(drawn_workspace, "table")
    assert dataset_of(drawn_workspace).item(1).kind == "photo"


def test_cells_pasted_together_are_one_change_a_class(open_page, drawn_workspace, dataset_of, monkeypatch):
    ids = ids_of(drawn_workspace)
    said(monkeypatch, Said(tuple(Edit(item_id, "class", ids["cross"], ids["bar"]) for item_id in (1, 2, 3))))
    at = open_page(drawn_workspace, "table")
    assert {dataset_of(drawn_workspace).item(one).class_name for one in (1, 2, 3)} == {"cross"}
    assert "3 images are now of cross." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert {dataset_of(drawn_workspace).item(one).class_name for one in (1, 2, 3)} == {"bar"}


def test_ticks_are_the_selection_of_the_grid_too(open_page, drawn_workspace, monkeypatch):
    given = said(monkeypatch, Said(selected=[2, 3]))
    at = open_page(drawn_workspace, "table")
    assert "2 images selected" in text_of(at)
    at.switch_page("pages/data/label.py")
    at.query_params["view"] = "grid"
    at.run()
    assert "2 images selected" in text_of(at)
    at.switch_page("pages/data/table.py").run()
    assert given[-1][2]["selected"] == [2, 3]


def test_rows_that_left_the_filter_are_not_acted_on_unseen(open_page, drawn_workspace, dataset_of, monkeypatch):
    said(monkeypatch, Said(selected=[1, 2]))
    at = open_page(drawn_workspace, "table", **{"class": "bar"})
    next(box for box in at.selectbox if box.key.startswith("select.class")).set_value("circle").run()
    assert {dataset_of(drawn_workspace).item(one).class_name for one in (1, 2)} == {"circle"}
    assert "0 images selected" in text_of(at) and at.button("select.trash").disabled


def test_the_order_is_of_all_pages_and_the_headings_say_that_they_are_of_one(open_page, drawn_workspace, monkeypatch):
    given = said(monkeypatch)
    monkeypatch.setattr(tables, "PAGE", 5)
    at = open_page(drawn_workspace, "table")
    at.session_state["page"] = 2
    at.run()
    names = {number: name for name, number in ids_of(drawn_workspace).items()}
    assert [names[row["class"]] for row in given[-1][0]] == ["circle"] * 3 + ["cross"] * 2
    assert "12 images. Headings sort and filter what this page shows, up to 5 rows." in text_of(at)
    first = given[-1][2]["key"]
    at.selectbox("table.order").set_value("newest").run()
    assert [row["id"] for row in given[-1][0]] == [12, 11, 10, 9, 8], "the first page of them"
    assert at.query_params["order"] == "newest" and given[-1][2]["key"] != first
    monkeypatch.setattr(tables, "PAGE", 500)
    assert "Headings" not in text_of(at.run())


def test_classes_are_renamed_and_described_in_place(open_page, drawn_workspace, dataset_of, monkeypatch):
    bar = ids_of(drawn_workspace)["bar"]
    events = [(bar, "name", "---e", "bar"), (bar, class_table._column("maker"), "Essilor"), (bar, "aliases", "e, é")]
    said(monkeypatch, *(Said((Edit(*event),)) for event in events))
    at = open_page(drawn_workspace, "table", view="classes")
    for _ in events:
        at.run()
    record = next(record for record in dataset_of(drawn_workspace).classes() if record.id == bar)
    assert (record.name, record.fields, record.aliases) == ("---e", {"maker": "Essilor"}, ["e", "é"])


def test_ticked_classes_are_merged_or_deleted_and_it_is_undone(open_page, drawn_workspace, dataset_of, monkeypatch):
    ids = ids_of(drawn_workspace)
    given = said(monkeypatch, Said(selected=[ids["bar"], ids["cross"]]))
    at = open_page(drawn_workspace, "table", view="classes")
    assert "2 classes ticked" in text_of(at) and "8 images" in text_of(at)
    at.selectbox("table.into.0").set_value("circle").run()
    (circle,) = dataset_of(drawn_workspace).classes()
    assert (circle.name, circle.originals, circle.aliases) == ("circle", 12, ["bar", "cross"])
    assert given[-1][2]["selected"] == [] and "0 classes ticked" in text_of(at)
    at.button("frame.undo.0").click().run()
    assert {record.name: record.originals for record in dataset_of(drawn_workspace).classes()} == dict.fromkeys(ids, 4)


def test_deleted_classes_are_one_entry_and_their_images_are_in_the_trash(
    open_page, drawn_workspace, dataset_of, monkeypatch
):
    ids = ids_of(drawn_workspace)
    said(monkeypatch, Said(selected=[ids["bar"], ids["cross"]]))
    at = open_page(drawn_workspace, "table", view="classes")
    at.button("table.delete").click().run()
    data = dataset_of(drawn_workspace)
    assert [record.name for record in data.classes()] == ["circle"] and data.counts().trash == 8
    assert (data.history(1)[0].action, data.history(1)[0].detail) == ("delete", {"name": "bar, cross"})
    at.switch_page("pages/data/library.py")
    at.query_params["view"] = "trash"
    at.run()
    tiles = component(at, "burin_picker")[-1]["tiles"]
    assert [tile["name"] for tile in tiles] == ["bar"] * 4 + ["cross"] * 4
    at.button("library.restore_all").click().run()
    assert {record.name: record.originals for record in data.classes()} == dict.fromkeys(ids, 4)
    assert "The trash is empty" in [info.proto.title for info in at.info] or "What is deleted comes here" in text_of(at)


@pytest.mark.parametrize("how", ["merge", "delete"])
def test_ticked_classes_that_somebody_else_changed_are_left(open_page, drawn_workspace, dataset_of, monkeypatch, how):
    ids = ids_of(drawn_workspace)
    said(monkeypatch, Said(selected=[ids["bar"], ids["cross"]]))
    at = open_page(drawn_workspace, "table", view="classes")
    dataset_of(drawn_workspace).rename_class(ids["bar"], "barre")
    if how == "merge":
        at.selectbox("table.into.0").set_value("circle").run()
    else:
        at.button("table.delete").click().run()
    assert "barre was changed by somebody else in the meantime." in text_of(at)
    assert {record.name: record.originals for record in dataset_of(drawn_workspace).classes()} == {
        "barre": 4, "circle": 4, "cross": 4
    }  # fmt: skip


def test_fields_come_from_a_spreadsheet(open_page, drawn_workspace, dataset_of, monkeypatch):
    Dataset(drawn_workspace).rescan()
    said(monkeypatch)
    at = open_page(drawn_workspace, "table", view="classes")
    at.file_uploader("table.csv.0").upload("fields.csv", b"name,maker\nbar,Essilor\nnobody,x\n", "text/csv").run()
    at.button("table.fill").click().run()
    assert next(r.fields for r in dataset_of(drawn_workspace).classes() if r.name == "bar") == {"maker": "Essilor"}
    assert "The fields are filled in. Not classes here: nobody" in text_of(at)


def test_a_refused_name_is_said_and_changes_nothing(open_page, drawn_workspace, dataset_of, monkeypatch):
    bar = ids_of(drawn_workspace)["bar"]
    said(monkeypatch, Said((Edit(bar, "name", "cross", "bar"),)))
    at = open_page(drawn_workspace, "table", view="classes")
    assert "There already is a class named cross." in text_of(at)
    assert {record.name for record in dataset_of(drawn_workspace).classes()} == {"bar", "circle", "cross"}


def test_the_fields_of_many_classes_are_one_entry(open_page, drawn_workspace, dataset_of, monkeypatch):
    ids = ids_of(drawn_workspace)
    maker = class_table._column("maker")
    said(monkeypatch, Said(tuple(Edit(class_id, maker, "Essilor") for class_id in ids.values())))
    at = open_page(drawn_workspace, "table", view="classes")
    data = dataset_of(drawn_workspace)
    assert {record.fields.get("maker") for record in data.classes()} == {"Essilor"}
    assert (data.history(1)[0].action, data.history(1)[0].detail) == ("fields", {"name": "bar, circle, cross"})
    assert "3 classes are described anew." in text_of(at)
    at.button("frame.undo.0").click().run()
    assert {record.fields.get("maker") for record in data.classes()} == {None}


def test_what_is_typed_is_never_where_the_table_looks_for_something_else(open_page, drawn_workspace, dataset_of):
    """Ids of columns and keys of choices are ours; names, fields and titles stand where texts stand."""
    ids = ids_of(drawn_workspace)
    data = dataset_of(drawn_workspace)
    data.rename_class(ids["bar"], MARKER)
    data.edit_fields(ids["circle"], **{MARKER: MARKER})
    at = open_page(drawn_workspace, "table", view="classes")
    (shown,) = component(at, "burin_sheet")
    column = next(column for column in shown["columns"] if column["title"] == MARKER)
    assert MARKER not in json.dumps([[column["id"], column["kind"]] for column in shown["columns"]])
    assert [row[column["id"]] for row in shown["rows"] if row["id"] == ids["circle"]] == [MARKER]
    at.query_params.pop("view")
    at.run()
    (shown,) = component(at, "burin_sheet")
    choices = next(column["choices"] for column in shown["columns"] if column["id"] == "class")
    assert [ids["bar"], MARKER] in choices and all(MARKER not in json.dumps(row["class"]) for row in shown["rows"])


COLUMNS = {
    column.id: column
    for column in (
        Column("class", "Class", 100, "choice", editable=True, choices=[(1, "bar"), (2, "cross")]),
        Column("note", "Note", 100, editable=True),
        Column("file", "File", 100),
    )
}


def log(*entries):
    return {"log": list(entries)}


def test_an_entry_of_the_log_is_done_once():
    entry = {"seq": 7, "edits": [{"id": 1, "column": "class", "value": 2, "was": 1}]}
    assert sheet._new(log(entry), COLUMNS, 0) == (Said((Edit(1, "class", 2, 1),)), 7)
    assert sheet._new(log(entry), COLUMNS, 7) == (None, 7)
    assert sheet._new(log({"seq": 8, "open": 3.0}, {"seq": 9, "open": "3"}), COLUMNS, 7) == (Said(opened=3), 9)
    assert sheet._new(log(entry, {"seq": 9, "ticks": [1, "2", 3.0]}), COLUMNS, 7) == (Said(selected=[1, 3]), 9)


@pytest.mark.parametrize(
    "edit",
    [
        {"id": 1, "column": "file", "value": "x"},
        {"id": 1, "column": "no such", "value": "x"},
        {"id": 1, "column": "class", "value": 3},
        {"id": 1, "column": "class", "value": "cross"},
        {"id": 1, "column": "class", "value": [2]},
        {"id": "1", "column": "note", "value": "x"},
        {"id": True, "column": "note", "value": "x"},
        None,
    ],
)
def test_what_no_browser_of_ours_would_send_changes_nothing(edit):
    assert sheet._new(log({"seq": 1, "edits": [edit]}), COLUMNS, 0) == (None, 1)


@pytest.mark.parametrize("said", [None, 3, {}, {"log": 3}, log(None), log({"seq": "x"}), log({"seq": float("inf")})])
def test_a_log_that_is_none_is_left(said):
    assert sheet._new(said, COLUMNS, 4) == (None, 4)


def test_a_cell_holds_so_much():
    said, _ = sheet._new(log({"seq": 1, "edits": [{"id": 1, "column": "note", "value": "x" * 9999}]}), COLUMNS, 0)
    assert said == Said((Edit(1, "note", "x" * sheet.LONGEST),))
