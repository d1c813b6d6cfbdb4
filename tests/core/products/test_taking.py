"""Catalogue pictures: marks and letters told apart, unknown marks numbered by kind, products made when confirmed."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Sequence
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
from core.products import explanations, letters, pictures, taking
from core.products.explanations import Candidate, Page, likeliest
from core.products.pictures import one_of_a_kind, read_picture
from core.products.taking import Confirmed, Row, Seen, name_of, record_of, rows_of, run_pictures, take_in
from core.recognition.calibrate import calibrate
from core.recognition.ranking import ClassAnswer
from core.sight.hypotheses import hypotheses
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
    monkeypatch.setattr(explanations, "can_read", lambda: False)
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
    monkeypatch.setattr(explanations, "read_line", lambda image: letters.Letters("", 0.0, (0, 0, *image.size)))
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
    monkeypatch.setattr(explanations, "can_read", lambda: False)
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


def explained(
    about: Page, odds: dict[frozenset[int], float], *, classes: Sequence[int] = range(9), similar: float = 0.5
) -> dict[frozenset[int], float]:
    """The marks of the likeliest explanation by their pieces, where groupings have these log-odds, and how probable."""
    number = {group.pieces: at for at, group in enumerate(about.groups)}
    candidates = [
        Candidate(number[pieces], class_id, one, similar)
        for (pieces, one), class_id in zip(odds.items(), classes, strict=False)
    ]
    return {about.groups[at].pieces: sure for at, sure in likeliest(about, candidates).items()}


def reads(monkeypatch: pytest.MonkeyPatch, text: Callable[[Image.Image], tuple[str, float]]) -> None:
    monkeypatch.setattr(explanations, "can_read", lambda: True)
    monkeypatch.setattr(explanations, "read_line", lambda image: letters.Letters(*text(image), (0, 0, 1, 1)))


PART, WHOLE, OTHER = frozenset({0}), frozenset({0, 1}), frozenset({2})


@pytest.mark.parametrize(
    ("odds", "text", "taken"),
    [
        (4.0, "", {WHOLE, OTHER}),
        (3.0, "", {WHOLE, OTHER}),  # less likely a mark than its part, which would leave the rest of its ink over
        (0.6, "", {PART, OTHER}),  # hardly likelier a mark than none
        (3.0, "EA", {PART, OTHER}),  # what the part leaves over is text
    ],
)
def test_a_whole_is_weighed_against_its_parts_and_what_they_leave_over(
    odds: float, text: str, taken: set[frozenset[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However alike a part is: a pan of the balance is a triangle."""
    reads(monkeypatch, lambda image: ("", 0.0))
    groups = hypotheses(boxes((10, 10, 40, 60), (60, 10, 90, 60), (150, 10, 190, 60)))
    about = Page(groups, [letters.Letters(text, 0.99, (50, 5, 50, 60))] if text else [])
    assert set(explained(about, {PART: 3.5, WHOLE: odds, OTHER: 9.0})) == taken


def test_marks_share_no_ink_and_the_likelier_way_to_part_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    reads(monkeypatch, lambda image: ("", 0.0))
    about = Page(hypotheses(boxes((10, 10, 40, 60), (60, 10, 90, 60), (150, 10, 190, 60))), [])
    joined = frozenset({1, 2})
    assert set(explained(about, {PART: 3.5, WHOLE: 9.0, joined: 1.0})) == {WHOLE}
    sure_marks = {PART: 3.5, joined: 3.5, WHOLE: 0.6, OTHER: 0.6}  # the last two are hardly likelier marks than none
    assert set(explained(about, sure_marks)) == {PART, joined}
    either = {WHOLE: 5.0, joined: 6.0}
    doubted = explained(about, either)
    assert set(doubted) == {joined}
    sure = explained(about, {joined: 6.0})
    assert doubted[joined] < 0.9 < sure[joined] <= 1, "another explanation that is nearly as good leaves a doubt"


def test_two_candidates_that_are_the_parts_of_a_third_are_not_two_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together called as one of them is, and no less alike."""
    reads(monkeypatch, lambda image: ("", 0.0))
    about = Page(hypotheses(boxes((10, 10, 40, 60), (60, 10, 90, 60))), [])
    odds = {PART: 1.0, frozenset({1}): 1.0, WHOLE: 0.5}
    assert set(explained(about, odds, classes=[1, 2, 3])) == {PART, frozenset({1})}
    assert set(explained(about, odds, classes=[1, 2, 2])) == {WHOLE}


def test_many_candidates_are_explained_by_the_likeliest() -> None:
    about = Page(hypotheses(boxes(*((10 * n, 10, 10 * n + 5, 40) for n in range(20)))), [])
    candidates = [Candidate(at, at, float(at), 0.5) for at in range(20)]
    sets, features = explanations.explanations(about, candidates)
    assert len(sets) == len(features) == 2**explanations.LIKELIEST
    assert frozenset(range(20 - explanations.LIKELIEST, 20)) in sets and max(map(max, filter(None, sets))) == 19


SIGNS = boxes((10, 20, 34, 60), (50, 20, 74, 60), (90, 20, 114, 60), (150, 4, 200, 76))  # the last: twice as high


@pytest.mark.parametrize(
    ("piece", "odds", "text", "taken"),
    [
        (3, 5.0, ("仓", 0.96), True),  # a mark in what is read as one line with the code
        (3, 1.6, ("m", 0.9), True),  # reads as a letter, but is far higher than those of the code
        (3, 0.5, ("m", 0.9), False),
        (0, 5.0, ("O", 0.6), False),  # a ring among letters
        (0, 6.0, ("O", 0.6), True),
    ],
)
def test_what_reads_as_a_sign_must_be_the_surer_a_mark(
    piece: int, odds: float, text: tuple[str, float], taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(monkeypatch, lambda image: text)
    about = Page(hypotheses(SIGNS), [letters.Letters("O7Am", 0.97, (8, 2, 194, 76))])
    assert bool(explained(about, {frozenset({piece}): odds})) is taken


@pytest.mark.parametrize(
    ("odds", "with_a_code", "taken"), [(3.0, False, False), (3.0, True, True), (-3.0, True, False), (5.0, False, True)]
)
def test_what_reads_as_letters_may_be_a_mark_where_other_text_is_the_code(
    odds: float, with_a_code: bool, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(monkeypatch, lambda image: ("CA", 0.9))
    code, logo = letters.Letters("O7", 0.97, (8, 18, 68, 44)), letters.Letters("CA", 0.97, (88, 2, 114, 76))
    about = Page(hypotheses(SIGNS), [code, logo] if with_a_code else [logo])
    assert bool(explained(about, {frozenset({2, 3}): odds})) is taken


def test_a_sign_that_makes_a_word_with_its_neighbour_is_one_of_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short code is often not seen as a line of text."""
    texts = {False: ("O", 0.9), True: ("O7", 0.95)}
    reads(monkeypatch, lambda image: texts[image.width > image.height])
    groups = hypotheses(boxes((10, 20, 34, 60), (50, 20, 74, 60)))
    assert not explained(Page(groups, []), {PART: 5.0})
    texts[True] = ("O7", 0.3)
    assert set(explained(Page(groups, []), {PART: 5.0})) == {PART}


def test_a_mark_is_certain_only_where_its_explanation_is(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "can_read", lambda: False)
    reads(monkeypatch, lambda image: ("", 0.0))
    picture = page(draw("circle", seed=21))
    (mark,) = read(dataset, picture).marks
    assert mark.answer.verdict == "certain"
    for sure, verdict in ((pictures.LIKELY, "certain"), (pictures.LIKELY - 0.01, "hesitates")):
        monkeypatch.setattr(pictures, "likeliest", lambda page, candidates, sure=sure: {candidates[0].at: sure})
        assert read(dataset, picture).marks[0].answer.verdict == verdict


def test_a_ring_round_something_is_no_ring(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the ring alone is like the circles of the base: what lies in its box belongs to it."""
    monkeypatch.setattr(pictures, "can_read", lambda: False)
    monkeypatch.setattr(explanations, "can_read", lambda: False)
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
    monkeypatch.setattr(explanations, "read_line", lambda image: texts[image.width > 1.3 * image.height])
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
    monkeypatch.setattr(explanations, "can_read", lambda: False)
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
