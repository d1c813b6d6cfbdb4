"""The siamese network: one tower for both pictures, and an answer to "is this the same mark?".

Its embeddings are searched like any others, and its answer rises with their cosine: Identify ranks by either
alike. Importing this module imports torch: import it inside the function that needs it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from core.embedding.model import EmbeddingNet


class SiameseNet(nn.Module):
    """Two pictures through the same ``tower``; the logit of "the same mark" is scale x (cosine - threshold).

    As a module it maps images (N, 3, S, S) to the tower's embeddings (N, D), L2-normalised.
    """

    def __init__(self, tower: EmbeddingNet) -> None:
        super().__init__()
        self.tower = tower
        scale, threshold = tower.card.comparison or (10.0, 0.5)
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, images: Tensor) -> Tensor:
        return self.tower(images)

    def logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Embeddings (N, D) and (N, D) -> (N,); 0 is "as likely the same as not"."""
        return self.scale * ((first * second).sum(dim=1) - self.threshold)

    @torch.inference_mode()
    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (N, 3, S, S) and (N, 3, S, S) -> the probability (N,) that each pair shows the same mark."""
        return torch.sigmoid(self.logits(self(first), self(second)))

    def finished(self) -> EmbeddingNet:
        """The tower, its card carrying the comparison: what is saved, and what Identify loads."""
        self.tower.card = replace(self.tower.card, comparison=(self.scale.item(), self.threshold.item()))
        return self.tower
