"""Find a lens: marks gathered, corrected, left out; the products that carry them, with what fits and what does not."""

from __future__ import annotations

import pytest

from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.images import decode
from core.ground.workspace import Workspace
from pages.ui.search import inputs, lens_answer
from pages.ui.search.paper import Paper, Row, page
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def stocked(drawn_workspace: Workspace) -> Workspace:
    """Clara: circle and cross, T67. Nova: circle and bar, 74. Luna: bar, without a code."""
    data = Dataset(drawn_workspace)
    data.rescan()
    ids = {record.name: record.id for record in data.classes()}
    marks = {name: Carried(number) for name, number in ids.items()}
    data.create_products(
        [
            ProductDraft("Clara", "Lenso", "T67", {"index": "1.67"}, (Carried(ids["circle"], "left"), marks["cross"])),
            ProductDraft("Nova", "Other", "74", {}, (marks["circle"], marks["bar"])),
            ProductDraft("Luna", "Other", "", {}, (marks["bar"],)),
        ]
    )
    return drawn_workspace


def give(at, *shapes: str) -> None:
    uploads = [(f"{shape}.png", png_bytes(draw(shape, seed=70 + n)), "image/png") for n, shape in enumerate(shapes)]
    at.file_uploader(intake_key(at)).set_value(uploads).run()


def intake_key(at) -> str:
    return next(one.key for one in at.get("file_uploader") if one.key and one.key.startswith("identify.files"))


def products_of(at) -> list[str]:
    """The names of the products shown, best first."""
    return [
        one.value.split("**")[1].replace("\\", "")
        for one in at.markdown
        if one.value.startswith("**") and ":small[" in one.value
    ]


def test_several_pictures_and_a_code_find_the_lens(open_page, stocked):
    at = open_page(stocked, "identify", ask="lens")
    give(at, "circle", "cross")
    at.text_input("lens.code").set_value("t 67").run()
    assert products_of(at)[0] == "1. Lenso Clara" and "2 marks of the lens" in text_of(at)
    text = text_of(at)
    assert "2 of 2 marks fit · code t 67, the same" in text
    assert "1 of 2 marks fit" in text and "code t 67, this one has 74" in text, "near misses are shown"
    drawn = component(at, "burin_lens")[0]
    assert {mark["state"] for mark in drawn["marks"]} == {"fits"} and drawn["code_state"] == "fits"


def test_drawings_come_one_after_another(open_page, stocked, monkeypatch):
    sheets = {"lens.sketch.0": png_bytes(draw("circle", seed=70)), "lens.sketch.1": png_bytes(draw("cross", seed=71))}
    monkeypatch.setattr(inputs, "sketch", lambda *, words, key: sheets.get(key))
    at = open_page(stocked, "identify", ask="lens", way="draw")
    assert "1 mark of the lens" in text_of(at), "what lies on the sheet counts already"
    at.button("lens.next").click().run()
    assert "2 marks of the lens" in text_of(at) and products_of(at)[0] == "1. Lenso Clara"
    at.button("lens.restart").click().run()
    assert "How a lens is found" in text_of(at)


def test_a_wrong_mark_is_replaced_or_left_out(open_page, stocked, dataset_of):
    at = open_page(stocked, "identify", ask="lens")
    give(at, "circle", "cross")
    said = [box for box in at.selectbox if box.key.startswith("lens.said")]
    bar = next(record.id for record in dataset_of(stocked).classes() if record.name == "bar")
    cross = next(box for box in said if "cross" in box.options[0])
    cross.set_value(bar).run()
    assert products_of(at)[0] == "1. Other Nova"
    at.button(f"lens.drop.{cross.key.removeprefix('lens.said.')}").click().run()
    assert "1 mark of the lens" in text_of(at) and "1 was not given" in text_of(at)
    (left,) = [box for box in at.selectbox if box.key.startswith("lens.said")]
    left.set_value(0).run()
    assert "None fits more than by chance" in text_of(at)


def test_the_code_alone_finds_and_what_looks_alike_is_near(open_page, stocked):
    at = open_page(stocked, "identify", ask="lens")
    at.text_input("lens.code").set_value("I67").run()
    assert products_of(at)[0] == "1. Lenso Clara" and "code I67, this one has T67" in text_of(at)


def test_none_of_these_makes_a_product_of_the_marks_or_goes_to_the_curator(open_page, stocked, dataset_of):
    data = dataset_of(stocked)
    at = open_page(stocked, "identify", ask="lens")
    give(at, "cross", "bar")
    at.text_input("lens.code").set_value("X9").run()
    at.button("lens.none").click().run()
    at.button("lens.report").click().run()
    (entry,) = data.inbox()
    assert "X9" in entry.note and entry.said == "unknown"
    assert decode(stocked.inside(entry.path)).width > 128, "the marks side by side"
    at.text_input("lens.make_name").set_value("Sola")
    at.button("lens.make_now").click().run()
    made = next(product for product in data.products() if product.name == "Sola")
    names = {record.id: record.name for record in data.classes()}
    assert made.code == "X9" and {names[mark.class_id] for mark in made.marks} == {"cross", "bar"}


def test_a_visitor_finds_and_reports_but_makes_nothing(open_page, stocked):
    stocked.save_config(WorkspaceConfig(default_role="viewer"))
    at = open_page(stocked, "identify", ask="lens")
    give(at, "circle", "cross")
    assert products_of(at)[0] == "1. Lenso Clara"
    at.button("lens.none").click().run()
    assert not [box for box in at.text_input if box.key == "lens.make_name"] and at.button("lens.report")


def test_without_products_it_says_what_to_do(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "identify", ask="lens")
    assert "There are no products yet" in [info.proto.title for info in at.info]


def test_the_page_to_print_escapes_all_and_loads_nothing(open_page, stocked):
    open_page(stocked, "identify", ask="lens")
    row = Row(EVIL, EVIL, EVIL, [lens_answer.OnLens("javascript:alert(1)", EVIL, "left", "fits", EVIL)], {EVIL: EVIL})
    text = page(Paper(EVIL, EVIL, EVIL, [("https://elsewhere/x.png", EVIL)], [row]))
    assert "<script" not in text and "javascript:" not in text and "https:" not in text
    assert "default-src 'none'" in text and text.count("&lt;script&gt;") >= 9
