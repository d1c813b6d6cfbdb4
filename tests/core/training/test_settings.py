"""`core.training.settings`: checked when made, the same after JSON, every table usable."""

from __future__ import annotations

import json

import pytest

from core.ground.config import Preprocessing
from core.ground.errors import ConfigRefused
from core.training.settings import BACKBONES, LOSSES, Thaw, TrainSettings, gradual
from core.variation.policies import PRESETS


def test_settings_come_back_from_json_as_they_were():
    settings = TrainSettings(
        loss="multi-similarity",
        loss_parameters={"beta": 40},
        unfreezing=(Thaw(0, "head"), Thaw(3, "all")),
        folds=3,
        fold=2,
    )
    assert TrainSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert settings.loss_parameters == {"alpha": 2.0, "beta": 40.0, "base": 0.5}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_loss_goes_with_every_backbone(loss, backbone):
    model = "siamese" if LOSSES[loss].pairs else "embedding"
    assert TrainSettings(architecture=backbone, loss=loss, model=model).batch_size == 64


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "epochs must be from 1 to 10000, not 0."),
        ({"epochs": True}, "epochs must be from 1 to 10000, not True."),
        ({"learning_rate": float("nan")}, "learning_rate must be from 1e-07 to 1.0, not nan."),
        ({"loss": "l2"}, "loss must be one of hard-triplet, triplet"),
        ({"loss": "contrastive"}, "The loss contrastive does not fit the model embedding."),
        ({"model": "siamese"}, "The loss hard-triplet does not fit the model siamese."),
        ({"loss_parameters": {"alpha": 2}}, "The loss hard-triplet has no number alpha."),
        ({"loss_parameters": {"margin": 7}}, "margin must be from 0.01 to 1.0, not 7."),
        ({"unfreezing": (Thaw(1, "head"),)}, "Something must be trained from epoch 0 on"),
        ({"folds": 1}, "Folds are 0 (none), or from 2 on."),
        ({"folds": 3, "fold": 3}, "fold must be from 0 to 2, not 3."),
        ({"preprocessing": Preprocessing("joined")}, "A network is trained on one picture at a time"),
        ({"policy": {"format": 1}}, "This is not an augmentation policy."),
    ],
)
def test_a_value_outside_its_rule_is_refused_with_the_rule_and_the_value(changes, said):
    with pytest.raises(ConfigRefused) as refused:
        TrainSettings(**changes)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("record", [None, [], {}, {"format": 1, "unfreezing": 3}, {"format": 1, "preprocessing": 1}])
def test_what_is_no_record_of_settings_is_refused(record):
    with pytest.raises(ConfigRefused):
        TrainSettings.from_json(record)


def test_another_loss_starts_from_its_own_numbers():
    settings = TrainSettings(loss_parameters={"margin": 0.3}).with_(loss="supervised-contrastive")
    assert settings.loss_parameters == {"temperature": 0.1}


def test_gradual_unfreezing_follows_the_number_of_epochs():
    assert gradual(20) == (Thaw(0, "head"), Thaw(2, "last"), Thaw(5, "all"))
    assert gradual(2) == (Thaw(0, "head"), Thaw(1, "last"), Thaw(2, "all"))


def test_the_default_policy_is_a_preset():
    policy = TrainSettings().policy
    assert policy is None or policy["id"] in PRESETS
