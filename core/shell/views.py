"""The shell's command ``compare-views``: which way of seeing suits a workspace. See `core.shell.main`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from core.ground.workspace import Workspace
from core.shell.words import counted


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the command; ``progress`` makes what shows a running count."""
    views = commands.add_parser(
        "compare-views", parents=[common], help="compare the ways of seeing on the workspace's own images"
    )
    views.add_argument("--apply", action="store_true", help="take the best, and embed everything anew")
    views.add_argument("--json", action="store_true", help="the table as one JSON object")
    views.set_defaults(run=lambda options: _compare(options, progress))


def _compare(options: argparse.Namespace, progress: Callable[[str], Any]) -> int:
    import json

    from core.collection.dataset import Dataset
    from core.embedding.embedder import load_embedder
    from core.embedding.gallery import update
    from core.recognition.views import compare, keep, take

    dataset = Dataset(Workspace.open(getattr(options, "workspace", None)))
    dataset.rescan(progress("reading"))
    made = compare(dataset, report=progress("comparing"))
    assert made is not None  # nobody asks it to stop
    keep(dataset.workspace, made)
    if options.json:
        print(json.dumps({**made.to_json(), "best": made.best.to_json()}))
    else:
        for score in made.scores:
            view, share = score.preprocessing, 100 * score.right / score.asked
            marks = "  in use" * (view == made.in_use) + "  best" * (view == made.best)
            print(
                f"{view.mode:8}{view.size:4} px  {share:5.1f} % [{100 * score.low:.1f}, {100 * score.high:.1f}]{marks}"
            )
        print(f"Right, of {counted(made.scores[0].asked, 'image')} asked of the others, copies left out.")
    if options.apply and made.best != made.in_use:
        take(dataset, made.best)
        updated = update(dataset, load_embedder(dataset.workspace), on_progress=progress("embedding"))
        if not options.json:
            print(f"Taken: {made.best.mode}, {made.best.size} px; {counted(updated.embedded, 'image')} embedded.")
    elif options.apply and not options.json:
        print("Nothing to change: no other way is surely better than the one in use.")
    return 0
