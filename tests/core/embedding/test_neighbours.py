"""`core.embedding.neighbours` against a plain float64 scan: the same ids in order, after any change or filter."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from core.embedding.neighbours import BITMAP_BELOW, FlatIndex


class NumpyIndex:
    """The reference `VectorIndex`: a dictionary, float64, and a sort by (similarity, id)."""

    def __init__(self) -> None:
        self.rows: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        self.rows.update(zip(ids.tolist(), vectors.astype(np.float64), strict=True))

    def remove(self, ids: np.ndarray) -> int:
        return sum(self.rows.pop(i, None) is not None for i in ids.tolist())

    def search(
        self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = set(self.rows) if allowed is None else set(self.rows) & set(np.asarray(allowed).tolist())
        ids = np.full((len(queries), k), -1)
        similarities = np.full((len(queries), k), -np.inf)
        for row, query in enumerate(queries.astype(np.float64)):
            ranked = sorted((-float(self.rows[i] @ query), i) for i in wanted)[:k]
            for column, (negative, i) in enumerate(ranked):
                ids[row, column], similarities[row, column] = i, -negative
        return ids, similarities


def unit(rng: np.random.Generator, n: int, d: int = 32) -> np.ndarray:
    vectors = rng.standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def assert_same(
    index: FlatIndex, reference: NumpyIndex, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> None:
    ids, similarities = index.search(queries, k, allowed=allowed)
    expected_ids, expected = reference.search(queries, k, allowed=allowed)
    assert ids.dtype == np.int64
    assert similarities.dtype == np.float32
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(similarities, expected, atol=1e-6)


def test_an_empty_index_answers_with_nobody():
    ids, similarities = FlatIndex(8).search(unit(np.random.default_rng(0), 3, 8), 5)
    assert (ids == -1).all() and ids.shape == (3, 5)
    assert np.isneginf(similarities).all()


def test_no_query_gives_no_row():
    index = FlatIndex(8)
    index.add(np.array([1]), unit(np.random.default_rng(0), 1, 8))
    ids, similarities = index.search(np.empty((0, 8), np.float32), 5)
    assert ids.shape == similarities.shape == (0, 5)


def test_by_hand():
    index = FlatIndex(2)
    index.add(np.array([10, 20, 30]), np.array([[1, 0], [0, 1], [-1, 0]], np.float32))
    ids, similarities = index.search(np.array([[0.6, 0.8]], np.float32), 2)
    assert ids.tolist() == [[20, 10]]
    np.testing.assert_allclose(similarities, [[0.8, 0.6]], atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 500])
@pytest.mark.parametrize("queries", [1, 40])  # FAISS takes another path from 20 queries on
def test_same_as_a_scan(n, queries):
    rng = np.random.default_rng(n)
    index, reference = FlatIndex(32), NumpyIndex()
    ids, vectors = rng.permutation(10_000)[:n], unit(rng, n)
    for each in (index, reference):
        each.add(ids, vectors)
    assert len(index) == n
    assert_same(index, reference, unit(rng, queries), 4)


def test_equal_similarities_come_by_id_even_at_the_last_place():
    rng = np.random.default_rng(1)
    vectors = unit(rng, 300)
    vectors[100:200] = vectors[7]  # 101 rows of one vector, far more than k
    ids = rng.permutation(300)
    index = FlatIndex(32)
    index.add(ids, vectors)
    alike = np.sort(ids[[7, *range(100, 200)]])
    for queries in (vectors[[7]], np.repeat(vectors[[7]], 30, axis=0)):
        found, similarities = index.search(queries, 10)
        assert (found == alike[:10]).all()
        assert np.unique(similarities).size == 1


@pytest.mark.parametrize("shift", [0, BITMAP_BELOW])  # small ids are filtered by a bitmap, large ones by a set
def test_filters(shift):
    rng = np.random.default_rng(2)
    index, reference = FlatIndex(32), NumpyIndex()
    ids, vectors = np.arange(1, 401) + shift, unit(rng, 400)
    vectors[50:60] = vectors[0]
    for each in (index, reference):
        each.add(ids, vectors)
    queries = np.concatenate([unit(rng, 3), vectors[:1]])
    for allowed in (ids[:1], ids[40:70], ids[::2], ids, np.array([5, 999_999]) + shift, np.array([], np.int64)):
        assert_same(index, reference, queries, 6, allowed)


def test_filter_of_ids_that_are_not_there_is_nobody():
    index = FlatIndex(4)
    index.add(np.array([1]), np.eye(1, 4, dtype=np.float32))
    ids, _ = index.search(np.eye(1, 4, dtype=np.float32), 2, allowed=np.array([7, -1]))
    assert (ids == -1).all()


def test_after_adding_replacing_and_removing():
    rng = np.random.default_rng(3)
    index, reference = FlatIndex(32), NumpyIndex()
    queries = unit(rng, 5)
    for step in range(12):
        ids = rng.permutation(120)[:40]
        if step % 3 == 2:
            assert index.remove(ids) == reference.remove(ids)
        else:
            vectors = unit(rng, 40)
            for each in (index, reference):
                each.add(ids, vectors)
        assert len(index) == len(reference)
        assert_same(index, reference, queries, 9)
    everything = np.arange(120)
    assert index.remove(everything) == reference.remove(everything)
    assert len(index) == 0 and index.remove(everything) == 0


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1, 1], np.eye(2, 4)),  # twice the same id
        ([1], np.eye(2, 4)),  # fewer ids than vectors
        ([-1], np.eye(1, 4)),  # -1 means nobody
        ([1], np.eye(1, 5)),  # another dimension
        ([1], np.zeros(4)),  # one vector, not a row of one
    ],
)
def test_wrong_shapes_and_ids_are_errors(ids, vectors):
    with pytest.raises(ValueError, match="expected"):
        FlatIndex(4).add(np.array(ids), vectors.astype(np.float32))


def test_k_must_be_positive():
    with pytest.raises(ValueError, match="k must be 1"):
        FlatIndex(4).search(np.eye(1, 4, dtype=np.float32), 0)


def test_searching_while_rows_come_and_go():
    """Rows 0 to 99 stay: each must be found as its own nearest at every moment."""
    rng = np.random.default_rng(4)
    index, stay = FlatIndex(32), unit(rng, 100)
    index.add(np.arange(100), stay)
    stop, wrong = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            found, _ = index.search(stay[:10], 1)
            if found[:, 0].tolist() != list(range(10)):
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        index.add(np.arange(100, 300), unit(rng, 200))
        index.remove(np.arange(100, 300))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 100
