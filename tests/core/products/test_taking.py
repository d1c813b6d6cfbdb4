"""Catalogue pictures: marks and letters told apart, unknown marks numbered by kind, products made when confirmed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from core.catalogue.records import ProductDraft
from core.collection.dataset import Dataset
from core.embedding import embedder as embedders
from core.embedding.gallery import Gallery, update
from core.ground.errors import Conflict, ImageRefused
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.intake.work import receive
from core.products import letters, pictures, taking
from core.products.pictures import one_of_a_kind, read_picture
from core.products.taking import Confirmed, Row, Seen, name_of, record_of, rows_of, run_pictures, take_in
from core.recognition.calibrate import calibrate
from core.recognition.ranking import ClassAnswer
from tests.conftest import FakeEmbedder, draw, png_bytes


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, FakeEmbedder())
    return dataset


def page(*parts: Image.Image | str, gap: int = 24) -> Image.Image:
    """Drawings and printed words in a row on white."""
    drawn = []
    for part in parts:
        if isinstance(part, str):
            word = Image.new("L", (30 * len(part), 64), 255)
            ImageDraw.Draw(word).text((4, 12), part, font=ImageFont.load_default(36), fill=0)
            drawn.append(word.convert("RGB"))
        else:
            drawn.append(part.convert("RGB"))
    whole = Image.new("RGB", (sum(one.width + gap for one in drawn) + gap, 64 + 2 * gap), "white")
    x = gap
    for one in drawn:
        whole.paste(one, (x, gap))
        x += one.width + gap
    return whole


def named(dataset: Dataset, name: str) -> int:
    return next(record.id for record in dataset.classes() if record.name == name)


def read(dataset: Dataset, image: Image.Image) -> pictures.Reading:
    embedder = FakeEmbedder()
    gallery = Gallery.load(dataset, embedder)
    return read_picture(image, gallery=gallery, calibration=calibrate(gallery), embedder=embedder, k=4)


def test_two_marks_side_by_side_are_two(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "can_read", lambda: False)
    marks = read(dataset, page(draw("circle", seed=21), draw("cross", seed=22))).marks
    found = {mark.answer.classes[0].class_id for mark in marks if mark.answer.verdict != "unknown"}
    assert found == {named(dataset, "circle"), named(dataset, "cross")}
    left, right = sorted((mark.region for mark in marks), key=lambda region: region.x)
    assert left.x + left.width <= right.x


def test_letters_are_read_where_no_mark_is(dataset: Dataset) -> None:
    if not letters.can_read():
        pytest.skip("the extra ocr is not installed")
    reading = read(dataset, page(draw("cross", seed=22), "T67"))
    assert reading.code == "T67" and reading.sure > letters.SURE
    assert [m.answer.classes[0].class_id for m in reading.marks if m.answer.verdict != "unknown"] == [
        named(dataset, "cross")
    ]
    alone = read(dataset, page("DW2"))
    assert alone.code == "DW2" and not [mark for mark in alone.marks if mark.answer.verdict == "certain"]


@pytest.mark.parametrize(("with_the_mark", "readings"), [(False, 1), (True, 2)])
def test_a_page_is_read_again_only_where_a_line_of_it_holds_a_mark(
    with_the_mark: bool, readings: int, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = draw("cross", seed=22)
    word = letters.Letters("T67", 0.99, (24 + mark.width + 24, 24, 90, 64))
    line = letters.Letters("XT67", 0.9, (0, 24, 24 + mark.width + 24 + 90, 64))
    asked: list[Image.Image] = []

    def read_letters(image: Image.Image) -> list[letters.Letters]:
        asked.append(image)
        return [line if with_the_mark and len(asked) == 1 else word]

    monkeypatch.setattr(pictures, "can_read", lambda: True)
    monkeypatch.setattr(pictures, "read_letters", read_letters)
    monkeypatch.setattr(pictures, "read_line", lambda image: letters.Letters("", 0.0, (0, 0, *image.size)))
    reading = read(dataset, page(mark, "T67"))
    assert reading.code == "T67" and len(asked) == readings
    assert {m.answer.classes[0].class_id for m in reading.marks if m.answer.verdict != "unknown"} == {
        named(dataset, "cross")
    }


class Alike:
    """A calibration whose log-odds are the similarity."""

    certain_at = 0.0

    @staticmethod
    def score(classes: list[ClassAnswer]) -> float:
        return classes[0].similarity


@pytest.mark.parametrize(("together", "found"), [(0.7, [2]), (0.5, [1, 2])])
def test_two_parts_of_one_mark_are_one_where_both_together_are_more_like_it(
    together: float, found: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a mark that holds another one as a part, the part is most like its own references."""
    likeness, classes = np.array([0.9, 0.6, together]), (1, 2, 2)

    class Base:
        likeness = staticmethod(lambda vectors: likeness[vectors.argmax(axis=1)])
        __len__ = staticmethod(lambda: 3)

    class Numbered(FakeEmbedder):
        def embed(self, batch: np.ndarray, subjects: object = ()) -> np.ndarray:
            return np.eye(len(batch), dtype=np.float32)

    def answered(vector: np.ndarray, *_: object, **__: object) -> object:
        at = int(vector.argmax())
        return [ClassAnswer(classes[at], float(likeness[at]), 1.0, 1)], "certain"

    monkeypatch.setattr(pictures, "can_read", lambda: False)
    monkeypatch.setattr(pictures, "answer_to", answered)
    image = Image.new("L", (100, 50), 255)
    ImageDraw.Draw(image).rectangle((10, 10, 40, 40), outline=0)
    ImageDraw.Draw(image).rectangle((60, 10, 90, 40), fill=0)
    reading = read_picture(image, gallery=Base(), calibration=Alike(), embedder=Numbered())  # type: ignore[arg-type]
    assert sorted(mark.answer.classes[0].class_id for mark in reading.marks) == found


def boxes(*at: tuple[int, int, int, int]) -> Image.Image:
    """Frames on white, each one piece of ink."""
    image = Image.new("L", (240, 80), 255)
    for one in at:
        ImageDraw.Draw(image).rectangle(one, outline=0, width=3)
    return image


def test_a_whole_is_taken_for_its_parts_where_it_is_as_likely_a_mark() -> None:
    """However alike a part is: a pan of the balance is a triangle."""
    groups = pictures.hypotheses(boxes((10, 10, 40, 60), (60, 10, 90, 60), (150, 10, 190, 60)))
    about = pictures._Page(groups, [])
    part, whole, other = (about.number[frozenset(pieces)] for pieces in ({0}, {0, 1}, {2}))
    answers = {
        at: pictures.Answer("certain", [ClassAnswer(at, 0.9, 1.0, 1)], np.empty(0), np.empty(0))
        for at in (part, whole, other)
    }
    for odds, certain_at, left in (
        (4.0, 5.0, {whole, other}),
        (3.0, 5.0, {part, other}),
        (3.0, 1.0, {whole, other}),  # certain, and the part would leave the rest of its ink over
        (0.9, 0.8, {part, other}),
    ):
        taken = {at: answers[at] for at in (part, other)}
        pictures._complete(taken, about, answers, {part: 3.5, whole: odds, other: 9.0}, certain_at)
        assert set(taken) == left
    text = [letters.Letters("EA", 0.99, (5, 5, 90, 60))]
    taken = {at: answers[at] for at in (part, other)}
    pictures._complete(taken, pictures._Page(groups, text), answers, {part: 3.5, whole: 3.0, other: 9.0}, 1.0)
    assert set(taken) == {part, other}, "what the part leaves over is text"
    joined = about.number[frozenset({1, 2})]
    taken = {part: answers[part], joined: answers[part]}
    pictures._complete(taken, about, answers, {part: 3.5, whole: 9.0, other: 0.0, joined: 1.0}, 5.0)
    assert set(taken) == {part, joined}, "what reaches beyond the whole is no part of it"


SIGNS = boxes((10, 20, 34, 60), (50, 20, 74, 60), (90, 20, 114, 60), (150, 4, 200, 76))  # the last: twice as high


@pytest.mark.parametrize(
    ("piece", "odds", "text", "called"),
    [
        (3, 5.0, ("仓", 0.96), "certain"),  # a mark in what is read as one line with the code
        (3, 1.6, ("m", 0.9), "hesitates"),  # reads as a letter, but is far higher than those of the code
        (3, 1.4, ("m", 0.9), "unknown"),
        (0, 5.0, ("O", 0.6), "unknown"),  # a ring among letters; half of the sureness goes to the figure
        (0, 6.0, ("O", 0.6), "hesitates"),
    ],
)
def test_what_reads_as_a_sign_must_be_the_surer_a_mark(
    piece: int, odds: float, text: tuple[str, float], called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "can_read", lambda: True)
    monkeypatch.setattr(pictures, "read_line", lambda image: letters.Letters(*text, (0, 0, 1, 1)))
    lines = [letters.Letters("O7Am", 0.97, (8, 2, 194, 76))]
    about = pictures._Page(pictures.hypotheses(SIGNS), lines)
    assert pictures._beside_letters(about, about.number[frozenset({piece})], "certain", odds) == called


@pytest.mark.parametrize(
    ("pieces", "odds", "text", "with_a_code", "called"),
    [
        ({2, 3}, 3.0, ("CA", 0.9), False, "unknown"),  # a line of text, the only one
        ({2, 3}, 3.0, ("CA", 0.9), True, "hesitates"),
        ({2, 3}, 2.1, ("CA", 0.9), True, "unknown"),
        ({3}, 0.5, ("m", 0.9), True, "certain"),  # one sign, far higher than those of the code
        ({3}, 0.5, ("m", 0.9), False, "unknown"),
    ],
)
def test_what_reads_as_letters_may_be_a_mark_where_other_text_is_the_code(
    pieces: set[int],
    odds: float,
    text: tuple[str, float],
    with_a_code: bool,
    called: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "can_read", lambda: True)
    monkeypatch.setattr(pictures, "read_line", lambda image: letters.Letters(*text, (0, 0, 1, 1)))
    code, logo = letters.Letters("O7", 0.97, (8, 18, 68, 44)), letters.Letters("CA", 0.97, (88, 2, 114, 76))
    lines = [code] * with_a_code + [logo] * (len(pieces) > 1)
    about = pictures._Page(pictures.hypotheses(SIGNS), lines)
    assert pictures._beside_letters(about, about.number[frozenset(pieces)], "certain", odds) == called


def test_a_sign_that_makes_a_word_with_its_neighbour_is_one_of_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short code is often not seen as a line of text."""
    monkeypatch.setattr(pictures, "can_read", lambda: True)
    texts = {1: ("O", 0.9), 2: ("O7", 0.95)}
    about = pictures._Page(pictures.hypotheses(boxes((10, 20, 34, 60), (50, 20, 74, 60))), [])

    def read_line(image: Image.Image) -> letters.Letters:
        return letters.Letters(*texts[1 + (image.width > image.height)], (0, 0, 1, 1))

    monkeypatch.setattr(pictures, "read_line", read_line)
    at = about.number[frozenset({0})]
    assert pictures._beside_letters(about, at, "certain", 5.0) == "unknown"
    texts[2] = ("O7", 0.3)
    alone = pictures._Page(about.groups, [])
    assert pictures._beside_letters(alone, at, "certain", 5.0) == "certain"


def test_a_doubt_that_holds_signs_of_a_line_and_other_ink_is_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of letters and what stands beside it looks like the widest mark of a base."""
    monkeypatch.setattr(pictures, "can_read", lambda: True)
    monkeypatch.setattr(pictures, "read_line", lambda image: letters.Letters("~", 0.9, (0, 0, 1, 1)))
    lines = [letters.Letters("O7A", 0.97, (8, 18, 110, 46))]
    about = pictures._Page(pictures.hypotheses(SIGNS), lines)
    joined, apart = (about.number[frozenset(pieces)] for pieces in ({2, 3}, {3}))
    assert pictures._beside_letters(about, joined, "hesitates", 1.0) == "unknown"
    assert pictures._beside_letters(about, joined, "hesitates", 3.0) == "hesitates"
    assert pictures._beside_letters(about, apart, "hesitates", 1.0) == "hesitates"


def test_a_ring_round_something_is_no_ring(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the ring alone is like the circles of the base: what lies in its box belongs to it."""
    monkeypatch.setattr(pictures, "can_read", lambda: False)
    ring = draw("circle", seed=21)
    alone = read(dataset, page(ring)).marks[0].answer
    assert alone.verdict == "certain" and alone.classes[0].class_id == named(dataset, "circle")
    around = ring.copy()
    ImageDraw.Draw(around).line((25, 25, 39, 39), fill=0, width=3)
    regions = [mark.region for mark in read(dataset, page(around)).marks]
    assert len(regions) == 1 and regions[0].width > 0.5 * ring.width


def test_a_short_code_that_is_seen_as_no_line_is_read_by_itself(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "can_read", lambda: True)
    monkeypatch.setattr(pictures, "read_letters", lambda image: [])
    monkeypatch.setattr(pictures, "answer_to", lambda *_, **__: ([], "unknown"))
    texts = {True: letters.Letters("A7", 0.95, (0, 0, 1, 1)), False: letters.Letters("l", 0.85, (0, 0, 1, 1))}
    monkeypatch.setattr(pictures, "read_line", lambda image: texts[image.width > 1.3 * image.height])
    assert read(dataset, page("A7")).code == "A7"
    texts[True] = letters.Letters("~o", 0.95, (0, 0, 1, 1))
    assert read(dataset, page("A7")).code == "", "a single sign that is not sure is none, and no word is of such signs"


def test_letters_are_told_row_by_row_however_high_they_are() -> None:
    boxes = {"A7": (10, 12, 30, 20), "B": (60, 4, 20, 34), "second": (5, 50, 70, 20), "row": (90, 44, 20, 30)}
    lines = [letters.Letters(text, 0.9, box) for text, box in sorted(boxes.items(), reverse=True)]
    assert [line.text for line in letters.in_reading_order(lines)] == ["A7", "B", "second", "row"]


def test_without_a_reader_there_is_no_code_and_nothing_fails(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters.importlib.util, "find_spec", lambda name: None)
    assert not letters.can_read() and letters.read_letters(page("T67")) == []
    assert read(dataset, page(draw("cross", seed=22), "T67")).code == ""


def test_a_reader_without_its_models_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would ask another machine for them."""
    (tmp_path / "__init__.py").write_text("")
    found = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})()
    monkeypatch.setattr(letters.importlib.util, "find_spec", lambda name: found)
    assert not letters.can_read()


def test_the_same_unknown_mark_is_one_kind() -> None:
    rng = np.random.default_rng(0)
    two = rng.normal(size=(2, 64))
    many = np.concatenate([two[:1] + 0.1 * rng.normal(size=(5, 64)), two[1:] + 0.1 * rng.normal(size=(3, 64))])
    kinds = one_of_a_kind(many / np.linalg.norm(many, axis=1, keepdims=True))
    assert len(set(kinds[:5])) == len(set(kinds[5:])) == 1 and kinds[0] != kinds[5]
    assert one_of_a_kind(np.ones((1, 4))).tolist() == [0]


def test_a_row_is_kept_and_read_again() -> None:
    marks = (Seen(Region(1, 2, 3, 4), "certain", (7, 8)), Seen(Region(5, 6, 7, 8), "unknown"))
    rows = [Row("a/b_c.png", "x.png", marks, "T67"), Row("bad.png", refused=ImageRefused("No {name}.", name="bad.png"))]
    again = rows_of([record_of(row) for row in rows], {"kinds": {"0 1": 3}})
    assert again[0].marks[0] == marks[0] and again[0].marks[1].kind == 3 and again[0].code == "T67"
    assert str(again[1].refused) == "No bad.png." and name_of(again[0]) == "b c"


def test_what_is_confirmed_becomes_products_and_named_unknowns_classes(dataset: Dataset) -> None:
    image = page(draw("circle", seed=5), draw("triangle", seed=6), draw("wave", seed=7))
    name = dataset.keep_product_picture(png_bytes(image))
    circle = named(dataset, "circle")
    marks = (
        Seen(Region(24, 24, 64, 64), "certain", (circle,)),
        Seen(Region(112, 24, 64, 64), "unknown", (), 0),
        Seen(Region(200, 24, 64, 64), "unknown", (), 1),
    )
    rows = [Row("clara.png", name, marks, "T67")]
    one = Confirmed(name, "Clara", "Lenso", "T67", ((circle, ""),), (0, 1))
    before = dataset.counts().originals
    (made,) = take_in(dataset, rows, [one], {0: " logo ", 1: ""})
    product = dataset.product(made)
    assert [mark.class_id for mark in product.marks] == [circle, named(dataset, "logo")], (
        "the one without a name is not"
    )
    assert product.pictures == (name,) and dataset.counts().originals == before + 1
    entry = dataset.history(1)[0]
    assert (entry.action, entry.items, entry.classes) == ("product_create", 1, 1)
    dataset.undo()  # one step for all of it
    assert dataset.products() == [] and dataset.counts().originals == before
    assert "logo" not in [record.name for record in dataset.classes()]
    dataset.redo()
    assert [one.name for one in dataset.products()] == ["Clara"] and named(dataset, "logo")


def test_where_the_products_are_refused_no_class_is_left_of_it(dataset: Dataset) -> None:
    image = page(draw("circle", seed=5), draw("wave", seed=7))
    name = dataset.keep_product_picture(png_bytes(image))
    rows = [Row("clara.png", name, (Seen(Region(112, 24, 64, 64), "unknown", (), 0),), "T67")]
    dataset.create_products([ProductDraft("Clara", "Lenso", "T67")])
    before = dataset.counts().originals
    with pytest.raises(Conflict):
        take_in(dataset, rows, [Confirmed(name, "Clara", "Lenso", "T67", (), (0,))], {0: "logo"})
    assert dataset.counts().originals == before and "logo" not in [record.name for record in dataset.classes()]


def test_pictures_that_nobody_confirmed_are_swept_and_no_others(dataset: Dataset) -> None:
    left, made, off, new = (dataset.keep_product_picture(png_bytes(draw("wave", seed=seed))) for seed in range(4))
    (one,) = dataset.create_products([ProductDraft("Clara", pictures=(made, off))])
    dataset.remove_product_picture(one, off)  # which undo brings back
    folder = dataset.workspace.product_pictures
    for name in (left, made, off):
        os.utime(folder / name, (0, 0))
    assert dataset.sweep_product_pictures() == 1
    assert {path.name for path in folder.iterdir()} == {made, off, new}


def test_the_job_reads_files_and_zips_and_says_what_it_refuses(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedders, "load_embedder", lambda workspace: FakeEmbedder())
    monkeypatch.setattr(pictures, "can_read", lambda: False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("shop/nova.png", png_bytes(page(draw("cross", seed=9))))
        archive.writestr("shop/notes.txt", b"nothing")
    uploads = [
        ("clara.png", png_bytes(page(draw("circle", seed=8)))), ("all.zip", packed.getvalue()),
        ("bad.png", b"no picture"), ("evil.zip", b"PK no zip"),
    ]  # fmt: skip
    records: list[dict] = []

    class Told:
        def __call__(self, done: int, total: int, note: str = "") -> None:
            pass

        def append(self, record: dict) -> None:
            records.append(record)

    params = {"files": receive(dataset.workspace, uploads)}
    result = run_pictures(dataset.workspace, params, Told(), lambda: False)  # type: ignore[arg-type]
    rows = {row.file: row for row in rows_of(records, result)}
    assert result["pictures"] == 2 and result["letters"] is taking.can_read()
    assert rows["clara.png"].marks[0].class_id == named(dataset, "circle")
    assert rows["shop/nova.png"].marks[0].class_id == named(dataset, "cross")
    assert {name for name, row in rows.items() if row.refused} >= {"bad.png", "evil.zip"}
    assert dataset.products() == [], "nothing comes in before it is confirmed"
    assert run_pictures(dataset.workspace, params, Told(), lambda: True)["pictures"] == 0  # type: ignore[arg-type]
