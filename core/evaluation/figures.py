"""An evaluation as plotly figures: a report in, a figure out. No words and no colours of its own: both are given.

plotly is imported where a figure is made. Names of classes are data: their markup is escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.report import EvaluationReport, Share
from core.variation.figures import Look

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LABELLED = 80  # classes up to which every row and column carries its name

_PLAIN: dict[str, Any] = {"margin": {"l": 8, "r": 8, "t": 28, "b": 8}, "height": 320}
_SHARE: dict[str, Any] = {"tickformat": ".0%", "range": [0, 1.03], "fixedrange": True}


def confusion(
    report: EvaluationReport,
    order: np.ndarray,
    *,
    look: Look,
    words: Mapping[str, str],
    normalised: bool = True,
    logarithmic: bool = True,
    diagonal: bool = True,
) -> Figure:
    """The confusion matrix with its classes in ``order`` (C,).

    Each cell that is not empty also has an invisible square marker whose customdata is [true, predicted] (numbers
    of classes): a heatmap gives Streamlit no click, a marker does. ``words``: true, predicted, share, count.
    """
    from plotly import graph_objects as go

    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    names = [html.escape(report.classes[number].name) for number in order.tolist()]
    values = (report.normalised if normalised else report.matrix.astype(float))[np.ix_(order, order)]
    values[values == 0] = math.nan
    if not diagonal:
        np.fill_diagonal(values, math.nan)
    top = np.nanmax(values) if np.isfinite(values).any() else 1.0
    least = np.nanmin(values) if np.isfinite(values).any() else 1.0
    shown = np.log10(values) if logarithmic else values
    low, high = (math.log10(least) - 0.3, math.log10(top)) if logarithmic else (0.0, float(top))
    ticks = sorted({float(least), float(top), *(10.0**e for e in range(-4, 6) if least < 10.0**e < top)})
    gap = 1 if len(order) <= LABELLED else 0
    bar = {
        "thickness": 10,
        "outlinewidth": 0,
        "len": 0.6,
        "title": {"text": words["share" if normalised else "count"]},
        "tickvals": [math.log10(t) if logarithmic else t for t in ticks],
        "ticktext": [f"{t:.0%}" if normalised else f"{t:g}" for t in ticks],
    }
    scale = [[0, look.paper], [0.08, look.second], [1, look.accent]]
    figure = go.Figure(
        go.Heatmap(
            z=shown, zmin=low, zmax=max(high, low + 1e-6), hoverinfo="skip", xgap=gap, ygap=gap, colorscale=scale,
            colorbar=bar,
        )
    )  # fmt: skip
    cells = [(t, p, n) for t, p, n in report.counts if diagonal or t != p]
    figure.add_scatter(
        x=[int(place[p]) for _, p, _ in cells],
        y=[int(place[t]) for t, _, _ in cells],
        customdata=[[t, p] for t, p, _ in cells],
        text=[_cell_text(report, t, p, n, words) for t, p, n in cells],
        mode="markers",
        marker={"symbol": "square", "size": 14 if len(order) <= LABELLED else 6, "opacity": 0},
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    ends = [-0.5, len(order) - 0.5]
    label: dict[str, Any] = {"showgrid": False, "zeroline": False}
    if len(order) <= LABELLED:
        label |= {"tickvals": list(range(len(names))), "ticktext": names, "tickfont": {"size": 10}}
    else:
        label |= {"showticklabels": False}
    figure.update_xaxes(**label, title={"text": words["predicted"]}, range=ends, tickangle=-90, constrain="domain")
    figure.update_yaxes(**label, title={"text": words["true"]}, range=ends[::-1], scaleanchor="x", constrain="domain")
    figure.update_layout(height=min(1100, 240 + 14 * len(order)), margin=_PLAIN["margin"], dragmode="zoom")
    return figure


def top_k(report: EvaluationReport, *, look: Look, words: Mapping[str, str]) -> Figure:
    """The share of queries whose class is among the first k, with its interval. ``words``: k, right."""
    from plotly import graph_objects as go

    ks = list(range(1, len(report.top) + 1))
    low, high = zip(*(share.interval for share in report.top), strict=True)
    figure = go.Figure()
    figure.add_scatter(
        x=[*ks, *ks[::-1]], y=[*low, *high[::-1]], fill="toself", fillcolor=look.accent, opacity=0.15,
        line={"width": 0}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=ks, y=[share.value for share in report.top], mode="lines+markers", showlegend=False,
        line={"color": look.accent, "width": 2}, text=[_in_words(share) for share in report.top],
        hovertemplate=f"{html.escape(words['k'])} = %{{x}}<br>%{{text}}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**_PLAIN)
    figure.update_xaxes(title={"text": words["k"]}, dtick=1, fixedrange=True)
    lowest = max(0.0, min(low, default=0.0) - 0.05)
    figure.update_yaxes(title={"text": words["right"]}, **{**_SHARE, "range": [lowest, 1.01]})
    return figure


def rejection(report: EvaluationReport, *, look: Look, words: Mapping[str, str]) -> Figure:
    """What answering more of the known marks costs: wrong names among the answers, and marks from outside that get
    a name. ``words``: answered, error, false_accepts, threshold."""
    from plotly import graph_objects as go

    covered = [point.coverage for point in report.rejection]
    thresholds = [f"{html.escape(words['threshold'])} {point.threshold:.3f}" for point in report.rejection]
    figure = go.Figure()
    for name, colour, values in (
        ("error", look.danger, [point.error for point in report.rejection]),
        ("false_accepts", look.second, [point.false_accepts for point in report.rejection]),
    ):
        hover = f"{html.escape(words['answered'])} %{{x:.1%}}<br>%{{y:.1%}} {html.escape(words[name])}<br>%{{text}}"
        figure.add_scatter(
            x=covered, y=values, name=words[name], mode="lines", line={"color": colour, "width": 2}, text=thresholds,
            hovertemplate=f"{hover}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(**_PLAIN, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    figure.update_xaxes(title={"text": words["answered"]}, **_SHARE)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", fixedrange=True)
    return figure


def calibration(report: EvaluationReport, *, look: Look, words: Mapping[str, str]) -> Figure:
    """How often an answer is right against the vote it got, with intervals. ``words``: vote, right, answers."""
    from plotly import graph_objects as go

    shares = [Share(each.hits, each.n) for each in report.bins]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": look.soft, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    figure.add_scatter(
        x=[each.vote for each in report.bins], y=[share.value for share in shares], mode="markers", showlegend=False,
        marker={"color": look.accent, "size": 9},
        error_y={
            "type": "data", "symmetric": False, "color": look.accent, "thickness": 1.2,
            "array": [share.interval[1] - share.value for share in shares],
            "arrayminus": [share.value - share.interval[0] for share in shares],
        },
        text=[f"{_in_words(share)}<br>{share.n} {html.escape(words['answers'])}" for share in shares],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**_PLAIN)
    figure.update_xaxes(title={"text": words["vote"]}, **_SHARE)
    figure.update_yaxes(title={"text": words["right"]}, **_SHARE)
    return figure


def _cell_text(report: EvaluationReport, true: int, predicted: int, count: int, words: Mapping[str, str]) -> str:
    one, other = (html.escape(report.classes[number].name) for number in (true, predicted))
    total = int(report.matrix[true].sum())
    head = f"{html.escape(words['true'])}: <b>{one}</b><br>{html.escape(words['predicted'])}: <b>{other}</b>"
    return f"{head}<br>{count} / {total} ({count / total:.0%})"


def _in_words(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.1%} [{low:.1%}, {high:.1%}]"
