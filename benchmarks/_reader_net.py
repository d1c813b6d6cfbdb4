"""The reader's network and what it learns by: the strokes of the mark in a box, and whether the box is one whole mark.

In PyTorch; `core.sight` runs the exported network. Windows come from `reader`, the loop is in `_learning`.
"""

from __future__ import annotations

import io

import torch
from _finder_net import WIDTHS, UNet
from _judge import PART, WHOLE
from torch import Tensor, nn
from torch.nn import functional as F

from core.sight.inputs import CHANNELS, WINDOW_CHANNELS
from core.sight.reading import SIDE


class Reader(UNet):
    """(N, 5, H, W) -> logits of "stroke of the mark in the box" (N, H, W), and of "the box is one whole mark" (N,)."""

    def __init__(self) -> None:
        super().__init__(WINDOW_CHANNELS)
        self.strokes = nn.Conv2d(WIDTHS[0], 4, 1)
        pooled = 2 * (WIDTHS[-1] + WIDTHS[1])
        self.whole = nn.Sequential(nn.Linear(pooled, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))

    def start_from(self, finder: dict[str, Tensor]) -> None:
        """Take what the finder has learnt; it knows nothing of the channels that a window has more."""
        own = self.state_dict()
        for name, value in finder.items():
            if name in own and own[name].shape == value.shape:
                own[name] = value
        first = own["down.0.0.0.weight"].normal_(0, 0.02)
        first[:, : 4 * CHANNELS] = finder["down.0.0.0.weight"]
        self.load_state_dict(own)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        deep, quarter, half = self.features(x)
        pooled = [each for part in (deep, quarter) for each in (part.mean((2, 3)), part.amax((2, 3)))]
        return F.pixel_shuffle(self.strokes(half), 2)[:, 0], self.whole(torch.cat(pooled, 1))[:, 0]


def loss(out: tuple[Tensor, Tensor], ink: Tensor, overlaps: Tensor) -> dict[str, Tensor]:
    """Strokes: cross entropy, three times on strokes, and 1 - Dice of each window that has some; whole: cross
    entropy."""
    strokes, whole = out
    wanted = ink.float()
    crossed = F.binary_cross_entropy_with_logits(strokes, wanted, weight=1 + 2 * wanted)
    sure, some = strokes.sigmoid(), wanted.sum((1, 2)) > 20
    dice = 1 - (2 * (sure * wanted).sum((1, 2)) + 1) / (sure.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    clear = (overlaps >= WHOLE) | (overlaps <= PART)
    said = F.binary_cross_entropy_with_logits(whole[clear], (overlaps[clear] >= WHOLE).float())
    return {"strokes": crossed, "dice": dice[some].sum() / some.sum().clamp(min=1), "whole": said}


WEIGHTS = {"strokes": 2.0, "dice": 1.0, "whole": 0.5}


def export(net: Reader, line: tuple[float, float, float]) -> bytes:
    """The network as ONNX, any number of windows: probabilities of strokes, and how sure it is that the box is one
    whole mark: of the judge's logit and its own by ``line``, their weights and the shift (Platt 1999)."""

    class Shown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, window: Tensor, judged: Tensor) -> tuple[Tensor, Tensor]:
            strokes, whole = self.net(window)
            return strokes.sigmoid(), (line[0] * judged + line[1] * whole + line[2]).sigmoid()

    buffer = io.BytesIO()
    torch.onnx.export(
        Shown().eval(), (torch.zeros(2, WINDOW_CHANNELS, SIDE, SIDE), torch.zeros(2)), buffer,  # type: ignore[arg-type]
        input_names=["window", "judged"], output_names=["strokes", "sure"],
        dynamic_axes={name: {0: "n"} for name in ("window", "judged", "strokes", "sure")},
        opset_version=17, dynamo=False,
    )  # fmt: skip
    return buffer.getvalue()
