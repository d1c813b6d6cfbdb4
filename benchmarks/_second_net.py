"""The probability that a box holds one whole mark: a small network over the numbers of the second look, and its fit.

In PyTorch; `core.sight.second` runs the exported one.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WHOLE, PART = 0.6, 0.45  # overlap with a mark from which a box is it, and up to which it is not; between: not learnt
HIDDEN, STEPS, MEMBERS = 32, 700, 4


class Sureness(nn.Module):
    """(N, K) numbers -> (N,) probabilities: the mean of several small networks' logits, scaled to be calibrated."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))
        self.register_buffer("slope", torch.ones(1))
        self.register_buffer("shift", torch.zeros(1))
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(numbers, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
            )
            for _ in range(MEMBERS)
        )

    def logits(self, numbers: Tensor) -> Tensor:
        x = ((numbers - self.mean) / self.scale).clamp(-6, 6)
        return torch.stack([member(x)[:, 0] for member in self.members])

    def forward(self, numbers: Tensor) -> Tensor:
        return torch.sigmoid(self.slope * self.logits(numbers).mean(0) + self.shift)


def fitted(numbers: np.ndarray, overlaps: np.ndarray, kept: np.ndarray, kept_overlaps: np.ndarray) -> Sureness:
    """Fitted on boxes (N, K) and their ``overlaps`` (N,) with a mark; calibrated on boxes ``kept`` out (Platt 1999)."""
    torch.manual_seed(0)
    net = Sureness(numbers.shape[1])
    learnt = (overlaps >= WHOLE) | (overlaps <= PART)
    x, y = torch.from_numpy(numbers[learnt]), torch.from_numpy((overlaps[learnt] >= WHOLE).astype(np.float32))
    net.mean.copy_(x.mean(0))
    net.scale.copy_(x.std(0).clamp(min=1e-3))
    optimiser = torch.optim.AdamW(net.members.parameters(), lr=3e-3, weight_decay=3e-2)
    chance = np.random.default_rng(0)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (1 - step / STEPS)
        chosen = torch.from_numpy(chance.integers(len(x), size=256))
        noisy = x[chosen] + 0.05 * net.scale * torch.randn(len(chosen), x.shape[1])
        logits = net.logits(noisy)
        loss = F.binary_cross_entropy_with_logits(logits, y[chosen].expand_as(logits))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    clear = (kept_overlaps >= WHOLE) | (kept_overlaps <= PART)
    x, y = torch.from_numpy(kept[clear]), torch.from_numpy((kept_overlaps[clear] >= WHOLE).astype(np.float32))
    with torch.no_grad():
        logits = net.logits(x).mean(0)
    line = torch.tensor([1.0, 0.0], requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=100)

    def closure() -> Tensor:
        search.zero_grad()
        out = F.binary_cross_entropy_with_logits(line[0] * logits + line[1], y)
        out.backward()
        return out

    search.step(closure)
    net.slope.fill_(float(line[0]))
    net.shift.fill_(float(line[1]))
    return net.eval()


def export(net: Sureness, numbers: int) -> bytes:
    buffer = io.BytesIO()
    torch.onnx.export(
        net, (torch.zeros(2, numbers),), buffer, input_names=["numbers"], output_names=["sure"],
        dynamic_axes={"numbers": {0: "n"}, "sure": {0: "n"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
    return buffer.getvalue()
