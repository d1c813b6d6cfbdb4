"""`core.embedding.model`: the network's arithmetic by hand; only a file that fits in every number is loaded."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch.nn import functional as F

from core.embedding.card import ModelCard, seal
from core.embedding.model import EmbeddingNet, load
from core.embedding.model import _pool as pool
from core.embedding.weights import resolve
from core.ground.config import Preprocessing
from core.ground.errors import ModelRefused

LITE0 = "tf_efficientnet_lite0"


@pytest.fixture
def net() -> EmbeddingNet:
    """A small network (up to block 1) with weights drawn at random."""
    torch.manual_seed(0)
    return EmbeddingNet(LITE0, embedding_size=16, stage=1, grid=2).eval()


def images(n: int = 2, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(n).integers(0, 256, (n, 3, side, side), dtype=np.uint8))


@torch.inference_mode()
def test_embeddings_have_unit_length_and_do_not_depend_on_their_batch(net):
    four = net(images(4))
    assert four.shape == (4, 16) and four.dtype == torch.float32
    torch.testing.assert_close(four.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(torch.cat([net(image[None]) for image in images(4)]), four, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_bundled_trunk_step_by_step():
    """Normalise, blocks 0 to 4, average on 4 x 4 cells, unit length: done here with timm alone."""
    import timm

    weights = resolve(allow_network=False)
    net = EmbeddingNet(LITE0, embedding_size=None, stage=4, grid=4, pretrained=weights).eval()
    x = images(2, 128)
    trunk = timm.create_model(LITE0, pretrained=False)
    state = torch.load(weights.path, weights_only=True)
    trunk.load_state_dict(dict(zip(trunk.state_dict(), state.values(), strict=True)))
    trunk.eval()
    maps = trunk.bn1(trunk.conv_stem((x.float() - 127) / 128))
    for block in trunk.blocks[:5]:
        maps = block(maps)
    assert maps.shape == (2, 112, 8, 8)
    cells = maps.reshape(2, 112, 4, 2, 4, 2).mean(dim=(3, 5)).reshape(2, 112 * 16)
    torch.testing.assert_close(net(x), cells / cells.norm(dim=1, keepdim=True))
    assert net.dimension == 1792


@torch.inference_mode()
def test_without_a_cut_it_is_the_trunk_s_own_pooled_features():
    import timm

    torch.manual_seed(1)
    net = EmbeddingNet("efficientnet_b0", embedding_size=None).eval()
    trunk = timm.create_model("efficientnet_b0", pretrained=False, num_classes=0)
    trunk.load_state_dict(net.trunk.state_dict())
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = F.normalize(trunk.eval()((images().float() / 255 - mean) / std), dim=1)
    torch.testing.assert_close(net(images()), expected, rtol=1e-4, atol=1e-5)
    assert net.dimension == 1280


@pytest.mark.parametrize("side", [4, 5, 7, 8, 11])
@pytest.mark.parametrize("grid", [1, 3, 4])
def test_pooling_is_adaptive_average_pooling(side, grid):
    maps = torch.rand(2, 3, side, side + 1)
    torch.testing.assert_close(pool(maps, grid), F.adaptive_avg_pool2d(maps, grid))


def test_it_learns(net):
    """Every part takes part: a step on one pair changes each parameter of the head and the trunk."""
    net.train()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimiser = torch.optim.SGD(net.parameters(), lr=1.0)
    embeddings = net(images(4))
    (embeddings[0] @ embeddings[1] - embeddings[2] @ embeddings[3]).backward()
    optimiser.step()
    assert [name for name, p in net.named_parameters() if torch.equal(p, before[name])] == []


def test_a_fitted_head_is_taken_over(tmp_path):
    net = EmbeddingNet(LITE0, embedding_size=None, stage=0, grid=1).eval()
    weight, bias = torch.randn(5, 16), torch.randn(5)
    save_file({"head.weight": weight.half(), "head.bias": bias.half()}, tmp_path / "head.safetensors")
    with torch.inference_mode():
        features = net.features(images())
        projected = net.with_head(tmp_path / "head.safetensors")(images())
    torch.testing.assert_close(projected, F.normalize(features @ weight.half().float().T + bias.half().float(), dim=1))
    assert net.dimension == net.card.embedding_size == 5
    with pytest.raises(ModelRefused, match="does not fit"):
        EmbeddingNet(LITE0, embedding_size=None, stage=0, grid=2).with_head(tmp_path / "head.safetensors")


def test_a_head_brings_the_trunk_that_it_was_fitted_to(tmp_path):
    torch.manual_seed(1)
    net, other = (EmbeddingNet(LITE0, embedding_size=None, stage=0, grid=1).eval() for _ in range(2))
    trunk = {f"trunk.{n}": t.half() if t.is_floating_point() else t for n, t in other.trunk.state_dict().items()}
    path = tmp_path / "head.safetensors"
    save_file({"head.weight": torch.eye(16).half(), "head.bias": torch.zeros(16).half(), **trunk}, path)
    with torch.inference_mode():
        apart = net.features(images())
        given, expected = net.with_head(path)(images()), other.features(images())
    torch.testing.assert_close(given, expected, atol=2e-3, rtol=0)
    assert (apart - expected).abs().max() > 0.05
    del trunk["trunk.conv_stem.weight"]
    save_file({"head.weight": torch.eye(16).half(), "head.bias": torch.zeros(16).half(), **trunk}, path)
    with pytest.raises(ModelRefused, match="conv_stem"):
        net.with_head(path)


def test_saved_and_loaded_it_answers_the_same(net, tmp_path):
    path = tmp_path / "best.safetensors"
    card = net.save(path, preprocessing=Preprocessing("crop", 64), classes=["(e", "étoile"])
    again, read = load(path)
    assert read == card == ModelCard(LITE0, 16, 1, 2, Preprocessing("crop", 64), ("(e", "étoile"))
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(images()), net(images()))
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["classes"] == ["(e", "étoile"] and len(facts["sha256"]) == 64
    assert all(p.requires_grad for p in again.parameters())  # it can be trained further


def test_the_file_alone_is_the_model(net, tmp_path):
    path = tmp_path / "best.safetensors"
    net.save(path, preprocessing=Preprocessing())
    path.with_suffix(".json").unlink()
    load(path)


def test_two_hundred_flipped_bytes_are_two_hundred_refusals(net, tmp_path):
    path = tmp_path / "best.safetensors"
    net.save(path, preprocessing=Preprocessing())
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for at in rng.integers(0, len(content), 200):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :])
        with pytest.raises(ModelRefused):
            load(path)
    path.write_bytes(content)
    load(path)


def changed(state: dict[str, torch.Tensor], kind: str) -> dict[str, torch.Tensor]:
    state = dict(state)
    if kind == "not a number":
        state["head.weight"] = state["head.weight"].clone()
        state["head.weight"][0, 0] = float("nan")
    elif kind == "infinite":
        state["trunk.bn1.bias"] = torch.full_like(state["trunk.bn1.bias"], float("inf"))
    elif kind == "negative variance":
        state["trunk.bn1.running_var"] = -state["trunk.bn1.running_var"]
    elif kind == "whole numbers":
        state["trunk.bn1.bias"] = state["trunk.bn1.bias"].long()
    elif kind == "half precision":
        state["trunk.bn1.bias"] = state["trunk.bn1.bias"].half()
    elif kind == "other shape":
        state["head.bias"] = torch.zeros(17)
    elif kind == "missing":
        del state["trunk.bn1.bias"]
    elif kind == "extra":
        state["trunk.extra"] = torch.zeros(1)
    elif kind == "flat head":
        state["head.weight"] = state["head.weight"].flatten()
    return state


KINDS = [
    "not a number",
    "infinite",
    "negative variance",
    "whole numbers",
    "half precision",
    "other shape",
    "missing",
    "extra",
    "flat head",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_tensors_that_do_not_fit_are_refused(net, tmp_path, kind, suffix):
    path = tmp_path / f"model.{suffix}"
    state = changed(net.state_dict(), kind)
    if suffix == "pt":
        torch.save(state, path)
    else:
        path.write_bytes(seal(save(state, metadata=net.card.header())))
    with pytest.raises(ModelRefused):
        load(path)


def test_a_card_that_claims_another_network_is_refused(net, tmp_path):
    path = tmp_path / "model.safetensors"
    for card in (
        ModelCard("efficientnet_b0", 16, 1, 2),
        ModelCard(LITE0, 4096, 1, 2),
        ModelCard(LITE0, 16, None, 8),
        ModelCard(LITE0, None, 1, 2),
    ):
        path.write_bytes(seal(save(net.state_dict(), metadata=card.header())))
        with pytest.raises(ModelRefused, match="does not fit"):
            load(path)


@pytest.mark.parametrize(
    "card", [(LITE0, 16, 1, 2), (LITE0, 8, None, 1), (LITE0, None, 3, 1), ("efficientnet_b0", 32, 4, 4)]
)
def test_a_plain_state_dict_tells_its_own_network(tmp_path, card):
    architecture, size, stage, grid = card
    net = EmbeddingNet(architecture, embedding_size=size, stage=stage, grid=grid).eval()
    torch.save(net.state_dict(), tmp_path / "plain.pt")
    again, read = load(tmp_path / "plain.pt")
    assert (read.architecture, read.embedding_size, read.stage, read.grid) == card
    with torch.inference_mode():
        assert torch.equal(again(images()), net(images()))


def test_a_state_dict_of_a_whole_timm_network_is_its_trunk(tmp_path):
    import timm

    trunk = timm.create_model(LITE0, pretrained=False)
    torch.save(trunk.state_dict(), tmp_path / "trunk.pt")
    net, card = load(tmp_path / "trunk.pt")
    assert card == ModelCard(LITE0, None, None, 1)
    assert torch.equal(net.trunk.conv_head.weight, trunk.conv_head.weight)


def test_a_foreign_state_dict_is_refused(tmp_path):
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "foreign.pt")
    with pytest.raises(ModelRefused, match="architecture that Burin knows"):
        load(tmp_path / "foreign.pt")


def test_weights_of_another_architecture_are_refused():
    with pytest.raises(ModelRefused, match="not of efficientnet_b0"):
        EmbeddingNet("efficientnet_b0", pretrained=resolve(allow_network=False))


@pytest.mark.skipif(os.name == "nt", reason="limits of file size are for POSIX")
def test_where_the_disk_is_full_the_old_model_stays(net, tmp_path):
    import resource

    path = tmp_path / "best.safetensors"
    net.save(path, preprocessing=Preprocessing())
    old, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    net.head.bias.data += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError):
            net.save(path, preprocessing=Preprocessing())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.json", "best.safetensors"]
    load(path)


def test_the_numbers_in_the_file_are_plain_safetensors(net, tmp_path):
    """Anybody can read a model of ours without Burin."""
    net.save(tmp_path / "best.safetensors", preprocessing=Preprocessing())
    assert torch.equal(load_file(tmp_path / "best.safetensors")["head.bias"], net.head.bias)
