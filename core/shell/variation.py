"""The shell's commands about variants: ``augment``, ``oversample``, ``safety``. See `core.shell.main`.

They work on any folder of class folders; where that is a workspace's own, its catalogue is used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.ground.workspace import Workspace
from core.shell.words import counted
from core.variation.policies import DEFAULT, PRESETS

if TYPE_CHECKING:
    from core.catalogue.records import FileOutcome
    from core.collection.dataset import Dataset
    from core.variation.policies import Policy
    from core.variation.safety import SafetyReport
    from core.variation.sources import Original
    from core.variation.writer import Task, Written


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the commands; ``progress`` makes what shows a running count."""
    augment = commands.add_parser("augment", parents=[common], help="write variants of every original")
    _sources(augment, "--output_dir")
    augment.add_argument("--per_image", type=int, default=5, metavar="N", help="variants an original (default 5)")
    _drawing(augment)
    augment.set_defaults(run=lambda options: _augment(options, progress))

    oversample = commands.add_parser("oversample", parents=[common], help="bring rare classes up to a minimum")
    _sources(oversample, "--augmented_dir")
    oversample.add_argument(
        "--min_threshold", type=int, default=10, metavar="N", help="images every class should have (default 10)"
    )
    oversample.add_argument("--dry_run", action="store_true", help="print the plan and write nothing")
    _drawing(oversample)
    oversample.set_defaults(run=lambda options: _oversample(options, progress))

    safety = commands.add_parser("safety", parents=[common], help="measure how safe a policy is for each class")
    safety.add_argument("--raw_dir", type=Path, metavar="DIR", help="class folders (default: the workspace's)")
    safety.add_argument("--policy", default=DEFAULT, metavar="NAME", help=_policies())
    safety.add_argument("--seed", type=int, default=0)
    safety.add_argument("--json", action="store_true", help="the whole report as JSON")
    safety.set_defaults(run=lambda options: _safety(options, progress))


def _sources(parser: argparse.ArgumentParser, output: str) -> None:
    own = "(default: the workspace's)"
    parser.add_argument("--raw_dir", type=Path, metavar="DIR", help=f"class folders of originals {own}")
    parser.add_argument(output, dest="output_dir", type=Path, metavar="DIR", help=f"class folders of variants {own}")


def _drawing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--policy", default=DEFAULT, metavar="NAME", help=_policies())
    parser.add_argument("--seed", type=int, default=0, help="the same seed writes the same bytes (default 0)")
    parser.add_argument(
        "--override_safety", action="store_true",
        help="write without the label-safety check; the manifest records it",
    )  # fmt: skip


def _policies() -> str:
    return f"a saved policy, or one of {', '.join(PRESETS)} (default {DEFAULT})"


class _Place:
    """Where a command reads and writes: a workspace's own folders with its catalogue, or any others."""

    def __init__(self, options: argparse.Namespace) -> None:
        from core.variation.sources import broken_in, originals_in, originals_of
        from core.variation.variants import Manifest

        self.workspace = Workspace.open(getattr(options, "workspace", None))
        given = options.raw_dir.resolve() if options.raw_dir else self.workspace.raw
        if not hasattr(options, "workspace") and given.name == "raw_gravures" and given.parent.name == "data":
            self.workspace = Workspace(given.parent.parent)
        self.dataset: Dataset | None = None
        self.broken: Sequence[FileOutcome]
        self.originals: list[Original]
        if given == self.workspace.raw and given.is_dir():
            from core.collection.dataset import Dataset

            self.dataset = Dataset(self.workspace)
            self.broken = broken_in(self.dataset)
            self.originals = originals_of(self.dataset)
        else:
            self.originals, self.broken = originals_in(given)
        self.manifest = Manifest(getattr(options, "output_dir", None) or self.workspace.augmented)
        for outcome in self.broken:
            _say(f"{outcome.name}: {outcome.reason}")

    def policy(self, name: str) -> Policy:
        from core.variation.policies import find

        return find(self.workspace, name)

    def write(self, tasks: Sequence[Task], policy: Policy, options: argparse.Namespace, progress: Any) -> Written:
        from core.embedding.embedder import load_embedder
        from core.variation.work import announce, checked
        from core.variation.writer import write

        safety = astray = None
        if tasks and not options.override_safety:
            embedder = load_embedder(self.workspace)
            _say(embedder.sentence)
            safety, astray = checked(
                tasks, self.originals, policy, embedder, self.dataset, seed=options.seed,
                tolerance=self.workspace.config().tolerance,
                on_progress=progress("checking label safety"),
            )  # fmt: skip
            _tell(safety)
        if options.override_safety:
            _say("label safety is overridden; the manifest says so.")
        if self.dataset is not None:
            self.manifest.follow(self.dataset)
        done = write(
            self.manifest, tasks, policy, seed=options.seed, safety=safety, astray=astray,
            on_progress=progress("writing"),
            on_refused=lambda outcome: _say(f"{outcome.name}: {outcome.reason}"),
        )  # fmt: skip
        if self.dataset is not None:
            announce(self.dataset)
        return done


def _augment(options: argparse.Namespace, progress: Any) -> int:
    from core.variation.writer import tasks_per_image

    place = _Place(options)
    policy = place.policy(options.policy)
    done = place.write(tasks_per_image(place.originals, options.per_image), policy, options, progress)
    return _report(done, place)


def _oversample(options: argparse.Namespace, progress: Any) -> int:
    from core.variation.balance import measure, plan

    place = _Place(options)
    policy = place.policy(options.policy)
    planned = plan(
        place.originals,
        place.manifest.variants(),
        strategy="minimum",
        minimum=options.min_threshold,
        most_per_original=max(50, min(1000, options.min_threshold)),
        policy=policy,
        seed=options.seed,
        cost=measure(place.originals, policy),
    )
    for each in planned.classes:
        if each.add:
            source = "its only original" if each.count.originals == 1 else counted(len(each.draws), "original")
            held = f"{counted(each.count.originals, 'original')} (+ {each.count.variants})"
            print(f"{each.count.name}: {held}, {each.add} more from {source}")
    cost = f"about {planned.seconds:.1f} s of one core and {planned.bytes / 1000:.0f} kB"
    even = f"imbalance {planned.before.ratio:.1f} -> {planned.after.ratio:.1f}"
    check = (
        ""
        if options.override_safety or not planned.total
        else f", after a check of {counted(planned.looked_at, 'draw')}"
    )
    print(f"To write: {counted(planned.total, 'variant')}, {cost}{check}; {even}.")
    if options.dry_run:
        return _code(place, len(place.broken))
    done = place.write(planned.tasks(place.originals), policy, options, progress)
    return _report(done, place)


def _safety(options: argparse.Namespace, progress: Any) -> int:
    from core.embedding.embedder import load_embedder
    from core.variation.references import references
    from core.variation.safety import check

    place = _Place(options)
    policy = place.policy(options.policy)
    embedder = load_embedder(place.workspace)
    refs = references(place.originals, embedder, place.dataset)
    report = check(
        policy, refs, embedder, seed=options.seed, tolerance=place.workspace.config().tolerance,
        on_progress=progress("checking label safety"),
    )  # fmt: skip
    if options.json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        for row in report.rows:
            name = row.transform or "all together"
            mark = "UNSAFE" if row.share > report.tolerance else "safe"
            print(f"{row.class_name}  {name}: {mark}, {row.unsafe} of {counted(row.draws, 'draw')} nearer to another "
                  "class"
                  f" ({row.towards}), moved {row.moved:.3f}, margin {row.margin:.3f}")  # fmt: skip
        _tell(report)
    return 0 if report.safe else 1


def _tell(report: SafetyReport) -> None:
    why = {"twin": "its twin is {0}", "out": "it leads to {0}", "draws": "{1:.0%} of the draws are nearer to {0}"}
    for each in report.refusals:
        reason = why[each.reason].format(each.towards, each.share)
        _say(f"{each.class_name}: {each.transform} is left out: {reason}.")


def _report(done: Written, place: _Place) -> int:
    """Say what was done; the exit status."""
    refused = len({outcome.name for outcome in [*place.broken, *done.refused]})
    if done.unsafe:
        _say(
            f"nearer to another class, however often drawn, and not written: "
            f"{done.unsafe} of {done.unsafe + done.written}."
        )
    print(f"{counted(done.written, 'variant')} written, {done.present} there already, "
          f"{counted(refused, 'original')} refused; batch {done.batch} in {place.manifest.folder}.")  # fmt: skip
    return _code(place, refused)


def _code(place: _Place, refused: int) -> int:
    """Refused originals are passed over; it fails only where there is none but those."""
    known = {f"{original.folder}/{original.path.name}" for original in place.originals}
    return 1 if refused and refused >= len(known | {outcome.name for outcome in place.broken}) else 0


def _say(text: str) -> None:
    print(f"burin: {text}", file=sys.stderr)
