"""Where a training starts: the network before its first step, and which weights it has.

Building it needs torch; nothing here trains, and nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.embedding.plans import GRID, STAGE, fitted_head, untrained
from core.embedding.weights import resolve
from core.ground.errors import ModelRefused, NotFound
from core.ground.workspace import Workspace
from core.training.run import Run
from core.training.runs import Runs
from core.training.settings import TrainSettings

if TYPE_CHECKING:
    from core.embedding.model import EmbeddingNet


def begin(settings: TrainSettings, workspace: Workspace) -> tuple[EmbeddingNet, str]:
    """The network that ``settings`` start from, the same for the same seed, and a sentence on its weights.

    "workspace": what Identify uses untrained where that is of the architecture asked for; of any other, its first
    blocks and a new head. "checkpoint": that network, with a new head where it has none. Raises
    `WeightsUnavailable`, `ModelRefused` and `NotFound`.
    """
    import torch

    from core.embedding.model import EmbeddingNet

    torch.manual_seed(settings.seed)
    name, size = settings.architecture, settings.embedding_size
    if settings.start == "scratch":
        return EmbeddingNet(name, embedding_size=size), f"{name}, from scratch."
    if settings.start == "workspace":
        held = resolve(workspace.config().weights, workspace=workspace, allow_network=True)
        if held.architecture == name and fitted_head(held, settings.preprocessing):
            net, sentence = untrained(workspace, settings.preprocessing)
            return cast(EmbeddingNet, net), sentence
    if settings.start == "checkpoint":
        return _from_checkpoint(settings, workspace)
    weights = resolve(name, workspace=workspace, allow_network=True)
    if settings.start == "imagenet":
        return EmbeddingNet(name, embedding_size=size, pretrained=weights), weights.sentence
    net = EmbeddingNet(name, embedding_size=size, stage=STAGE, grid=GRID, pretrained=weights)
    _spread(net)
    return net, weights.sentence


def require(settings: TrainSettings, workspace: Workspace) -> None:
    """Find the weights that a training starts from, fetching them where they are not here, before anything that takes
    long. Raises what `begin` raises for want of them."""
    if settings.start == "checkpoint":
        checkpoint_of(settings.start_from, workspace)
        return
    if settings.start == "workspace":
        held = resolve(workspace.config().weights, workspace=workspace, allow_network=True)
        if held.architecture == settings.architecture and fitted_head(held, settings.preprocessing):
            return
    if settings.start != "scratch":
        resolve(settings.architecture, workspace=workspace, allow_network=True)


def origin(settings: TrainSettings, workspace: Workspace) -> Run | None:
    """The run that a training starts from; None where that is no run, or a model file that is none's."""
    if settings.start != "checkpoint":
        return None
    try:
        return Runs(workspace).get(settings.start_from)
    except NotFound:
        return None


def checkpoint_of(start_from: str, workspace: Workspace) -> Path:
    """The model file that `TrainSettings.start_from` names. Raises `NotFound`."""
    path = workspace.root / start_from
    if path.is_file():
        return path
    run = Runs(workspace).get(start_from)
    if not run.best_path.is_file():
        raise NotFound("The run {name} has no weights yet.", name=run.record.name)
    return run.best_path


def starting_from(settings: TrainSettings, start_from: str, workspace: Workspace) -> TrainSettings:
    """``settings`` that start from this run or model file, with the network that it is and what it saw: of a plain
    state dict nothing says that, and it stays as it was. Raises `NotFound` and `ModelRefused`."""
    from core.embedding.model import load

    path = checkpoint_of(start_from, workspace)
    card = load(path)[1]
    return settings.with_(
        start="checkpoint",
        start_from=start_from,
        architecture=card.architecture,
        embedding_size=card.embedding_size or settings.embedding_size,
        preprocessing=card.preprocessing if path.suffix == ".safetensors" else settings.preprocessing,
    )


def _from_checkpoint(settings: TrainSettings, workspace: Workspace) -> tuple[EmbeddingNet, str]:
    from core.embedding.model import EmbeddingNet, load

    path = checkpoint_of(settings.start_from, workspace)
    net, card = load(path)
    if card.architecture != settings.architecture:
        raise ModelRefused(
            "The weights are those of {given}, not of {architecture}.",
            given=card.architecture,
            architecture=settings.architecture,
        )
    run = origin(settings, workspace)
    sentence = f"{card.architecture}, from {f'the run {run.record.name}' if run else path.name}."
    if card.embedding_size == settings.embedding_size:
        return net, sentence
    if card.embedding_size:
        raise ModelRefused(
            "The network gives {given} numbers a picture, not {asked}.",
            given=card.embedding_size,
            asked=settings.embedding_size,
        )
    made = EmbeddingNet(card.architecture, embedding_size=settings.embedding_size, stage=card.stage, grid=card.grid)
    made.trunk.load_state_dict(net.trunk.state_dict())
    _spread(made)
    return made, f"{sentence} Its head is new."


def _spread(net: EmbeddingNet) -> None:
    """Make the head a projection that keeps distances as they are."""
    import torch

    torch.nn.init.orthogonal_(net.get_parameter("head.weight"))
