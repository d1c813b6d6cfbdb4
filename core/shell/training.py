"""The shell's command ``train``: one training or a series, now or in the queue; see `core.shell.main`.

What it is trained with is `core.shell.training_options`'s, the work `core.training.work`'s.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ground.errors import BadInput
from core.ground.names import printable
from core.ground.workspace import Workspace
from core.shell.queue import lined_up
from core.shell.training_options import add_options, settings_of
from core.shell.words import counted

if TYPE_CHECKING:
    from core.training.prepare import Request
    from core.training.run import Run


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the command; ``progress`` makes what shows a running count."""
    train = commands.add_parser(
        "train", parents=[common], argument_default=argparse.SUPPRESS, help="train an encoder on your classes"
    )
    add_options(train)
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
