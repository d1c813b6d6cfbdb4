"""One contract for every index: after any change, with any filter, the answer is that of a scan in float64 over what
the catalogue says at that moment; in order, equal ones by id. In process, with half the precision, with Milvus Lite and
with a real Milvus server. Inverted lists and graphs may miss some, and hold the rest of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.collection.dataset import Dataset
from core.embedding import resident
from core.embedding.candidates import Among
from core.embedding.gallery import Gallery
from core.embedding.mirror import Mirror
from core.embedding.recall import TARGET
from core.embedding.references import LargeGallery
from core.ground.workspace import Workspace

SPACE, D, K = "made-space", 32, 10
# Of two processes that ask a Milvus server, one would wait for the other all the while.
pytestmark = pytest.mark.xdist_group("milvus")
ENGINES = ("flat", "half", "lists", "lite", "server")
EXACT = ("flat", "half", "lite", "server")


class Base:
    """References written straight into a catalogue; `engine` says through what they are searched."""

    def __init__(self, workspace: Workspace, engine: str, url: str) -> None:
        self.dataset = Dataset(workspace)
        self.engine, self.workspace = engine, workspace
        self.rng = np.random.default_rng(0)
        self._mirror = Mirror(self.dataset, SPACE, D, url=url) if engine in ("lite", "server") else None
        self._resident: resident.Resident | None = None
        with self.dataset.catalogue.write() as connection:
            for class_id in range(1, 9):
                row = {"id": class_id, "name": f"c{class_id}", "name_key": f"c{class_id}", "folder": f"c{class_id}"}
                row |= {"state": "present", "aliases": [], "fields": {}, "ver": 0}
                connection.execute(sa.insert(db.classes).values(row))

    def unit(self, n: int) -> np.ndarray:
        vectors = self.rng.standard_normal((n, D)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        blank = {
            "file": "f",
            "state": "present",
            "source": "",
            "source_sha256": "",
            "dhash": 0,
            "width": 8,
            "height": 8,
        }
        blank |= {"size": 1, "mtime_ns": 0, "added_at": 0.0, "ver": 0}
        rows = [
            {
                **blank,
                "id": i,
                "class_id": 1 + i % 8,
                "kind": ("drawing", "photo", "icon")[i % 3],
                "sha256": f"{i:064x}",
            }
            for i in ids.tolist()
        ]
        with self.dataset.catalogue.write() as connection:
            connection.execute(sa.insert(db.items), rows)
            vectorstore.add_vectors(connection, SPACE, {f"{i:064x}": v for i, v in zip(ids.tolist(), vectors)})  # noqa: B905

    def change(self, ids: np.ndarray, **values: Any) -> None:
        with self.dataset.catalogue.write() as connection:
            which = db.items.c.id.in_(ids.tolist())
            connection.execute(sa.update(db.items).where(which).values(ver=db.items.c.ver + 1, **values))

    def follow(self) -> None:
        """Let the index take in what changed."""
        if self._mirror is not None:
            self._mirror.follow()
        elif self._resident is not None:
            self._resident.follow(self.dataset.catalogue, SPACE)

    def gallery(self) -> Gallery | LargeGallery:
        if self.engine == "flat":
            ids, class_ids, kinds, vectors = self.dataset.vectors(SPACE)
            return Gallery(self.dataset.version, SPACE, ids, class_ids, np.asarray(kinds), vectors.reshape(-1, D))
        if self._mirror is not None:
            return LargeGallery(self.dataset, SPACE, self._mirror)
        if self._resident is None:
            kind: resident.Precision = "half" if self.engine == "half" else "lists"
            self._resident = resident.opened(self.workspace, self.dataset.catalogue, SPACE, kind)
        return LargeGallery(self.dataset, SPACE, self._resident)

    def truth(self, query: np.ndarray, among: Among) -> list[int]:
        ids, class_ids, kinds, vectors = self.dataset.vectors(SPACE)
        keep = among.holds(class_ids, np.asarray(kinds, dtype=str))
        alike = (vectors.reshape(-1, D)[keep].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        return ids[keep][np.lexsort((ids[keep], -alike))][:K].tolist()

    def firsts(self, query: np.ndarray, among: Among) -> list[int]:
        """The nearest of each of the five nearest classes."""
        ids, class_ids, kinds, vectors = self.dataset.vectors(SPACE)
        keep = among.holds(class_ids, np.asarray(kinds, dtype=str))
        alike = (vectors.reshape(-1, D)[keep].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((ids[keep], -alike))
        first = np.sort(np.unique(class_ids[keep][order], return_index=True)[1])[:5]
        return ids[keep][order][first].tolist()

    def agrees(self, queries: np.ndarray) -> None:
        """Ask with every filter, every query with the first of them, and compare."""
        gallery = self.gallery()
        right = asked = 0
        for number, query in enumerate(queries):
            for filters in FILTERS if number == len(queries) - 1 or self.engine not in EXACT else FILTERS[:2]:
                chosen = gallery.select(**filters)
                among = Among(*(None if filters[n] is None else tuple(filters[n]) for n in ("class_ids", "kinds")))
                found, alike = gallery.nearest(query, K, chosen)  # type: ignore[arg-type]
                expected = self.truth(query, among)
                assert (np.diff(alike) <= 0).all()
                if self.engine in EXACT:
                    assert found.tolist() == expected, filters
                else:
                    assert set(found.tolist()) <= set(self.dataset.vectors(SPACE)[0].tolist())
                    assert len(found) == len(expected)
                    right, asked = right + len(set(expected) & set(found.tolist())), asked + len(expected)
        assert asked == 0 or right / asked >= TARGET - 0.02
        for among in (None, gallery.select(kinds=["icon"])):
            first, alike = gallery.first_of_classes(queries[-1], 5, among)  # type: ignore[arg-type]
            if self.engine in EXACT:
                assert first.tolist() == self.firsts(queries[-1], Among(kinds=None if among is None else ("icon",)))
            assert (np.diff(alike) <= 0).all() and len(set(gallery.classes_of(first).tolist())) == len(first)


FILTERS: list[dict[str, Any]] = [
    {"class_ids": class_ids, "kinds": kinds}
    for class_ids in (None, [3], [1, 2, 8], [])
    for kinds in (None, ["icon"], ["photo", "drawing"])
]


@pytest.fixture(params=ENGINES)
def base(
    request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Base]:
    url = ""
    monkeypatch.setattr(resident, "ONE_THREAD_BELOW", 0)  # in three parts, as a large base is read by three cores
    monkeypatch.setattr(resident, "cores", lambda: 3)
    monkeypatch.setattr(resident, "BLOCK", 150)
    if request.param == "lite":
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
        url = str(tmp_path / "lite.db")
    elif request.param == "server":
        url = request.getfixturevalue("milvus").url
    made = Base(workspace, request.param, url)
    yield made
    if made._mirror is not None:
        made._mirror.collection.drop()
        made._mirror.collection.close()


def test_the_answers_are_those_of_a_scan_after_any_change(base: Base) -> None:
    ids, vectors = np.arange(1, 401), base.unit(400)
    vectors[200:230] = vectors[7]  # thirty of one drawing, more than anybody asks for
    base.add(ids, vectors)
    base.follow()
    queries = np.concatenate([base.unit(2), vectors[[7]]])
    base.agrees(queries)
    steps: list[Callable[[], None]] = [
        lambda: base.add(np.arange(500, 540), np.concatenate([base.unit(39), vectors[[7]]])),
        lambda: base.change(ids[5:45], state="trash"),
        lambda: base.change(ids[5:25], state="present"),  # undone
        lambda: base.change(ids[100:140], class_id=3),
        lambda: base.change(ids[100:120], class_id=4),
        lambda: base.change(ids[50:60], kind="icon"),
        lambda: base.change(ids[60:70], class_id=None),
        lambda: base.change(ids[70:80], sight="doubt"),
    ]
    for step in steps:
        step()
        base.agrees(queries)  # at once, before the index has heard of it
    base.follow()
    base.agrees(queries)  # and after
    base.follow()  # replayed once more, it changes nothing
    base.agrees(queries[:1])


def test_few_and_none(base: Base) -> None:
    if base.engine in ("half", "lists"):
        base.add(np.array([4]), base.unit(1))  # an index over nothing is not made: a small base is searched otherwise
    base.follow()
    base.agrees(base.unit(1))
    base.add(np.array([9, 6, 2**31 - 1]), base.unit(3))
    base.agrees(base.unit(2))
    base.follow()
    base.agrees(base.unit(2))
    base.change(np.array([4, 6, 9, 2**31 - 1]), state="trash")
    base.agrees(base.unit(1))
    base.follow()
    base.agrees(base.unit(1))
    assert len(base.gallery().nearest(base.unit(1)[0], 5)[0]) == 0


def test_many_questions_at_once_find_what_each_finds_alone(base: Base) -> None:
    if base.engine == "flat":
        pytest.skip("a base in memory is asked otherwise")
    vectors = base.unit(400)
    base.add(np.arange(1, 401), vectors)
    base.follow()
    gallery = base.gallery()
    assert isinstance(gallery, LargeGallery)
    with base.dataset.catalogue.read() as connection:
        asked = vectorstore.references(connection, SPACE, [20, 40, 41, 90])
    found = set(gallery.around(asked, 5).tolist())
    assert len(found) <= 2 * 5 * 4
    for vector, class_id in zip(asked.vectors, asked.class_ids.tolist(), strict=True):
        for among in (gallery.select(class_ids=[class_id]), gallery.without(None, [class_id])):
            each = set(gallery.nearest(vector, 5, among)[0].tolist())
            assert each <= found or base.engine == "lists"
    base.change(np.arange(1, 11), class_id=2)  # of which the index has not heard yet
    base.add(np.array([900]), vectors[[5]])
    assert {900, *range(1, 11)} <= set(base.gallery().around(asked, 5).tolist())  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", ["half", "lists"])
def test_a_file_that_is_torn_or_of_another_catalogue_is_made_anew(
    workspace: Workspace, precision: resident.Precision
) -> None:
    base = Base(workspace, precision, "")
    vectors = base.unit(300)
    base.add(np.arange(1, 301), vectors)
    opened = lambda: resident.opened(workspace, base.dataset.catalogue, SPACE, precision)  # noqa: E731
    made = opened()
    (folder,) = (workspace.cache / "references").glob(f"*-{precision}.*")
    about = (folder / "about.json").read_bytes()
    assert opened().at == made.at and (folder / "about.json").read_bytes() == about  # read, and not written again
    for damage in ("part-0.faiss", "ids.npy"):
        content = bytearray((folder / damage).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / damage).write_bytes(content)
        assert LargeGallery(base.dataset, SPACE, opened()).nearest(vectors[7], 1)[0].tolist() == [8]
        assert (folder / damage).read_bytes() != content
    (folder / "part-0.faiss").unlink()
    assert len(opened()) == 300
    with base.dataset.catalogue.write() as connection:  # an earlier state was put back
        db.put(connection, "references_from", str(base.dataset.version + 1))
        connection.execute(sa.delete(db.items).where(db.items.c.id == 8))
    assert opened().at > made.at and len(opened()) == 299
    assert len(list((workspace.cache / "references").glob(f"*-{precision}.*"))) == 1
