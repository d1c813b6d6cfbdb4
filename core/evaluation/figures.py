"""The curves of an evaluation as plotly figures: a report in, a figure out. Words, colours and how a share is written
(``percent``) are given: plotly's own percents know one language.

plotly is imported where a figure is made. The confusion matrix is no figure: its cells have to answer a click.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from core.evaluation.report import EvaluationReport, Share
from core.variation.figures import Look

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_PLAIN: dict[str, Any] = {"margin": {"l": 8, "r": 8, "t": 28, "b": 8}, "height": 320}
_TICKS = 6  # at most, on an axis of shares

Percent = Callable[[float], str]


def top_k(report: EvaluationReport, *, look: Look, words: Mapping[str, str], percent: Percent) -> Figure:
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
        line={"color": look.accent, "width": 2}, text=[_in_words(share, percent) for share in report.top],
        hovertemplate=f"{html.escape(words['k'])} = %{{x}}<br>%{{text}}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**_PLAIN)
    figure.update_xaxes(title={"text": words["k"]}, dtick=1, fixedrange=True)
    lowest = max(0.0, min(low, default=0.0) - 0.05)
    figure.update_yaxes(title={"text": words["right"]}, **_shares(lowest, 1.01, percent))
    return figure


def rejection(
    report: EvaluationReport,
    *,
    look: Look,
    words: Mapping[str, str],
    percent: Percent,
    decimals: Callable[[float, int], str],
) -> Figure:
    """What answering more of the known marks costs: wrong names among the answers, and marks from outside that get
    a name. ``words``: answered, error, false_accepts, threshold."""
    from plotly import graph_objects as go

    covered = [point.coverage for point in report.rejection]
    figure = go.Figure()
    for name, colour, values in (
        ("error", look.danger, [point.error for point in report.rejection]),
        ("false_accepts", look.second, [point.false_accepts for point in report.rejection]),
    ):
        told = [
            f"{html.escape(words['answered'])} {percent(point.coverage)}<br>{percent(value)} {html.escape(words[name])}"
            f"<br>{html.escape(words['threshold'])} {decimals(point.threshold, 3)}"
            for point, value in zip(report.rejection, values, strict=True)
        ]
        figure.add_scatter(
            x=covered, y=values, name=words[name], mode="lines", line={"color": colour, "width": 2}, text=told,
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(**_PLAIN, legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"})
    figure.update_xaxes(title={"text": words["answered"]}, **_shares(0, 1.03, percent))
    highest = max([0.0, *(value for point in report.rejection for value in (point.error, point.false_accepts)
                          if not math.isnan(value))])  # fmt: skip
    figure.update_yaxes(**_shares(0, 1.06 * highest or 0.05, percent))
    return figure


def calibration(report: EvaluationReport, *, look: Look, words: Mapping[str, str], percent: Percent) -> Figure:
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
        text=[f"{_in_words(share, percent)}<br>{share.n} {html.escape(words['answers'])}" for share in shares],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**_PLAIN)
    figure.update_xaxes(title={"text": words["vote"]}, **_shares(0, 1.03, percent))
    figure.update_yaxes(title={"text": words["right"]}, **_shares(0, 1.03, percent))
    return figure


def _shares(low: float, high: float, percent: Percent) -> dict[str, Any]:
    """An axis of shares from ``low`` to ``high``, its ticks at round percents."""
    step = next((step for step in (1, 2, 5, 10) if 100 * (high - low) / step <= _TICKS), 20)
    ticks = [each / 100 for each in range(0, 101, step) if low <= each / 100 <= high]
    return {"range": [low, high], "fixedrange": True, "tickvals": ticks, "ticktext": [percent(each) for each in ticks]}


def _in_words(share: Share, percent: Percent) -> str:
    low, high = share.interval
    return f"{percent(share.value)} ({percent(low)} – {percent(high)})"
