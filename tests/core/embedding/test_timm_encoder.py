"""Encoders by name: any model of timm looks, a ViT at another size than its own too, from the hub's cache and without a
network; a name that is none is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.embedding.embedder import load_embedder
from core.embedding.weights import resolve
from core.ground.config import Preprocessing
from core.ground.errors import WeightsUnavailable
from core.ground.workspace import Workspace
from tests.conftest import draw

timm = pytest.importorskip("timm")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is in the hub's cache, with weights of chance."""
    from safetensors.torch import save_file

    def found(repository: str, file: str) -> str:
        name = repository.removeprefix("timm/")
        path = tmp_path / name / file
        if not path.is_file():
            path.parent.mkdir()
            save_file(timm.create_model(name, pretrained=False).state_dict(), path)  # with its classifier
        return str(path)

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", found)


@pytest.mark.parametrize("name", ["timm/test_vit.r160_in1k", "test_resnet.r160_in1k", "test_convnext.r160_in1k"])
def test_any_model_of_timm_looks(cached, workspace: Workspace, name):
    config = workspace.config().with_(weights=name, preprocessing=Preprocessing("strokes", 96))
    workspace.save_config(config)
    embedder = load_embedder(workspace)
    assert name.removeprefix("timm/") in embedder.space and "hub's cache" in embedder.sentence
    same = [draw("circle", seed=1), draw("circle", seed=1), draw("cross", seed=2)]
    vectors = np.stack(list(embedder.embed_images(same)))
    assert vectors.shape == (3, embedder.dimension) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], vectors[1], atol=1e-5) and not np.allclose(vectors[0], vectors[2], atol=1e-3)


def test_a_name_that_is_none_is_refused(workspace: Workspace):
    with pytest.raises(WeightsUnavailable, match="There is no model resnet_of_nobody"):
        resolve("resnet_of_nobody", workspace=workspace, allow_network=False)
    with pytest.raises(WeightsUnavailable, match="There is no file of weights"):
        resolve("nowhere.pt", workspace=workspace, allow_network=False)
