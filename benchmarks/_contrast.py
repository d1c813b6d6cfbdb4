"""Contrastive training of the trunk's middle blocks and of a head, on pictures that `pretrain` drew.

The first two blocks stay as they are: their output is computed once and kept. Nothing here
draws or fetches; every function is seeded.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import _fit_head
import numpy as np

from core.embedding.engine import _pad_at_the_end, _without_same_padding, export, session
from core.embedding.weights import DEFAULT_ARCHITECTURE, resolve

KEPT = 2  # blocks that are not trained
CLASSES, PICTURES = 32, 4  # a batch of the trunk's training
RATE, HEAD_RATE, TEMPERATURE = 1e-3, 3e-4, 0.1
AVERAGE = 0.02  # of each step in the running average of the weights, which is what ships
SHRINKAGE = 0.3  # of the discriminants that the contrastive head starts from
SLICE = 64

Trunk = Mapping[str, np.ndarray]
Encode = Callable[[np.ndarray], np.ndarray]


def network(trunk: Trunk | None = None, *, stage: int = _fit_head.STAGE) -> Any:
    """The pretrained trunk up to block ``stage``, with the tensors of ``trunk`` in it."""
    import torch

    from core.embedding.model import EmbeddingNet

    weights = resolve(DEFAULT_ARCHITECTURE, allow_network=False)
    net = EmbeddingNet(DEFAULT_ARCHITECTURE, embedding_size=None, stage=stage, grid=_fit_head.GRID, pretrained=weights)
    if trunk:
        net.trunk.load_state_dict({n: torch.from_numpy(np.array(t)) for n, t in trunk.items()})
    return net.eval()


def encoder(trunk: Trunk | None = None, *, size: int = 96) -> Encode:
    """From seen pictures (N, size, size) or (N, size, size, 3) uint8 to the features (N, F) that a head projects."""
    forward = session(export(network(trunk), size=size, facts={}), threads=1)

    def encode(seen: np.ndarray) -> np.ndarray:
        parts = []
        for i in range(0, len(seen), 4):
            part = np.asarray(seen[i : i + 4])
            part = part if part.ndim == 4 else np.repeat(part[..., None], 3, axis=3)
            parts.append(forward.run(["embeddings"], {"images": part})[0])
        return np.concatenate(parts)

    return encode


# ---- the head


def fitted(features: np.ndarray, *, steps: int = 900, rate: float = 3e-4) -> tuple[np.ndarray, np.ndarray]:
    """Weight (D, F) and bias (D,) that bring the pictures of a class together: ``features`` (classes, pictures, F).

    Starts from the linear discriminants. InfoNCE between two pictures of each of 128 classes:
    van den Oord, Li and Vinyals 2018, https://arxiv.org/abs/1807.03748.
    """
    import torch
    from torch.nn import functional as F

    start = _fit_head.discriminant(features, shrinkage=SHRINKAGE)
    weight, bias = (torch.nn.Parameter(torch.tensor(part, dtype=torch.float32)) for part in start)
    optimizer = torch.optim.Adam([weight, bias], lr=rate)
    rng, classes = np.random.default_rng(0), torch.arange(128)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = rng.choice(len(features), 128, replace=False)
        pair = np.stack([rng.permutation(features.shape[1])[:2] for _ in rows])
        seen = torch.from_numpy(features[rows[:, None], pair])
        out = F.normalize(seen @ weight.T + bias, dim=2)
        alike = out[:, 0] @ out[:, 1].T / TEMPERATURE
        loss = F.cross_entropy(alike, classes) + F.cross_entropy(alike.T, classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight.detach().numpy(), bias.detach().numpy()


def combined(
    heads: list[tuple[np.ndarray, np.ndarray]], features: np.ndarray, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """One head whose cosine is about the mean of the given ones': side by side, each at mean square length 1 on
    ``features`` (..., F), then the ``dimension`` directions in which the result is longest."""
    rows = features.reshape(-1, features.shape[-1])
    scaled = [(w / s, b / s) for w, b in heads for s in [np.sqrt(np.mean(np.sum((rows @ w.T + b) ** 2, axis=1)))]]
    weight, bias = (np.concatenate(parts) for parts in zip(*scaled, strict=True))
    out = rows @ weight.T + bias
    _, directions = np.linalg.eigh(out.T.astype(np.float64) @ out / len(out))
    turn = directions[:, ::-1][:, :dimension].T
    return turn @ weight, turn @ bias


# ---- the trunk


def trained(folder: Path, views: np.ndarray, *, held_out: int, steps: int, minutes: float) -> Trunk | None:
    """The trunk after ``steps``, the running average of its weights; None when the time was up before: call again.

    ``views`` (classes, pictures, S, S) uint8, of which the first ``held_out`` classes are not trained on.
    A checkpoint in ``folder`` is taken up. Each positive pair stands against all negatives, and
    against no other positive: Yeh et al. 2022, https://arxiv.org/abs/2110.06848.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    from core.embedding.model import _pool

    entering = _entering(folder, views)
    torch.manual_seed(0)
    net = network()
    blocks = nn.Sequential(*net.trunk.blocks[KEPT:]).to(memory_format=torch.channels_last)
    start = folder / "start.npz"
    if not start.is_file():
        sample = encoder()(views[held_out : held_out + 4000].reshape(-1, *views.shape[2:]))
        weight, bias = fitted(sample.reshape(-1, views.shape[1], sample.shape[1]))
        np.savez(start, weight=weight, bias=bias)
    known = np.load(start)
    head = nn.Linear(known["weight"].shape[1], known["weight"].shape[0])
    head.load_state_dict({name: torch.from_numpy(known[name]) for name in known.files})
    groups = [{"params": blocks.parameters(), "top": RATE}, {"params": head.parameters(), "top": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=1e-4)
    average = {n: t.clone() for n, t in blocks.state_dict().items()}
    step, path = 0, folder / "trunk.pt"
    if path.is_file():
        kept = torch.load(path, weights_only=True)
        step, average = kept["step"], kept["average"]
        blocks.load_state_dict(kept["blocks"])
        head.load_state_dict(kept["head"])
        optimizer.load_state_dict(kept["optimizer"])
    rng, until, losses = np.random.default_rng([7, step]), time.monotonic() + 60 * minutes, []
    label = torch.arange(CLASSES).repeat_interleave(PICTURES)
    same = label[:, None] == label
    pairs = same & ~torch.eye(len(label), dtype=torch.bool)
    while step < steps and time.monotonic() < until:
        for group in optimizer.param_groups:  # as the average of the weights ships, the rate need not fall
            group["lr"] = group["top"] * min(1, step / 50)
        rows = np.sort(held_out + rng.choice(len(views) - held_out, CLASSES, replace=False))
        batch = [entering[row][np.sort(rng.permutation(views.shape[1])[:PICTURES])] for row in rows]
        maps = blocks(torch.from_numpy(np.concatenate(batch)).float().permute(0, 3, 1, 2))
        out = F.normalize(head(F.normalize(_pool(maps, _fit_head.GRID).flatten(1), dim=1)), dim=1)
        alike = out @ out.T / TEMPERATURE
        others = torch.logsumexp(alike.masked_fill(same, -1e9), dim=1, keepdim=True)
        loss = F.softplus(others - alike)[pairs].mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        with torch.no_grad():
            for name, tensor in blocks.state_dict().items():
                if tensor.is_floating_point():
                    average[name].lerp_(tensor, AVERAGE)
        losses.append(loss.item())
        if step % 25 == 0:
            print(f"step {step}: loss {np.mean(losses[-25:]):.4f}", flush=True)
    parts = {"blocks": blocks.state_dict(), "head": head.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({"step": step, "average": average, **parts}, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)
    if step < steps:
        return None
    nn.Sequential(*net.trunk.blocks[KEPT:]).load_state_dict(average)
    return {n: t.numpy() for n, t in net.trunk.state_dict().items()}


def _entering(folder: Path, views: np.ndarray) -> np.ndarray:
    """What enters the first trained block, (classes, pictures, side, side, channels) float16, made once."""
    import onnx
    import torch
    from torch import nn

    path = folder / "entering.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(stage=KEPT - 1)

        def forward(self, seen: torch.Tensor) -> torch.Tensor:
            images = seen.unsqueeze(1).expand(-1, 3, -1, -1).float()
            return self.net.trunk.forward_features((images - self.net.mean) / self.net.std).permute(0, 2, 3, 1)

    first, buffer, side = First().eval(), io.BytesIO(), views.shape[-1]
    same = _without_same_padding(first)
    names = {"input_names": ["seen"], "output_names": ["maps"], "dynamic_axes": {"seen": {0: "n"}, "maps": {0: "n"}}}
    example = torch.zeros(2, side, side, dtype=torch.uint8)
    torch.onnx.export(first, (example,), buffer, dynamo=False, opset_version=17, **names)  # type: ignore[arg-type]
    model = onnx.load_from_string(buffer.getvalue())
    if same:
        _pad_at_the_end(model)
    forward = session(model.SerializeToString(), threads=1)
    maps = [forward.run(["maps"], {"seen": v})[0].astype(np.float16) for v in views]
    np.save(path, np.stack(maps))
    return np.load(path, mmap_mode="r")
