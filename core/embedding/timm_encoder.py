"""Any other trunk of timm, ViT and DINOv2 among them, as an untrained encoder: its features as timm itself pools them.

Such a network is not trained, promoted or exported here; it only looks. What Burin trains is `core.embedding.model`.
Importing this module imports torch: import it inside the function that needs it.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.embedding.model import fill
from core.embedding.weights import Architecture, Weights, read_state

MOST_SIDE = 1024  # px of what such a network is given


class ForeignNet(nn.Module):
    """Images (N, 3, S, S), values 0 to 255 -> features (N, D) float32, L2-normalised.

    A network that takes one size of picture only, as a ViT does, is set to the multiple of its patch that is next to
    ``size``, and the pictures are brought to it. Raises `ModelRefused` when the weights do not fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture, weights: Weights, *, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(architecture.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(architecture.std).view(3, 1, 1), persistent=False)
        with torch.device("meta"):
            wanted = timm.create_model(architecture.name, pretrained=False, num_classes=0).state_dict()
        state = {name: tensor for name, tensor in read_state(weights.path).items() if name in wanted}
        self.trunk: Any = timm.create_model(architecture.name, pretrained=False, num_classes=0)
        fill(self.trunk, state, weights.path.name)  # what is left over belongs to the classifier
        self.side = size
        if getattr(self.trunk, "pretrained_cfg", {}).get("fixed_input_size"):
            self.side = _fitted(self.trunk, size)
        with torch.inference_mode():
            self.dimension = int(self.eval()(torch.zeros(1, 3, size, size)).shape[1])

    def forward(self, images: Tensor) -> Tensor:
        seen = (images.float() - self.mean) / self.std
        if self.side != images.shape[-1]:
            seen = F.interpolate(seen, size=(self.side, self.side), mode="bilinear", align_corners=False)
        pooled = self.trunk.forward_head(self.trunk.forward_features(seen), pre_logits=True)
        return F.normalize(pooled.flatten(1), dim=1)


def _fitted(trunk: Any, size: int) -> int:
    """Set a trunk of one input size to a multiple of its patch; the side it takes then."""
    patch = getattr(getattr(trunk, "patch_embed", None), "patch_size", None)
    if patch is None or not hasattr(trunk, "set_input_size"):
        return int(trunk.pretrained_cfg["input_size"][-1])
    side = min(MOST_SIDE, max(1, round(size / patch[0])) * patch[0])
    trunk.set_input_size(img_size=(side, side))
    return side
