"""The shell's commands about runs: ``runs``, ``promote``, ``export``, ``compare``. See `core.shell.main`.

A run is named by its name, its number or its id.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ground.errors import BadInput, NotFound
from core.ground.names import printable
from core.ground.workspace import Workspace
from core.training.run import Run
from core.training.runs import Runs

if TYPE_CHECKING:
    from core.evaluation.compare import Comparison

SCORES = {"top1": "top-1", "top5": "top-5", "macro_recall": "macro recall", "map_at_r": "mAP@R"}
FORMATS = ("onnx", "safetensors", "pt")  # the keys of `core.training.transfer.EXPORTS`


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Register the commands."""
    runs = commands.add_parser("runs", parents=[common], help="list the trainings, newest first")
    runs.add_argument("--json", action="store_true", help="one JSON object a line and run")
    runs.set_defaults(run=_runs)

    called = "its name, number or id"
    promote = commands.add_parser("promote", parents=[common], help="let Identify use a run")
    promote.add_argument("which", nargs="?", metavar="RUN", help=called)
    promote.add_argument("--back", action="store_true", help="go back to what was used before")
    promote.set_defaults(run=_promote)

    export = commands.add_parser("export", parents=[common], help="write the best weights of a run to a file")
    export.add_argument("which", metavar="RUN", help=called)
    export.add_argument("--format", choices=FORMATS, default="onnx", help="(default onnx)")
    export.add_argument("--out", type=Path, metavar="PATH", help="file or folder (default: here, named after the run)")
    export.set_defaults(run=_export)

    compare = commands.add_parser("compare", parents=[common], help="two runs beside one another")
    compare.add_argument("before", metavar="A", help=called)
    compare.add_argument("after", metavar="B", help=called)
    compare.set_defaults(run=_compare)


def _runs(options: argparse.Namespace) -> int:
    from core.training.promoted import promoted

    workspace = Workspace.open(getattr(options, "workspace", None))
    used = promoted(workspace)
    found = Runs(workspace).list()
    for run in found:
        in_use = used is not None and used.run_id == run.id
        if options.json:
            print(json.dumps(run.record.to_json() | {"state": run.state, "in_use": in_use}, ensure_ascii=False))
            continue
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.record.created_at))
        top1 = (run.record.best or {}).get("scores", {}).get("top1")
        score = "      –" if top1 is None else f"{100 * top1:5.1f} %"
        mark = "  in use" if in_use else ""
        number = f"#{run.number}" if run.number else "–"
        print(f"{number:>4}  {run.id}  {when}  {run.state:<11}  {score}  {printable(run.record.name)}{mark}")
    if not found and not options.json:
        print("There are no runs yet: python -m core train")
    return 0


def _promote(options: argparse.Namespace) -> int:
    from core.training.promotion import promote, roll_back

    workspace = Workspace.open(getattr(options, "workspace", None))
    if options.back == bool(options.which):
        raise BadInput("Say which run to use, or --back for what was used before.")
    if options.back:
        before = roll_back(workspace)
        print(f"In use again: {_name(workspace, before) if before else 'the encoder as it is untrained'}.")
        return 0
    run = Runs(workspace).find(options.which)
    promote(workspace, run)
    print(f"Identify uses {printable(run.record.name)} from now on. python -m core promote --back undoes it.")
    return 0


def _name(workspace: Workspace, used: Any) -> str:
    try:
        return printable(Runs(workspace).get(used.run_id).record.name)
    except NotFound:
        return "a network whose run is not there any more"


def _export(options: argparse.Namespace) -> int:
    from core.training.transfer import EXPORTS, file_stem

    run = Runs(Workspace.open(getattr(options, "workspace", None))).find(options.which)
    path: Path = options.out or Path()
    if path.is_dir():
        path /= f"{file_stem(run)}.{options.format}"
    EXPORTS[options.format](run, path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB.")
    return 0


def _compare(options: argparse.Namespace) -> int:
    runs = Runs(Workspace.open(getattr(options, "workspace", None)))
    pair = (runs.find(options.before), runs.find(options.after))
    for letter, run in zip("AB", pair, strict=True):
        print(f"{letter}: {printable(run.record.name)} ({f'run {run.number}, ' if run.number else ''}{run.id})")
    _scores(*pair)
    _differences(*pair)
    _evaluations(*pair)
    return 0


def _scores(before: Run, after: Run) -> None:
    from core.recognition.metrics import wilson

    print("\nBest epoch, on the validation images")
    held = [(run.record.best or {}).get("scores", {}) for run in (before, after)]
    for score, title in SCORES.items():
        cells = []
        for scores in held:
            value, n = scores.get(score), int(scores.get("n", 0))
            text = "–" if value is None else f"{100 * value:.1f} %"
            if value is not None and n and score in ("top1", "top5"):
                low, high = wilson(round(value * n), n)
                text += f" ({100 * low:.1f} to {100 * high:.1f})"
            cells.append(text)
        print(f"    {title:<14}{cells[0]:<26}{cells[1]}")
    sides = [{sha256 for sha256, side in run.split.side.items() if side == "validation"} for run in (before, after)]
    if sides[0] != sides[1]:
        print("    They were not measured on the same images: a small difference may come from that alone.")


def _differences(before: Run, after: Run) -> None:
    one, two = before.record.settings, after.record.settings
    apart = [name for name in dict.fromkeys((*one, *two)) if one.get(name) != two.get(name)]
    if not apart:
        print("\nThey were asked for the same: only the data or chance differ.")
        return
    print("\nAsked differently")
    for name in apart:
        print(f"    {name:<20}{_value(one, name):<26}{_value(two, name)}")


def _value(settings: dict[str, Any], name: str) -> str:
    value = settings.get(name, "–")
    if name == "policy" and isinstance(value, dict):
        value = value.get("id") or value.get("name")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _evaluations(before: Run, after: Run) -> None:
    from core.evaluation.compare import compare
    from core.evaluation.store import Evaluation

    made = [Evaluation(run.folder / "evaluation" / "test") for run in (before, after)]
    missing = [run for run, evaluation in zip((before, after), made, strict=True) if not evaluation.exists]
    if missing:
        print("\nNot evaluated on the test side:")
        for run in missing:
            print(f"    python -m core evaluate --model_path {run.best_path}")
        return
    print("\nOn the test images that both were asked")
    try:
        _said(compare(made[0].predictions, made[1].predictions))
    except BadInput as error:
        print(f"    {error}")


def _said(found: Comparison) -> None:
    print(f"    right: {found.before.hits} and {found.after.hits} of {found.queries}; "
          f"{len(found.gained)} right only in B, {len(found.lost)} only in A")  # fmt: skip
    chance = "more than chance" if found.significant else "no more than chance would do"
    p = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    print(f"    McNemar's exact test: {p}, {chance}")
    for row in [row for row in found.classes if row.change][:10]:
        print(f"    {row.change:+d}  {printable(row.name)} ({row.before} -> {row.after} of {row.n})")
