"""`core.training.schedule`: the exact learning rate of every group at every step, unfreezing or not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.embedding.model import EmbeddingNet
from core.training import schedule
from core.training.settings import Thaw, TrainSettings

SETTINGS = TrainSettings(
    epochs=4, learning_rate=1e-2, trunk_rate=0.1, unfreezing=(Thaw(0, "head"), Thaw(1, "last"), Thaw(3, "all"))
)


@pytest.fixture
def net() -> EmbeddingNet:
    torch.manual_seed(0)
    return EmbeddingNet("tf_efficientnet_lite0", embedding_size=4, stage=3)


def one_cycle(top: float, step: int, total: int) -> float:
    """Smith and Topin's cycle as PyTorch documents it: from top/25 up over 30 % of the steps, then down to
    top/25/10,000, both by half a cosine."""
    up = 0.3 * total - 1
    if step <= up:
        low, high, share = top / 25, top, step / up
    else:
        low, high, share = top, top / 25 / 1e4, (step - up) / (total - 1 - up)
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


def test_the_curve_of_each_group_is_exact_and_unfreezing_does_not_bend_it(net):
    steps = 5
    optimizer = schedule.make_optimizer(schedule.parameter_groups(net, SETTINGS), SETTINGS)
    scheduler = schedule.make_scheduler(optimizer, SETTINGS, steps=SETTINGS.epochs * steps)
    assert [group["name"] for group in optimizer.param_groups] == ["head", "last", "first"]
    step = 0
    for epoch in range(SETTINGS.epochs):
        schedule.set_trained(net, SETTINGS, epoch)
        for _ in range(steps):
            now = schedule.rates(optimizer)
            assert now["head"] == pytest.approx(one_cycle(1e-2, step, 20), rel=1e-9)
            assert now["last"] == now["first"] == pytest.approx(one_cycle(1e-3, step, 20), rel=1e-9)
            net(torch.rand(2, 3, 32, 32) * 255).sum().backward()
            optimizer.step()
            scheduler.step()
            step += 1


def test_frozen_parts_stay_as_they_are_and_thawed_ones_keep_their_momentum(net):
    """A step in each phase moves exactly the parts that the table names; the optimiser is never made anew."""
    optimizer = schedule.make_optimizer(schedule.parameter_groups(net, SETTINGS), SETTINGS)
    by_group = {group["name"]: group["params"] for group in optimizer.param_groups}
    for epoch, moving in ((0, {"head"}), (1, {"head", "last"}), (2, {"head", "last"}), (3, {"head", "last", "first"})):
        schedule.set_trained(net, SETTINGS, epoch)
        before = {name: [weight.clone() for weight in weights] for name, weights in by_group.items()}
        optimizer.zero_grad(set_to_none=True)
        (net(torch.rand(4, 3, 32, 32) * 255) * torch.arange(4.0)).sum().backward()
        optimizer.step()
        moved = {
            name
            for name, weights in by_group.items()
            if any(not torch.equal(a, b) for a, b in zip(before[name], weights, strict=True))
        }
        assert moved == moving
        assert optimizer.state[by_group["head"][0]]["step"].item() == epoch + 1


def test_batch_norm_of_frozen_blocks_keeps_its_statistics(net):
    settings = SETTINGS.with_(start="imagenet")
    schedule.set_trained(net, settings, 1)  # head and last blocks
    frozen, trained = net.trunk.bn1, next(m for m in net.trunk.blocks[3].modules() if isinstance(m, nn.BatchNorm2d))
    before = frozen.running_mean.clone(), trained.running_mean.clone()
    net(torch.rand(4, 3, 32, 32) * 255)
    assert torch.equal(frozen.running_mean, before[0]) and not torch.equal(trained.running_mean, before[1])
    schedule.set_trained(net, SETTINGS, 3)  # from a trained network: every BatchNorm keeps what it knows
    assert not any(module.training for module in net.modules() if isinstance(module, nn.BatchNorm2d))


def test_without_a_table_everything_is_trained_at_once(net):
    settings = SETTINGS.with_(unfreezing=())
    schedule.set_trained(net, settings, 0)
    assert all(weight.requires_grad for weight in net.parameters())
    assert schedule.thawed(SETTINGS, 3) == ["all"] and schedule.thawed(SETTINGS, 2) == []


def test_without_the_cycle_the_rate_stays(net):
    settings = SETTINGS.with_(onecycle=False)
    optimizer = schedule.make_optimizer(schedule.parameter_groups(net, settings), settings)
    scheduler = schedule.make_scheduler(optimizer, settings, steps=3)
    for _ in range(5):
        assert schedule.rates(optimizer) == pytest.approx({"head": 1e-2, "last": 1e-3, "first": 1e-3})
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_large_100"])
def test_every_weight_is_in_exactly_one_group(name):
    with torch.device("meta"):
        net = EmbeddingNet(name, embedding_size=4)
    groups = schedule.parameter_groups(net, SETTINGS)
    held = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in net.parameters())
