"""Identify: an image in, a verdict in words, the references beside it, and the way to object."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.ground.images import content_hash, decode
from core.ground.regions import Region
from core.recognition.identify import Answer
from core.recognition.ranking import ClassAnswer
from core.sight.marks import read_region
from pages.ui import pictures, services
from pages.ui.components.picture import regions_in
from pages.ui.search import answers_table
from pages.ui.search.inputs import Query
from pages.ui.text import cell
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of


@pytest.fixture
def asked(open_page, drawn_workspace):
    """``asked(("a.png", data), ...)`` -> the page after these files were dropped on it."""

    def ask(*files, **how):
        at = open_page(drawn_workspace, "identify", **how)
        for name, data in files:
            at.file_uploader[0].upload(name, data, "image/png")
        return at.run()

    return ask


def test_without_references_it_says_so_and_offers_two_ways_on(open_page, workspace):
    at = open_page(workspace, "identify")
    assert "nothing to compare with yet" in text_of(at)
    assert at.button(key="identify.sample").label == "Load the sample"
    assert at.button(key="identify.add").label == "Add images"
    assert not at.file_uploader


def test_before_an_image_it_explains_its_four_verdicts_and_their_rate(open_page, drawn_workspace):
    said = text_of(open_page(drawn_workspace, "identify"))
    for verdict in ("certain", "hesitates", "not in the base", "no mark found"):
        assert verdict in said
    assert "not in the base, at most 5% are to be called certain" in said


def test_a_mark_gets_its_name_with_references_rate_and_latency(asked):
    at = asked(("new.png", png_bytes(draw("cross", seed=77))))
    assert not at.exception
    said = text_of(at)
    assert "cross" in at.title[1].value
    assert "What the model sees" in said
    assert "similarity" in said
    assert "not in the base, at most 5% are to be called certain" in said
    assert "Answered in" in said
    assert "from 3 independent classes" in said  # however many images each has
    assert "called “not in the base” by mistake" in said


def test_an_image_of_the_base_is_recognised_as_itself(asked):
    at = asked(("again.png", png_bytes(draw("circle", seed=2))))
    assert at.title[1].value.replace("\\", "") == "circle"
    assert "this very image is in the base" in text_of(at)


def test_a_refused_file_gets_its_sentence_and_the_others_are_answered(asked):
    at = asked(("letter.png", b"Dear sir"), ("mark.png", png_bytes(draw("circle", seed=50))))
    assert not at.exception
    assert [error.value.replace("\\", "") for error in at.error] == [
        "letter.png is not an image Burin opens (PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF)."
    ]
    assert any("circle" in expander.label for expander in at.expander)


def test_several_images_are_answered_in_order_each_once(asked):
    images = [("a.png", png_bytes(draw("circle", seed=1))), ("b.png", png_bytes(draw("bar", seed=1)))]
    at = asked(*images, images[0])
    labels = [expander.label.replace("\\", "") for expander in at.expander if "—" in expander.label]
    assert [label.split(" ")[0] for label in labels] == ["a.png", "b.png"]
    assert "circle" in labels[0]
    assert "bar" in labels[1]
    folds = [expander for expander in at.expander if "—" in expander.label]
    assert [fold.proto.expanded for fold in folds] == [True, False], "the first is open, its thumbnail beside each"


def test_several_answers_are_one_table_and_a_csv(asked):
    images = [("a.png", png_bytes(draw("circle", seed=1))), ("=b.png", png_bytes(draw("bar", seed=1)))]
    at = asked(*images, ("letter.png", b"Dear sir"))
    at.get_by_key("identify.as").set_value("table").run()
    assert not at.exception
    table = at.dataframe[0].value
    assert list(table["File"]) == ["a.png", cell("=b.png"), "letter.png"]
    assert list(table["Nearest"])[:2] == ["circle", "bar"] and "not an image Burin opens" in table["Verdict"][2]
    assert at.query_params["as"] == "table"


def test_a_csv_of_answers_holds_no_formula_and_labels_only_what_is_certain():
    seen, vector = np.zeros((8, 8, 3), np.uint8), np.zeros(4, np.float32)
    found = [
        Answer(
            verdict, [ClassAnswer(1, 0.9, 0.9, 7), ClassAnswer(2, 0.5, 0.1, 8)], seen, vector, region=Region(1, 2, 3, 4)
        )
        for verdict in ("certain", "hesitates")
    ]
    rows = answers_table.rows_of([(Query("=x.png", b"", "t"), found)], {1: "-e", 2: "e"})
    table = list(csv.DictReader(io.StringIO(answers_table.to_csv(rows).decode("utf-8-sig"))))
    assert [row["label"] for row in table] == ["'-e", ""] and [row["second"] for row in table] == ["e", "e"]
    assert {row["file_name"] for row in table} == {"'=x.png"} and table[0]["box"] == "1,2,3,4"


def test_a_blank_image_is_told_from_an_unknown_mark(asked):
    from PIL import Image

    at = asked(("white.png", png_bytes(Image.new("RGB", (64, 64), "white"))))
    assert at.title[1].value == "No mark found"
    assert "There is no mark to be seen in this image" in text_of(at)
    assert "ot in the base" not in text_of(at)
    assert "The next likeliest" not in text_of(at)


def test_the_answer_comes_in_french(asked):
    at = asked(("new.png", png_bytes(draw("cross", seed=77))), locale="fr-FR")
    said = text_of(at)
    assert "Ce que voit le modèle" in said
    assert "doivent être dites certaines" in said
    assert "Réponse en" in said


def test_the_fields_of_the_class_are_shown_with_the_answer(asked, drawn_workspace):
    data = Dataset(drawn_workspace)
    data.rescan()
    (bar,) = [record for record in data.classes() if record.name == "bar"]
    data.edit_fields(bar.id, maker="Atelier [Lumen]", product="Nova")
    at = asked(("again.png", png_bytes(draw("bar", seed=2))))
    said = text_of(at)
    assert "Maker" in said
    assert "Atelier [Lumen]" in said
    assert "Nova" in said


def test_two_images_of_one_described_class_are_answered_side_by_side(asked, drawn_workspace):
    data = Dataset(drawn_workspace)
    data.rescan()
    (bar,) = [record for record in data.classes() if record.name == "bar"]
    data.edit_fields(bar.id, maker="Lumen")
    at = asked(("a.png", png_bytes(draw("bar", seed=1))), ("b.png", png_bytes(draw("bar", seed=2))))
    assert not at.exception
    assert text_of(at).count("Lumen") == 2


def test_a_reference_whose_file_is_gone_does_not_take_the_answer_with_it(asked, drawn_workspace):
    data = Dataset(drawn_workspace)
    data.rescan()
    at = asked(("a.png", png_bytes(draw("bar", seed=1))))
    for item in data.items(text="bar"):
        (drawn_workspace.root / item.path).unlink()
    services.st.cache_data.clear()
    at.run()
    assert not at.exception
    assert at.title[1].value == "bar"


def test_wrong_goes_to_the_curator_with_the_right_class_and_note(asked, drawn_workspace):
    at = asked(("mine.png", png_bytes(draw("cross", seed=77))))
    token = next(box.key for box in at.selectbox if box.key.startswith("identify.right.")).rpartition(".")[2]
    at.selectbox(key=f"identify.right.{token}").select("bar")
    at.text_input(key=f"identify.note.{token}").input("seen on a left lens")
    at.button(key=f"identify.send.{token}").click().run()
    assert not at.exception
    (entry,) = Dataset(drawn_workspace).inbox()
    assert (entry.said, entry.note) == ("wrong", "seen on a left lens")
    assert entry.answer["right"] == "bar"
    assert entry.answer["file"] == "mine.png"
    assert entry.answer["classes"][0]["name"] == "cross"
    assert (drawn_workspace.root / entry.path).exists()
    assert "Sent to the curator" in text_of(at)
    at.run()
    assert len(Dataset(drawn_workspace).inbox()) == 1


def test_not_in_the_base_goes_to_the_curator(asked, drawn_workspace):
    at = asked(("mine.png", png_bytes(draw("bar", seed=2))))
    (button,) = [button for button in at.button if str(button.key).startswith("identify.unknown.")]
    button.click().run()
    (entry,) = Dataset(drawn_workspace).inbox()
    assert entry.said == "unknown"
    assert entry.answer["right"] is None


def test_only_the_chosen_classes_are_compared_with(asked):
    at = asked(("mine.png", png_bytes(draw("cross", seed=77))))
    at.multiselect(key="identify.classes").select("bar").run()
    assert not at.exception
    names = text_of(at)
    assert "bar" in names
    assert "**cross**" not in names


def test_a_changed_base_changes_the_answer(asked, drawn_workspace):
    at = asked(("mine.png", png_bytes(draw("bar", seed=2))))
    assert at.title[1].value == "bar"
    data = Dataset(drawn_workspace)
    (bar,) = [record for record in data.classes() if record.name == "bar"]
    data.rename_class(bar.id, "dash")
    at.run()
    assert at.title[1].value == "dash"


def test_the_way_in_is_kept_in_the_url(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "identify", way="draw")
    assert not at.file_uploader
    assert any(element.proto.component_name == "burin_sketch" for element in at.get("bidi_component"))
    at.get_by_key("identify.way").set_value("camera").run()
    assert at.camera_input
    assert at.query_params["way"] == "camera"


def test_a_photograph_of_the_camera_is_answered(open_page, drawn_workspace):
    import io

    at = open_page(drawn_workspace, "identify", way="camera")
    photo = io.BytesIO()
    draw("circle", seed=3, side=256).save(photo, "JPEG")
    at.camera_input[0].upload("photo.jpg", photo.getvalue(), "image/jpeg").run()
    assert not at.exception
    assert "circle" in at.title[1].value


@pytest.fixture
def two_marks():
    """A picture of a circle and a bar, and where they are."""
    from PIL import Image

    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    return png_bytes(picture), Region(0, 0, 100, 100), Region(200, 0, 100, 100)


def found(monkeypatch, *marks):
    """Let the finder say these (region, sureness)."""

    def find_marks(image, **_):
        return [replace(read_region(image, region), sure=sure) for region, sure in marks]

    monkeypatch.setattr("core.recognition.identify.find_marks", find_marks)


def test_two_marks_in_one_image_are_answered_side_by_side_with_their_boxes(asked, two_marks, monkeypatch):
    data, left, right = two_marks
    found(monkeypatch, (right, 0.9), (left, 0.8))
    at = asked(("two.png", data))
    assert not at.exception
    assert [header.value for header in at.subheader if header.value in ("bar", "circle")] == ["circle", "bar"]
    (picture,) = component(at, "burin_picture")
    assert [(box["x"], box["taken"], box["label"]) for box in picture["boxes"]] == [
        (0, True, "circle"),
        (200, True, "bar"),
    ]
    assert (picture["width"], picture["height"]) == (300, 100)


def test_no_sure_mark_asks_where_it_is_and_offers_what_might_be_one(asked, two_marks, monkeypatch):
    data, left, _ = two_marks
    found(monkeypatch, (left, 0.1))
    at = asked(("two.png", data), locale="fr-FR")
    assert at.title[1].value == "Pas de gravure trouvée"
    (picture,) = component(at, "burin_picture")
    assert picture["asking"]
    assert [(box["taken"], box["width"]) for box in picture["boxes"]] == [(False, 100)]
    assert "as dans la base" not in text_of(at)


def test_what_was_pointed_at_is_answered_and_reported_with_its_place(asked, two_marks, drawn_workspace):
    data, left, right = two_marks
    at = asked(("two.png", data))
    token = content_hash(data)[:16]
    at.session_state["workbench"].pointed[token] = (right,)
    at.run()
    assert not at.exception
    assert at.title[1].value == "bar"
    (button,) = [button for button in at.button if str(button.key).startswith("identify.unknown.")]
    button.click().run()
    (entry,) = Dataset(drawn_workspace).inbox()
    assert Region.from_json(entry.answer["region"]) == right
    at.session_state["workbench"].pointed[token] = (left, right)
    at.run()
    assert {header.value for header in at.subheader} >= {"bar", "circle"}


def test_only_what_is_a_region_of_the_picture_is_taken_from_a_browser():
    sent = [{"x": 5, "y": 5, "width": 500, "height": 5}, {"x": "?"}, None, {"x": 400, "y": 0, "width": 1, "height": 1},
            {"x": 1, "y": 1, "width": 2, "height": 2, "tone": "dark", "turn": 90}]  # fmt: skip
    assert regions_in(sent, (100, 50), 8) == [Region(5, 5, 95, 5), Region(1, 1, 2, 2, turn=90, tone="dark")]
    assert regions_in(sent, (100, 50), 1) == [Region(5, 5, 95, 5)]
    assert regions_in("regions", (100, 50), 8) == []


def test_all_pixels_of_a_picture_have_an_address_that_cannot_be_guessed():
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    data = png_bytes(draw("bar", side=200))
    client = TestClient(Starlette(routes=pictures.ROUTES))
    address = pictures.address(data, content_hash(data))
    assert pictures.address(data, content_hash(data)) == address
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert decode(answer.content).size == (200, 200)
    assert content_hash(data) not in address
    assert client.get("/picture/nothing").status_code == 404


def test_the_files_of_pictures_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(pictures, "KEPT", 2000)
    addresses = [pictures.address(bytes([n]) * 900, f"token {n}") for n in range(4)]
    assert sum(map(len, pictures._files.values())) <= 2000
    assert pictures.address(bytes([3]) * 900, "token 3") == addresses[3]
    assert pictures.address(bytes([0]) * 900, "token 0") != addresses[0]
