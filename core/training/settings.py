"""What a training is asked to do: one frozen record, checked once when it is made, saved with its run.

The tables of losses, mining, backbones and starts drive forms, the shell and the documentation. Nothing is
trained here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from core.ground.config import TRAINABLE, Preprocessing
from core.ground.errors import BurinError, ConfigRefused
from core.ground.translations import _
from core.variation.policies import PRESETS, Policy

Part = Literal["head", "last", "all"]
Side = Literal["train", "validation", "test"]

PARTS: dict[str, str] = {"head": _("The head"), "last": _("The last blocks"), "all": _("The whole network")}
FORMAT = 1


@dataclass(frozen=True)
class Number:
    """One number of a loss: its allowed range, its default and the step of its control."""

    name: str
    title: str
    minimum: float
    maximum: float
    default: float
    step: float


@dataclass(frozen=True)
class Loss:
    """A loss by its ``name``; ``mined``: it takes its triplets as ``mining`` says; ``classwise``: it has a proxy a
    class, and so weights of its own; ``pairs``: it compares pairs, for the siamese network."""

    name: str
    title: str
    explanation: str
    parameters: tuple[Number, ...]
    mined: bool = False
    classwise: bool = False
    pairs: bool = False


_MARGIN = Number("margin", _("Margin"), 0.01, 1.0, 0.1, 0.01)  # 0.2 and more cost unseen classes: benchmarks/README.md

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("hard-triplet", _("Triplet loss, hard examples"),
             _("For every image the farthest of its class and the nearest of another: the examples that teach most."),
             (_MARGIN,), mined=True),
        Loss("triplet", _("Triplet loss, all examples"),
             _("Every triplet of the batch counts; those that are right already count for nothing."),
             (_MARGIN,)),
        Loss("multi-similarity", _("Multi-similarity"),
             _("Weighs every pair by how hard it is among all of the batch (Wang et al. 2019)."),
             (Number("alpha", "α", 0.5, 20, 2.0, 0.5), Number("beta", "β", 5, 100, 50.0, 5),
              Number("base", "λ", 0.0, 1.0, 0.5, 0.05))),
        Loss("supervised-contrastive", _("Supervised contrastive"),
             _("All images of a class attract each other at once, all others repel (Khosla et al. 2020)."),
             (Number("temperature", _("Temperature"), 0.01, 1.0, 0.1, 0.01),)),
        Loss("proxy-anchor", _("Proxy anchor"),
             _("A learnt representative for each class; quick with many classes of few images (Kim et al. 2020)."),
             (Number("margin", _("Margin"), 0.01, 1.0, 0.1, 0.01), Number("alpha", "α", 4, 64, 32.0, 4)),
             classwise=True),
        Loss("contrastive", _("Contrastive (pairs)"),
             _("Two images at a time: the same mark or not (Hadsell et al. 2006). For the siamese network."),
             (Number("margin", _("Margin"), 0.1, 2.0, 0.7, 0.05),), pairs=True),
    )
}  # fmt: skip

MINING: dict[str, str] = {
    "hard": _("Hardest: the farthest of the same class and the nearest of another"),
    "semi-hard": _("Semi-hard: the nearest of another class that is farther than the positive"),
    "all": _("All triplets that are not right yet"),
}


@dataclass(frozen=True)
class Backbone:
    """An architecture as the form offers it; ``offline``: its pretrained weights come with Burin."""

    name: str
    title: str
    explanation: str
    offline: bool = False


BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone("tf_efficientnet_lite0", "EfficientNet-Lite0", _("4.7 million weights; works without a network."),
                 offline=True),
        Backbone("efficientnet_b0", "EfficientNet-B0", _("5.3 million weights; the one that the first scripts used.")),
        Backbone("mobilenetv3_large_100", "MobileNetV3-Large", _("5.5 million weights; quickest on a processor.")),
        Backbone("efficientnet_b2", "EfficientNet-B2", _("9.1 million weights; for larger images.")),
        Backbone("tf_efficientnetv2_s", "EfficientNetV2-S", _("21 million weights; wants a GPU.")),
    )
}  # fmt: skip

STARTS: dict[str, str] = {
    "workspace": _("What Identify uses untrained: first blocks and fitted head"),
    "imagenet": _("ImageNet weights, whole trunk, new head"),
    "scratch": _("From scratch, whole trunk"),
    "checkpoint": _("A run or a model file: its network as it is"),
}
TRAINED = ("workspace", "checkpoint")  # starts whose features are those of marks, and worth keeping
MODELS: dict[str, str] = {"embedding": _("Embeddings, triplets"), "siamese": _("Siamese network, pairs")}
SOURCES: dict[str, str] = {"fly": _("Drawn anew for every batch"), "variants": _("The written variants")}
BALANCES: dict[str, str] = {
    "even": _("Every class equally often"),
    "sqrt": _("By the square root of its size"),
    "none": _("By its size"),
}


@dataclass(frozen=True)
class Thaw:
    """From ``epoch`` (counted from 0) on, this ``part`` of the network is trained too."""

    epoch: int
    part: Part

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def gradual(epochs: int) -> tuple[Thaw, ...]:
    """Head, last blocks, all: after a tenth and a quarter of so many epochs."""
    return (
        Thaw(0, "head"),
        Thaw(max(1, round(0.1 * epochs)), "last"),
        Thaw(max(2, round(0.25 * epochs)), "all"),
    )


def schedule_of(start: str, epochs: int) -> dict[str, Any]:
    """The settings of the schedule that follow from the ``start``: from scratch, the trunk learns as fast as the head
    and from the first step on, as a head on frozen random features has nothing to learn from."""
    if start == "scratch":
        return {"unfreezing": (), "trunk_rate": 1.0}
    return {"unfreezing": gradual(epochs), "trunk_rate": TrainSettings.trunk_rate}


def _policy() -> dict[str, Any]:
    return PRESETS["sketch-icon"].to_json()


@dataclass(frozen=True)
class TrainSettings:
    """Everything that a training depends on, besides the images.

    ``start``: a key of `STARTS`, with "checkpoint" ``start_from`` says which: the id of a run, or a model file's
    path; ``embedding_size`` is the fitted head's where the start has one. A batch is
    ``classes_per_batch`` (P) x ``images_per_class`` (K). ``learning_rate`` is the head's; the trunk's is
    ``trunk_rate`` times that. ``unfreezing`` empty: all from the first epoch; parts that it never names stay
    frozen. ``loss_parameters``: numbers of the loss, defaults from `LOSSES`. ``policy``: an augmentation policy as
    JSON, None: images as they are. ``patience``: epochs without a better score before it stops, 0: never.
    ``average``: share of the average of the weights that each step keeps, 0: no average. ``blend``: share of the
    trained weights in what is saved, the rest being the start's (Wortsman et al. 2022,
    https://arxiv.org/abs/2109.01903), where that is one of `TRAINED`: classes that were not trained on keep what the
    start knows of them. ``steps``: optimiser steps an epoch, 0: as many as see every training image
    once. ``validation``, ``test``: shares of the originals; ``held_out``: share of the classes that are kept out of
    training as a whole, and measured as marks that it never saw. Raises `ConfigRefused`, with the rule and the value.
    """

    architecture: str = "tf_efficientnet_lite0"
    embedding_size: int = 256
    start: str = "workspace"
    start_from: str = ""
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    model: str = "embedding"
    loss: str = "hard-triplet"
    mining: str = "hard"
    loss_parameters: Mapping[str, float] = field(default_factory=dict)
    classes_per_batch: int = 16
    images_per_class: int = 4
    epochs: int = 20
    steps: int = 0
    learning_rate: float = 1e-3
    trunk_rate: float = 0.1
    weight_decay: float = 1e-4
    onecycle: bool = True
    unfreezing: tuple[Thaw, ...] = gradual(20)
    clip_norm: float = 1.0
    average: float = 0.0
    blend: float = 0.5
    patience: int = 0
    policy: Mapping[str, Any] | None = field(default_factory=_policy)
    source: str = "fly"
    balance: str = "even"
    mixed_precision: bool = True
    seed: int = 0
    validation: float = 0.15
    test: float = 0.15
    held_out: float = 0.0
    folds: int = 0
    fold: int = 0
    neighbours: int = 10

    def __post_init__(self) -> None:
        for name, table in (
            ("architecture", BACKBONES), ("start", STARTS), ("model", MODELS), ("loss", LOSSES),
            ("mining", MINING), ("source", SOURCES), ("balance", BALANCES),
        ):  # fmt: skip
            _one_of(name, getattr(self, name), table)
        for name, low, high in (
            ("embedding_size", 2, 4096), ("classes_per_batch", 2, 512), ("images_per_class", 2, 64),
            ("epochs", 1, 10_000), ("steps", 0, 1_000_000), ("patience", 0, 10_000), ("neighbours", 1, 100),
            ("seed", 0, 2**32 - 1), ("folds", 0, 20), ("fold", 0, max(0, self.folds - 1)),
        ):  # fmt: skip
            _between(name, getattr(self, name), low, high, whole=True)
        for name, least, most in (
            ("learning_rate", 1e-7, 1.0), ("trunk_rate", 0.0, 10.0), ("weight_decay", 0.0, 1.0),
            ("clip_norm", 0.0, 1000.0), ("average", 0.0, 0.9999), ("blend", 0.01, 1.0),
            ("validation", 0.0, 0.5), ("test", 0.0, 0.5), ("held_out", 0.0, 0.5),
        ):  # fmt: skip
            _between(name, getattr(self, name), least, most)
        if self.folds == 1:
            raise ConfigRefused("Folds are 0 (none), or from 2 on.")
        if (self.model == "siamese") != LOSSES[self.loss].pairs:
            raise ConfigRefused("The loss {loss} does not fit the model {model}.", loss=self.loss, model=self.model)
        known = {number.name: number for number in LOSSES[self.loss].parameters}
        for name, value in self.loss_parameters.items():
            if name not in known:
                raise ConfigRefused("The loss {loss} has no number {name}.", loss=self.loss, name=name)
            _between(name, value, known[name].minimum, known[name].maximum)
        full = {name: float(self.loss_parameters.get(name, number.default)) for name, number in known.items()}
        object.__setattr__(self, "loss_parameters", full)
        if (self.start == "checkpoint") != bool(self.start_from):
            raise ConfigRefused("A training starts from a run or a model file, or from none: say which.")
        self._check_unfreezing()
        if self.preprocessing.mode not in TRAINABLE:
            raise ConfigRefused(
                "A network is trained on one picture at a time: {known}, not {value}.",
                known=", ".join(TRAINABLE), value=self.preprocessing.mode,
            )  # fmt: skip
        if self.policy is not None:
            Policy.from_json(self.policy)

    def _check_unfreezing(self) -> None:
        for thaw in self.unfreezing:
            _one_of("unfreezing", thaw.part, PARTS)
            _between("unfreezing", thaw.epoch, 0, 10_000, whole=True)
        if self.unfreezing and not any(thaw.epoch == 0 for thaw in self.unfreezing):
            raise ConfigRefused("Something must be trained from epoch 0 on: the first line of the table is the head.")

    @property
    def batch_size(self) -> int:
        return self.classes_per_batch * self.images_per_class

    @property
    def drawn(self) -> Policy | None:
        """The policy that each training image is varied by as it is drawn; None: images as they are."""
        return Policy.from_json(self.policy) if self.policy is not None and self.source == "fly" else None

    def with_(self, **changes: Any) -> Self:
        """The same with other values; another loss starts from its own numbers."""
        if changes.get("loss", self.loss) != self.loss:
            changes.setdefault("loss_parameters", {})
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        record["unfreezing"] = [thaw.to_json() for thaw in self.unfreezing]
        record["preprocessing"] = self.preprocessing.to_json()
        return {"format": FORMAT, **record}

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Raises `ConfigRefused` on anything that is not a record of settings, or one from a newer Burin."""
        try:
            if record["format"] != FORMAT:
                raise ConfigRefused("The training settings were saved by a newer Burin.")
            names = {f.name for f in fields(cls)}
            values = {name: value for name, value in record.items() if name in names}
            values["preprocessing"] = Preprocessing.from_json(values.get("preprocessing", {}))
            values["unfreezing"] = tuple(Thaw(int(t["epoch"]), t["part"]) for t in values.get("unfreezing", ()))
            return cls(**values)
        except BurinError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigRefused("These are not training settings.") from error


def _one_of(name: str, value: object, table: Mapping[str, object]) -> None:
    if not isinstance(value, str) or value not in table:
        raise ConfigRefused(
            "{name} must be one of {known}, not {value}.", name=name, known=", ".join(table), value=value
        )


def _between(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    right = isinstance(value, int) if whole else isinstance(value, int | float) and math.isfinite(value)
    if not right or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]
        raise ConfigRefused(
            "{name} must be from {low} to {high}, not {value}.", name=name, low=low, high=high, value=value
        )
