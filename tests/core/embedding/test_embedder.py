"""`core.embedding.embedder`: which network and engine are taken, rows stay with their pictures, what the cache does."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.embedding import embedder as module
from core.embedding import plans
from core.embedding.embedder import CHUNK, SMALL, load_embedder, opens_at_once
from core.embedding.engine import ExportFailed
from core.embedding.plans import untrained
from core.embedding.weights import resolve
from core.ground.config import Preprocessing
from core.ground.errors import ImageRefused, ModelRefused, NotFound, WeightsUnavailable
from core.ground.preprocessing import see
from core.ground.workspace import Workspace
from tests.conftest import SHAPES, draw

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def nothing_ships(tmp_path_factory) -> Iterator[None]:
    """What is tested here is how an engine is made and kept; test_shipped.py has those that ship."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ENGINES", tmp_path_factory.mktemp("ships"))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Workspace:
    """A workspace whose engine is exported once for this module."""
    return Workspace(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def default(home):
    return load_embedder(home)


def drawings(n: int) -> list[Image.Image]:
    return [draw(SHAPES[i % len(SHAPES)], seed=i) for i in range(n)]


def test_the_default_is_bundled_and_runs_in_onnx_runtime(default):
    assert default.engine == "onnxruntime"
    assert default.sentence == (
        "EfficientNet-Lite0 trained on ImageNet, from the installed package. Embedding runs in ONNX Runtime on the CPU."
    )
    assert default.preprocessing == Preprocessing()
    vectors = default.embed(np.stack([see(image, default.preprocessing) for image in drawings(3)]))
    assert vectors.shape == (3, default.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_both_engines_agree_and_share_a_space(home, default):
    in_torch = load_embedder(home, engine="torch")
    assert in_torch.engine == "torch" and "PyTorch" in in_torch.sentence
    assert (in_torch.space, in_torch.dimension) == (default.space, default.dimension)
    seen = np.stack([see(image, default.preprocessing) for image in drawings(6)])
    cosines = (in_torch.embed(seen) * default.embed(seen)).sum(axis=1)
    assert np.abs(1 - cosines).max() < 1e-4


def test_alike_marks_are_nearer_than_others(default):
    """Four hands of each of six shapes: the nearest other drawing has the same shape."""
    shapes = np.repeat(np.arange(len(SHAPES)), 4)
    vectors = np.stack(list(default.embed_images(draw(SHAPES[s], seed=i) for i, s in enumerate(shapes))))
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -1)
    assert (shapes[similarities.argmax(axis=1)] == shapes).mean() >= 0.9


def test_a_batch_gives_what_single_pictures_give(default):
    seen = np.stack([see(image, default.preprocessing) for image in drawings(3 * CHUNK + 1)])
    together = default.embed(seen)
    np.testing.assert_allclose(together, np.concatenate([default.embed(s[None]) for s in seen]), atol=1e-5)
    np.testing.assert_allclose(together, np.stack(list(default.embed_images(drawings(len(seen))))), atol=1e-5)
    assert default.embed(seen[:0]).shape == (0, default.dimension)
    assert list(default.embed_images([])) == []


def test_large_and_small_pictures_keep_their_rows(default):
    side = int(SMALL**0.5) + 1
    images = drawings(6)
    images[1], images[4] = (images[i].resize((side, side)) for i in (1, 4))
    expected = default.embed(np.stack([see(image, default.preprocessing) for image in images]))
    np.testing.assert_allclose(np.stack(list(default.embed_images(images))), expected, atol=1e-5)


def test_input_of_another_shape_or_type_is_an_error(default):
    side = default.preprocessing.size
    for seen in (np.zeros((1, side, side, 3)), np.zeros((1, 32, 32, 3), np.uint8), np.zeros((side, side, 3), np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            default.embed(seen)


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_an_unreadable_picture_never_shifts_the_rows(default, batch):
    images = drawings(23)
    refusals = {
        0: ImageRefused("{name} is empty.", name="a"),
        7: NotFound("{name} is gone.", name="b"),
        8: FileNotFoundError(2, "No such file"),
        22: ImageRefused("{name} is damaged.", name="c"),
    }

    def opened(i: int):
        if i in refusals:
            raise refusals[i]
        return images[i]

    rows = list(default.embed_images(((lambda i=i: opened(i)) for i in range(23)), batch=batch))
    assert len(rows) == 23
    expected = default.embed(np.stack([see(image, default.preprocessing) for image in images]))
    for i, row in enumerate(rows):
        if i in refusals:
            assert isinstance(row, ImageRefused)
        else:
            np.testing.assert_allclose(row, expected[i], atol=1e-5)
    assert [str(rows[i]) for i in refusals] == [
        "a is empty.",
        "b is gone.",
        "The file cannot be read: No such file.",
        "c is damaged.",
    ]


def test_a_mistake_in_a_reader_is_raised_and_not_hidden(default):
    def broken() -> Image.Image:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        list(default.embed_images([broken]))


def test_pictures_are_read_in_threads_and_only_a_little_ahead(default):
    """10 000 pictures asked for one by one: the source is not drained first, and the caller's thread reads none."""
    given, threads = [], set()

    def source():
        for i in range(10_000):
            given.append(i)
            yield lambda: threads.add(threading.current_thread().name) or drawings(1)[0]

    rows = default.embed_images(source())
    next(rows)
    assert len(given) < 1000
    rows.close()
    assert threads and all(name.startswith("embed") for name in threads)


def test_each_preprocessing_and_each_weights_have_a_space_of_their_own(tmp_path, default):
    spaces = {default.space}
    for number, preprocessing in enumerate([Preprocessing("crop"), Preprocessing("strokes", 64)]):
        workspace = Workspace(tmp_path / str(number))
        workspace.save_config(workspace.config().with_(preprocessing=preprocessing))
        embedder = load_embedder(workspace)
        assert embedder.preprocessing == preprocessing
        spaces.add(embedder.space)
    assert len(spaces) == 3


def engines(workspace: Workspace) -> list[Path]:
    return sorted((workspace.cache / "engines").iterdir())


def test_the_engine_is_exported_once(home, default, monkeypatch):
    kept = engines(home)
    assert len(kept) == 1

    def never(*_, **__):
        raise AssertionError("exported again")

    monkeypatch.setattr(module, "export", never)
    again = load_embedder(home)
    seen = np.stack([see(image, default.preprocessing) for image in drawings(2)])
    assert (again.embed(seen) == default.embed(seen)).all()
    assert engines(home) == kept


def test_it_is_known_beforehand_whether_an_engine_must_be_exported(home, default, tmp_path):
    assert opens_at_once(home)
    assert not opens_at_once(Workspace(tmp_path / "fresh"))


def test_with_a_cached_engine_torch_is_not_imported(home, default):
    code = (
        "import sys\nimport numpy as np\n"
        "from core.embedding.embedder import load_embedder\nfrom core.ground.workspace import Workspace\n"
        "embedder = load_embedder(Workspace(sys.argv[1]))\n"
        "side = embedder.preprocessing.size\n"
        "embedder.embed(np.zeros((1, side, side, 3), np.uint8))\n"
        "print(embedder.engine, 'torch' in sys.modules, 'timm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home.root)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["onnxruntime", "False", "False"]


@pytest.mark.parametrize("kind", ["torn", "empty", "foreign"])
def test_a_damaged_engine_is_made_again(home, default, tmp_path, kind):
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(home.cache / "engines", workspace.cache / "engines")
    (path,) = engines(workspace)
    content = path.read_bytes()
    path.write_bytes({"torn": content[: len(content) // 2], "empty": b"", "foreign": content[::-1]}[kind])
    embedder = load_embedder(workspace)
    seen = np.stack([see(image, default.preprocessing) for image in drawings(2)])
    np.testing.assert_allclose(embedder.embed(seen), default.embed(seen), atol=1e-5)
    (path,) = engines(workspace)
    assert len(path.read_bytes()) > len(content) // 2


def test_an_engine_of_another_network_under_our_name_is_not_used(tmp_path, default):
    """Its name and hash are right, and its facts are those of something else."""
    import torch

    from core.embedding.engine import export, keep
    from core.embedding.model import EmbeddingNet

    workspace = Workspace(tmp_path)
    mine = load_embedder(workspace)
    (path,) = engines(workspace)
    key = path.name.partition("-")[0]
    path.unlink()
    torch.manual_seed(0)
    other = EmbeddingNet("tf_efficientnet_lite0", embedding_size=mine.dimension, stage=0, grid=1).eval()
    keep(path.parent, key, export(other, size=mine.preprocessing.size, facts={"weights": "others"}))
    seen = np.stack([see(image, mine.preprocessing) for image in drawings(2)])
    np.testing.assert_allclose(load_embedder(workspace).embed(seen), mine.embed(seen), atol=1e-5)


def test_a_failing_export_falls_back_to_pytorch_and_says_so(workspace, monkeypatch, default):
    def failing(*_, **__):
        raise ExportFailed("there is no exporter")

    monkeypatch.setattr(module, "export", failing)
    embedder = load_embedder(workspace)
    assert embedder.engine == "torch" and embedder.space == default.space
    assert "PyTorch on the CPU (no ONNX engine: there is no exporter)." in embedder.sentence
    rows = list(embedder.embed_images(drawings(5)))
    np.testing.assert_allclose(np.stack(rows), np.stack(list(default.embed_images(drawings(5)))), atol=1e-4)
    with pytest.raises(ModelRefused, match="cannot be exported"):
        load_embedder(workspace, engine="onnxruntime")


def test_a_cache_that_cannot_be_written_costs_only_time(workspace):
    workspace.cache.mkdir(parents=True)
    (workspace.cache / "engines").write_text("a file where the folder should be")
    assert load_embedder(workspace).engine == "onnxruntime"


@pytest.fixture
def trained(tmp_path):
    """A saved model with weights of its own, and where it lies."""
    import torch

    from core.embedding.model import EmbeddingNet

    torch.manual_seed(3)
    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=32, stage=1, grid=2).eval()
    net.save(tmp_path / "best.safetensors", preprocessing=Preprocessing("crop", 64), classes=["bar"])
    torch.save(net.state_dict(), tmp_path / "best.pt")
    return net, tmp_path


def test_a_saved_model_brings_its_own_preprocessing(workspace, trained):
    import torch

    net, folder = trained
    embedder = load_embedder(workspace, model=folder / "best.safetensors")
    assert (embedder.preprocessing, embedder.dimension) == (Preprocessing("crop", 64), 32)
    assert embedder.sentence.startswith("The model best.safetensors.")
    seen = np.stack([see(image, embedder.preprocessing) for image in drawings(2)])
    with torch.inference_mode():
        expected = net(torch.from_numpy(seen).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(embedder.embed(seen), expected, atol=1e-4)


def test_a_plain_state_dict_sees_as_the_workspace_does(workspace, trained):
    _, folder = trained
    workspace.save_config(workspace.config().with_(preprocessing=Preprocessing("plain", 96)))
    embedder = load_embedder(workspace, model=folder / "best.pt")
    assert (embedder.preprocessing, embedder.dimension) == (Preprocessing("plain", 96), 32)
    workspace.save_config(workspace.config().with_(preprocessing=Preprocessing("joined", 96)))
    one = load_embedder(workspace, model=folder / "best.pt")  # it takes one picture
    assert (one.preprocessing, one.space) == (embedder.preprocessing, embedder.space)
    assert untrained(workspace, Preprocessing("joined"))[0].dimension == 256


def test_a_damaged_model_is_refused_even_when_its_engine_is_cached(workspace, trained):
    _, folder = trained
    for name in ("best.safetensors", "best.pt"):
        load_embedder(workspace, model=folder / name)
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
        with pytest.raises(ModelRefused):
            load_embedder(workspace, model=folder / name)
    with pytest.raises(ModelRefused, match="cannot be read"):
        load_embedder(workspace, model=folder / "none.pt")


def test_weights_that_are_nowhere_are_a_clear_line(workspace):
    workspace.save_config(workspace.config().with_(weights="nowhere.safetensors"))
    with pytest.raises(WeightsUnavailable, match="nowhere"):
        load_embedder(workspace)


def test_a_fitted_head_is_used_for_its_own_weights_only(workspace, tmp_path, monkeypatch, default):
    from safetensors.numpy import save_file

    weights = resolve(allow_network=False)
    rng = np.random.default_rng(0)
    head = {
        "head.weight": rng.standard_normal((24, 1792)).astype(np.float16),
        "head.bias": rng.standard_normal(24).astype(np.float16),
    }
    fitted = {"weights_sha256": weights.sha256, "stage": "4", "grid": "4"}
    path = tmp_path / "tf_efficientnet_lite0-strokes.safetensors"
    monkeypatch.setattr(plans, "HEADS", tmp_path)

    assert load_embedder(workspace).dimension == 1792  # no head there yet: the features themselves
    features = load_embedder(workspace).embed(see(draw("bar"), Preprocessing())[None])[0]
    save_file(head, path, metadata=fitted)
    projected = load_embedder(workspace)
    assert projected.dimension == 24
    expected = head["head.weight"].astype(np.float32) @ features + head["head.bias"].astype(np.float32)
    given = projected.embed(see(draw("bar"), Preprocessing())[None])[0]
    np.testing.assert_allclose(given, expected / np.linalg.norm(expected), atol=1e-4)

    workspace.save_config(workspace.config().with_(preprocessing=Preprocessing("plain", 128)))
    assert load_embedder(workspace).dimension == 1792
    workspace.save_config(workspace.config().with_(preprocessing=Preprocessing()))
    save_file(head, path, metadata={**fitted, "weights_sha256": "of another file"})
    assert load_embedder(workspace).dimension == 1792
