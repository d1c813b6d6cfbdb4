"""The gallery follows the workspace: what is embedded when, and what a search may find."""

import numpy as np

from core.collection.dataset import Dataset
from core.embedding.gallery import Gallery, run_index, update
from core.ground.images import content_hash, decode
from core.ground.outlines import outline_of
from core.ground.preprocessing import see
from tests.conftest import draw, png_bytes


def names(dataset: Dataset) -> dict[int, str]:
    return {record.id: record.name for record in dataset.classes()}


def test_every_labelled_original_is_a_reference(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    assert update(dataset, fake_embedder).embedded == 12
    gallery = Gallery.load(dataset, fake_embedder)
    assert len(gallery) == 12
    assert gallery.vectors.shape == (12, 64)
    assert gallery.version == dataset.version
    item = dataset.item(int(gallery.item_ids[5]))
    assert gallery.classes_of(np.array([item.id])).tolist() == [item.class_id]


def test_only_what_is_new_is_embedded(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    (drawn_workspace.raw / "bar" / "new.png").write_bytes(png_bytes(draw("bar", seed=99)))
    dataset.rescan()
    assert update(dataset, fake_embedder).embedded == 1
    assert update(dataset, fake_embedder).embedded == 0


def test_a_relabelled_or_deleted_reference_answers_as_it_is_now(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    circle, cross = (next(c.id for c in dataset.classes() if c.name == name) for name in ("circle", "cross"))
    moved, gone = dataset.items(class_id=circle)[:2]
    dataset.relabel([moved.id], cross)
    dataset.trash([gone.id])
    assert update(dataset, fake_embedder).embedded == 0
    gallery = Gallery.load(dataset, fake_embedder)
    assert gallery.classes_of(np.array([moved.id])).tolist() == [cross]
    assert gone.id not in gallery.item_ids


def test_filters_select_by_class_and_kind(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    bar = next(c.id for c in dataset.classes() if c.name == "bar")
    icon = dataset.items(class_id=bar)[0]
    dataset.set_kind([icon.id], "icon")
    gallery = Gallery.load(dataset, fake_embedder)
    assert gallery.select() is None
    assert len(gallery.select(class_ids=[bar])) == 4
    assert gallery.select(kinds=["icon"]).tolist() == [icon.id]
    assert gallery.select(class_ids=[bar], kinds=["photo"]).tolist() == []


def test_an_original_damaged_after_the_scan_is_named_and_skipped(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    victim = dataset.items()[0]
    path = dataset.path(victim)
    path.write_bytes(path.read_bytes()[:40])
    result = update(dataset, fake_embedder)
    assert result.embedded == 11
    [(item, error)] = result.refused
    assert item.id == victim.id
    assert "damaged" in str(error)


def test_stopping_keeps_what_is_done_and_the_next_update_goes_on(drawn_workspace, fake_embedder, monkeypatch):
    monkeypatch.setattr("core.embedding.gallery.BATCH", 5)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    seen: list[tuple[int, int]] = []
    stopped = update(dataset, fake_embedder, on_progress=lambda *a: seen.append(a), should_stop=lambda: len(seen) == 1)
    assert stopped.embedded == 5
    assert seen == [(5, 12)]
    assert update(dataset, fake_embedder).embedded == 7


def test_the_same_picture_in_two_classes_is_embedded_once(drawn_workspace, fake_embedder):
    twin = png_bytes(draw("circle", seed=1))
    (drawn_workspace.raw / "bar" / "twin.png").write_bytes(twin)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    assert update(dataset, fake_embedder).embedded == 12
    gallery = Gallery.load(dataset, fake_embedder)
    assert len(gallery) == 13
    both = [item for item in dataset.items() if item.sha256 == content_hash(twin)]
    assert len(both) == 2


def test_the_index_job_rescans_and_embeds(drawn_workspace, fake_embedder, monkeypatch):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace: fake_embedder)
    (drawn_workspace.raw / "bar" / "note.png").write_text("not a picture")
    result = run_index(drawn_workspace, {}, lambda done, total, note="": None, lambda: False)
    assert result == {"added": 12, "removed": 0, "embedded": 0, "refused": 1}  # embedded as they were added
    assert Dataset(drawn_workspace).missing_vectors(fake_embedder.space) == []
    assert len(Gallery.load(Dataset(drawn_workspace), fake_embedder)) == 12


def test_outlines_are_made_once_and_lie_beside_the_vectors(drawn_workspace, fake_embedder):
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    update(dataset, fake_embedder)
    version = dataset.version
    held = Gallery.load(dataset, fake_embedder)
    assert held.outlines is not None and held.outlines.shape[0] == len(held) and held.outlines.any(axis=(1, 2)).all()
    item = dataset.item(int(held.item_ids[3]))
    expected = outline_of(see(decode(dataset.image_bytes(item), grey=True), fake_embedder.preprocessing))
    assert (held.outlines[held.rows_of(held.item_ids[3:4])[0]] == expected).all()
    assert dataset.missing_outlines(fake_embedder.space) == []
    update(dataset, fake_embedder)
    assert dataset.version == version  # nothing that anybody looks at changed
