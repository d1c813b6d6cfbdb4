"""A run's curves on the page: scores, loss, active triplets, distances, learning rates, spread, throughput, memory.

Draws what it is given: the caller reads the metrics and runs again while they grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import streamlit as st

from pages.ui import charts
from pages.ui.i18n import _, decimals, number, percent
from pages.ui.state import workbench
from pages.ui.training.curves import Curves, Row, frame, reach, spec, staggered
from pages.ui.training.words import SCORES, part_name, score_name, significant


@dataclass(frozen=True)
class Panel:
    """One chart: ``name`` ends its key, ``value`` is the newest value in words, ``series`` names its lines, ``how``
    are options of `spec`."""

    name: str
    title: str
    value: str
    meaning: str
    rows: Sequence[Row]
    series: Mapping[str, str]
    how: Mapping[str, Any]
    marks: Sequence[tuple[float, str]] = ()
    colours: tuple[str, ...] = field(default=())


def draw(made: Curves, *, epochs: float, pairs: bool = False, key: str) -> None:
    """All the charts of a run over ``epochs``; those without any value yet are left out. ``pairs``: what is active is
    pairs, not triplets."""
    with st.grid(2, min_column_width=330, gap="small"):
        for panel in (*_learning(made, pairs=pairs), *_machine(made)):
            if panel.rows:
                _chart(panel, epochs, key)


def _learning(made: Curves, *, pairs: bool) -> list[Panel]:
    marks = [(x, part_name(part)) for x, part in made.thaws]
    top1, loss, active = made.last("scores", "top1"), made.last("loss", "smooth"), made.last("active")
    scores = {name: score_name(name) for name in SCORES if any(row["series"] == name for row in made.scores)}
    each = _("each step")
    return [
        Panel(
            "scores", _("Validation scores"), f"{score_name('top1')} {percent(top1)}" if top1 is not None else "",
            _("Each epoch: the validation originals, each recognised among the training originals only."),
            made.scores, scores, {"figures": ".0%", "dots": True, "domain": reach(made.scores, whole=False)}, marks,
        ),
        Panel(
            "loss", _("Loss"), decimals(loss, 3) if loss is not None else "",
            _("What the optimiser makes small. Its level depends on the loss that was chosen."),
            made.loss, {"smooth": _("smoothed"), "each": each}, {"figures": ".3~f", "faint": each}, marks,
        ),
        Panel(
            "active", _("Active pairs") if pairs else _("Active triplets"), percent(active) if active is not None else "",
            _("The share of pairs of two classes that are still nearer than the margin.") if pairs else
            _("The share of triplets that still teach something. At zero there is nothing more to learn from them."),
            made.active, {"active": _("active")}, {"figures": ".0%", "domain": (0, 1)}, marks,
        ),
        Panel(
            "distances", _("Distances"), "",
            _("Between two embeddings of one class and of two: the median, and where nine of ten lie. The further "
              "apart the bands, the better."),
            made.distances, {"positive": _("same class"), "negative": _("other classes")},
            {"figures": ".2~f", "dots": True, "band": True}, (), ("accent", "second"),
        ),
    ]  # fmt: skip


def _machine(made: Curves) -> list[Panel]:
    marks = [(x, part_name(part)) for x, part in made.thaws]
    rates = {row["series"]: part_name(row["series"]) for row in made.rate}
    rate, spread = made.last("rate", "head"), made.last("spread")
    speed, memory = made.last("speed"), made.last("memory")
    return [
        Panel(
            "rate", _("Learning rate"), significant(rate) if rate is not None else "",
            _("Of each group of layers. A frozen group keeps its place on the curve, and joins it there."),
            made.rate, rates, {"figures": "~e", "log": True, "domain": reach(made.rate, log=True)}
            if "loss" in rates else {"figures": "~e"}, marks,
        ),
        Panel(
            "spread", _("Spread of the embeddings"), decimals(spread, 2) if spread is not None else "",
            _("1: they point everywhere. 0: all images have one embedding, which stops the training."),
            made.spread, {"spread": _("spread")}, {"figures": ".2~f", "domain": (0, 1), "dots": True},
            (), ("second",),
        ),
        Panel(
            "speed", _("Throughput"), _("Images a second: {n}").format(n=number(round(speed))) if speed else "",
            _("Images that go through training, a second."),
            made.speed, {"speed": _("images a second")}, {"figures": ",.0f"}, (), ("soft",),
        ),
        Panel(
            "memory", _("Memory"), _("{n} GB").format(n=decimals(memory / 1000, 2)) if memory is not None else "",
            _("Of the process that trains, in GB."), [{**row, "y": row["y"] / 1000} for row in made.memory],
            {"memory": "GB"}, {"figures": ".2~f"}, (), ("soft",),
        ),
    ]  # fmt: skip


def _chart(panel: Panel, epochs: float, key: str) -> None:
    """One chart in its frame: title, the newest value, the lines."""
    look = charts.look()
    palette = [getattr(look, name) for name in panel.colours] or charts.palette()
    series = {name: palette[position % len(palette)] for position, name in enumerate(panel.series.values())}
    words = {"x": _("epochs"), "y": panel.title, "soft": look.soft}
    with st.container(border=True, gap="xsmall", key=f"{key}.{panel.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{panel.title}**", help=panel.meaning, width="stretch")
            if panel.value:
                st.markdown(f":gray[{panel.value}]", width="content")
        legend(series)
        marks = staggered(panel.marks, epochs=epochs)
        few = len(panel.rows) <= len(series)  # a line of one value is a point
        how = {"domain": reach(panel.rows), "epochs": epochs, **panel.how, "dots": few or panel.how.get("dots", False)}
        lines = max((line + 1 for _x, _text, line in marks), default=0)
        drawn = spec(series, words=words, locale=workbench().language, mark_lines=lines, **how)
        st.vega_lite_chart(
            frame(panel.rows, panel.series, marks), drawn, key=f"{key}.{panel.name}.chart", alt=panel.title
        )


def legend(series: Mapping[str, str]) -> None:
    """The names of a chart's lines in their colours, on as many rows as they need; none for a single line."""
    if len(series) < 2:
        return
    stroke = "display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:middle;background:"
    names = "".join(
        f'<span><span style="{stroke}{escape(colour)}"></span>{escape(name)}</span>' for name, colour in series.items()
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:2px 14px;font-size:0.8rem;opacity:0.75">{names}</div>')
