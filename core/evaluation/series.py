"""A series: one training repeated for every part of a cross-validation, for several seeds, and what they say together.

Each run of it is evaluated on its own test side as it ends. Queries of the parts of one seed are pooled; of several
seeds, the mean and the spread are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.collection.dataset import Dataset
from core.evaluation.predictions import pooled
from core.evaluation.report import Share, evaluate
from core.evaluation.store import Evaluation, folder_of
from core.evaluation.work import evaluate_subject, subject
from core.ground.errors import BadInput, BurinError, ConfigRefused
from core.ground.job_process import Report
from core.ground.workspace import Workspace, new_id
from core.training.prepare import Progress, Request
from core.training.run import Run
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.work import train
from core.variation.sources import originals_of

MOST = 100  # trainings of one series


@dataclass(frozen=True)
class OfSeed:
    """The runs of one ``seed``, and what was asked of all of them: the ``top1``, and mAP@R (0 to 1)."""

    seed: int
    runs: tuple[str, ...]
    top1: Share
    map_at_r: float


@dataclass(frozen=True)
class Summary:
    """Of a series: the figures of each seed, and how many of its runs have no evaluation (``missing``)."""

    seeds: tuple[OfSeed, ...]
    missing: int

    def spread(self, figure: Callable[[OfSeed], float]) -> tuple[float, float]:
        """Mean and standard deviation of a figure over the seeds (nan where there is one)."""
        values = [figure(each) for each in self.seeds]
        mean = sum(values) / len(values)
        if len(values) < 2:
            return mean, math.nan
        return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def planned(settings: TrainSettings, *, seeds: int = 1, every_fold: bool = False) -> list[TrainSettings]:
    """The trainings of a series: of ``seeds`` seeds, from the settings' own on, and of each either every part or the
    one asked for. Raises `ConfigRefused` where there are no parts, or too many trainings."""
    if every_fold and not settings.folds:
        raise ConfigRefused("Every part of a cross-validation needs folds: say how many.")
    folds = range(settings.folds) if every_fold else (settings.fold,)
    if not 1 <= seeds * len(folds) <= MOST:
        raise ConfigRefused("A series is of 1 to {most} trainings, not {n}.", most=MOST, n=seeds * len(folds))
    return [settings.with_(seed=settings.seed + seed, fold=fold) for seed in range(seeds) for fold in folds]


def repeated(
    workspace: Workspace,
    request: Request,
    *,
    seeds: int = 1,
    every_fold: bool = False,
    series: str = "",
    on_progress: Progress = lambda done, total, note: None,
    on_run: Callable[[Run], None] = lambda run: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[str, list[BurinError]]:
    """Train and evaluate a series one run after the other: its id (``series``, or a new one), and what went wrong.

    A run that fails is left behind, and the next one begins; ``on_run`` hears of each that ended. Raises
    `ConfigRefused`, and `BadInput` for a folder that is not the workspace's own, which cannot be evaluated.
    """
    asked = planned(request.settings, seeds=seeds, every_fold=every_fold)
    if request.data_dir is not None or request.run_id is not None:
        raise BadInput("A series is trained anew, on the workspace's own images.")
    series, failed = series or new_id(), []
    for number, settings in enumerate(asked, 1):
        name = f"{request.name} {number}/{len(asked)}" if request.name else ""
        try:
            run = train(
                workspace, replace(request, settings=settings, name=name, series=series), on_progress=on_progress,
                should_stop=should_stop,
            )  # fmt: skip
            if run.best_path.is_file() and run.record.state == "finished":
                dataset = Dataset(workspace)
                of = subject(workspace, run.id, originals_of(dataset))
                evaluate_subject(dataset, of, "test", progress=on_progress, should_stop=should_stop)
            on_run(run)
        except BurinError as error:
            failed.append(error)
        if should_stop():
            break
    return series, failed


def run_series(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: those of a training (`core.training.work.run_training`), ``seeds`` and ``every_fold``. Its
    result: the series, and how many trainings failed. Raises what the first one failed of, where all did."""
    series, failed = repeated(
        workspace, replace(Request.from_params(params), run_id=None), seeds=int(params.get("seeds", 1)),
        every_fold=bool(params.get("every_fold")), series=str(params.get("series", "")), on_progress=report,
        should_stop=should_stop,
    )  # fmt: skip
    if failed and not list(runs_of(workspace, series)):
        raise failed[0]
    return {"series": series, "failed": len(failed)}


def runs_of(workspace: Workspace, series: str) -> Iterator[Run]:
    """The runs of a series, in the order they were trained."""
    yield from (run for run in reversed(Runs(workspace).list()) if series and run.record.series == series)


def summary(workspace: Workspace, series: str) -> Summary | None:
    """What the evaluations of a series say; None where there is none yet. Raises `BadInput` where classes were
    changed between its runs, so that they cannot be pooled."""
    by_seed: dict[int, list[Run]] = {}
    missing = 0
    for run in runs_of(workspace, series):
        if run.best_path.is_file() and _evaluated(workspace, run).exists:
            by_seed.setdefault(run.settings.seed, []).append(run)
        else:
            missing += 1
    found = [_of_seed(workspace, seed, runs) for seed, runs in sorted(by_seed.items())]
    return Summary(tuple(found), missing) if found else None


def _of_seed(workspace: Workspace, seed: int, runs: Sequence[Run]) -> OfSeed:
    figures = evaluate(pooled([_evaluated(workspace, run).predictions for run in runs]))
    return OfSeed(seed, tuple(run.id for run in runs), figures.top1, figures.map_at_r)


def _evaluated(workspace: Workspace, run: Run) -> Evaluation:
    return Evaluation(folder_of(workspace, run.id, "test"))
