"""A training repeated for every part and several seeds: what is planned, pooled, and left behind where it fails."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.evaluation import series as module
from core.evaluation.series import planned, repeated, run_series, runs_of, summary
from core.ground.errors import BadInput, BurinError, ConfigRefused
from core.training.audit import LeakAudit
from core.training.prepare import Request
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import make_split
from core.variation.sources import originals_of
from tests.core.evaluation import made

FOLDED = TrainSettings(folds=3, seed=4)


@pytest.fixture
def dataset(tmp_path, fake_embedder, monkeypatch):
    """A collection whose trainings end at once; that of seed 13 fails."""
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, *, model=None: fake_embedder)
    data = made.collection(tmp_path)

    def train(workspace, request, **_):
        settings = request.settings
        if settings.seed == 13:
            raise BurinError("No luck.")
        originals = originals_of(data)
        split = make_split(
            originals, seed=settings.seed, validation=0.15, test=0.2, folds=settings.folds, fold=settings.fold
        )
        run = Runs(workspace).create(
            settings, split, LeakAudit((), len(originals)), originals, name=request.name, series=request.series
        )
        run.best_path.write_bytes(b"weights")
        run.end("finished")
        return run

    monkeypatch.setattr(module, "train", train)
    return data


def test_every_part_of_every_seed_is_planned():
    assert [(each.seed, each.fold) for each in planned(FOLDED, seeds=2, every_fold=True)] == [
        (4, 0), (4, 1), (4, 2), (5, 0), (5, 1), (5, 2),
    ]  # fmt: skip
    assert [(each.seed, each.fold) for each in planned(replace(FOLDED, fold=2), seeds=2)] == [(4, 2), (5, 2)]


@pytest.mark.parametrize(("settings", "how"), [
    (TrainSettings(), {"every_fold": True}), (TrainSettings(), {"seeds": 0}),
    (TrainSettings(folds=20), {"seeds": 6, "every_fold": True}),
])  # fmt: skip
def test_what_cannot_be_repeated_is_refused(settings, how):
    with pytest.raises(ConfigRefused):
        planned(settings, **how)


def test_the_parts_are_pooled_and_ask_every_image_that_can_be_asked_once(dataset):
    ended = []
    made_series, failed = repeated(
        dataset.workspace, Request(FOLDED, name="parts"), seeds=2, every_fold=True, on_run=ended.append
    )
    assert not failed and [run.record.name for run in ended] == [f"parts {n}/6" for n in range(1, 7)]
    found = summary(dataset.workspace, made_series)
    assert [each.seed for each in found.seeds] == [4, 5] and found.missing == 0
    originals = originals_of(dataset)
    alone = make_split(originals, seed=4, validation=0, test=0.2).single
    askable = {original.sha256 for original in originals if original.folder not in alone}
    for each in found.seeds:
        assert len(each.runs) == 3 and each.top1.n == len(askable)
    values = [each.top1.value for each in found.seeds]
    mean, deviation = found.spread(lambda each: each.top1.value)
    assert mean == pytest.approx(np.mean(values)) and deviation == pytest.approx(np.std(values, ddof=1))


def test_of_one_seed_no_spread_is_said(dataset):
    made_series, _failed = repeated(dataset.workspace, Request(FOLDED))
    mean, deviation = summary(dataset.workspace, made_series).spread(lambda each: each.top1.value)
    assert 0 <= mean <= 1 and math.isnan(deviation)


def test_a_run_that_fails_is_left_behind_and_said(dataset):
    made_series, failed = repeated(dataset.workspace, Request(replace(FOLDED, seed=12)), seeds=3)
    assert [str(error) for error in failed] == ["No luck."]
    assert [run.settings.seed for run in runs_of(dataset.workspace, made_series)] == [12, 14]
    assert len(summary(dataset.workspace, made_series).seeds) == 2


def test_the_job_says_the_series_and_fails_only_where_all_did(dataset):
    params = {**Request(FOLDED).to_params(), "seeds": 1, "every_fold": True}
    result = run_series(dataset.workspace, params, lambda *_: None, lambda: False)
    assert result["failed"] == 0 and len(list(runs_of(dataset.workspace, result["series"]))) == 3
    params["settings"]["seed"] = 13
    with pytest.raises(BurinError, match=r"No luck\."):
        run_series(dataset.workspace, params, lambda *_: None, lambda: False)


def test_asked_to_stop_it_begins_no_further_run(dataset):
    stopped = []
    made_series, _failed = repeated(
        dataset.workspace, Request(FOLDED), every_fold=True, on_run=stopped.append, should_stop=lambda: bool(stopped)
    )
    assert len(list(runs_of(dataset.workspace, made_series))) == 1


def test_a_run_that_goes_on_or_another_folder_is_no_series(dataset):
    for request in (Request(FOLDED, run_id="abc"), Request(FOLDED, data_dir="/elsewhere")):
        with pytest.raises(BadInput):
            repeated(dataset.workspace, request)
    assert summary(dataset.workspace, "") is None
