"""`core.training.siamese`: one tower for both pictures; its answer rises with their cosine, Identify can load it."""

from __future__ import annotations

import math

import pytest
import torch

from core.embedding.card import ModelCard
from core.embedding.embedder import load_embedder
from core.embedding.model import EmbeddingNet, load
from core.ground.errors import ModelRefused
from core.training.prepare import Request
from core.training.siamese import SiameseNet
from core.training.work import train


@pytest.fixture
def net() -> SiameseNet:
    torch.manual_seed(0)
    return SiameseNet(EmbeddingNet("tf_efficientnet_lite0", embedding_size=8, stage=0)).eval()


def test_the_answer_follows_the_cosine(net):
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    first, second = images[:1].expand(5, -1, -1, -1), images
    answers = net.compare(first, second)
    cosines = (net(first) * net(second)).sum(dim=1)
    expected = [1 / (1 + math.exp(-10 * (cosine - 0.5))) for cosine in cosines.tolist()]
    assert answers.tolist() == pytest.approx(expected, abs=1e-5)
    assert answers[0] == answers.max() and torch.equal(net.compare(second, first), answers)


def test_what_it_compares_by_is_saved_with_its_tower(net, tmp_path, tiny):
    net.scale.data.fill_(7.5)
    net.finished().save(tmp_path / "s.safetensors", preprocessing=tiny.preprocessing)
    tower, card = load(tmp_path / "s.safetensors")
    assert card.comparison == (7.5, 0.5)
    tower.card = card
    again = SiameseNet(tower)
    assert again.scale.item() == 7.5
    with pytest.raises(ModelRefused):
        ModelCard("tf_efficientnet_lite0", comparison=(1.0, float("nan")))


def test_a_siamese_run_is_trained_and_used_like_any_other(filled, tiny):
    run = train(filled, Request(tiny.with_(model="siamese", loss="contrastive")))
    assert run.state == "finished" and set(run.metrics()[1]["lr"]) == {"head", "last", "first", "loss"}
    card = load(run.best_path)[1]
    assert card.comparison is not None and card.comparison != (10.0, 0.5)
    assert load_embedder(filled, model=run.best_path, engine="torch").dimension == 256
