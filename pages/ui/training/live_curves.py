"""A run's curves on the page: scores, loss, active triplets, distances, learning rates, spread, throughput, memory.

Draws what it is given: the caller reads the metrics and runs again while they grow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from pages.ui import charts
from pages.ui.i18n import _, decimals, number, percent
from pages.ui.state import workbench
from pages.ui.training.curves import Curves, Row, frame, spec
from pages.ui.training.training_words import SCORES, part_name, score_name, significant


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


def draw(made: Curves, *, key: str) -> None:
    """All the charts of a run; those without any value yet are left out."""
    with st.grid(2, min_column_width=330, gap="small"):
        for panel in (*_learning(made), *_machine(made)):
            if panel.rows:
                _chart(panel, key)


def _learning(made: Curves) -> list[Panel]:
    marks = [(x, part_name(part)) for x, part in made.thaws]
    top1, loss, active = made.last("scores", "top1"), made.last("loss", "smooth"), made.last("active")
    scores = {name: score_name(name) for name in SCORES if any(row["series"] == name for row in made.scores)}
    each = _("each step")
    return [
        Panel(
            "scores", _("Validation scores"), f"{score_name('top1')} {percent(top1)}" if top1 is not None else "",
            _("Each epoch: the validation originals, each recognised among the training originals only."),
            made.scores, scores, {"figures": ".0%", "dots": True, "whole": False, "marked": True}, marks,
        ),
        Panel(
            "loss", _("Loss"), decimals(loss, 3) if loss is not None else "",
            _("What the optimiser makes small. Its level depends on the loss that was chosen."),
            made.loss, {"smooth": _("smoothed"), "each": each}, {"figures": ".3~f", "faint": each, "marked": True}, marks,
        ),
        Panel(
            "active", _("Active triplets"), percent(active) if active is not None else "",
            _("The share of triplets that still teach something. At zero there is nothing more to learn from them."),
            made.active, {"active": _("active")}, {"figures": ".0%", "domain": (0, 1), "marked": True}, marks,
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
            made.rate, rates, {"figures": "~g", "log": "loss" in rates, "marked": True}, marks,
        ),
        Panel(
            "spread", _("Spread of the embeddings"), decimals(spread, 2) if spread is not None else "",
            _("1: they point everywhere. 0: all images have one embedding, which stops the training."),
            made.spread, {"spread": _("spread")}, {"figures": ".2~f", "domain": (0, 1), "dots": True},
            (), ("second",),
        ),
        Panel(
            "speed", _("Throughput"), _("{n} images a second").format(n=number(round(speed))) if speed else "",
            _("Images that go through training, a second."),
            made.speed, {"speed": _("images a second")}, {"figures": "~s"}, (), ("soft",),
        ),
        Panel(
            "memory", _("Memory"), _("{n} MB").format(n=number(round(memory))) if memory is not None else "",
            _("Of the process that trains."), made.memory, {"memory": "MB"}, {"figures": "~s"}, (), ("soft",),
        ),
    ]  # fmt: skip


def _chart(panel: Panel, key: str) -> None:
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
        drawn = spec(series, words=words, locale=workbench().language, **panel.how)
        st.vega_lite_chart(
            frame(panel.rows, panel.series, panel.marks), drawn, key=f"{key}.{panel.name}.chart", alt=panel.title
        )
