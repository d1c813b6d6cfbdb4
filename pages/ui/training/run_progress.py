"""A training under way in one frame: epoch, step, time left, and its Pause, Resume and Stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import streamlit as st

from core.ground.job import Job
from core.training.run import Run
from pages.ui.i18n import _, number
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.words import duration

PACE = 40  # steps that the pace is taken from
PAUSED = "paused"
TRAINING = ("training", "validating", PAUSED)  # what the job says of itself once it trains


@dataclass(frozen=True)
class Left:
    """Where a training is: ``epoch`` from 1, ``step`` in it from 0; seconds left, None while nothing can be said."""

    epoch: int
    epochs: int
    step: int
    steps: int
    epoch_s: float | None = None
    total_s: float | None = None

    @property
    def share(self) -> float:
        whole = self.epochs * self.steps
        return min(1.0, ((self.epoch - 1) * self.steps + self.step) / whole) if whole else 0.0


def left(records: Sequence[Mapping[str, Any]], *, epochs: int, steps_per_epoch: int) -> Left:
    """Time left at the pace of the last steps, each epoch ending with a validation as long as the ones before.

    A pause makes one step long; the median does not mind.
    """
    steps = [record for record in records if record["kind"] == "step"]
    ended = [record for record in records if record["kind"] == "epoch" and record.get("complete", True)]
    done = steps[-1]["step"] if steps else 0
    epoch = min(epochs, len(ended) + 1)
    inside = max(0, min(steps_per_epoch, done - steps_per_epoch * len(ended)))
    pairs = pairwise(steps[-PACE:])
    gaps = [after["at"] - before["at"] for before, after in pairs if before["epoch"] == after["epoch"]]
    if len(gaps) < 2:
        return Left(epoch, epochs, inside, steps_per_epoch)
    pace = median(gaps)
    last = {record["epoch"]: record["at"] for record in steps}
    checks = [record["at"] - last[record["epoch"]] for record in ended if record["epoch"] in last]
    check = median(checks) if checks else 0.0
    epoch_s = pace * (steps_per_epoch - inside) + check
    return Left(
        epoch, epochs, inside, steps_per_epoch, epoch_s, epoch_s + (epochs - epoch) * (pace * steps_per_epoch + check)
    )


def progress(
    run: Run | None, job: Job, records: Sequence[Mapping[str, Any]], steps_per_epoch: int, *, key: str
) -> None:
    """The frame; until the process trains, also when it goes on with a run, what the job says of itself."""
    begun = job.note in TRAINING and any(record["kind"] == "step" for record in records)
    with st.container(border=True, key=f"{key}.progress"):
        if run is None or not begun:
            counted = bool(job.total) and job.note == "checking"
            share = min(job.done / job.total, 1.0) if counted else 0.0
            stage = _("Measuring what the start is worth…") if job.note == "validating" else _stage(job.note)
            st.progress(share, stage + (f" {number(job.done)} / {number(job.total)}" if counted else ""))
        else:
            _bar(left(records, epochs=run.settings.epochs, steps_per_epoch=steps_per_epoch), job)
        _buttons(run, job, key)


def _bar(now: Left, job: Job) -> None:
    parts = [
        _("Epoch {n} of {all}").format(n=number(now.epoch), all=number(now.epochs)),
        _("step {n} of {all}").format(n=number(now.step), all=number(now.steps)),
    ]
    if now.epoch_s is not None and now.total_s is not None:
        parts.append(_("{time} left in this epoch").format(time=duration(now.epoch_s)))
        parts.append("**" + _("{time} left in all").format(time=duration(now.total_s)) + "**")
    elif job.note:
        parts.append(_stage(job.note))
    st.progress(now.share, " · ".join(parts))


def _stage(note: str) -> str:
    stages = {
        "": _("Starting…"),
        "splitting": _("Splitting the images, and looking for leaks between the sides…"),
        "reading": _("Reading the images…"),
        "checking": _("Checking label safety…"),
        "training": _("Training…"),
        "validating": _("Validating…"),
        PAUSED: _("Waiting…"),
    }
    return stages.get(note, esc(note))


def _buttons(run: Run | None, job: Job, key: str) -> None:
    may = actions.allowed()
    with st.container(horizontal=True, vertical_alignment="center"):
        if run is not None and run.paused:
            st.button(
                _("Resume"), type="primary", icon=":material/play_arrow:", key=f"{key}.go_on",
                on_click=actions.go_on, args=(run,), disabled=not may,
            )  # fmt: skip
        elif run is not None:
            st.button(
                _("Pause"), icon=":material/pause:", key=f"{key}.pause", on_click=actions.pause, args=(run,),
                disabled=job.stopping or not may or job.note not in (*TRAINING, "reading"),
            )  # fmt: skip
        st.button(
            _("Stopping…") if job.stopping else _("Stop"),
            icon=":material/stop_circle:",
            key=f"{key}.stop",
            disabled=job.stopping or not may,
            help=_("Ends after the step under way. The best weights so far are kept, and the run can go on later."),
            on_click=actions.stop,
            args=(job.id, run),
        )
        if run is not None and run.paused:
            said = _("Paused: it waits, and costs nothing but memory.")
            if job.note != PAUSED:
                said = _("Pausing after this step…") if job.note == "training" else _("Pausing before the next step…")
            st.markdown(f":gray[{said}]")
