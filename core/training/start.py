"""Where a training starts: the network before its first step, and which weights it has.

Building it needs torch; nothing here trains, and nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.embedding.embedder import GRID, STAGE, untrained
from core.embedding.weights import resolve
from core.ground.workspace import Workspace
from core.training.settings import TrainSettings

if TYPE_CHECKING:
    from core.embedding.model import EmbeddingNet


def begin(settings: TrainSettings, workspace: Workspace) -> tuple[EmbeddingNet, str]:
    """The network that ``settings`` start from, the same for the same seed, and a sentence on its weights.

    "workspace": what Identify uses untrained where that is of the architecture asked for; of any other, its first
    blocks and a new head. Raises `WeightsUnavailable` and `ModelRefused`.
    """
    import torch

    from core.embedding.model import EmbeddingNet

    torch.manual_seed(settings.seed)
    name, size = settings.architecture, settings.embedding_size
    if settings.start == "scratch":
        return EmbeddingNet(name, embedding_size=size), f"{name}, from scratch."
    if settings.start == "workspace":
        net, sentence = untrained(workspace, settings.preprocessing)
        if net.card.architecture == name and net.card.embedding_size:
            return net, sentence
    weights = resolve(name, workspace=workspace, allow_network=True)
    if settings.start == "imagenet":
        return EmbeddingNet(name, embedding_size=size, pretrained=weights), weights.sentence
    net = EmbeddingNet(name, embedding_size=size, stage=STAGE, grid=GRID, pretrained=weights)
    torch.nn.init.orthogonal_(net.get_parameter("head.weight"))  # a projection that keeps distances as they are
    return net, weights.sentence
