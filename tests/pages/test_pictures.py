"""Products from pictures: what was read is shown, corrected, and made into products one by one or all at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.errors import ImageRefused
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.products.taking import Row, Seen, record_of
from pages.ui.products import from_pictures
from tests.conftest import draw, png_bytes
from tests.pages.conftest import text_of

LEFT, RIGHT = Region(0, 0, 64, 64), Region(64, 0, 64, 64)


@pytest.fixture
def read(drawn_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two pictures read: a circle and an unknown mark with T67, a cross and the same mark; and a refused file."""
    data = Dataset(drawn_workspace)
    data.rescan()
    ids = {record.name: record.id for record in data.classes()}
    rows = []
    for number, (shape, code, verdict) in enumerate((("circle", "T67", "certain"), ("cross", "", "hesitates"))):
        picture = Image.new("RGB", (128, 64), "white")
        picture.paste(draw(shape, seed=30 + number), (0, 0))
        picture.paste(draw("wave", seed=40 + number), (64, 0))
        name = data.keep_product_picture(png_bytes(picture))
        marks = (Seen(LEFT, verdict, (ids[shape], ids["bar"])), Seen(RIGHT, "unknown"))
        rows.append(Row(f"shop/lens_{number}.png", name, marks, code))
    rows.append(Row("bad.png", refused=ImageRefused("{name} is no picture.", name="bad.png")))
    job = SimpleNamespace(
        id="read", outcomes=lambda: [record_of(row) for row in rows], result={"kinds": {"0 1": 0, "1 1": 0}}
    )
    monkeypatch.setattr(from_pictures, "last_of", lambda kind: job)
    monkeypatch.setattr(from_pictures, "job_panel", lambda job, *, ended, **how: ended(job))
    return drawn_workspace


def marks_of(data: Dataset) -> dict[str, list[str]]:
    names = {record.id: record.name for record in data.classes()}
    return {product.name: [names[mark.class_id] for mark in product.marks] for product in data.products()}


def key_of(at, ending: str, number: int = 0) -> str:
    return [one.key for one in (*at.text_input, *at.button, *at.selectbox) if (one.key or "").endswith(ending)][number]


def test_all_at_once_with_a_maker_and_a_new_class_of_the_unknown_mark(open_page, read, dataset_of):
    at = open_page(read, "products", view="pictures")
    text = text_of(at)
    assert "2 pictures wait to be confirmed." in text and "bad.png is no picture." in text
    at.text_input("pictures.kind.read.0").set_value("vague")
    at.text_input("pictures.maker.read").set_value("Lenso")
    at.button("pictures.all").click().run()
    data = dataset_of(read)
    assert marks_of(data) == {"lens 0": ["circle", "vague"], "lens 1": ["cross", "vague"]}
    assert {(one.maker, one.code) for one in data.products()} == {("Lenso", "T67"), ("Lenso", "")}
    assert next(one.originals for one in data.classes() if one.name == "vague") == 2
    assert "0 pictures wait" in text_of(at)
    at.button("frame.undo.0").click().run()
    assert data.products() == [] and "2 pictures wait" in text_of(at)


def test_one_row_is_corrected_and_taken_in_and_the_other_left_out(open_page, read, dataset_of):
    data = dataset_of(read)
    at = open_page(read, "products", view="pictures")
    at.text_input(key_of(at, ".name")).set_value("Clara")
    at.text_input(key_of(at, ".code")).set_value("T68")
    bar = next(record.id for record in data.classes() if record.name == "bar")
    at.selectbox(key_of(at, ".mark.0")).set_value(bar)
    at.button(key_of(at, ".take")).click().run()
    (made,) = data.products()
    assert (made.name, made.code) == ("Clara", "T68") and marks_of(data) == {"Clara": ["bar"]}
    assert len(made.pictures) == 1 and "1 picture waits to be confirmed. 1 is a product." in text_of(at)
    at.button(key_of(at, ".leave")).click().run()
    assert "0 pictures wait to be confirmed. 1 is a product." in text_of(at) and len(data.products()) == 1
    assert at.button("pictures.again").label == "1 is left out: show it again"
    at.button("pictures.again").click().run()
    assert "1 picture waits to be confirmed. 1 is a product." in text_of(at)
    assert not [one for one in at.button if one.key == "pictures.again"]


def test_an_empty_picture_is_not_taken_in_with_the_others(open_page, read, dataset_of, monkeypatch):
    blank = Row("shop/blank.png", dataset_of(read).keep_product_picture(png_bytes(Image.new("RGB", (64, 64), "white"))))
    job = from_pictures.last_of("pictures")
    with_blank = SimpleNamespace(**{**vars(job), "outcomes": lambda: [*job.outcomes(), record_of(blank)]})
    monkeypatch.setattr(from_pictures, "last_of", lambda kind: with_blank)
    at = open_page(read, "products", view="pictures")
    assert "3 pictures wait" in text_of(at) and at.button("pictures.all").label == "Take in all 2 products"
    assert "What shows neither a mark nor a code is taken in one by one." in text_of(at)
    at.button("pictures.all").click().run()
    assert set(marks_of(dataset_of(read))) == {"lens 0", "lens 1"} and "1 picture waits" in text_of(at)
    assert at.button("pictures.all").disabled
    at.text_input(key_of(at, ".code")).set_value("T9").run()
    assert not at.button("pictures.all").disabled  # it has a code now


def test_what_was_typed_stays_over_another_page(open_page, read, dataset_of):
    at = open_page(read, "products", view="pictures")
    at.text_input("pictures.maker.read").set_value("Lenso")
    at.text_input("pictures.kind.read.0").set_value("vague")
    at.text_input(key_of(at, ".name")).set_value("Clara")
    bar = next(record.id for record in dataset_of(read).classes() if record.name == "bar")
    at.selectbox(key_of(at, ".mark.0")).set_value(bar).run()
    at.query_params.clear()
    at.switch_page("pages/data/history.py").run()
    at.query_params["view"] = "pictures"
    at.switch_page("pages/data/products.py").run()
    assert at.text_input("pictures.maker.read").value == "Lenso" and at.text_input(key_of(at, ".name")).value == "Clara"
    at.button("pictures.all").click().run()
    assert marks_of(dataset_of(read))["Clara"] == ["bar", "vague"]


def test_what_is_read_hesitantly_says_so_and_a_product_that_is_there_is_said(open_page, read, dataset_of):
    from core.catalogue.records import ProductDraft

    at = open_page(read, "products", view="pictures")
    shown = [box for box in at.selectbox if box.key.endswith(".mark.0")]
    assert [box.options[0] for box in shown] == ["circle", "cross, perhaps"]
    dataset_of(read).create_products([ProductDraft("lens 0", "", "T67")])
    at.button(key_of(at, ".take")).click().run()
    assert "There already is a product lens 0" in text_of(at) and len(dataset_of(read).products()) == 1


def test_without_a_reader_one_sentence_says_what_to_install(open_page, read, monkeypatch):
    monkeypatch.setattr(from_pictures, "can_read", lambda: False)
    assert "pip install rapidocr" in text_of(open_page(read, "products", view="pictures"))


def test_a_visitor_sees_and_takes_nothing_in(open_page, read):
    read.save_config(WorkspaceConfig(default_role="viewer"))
    at = open_page(read, "products", view="pictures")
    for key in ("pictures.start", "pictures.all", key_of(at, ".take")):
        assert at.button(key).disabled, key
