"""`core.embedding.engine`: the exported network answers as PyTorch does, and a cached file is never trusted blindly."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from core.embedding import engine
from core.embedding.engine import ExportFailed, cores, engine_key, export, facts_of, find, keep, session
from core.embedding.model import EmbeddingNet
from core.embedding.weights import resolve

LITE0 = "tf_efficientnet_lite0"


def small(**options) -> EmbeddingNet:
    torch.manual_seed(0)
    return EmbeddingNet(LITE0, **{"embedding_size": 8, "stage": 1, "grid": 2, **options}).eval()


def pictures(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def in_torch(net: EmbeddingNet, seen: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return net(torch.from_numpy(seen).permute(0, 3, 1, 2)).numpy()


@pytest.mark.parametrize(
    ("architecture", "options", "size"),
    [
        (LITE0, {"stage": 4, "grid": 4, "embedding_size": None}, 128),
        (LITE0, {"stage": 5, "grid": 4, "embedding_size": 64}, 160),  # 5 x 5 features on 4 x 4 cells
        (LITE0, {"stage": None, "grid": 1, "embedding_size": 256}, 96),
        ("efficientnet_b0", {"stage": 5, "grid": 2, "embedding_size": None}, 64),
    ],
)
def test_the_engine_answers_as_pytorch_does(architecture, options, size):
    torch.manual_seed(0)
    weights = resolve(allow_network=False) if architecture == LITE0 else None  # only Lite0's are bundled
    net = EmbeddingNet(architecture, pretrained=weights, **options).eval()
    loaded = session(export(net, size=size, facts={}), threads=1)
    for n in (1, 3):  # the batch is free
        seen = pictures(n, size)
        seen[0] = 255
        given = loaded.run(None, {"images": seen})[0]
        assert given.dtype == np.float32 and given.shape == (n, net.dimension)
        cosines = (given * in_torch(net, seen)).sum(axis=1)
        assert np.abs(1 - cosines).max() < 1e-4


def test_exporting_leaves_the_network_as_it_was():
    net = small()
    before, modules = in_torch(net, pictures(1, 64)), [type(m) for m in net.modules()]
    export(net, size=64, facts={})
    assert [type(m) for m in net.modules()] == modules
    assert (in_torch(net, pictures(1, 64)) == before).all()


def test_an_engine_that_answers_otherwise_is_not_handed_out(monkeypatch):
    """With TensorFlow's padding forgotten, the features move by half a pixel: the check must see that."""
    monkeypatch.setattr(engine, "_pad_at_the_end", lambda model: None)
    net = EmbeddingNet(LITE0, embedding_size=None, stage=4, grid=4, pretrained=resolve(allow_network=False)).eval()
    with pytest.raises(ExportFailed, match="differs from PyTorch's by a cosine of"):
        export(net, size=128, facts={})


def test_the_facts_travel_in_the_file():
    facts = {"weights": "abc", "size": 64, "name": "étoile"}
    assert facts_of(session(export(small(), size=64, facts=facts), threads=1)) == facts


def test_the_key_depends_on_every_fact_and_on_no_order():
    assert engine_key({"a": 1, "b": 2}) == engine_key({"b": 2, "a": 1})
    assert len({engine_key(f) for f in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": 1}, {})}) == 5


def test_the_key_depends_on_the_graph_version(monkeypatch):
    before = engine_key({"a": 1})
    monkeypatch.setattr(engine, "GRAPH_VERSION", engine.GRAPH_VERSION + 1)
    assert engine_key({"a": 1}) != before


def test_what_was_kept_is_found(tmp_path):
    assert find(tmp_path, "key") is None
    keep(tmp_path, "key", b"content")
    assert find(tmp_path, "key") == b"content"
    assert find(tmp_path, "ke") is None and find(tmp_path, "other") is None


@pytest.mark.parametrize("torn", [b"", b"conten", b"foreign", b"content "])
def test_a_torn_or_foreign_file_is_removed_and_not_used(tmp_path, torn):
    path = keep(tmp_path, "key", b"content")
    path.write_bytes(torn)
    assert find(tmp_path, "key") is None
    assert not path.exists()


def test_one_session_serves_several_threads():
    net = small()
    loaded = session(export(net, size=64, facts={}), threads=1)
    inputs = [pictures(1 + i % 3, 64) + np.uint8(i) for i in range(12)]
    given: dict[int, np.ndarray] = {}

    def run(i: int) -> None:
        given[i] = loaded.run(None, {"images": inputs[i]})[0]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(12):
        np.testing.assert_allclose(given[i], in_torch(net, inputs[i]), atol=1e-4)


def test_at_least_one_core_is_counted():
    assert cores() >= 1
