"""Of a large base only a part is asked: its thresholds are near those of all of it, kept in a file, and measured anew
when the base has become another one."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.collection.dataset import Dataset
from core.embedding import opening, resident
from core.embedding.gallery import Gallery
from core.embedding.references import LargeGallery
from core.ground.workspace import Workspace
from core.recognition import thresholds as under_test
from core.recognition.thresholds import thresholds
from core.recognition.verdicts import answer_to
from tests.conftest import FakeEmbedder

SPACE, D = FakeEmbedder.space, FakeEmbedder.dimension


def fill(dataset: Dataset, *, classes: int, each: int) -> np.ndarray:
    """``classes`` clusters of ``each`` references, written straight into the catalogue; their vectors."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((classes, D))
    vectors = np.repeat(centres, each, axis=0) + 0.6 * rng.standard_normal((classes * each, D))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    blank = {"file": "f", "state": "present", "source": "", "source_sha256": "", "dhash": 0, "width": 8, "height": 8}
    blank |= {"size": 1, "mtime_ns": 0, "added_at": 0.0, "ver": 0, "kind": "drawing"}
    named = {"state": "present", "aliases": [], "fields": {}, "ver": 0}
    with dataset.catalogue.write() as connection:
        rows = [
            named | {"id": n, "name": f"c{n}", "name_key": f"c{n}", "folder": f"c{n}"} for n in range(1, classes + 1)
        ]
        connection.execute(sa.insert(db.classes), rows)
        items = [blank | {"id": n + 1, "class_id": 1 + n // each, "sha256": f"{n:064x}"} for n in range(len(vectors))]
        connection.execute(sa.insert(db.items), items)
        vectorstore.add_vectors(connection, SPACE, {f"{n:064x}": vector for n, vector in enumerate(vectors)})
    return vectors


def test_a_part_of_a_large_base_gives_nearly_its_thresholds(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(under_test, "ASKED", 150)
    dataset = Dataset(workspace)
    vectors = fill(dataset, classes=60, each=12)
    gallery = Gallery.load(dataset, FakeEmbedder())
    large = LargeGallery(dataset, SPACE, resident.build(dataset.catalogue, SPACE, "half"))
    whole, part = thresholds(gallery, workspace), thresholds(large, workspace)
    assert abs(whole.certain_at - part.certain_at) < 0.25 * max(1.0, abs(whole.certain_at))
    assert part.outside == 150 and part.in_base == 150
    queries = vectors[::37] + 0.02
    bases = (gallery, whole), (large, part)
    both = [[answer_to(query, None, base, found) for query in queries] for base, found in bases]
    named = [[[(one.class_id, one.item_id) for one in classes] for classes, _ in answers] for answers in both]
    assert named[0] == named[1]
    assert np.mean([one[1] == other[1] for one, other in zip(*both, strict=True)]) >= 0.9


def test_the_thresholds_of_a_large_base_are_kept_until_a_tenth_has_changed(workspace: Workspace):
    dataset = Dataset(workspace)
    fill(dataset, classes=10, each=10)
    large = LargeGallery(dataset, SPACE, resident.build(dataset.catalogue, SPACE, "half"))
    found = thresholds(large, workspace)
    (path,) = (workspace.cache / "references").glob("*.thresholds.json")
    record = json.loads(path.read_text("utf-8"))
    record["calibration"]["certain_at"] = 77.0  # to see where an answer comes from
    path.write_text(json.dumps(record), "utf-8")
    assert thresholds(large, workspace).certain_at == 77.0
    for count, kept in ((8, True), (12, False)):
        with dataset.catalogue.write() as connection:
            connection.execute(sa.update(db.items).where(db.items.c.id <= count).values(kind="icon"))
        assert (thresholds(LargeGallery(dataset, SPACE, large.source), workspace).certain_at == 77.0) is kept
    path.write_text("{", "utf-8")
    assert thresholds(large, workspace).certain_at == pytest.approx(found.certain_at, abs=1.0)


def test_a_base_is_held_whole_until_it_is_large(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    dataset, embedder = Dataset(workspace), FakeEmbedder()
    fill(dataset, classes=5, each=8)
    sources = opening.Sources()
    with monkeypatch.context() as here:
        for name in ("resident", "mirror", "milvus"):  # nothing of them is imported for a base that fits
            here.setitem(sys.modules, f"core.embedding.{name}", None)
        assert isinstance(sources.gallery(dataset, embedder), Gallery)
    monkeypatch.setattr(opening, "LARGE", 30)
    gallery = sources.gallery(dataset, embedder)
    assert isinstance(gallery, LargeGallery) and gallery.source is sources.of(dataset, embedder)
    assert gallery.source.precision == "half"
    assert list((workspace.cache / "references").glob("*-half.*"))
    # One put in the place of the catalogue is another one, whatever its version.
    with dataset.catalogue.write() as connection:
        db.put(connection, "references_from", str(dataset.version + 1))
        connection.execute(sa.update(db.items).where(db.items.c.id == 1).values(state="trash"))
    anew = sources.gallery(dataset, embedder)
    assert anew.source is not gallery.source and len(anew) == 39


def test_in_a_large_base_it_is_remembered_what_has_its_vector(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opening, "LARGE", 30)
    asked: list[int] = []
    monkeypatch.setattr(opening, "update", lambda dataset, embedder, since=0: asked.append(since))
    dataset = Dataset(workspace)
    fill(dataset, classes=5, each=8)
    opening.Sources().bring_up_to_date(dataset, FakeEmbedder())
    done = dataset.version
    opening.Sources().bring_up_to_date(dataset, FakeEmbedder())  # another start of the server
    with dataset.catalogue.write() as connection:
        connection.execute(sa.update(db.items).where(db.items.c.id == 1).values(kind="icon"))
    opening.Sources().bring_up_to_date(dataset, FakeEmbedder())
    assert asked == [0, done, done]
    with dataset.catalogue.write() as connection:  # a catalogue that was put back knows nothing of it
        db.put(connection, "references_from", str(dataset.version + 1))
    opening.Sources().bring_up_to_date(dataset, FakeEmbedder())
    assert asked[3:] == [0]
