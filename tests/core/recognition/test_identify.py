"""One picture in, one answer out, over drawn shapes."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.embedding.gallery import Gallery, update
from core.ground.config import Preprocessing
from core.ground.errors import ConfigRefused
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.recognition import verdicts
from core.recognition.alignment import align
from core.recognition.calibrate import Calibration, calibrate
from core.recognition.identify import NEARLY, PRESENT, SURE, identify, identify_marks
from core.sight.marks import Mark, Subject, sight
from core.sight.proposals import LIKELY
from tests.conftest import FakeEmbedder, draw

# Names whatever is nearest, without a look at the strokes.
EAGER = Calibration(
    certain_at=-99.0, unknown_below=-99.0, clear_at=-99.0, doubt_from=-99.0, alone_at=-99.0, target=0.05
)


@pytest.fixture
def base(drawn_workspace, fake_embedder):
    """The drawn workspace as `identify` wants it, and the names of its classes."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    about = {"gallery": Gallery.load(dataset, fake_embedder), "embedder": fake_embedder, "calibration": EAGER}
    return about, {record.id: record.name for record in dataset.classes()}


@pytest.mark.parametrize("shape", ["circle", "cross", "bar"])
def test_a_new_drawing_of_a_known_shape_gets_its_name(base, shape):
    about, names = base
    answer = identify(draw(shape, seed=50), **about)
    assert names[answer.classes[0].class_id] == shape
    assert answer.verdict == "certain"
    assert answer.seen.shape == (64, 64, 3)
    assert set(answer.latency_ms) == {"see", "embed", "search", "total"}


def test_the_answer_as_json_has_names_and_similarities_best_first(base):
    about, names = base
    record = identify(draw("bar", seed=50), **about).to_json(names)
    assert record["verdict"] == "certain"
    assert record["classes"][0]["name"] == "bar"
    assert len(record["classes"]) == 3
    assert all(-1 <= c["similarity"] <= 1.0001 for c in record["classes"])


def test_a_single_class_shown_still_weighs_the_second(base):
    about, _ = base
    alone = identify(draw("bar", seed=50), top=1, **about)
    both = identify(draw("bar", seed=50), top=2, **about)
    assert len(alone.classes) == 1
    at = about["calibration"].score(both.classes)
    assert about["calibration"].score(alone.classes) > at  # of the first alone, the margin is not known
    about["calibration"] = replace(
        EAGER, certain_at=at + 0.01, clear_at=at + 0.01, alone_at=at + 0.01, doubt_from=at + 0.005
    )
    assert identify(draw("bar", seed=50), top=1, **about).verdict == "hesitates"


def test_a_mark_read_in_a_photograph_is_asked_with_what_holds_for_photographs(base):
    about, _ = base
    strict = replace(EAGER, certain_at=98.0, clear_at=98.0, alone_at=98.0)
    about["calibration"] = replace(EAGER, photographed=strict)
    drawn = draw("bar", seed=50)
    assert identify(drawn, **about).verdict == "certain"
    assert identify(Subject(drawn), **about).verdict == "certain"
    assert identify(Subject(drawn, drawn.convert("L")), **about).verdict == "hesitates"
    about["calibration"] = EAGER  # of an earlier version: one for both
    assert identify(Subject(drawn, drawn.convert("L")), **about).verdict == "certain"


def test_the_strokes_are_compared_where_there_is_a_doubt_and_only_there(base, monkeypatch):
    about, names = base
    asked = []
    monkeypatch.setattr(verdicts, "align", lambda query, held: asked.append(len(held)) or align(query, held))
    assert identify(draw("cross", seed=50), **about).classes[0].strokes is None and not asked
    about["calibration"] = replace(EAGER, clear_at=99.0)
    answer = identify(draw("cross", seed=50), **about)
    costs = [one.strokes for one in answer.classes if one.strokes]
    assert asked == [len(costs)] and names[answer.classes[0].class_id] == "cross"
    assert sum(costs[0]) == min(map(sum, costs))
    about["gallery"] = replace(about["gallery"], outlines=None)
    assert identify(draw("cross", seed=50), **about).classes[0].strokes is None and len(asked) == 1


def test_a_blank_picture_shows_no_mark_rather_than_an_unknown_one(base):
    about, _ = base
    assert identify(Image.new("RGB", (64, 64), "white"), **about).verdict == "not_found"
    (answer,) = identify_marks(Image.new("RGB", (64, 64), "white"), **about)
    assert (answer.verdict, answer.classes, answer.box) == ("not_found", [], None)
    assert (answer.seen == 255).all()


def test_an_empty_gallery_answers_unknown(workspace, fake_embedder):
    gallery = Gallery.load(Dataset(workspace), fake_embedder)
    answer = identify(draw("bar"), gallery=gallery, calibration=calibrate(gallery), embedder=fake_embedder)
    assert (answer.verdict, answer.classes) == ("unknown", [])


def test_a_filter_leaves_only_its_classes(base):
    about, names = base
    cross = next(class_id for class_id, name in names.items() if name == "cross")
    answer = identify(draw("bar", seed=50), class_ids=[cross], **about)
    assert [names[c.class_id] for c in answer.classes] == ["cross"]
    assert identify(draw("bar"), kinds=["icon"], **about).verdict == "unknown"


def test_a_drawing_is_one_mark_answered_as_it_always_was(base):
    about, _ = base
    drawing = draw("bar", seed=50)
    (answer,) = identify_marks(drawing, **about)
    alone = identify(drawing, **about)
    assert answer.box == [0, 0, *drawing.size]
    assert answer.classes == alone.classes
    assert np.array_equal(answer.seen, alone.seen)
    assert set(answer.latency_ms) == {"find", "see", "embed", "search", "total"}


@pytest.fixture
def table():
    """A circle at the left and a bar at the right of one picture, and where they are."""
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    return picture, Region(0, 0, 100, 100), Region(200, 0, 100, 100)


def found(monkeypatch, picture, *marks):
    """Let the finder say these (region, sureness)."""
    made = [Mark(region, sure, picture.crop((region.x, region.y, region.x + region.width, region.y + region.height)))
            for region, sure in marks]  # fmt: skip
    monkeypatch.setattr("core.recognition.identify.find_marks", lambda image, **_: made)


def one_more(gallery, vector):
    """The gallery with one reference of a class of its own, 77, that has this vector."""
    return replace(
        gallery,
        item_ids=np.append(gallery.item_ids, 999),
        class_ids=np.append(gallery.class_ids, 77),
        kinds=np.append(gallery.kinds, "drawing"),
        vectors=np.vstack([gallery.vectors, vector]),
        outlines=None,
    )


def named(answer, names):
    return names[answer.classes[0].class_id]


def test_two_marks_in_one_picture_are_answered_each_on_its_own_as_they_lie_there(base, table, monkeypatch):
    about, names = base
    picture, left, right = table
    found(monkeypatch, picture, (right, 0.9), (left, 0.8))
    answers = identify_marks(picture, **about)
    assert [(named(one, names), one.region) for one in answers] == [("circle", left), ("bar", right)]
    assert all(PRESENT <= one.sure < 1 for one in answers)


@pytest.mark.parametrize(
    "box, offered", [(Region(0, 0, 50, 50), True), (Region(0, 0, 100, 64), False)], ids=["a part", "other edges"]
)
def test_of_two_boxes_on_one_mark_the_more_like_a_reference_is_taken_and_a_part_offered(
    base, table, monkeypatch, box, offered
):
    about, names = base
    picture, left, _ = table
    found(monkeypatch, picture, (box, 0.9), (left, 0.8))
    (answer,) = identify_marks(picture, **about)
    assert (answer.region, answer.instead) == (left, (box,) if offered else ())
    assert named(answer, names) == "circle"


def test_a_box_far_less_sure_is_not_asked_what_it_is_like_and_still_offered(base, table, monkeypatch):
    about, _ = base
    picture, left, _ = table
    part = Region(0, 0, 50, 50)
    found(monkeypatch, picture, (part, 0.9), (left, NEARLY * 0.9 - 0.01))
    (answer,) = identify_marks(picture, **about)
    assert (answer.region, answer.instead) == (part, (left,))


def test_two_marks_are_not_taken_for_one_because_a_box_holds_both(base, table, monkeypatch):
    about, names = base
    picture, left, right = table
    found(monkeypatch, picture, (left, 0.99), (right, 0.7), (Region(0, 0, 300, 100), 0.2))
    answers = identify_marks(picture, **about)
    told = {(named(one, names), one.region, one.verdict) for one in answers}
    assert told == {("circle", left, "certain"), ("bar", right, "certain")}


def test_what_lies_in_the_box_that_was_taken_is_no_mark_of_its_own(base, table, monkeypatch):
    about, names = base
    picture, left, _ = table
    halves = Region(0, 0, 45, 100), Region(55, 0, 45, 100)
    found(monkeypatch, picture, (halves[0], 0.9), (left, 0.8), (halves[1], 0.7))
    (answer,) = identify_marks(picture, **about)
    assert (answer.region, named(answer, names)) == (left, "circle")


def test_similarity_never_makes_a_mark_of_a_box_that_is_not_sure(base, table, monkeypatch):
    about, _ = base
    picture, left, right = table
    found(monkeypatch, picture, (left, LIKELY - 0.01), (right, LIKELY / 2))
    (answer,) = identify_marks(picture, **about)
    assert (answer.verdict, answer.classes) == ("not_found", [])
    assert answer.instead == (left, right)  # to be clicked


def test_the_better_the_base_knows_a_mark_the_less_sure_its_box_must_be(base, table, monkeypatch):
    about, _ = base
    picture, left, right = table
    strange = Image.effect_noise((96, 96), 90).convert("RGB")
    picture.paste(strange, (202, 2))

    def least(region: Region) -> float:
        """The sureness from which it is taken for a mark."""
        for sure in np.arange(LIKELY, 1, 0.01):
            found(monkeypatch, picture, (region, float(sure)))
            if identify_marks(picture, **about)[0].verdict != "not_found":
                return float(sure)
        return 1.0

    known, strange_one = least(left), least(right)
    assert LIKELY < known < strange_one < 1 and known < SURE
    found(monkeypatch, picture, (left, (known + SURE) / 2))
    assert identify_marks(picture, **about)[0].verdict == "hesitates"  # known, but whether it is a mark is not
    found(monkeypatch, picture, (left, SURE))
    assert identify_marks(picture, **about)[0].verdict == "certain"


def test_a_part_is_not_certain_where_the_base_knows_a_larger_box_by_another_name(base, table, monkeypatch):
    about, names = base
    picture, _, _ = table
    part, whole = Region(200, 0, 100, 100), Region(0, 0, 300, 100)
    found(monkeypatch, picture, (part, 0.95), (whole, 0.4))
    (answer,) = identify_marks(picture, **about)
    assert (answer.region, named(answer, names), answer.verdict) == (part, "bar", "certain")
    seen = sight(picture, about["embedder"].preprocessing, region=whole)
    other = 0.75 * about["embedder"].embed(seen[None])[0]
    rest = np.random.default_rng(0).normal(size=other.shape)
    rest -= rest @ other / (other @ other) * other
    rest *= np.sqrt(1 - other @ other) / np.linalg.norm(rest)
    about["gallery"] = one_more(about["gallery"], other + rest)
    (answer,) = identify_marks(picture, **about)
    assert (answer.region, answer.verdict) == (part, "hesitates")


def test_marks_side_by_side_are_one_where_the_base_knows_them_as_one(base, table, monkeypatch):
    about, _ = base
    apart, left, far = table
    picture = Image.new("RGB", (220, 100), "white")
    picture.paste(apart.crop((0, 0, 100, 100)), (0, 0))
    picture.paste(apart.crop((200, 0, 300, 100)), (120, 0))
    right, both = Region(120, 0, 100, 100), Region(0, 0, 220, 100)
    found(monkeypatch, picture, (left, 0.9), (right, 0.8))
    # without such a class they are two
    strict = replace(EAGER, certain_at=98.0, clear_at=98.0, alone_at=98.0, doubt_from=97.0)
    about["calibration"] = strict
    assert len(identify_marks(picture, **about)) == 2
    about["calibration"] = EAGER
    seen = sight(picture, about["embedder"].preprocessing, region=both)
    about["gallery"] = one_more(about["gallery"], about["embedder"].embed(seen[None]))
    (answer,) = identify_marks(picture, **about)
    assert answer.classes[0].class_id == 77 and answer.region == both
    assert set(answer.instead) == {left, right}  # each can still be clicked
    found(monkeypatch, apart, (left, 0.9), (far, 0.8))
    assert len(identify_marks(apart, **about)) == 2


def test_the_mark_that_the_base_knows_comes_before_one_that_is_surer(base, table, monkeypatch):
    about, names = base
    picture, left, right = table
    strange = Image.effect_noise((96, 96), 90).convert("RGB")
    picture.paste(strange, (202, 2))
    found(monkeypatch, picture, (right, 0.95), (left, 0.8))
    answers = identify_marks(picture, **about)
    assert answers[0].region == left and named(answers[0], names) == "circle"


def test_what_somebody_points_at_is_answered_and_nothing_else_looked_for(base, table, monkeypatch):
    about, names = base
    picture, left, right = table
    monkeypatch.setattr("core.recognition.identify.find_marks", lambda *_, **__: pytest.fail("nobody asked to look"))
    answers = identify_marks(picture, regions=[left, Region(200, 0, 400, 400)], **about)
    assert [named(one, names) for one in answers] == ["circle", "bar"]
    assert answers[1].region == right  # as far as the picture reaches
    (turned,) = identify_marks(picture.rotate(90, expand=True), regions=[Region(0, 0, 100, 100, turn=-90)], **about)
    assert named(turned, names) == "bar"
    (empty,) = identify_marks(picture, regions=[Region(120, 10, 50, 50)], **about)
    assert (empty.verdict, empty.box) == ("not_found", [120, 10, 50, 50])
    with pytest.raises(ConfigRefused, match="outside the picture, which is 300 × 100 pixels"):
        identify_marks(picture, regions=[Region(300, 0, 10, 10)], **about)


def test_where_mark_and_picture_are_joined_nothing_is_looked_for_and_a_region_cuts(drawn_workspace, table, monkeypatch):
    picture, left, right = table
    embedder = FakeEmbedder(Preprocessing("joined", 64))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, embedder)
    gallery = Gallery.load(dataset, embedder)
    assert gallery.outlines is not None and gallery.outlines.any()
    about = {"gallery": gallery, "embedder": embedder, "calibration": EAGER}
    names = {record.id: record.name for record in dataset.classes()}
    monkeypatch.setattr("core.recognition.identify.find_marks", lambda *_, **__: pytest.fail("the picture is compared"))
    (answer,) = identify_marks(draw("bar", seed=50), **about)
    assert named(answer, names) == "bar" and answer.seen.shape == (64, 128, 3) and answer.box == [0, 0, 64, 64]
    answers = identify_marks(picture, regions=[left, right], **about)
    assert [named(one, names) for one in answers] == ["circle", "bar"]
    assert np.array_equal(answers[1].seen, see(picture.crop((200, 0, 300, 100)), embedder.preprocessing))
    for tone in ("white", "grey"):  # the cut mark is blank then, the whole picture one tone
        assert identify(Image.new("RGB", (64, 64), tone), **about).verdict == "not_found"
