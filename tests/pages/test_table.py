"""Table: what the grid is given, and what one edited cell or a set of ticks does."""

from __future__ import annotations

from core.collection.dataset import Dataset
from pages.ui.components import sheet
from pages.ui.components.sheet import Said
from pages.ui.data import class_table, tables
from pages.ui.state import Workbench
from tests.pages.conftest import component, text_of


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
    assert len(rows) == 12 and rows[0]["class"] == "bar" and rows[0]["picture"].startswith("data:image/webp")
    assert sum(row["class"] == row["said"] for row in rows) >= 10
    assert {column["field"] for column in columns if column.get("editable")} == {"class", "kind"}
    assert how["selected"] == [] and "12 images" in text_of(at)


def test_an_edited_cell_relabels_that_image_with_undo(open_page, drawn_workspace, dataset_of, monkeypatch):
    said(monkeypatch, Said(edit=(1, "class", "cross")))
    at = open_page(drawn_workspace, "table")
    assert dataset_of(drawn_workspace).item(1).class_name == "cross"
    at.button(key="frame.undo.0").click().run()
    assert dataset_of(drawn_workspace).item(1).class_name == "bar"


def test_the_kind_is_edited_in_its_cell(open_page, drawn_workspace, dataset_of, monkeypatch):
    said(monkeypatch, Said(edit=(1, "kind", "photograph")))
    open_page(drawn_workspace, "table")
    assert dataset_of(drawn_workspace).item(1).kind == "photo"


def test_a_class_that_does_not_exist_is_not_made_by_a_cell(open_page, drawn_workspace, dataset_of, monkeypatch):
    said(monkeypatch, Said(edit=(1, "class", "no such")))
    open_page(drawn_workspace, "table")
    assert dataset_of(drawn_workspace).item(1).class_name == "bar"
    assert len(dataset_of(drawn_workspace).classes()) == 3


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
    assert [row["class"] for row in given[-1][0]] == ["circle"] * 3 + ["cross"] * 2
    assert "12 images. Headings sort and filter these 5 rows." in text_of(at)
    first = given[-1][2]["key"]
    at.selectbox("table.order").set_value("newest").run()
    assert [row["id"] for row in given[-1][0]] == [12, 11, 10, 9, 8], "the first page of them"
    assert at.query_params["order"] == "newest" and given[-1][2]["key"] != first
    monkeypatch.setattr(tables, "PAGE", 500)
    assert "Headings" not in text_of(at.run())


def test_classes_are_renamed_and_described_in_place(open_page, drawn_workspace, dataset_of, monkeypatch):
    Dataset(drawn_workspace).rescan()
    bar = next(record.id for record in dataset_of(drawn_workspace).classes() if record.name == "bar")
    events = [(bar, "name", "---e"), (bar, "field maker", "Essilor"), (bar, "aliases", "e, é")]
    said(monkeypatch, *(Said(edit=event) for event in events))
    at = open_page(drawn_workspace, "table", view="classes")
    for _ in events:
        at.run()
    record = next(record for record in dataset_of(drawn_workspace).classes() if record.id == bar)
    assert (record.name, record.fields, record.aliases) == ("---e", {"maker": "Essilor"}, ["e", "é"])


def test_ticked_classes_are_merged_or_deleted_and_it_is_undone(open_page, drawn_workspace, dataset_of, monkeypatch):
    Dataset(drawn_workspace).rescan()
    ids = {record.name: record.id for record in dataset_of(drawn_workspace).classes()}
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
    Dataset(drawn_workspace).rescan()
    ids = {record.name: record.id for record in dataset_of(drawn_workspace).classes()}
    said(monkeypatch, Said(selected=[ids["bar"], ids["cross"]]))
    at = open_page(drawn_workspace, "table", view="classes")
    at.button("table.delete").click().run()
    data = dataset_of(drawn_workspace)
    assert [record.name for record in data.classes()] == ["circle"] and data.counts().trash == 8
    assert (data.history(1)[0].action, data.history(1)[0].detail) == ("delete", {"name": "bar, cross"})
    at.switch_page("pages/data/library.py")
    at.query_params["view"] = "trash"
    at.run()
    walls = component(at, "burin_gallery")[-1]["groups"]
    assert [(group["title"], len(group["tiles"])) for group in walls] == [("bar", 4), ("cross", 4)]
    at.button("library.restore_all").click().run()
    assert {record.name: record.originals for record in data.classes()} == dict.fromkeys(ids, 4)
    assert "The trash is empty" in [info.proto.title for info in at.info] or "What is deleted comes here" in text_of(at)


def test_fields_come_from_a_spreadsheet(open_page, drawn_workspace, dataset_of, monkeypatch):
    Dataset(drawn_workspace).rescan()
    said(monkeypatch)
    at = open_page(drawn_workspace, "table", view="classes")
    at.file_uploader("table.csv.0").upload("fields.csv", b"name,maker\nbar,Essilor\nnobody,x\n", "text/csv").run()
    at.button("table.fill").click().run()
    assert next(r.fields for r in dataset_of(drawn_workspace).classes() if r.name == "bar") == {"maker": "Essilor"}
    assert "The fields are filled in. Not classes here: nobody" in text_of(at)


def test_a_refused_name_is_said_and_changes_nothing(open_page, drawn_workspace, dataset_of, monkeypatch):
    Dataset(drawn_workspace).rescan()
    bar = next(record.id for record in dataset_of(drawn_workspace).classes() if record.name == "bar")
    said(monkeypatch, Said(edit=(bar, "name", "cross")))
    at = open_page(drawn_workspace, "table", view="classes")
    assert "There already is a class named cross." in text_of(at)
    assert {record.name for record in dataset_of(drawn_workspace).classes()} == {"bar", "circle", "cross"}


def test_the_real_grid_draws_and_sends_no_rows_back(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "table")
    assert not at.exception
    assert "said.selected" in sheet.SAID and "getData" not in sheet.SAID


def test_a_grid_follows_a_selection_that_changed_elsewhere(monkeypatch):
    bench = Workbench()
    monkeypatch.setattr(sheet, "workbench", lambda: bench)
    assert sheet._followed("t", None) == "t"
    first = sheet._followed("t", [1])
    bench.ticks[first] = {1, 2}  # what the grid says of itself
    assert sheet._followed("t", [2, 1]) == first
    assert sheet._followed("t", []) != first, "cleared elsewhere: the grid is drawn anew"


def test_an_event_is_handled_once(open_page, drawn_workspace, monkeypatch):
    bench = Workbench()
    monkeypatch.setattr(sheet, "workbench", lambda: bench)
    event = {"at": 2.5, "event": "cellValueChanged", "edit": {"id": 1, "column": "class", "value": "cross"}}
    assert sheet._new(event, "t", ticked=True) == Said(edit=(1, "class", "cross"))
    assert sheet._new(event, "t", ticked=True) is None
    assert sheet._new({"at": "x"}, "t", ticked=True) is None
    assert sheet._new({"at": 3.0, "event": "selectionChanged", "selected": [1, "2", 3]}, "t", ticked=True) == Said(
        [1, 3]
    )
