"""The shell's command ``train``; see `core.shell.main`. The work is `core.training.work`'s.

Only what is typed changes a setting: the rest comes from the settings file, from the run that goes on, or is the
default.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from core.ground.config import TRAINABLE, Preprocessing
from core.ground.errors import BadInput, ConfigRefused, NotFound
from core.ground.names import printable
from core.ground.workspace import Workspace
from core.shell.queue import lined_up
from core.shell.words import counted
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
    from core.training.prepare import Request
    from core.training.run import Run

_DEFAULTS = TrainSettings()
_AS_THEY_ARE = (  # options that are settings by the same name
    "epochs", "steps", "images_per_class", "onecycle", "mining", "model", "embedding_size", "learning_rate",
    "trunk_rate", "weight_decay", "clip_norm", "average", "blend", "balance", "validation", "test", "held_out", "folds",
    "fold", "patience", "seed",
)  # fmt: skip
_STARTS = tuple(name for name in STARTS if name != "checkpoint")


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the command; ``progress`` makes what shows a running count."""
    d = _DEFAULTS
    train = commands.add_parser(
        "train", parents=[common], argument_default=argparse.SUPPRESS, help="train an encoder on your classes"
    )
    flag = argparse.BooleanOptionalAction
    yes: dict[str, Any] = {"action": "store_true", "default": False}

    def number(name: str, kind: type, said: str, metavar: str = "N") -> None:
        train.add_argument(
            f"--{name}", type=kind, metavar=metavar, help=f"{said} (default {getattr(d, name):g})".strip()
        )

    def choice(name: str, table: Any, said: str) -> None:
        train.add_argument(f"--{name}", choices=table, help=said)

    train.add_argument(
        "--data_dir", type=Path, metavar="DIR",
        help="class folders: originals, varied as they are drawn, or written variants (default: the workspace's)",
    )  # fmt: skip
    train.add_argument(
        "--settings", type=Path, metavar="FILE",
        help="settings as JSON, all or some of them (a run's run.json will do); what is typed goes before them",
    )  # fmt: skip
    number("epochs", int, "")
    train.add_argument("--steps", type=int, metavar="N", help="batches an epoch (default: each image once)")
    train.add_argument("--batch_size", type=int, metavar="N", help=f"(default {d.batch_size})")
    number("images_per_class", int, "images of each class in a batch", "K")
    train.add_argument("--progressive_unfreeze", action=flag, help="head, last blocks, all (the default)")
    train.add_argument(
        "--unfreeze", metavar="TABLE",
        help="from which epoch on (from 0) a part learns too, as in 0:head,2:last,5:all; "
        "a part that is not named keeps its weights",
    )  # fmt: skip
    train.add_argument("--onecycle", action=flag, help="one cycle of the learning rate (the default)")
    choice("loss", LOSSES, f"(default {d.loss}; contrastive with --model siamese)")
    train.add_argument("--margin", type=float, metavar="M", help="of the loss")
    train.add_argument(
        "--loss_number", action="append", metavar="NAME=VALUE", help="another number of the loss, as in temperature=0.1"
    )
    choice("mining", MINING, f"of hard-triplet (default {d.mining})")
    choice("model", MODELS, f"(default {d.model})")
    choice("backbone", BACKBONES, f"(default {d.architecture})")
    train.add_argument(
        "--start", metavar="START",
        help=f"{', '.join(_STARTS)}, a run (its name, number or id) or a model file (default {d.start})",
    )  # fmt: skip
    train.add_argument("--image_size", type=int, metavar="PX", help="(default: the workspace's)")
    choice("mode", TRAINABLE, "what the network sees (default: the workspace's)")
    number("embedding_size", int, "numbers an embedding", "D")
    number("learning_rate", float, "of the head")
    number("trunk_rate", float, "the trunk's share of it; from scratch 1", "SHARE")
    number("weight_decay", float, "")
    number("clip_norm", float, "longest step of the gradient; 0: not clipped")
    number("average", float, "share of the average of the weights that a step keeps; 0: no average", "SHARE")
    number("blend", float, "share of the trained weights in what is saved, the rest being the start's", "SHARE")
    choice("balance", BALANCES, f"of classes (default {d.balance})")
    train.add_argument(
        "--policy", metavar="NAME",
        help=f"a saved policy, {', '.join(PRESETS)}, or none (default {d.policy['id'] if d.policy else 'none'})",
    )  # fmt: skip
    number("validation", float, "share of the originals", "SHARE")
    number("test", float, "share of the originals", "SHARE")
    number("held_out", float, "share of the classes that are kept out of training and measured as never seen", "SHARE")
    number("folds", int, "cross-validation: so many parts; 0: none")
    number("fold", int, "the part to test with, from 0", "I")
    train.add_argument(
        "--every_fold", **yes, help="train once for each part, evaluate each, and pool the scores (with --folds)"
    )
    train.add_argument(
        "--seeds", type=int, default=1, metavar="N",
        help="repeat it with so many seeds, from --seed on, and say mean and spread",
    )  # fmt: skip
    number("patience", int, "epochs without a better score before it stops; 0: never")
    number("seed", int, "")
    train.add_argument("--name", help="of the run")
    train.add_argument(
        "--resume", metavar="RUN",
        help="go on with a run (its name, number or id) that was stopped or interrupted, or give it more --epochs",
    )  # fmt: skip
    train.add_argument("--override_leaks", **yes, help="train in spite of the leak audit; the run says so")
    train.add_argument("--override_safety", **yes, help="train with unsafe transforms; the run says so")
    train.add_argument(
        "--promote", action=flag,
        help="let Identify use the result (the default where no run is used yet)",
    )  # fmt: skip
    train.add_argument(
        "--queue", **yes,
        help="line it up behind the trainings that are under way or wait, and return (see the command queue)",
    )  # fmt: skip
    train.set_defaults(run=lambda options: _train(options, progress))


def _train(options: argparse.Namespace, progress: Any) -> int:
    from core.training.prepare import Request
    from core.training.queue import start_next
    from core.training.runs import Runs
    from core.training.work import train

    workspace = _workspace(options)
    typed = vars(options)
    going_on = Runs(workspace).find(options.resume) if "resume" in typed else None
    data_dir = typed.get("data_dir") or (Path(going_on.record.source) if going_on and going_on.record.source else None)
    request = Request(
        settings_of(typed, workspace, data_dir, going_on),
        run_id=going_on.id if going_on else None,
        name=typed.get("name", ""),
        data_dir=str(data_dir.resolve()) if data_dir else None,
        override_leaks=options.override_leaks,
        override_safety=options.override_safety,
    )
    if going_on is not None:
        for name in ("name", "override_leaks", "override_safety"):
            if typed.get(name):
                _say(f"--{name} is ignored: the run goes on as it began.")
    if options.queue:
        return _line_up(workspace, request, options)
    stop = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: stop.set())  # what was learnt is kept
    shown: dict[str, Any] = {}

    def on_progress(done: int, total: int, note: str) -> None:
        if total:
            shown.setdefault(note, progress(note))(done, total)

    repeats = options.seeds > 1 or options.every_fold
    try:
        if repeats:
            return _repeat(workspace, request, options, on_progress, stop)
        run = train(workspace, request, on_progress=on_progress, on_event=_tell, should_stop=stop.is_set)
    finally:
        signal.signal(signal.SIGINT, previous)
        start_next(workspace)
    if int(os.environ.get("RANK", "0")):  # of several processes the first one speaks
        return 0
    for warning in run.record.warnings:
        _say(warning["template"].format(**warning["values"]))
    _ended(run)
    best = run.record.best
    if best:
        _use(workspace, run, typed.get("promote"))
    return 0 if run.record.state == "finished" else 1


def _line_up(workspace: Workspace, request: Request, options: argparse.Namespace) -> int:
    """Put a training into the queue, or each one of a series."""
    from core.evaluation.series import planned
    from core.ground.workspace import new_id
    from core.training.queue import Queue

    asked = planned(request.settings, seeds=options.seeds, every_fold=options.every_fold)
    queue, series = Queue(workspace), new_id() if len(asked) > 1 else ""
    for number, settings in enumerate(asked, 1):
        name = f"{request.name} {number}/{len(asked)}" if request.name and len(asked) > 1 else request.name
        entry = queue.add(replace(request, settings=settings, name=name, series=series))
        queue.start_next()
        print(lined_up(queue, entry))
    return 0


def _ended(run: Run) -> None:
    why = f": {run.reason}" if run.reason else "."
    print(f"Run {run.number or run.id} ({printable(run.record.name)}) {run.record.state}{why}")
    best = run.record.best
    if best:
        print(f"Best epoch {best['epoch'] + 1}: {in_words(best['scores'])}. Weights: {run.best_path}")


def _repeat(
    workspace: Workspace, request: Request, options: argparse.Namespace, on_progress: Any, stop: threading.Event
) -> int:
    """Train a series, and say what its runs say together."""
    from core.evaluation.series import repeated, summary

    if "resume" in vars(options):
        raise BadInput("A series is trained anew, on the workspace's own images.")
    series, failed = repeated(
        workspace, request, seeds=options.seeds, every_fold=options.every_fold, on_progress=on_progress,
        on_run=_ended, should_stop=stop.is_set,
    )  # fmt: skip
    for error in failed:
        _say(str(error))
    found = summary(workspace, series)
    if found is None:
        return 1
    for each in found.seeds:
        low, high = each.top1.interval
        print(
            f"Seed {each.seed}, {counted(len(each.runs), 'run')} pooled: top-1 {100 * each.top1.value:.1f} % "
            f"[{100 * low:.1f}, {100 * high:.1f}] of {counted(each.top1.n, 'query', 'queries')}, "
            f"mAP@R {100 * each.map_at_r:.1f} %"
        )
    if len(found.seeds) > 1:
        for name, value in (("top-1", lambda each: each.top1.value), ("mAP@R", lambda each: each.map_at_r)):
            mean, deviation = found.spread(value)
            print(f"{len(found.seeds)} seeds, {name}: {100 * mean:.1f} % +- {100 * deviation:.1f}")
    return 1 if failed or found.missing else 0


def _use(workspace: Workspace, run: Run, wanted: bool | None) -> None:
    """Promote the run where that is asked for, or where it is the first to be finished; else say how to."""
    from core.collection.dataset import Dataset
    from core.embedding.embedder import load_embedder
    from core.training.promoted import promoted
    from core.training.promotion import beside, promote

    first = wanted is None and run.record.state == "finished" and promoted(workspace) is None
    found = beside(Dataset(workspace), run, load_embedder(workspace)) if wanted or first else None
    if found is not None and found.far_below:
        _say(str(found.said()))
        first = False  # only where it was asked for, and now that it was said
    if wanted or first:
        promote(workspace, run)
        undo = "" if wanted else " (no run was used before; python -m core promote --back undoes it)"
        print(f"Identify uses it from now on{undo}.")
    elif wanted is None:
        print(f"To let Identify use it: python -m core promote {run.number or run.id}")


def _workspace(options: argparse.Namespace) -> Workspace:
    """The workspace named, else the one that ``--data_dir`` lies in, else as for every command."""
    given = options.data_dir.resolve() if "data_dir" in vars(options) else None
    if not hasattr(options, "workspace") and given is not None and given.parent.name == "data":
        return Workspace(given.parent.parent)
    return Workspace.open(getattr(options, "workspace", None))


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


def _tell(event: dict[str, Any]) -> None:
    if event["kind"] == "start":
        print(f"before training: {in_words(event['validation'])}", flush=True)
    elif event["kind"] == "epoch":
        mark = "  (best)" if event["best"] else ""
        print(f"epoch {event['epoch'] + 1}: {in_words(event.get('validation') or {})}{mark}", flush=True)


def in_words(scores: dict[str, Any]) -> str:
    """The scores of a validation in a line."""
    if not scores.get("n"):
        return "nothing to validate on"
    return (f"top-1 {100 * scores['top1']:.1f} %, top-5 {100 * scores['top5']:.1f} %, "
            f"mAP@R {100 * scores['map_at_r']:.1f} % of {scores['n']}")  # fmt: skip


def _say(text: str) -> None:
    print(f"burin: {text}", file=sys.stderr)
