"""Label safety: whether an augmented image still is what its label says, as the model sees it.

A draw is unsafe when it lies nearer to another class than to its own. Flips and turns are tried
exactly on every class, to find its twins; all transforms are measured by draws. It measures and
says what must be left out; `core.variation.writer` leaves it out, and single draws that are unsafe too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.catalogue.records import FileOutcome
from core.ground.config import WorkspaceConfig
from core.variation.augment import Draw, draw, draw_seed
from core.variation.policies import Policy, Step
from core.variation.references import Judged, References, judge_all, spread
from core.variation.sources import Original
from core.variation.twins import SYMMETRIES, Symmetry, Twin, own_symmetries, reachable, twins

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

TOLERANCE = WorkspaceConfig.tolerance  # share of unsafe draws above which a transform is left out for a class
PER_CLASS, DRAWS = 4, 2  # originals of a class that are tried, and draws of each a transform
WHOLE = ""  # in place of a transform's name: all steps together, as they would be written


@dataclass(frozen=True)
class Row:
    """One transform (or `WHOLE`) on one class: the number of ``draws``, means of `Judged.moved` and
    ``margin``, the ``worst`` margin, how many were ``unsafe``, and the class (``towards``) that those, or else
    all, came nearest to."""

    folder: str
    class_name: str
    transform: str
    draws: int
    moved: float
    margin: float
    worst: float
    unsafe: int
    towards: str

    @property
    def share(self) -> float:
        return self.unsafe / self.draws


@dataclass(frozen=True)
class Refusal:
    """A transform that is left out for a class, and why: it leads to a genuine ``twin``, a flip or turn leads
    ``out`` of the class, or too many ``draws`` are unsafe; ``towards`` names the other class."""

    folder: str
    class_name: str
    transform: str
    reason: Literal["twin", "out", "draws"]
    towards: str
    share: float


@dataclass(frozen=True)
class SafetyReport:
    """What `check` found for one policy in one embedding space."""

    policy: Policy
    space: str
    tolerance: float
    rows: tuple[Row, ...]
    twins: tuple[Twin, ...]
    refusals: tuple[Refusal, ...]
    outcomes: tuple[FileOutcome, ...] = field(default=(), repr=False)

    @property
    def safe(self) -> bool:
        return not self.refusals

    def refused(self, folder: str) -> frozenset[str]:
        """The transforms that are left out for a class."""
        return frozenset(refusal.transform for refusal in self.refusals if refusal.folder == folder)

    def policy_for(self, folder: str) -> Policy:
        """The policy as it is written for a class."""
        return self.policy.without(self.refused(folder))

    def records(self) -> list[dict[str, Any]]:
        """The rows as plain records, for a table or a plot."""
        return [asdict(row) | {"share": row.share} for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy.to_json(),
            "space": self.space,
            "tolerance": self.tolerance,
            "rows": self.records(),
            "twins": [asdict(twin) for twin in self.twins],
            "refusals": [asdict(refusal) for refusal in self.refusals],
        }


def judge(draws: Sequence[Draw], original: Original, refs: References, embedder: Embedder) -> list[Judged]:
    """How safe each draw of ``original``, one of the references, is."""
    return list(judge_all(((original, each.image) for each in draws), refs, embedder))


def check(
    policy: Policy,
    refs: References,
    embedder: Embedder,
    *,
    folders: Iterable[str] | None = None,
    seed: int = 0,
    per_class: int = PER_CLASS,
    draws: int = DRAWS,
    tolerance: float = TOLERANCE,
    on_progress: Callable[[int, int], None] | None = None,
) -> SafetyReport:
    """Measure ``policy`` on up to ``per_class`` originals of each class (or of these ``folders``), by ``draws``
    draws for each transform alone, and as many for what remains of the policy together.

    A transform is refused for a class when a twin can be reached with it, or when more than
    ``tolerance`` of its draws are unsafe. When the remaining steps are unsafe together, the one
    that moves the image farthest is refused, until they are safe.
    """
    steps = [step for step in policy.steps if step.probability > 0]
    names = list(dict.fromkeys(step.transform for step in steps))
    chosen = list(refs.folders if folders is None else [f for f in refs.folders if f in set(folders)])
    found = twins(refs, embedder, folders=chosen, symmetries=reachable(steps), per_class=2 * per_class)
    some = {folder: spread(refs.of(folder), per_class) for folder in chosen}
    certain = [replace(step, probability=1.0) for step in steps]
    alone = {n: replace(policy, steps=tuple(step for step in certain if step.transform == n)) for n in names}
    trials = [_Trial(folder, name, alone[name], draws) for folder in chosen for name in names]
    rows = _measured(trials, some, refs, embedder, seed, on_progress)

    left_out = {folder: _by_twins(steps, [twin for twin in found if twin.folder == folder]) for folder in chosen}
    for row in rows:
        if row.share > tolerance and row.transform not in left_out[row.folder]:
            left_out[row.folder][row.transform] = _refusal(row, row.transform)
    moved = {(row.folder, row.transform): row.moved for row in rows}
    waiting = chosen
    while waiting:
        trials = [_Trial(folder, WHOLE, policy.without(left_out[folder]), 2 * draws) for folder in waiting]
        waiting = []
        for row, trial in zip(_measured(trials, some, refs, embedder, seed, None), trials, strict=True):
            if row.share <= tolerance or not trial.policy.steps:
                rows.append(row)
                continue
            rest = [step.transform for step in trial.policy.steps]
            farthest = max(rest, key=lambda name, folder=row.folder: moved.get((folder, name), -1.0))  # type: ignore[misc]
            left_out[row.folder][farthest] = _refusal(row, farthest)
            waiting.append(row.folder)
    refusals = tuple(refusal for folder in chosen for refusal in left_out[folder].values())
    return SafetyReport(policy, refs.space, tolerance, tuple(rows), tuple(found), refusals, refs.refused)


def looked_at(policy: Policy, sizes: Iterable[int]) -> int:
    """How many pictures `check` makes and embeds for classes of these ``sizes``, where all is safe together."""
    steps = [step for step in policy.steps if step.probability > 0]
    each, turns = DRAWS * (len({step.transform for step in steps}) + 2), len(reachable(steps))
    return sum(min(size, PER_CLASS) * each + min(size, 2 * PER_CLASS) * turns for size in sizes) if steps else 0


def _by_twins(steps: Sequence[Step], own: Sequence[Twin]) -> dict[str, Refusal]:
    """The steps to leave out so that no twin can be reached: those that reach one alone, and if two still
    do together, both."""
    by_symmetry = {twin.symmetry: twin for twin in own}
    left_out: dict[str, Refusal] = {}

    def leave(step: Step, reached: set[Symmetry]) -> None:
        twin = by_symmetry[next(s for s in SYMMETRIES if s in reached and s in by_symmetry)]
        left_out[step.transform] = Refusal(
            twin.folder, twin.class_name, step.transform, "twin" if twin.genuine else "out", twin.twin_name, twin.share
        )

    for step in steps:
        if own_symmetries(step) & by_symmetry.keys():
            leave(step, own_symmetries(step))
    rest = [step for step in steps if step.transform not in left_out and own_symmetries(step)]
    if reached := reachable(rest) & by_symmetry.keys():
        for step in rest:
            leave(step, reached)
    return left_out


@dataclass(frozen=True)
class _Trial:
    folder: str
    transform: str
    policy: Policy
    draws: int


def _measured(
    trials: Sequence[_Trial],
    some: Mapping[str, Sequence[Original]],
    refs: References,
    embedder: Embedder,
    seed: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[Row]:
    """One row a trial, all drawn and embedded in one stream."""
    work = [
        (trial, original, draw_seed(seed, original.sha256, number))
        for trial in trials
        for original in some[trial.folder]
        for number in range(trial.draws)
    ]
    read = lru_cache(maxsize=64)(Original.read)
    pictures = ((o, lambda t=t, o=o, s=s: draw(read(o), t.policy, seed=s).image) for t, o, s in work)
    judged: dict[tuple[str, str], list[Judged]] = {}
    for done, ((trial, *_rest), each) in enumerate(
        zip(work, judge_all(pictures, refs, embedder), strict=True), start=1
    ):
        judged.setdefault((trial.folder, trial.transform), []).append(each)
        if on_progress and done % 50 == 0:
            on_progress(done, len(work))
    return [_row(trial, refs.names[trial.folder], judged[trial.folder, trial.transform]) for trial in trials]


def _row(trial: _Trial, class_name: str, judged: Sequence[Judged]) -> Row:
    unsafe = [each for each in judged if each.unsafe]
    return Row(
        folder=trial.folder,
        class_name=class_name,
        transform=trial.transform,
        draws=len(judged),
        moved=float(np.mean([each.moved for each in judged])),
        margin=float(np.mean([each.margin for each in judged])),
        worst=min(each.margin for each in judged),
        unsafe=len(unsafe),
        towards=Counter(each.nearest for each in unsafe or judged).most_common(1)[0][0],
    )


def _refusal(row: Row, transform: str) -> Refusal:
    return Refusal(row.folder, row.class_name, transform, "draws", row.towards, row.share)
