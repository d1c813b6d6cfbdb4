"""The shell's command ``train``; see `core.shell.main`. The work is `core.training.work`'s."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.ground.config import MODES, Preprocessing
from core.ground.errors import ConfigRefused
from core.ground.workspace import Workspace
from core.training.settings import BACKBONES, BALANCES, LOSSES, MINING, MODELS, STARTS, TrainSettings, gradual
from core.variation.policies import PRESETS, find
from core.variation.variants import MANIFEST

_DEFAULTS = TrainSettings()


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the command; ``progress`` makes what shows a running count."""
    d = _DEFAULTS
    train = commands.add_parser("train", parents=[common], help="train an encoder on your classes")
    train.add_argument(
        "--data_dir", type=Path, metavar="DIR",
        help="class folders: originals, varied as they are drawn, or written variants (default: the workspace's)",
    )  # fmt: skip
    train.add_argument("--epochs", type=int, default=d.epochs, metavar="N", help=f"(default {d.epochs})")
    train.add_argument(
        "--steps", type=int, default=d.steps, metavar="N", help="batches an epoch (default: each image once)"
    )
    train.add_argument("--batch_size", type=int, default=d.batch_size, metavar="N", help=f"(default {d.batch_size})")
    train.add_argument(
        "--images_per_class", type=int, default=d.images_per_class, metavar="K",
        help=f"images of each class in a batch (default {d.images_per_class})",
    )  # fmt: skip
    flag = argparse.BooleanOptionalAction
    train.add_argument("--progressive_unfreeze", action=flag, default=bool(d.unfreezing), help="head, last blocks, all")
    train.add_argument("--onecycle", action=flag, default=d.onecycle, help="one cycle of the learning rate")
    train.add_argument("--loss", choices=LOSSES, help=f"(default {d.loss}; contrastive with --model siamese)")
    train.add_argument("--mining", choices=MINING, default=d.mining, help=f"of hard-triplet (default {d.mining})")
    train.add_argument("--model", choices=MODELS, default=d.model, help=f"(default {d.model})")
    train.add_argument("--backbone", choices=BACKBONES, default=d.architecture, help=f"(default {d.architecture})")
    train.add_argument("--start", choices=STARTS, default=d.start, help=f"weights to start from (default {d.start})")
    train.add_argument("--image_size", type=int, metavar="PX", help="(default: the workspace's)")
    train.add_argument("--mode", choices=MODES, help="what the network sees (default: the workspace's)")
    train.add_argument("--embedding_size", type=int, default=d.embedding_size, metavar="D")
    train.add_argument("--learning_rate", type=float, default=d.learning_rate, help=f"(default {d.learning_rate})")
    train.add_argument("--balance", choices=BALANCES, default=d.balance, help=f"of classes (default {d.balance})")
    train.add_argument(
        "--policy", metavar="NAME",
        help=f"a saved policy, {', '.join(PRESETS)}, or none (default {d.policy['id'] if d.policy else 'none'})",
    )  # fmt: skip
    train.add_argument(
        "--validation", type=float, default=d.validation, metavar="SHARE", help=f"(default {d.validation})"
    )
    train.add_argument("--test", type=float, default=d.test, metavar="SHARE", help="share of the originals")
    train.add_argument("--folds", type=int, default=0, metavar="N", help="cross-validation: so many parts")
    train.add_argument("--fold", type=int, default=0, metavar="I", help="the part to test with, from 0")
    train.add_argument("--patience", type=int, default=d.patience, metavar="N", help="epochs without a better score")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--name", default="", help="of the run")
    train.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or interrupted")
    train.add_argument(
        "--override_leaks", action="store_true", help="train in spite of the leak audit; the run says so"
    )
    train.add_argument("--override_safety", action="store_true", help="train with unsafe transforms; the run says so")
    train.add_argument("--promote", action="store_true", help="let Identify use the result")
    train.set_defaults(run=lambda options: _train(options, progress))


def _train(options: argparse.Namespace, progress: Any) -> int:
    from core.training.prepare import Request
    from core.training.promotion import promote
    from core.training.runs import Runs
    from core.training.work import train

    workspace = _workspace(options)
    if options.resume:
        Runs(workspace).get(options.resume)
    request = Request(
        _settings(options, workspace),
        run_id=options.resume,
        name=options.name,
        data_dir=str(options.data_dir.resolve()) if options.data_dir else None,
        override_leaks=options.override_leaks,
        override_safety=options.override_safety,
    )
    stop = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: stop.set())  # what was learnt is kept
    shown: dict[str, Any] = {}

    def on_progress(done: int, total: int, note: str) -> None:
        if total:
            shown.setdefault(note, progress(note))(done, total)

    try:
        run = train(workspace, request, on_progress=on_progress, on_event=_tell, should_stop=stop.is_set)
    finally:
        signal.signal(signal.SIGINT, previous)
    if int(os.environ.get("RANK", "0")):  # of several processes the first one speaks
        return 0
    for warning in run.record.warnings:
        _say(warning["template"].format(**warning["values"]))
    best = run.record.best
    print(f"Run {run.id} {run.record.state}{f': {run.reason}' if run.reason else '.'}")
    if best:
        print(f"Best epoch {best['epoch'] + 1}: {_in_words(best['scores'])}. Weights: {run.best_path}")
    if options.promote and best:
        promote(workspace, run)
        print("Identify uses it from now on.")
    return 0 if run.record.state == "finished" else 1


def _workspace(options: argparse.Namespace) -> Workspace:
    """The workspace named, else the one that ``--data_dir`` lies in, else as for every command."""
    given = options.data_dir.resolve() if options.data_dir else None
    if not hasattr(options, "workspace") and given is not None and given.parent.name == "data":
        return Workspace(given.parent.parent)
    return Workspace.open(getattr(options, "workspace", None))


def _settings(options: argparse.Namespace, workspace: Workspace) -> TrainSettings:
    if options.batch_size % options.images_per_class:
        raise ConfigRefused(
            "A batch of {size} images cannot hold {images} of each class: the one must divide the other.",
            size=options.batch_size,
            images=options.images_per_class,
        )
    held = workspace.config().preprocessing
    written = options.data_dir is not None and (options.data_dir / MANIFEST).is_file()
    policy = _DEFAULTS.policy
    if options.policy:
        policy = None if options.policy == "none" else find(workspace, options.policy).to_json()
    return TrainSettings(
        architecture=options.backbone,
        embedding_size=options.embedding_size,
        start=options.start,
        preprocessing=Preprocessing(options.mode or held.mode, options.image_size or held.size),
        model=options.model,
        loss=options.loss or ("contrastive" if options.model == "siamese" else _DEFAULTS.loss),
        mining=options.mining,
        classes_per_batch=options.batch_size // options.images_per_class,
        images_per_class=options.images_per_class,
        epochs=options.epochs,
        steps=options.steps,
        learning_rate=options.learning_rate,
        onecycle=options.onecycle,
        unfreezing=gradual(options.epochs) if options.progressive_unfreeze else (),
        patience=options.patience,
        policy=None if written else policy,
        source="variants" if written else "fly",
        balance=options.balance,
        seed=options.seed,
        validation=options.validation,
        test=options.test,
        folds=options.folds,
        fold=options.fold,
    )


def _tell(event: dict[str, Any]) -> None:
    if event["kind"] == "start":
        print(f"before training: {_in_words(event['validation'])}", flush=True)
    elif event["kind"] == "epoch":
        mark = "  (best)" if event["best"] else ""
        print(f"epoch {event['epoch'] + 1}: {_in_words(event.get('validation') or {})}{mark}", flush=True)


def _in_words(scores: dict[str, Any]) -> str:
    if not scores.get("n"):
        return "nothing to validate on"
    return (f"top-1 {100 * scores['top1']:.1f} %, top-5 {100 * scores['top5']:.1f} %, "
            f"mAP@R {100 * scores['map_at_r']:.1f} % of {scores['n']}")  # fmt: skip


def _say(text: str) -> None:
    print(f"burin: {text}", file=sys.stderr)
