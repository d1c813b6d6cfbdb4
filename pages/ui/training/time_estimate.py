"""How long a training will take: from runs of the same network on this machine, else from how fast it recognises."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import streamlit as st

from core.training.run import Run
from core.training.sampling import PlannedSampling
from core.training.settings import TRAINED, TrainSettings
from pages.ui import services
from pages.ui.training import actions
from pages.ui.variation import writing

RUNS = 12  # looked at, newest first
BACKWARD = 5.0  # a training step costs about so many times a recognition: a guess until a run has been measured
WHOLE_TRUNK = 1.7  # the whole trunk beside the one that is cut after block 4


@dataclass(frozen=True)
class Estimate:
    """``seconds`` in all, of which the label-safety check before takes ``check``; ``measured``: by a run of the same
    network, else guessed from a recognition."""

    seconds: float
    measured: bool
    check: float = 0.0


def estimate(
    settings: TrainSettings, planned: PlannedSampling, *, originals: int, looked_at: int = 0
) -> Estimate | None:
    """For the batches that are ``planned``; ``looked_at``: the pictures that the label-safety check makes first. None
    while there is nothing to guess from."""
    images = settings.epochs * planned.steps * planned.classes * planned.images
    policy = settings.drawn
    check = looked_at * writing.cost_of(policy).check if policy and looked_at else 0.0
    for run in actions.found()[:RUNS]:
        if _like(run, settings) and (speed := _speed(str(run.folder), run.record.ended_at)):
            per_epoch, per_second = speed
            return Estimate(check + images / per_second + settings.epochs * per_epoch, True, check)
    if services.preparation().stage != "ready":
        return None
    recognition = recognition_s(services.embedder().space)
    drawing = writing.cost_of(policy).seconds if policy and policy.steps else 0.0
    trunk = 1.0 if settings.start in TRAINED else WHOLE_TRUNK
    side = services.preprocessing().size
    network = recognition * trunk * (settings.preprocessing.size / side) ** 2
    return Estimate(
        check + images * (network * BACKWARD + drawing) + settings.epochs * originals * network, False, check
    )


def _like(run: Run, settings: TrainSettings) -> bool:
    """Whether a step of ``run`` costs as much as one of these settings."""
    held = run.record.settings
    return (
        run.state in ("finished", "stopped")
        and held.get("architecture") == settings.architecture
        and held.get("start") == settings.start
        and held.get("model") == settings.model
        and held.get("preprocessing") == settings.preprocessing.to_json()
        and _steps(held) == _steps(settings.to_json())
    )


def _steps(settings: Mapping[str, Any]) -> Any:
    """What is drawn for each image, which takes its time; of written variants nothing."""
    return (settings.get("policy") or {}).get("steps") or None if settings.get("source", "fly") == "fly" else None


@st.cache_data(show_spinner=False, max_entries=64)
def _speed(folder: str, ended_at: float | None) -> tuple[float, float] | None:
    """Seconds of a validation, and images a second, in a run that has ended."""
    from pathlib import Path

    from core.training.run import read_lines

    lines = list(read_lines(Path(folder) / "metrics.jsonl"))
    speeds = [line["images_per_s"] for line in lines if line["kind"] == "step" and line.get("images_per_s")]
    last = {line["epoch"]: line["at"] for line in lines if line["kind"] == "step"}
    checks = [line["at"] - last[line["epoch"]] for line in lines if line["kind"] == "epoch" and line["epoch"] in last]
    return (median(checks) if checks else 0.0, median(speeds)) if speeds else None


@st.cache_data(show_spinner=False, max_entries=4)
def recognition_s(space: str) -> float:
    """Seconds an image of the encoder in use, the fastest of a few tries."""
    encoder = services.embedder()
    batch = np.full((8, *encoder.preprocessing.shape), 255, np.uint8)
    encoder.embed(batch)
    took = []
    for _try in range(3):
        started = time.perf_counter()
        encoder.embed(batch)
        took.append(time.perf_counter() - started)
    return min(took) / len(batch)
