"""The shell's commands about scores: ``evaluate`` and ``analyze-errors``. See `core.shell.main`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ground.errors import NotFound
from core.ground.workspace import Workspace
from core.shell.words import counted

if TYPE_CHECKING:
    from core.evaluation.evaluated_files import Found
    from core.evaluation.work import Subject

INCORRECT, ANALYSIS = "incorrect_predictions", "error_analysis"
TOLD = 10  # pairs of classes printed


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the commands; ``progress`` makes what shows a running count."""
    evaluate = commands.add_parser(
        "evaluate", parents=[common], help="ask originals that were not trained on, and count what is right"
    )
    evaluate.add_argument("--model_path", type=Path, metavar="PATH", help="a saved model (default: the one in use)")
    asked = "class folders (default: the workspace's originals); variants are never asked"
    evaluate.add_argument("--data_dir", type=Path, metavar="DIR", help=asked)
    evaluate.add_argument("--output_dir", type=Path, metavar="DIR", help=f"default: model/{INCORRECT}")
    evaluate.add_argument("--side", choices=("test", "validation", "all"), default="test")
    evaluate.add_argument("--seed", type=int, default=0, help="of the split, where no run has one (default 0)")
    evaluate.add_argument("--json", action="store_true", help="the whole report as JSON")
    evaluate.set_defaults(run=lambda options: _evaluate(options, progress))

    analyse = commands.add_parser("analyze-errors", parents=[common], help="sort the wrong answers, and write a report")
    analyse.add_argument("--incorrect_dir", type=Path, metavar="DIR", help=f"default: model/{INCORRECT}")
    analyse.add_argument("--output_dir", type=Path, metavar="DIR", help=f"default: model/{ANALYSIS}")
    analyse.add_argument("--language", choices=("en", "fr"), default="en", help="the one that the report opens in")
    analyse.set_defaults(run=_analyse)


def _evaluate(options: argparse.Namespace, progress: Callable[[str], Any]) -> int:
    from core.evaluation.artefacts import text
    from core.evaluation.error_bundle import by_folder, write_bundle
    from core.evaluation.evaluated_files import find, located, workspace_of
    from core.evaluation.output_manifest import check_own
    from core.evaluation.traits import Traits
    from core.evaluation.work import doubts_now, evaluate_subject

    given = Workspace.open(getattr(options, "workspace", None))
    data_dir = located(options.data_dir, given)
    workspace = workspace_of(data_dir, given)
    output = options.output_dir or workspace.model / INCORRECT
    check_own(output)  # before minutes of asking
    found = find(workspace, data_dir)
    for outcome in found.refused:
        print(f"burin: {outcome.name}: {outcome.reason}", file=sys.stderr)
    if found.variants:
        print(f"burin: recognised as variants and not asked: {counted(found.variants, 'file')}.", file=sys.stderr)
    if found.strangers:
        print(f"burin: of unknown origin and not asked: {counted(found.strangers, 'file')}.", file=sys.stderr)
    asked = _subject(workspace, options, found)
    doubted, traits = {}, None
    if found.dataset is not None:
        made = evaluate_subject(
            found.dataset, asked, options.side, progress=lambda done, total, note: progress(note)(done, total)
        )
        assert made is not None  # nobody asks it to stop
        predictions, report = made.predictions, made.report
        doubted = by_folder(doubts_now(found.dataset), found.dataset)
        traits = Traits.read(made.folder)
    else:
        predictions, report = _of_folder(found, asked, options, workspace, progress)
    wrong = write_bundle(
        output, predictions, report, asked.split, found.originals, doubted=doubted, traits=traits
    )  # fmt: skip
    if options.json:
        print(json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False))
    else:
        print(text(report))
        print(f"Wrong answers: {wrong}. They, and everything behind them, are in {output}.")
    return 1 if found.refused or report.about.refused else 0


def _of_folder(
    found: Found, asked: Subject, options: argparse.Namespace, workspace: Workspace, progress: Callable[[str], Any]
) -> Any:
    """Predictions and report of a folder that is no workspace: nothing of it is kept but the bundle."""
    from core.evaluation.predictions import About, predict
    from core.evaluation.report import evaluate

    config = workspace.config()
    about = About(
        name=asked.name, side=options.side, model=asked.embedder.sentence, seed=asked.split.seed, at=time.time(),
        neighbours=config.neighbours, false_accept_rate=config.false_accept_rate, leak=asked.leak,
    )  # fmt: skip
    predictions = predict(
        found.originals, asked.split, asked.embedder, about=about, on_progress=progress("asking")
    )  # fmt: skip
    assert predictions is not None  # nobody asks it to stop
    return predictions, evaluate(predictions)


def _subject(workspace: Workspace, options: argparse.Namespace, found: Found) -> Subject:
    from core.evaluation.work import of_model, subject

    if options.model_path is None:
        return subject(workspace, "", found.originals, seed=options.seed)
    path = options.model_path if options.model_path.is_file() else workspace.root / options.model_path
    if not path.is_file():
        raise NotFound(
            "There is no model at {path}: train one and promote it, or leave --model_path out for the one in use.",
            path=options.model_path,
        )
    return of_model(workspace, path, found.originals, seed=options.seed)


def _analyse(options: argparse.Namespace) -> int:
    from core.evaluation.error_bundle import analyse
    from core.evaluation.error_causes import CAUSES
    from core.evaluation.evaluated_files import located
    from core.ground.names import printable

    workspace = Workspace.open(getattr(options, "workspace", None))
    source = located(options.incorrect_dir, workspace) or workspace.model / INCORRECT
    output = options.output_dir or workspace.model / ANALYSIS
    report, groups, written = analyse(source, output, language=options.language)
    causes = [fault.cause for group in groups for fault in group.faults]
    print(f"Wrong: {len(causes)} of {counted(report.queries, 'answer')}.")
    print("Likely causes: " + ", ".join(f"{name} {causes.count(name)}" for name in CAUSES) + ".")
    for group in groups[:TOLD]:
        true, said = (printable(report.classes[number].name) for number in (group.true, group.predicted))
        print(f"    {len(group.faults):>3} x {true} taken for {said}")
    print("Written: " + ", ".join(path.name for path in written) + f" in {output}.")
    return 0
