"""The schedule: which part of the network is trained when, and how fast.

All parameter groups exist from the first step, so that unfreezing neither resets the optimiser nor bends the
curve of the learning rate. It steps nothing itself: that is `core.training.trainer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.training.settings import TRAINED, Part, TrainSettings

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

GROUPS = ("head", "last", "first", "loss")
LAST_BLOCKS = 2  # of the trunk's stages
PROXIES = 50.0  # times the head's rate: proxies start at random and see each class rarely (Kim et al. 2020 use 100)

_THAWED: dict[Part, tuple[str, ...]] = {"head": ("head",), "last": ("head", "last"), "all": ("head", "last", "first")}


def parts(net: nn.Module) -> dict[str, list[tuple[str, nn.Module]]]:
    """The modules of an `EmbeddingNet` (or of a siamese network's tower) by group: "head", "last" and "first"."""
    tower: Any = getattr(net, "tower", net)
    stages = list(tower.trunk.blocks)
    cut = max(0, len(stages) - LAST_BLOCKS)
    last = {id(stage) for stage in stages[cut:]}
    found: dict[str, list[tuple[str, nn.Module]]] = {"head": [("head", tower.head)], "last": [], "first": []}
    for name, child in tower.trunk.named_children():
        if name == "blocks":
            for i, stage in enumerate(stages):
                found["last" if id(stage) in last else "first"].append((f"blocks.{i}", stage))
        else:
            found["last" if name in ("conv_head", "bn2", "norm_head") else "first"].append((name, child))
    return found


def parameter_groups(net: nn.Module, settings: TrainSettings, loss: nn.Module | None = None) -> list[dict[str, Any]]:
    """The optimiser's groups, each with its ``name`` and ``lr``; the loss's own weights and what the siamese network
    compares by are the group "loss". Groups without weights are left out."""
    modules = parts(net)
    rate = settings.learning_rate
    trunk = rate * settings.trunk_rate
    groups: list[dict[str, Any]] = [
        {"name": "head", "lr": rate, "params": _weights(modules["head"])},
        {"name": "last", "lr": trunk, "params": _weights(modules["last"])},
        {"name": "first", "lr": trunk, "params": _weights(modules["first"])},
    ]
    taken = {id(weight) for group in groups for weight in group["params"]}
    own = [weight for weight in net.parameters() if id(weight) not in taken]
    own += list(loss.parameters()) if loss is not None else []
    groups.append({"name": "loss", "lr": rate * PROXIES, "params": own, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]


def trained_parts(settings: TrainSettings, epoch: int) -> set[str]:
    """The groups of the network that are trained in ``epoch``, by the table of unfreezing."""
    if not settings.unfreezing:
        return {"head", "last", "first"}
    return {group for thaw in settings.unfreezing if thaw.epoch <= epoch for group in _THAWED[thaw.part]}


def thawed(settings: TrainSettings, epoch: int) -> list[Part]:
    """The parts whose training begins with ``epoch``."""
    return [thaw.part for thaw in settings.unfreezing if thaw.epoch == epoch]


def set_trained(net: nn.Module, settings: TrainSettings, epoch: int) -> None:
    """Put ``net`` into the training mode of ``epoch``: frozen parts get no gradient, and their BatchNorm keeps its
    statistics. Where the start is a trained network, all BatchNorm does: batches of P x K are not a sample of the
    images, and the start's statistics are better than theirs."""
    from torch import nn

    net.train()
    trained = trained_parts(settings, epoch)
    for group, modules in parts(net).items():
        for _name, module in modules:
            module.requires_grad_(group in trained)
            keep = group not in trained or settings.start in TRAINED
            for each in module.modules():
                if keep and isinstance(each, nn.modules.batchnorm._BatchNorm):
                    each.eval()


def make_optimizer(groups: list[dict[str, Any]], settings: TrainSettings) -> Optimizer:
    """AdamW (Loshchilov and Hutter 2019) over all the groups of `parameter_groups`."""
    from torch.optim import AdamW

    return AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def make_scheduler(optimizer: Optimizer, settings: TrainSettings, *, steps: int) -> LRScheduler:
    """Stepped once per optimiser step, over all ``steps``: one cycle (Smith and Topin 2018,
    https://arxiv.org/abs/1708.07120) up to each group's own rate and down, or the rate as it is."""
    from torch.optim.lr_scheduler import ConstantLR, OneCycleLR

    if not settings.onecycle:
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=max(steps, 2))


def rates(optimizer: Optimizer) -> dict[str, float]:
    """The learning rate of each group now."""
    return {str(group["name"]): float(group["lr"]) for group in optimizer.param_groups}


def _weights(modules: list[tuple[str, nn.Module]]) -> list[Any]:
    return [weight for _name, module in modules for weight in module.parameters()]
