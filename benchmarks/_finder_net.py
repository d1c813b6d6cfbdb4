"""The finder's network and what it learns by: strokes of marks, and where one whole mark lies.

In PyTorch; `core.sight` runs the exported network. The loop is in `_learning`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.sight.inputs import CHANNELS

WIDTHS = (24, 32, 48, 64, 80)  # channels at a half, a quarter, ... of the picture's side
CELL = 4  # px: side of a cell of the map of boxes
UNIT = 16.0  # px: a box's sides are learnt as logarithms of their distance in these
LEAST, MOST = 15.0, 112.0  # px: larger side of a mark that is boxed; other scales see what is smaller or larger


class Step(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class UNet(nn.Module):
    """(N, ``channels``, H, W) -> features at a 32nd, a quarter and a half of the side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = [4 * channels, *WIDTHS[:-1]]
        self.down = nn.ModuleList(nn.Sequential(Step(i, o), Step(o, o)) for i, o in zip(inputs, WIDTHS, strict=True))
        self.up = nn.ModuleList(Step(WIDTHS[i + 1] + WIDTHS[i], WIDTHS[i]) for i in range(len(WIDTHS) - 1))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.pixel_unshuffle(x, 2)
        kept = []
        for i, step in enumerate(self.down):
            x = step(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        deep = quarter = x
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), kept[i]], 1))
            if i == 1:
                quarter = x
        return deep, quarter, x


class Finder(UNet):
    """(N, 3, H, W) -> logits of "stroke of a mark" (N, 1, H, W), and (N, 5, H / 4, W / 4): logit of "the middle of one
    whole mark", and the logarithms of the distances to its left, upper, right and lower edge."""

    def __init__(self) -> None:
        super().__init__(CHANNELS)
        self.strokes = nn.Conv2d(WIDTHS[0], 4, 1)
        self.boxes = nn.Sequential(Step(WIDTHS[1], WIDTHS[1]), nn.Conv2d(WIDTHS[1], 5, 1))
        with torch.no_grad():
            self.strokes.bias.fill_(-2.0)  # type: ignore[union-attr]
            self.boxes[1].bias.copy_(torch.tensor([-4.0, 0, 0, 0, 0]))  # type: ignore[operator]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, quarter, half = self.features(x)
        return F.pixel_shuffle(self.strokes(half), 2), self.boxes(quarter)


def targets(boxes: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the map of boxes should be for one scene: heat (h, w), distances (4, h, w), and where heat counts (h, w)."""
    cells = side // CELL
    y, x = (np.mgrid[0:cells, 0:cells].astype(np.float32) + 0.5) * CELL
    heat, counts = np.zeros((cells, cells), np.float32), np.ones((cells, cells), np.float32)
    sides = np.ones((4, cells, cells), np.float32)
    for bx, by, bw, bh in boxes:
        seen = max(0.0, min(side, bx + bw) - max(0.0, bx)) * max(0.0, min(side, by + bh) - max(0.0, by)) / (bw * bh)
        larger = max(bw, bh)
        inside = (x > bx) & (x < bx + bw) & (y > by) & (y < by + bh)
        if seen < 0.93 or larger < LEAST or larger > MOST:
            if (0.75 < seen < 0.93) or larger < LEAST or (seen >= 0.93 and larger < 1.25 * MOST):
                counts[inside] = 0
            continue
        sx, sy = max(0.13 * bw, 0.05 * larger, 2.2), max(0.13 * bh, 0.05 * larger, 2.2)
        bump = np.exp(-0.5 * (((x - bx - bw / 2) / sx) ** 2 + ((y - by - bh / 2) / sy) ** 2))
        here = bump > heat
        heat[here] = bump[here]
        given = np.stack([x - bx, y - by, bx + bw - x, by + bh - y])
        sides[:, here] = np.maximum(given[:, here], 1.0)
        nearest = np.unravel_index(int(bump.argmax()), bump.shape)
        heat[nearest] = 1.0
        counts[nearest] = 1.0
    return heat, sides, counts


def loss(out: tuple[Tensor, Tensor], ink: Tensor, heat: Tensor, sides: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """Strokes: cross entropy, three times on strokes, and 1 - Dice; middles: the focal loss of CenterNet (Zhou, Wang
    and Krähenbühl 2019, https://arxiv.org/abs/1904.07850); boxes: 1 - IoU and the logarithms' distance."""
    strokes, boxes = out[0][:, 0].float(), out[1].float()
    wanted = ink.float()
    crossed = F.binary_cross_entropy_with_logits(strokes, wanted, weight=1 + 2 * wanted)
    sure = strokes.sigmoid()
    dice = 1 - (2 * (sure * wanted).sum() + 1) / (sure.sum() + wanted.sum() + 1)
    middle = boxes[:, 0]
    p = middle.sigmoid().clamp(1e-4, 1 - 1e-4)
    whole = (heat >= 0.999).float()
    focal = -(whole * (1 - p) ** 2 * p.log() + (1 - whole) * (1 - heat) ** 4 * p**2 * (1 - p).log()) * counts
    focal = focal.sum() / whole.sum().clamp(min=1)
    here = heat > 0.5
    given, true = boxes[:, 1:].permute(0, 2, 3, 1)[here], sides.permute(0, 2, 3, 1)[here]
    weight = heat[here]
    distance = F.smooth_l1_loss(given, (true / UNIT).log(), beta=0.2, reduction="none").sum(1)
    guess = given.clamp(-5, 4).exp() * UNIT
    both = torch.minimum(guess, true)
    shared = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
    area = (guess[:, 0] + guess[:, 2]) * (guess[:, 1] + guess[:, 3])
    area_true = (true[:, 0] + true[:, 2]) * (true[:, 1] + true[:, 3])
    overlap = 1 - shared / (area + area_true - shared).clamp(min=1)
    box = ((overlap + distance) * weight).sum() / weight.sum().clamp(min=1)
    return {"strokes": crossed, "dice": dice, "middle": focal, "box": box}


WEIGHTS = {"strokes": 2.0, "dice": 1.0, "middle": 0.5, "box": 0.5}


def export(net: Finder) -> bytes:
    """The network as ONNX, any number and size of pictures: probabilities of strokes, and the map of boxes."""
    import io

    class Shown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
            strokes, boxes = self.net(picture)
            return strokes[:, 0].sigmoid(), torch.cat(
                [boxes[:, :1].sigmoid(), boxes[:, 1:].clamp(-5, 4).exp() * UNIT], 1
            )

    buffer = io.BytesIO()
    shown = Shown().eval()
    axes = {"picture": {0: "n", 2: "h", 3: "w"}, "strokes": {0: "n", 1: "h", 2: "w"}, "boxes": {0: "n", 2: "p", 3: "q"}}
    torch.onnx.export(
        shown, (torch.zeros(1, 3, 64, 64),), buffer,  # type: ignore[arg-type]
        input_names=["picture"], output_names=["strokes", "boxes"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    return buffer.getvalue()
