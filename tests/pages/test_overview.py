"""The Overview: live figures in the picture, what to do next, the first run and the sample."""

from __future__ import annotations

from core.catalogue.moves import TRAY
from core.collection.dataset import Dataset
from core.recognition.views import VIEWS, Comparison, Score, keep
from core.synthesis.sample import make_sample
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of
from tests.pages.made_runs import make_run


def stations(at):
    (picture,) = component(at, "burin_pipeline")
    return {station["pictogram"]: station for station in picture["stations"]}


def test_an_empty_workspace_offers_the_sample_and_own_images(open_page, workspace):
    at = open_page(workspace)
    assert "Start here" in text_of(at)
    assert at.button(key="overview.sample").label == "Load the sample"
    assert at.button(key="overview.add").label == "Add images"
    shown = stations(at)
    assert (shown["originals"]["figure"], shown["originals"]["state"]) == ("0", "waiting")
    assert shown["identify"]["note"] == "needs originals"


def test_the_picture_counts_what_there_is(open_page, drawn_workspace):
    folder = drawn_workspace.augmented / "circle"
    folder.mkdir(parents=True)
    for number in range(7):
        (folder / f"{number}.png").write_bytes(png_bytes(draw("circle", seed=number)))
    make_run(drawn_workspace)
    at = open_page(drawn_workspace)
    shown = stations(at)
    assert (shown["originals"]["figure"], shown["originals"]["caption"]) == ("12", "3 classes")
    assert shown["variants"]["figure"] == "7"
    assert shown["balance"]["figure"] == "4–4"
    assert shown["train"]["figure"] == "1"
    assert (shown["evaluate"]["figure"], shown["evaluate"]["caption"]) == ("none", "promoted model")
    assert {name: station["state"] for name, station in shown.items()} == {
        "originals": "ready", "variants": "ready", "balance": "open", "train": "ready", "evaluate": "open",
        "identify": "ready",
    }  # fmt: skip
    assert shown["identify"]["figure"] == "12"
    assert "12 originals (+ 7 variants) in 3 classes" in text_of(at)


def test_images_without_a_class_are_not_said_to_be_ready(open_page, drawn_workspace):
    tray = drawn_workspace.data / TRAY
    tray.mkdir(parents=True)
    (tray / "new.png").write_bytes(png_bytes(draw("circle", seed=99)))
    at = open_page(drawn_workspace)
    assert "13 originals in 3 classes; 1 of them without a class yet." in text_of(at)
    assert stations(at)["identify"]["figure"] == "12"


def test_a_promoted_model_is_told(open_page, drawn_workspace):
    drawn_workspace.model.mkdir(parents=True)
    (drawn_workspace.model / "best_efficientnet_triplet.safetensors").write_bytes(b"weights")
    assert stations(open_page(drawn_workspace))["evaluate"]["figure"] == "yes"


def test_the_sample_is_loaded_in_one_click_and_said_to_be_one(open_page, workspace, monkeypatch):
    def load(workspace, *, on_progress):
        make_sample(workspace, on_progress=lambda done, total: on_progress(done, total, "drawing"))
        on_progress(0, 0, "embedding")
        on_progress(4, 4, "measuring")

    monkeypatch.setattr("core.showcase.sample.load", load)  # the whole of it: tests/core/showcase
    at = open_page(workspace)
    at.button(key="overview.sample").click().run()
    assert not at.exception
    assert workspace.config().sample
    assert stations(at)["originals"]["figure"] == str(Dataset(workspace).counts().originals)
    assert "Sample workspace" in text_of(at)


def test_the_sample_goes_in_one_click_and_leaves_what_was_added(open_page, workspace):
    make_sample(workspace)
    own = workspace.raw / "mine"
    own.mkdir()
    (own / "a.png").write_bytes(png_bytes(draw("wave")))
    at = open_page(workspace)
    at.button(key="frame.remove_sample").click().run()
    assert not at.exception
    assert [record.name for record in Dataset(workspace).classes() if record.originals] == ["mine"]
    assert "Sample workspace" not in text_of(at)
    assert "The sample is removed" in text_of(at)


def test_what_to_do_next_names_the_rare_classes_and_the_unnamed_images(open_page, drawn_workspace):
    lonely = drawn_workspace.raw / "wave"
    lonely.mkdir()
    (lonely / "a.png").write_bytes(png_bytes(draw("wave")))
    at = open_page(drawn_workspace)
    assert "1 class has a single image" in text_of(at)
    data = Dataset(drawn_workspace)
    data.relabel([data.items()[0].id], None)
    at.run()
    assert "1 image carries no class yet." in text_of(at)


def test_the_latest_images_come_newest_first(open_page, drawn_workspace):
    at = open_page(drawn_workspace)
    (wall,) = component(at, "burin_gallery")
    shown = [tile["id"] for group in wall["groups"] for tile in group["tiles"]]
    assert shown == sorted((item.id for item in Dataset(drawn_workspace).items()), reverse=True)
    assert all(tile["src"].startswith("/thumbnail/") for group in wall["groups"] for tile in group["tiles"])


def test_a_better_way_of_seeing_is_proposed_taken_and_gone(open_page, drawn_workspace):
    assert "How pictures are seen" not in text_of(open_page(drawn_workspace))  # 12 images say nothing yet
    for number in range(10, 20):
        (drawn_workspace.raw / "bar" / f"{number}.png").write_bytes(png_bytes(draw("bar", seed=number)))
    Dataset(drawn_workspace).rescan()
    at = open_page(drawn_workspace)
    assert "How pictures are seen" in text_of(at)
    assert at.button(key="overview.seeing.compare").label == "Compare the ways of seeing"

    strokes, crop = VIEWS[:2]
    scores = (Score(crop, 21, 22, 0.78, 0.99, chance=0.01), Score(strokes, 12, 22, 0.35, 0.73))
    keep(drawn_workspace, Comparison(scores, strokes, 0.0))
    at = open_page(drawn_workspace)
    assert "Of your own images the mark cut out names the most." in text_of(at)
    assert list(at.table[0].value["Seen by"]) == ["the mark cut out", "the strokes"]
    at.button(key="overview.seeing.take").click().run()
    assert not at.exception
    assert drawn_workspace.config().preprocessing == crop
    assert "How pictures are seen" not in text_of(at)
