"""The network: a timm trunk, its features pooled on a grid, an embedding head, unit length.

Saves and loads itself with its card. It knows no files of images and no training. Importing
this module imports torch: import it inside the function that needs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.embedding.card import ModelCard, read_sealed, seal
from core.embedding.weights import ARCHITECTURES, Weights, read_state
from core.ground.config import Preprocessing
from core.ground.errors import ModelRefused
from core.ground.workspace import write_atomic


class EmbeddingNet(nn.Module):
    """Images (N, 3, S, S), values 0 to 255 of any dtype -> embeddings (N, D) float32, L2-normalised.

    ``stage``, ``grid`` and ``embedding_size`` (D) are those of `ModelCard`; without an embedding
    size D is channels x grid x grid, row by row of each channel. Normalising the pixels is part
    of the network. Raises `ModelRefused` when ``pretrained`` does not fit the architecture.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        *,
        embedding_size: int | None = 256,
        stage: int | None = None,
        grid: int = 1,
        pretrained: Weights | None = None,
    ) -> None:
        super().__init__()
        self.card = ModelCard(architecture, embedding_size, stage, grid)
        known = ARCHITECTURES[architecture]
        self.register_buffer("mean", torch.tensor(known.mean, device="cpu").view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(known.std, device="cpu").view(3, 1, 1), persistent=False)
        self.trunk = _trunk(architecture, pretrained)
        channels = _cut(self.trunk, stage)
        self.features_dimension = channels * grid * grid
        self.dimension = embedding_size or self.features_dimension
        self.head: nn.Module = nn.Identity()
        if embedding_size:
            head = nn.Linear(self.features_dimension, embedding_size)
            nn.init.zeros_(head.bias)  # features have unit length: a bias drawn as usual would drown them
            self.head = head

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        return F.normalize(self.head(features), dim=1) if self.card.embedding_size else features

    def features(self, images: Tensor) -> Tensor:
        """The trunk's features pooled on the grid, L2-normalised: (N, channels x grid x grid)."""
        maps = self.trunk.forward_features((images.float() - self.mean) / self.std)
        return F.normalize(_pool(maps, self.card.grid).flatten(1), dim=1)

    def with_head(self, path: Path) -> Self:
        """This network with a fitted head (.safetensors, float16: ``head.weight`` (D, features), ``head.bias`` (D,)).

        Where the head was fitted to a trunk that was trained further, the file holds that too
        (``trunk.`` and its names). Raises `ModelRefused` when the file does not fit.
        """
        read = {n: t.float() if t.is_floating_point() else t for n, t in read_state(path).items()}
        trunk = {n.removeprefix("trunk."): t for n, t in read.items() if n.startswith("trunk.")}
        state = {n: t for n, t in read.items() if not n.startswith("trunk.")}
        weight = state.get("head.weight")
        if weight is None or weight.ndim != 2:
            raise ModelRefused(
                "{name} does not fit: {tensor} is missing or too many.", name=path.name, tensor="head.weight"
            )
        head = nn.Linear(self.features_dimension, weight.shape[0])
        fill(head, {name.removeprefix("head."): tensor for name, tensor in state.items()}, path.name)
        if trunk:
            fill(self.trunk, trunk, path.name)
        self.head, self.dimension = head, head.out_features
        self.card = replace(self.card, embedding_size=self.dimension)
        return self

    def save(self, path: Path, *, preprocessing: Preprocessing, classes: Sequence[str] = ()) -> ModelCard:
        """Write ``path`` (.safetensors), whole or not at all, and its card beside it for people (.json)."""
        from safetensors.torch import save

        card = replace(self.card, preprocessing=preprocessing, classes=tuple(classes))
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        content = seal(save(state, metadata=card.header()))
        write_atomic(path, content)
        facts = {**card.to_json(), "sha256": hashlib.sha256(content).hexdigest()}
        write_atomic(path.with_suffix(".json"), (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())
        return card


def load(path: Path) -> tuple[EmbeddingNet, ModelCard]:
    """Rebuild a saved network, in evaluation mode, with its card.

    .safetensors: what `EmbeddingNet.save` wrote. .pt, .pth: a plain state dict, of an
    `EmbeddingNet` or of a whole timm trunk, whose card follows from its shapes. Raises
    `ModelRefused` for anything that is damaged, foreign, not finite or of another shape or type.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load as load_tensors

        card, content = read_sealed(path)
        try:
            state = load_tensors(content)
        except (SafetensorError, KeyError, ValueError) as error:
            raise ModelRefused("{name} is damaged, or was not saved by Burin.", name=path.name) from error
    else:
        state = {name: tensor for name, tensor in read_state(path).items() if not name.startswith("classifier.")}
        if not any(name.startswith("trunk.") for name in state):
            state = {f"trunk.{name}": tensor for name, tensor in state.items()}
        card = _card_of(state, path.name)
    with torch.device("meta"):  # shapes without memory: nothing is allocated for a file that does not fit
        net = EmbeddingNet(card.architecture, embedding_size=card.embedding_size, stage=card.stage, grid=card.grid)
    fill(net, state, path.name)
    return net.eval(), card


def _trunk(architecture: str, pretrained: Weights | None) -> Any:
    import timm

    if pretrained is None:
        return timm.create_model(architecture, pretrained=False, num_classes=0)
    if pretrained.architecture != architecture:
        raise ModelRefused(
            "The weights are those of {given}, not of {architecture}.",
            given=pretrained.architecture,
            architecture=architecture,
        )
    with torch.device("meta"):
        trunk = timm.create_model(architecture, pretrained=False, num_classes=0)
    state = read_state(pretrained.path)
    if "_conv_stem.weight" in state:  # the package's own names: one to one, in order, onto timm's
        names = [*trunk.state_dict(), "classifier.weight", "classifier.bias"]
        state = dict(zip(names, state.values(), strict=True)) if len(names) == len(state) else state
    state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    fill(trunk, state, pretrained.path.name)
    return trunk


def _cut(trunk: Any, stage: int | None) -> int:
    """Drop what follows block ``stage``; returns the channels that come out."""
    if stage is None:
        if trunk.num_features != trunk.head_hidden_size:  # MobileNetV3 pools first: what follows is its classifier's
            trunk.conv_head = trunk.norm_head = nn.Identity()
        return trunk.num_features
    trunk.blocks = trunk.blocks[: stage + 1]
    trunk.conv_head = trunk.bn2 = nn.Identity()
    return trunk.feature_info[-1]["num_chs"] if stage == 6 else _width(trunk.blocks[-1])


def _width(block: nn.Module) -> int:
    return [m for m in block.modules() if isinstance(m, nn.Conv2d)][-1].out_channels


def _pool(maps: Tensor, grid: int) -> Tensor:
    """(N, C, H, W) -> (N, C, grid, grid): `adaptive_avg_pool2d`, in a form that every exporter knows."""
    height, width = int(maps.shape[2]), int(maps.shape[3])
    if height % grid == 0 and width % grid == 0:
        return F.avg_pool2d(maps, (height // grid, width // grid))
    rows = torch.from_numpy(_averaging(height, grid)).to(maps)
    columns = torch.from_numpy(_averaging(width, grid)).to(maps)
    return rows @ maps @ columns.T


def _averaging(length: int, cells: int) -> np.ndarray:
    """(cells, length): cell i averages from floor(i length / cells) up to ceil((i + 1) length / cells)."""
    matrix = np.zeros((cells, length), np.float32)
    for i in range(cells):
        start, stop = i * length // cells, -(-(i + 1) * length // cells)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix


def fill(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Put ``state`` into ``module``: the same names, shapes and types, every value finite."""
    wanted = module.state_dict()
    if wanted.keys() != state.keys():
        odd = sorted(wanted.keys() ^ state.keys())
        raise ModelRefused("{name} does not fit: {tensor} is missing or too many.", name=name, tensor=odd[0])
    for key, tensor in state.items():
        if tensor.shape != wanted[key].shape or tensor.dtype != wanted[key].dtype:
            raise ModelRefused("{name} does not fit: {tensor} has another shape or type.", name=name, tensor=key)
        if not torch.isfinite(tensor).all():
            raise ModelRefused("{name} is damaged: {tensor} holds values that are not numbers.", name=name, tensor=key)
        if key.endswith("running_var") and (tensor < 0).any():
            raise ModelRefused("{name} is damaged: {tensor} holds negative variances.", name=name, tensor=key)
    module.load_state_dict(state, assign=True)


def _card_of(state: Mapping[str, Tensor], name: str) -> ModelCard:
    """The card of a state dict that came without one: the architecture and cut whose names are the same."""
    head = state.get("head.weight")
    for architecture in ARCHITECTURES:
        with torch.device("meta"):
            trunk = _trunk(architecture, None)
        for stage in (None, *reversed(range(7))):  # shorter and shorter
            channels = _cut(trunk, stage)
            if {f"trunk.{key}" for key in trunk.state_dict()} != state.keys() - {"head.weight", "head.bias"}:
                continue
            if head is None:
                return ModelCard(architecture, None, stage)
            if head.ndim != 2:
                break
            grid = round((head.shape[-1] / channels) ** 0.5)
            return ModelCard(architecture, head.shape[0], stage, max(1, min(grid, 8)))
    raise ModelRefused(
        "{name} does not hold the weights of an architecture that Burin knows ({known}).",
        name=name,
        known=", ".join(ARCHITECTURES),
    )
