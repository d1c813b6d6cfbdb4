"""The Library: the wall and its filters, uploads with one outcome a file, one image in detail with undo."""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import replace

import pytest

from core.catalogue import database as db
from core.collection import saved
from core.collection.dataset import Dataset
from core.ground.job import Job, publish
from core.ground.jobs import JobRunner
from core.ground.regions import Region
from core.intake.work import receive
from pages.ui import services
from pages.ui.status import OFFERED_S
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of


def shown(at):
    """Class title -> ids of the tiles under it."""
    walls = component(at, "burin_gallery")
    return {group["title"]: [tile["id"] for tile in group["tiles"]] for wall in walls for group in wall["groups"]}


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/") + ".png", data)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def at_once(jobs_here):
    jobs_here()


def finish(at, workspace, kind="import"):
    """Wait for the last job, and show the page after it."""
    runner = JobRunner(workspace)
    job = runner.wait(runner.list(kind)[0].id, timeout_s=60)
    at.run()
    assert not at.exception
    return job


@pytest.fixture
def library(open_page, drawn_workspace):
    return open_page(drawn_workspace, "library")


def test_the_wall_groups_by_class_and_counts_originals(library):
    assert list(shown(library)) == ["bar", "circle", "cross"]
    assert [len(ids) for ids in shown(library).values()] == [4, 4, 4]
    (wall,) = component(library, "burin_gallery")
    assert wall["groups"][0]["note"] == "4 originals"
    assert "12 originals in 3 classes" in text_of(library)


def test_variants_are_counted_apart(open_page, drawn_workspace):
    folder = drawn_workspace.augmented / "bar"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}.png").write_bytes(b"variant")
    at = open_page(drawn_workspace, "library")
    (wall,) = component(at, "burin_gallery")
    assert wall["groups"][0]["note"] == "4 originals (+ 5 variants)"


def test_search_filters_by_class_name(library):
    library.text_input(key="q").input("CIR").run()
    assert list(shown(library)) == ["circle"]


def test_class_and_kind_filters_combine(library, drawn_workspace):
    data = Dataset(drawn_workspace)
    first = data.items(text="bar")[0]
    data.set_kind([first.id], "icon")
    library.selectbox(key="class").select("bar").run()
    library.get_by_key("library.show_kind").set_value("icon").run()
    assert shown(library) == {"bar": [first.id]}
    assert library.query_params["kind"] == "icon"


def test_a_link_opens_the_same_view(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "library", **{"class": "cross", "kind": "drawing"})
    assert list(shown(at)) == ["cross"]


def test_a_link_made_in_french_opens_in_english(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "library", locale="fr-FR")
    at.get_by_key("library.show_kind").set_value("photographie").run()
    assert at.query_params["kind"] == "photo"


def test_nothing_found_is_said(library):
    library.text_input(key="q").input("no such mark").run()
    assert "No image fits these filters." in text_of(library)


def test_pages_of_sixty(open_page, workspace):
    folder = workspace.raw / "many"
    folder.mkdir(parents=True)
    for seed in range(70):
        (folder / f"{seed:03}.png").write_bytes(png_bytes(draw("wave", seed=seed)))
    at = open_page(workspace, "library")
    assert len(shown(at)["many"]) == 60
    at.pagination(key="page").set_value(2).run()
    assert len(shown(at)["many"]) == 10
    at.text_input(key="q").input("many").run()
    assert len(shown(at)["many"]) == 60


def test_a_link_to_a_class_survives_the_first_reading_of_the_folders(open_page, drawn_workspace, monkeypatch):
    monkeypatch.setattr(services, "in_background", lambda work: None)  # still at it
    at = open_page(drawn_workspace, "library", **{"class": "circle"})
    assert at.query_params["class"] == "circle" and not Dataset(drawn_workspace).classes()
    Dataset(drawn_workspace).rescan()
    services.preparation().stage = "ready"
    assert list(shown(at.run())) == ["circle"]


def test_an_empty_library_leads_to_adding(open_page, workspace):
    at = open_page(workspace, "library")
    assert "The library is empty" in [info.proto.title for info in at.info]
    at.button(key="library.start").click().run()
    assert at.file_uploader


def test_files_of_a_class_are_imported_once(open_page, workspace):
    Dataset(workspace).create_class("[sl")
    at = open_page(workspace, "library", view="add")
    files = {
        "a.png": png_bytes(draw("circle", seed=1)),
        "b.png": png_bytes(draw("circle", seed=2)),
        "c.png": b"no image",
    }
    for _ in range(2):
        for name, data in files.items():
            at.file_uploader[0].upload(name, data, "image/png")
        at.run()
        chooser = next(box.key for box in at.selectbox if box.key.startswith("library.class"))
        at.selectbox(key=chooser).select("[sl").run()
        assert at.button(key="library.import_now").label == "Import 3 files"
        at.button(key="library.import_now").click().run()
        job = finish(at, workspace)
    assert job.result == {"added": 0, "present": 2, "refused": 1}
    (record,) = Dataset(workspace).classes()
    assert (record.name, record.originals) == ("[sl", 2)
    said = text_of(at)
    assert "2 already there" in said
    assert "1 refused" in said
    assert "c.png is not an image Burin opens" in said
    (table,) = at.dataframe
    assert list(table.value["File"]) == ["c.png", "a.png", "b.png"]
    assert list(table.value["Class"]) == ["", "[sl", "[sl"]
    assert list(table.value["Outcome"]) == ["refused", "already there", "already there"]


def test_a_zip_of_folders_brings_its_classes(open_page, workspace):
    at = open_page(workspace, "library", view="add")
    data = zipped(**{"x__étoile__1": png_bytes(draw("cross", seed=1)), "x__(e__1": png_bytes(draw("bar", seed=1))})
    at.file_uploader[0].upload("marks.zip", data, "application/zip").run()
    at.button(key="library.import_now").click().run()
    assert finish(at, workspace).result["added"] == 2
    assert {record.name for record in Dataset(workspace).classes()} == {"étoile", "(e"}


def test_a_csv_whose_columns_are_unknown_is_said(open_page, workspace):
    at = open_page(workspace, "library", view="add")
    at.file_uploader[0].upload("a.png", png_bytes(draw("wave")), "image/png")
    at.file_uploader[0].upload("labels.csv", b"x,y\na.png,pont\n", "text/csv").run()
    at.button(key="library.look").click().run()
    finish(at, workspace)
    assert "labels.csv gives no labels: its columns file_name and label were not found." in text_of(at)


def with_a_near_copy(open_page, workspace):
    """A library of one circle; near.png, which is almost that circle, and other.png are uploaded."""
    Dataset(workspace).create_class("circle")
    (workspace.raw / "circle" / "a.png").write_bytes(png_bytes(draw("circle")))
    at = open_page(workspace, "library", view="add")
    near = draw("circle")
    near.putpixel((0, 0), (250, 250, 250))
    at.file_uploader[0].upload("near.png", png_bytes(near), "image/png")
    at.file_uploader[0].upload("other.png", png_bytes(draw("wave")), "image/png").run()
    return at


@pytest.mark.parametrize("button", ["look", "import_now"])
def test_near_copies_wait_beside_what_they_copy(open_page, workspace, button):
    at = with_a_near_copy(open_page, workspace)
    at.button(key=f"library.{button}").click().run()
    job = finish(at, workspace)
    said = text_of(at)
    assert "1 held back" in said and "1 new file looks almost like an image that is there" in said
    assert Dataset(workspace).counts().originals == (1 if button == "look" else 2)
    pairs = at.dataframe[0].value
    assert list(pairs["What becomes of it"]) == ["leave out"] and list(pairs["Class"]) == ["circle"]
    assert pairs["New file"][0].startswith("data:image/webp") and pairs["There"][0].startswith("/thumbnail/")
    assert at.button(key="library.go_on").disabled == (button == "import_now")
    at.session_state[f"library.alike.{job.id}.leave.en"] = {
        "edited_rows": {0: {"What becomes of it": "take in"}}, "added_rows": [], "deleted_rows": [],
    }  # fmt: skip
    at.run()
    at.button(key="library.go_on").click().run()
    assert finish(at, workspace).result["added"] == (2 if button == "look" else 1)
    assert Dataset(workspace).counts().originals == 3


@pytest.mark.parametrize("rule,left", [("take", 3), ("larger", 1)])
def test_all_near_copies_are_decided_on_at_once_and_one_undo_takes_it_back(open_page, workspace, rule, left):
    Dataset(workspace).create_class("circle")
    (workspace.raw / "circle" / "small.png").write_bytes(png_bytes(draw("circle", side=96)))
    at = open_page(workspace, "library", view="add")
    for number, side in enumerate((160, 192)):
        at.file_uploader[0].upload(f"{number}.png", png_bytes(draw("circle", side=side)), "image/png")
    at.run()
    at.button(key="library.look").click().run()
    job = finish(at, workspace)
    at.get_by_key(f"library.alike.{job.id}.rule").set_value(rule).run()
    at.button(key="library.go_on").click().run()
    finish(at, workspace)
    dataset = Dataset(workspace)
    there = dataset.items()
    assert len(there) == left and max(item.width for item in there) == 192
    if rule == "larger":  # the best of them takes the place of what was there, and its label
        assert dataset.counts().trash == 1 and [item.source for item in there if item.width == 192] == ["1.png"]
        assert "circle" in {item.class_name for item in there if item.width == 192}
    dataset.undo()
    assert [(item.width, item.class_name) for item in dataset.items()] == [(96, "circle")]


def test_a_look_takes_the_new_ones_in_and_leaves_near_copies_out(open_page, workspace):
    at = with_a_near_copy(open_page, workspace)
    at.button(key="library.look").click().run()
    finish(at, workspace)
    at.button(key="library.go_on").click().run()
    assert finish(at, workspace).result == {"added": 1, "present": 0, "refused": 0, "held": 1}
    assert {item.source for item in Dataset(workspace).items()} == {"", "other.png"}


def test_an_import_that_was_interrupted_goes_on(open_page, workspace):
    files = receive(workspace, [(f"{n}.png", png_bytes(draw("wave", seed=n))) for n in range(3)])
    runner = JobRunner(workspace)
    job = runner.start("import", "core.intake.work:run_import", {"files": files, "preview": True})
    job = runner.wait(job.id, timeout_s=60)
    publish(replace(job, state="interrupted"))
    at = open_page(workspace, "library", view="add")
    at.button(key="library.resume").click().run()
    assert finish(at, workspace).result["added"] == 3


def test_the_collection_is_taken_out_as_a_job(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "library", view="export")
    at.get_by_key("library.export_form").set_value("csv").run()
    at.multiselect(key="library.export_classes").set_value(["bar", "cross"]).run()
    assert at.button(key="library.export_now").label == "Export 8 images"
    at.button(key="library.export_now").click().run()
    result = finish(at, drawn_workspace, "export").result
    assert "8 images" in text_of(at)
    (link,) = at.get("link_button")
    assert link.proto.url == f"/export/{result['token']}/{result['name']}" and result["name"].endswith(".csv")


def test_an_unsafe_zip_is_refused_in_french(open_page, workspace):
    at = open_page(workspace, "library", locale="fr-FR", view="add")
    at.file_uploader[0].upload("bad.zip", b"PK\x03\x04 not really", "application/zip").run()
    at.button(key="library.import_now").click().run()
    assert finish(at, workspace).result["refused"] == 1
    assert "bad.zip n’est pas une archive zip, ou elle est abîmée." in text_of(at)
    assert Dataset(workspace).counts().originals == 0


def test_files_without_a_class_wait_in_the_tray(open_page, workspace):
    at = open_page(workspace, "library", view="add")
    at.file_uploader[0].upload("a.png", png_bytes(draw("wave")), "image/png").run()
    at.button(key="library.import_now").click().run()
    finish(at, workspace)
    assert Dataset(workspace).counts().unlabelled == 1
    at.get_by_key("library.view").set_value("browse").run()
    at.toggle(key="unlabelled").set_value(True).run()
    assert list(shown(at)) == ["Without a class"]


def test_the_kind_that_was_said_is_kept(open_page, workspace):
    at = open_page(workspace, "library", view="add")
    at.file_uploader[0].upload("a.png", png_bytes(draw("wave")), "image/png").run()
    at.get_by_key("library.kind").set_value("icon").run()
    at.button(key="library.import_now").click().run()
    finish(at, workspace)
    assert [item.kind for item in Dataset(workspace).items()] == ["icon"]


def test_folders_are_read_again_on_demand(library, drawn_workspace):
    library.get_by_key("library.view").set_value("add").run()
    (drawn_workspace.raw / "bar" / "more.png").write_bytes(png_bytes(draw("bar", seed=40)))
    (drawn_workspace.raw / "bar" / "broken.png").write_bytes(b"x")
    library.button(key="library.rescan").click().run()
    assert "1 added, 0 gone, 0 moved, 1 refused." in text_of(library)
    assert "broken.png" in text_of(library)


def test_the_detail_of_an_image_tells_what_it_is(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "library")
    item = Dataset(drawn_workspace).items(text="bar")[0]
    at.query_params["item"] = str(item.id)
    at.run()
    assert not at.exception
    said = text_of(at)
    assert "What the model sees" in said
    assert "64 × 64 pixels" in said
    assert item.sha256[:16] in said


@pytest.mark.parametrize("bad", ["999999", "abc", "-1", "../../etc/passwd", "9" * 40])
def test_a_link_to_no_image_is_told_and_dropped(open_page, drawn_workspace, bad):
    at = open_page(drawn_workspace, "library", item=bad)
    assert not at.exception
    assert "This image is no longer there." in text_of(at)
    assert "item" not in at.query_params


def detail(open_page, workspace, name="bar"):
    at = open_page(workspace, "library")
    item = Dataset(workspace).items(text=name)[0]
    at.query_params["item"] = str(item.id)
    return at.run(), item


def test_relabelling_moves_the_image_and_can_be_taken_back(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    at.selectbox(key=f"detail.class.{item.id}.{item.ver}").select("cross").run()
    assert Dataset(drawn_workspace).item(item.id).class_name == "cross"
    assert "The image is now of cross." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert Dataset(drawn_workspace).item(item.id).class_name == "bar"


def test_undo_is_offered_until_it_is_dismissed_or_something_else_is_done(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    at.selectbox(key=f"detail.class.{item.id}.{item.ver}").select("cross").run()
    at.run()
    assert "The image is now of cross." in text_of(at)  # whatever runs the page again
    item = Dataset(drawn_workspace).item(item.id)
    at.selectbox(key=f"detail.class.{item.id}.{item.ver}").select("bar").run()
    assert "The image is now of bar." in text_of(at)
    assert "The image is now of cross." not in text_of(at)
    at.button(key="frame.dismiss.0").click().run()
    assert "The image is now of bar." not in text_of(at)
    assert Dataset(drawn_workspace).item(item.id).class_name == "bar"


def test_undo_is_not_offered_for_ever(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    at.selectbox(key=f"detail.class.{item.id}.{item.ver}").select("cross").run()
    at.session_state["workbench"].offers[0].until -= OFFERED_S
    at.run()
    assert "The image is now of cross." not in text_of(at)


def test_the_trash_is_immediate_and_undoable(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    at.button(key="detail.trash").click().run()
    assert not at.exception
    assert Dataset(drawn_workspace).item(item.id).state == "trash"
    assert item.id not in shown(at)["bar"]
    assert "item" not in at.query_params
    at.button(key="frame.undo.0").click().run()
    assert Dataset(drawn_workspace).item(item.id).state == "present"
    assert item.id in shown(at)["bar"]


def test_two_people_on_one_image_do_not_overwrite_each_other(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    Dataset(drawn_workspace).relabel([item.id], Dataset(drawn_workspace).classes()[1].id)
    at.selectbox(key=f"detail.class.{item.id}.{item.ver}").select("cross").run()
    assert Dataset(drawn_workspace).item(item.id).class_name == "circle"
    assert "changed by somebody else" in text_of(at)


def binned(open_page, workspace, count=2):
    """The trash with so many images in it, the first of them selected, and what every one of them is."""
    data = Dataset(workspace)
    data.rescan()
    items = data.items(limit=count)
    data.trash([item.id for item in items])
    at = open_page(workspace, "library", view="trash")
    at.session_state["workbench"].binned = [items[0].id]
    at.run()
    return at, items


def test_a_selection_of_the_trash_is_not_brought_back_over_somebody_else_s_change(open_page, drawn_workspace):
    at, (item, _) = binned(open_page, drawn_workspace)
    other = Dataset(drawn_workspace)
    other.restore([item.id])
    other.relabel([item.id], next(record.id for record in other.classes() if record.name == "cross"))
    other.trash([item.id])
    at.button(key="library.restore_all").click().run()
    assert "changed by somebody else" in text_of(at) and Dataset(drawn_workspace).item(item.id).state == "trash"
    at.button(key="library.restore_all").click().run()  # it was shown as it is now
    assert Dataset(drawn_workspace).item(item.id).class_name == "cross" and "1 image is back." in text_of(at)


def test_what_somebody_put_into_the_trash_meanwhile_is_not_deleted_with_the_rest(open_page, drawn_workspace):
    at, items = binned(open_page, drawn_workspace)
    at.button(key="trash.clear").click().run()
    (late,) = Dataset(drawn_workspace).items(text="cross_0")
    Dataset(drawn_workspace).trash([late.id])
    at.button(key="trash.discard_now").click().run()
    assert "The trash has changed in the meantime" in text_of(at) and Dataset(drawn_workspace).counts().trash == 3
    assert (drawn_workspace.root / Dataset(drawn_workspace).item(items[0].id).path).exists()
    at.button(key="trash.discard_now").click().run()
    assert Dataset(drawn_workspace).counts().trash == 0 and "3 images are deleted for good." in text_of(at)


def test_an_image_of_the_trash_that_changed_is_not_deleted_for_good(open_page, drawn_workspace):
    at, (item, _) = binned(open_page, drawn_workspace)
    other = Dataset(drawn_workspace)
    other.restore([item.id])
    other.trash([item.id])
    at.button(key="trash.discard_now").click().run()
    assert "changed by somebody else" in text_of(at) and Dataset(drawn_workspace).item(item.id).state == "trash"


def test_the_kind_can_be_corrected(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    at.get_by_key(f"detail.kind.{item.id}.{item.ver}").set_value("icon").run()
    assert Dataset(drawn_workspace).item(item.id).kind == "icon"


def test_next_and_previous_go_through_the_page(open_page, drawn_workspace):
    at, _ = detail(open_page, drawn_workspace)
    order = [number for ids in shown(at).values() for number in ids]
    assert at.button(key="detail.left").disabled
    at.button(key="detail.right").click().run()
    assert at.query_params["item"] == str(order[1])
    at.button(key="detail.left").click().run()
    assert at.query_params["item"] == str(order[0])


def test_a_file_taken_away_behind_our_back_breaks_neither_wall_nor_detail(open_page, drawn_workspace):
    at, item = detail(open_page, drawn_workspace)
    (drawn_workspace.root / item.path).unlink()
    (drawn_workspace.cache / "thumbnails" / item.sha256[:2] / f"{item.sha256}.webp").unlink(missing_ok=True)
    at.run()
    assert not at.exception
    assert "rescan the folders" in text_of(at)
    assert item.id in shown(at)["bar"]


def test_the_drawer_shows_where_the_mark_is_and_whether_it_votes(open_page, drawn_workspace, dataset_of):
    data = dataset_of(drawn_workspace)
    data.rescan()
    item_id = data.item_ids(text="bar")[0]
    data.set_region(item_id, Region(10, 10, 50, 44), sight="doubt")
    at = open_page(drawn_workspace, "library", item=str(item_id))
    assert not at.exception
    (shown,) = component(at, "burin_picture")
    assert [(box["x"], box["width"], box["taken"]) for box in shown["boxes"]] == [(10, 50, True)]
    at.button(key=f"detail.sure.{item_id}").click().run()
    assert dataset_of(drawn_workspace).item(item_id).sight == "sure"


def grid_of(at, key="burin_picker"):
    (found,) = component(at, key)
    return [tile["id"] for tile in found["tiles"]]


def test_the_order_and_the_size_are_in_the_address(open_page, drawn_workspace, dataset_of):
    at = open_page(drawn_workspace, "library", order="newest", size="large")
    (wall,) = component(at, "burin_gallery")
    ids = [tile["id"] for tile in wall["groups"][0]["tiles"]]
    assert ids == sorted(ids, reverse=True) and len(ids) == 12 and wall["side"] == "11rem"
    at.get_by_key("library.order").set_value("oldest").run()
    assert at.query_params["order"] == "oldest"


def test_many_are_selected_tagged_and_found_again_by_their_tag(open_page, drawn_workspace, dataset_of):
    dataset = dataset_of(drawn_workspace)
    dataset.rescan()
    dataset.tag(dataset.item_ids(text="circle_0"), add=["worn"])
    at = open_page(drawn_workspace, "library", select="true", **{"class": "bar"})
    assert len(grid_of(at)) == 4
    at.button(key="select.all").click().run()
    next(box for box in at.selectbox if box.key.startswith("select.tag")).set_value("worn").run()
    assert dataset_of(drawn_workspace).tags() == {"worn": 5} and "4 images have the tag worn now." in text_of(at)
    again = open_page(drawn_workspace, "library", tag="worn")
    assert {name: len(ids) for name, ids in shown(again).items()} == {"bar": 4, "circle": 1}
    at.button(key="frame.undo.0").click().run()
    assert dataset_of(drawn_workspace).tags() == {"worn": 1}


def test_a_view_is_kept_under_a_name_opened_and_dropped(open_page, drawn_workspace, dataset_of):
    at = open_page(drawn_workspace, "library", order="newest", **{"class": "bar"})
    next(one for one in at.text_input if one.key.startswith("library.view_name")).set_value("Bars").run()
    at.button(key="library.view_keep").click().run()
    assert saved.views(dataset_of(drawn_workspace), "library") == {"Bars": {"order": "newest", "class": "bar"}}
    other = open_page(drawn_workspace, "library")
    assert list(shown(other)) == ["bar", "circle", "cross"]
    other.button(key="library.view.0").click().run()
    (wall,) = component(other, "burin_gallery")
    assert [len(group["tiles"]) for group in wall["groups"]] == [4] and other.query_params["order"] == "newest"
    other.button(key="library.view_drop.0").click().run()
    assert saved.views(dataset_of(drawn_workspace), "library") == {}
    other.button(key="frame.undo.0").click().run()
    assert "Bars" in saved.views(dataset_of(drawn_workspace), "library")


def test_whatever_a_view_holds_it_opens_and_a_record_that_is_none_is_empty(open_page, drawn_workspace, dataset_of):
    """Somebody may have kept an address that they typed, and the catalogue may be another's work."""
    data = dataset_of(drawn_workspace)
    data.rescan()
    data.tag(data.item_ids()[:1], add=["seen"])
    kept = [
        {"q": "x" * 3000}, {"class": "<b>nobody"}, {"tag": "nobody"}, {"unlabelled": "maybe", "select": "[1]"},
        {"kind": "none", "order": "id; drop", "size": "-9"},
    ]  # fmt: skip
    for number, query in enumerate(kept):
        saved.keep(data, "library", f"v{number}", query)
    at = open_page(drawn_workspace, "library")
    for number in range(len(kept)):
        at.button(key=f"library.view.{number}").click().run()
        assert not at.exception and "id; drop" not in str(dict(at.query_params).get("order")), kept[number]
    for text in ("[]", "{", "3", "null", '{"a": 3}'):
        with data.catalogue.write() as connection:
            db.put(connection, "views library", text)
        assert saved.views(data, "library") == {}


def test_what_is_like_an_image_comes_first(open_page, drawn_workspace, dataset_of):
    open_page(drawn_workspace, "identify")  # the vectors are there
    item = dataset_of(drawn_workspace).items(text="cross")[0]
    at = open_page(drawn_workspace, "library", item=str(item.id))
    at.button(key=f"detail.similar.{item.id}").click().run()
    at = open_page(drawn_workspace, "library", similar=str(item.id))
    ids = grid_of(at)
    assert len(ids) == 11 and item.id not in ids and "Like this image of **cross**" in text_of(at)
    assert {each.class_name for each in dataset_of(drawn_workspace).some(ids[:3])} == {"cross"}


def test_similar_images_are_one_click_away_from_every_image(open_page, drawn_workspace, dataset_of):
    at = open_page(drawn_workspace, "identify")
    at.file_uploader[0].upload("new.png", png_bytes(draw("cross", seed=77)), "image/png").run()
    assert "[Find similar](library?similar=" in text_of(at)
    item = dataset_of(drawn_workspace).items(text="cross")[0]
    dataset_of(drawn_workspace).tag([item.id], add=["x"])
    at = open_page(drawn_workspace, "history", item=str(item.id))
    assert at.button(key="history.similar").label == "Find similar"
    (drawn_workspace.raw / "bar" / "again.png").write_bytes((drawn_workspace.raw / "bar" / "bar_0.png").read_bytes())
    dataset_of(drawn_workspace).rescan()
    assert "[Find similar](library?similar=" in text_of(open_page(drawn_workspace, "quality", list="copies"))


def test_a_class_that_is_not_there_is_said(open_page, drawn_workspace):
    for page in ("library", "table", "label"):
        at = open_page(drawn_workspace, page, **{"class": "no [such]"})
        assert "There is no class named no [such] here" in text_of(at), page


def test_a_part_of_the_trash_comes_back_and_the_rest_is_deleted_for_good(open_page, drawn_workspace, dataset_of):
    dataset = dataset_of(drawn_workspace)
    dataset.rescan()
    ids = dataset.item_ids(text="bar")
    dataset.trash(ids)
    at = open_page(drawn_workspace, "library", view="trash")
    at.session_state["workbench"].binned = ids[:2]
    at.run()
    at.button(key="library.restore_all").click().run()
    assert dataset_of(drawn_workspace).item_ids(text="bar") == ids[:2] and "2 images are back." in text_of(at)
    assert at.button(key="trash.discard_now").label == "Delete 2 images for good"
    at.button(key="trash.discard_now").click().run()
    assert dataset_of(drawn_workspace).counts().trash == 0 and "The trash is empty" in [i.proto.title for i in at.info]


def test_an_import_that_waits_for_another_says_so(open_page, drawn_workspace):
    for name in ("0a", "0b"):
        folder = drawn_workspace.jobs / name
        folder.mkdir(parents=True)
        publish(Job(name, "import", str(folder), state="starting", created_at=time.time(), beat_at=time.time()))
    at = open_page(drawn_workspace, "library", view="add")
    assert [each.proto.text for each in at.get("progress")] == ["Another one is at work: this one waits its turn…"]
    publish(replace(JobRunner(drawn_workspace).get("0a"), state="succeeded", finished_at=time.time()))
    at.run()
    assert [each.proto.text for each in at.get("progress")] == ["Starting…"]


@pytest.mark.parametrize("page", ["overview", "library", "table", "quality", "identify", "train", "augment"])
def test_while_the_first_images_come_in_nothing_is_called_empty(open_page, workspace, page):
    folder = workspace.jobs / "0a"
    folder.mkdir(parents=True)
    job = Job("0a", "import", str(folder), state="running", created_at=time.time(), beat_at=time.time())
    publish(job)
    at = open_page(workspace, page)
    said = "\n".join([text_of(at), *(info.proto.title for info in at.info), *(button.label for button in at.button)])
    assert "empty" not in said and "Load the sample" not in said and "no images" not in said.lower()
    assert "under way" in said or "being taken in" in said
    publish(replace(job, state="succeeded", finished_at=time.time()))
    at = open_page(workspace, page)
    assert "under way" not in text_of(at) and "being taken in" not in text_of(at)


def test_an_import_that_failed_says_so_until_it_is_dismissed(open_page, drawn_workspace):
    folder = drawn_workspace.jobs / "0a"
    folder.mkdir(parents=True)
    publish(Job("0a", "import", str(folder), state="failed", created_at=time.time(), finished_at=time.time()))
    at = open_page(drawn_workspace, "library", view="add")
    assert [error.value for error in at.error] == ["It failed."]
    at.button(key="library.import.dismiss").click().run()
    assert not at.error and "How images come in" in [each.value for each in at.subheader]
    assert not open_page(drawn_workspace, "library", view="add").error
