"""The losses: embeddings and labels of one batch in, one number out; pytorch-metric-learning behind them.

All compare by cosine similarity, as the search does. A batch without triplets gives a zero that still
backpropagates. Importing this module imports torch: import it inside the function that needs it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_metric_learning import distances, losses, miners
from torch import Tensor, nn
from torch.nn import functional as F

from core.training.settings import TrainSettings
from core.training.siamese import SiameseNet


class TripletLoss(nn.Module):
    """max(0, cos(anchor, negative) - cos(anchor, positive) + ``margin``), averaged over the triplets of the batch
    that are not zero (Schroff et al. 2015, https://arxiv.org/abs/1503.03832, on cosines)."""

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = margin
        self.loss = losses.TripletMarginLoss(margin=margin, distance=distances.CosineSimilarity())

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.loss(embeddings, labels)


class HardTripletLoss(nn.Module):
    """`TripletLoss` over mined triplets. ``mining``: "hard", for each anchor its farthest positive and nearest
    negative (Hermans et al. 2017, https://arxiv.org/abs/1703.07737); "semi-hard", negatives farther than the
    positive but within the margin; "all", every triplet within the margin."""

    def __init__(self, margin: float = 0.2, mining: str = "hard") -> None:
        super().__init__()
        self.margin = margin
        distance = distances.CosineSimilarity()
        self.loss = losses.TripletMarginLoss(margin=margin, distance=distance)
        self.miner: nn.Module = (
            miners.BatchHardMiner(distance=distance)
            if mining == "hard"
            else miners.TripletMarginMiner(
                margin=margin, type_of_triplets={"semi-hard": "semihard", "all": "all"}[mining], distance=distance
            )
        )

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return self.loss(embeddings, labels, self.miner(embeddings, labels))


class PairLoss(nn.Module):
    """The siamese network's: pairs of one mark closer, pairs of two at least ``margin`` apart (Hadsell et al. 2006),
    plus the cross-entropy of its answer "the same mark?". ``compare`` (N, D), (N, D) -> logits (N,); the answer
    learns from the embeddings, and they do not learn from it."""

    def __init__(self, compare: Callable[[Tensor, Tensor], Tensor], margin: float = 0.7) -> None:
        super().__init__()
        self.margin = margin
        self.loss = losses.ContrastiveLoss(pos_margin=0, neg_margin=margin, distance=distances.LpDistance())
        self._compare = compare  # a bound method: its weights stay the network's

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        fixed = embeddings.detach()
        same = (labels[first] == labels[second]).float()
        # As many pairs of one mark as of two, by weight: else "never the same" is nearly always right.
        weight = torch.where(same > 0, 0.5 / same.sum().clamp(min=1), 0.5 / (1 - same).sum().clamp(min=1))
        answers = F.binary_cross_entropy_with_logits(
            self._compare(fixed[first], fixed[second]), same, weight=weight, reduction="sum"
        )
        return self.loss(embeddings, labels) + answers


def make_loss(settings: TrainSettings, *, classes: int, dimension: int, model: nn.Module | None = None) -> nn.Module:
    """The loss that ``settings`` ask for, for labels from 0 to ``classes`` - 1 and embeddings of ``dimension``."""
    numbers = settings.loss_parameters
    if settings.loss == "triplet":
        return TripletLoss(numbers["margin"])
    if settings.loss == "hard-triplet":
        return HardTripletLoss(numbers["margin"], settings.mining)
    if settings.loss == "multi-similarity":
        return losses.MultiSimilarityLoss(alpha=numbers["alpha"], beta=numbers["beta"], base=numbers["base"])
    if settings.loss == "supervised-contrastive":
        return losses.SupConLoss(temperature=numbers["temperature"])
    if settings.loss == "proxy-anchor":
        return losses.ProxyAnchorLoss(classes, dimension, margin=numbers["margin"], alpha=numbers["alpha"])
    if settings.loss == "contrastive":
        assert isinstance(model, SiameseNet), "pairs are compared by the siamese network"
        return PairLoss(model.logits, numbers["margin"])
    raise NotImplementedError(settings.loss)
