"""`core.training.losses`: values computed by hand; a batch without triplets is a zero that backpropagates."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from core.training.losses import HardTripletLoss, PairLoss, TripletLoss, make_loss
from core.training.settings import LOSSES, MINING, TrainSettings
from core.training.siamese import SiameseNet


def at(*degrees: float) -> torch.Tensor:
    """Unit vectors in the plane, so that every cosine is one of an angle."""
    radians = torch.tensor(degrees) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1).requires_grad_()


def cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


# Two classes on the circle: 0 and 40 degrees, 60 and 150 degrees.
POINTS, LABELS = (0.0, 40.0, 60.0, 150.0), torch.tensor([0, 0, 1, 1])


def test_the_triplet_loss_averages_the_triplets_that_are_not_zero():
    # anchor, positive, negative: cos(an) - cos(ap) + 0.2, where above 0
    pairs = [(0, 40, 60), (0, 40, 150), (60, 150, 0), (60, 150, 40)]
    triplets = [*pairs, (40, 0, 60), (40, 0, 150), (150, 60, 0), (150, 60, 40)]
    costs = [max(0.0, cos(a - n) - cos(a - p) + 0.2) for a, p, n in triplets]
    active = [cost for cost in costs if cost > 0]
    assert len(active) == 3
    assert TripletLoss(0.2)(at(*POINTS), LABELS).item() == pytest.approx(sum(active) / 3, abs=1e-6)


def test_the_hard_triplet_loss_takes_the_farthest_positive_and_the_nearest_negative():
    costs = [
        cos(60) - cos(40) + 0.2,  # for 0: below 0
        cos(20) - cos(40) + 0.2,
        cos(20) - cos(90) + 0.2,
        cos(110) - cos(90) + 0.2,  # for 150: below 0
    ]
    active = [cost for cost in costs if cost > 0]
    assert len(active) == 2
    assert HardTripletLoss(0.2, "hard")(at(*POINTS), LABELS).item() == pytest.approx(sum(active) / 2, abs=1e-6)


def test_semi_hard_triplets_have_a_negative_farther_than_the_positive_within_the_margin():
    # Of 0 and 10 against 30: cos(30) < cos(10) and cos(30) > cos(10) - 0.2. Of 10 and 0 the negative at 20 is as well.
    loss = HardTripletLoss(0.2, "semi-hard")(at(0, 10, 30), torch.tensor([0, 0, 1]))
    expected = [cos(30) - cos(10) + 0.2, cos(20) - cos(10) + 0.2]
    assert loss.item() == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_all_mining_is_the_triplet_loss():
    hard, plain = HardTripletLoss(0.2, "all"), TripletLoss(0.2)
    assert hard(at(*POINTS), LABELS).item() == pytest.approx(plain(at(*POINTS), LABELS).item(), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]], ids=["one class", "no pairs"])
def test_a_batch_without_triplets_backpropagates(name, labels):
    model = siamese() if LOSSES[name].pairs else None
    settings = TrainSettings(loss=name, model="siamese" if model else "embedding")
    loss = make_loss(settings, classes=4, dimension=2, model=model)
    points = at(*POINTS)
    value = loss(points, torch.tensor(labels))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(points.grad).all()
    if name in ("triplet", "hard-triplet"):
        assert value.item() == 0 and not points.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls_when_classes_come_apart(name):
    model = siamese() if LOSSES[name].pairs else None
    settings = TrainSettings(loss=name, model="siamese" if model else "embedding")
    torch.manual_seed(0)
    loss = make_loss(settings, classes=2, dimension=2, model=model)
    if LOSSES[name].classwise:
        loss.proxies.data = at(0, 180).detach()
    apart, mixed = at(0, 5, 175, 180), at(0, 90, 10, 100)
    assert loss(apart, LABELS) < loss(mixed, LABELS)


@pytest.mark.parametrize("name", LOSSES)
def test_mining_is_offered_where_a_loss_asks_for_it(name):
    model = siamese() if LOSSES[name].pairs else None
    made = [
        make_loss(
            TrainSettings(loss=name, model="siamese" if model else "embedding", mining=mining),
            classes=4, dimension=2, model=model,
        )
        for mining in MINING
    ]  # fmt: skip
    miners = {repr(getattr(loss, "miner", None)) + str(getattr(loss, "miner", None).__dict__.get("type_of_triplets"))
              for loss in made if getattr(loss, "miner", None) is not None}  # fmt: skip
    assert (len(miners) == len(MINING)) == LOSSES[name].mined and (len(miners) == 0) == (not LOSSES[name].mined)


def test_the_pair_loss_teaches_the_answer_and_leaves_the_embeddings_alone_by_it():
    net = siamese()
    points = at(*POINTS)
    loss = PairLoss(net.logits, margin=0.7)
    pull = loss(points, LABELS) - loss.loss(points, LABELS)  # the answer's part
    pull.backward()
    assert abs(net.scale.grad.item()) > 0.1 and points.grad.abs().max() < 1e-6
    same = F.binary_cross_entropy_with_logits(10 * (torch.tensor([cos(40), cos(90)]) - 0.5), torch.ones(2))
    other = F.binary_cross_entropy_with_logits(
        10 * (torch.tensor([cos(60), cos(150), cos(20), cos(110)]) - 0.5), torch.zeros(4)
    )
    assert pull.item() == pytest.approx((same.item() + other.item()) / 2, abs=1e-5)


def siamese() -> SiameseNet:
    from core.embedding.model import EmbeddingNet

    return SiameseNet(EmbeddingNet("tf_efficientnet_lite0", embedding_size=2, stage=0))
