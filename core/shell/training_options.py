"""The options of the shell's command ``train``, and the settings that they ask for.

Only what is typed changes a setting: the rest comes from the settings file, from the run that goes on, or is the
default.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from core.ground.config import TRAINABLE, Preprocessing
from core.ground.errors import BadInput, ConfigRefused, NotFound
from core.ground.workspace import Workspace
from core.training.settings import (
    BACKBONES,
    BALANCES,
    LOSSES,
    MINING,
    MODELS,
    STARTS,
    Part,
    Thaw,
    TrainSettings,
    gradual,
    schedule_of,
)  # fmt: skip
from core.variation.policies import PRESETS, find
from core.variation.variants import MANIFEST

if TYPE_CHECKING:
    from core.training.run import Run

_DEFAULTS = TrainSettings()
_AS_THEY_ARE = (  # options that are settings by the same name
    "epochs", "steps", "images_per_class", "onecycle", "mining", "model", "embedding_size", "learning_rate",
    "trunk_rate", "weight_decay", "clip_norm", "average", "blend", "balance", "validation", "test", "held_out", "folds",
    "fold", "patience", "seed",
)  # fmt: skip
_STARTS = tuple(name for name in STARTS if name != "checkpoint")

Option = tuple[str, dict[str, Any]]  # its name, and how argparse is told of it


def _number(name: str, kind: type, said: str, metavar: str = "N") -> Option:
    default = f"(default {getattr(_DEFAULTS, name):g})"
    return name, {"type": kind, "metavar": metavar, "help": f"{said} {default}".strip()}


def _file(name: str, metavar: str, said: str) -> Option:
    return name, {"type": Path, "metavar": metavar, "help": said}


def _word(name: str, metavar: str, said: str, **how: Any) -> Option:
    return name, {"metavar": metavar, "help": said, **how}


def _choice(name: str, table: Any, said: str) -> Option:
    return name, {"choices": table, "help": said}


def _either(name: str, said: str) -> Option:
    return name, {"action": argparse.BooleanOptionalAction, "help": said}


def _yes(name: str, said: str) -> Option:
    return name, {"action": "store_true", "default": False, "help": said}


_PICTURES = (
    _file("data_dir", "DIR", "class folders: originals, varied as they are drawn, or written variants "
          "(default: the workspace's)"),
    _file("settings", "FILE", "settings as JSON, all or some of them (a run's run.json will do); what is typed goes "
          "before them"),
    _number("epochs", int, ""),
    _word("steps", "N", "batches an epoch (default: each image once)", type=int),
    _word("batch_size", "N", f"(default {_DEFAULTS.batch_size})", type=int),
    _number("images_per_class", int, "images of each class in a batch", "K"),
)  # fmt: skip
_LEARNING = (
    _either("progressive_unfreeze", "head, last blocks, all (the default)"),
    _word("unfreeze", "TABLE", "from which epoch on (from 0) a part learns too, as in 0:head,2:last,5:all; a part that "
          "is not named keeps its weights"),
    _either("onecycle", "one cycle of the learning rate (the default)"),
    _choice("loss", LOSSES, f"(default {_DEFAULTS.loss}; contrastive with --model siamese)"),
    _word("margin", "M", "of the loss", type=float),
    _word("loss_number", "NAME=VALUE", "another number of the loss, as in temperature=0.1", action="append"),
    _choice("mining", MINING, f"of hard-triplet (default {_DEFAULTS.mining})"),
    _choice("model", MODELS, f"(default {_DEFAULTS.model})"),
    _choice("backbone", BACKBONES, f"(default {_DEFAULTS.architecture})"),
    _word("start", "START", f"{', '.join(_STARTS)}, a run (its name, number or id) or a model file (default "
          f"{_DEFAULTS.start})"),
    _word("image_size", "PX", "(default: the workspace's)", type=int),
    _choice("mode", TRAINABLE, "what the network sees (default: the workspace's)"),
    _number("embedding_size", int, "numbers an embedding", "D"),
    _number("learning_rate", float, "of the head"),
    _number("trunk_rate", float, "the trunk's share of it; from scratch 1", "SHARE"),
    _number("weight_decay", float, ""),
    _number("clip_norm", float, "longest step of the gradient; 0: not clipped"),
    _number("average", float, "share of the average of the weights that a step keeps; 0: no average", "SHARE"),
    _number("blend", float, "share of the trained weights in what is saved, the rest being the start's", "SHARE"),
    _choice("balance", BALANCES, f"of classes (default {_DEFAULTS.balance})"),
    _word("policy", "NAME", f"a saved policy, {', '.join(PRESETS)}, or none (default "
          f"{_DEFAULTS.policy['id'] if _DEFAULTS.policy else 'none'})"),
)  # fmt: skip
_SPLIT = (
    _number("validation", float, "share of the originals", "SHARE"),
    _number("test", float, "share of the originals", "SHARE"),
    _number("held_out", float, "share of the classes that are kept out of training and measured as never seen",
            "SHARE"),
    _number("folds", int, "cross-validation: so many parts; 0: none"),
    _number("fold", int, "the part to test with, from 0", "I"),
)  # fmt: skip
_RUN = (
    _yes("every_fold", "train once for each part, evaluate each, and pool the scores (with --folds)"),
    _word("seeds", "N", "repeat it with so many seeds, from --seed on, and say mean and spread", type=int, default=1),
    _number("patience", int, "epochs without a better score before it stops; 0: never"),
    _number("seed", int, ""),
    ("name", {"help": "of the run"}),
    _word("resume", "RUN", "go on with a run (its name, number or id) that was stopped or interrupted, or give it more "
          "--epochs"),
    _yes("override_leaks", "train in spite of the leak audit; the run says so"),
    _yes("override_safety", "train with unsafe transforms; the run says so"),
    _either("promote", "let Identify use the result (the default where no run is used yet)"),
    _yes("queue", "line it up behind the trainings that are under way or wait, and return (see the command queue)"),
)  # fmt: skip


def add_options(train: argparse.ArgumentParser) -> None:
    """Give the command its options, in the order of its help."""
    for name, how in (*_PICTURES, *_LEARNING, *_SPLIT, *_RUN):
        train.add_argument(f"--{name}", **how)


def settings_of(
    typed: dict[str, Any], workspace: Workspace, data_dir: Path | None = None, going_on: Run | None = None
) -> TrainSettings:
    """The settings that these options ask for, by their names. Raises `ConfigRefused`, `BadInput` and `NotFound`."""
    settings = going_on.settings if going_on else _base(typed, workspace, data_dir)
    changes: dict[str, Any] = {name: typed[name] for name in _AS_THEY_ARE if name in typed}
    if "backbone" in typed:
        changes["architecture"] = typed["backbone"]
    if "loss" in typed or (typed.get("model") or settings.model) != settings.model:
        siamese = (typed.get("model") or settings.model) == "siamese"
        changes["loss"] = typed.get("loss") or ("contrastive" if siamese else _DEFAULTS.loss)
    if numbers := _numbers(typed):
        same = changes.get("loss", settings.loss) == settings.loss
        changes["loss_parameters"] = {**(settings.loss_parameters if same else {}), **numbers}
    if "mode" in typed or "image_size" in typed:
        seen = settings.preprocessing
        changes["preprocessing"] = Preprocessing(typed.get("mode", seen.mode), typed.get("image_size", seen.size))
    if "policy" in typed:
        changes["policy"] = None if typed["policy"] == "none" else find(workspace, typed["policy"]).to_json()
    if "batch_size" in typed or "images_per_class" in typed:
        changes["classes_per_batch"] = _classes(
            typed.get("batch_size", settings.batch_size), typed.get("images_per_class", settings.images_per_class)
        )
    if not going_on and "epochs" in typed and settings.unfreezing == gradual(settings.epochs):
        changes["unfreezing"] = gradual(typed["epochs"])
    if "progressive_unfreeze" in typed:
        changes["unfreezing"] = gradual(typed.get("epochs", settings.epochs)) if typed["progressive_unfreeze"] else ()
    if "unfreeze" in typed:
        changes["unfreezing"] = _table(typed["unfreeze"])
    if changes.get("unfreezing") and settings.start == "scratch":
        raise ConfigRefused(
            "From scratch there is nothing worth freezing: leave the unfreezing out, or start from other weights."
        )
    return settings.with_(**changes)


def _base(typed: dict[str, Any], workspace: Workspace, data_dir: Path | None) -> TrainSettings:
    """What a new run begins with: the settings file, else the defaults seen as the workspace's marks are; its start,
    with the schedule that belongs to that; and the source that the folder has."""
    from core.training.initial_network import starting_from
    from core.training.runs import Runs

    settings = TrainSettings(preprocessing=workspace.config().preprocessing.trained)
    if "settings" in typed:
        settings = _from_file(typed["settings"], settings)
    start = typed.get("start")
    if start in _STARTS:
        changed = {} if start == settings.start else schedule_of(start, settings.epochs)
        settings = settings.with_(start=start, start_from="", **changed)
    elif start is not None:
        path = next((p.resolve() for p in (Path(start), workspace.root / start) if p.is_file()), None)
        if path is not None and path.is_relative_to(workspace.root):
            start = path.relative_to(workspace.root).as_posix()
        else:
            start = str(path) if path else _run_or_start(Runs(workspace), start)
        settings = starting_from(settings, start, workspace)
    if data_dir is not None and (data_dir / MANIFEST).is_file():
        settings = settings.with_(policy=None, source="variants")
    return settings


def _run_or_start(runs: Any, start: str) -> str:
    try:
        return runs.find(start).id
    except NotFound as error:
        raise NotFound(
            "There is no start {start}: it is one of {known}, a run, or a model file.",
            start=start,
            known=", ".join(_STARTS),
        ) from error


def _from_file(path: Path, base: TrainSettings) -> TrainSettings:
    """``base`` with the settings of a JSON file: all or some of them, "mode" and "size" beside the others if one
    likes, or the record of a run."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record = dict(record.get("settings", record))
    except OSError as error:
        raise NotFound("There is no file {path}.", path=path) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigRefused("These are not training settings.") from error
    seen = {name: record.pop(name) for name in ("mode", "size") if name in record}
    known = {field.name for field in fields(TrainSettings)} | {"format"}
    if strange := sorted(record.keys() - known):
        raise ConfigRefused("There is no setting {name}.", name=strange[0])
    full = base.to_json()
    if record.get("loss", base.loss) != base.loss:
        full["loss_parameters"] = {}
    full |= record
    full["preprocessing"] = {**full["preprocessing"], **seen}
    return TrainSettings.from_json(full)


def _classes(batch: int, images: int) -> int:
    """The classes of a batch, in the words of who typed its size."""
    if images > 0 and batch % images:
        raise ConfigRefused(
            "A batch of {size} images cannot hold {images} of each class: the one must divide the other.",
            size=batch,
            images=images,
        )
    if images > 0 and batch < 2 * images:
        raise ConfigRefused(
            "A batch of {size} images holds one class of {images}, and training compares classes: it needs {least}"
            " images at least, or fewer of each class (--images_per_class).",
            size=batch,
            images=images,
            least=2 * images,
        )
    return batch // max(images, 1)


def _numbers(typed: dict[str, Any]) -> dict[str, float]:
    """The numbers of the loss that were typed."""
    found = {"margin": typed["margin"]} if "margin" in typed else {}
    for each in typed.get("loss_number", ()):
        name, _equals, value = each.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise BadInput("{text} is not a number of the loss: write NAME=VALUE.", text=each) from error
    return found


def _table(text: str) -> tuple[Thaw, ...]:
    """ "0:head,2:last" -> the unfreezing table."""
    found = []
    for line in text.split(","):
        epoch, _colon, part = (each.strip() for each in line.partition(":"))
        known: dict[str, Part] = {each: each for each in get_args(Part)}
        if not epoch.isdecimal() or part not in known:
            raise BadInput(
                "{text} is not a line of the unfreezing table: write EPOCH:PART, PART being one of {parts}.",
                text=line,
                parts=", ".join(known),
            )
        found.append(Thaw(int(epoch), known[part]))
    return tuple(sorted(found, key=lambda thaw: thaw.epoch))
