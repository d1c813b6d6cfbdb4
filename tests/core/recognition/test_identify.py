"""One picture in, one answer out, over drawn shapes."""

import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.embedding.gallery import Gallery, update
from core.recognition.calibrate import Calibration, calibrate
from core.recognition.identify import identify
from tests.conftest import draw

EAGER = Calibration(certain_at=-9.0, margin=-9.0, unknown_below=-9.0, target=0.05)  # names whatever is nearest


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
    about["calibration"] = Calibration(certain_at=-9, margin=2.5, unknown_below=-9, target=0.05)
    answer = identify(draw("bar", seed=50), top=1, **about)
    assert len(answer.classes) == 1
    assert answer.verdict == "hesitates"  # no margin reaches 2.5 when there is a second class


def test_a_blank_picture_is_in_no_base(base):
    about, _ = base
    assert identify(Image.new("RGB", (64, 64), "white"), **about).verdict == "unknown"


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
