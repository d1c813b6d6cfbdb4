"""Runs beside one another: their curves in one chart, their scores with intervals, and what was asked differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import streamlit as st

from core.training.run import Run
from pages.ui import charts, widgets
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.training.curves import Row, curves, frame, reach, spec, steps_per_epoch
from pages.ui.training.live_curves import legend
from pages.ui.training.words import SCORES, asked, field_label, field_value, interval, run_name, score_name

MEASURES = (*SCORES, "loss", "active")


def show(runs: Sequence[Run]) -> None:
    """The comparison of two runs or more."""
    names = labels(runs)
    with st.container(border=True, key="runs.compare"):
        n = len(runs)
        with st.container(horizontal=True, vertical_alignment="center"):
            text = ngettext("{n} run compared", "{n} runs compared", n).format(n=number(n))
            st.subheader(text, anchor=False, width="stretch")
            st.button(_("Clear"), icon=":material/close:", key="runs.clear", type="tertiary", on_click=_clear)
        _overlay(runs, names)
        _scores(runs, names)
        _differences(runs, names)


def labels(runs: Sequence[Run]) -> dict[str, str]:
    """A name for each run; runs of one name are numbered, oldest first, the number before the name: ends are cut."""
    named: dict[str, str] = {}
    often = Counter(run_name(run) for run in runs)
    taken = {name for name, times in often.items() if times == 1}
    for run in sorted(runs, key=lambda run: run.record.created_at):
        name = run_name(run)
        if often[name] > 1:
            name = next(said for n in count(1) if (said := f"{n} · {run_name(run)}") not in taken)
            taken.add(name)
        named[run.id] = name
    return named


def _clear() -> None:
    for run_id in st.query_params.get("compare", "").split("."):
        st.session_state.pop(f"runs.pick.{run_id}", None)
    st.query_params.pop("compare", None)


def _overlay(runs: Sequence[Run], names: dict[str, str]) -> None:
    titles = {**{name: score_name(name) for name in SCORES}, "loss": _("loss"), "active": _("active triplets or pairs")}
    records = {run.id: run.metrics() for run in runs}
    drawn = {
        run.id: curves(records[run.id], steps_per_epoch=steps_per_epoch(records[run.id], asked=run.settings.steps))
        for run in runs
    }
    measure = linked_choice(
        st.segmented_control, _("Curve"), list(MEASURES), param="curve", key="runs.curve",
        default=_telling([row for made in drawn.values() for row in made.scores]),
        required=True, format_func=titles.__getitem__, label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    rows: list[Row] = []
    for run in runs:
        made = drawn[run.id]
        if measure in SCORES:
            held = [row for row in made.scores if row["series"] == measure]
        elif measure == "loss":
            held = [row for row in made.loss if row["series"] == "smooth"]
        else:
            held = made.active
        rows += [{**row, "series": run.id} for row in held]
    if not rows:
        st.caption(_("None of these runs has this curve."))
        return
    palette = charts.palette()
    series = {names[run.id]: palette[position % len(palette)] for position, run in enumerate(runs)}
    words = {"x": _("epochs"), "y": titles[measure or "top1"], "soft": charts.look().soft}
    made_of = spec(
        series, words=words, figures=".3~f" if measure == "loss" else ".0%", dots=measure in SCORES,
        domain=reach(rows, whole=measure not in SCORES), epochs=max(row["x"] for row in rows), height=320, locale=workbench().language,
    )  # fmt: skip
    legend(series)
    st.vega_lite_chart(frame(rows, names), made_of, key=f"runs.overlay.{measure}", alt=words["y"])


def _telling(scores: Sequence[Row]) -> str:
    """The first score that moves, or differs between the runs: flat lines lie on one another and say nothing."""
    for name in SCORES:
        if len({row["y"] for row in scores if row["series"] == name}) > 1:
            return name
    return SCORES[0]


def _scores(runs: Sequence[Run], names: dict[str, str]) -> None:
    columns: dict[str, list[str]] = {_("Run"): [], **{score_name(name): [] for name in SCORES}, _("Leaks"): []}
    for run in runs:
        held = run.record.best["scores"] if run.record.best else {}
        n = int(held.get("n", 0))
        columns[_("Run")].append(names[run.id])
        for name in SCORES:
            value = held.get(name)
            said = "–" if value is None else percent(value)
            if value is not None and n and name in ("top1", "top5"):
                said += f" ({interval(value, n)})"
            columns[score_name(name)].append(said)
        columns[_("Leaks")].append(_leaks(run))
    widgets.table(columns, hide_index=True, placeholder=widgets.NONE, alt=_("Scores of the runs compared"))
    if len({run.record.snapshot for run in runs}) > 1 or len({_measured(run) for run in runs}) > 1:
        st.markdown(
            ":orange[:material/info:] "
            + _("They were not measured on the same images: a small difference may come from that alone.")
        )


def _leaks(run: Run) -> str:
    if not run.audit.images:
        return _("not audited")
    if run.audit.open and not run.audit.findings:
        return _("leaks not known")
    return _("no leak") if run.audit.clean else number(len(run.audit.findings))


def _measured(run: Run) -> frozenset[str]:
    return frozenset(sha256 for sha256, side in run.split.side.items() if side == "validation")


def _differences(runs: Sequence[Run], names: dict[str, str]) -> None:
    values = {run.id: asked(run) for run in runs}
    fields = list(dict.fromkeys(name for held in values.values() for name in held))
    apart = [name for name in fields if len({repr(held.get(name)) for held in values.values()}) > 1]
    if not apart:
        st.caption(_("They were asked for the same: only the data or chance differ."))
        return
    columns: dict[str, list[str]] = {_("Setting"): [field_label(name) for name in apart]}
    for run in runs:
        columns[esc(names[run.id])] = [esc(_said(name, values[run.id])) for name in apart]
    st.markdown("**" + _("What was asked differently") + "**")
    st.table(columns, hide_index=True, width="stretch")  # its cells wrap


def _said(name: str, held: dict[str, Any]) -> str:
    return field_value(name, held[name]) if name in held else "–"
