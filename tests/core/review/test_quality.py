"""The quality check, on pictures made for it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.collection import looks
from core.collection.dataset import Dataset
from core.collection.looks import Looks, look_at_all
from core.embedding.gallery import update
from core.ground.sameness import look
from core.review.neighbourhood import Contents, Neighbourhood
from core.review.predictions import Labels, predict
from core.review.quality import Findings, check, exact_copies, hints
from tests.conftest import draw, png_bytes


def jpeg_bytes(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50)
    return stream.getvalue()


@pytest.fixture
def messy(drawn_workspace):
    """Three classes of four, and: an exact copy in another class, a JPEG copy, a blank, a tiny and a broken file."""
    raw = drawn_workspace.raw
    (raw / "cross" / "stray.png").write_bytes((raw / "circle" / "circle_0.png").read_bytes())
    (raw / "bar" / "again.jpg").write_bytes(
        jpeg_bytes(Image.open(raw / "bar" / "bar_1.png").convert("RGB").resize((160, 160)))
    )
    (raw / "bar" / "blank.png").write_bytes(png_bytes(Image.new("RGB", (64, 64), "white")))
    (raw / "bar" / "tiny.png").write_bytes(png_bytes(draw("bar", seed=9, side=16)))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return dataset


def names(dataset: Dataset, item_ids: list[int]) -> set[str]:
    return {item.path.rpartition("/")[2] for item in dataset.some(item_ids)}


def with_hash(dataset: Dataset, hashes: tuple[str, ...]) -> set[str]:
    return {item.path.rpartition("/")[2] for item in dataset.items(limit=None) if item.sha256 in hashes}


def test_exact_copies_are_found_across_classes(messy):
    (group,) = exact_copies(Labels.load(messy))
    assert names(messy, group) == {"circle_0.png", "stray.png"}
    messy.trash(group[:1])
    assert exact_copies(Labels.load(messy)) == []


def test_a_check_lists_each_thing_once(messy, fake_embedder):
    found = check(messy, fake_embedder, at=5.0)
    assert found is not None and found.at == 5.0 and found.images == 15
    assert {"bar_1.png", "again.jpg"} in [with_hash(messy, group) for group in found.copies]
    assert with_hash(messy, found.blank) == {"blank.png"}
    assert with_hash(messy, found.tiny) == {"tiny.png"}
    assert found.unreadable == ()


def test_findings_survive_a_round_trip_and_damage_means_none(messy, fake_embedder):
    found = check(messy, fake_embedder, at=5.0)
    assert found is not None
    assert Findings.read(messy.workspace) is None
    found.save(messy.workspace)
    assert Findings.read(messy.workspace) == found
    (messy.workspace.cache / "quality" / "findings.json").write_text("{", encoding="utf-8")
    assert Findings.read(messy.workspace) is None


def test_a_second_check_opens_only_what_is_new(messy, fake_embedder, monkeypatch):
    check(messy, fake_embedder, at=1.0)
    opened = []
    monkeypatch.setattr(looks, "look", lambda image: opened.append(image) or look(image))
    (messy.workspace.raw / "bar" / "new.png").write_bytes(png_bytes(draw("bar", seed=20)))
    messy.rescan()
    found = check(messy, fake_embedder, at=2.0)
    assert found is not None and found.images == 16 and len(opened) == 1


def test_a_file_that_broke_since_is_unreadable_and_stops_nothing(messy):
    item = messy.items(limit=1)[0]
    (messy.workspace.root / item.path).write_bytes(b"\x89PNG broken")
    found = look_at_all(messy, known=Looks.read(messy.workspace.cache / "none.npz"))
    assert (found.state == "broken").sum() == 1 and len(found.sha256) == 15


def test_stopping_keeps_what_is_known(messy, fake_embedder):
    assert check(messy, fake_embedder, at=1.0, should_stop=lambda: True) is None


def test_different_drawings_of_a_class_are_no_copies(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    found = check(dataset, fake_embedder, at=1.0)
    assert found is not None
    assert all(len(group) < 3 for group in found.copies)


def test_a_planted_wrong_label_is_the_first_hint(drawn_workspace, fake_embedder):
    (drawn_workspace.raw / "circle" / "planted.png").write_bytes(png_bytes(draw("cross", seed=11)))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    labels = Labels.load(dataset)
    neighbourhood = Neighbourhood.empty().extended(Contents.load(dataset, fake_embedder.space))
    assert neighbourhood is not None
    first = hints(labels, predict(labels, neighbourhood))[0][0]
    assert names(dataset, [first.item_id]) == {"planted.png"}
    classes = {record.id: record.name for record in dataset.classes()}
    assert (classes[first.label], classes[first.said]) == ("circle", "cross")
    assert first.vote > 0.5 > first.own


def test_mirror_twins_are_named(workspace, fake_embedder):
    """Strokes that lean left and right: mirrored, one class is the other."""
    for name, flip in (("slash", False), ("backslash", True)):
        (workspace.raw / name).mkdir(parents=True)
        for seed in range(4):
            image = np.asarray(draw("triangle", seed=seed)).copy()
            image[:, 32:] = 255  # the left half of a triangle: a stroke that leans right, and its foot
            picture = Image.fromarray(image[:, ::-1] if flip else image)
            (workspace.raw / name / f"{seed}.png").write_bytes(png_bytes(picture))
    dataset = Dataset(workspace)
    dataset.rescan()
    found = check(dataset, fake_embedder, at=1.0)
    assert found is not None
    mirrored = {(twin.name, twin.twin_name) for twin in found.twins if twin.template == "mirrored left to right"}
    assert mirrored == {("slash", "backslash"), ("backslash", "slash")}
