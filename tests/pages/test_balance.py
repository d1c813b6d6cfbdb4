"""The Balance page through Home.py: strategies, plan, figures, applying and taking back, single classes."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from core.variation.balance import imbalance
from core.variation.capture import capture_sheet
from core.variation.figures import Look, class_sizes
from core.variation.variants import Manifest
from core.variation.work import run_augment
from tests.conftest import draw, png_bytes
from tests.core.variation.test_capture import page, photograph
from tests.pages.conftest import component, text_of

LOOK = Look("#000000", "#444444", "#ffffff", "#98481c", "#2f6a86", "#a8322b")
WORDS = {name: name for name in ("originals", "variants", "planned", "images")} | {"target": "target {n}"}


@pytest.fixture
def uneven(workspace: Workspace) -> Workspace:
    """circle 6, cross 3, bar 1."""
    for shape, count in (("circle", 6), ("cross", 3), ("bar", 1)):
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(count):
            (workspace.raw / shape / f"{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    return workspace


@pytest.fixture
def in_place(monkeypatch, fake_embedder):
    """The writing job does its work at once, in this process."""
    from core.embedding import embedder
    from core.ground import jobs
    from tests.pages.test_augment import Told

    monkeypatch.setattr(embedder, "load_embedder", lambda workspace, **_: fake_embedder)
    started: list[dict] = []

    def start(self, kind, work, params, *, key=None, alone=False):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        started.append(params)
        run_augment(self.workspace, params, Told(), lambda: False)

    monkeypatch.setattr(jobs.JobRunner, "start", start)
    return started


def cards(at) -> dict[str, dict]:
    return {card["name"]: card for card in component(at, "burin_strategies")[0]["cards"]}


def table(at) -> dict[str, list]:
    return at.dataframe[0].value.to_dict("list")


def test_strategies_stand_side_by_side_with_their_bars(open_page, uneven):
    at = open_page(uneven, "balance")
    shown = cards(at)
    assert list(shown) == ["minimum", "median", "equalise", "sampler"]
    assert shown["minimum"]["figure"] == "+20 variants"  # 10 - 6, 10 - 3, 10 - 1
    assert shown["minimum"]["bars"] == [[6, 4], [3, 7], [1, 9]] and shown["minimum"]["line"] == 10
    assert shown["median"]["figure"] == "+2 variants" and shown["median"]["line"] == 3
    assert shown["equalise"]["figure"] == "+8 variants"
    assert shown["sampler"]["figure"] == "no files" and shown["sampler"]["line"] is None
    assert shown["minimum"]["lines"][0] == "ratio 6.0 → 1.0"


def test_the_plan_says_how_many_from_which_originals(open_page, uneven):
    at = open_page(uneven, "balance", strategy="equalise")
    assert table(at) == {
        "Class": ["bar", "cross", "circle"],
        "Originals": [1, 3, 6],
        "Variants": [0, 0, 0],
        "To write": [5, 3, 0],
        "Then": [6, 6, 6],
        "From": ["1 original × 5", "3 originals × 1", "enough already"],
    }
    before, after = imbalance([6, 3, 1]), imbalance([6, 6, 6])
    shown = [metric.value for metric in at.metric]
    assert shown[:2] == [f"{before.ratio:.1f} → {after.ratio:.1f}", f"{before.gini:.2f} → {after.gini:.2f}"]
    at.selectbox("balance.class").set_value("cross").run()
    [wall] = component(at, "burin_gallery")
    assert [tile["mark"] for tile in wall["groups"][0]["tiles"]] == ["× 1"] * 3


def test_a_minimum_is_typed_and_too_few_originals_are_named(open_page, uneven):
    at = open_page(uneven, "balance")
    at.number_input("balance.minimum").set_value(60).run()
    at.number_input("balance.most").set_value(20).run()
    said = text_of(at)
    assert "1 class falls short of the target" in said  # bar: one original, 20 variants at most
    assert table(at)["From"][table(at)["Class"].index("bar")].endswith("no original may have more")


def test_a_number_comes_back_with_its_control(open_page, uneven):
    at = open_page(uneven, "balance")
    minimum = at.number_input("balance.minimum")
    # What the browser shows where it misses the run that drew the control: the proto's own default.
    assert (minimum.value, minimum.proto.default) == (10, 10)
    minimum.set_value(8).run()
    at.query_params["strategy"] = "median"
    at.run()
    assert "balance.minimum" not in [control.key for control in at.number_input]
    assert cards(at)["minimum"]["line"] == 8
    del at.query_params["strategy"]
    at.run()
    assert at.number_input("balance.minimum").value == 8 and cards(at)["minimum"]["line"] == 8


def test_applied_the_bars_meet_the_line_and_undone_they_are_as_before(open_page, uneven, in_place):
    at = open_page(uneven, "balance")
    at.number_input("balance.minimum").set_value(8).run()
    at.button("balance.write").click().run()
    assert [len(numbers) for _, numbers in in_place[0]["tasks"]] and in_place[0]["override"] is False
    records = {record.name: record for record in Dataset(uneven).classes()}
    assert {name: r.originals + r.variants for name, r in records.items()} == {"circle": 8, "cross": 8, "bar": 8}
    assert "Every class has its target: nothing to write." in text_of(at)
    assert cards(at)["minimum"]["bars"] == [[8, 0]] * 3
    [batch] = Manifest(uneven.augmented).batches()
    at.button(f"balance.undo.{batch.id}").click().run()
    assert not Manifest(uneven.augmented).variants()
    assert cards(at)["minimum"]["bars"] == [[6, 2], [3, 5], [1, 7]]


def test_a_single_original_is_named_with_a_sheet_to_print(open_page, uneven):
    at = open_page(uneven, "balance")
    said = text_of(at)
    assert "1 class with a single original" in said and "**bar**" in said
    assert at.number_input("balance.boxes").value == 12
    [sheet] = [button for button in at.get("download_button") if "balance.sheet" in button.proto.id]
    assert sheet.proto.label == "Capture sheet"
    assert capture_sheet("bar", 12).count("<figure>") == 12


def test_a_filled_sheet_comes_back_as_images_of_its_class(open_page, uneven):
    at = open_page(uneven, "balance")
    uploader = at.file_uploader("balance.filled.bar.0")
    uploader.upload("letter.png", png_bytes(draw("cross")), "image/png").run()
    assert "letter.png: the four black marks in the corners" in text_of(at)
    photo = photograph(page({0: "bar", 4: "cross", 7: "bar"}), angle=3, shade=0.3)
    at.file_uploader("balance.filled.bar.0").set_value([("sheet.png", png_bytes(photo), "image/png")]).run()
    at.checkbox("balance.filled.bar.0.1").uncheck().run()  # a cross is no bar
    assert at.button("balance.filled.bar.add").label == "Add 2 images to bar"
    at.button("balance.filled.bar.add").click().run()
    assert "2 images added to bar." in text_of(at)
    counts = {record.name: record.originals for record in Dataset(uneven).classes()}
    assert counts == {"circle": 6, "cross": 3, "bar": 3}
    assert "single original" not in text_of(at)
    Dataset(uneven).undo()
    assert {record.name: record.originals for record in Dataset(uneven).classes()}["bar"] == 1


def test_weights_write_nothing_and_an_unknown_strategy_is_the_first(open_page, uneven):
    at = open_page(uneven, "balance", strategy="sampler")
    assert "nothing is written" in text_of(at) and not [b for b in at.button if b.key == "balance.write"]
    weights = dict(zip(table(at)["Class"], table(at)["Weight of an image"], strict=True))
    assert weights["bar"] > weights["cross"] > weights["circle"]
    at = open_page(uneven, "balance", strategy="robin hood")
    assert component(at, "burin_strategies")[0]["chosen"] == "minimum"


def test_an_empty_library_says_so_and_french_is_spoken(open_page, workspace, uneven):
    at = open_page(Workspace(workspace.root.parent / "empty"), "balance", locale="fr-FR")
    assert at.title[0].value == "Équilibrer" and "il n’y en a pas encore" in text_of(at)
    at = open_page(uneven, "balance", locale="fr-FR")
    assert cards(at)["minimum"]["title"] == "Au moins un minimum" and "1 classe avec un seul original" in text_of(at)


def test_names_of_classes_are_no_markup_in_a_figure(uneven):
    from core.variation.balance import plan
    from core.variation.sources import originals_of

    data = Dataset(uneven)
    data.rescan()
    data.create_class("x")
    data.rename_class(next(r.id for r in data.classes() if r.name == "bar"), "<b>$x$")
    figure = class_sizes(plan(originals_of(data)), look=LOOK, words=WORDS)
    assert list(figure.data[0].x) == ["circle", "cross", "&lt;b&gt;$x$"]
    assert list(figure.data[0].y) == [6, 3, 1] and list(figure.data[1].y) == [4, 7, 9]
    assert all(bar.marker.opacity is None for bar in figure.data), "a legend shows none"
    assert figure.layout.shapes[0].y0 == 10 and figure.layout.annotations[0].text == "target 10"
