"""Reports as plotly figures: a report in, a figure out. No words and no colours of its own: both are given.

plotly is imported where a figure is made. Names of classes are data: their markup is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.variation.balance import BalancePlan
from core.variation.safety import WHOLE, Row, SafetyReport

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_CLASSES = 40  # rows of a safety map; the least safe ones


@dataclass(frozen=True)
class Look:
    """Colours as CSS: text, its softer tone, the paper, what counts, a second tone beside it, and danger."""

    text: str
    soft: str
    paper: str
    accent: str
    second: str
    danger: str


def class_sizes(plan: BalancePlan, *, look: Look, words: Mapping[str, str]) -> Figure:
    """Originals, written and planned variants of each class as stacked bars, the largest first, with the line
    that the plan aims at. ``words``: originals, variants, planned, target (with ``{n}``), images."""
    from plotly import graph_objects as go

    classes = sorted(plan.classes, key=lambda each: (-each.count.originals, -each.count.images, each.count.name))
    names = [html.escape(each.count.name) for each in classes]
    pale = {"color": _between(look.accent, look.paper, 0.45), "line": {"width": 0}}  # a legend shows no opacity
    hatched = {
        "color": look.paper,
        "line": {"color": look.second, "width": 1.2},
        "pattern": {"shape": "/", "fgcolor": look.second, "bgcolor": look.paper, "size": 5, "solidity": 0.3},
    }
    parts: list[tuple[str, list[int], dict[str, Any]]] = [
        ("originals", [each.count.originals for each in classes], {"color": look.accent, "line": {"width": 0}}),
        ("variants", [each.count.variants for each in classes], pale),
        ("planned", [each.add for each in classes], hatched),
    ]
    figure = go.Figure()
    for name, sizes, marker in parts:
        if any(sizes):
            hover = f"<b>%{{x}}</b><br>%{{y}} {html.escape(words[name])}<extra></extra>"
            figure.add_bar(x=names, y=sizes, name=words[name], marker=marker, hovertemplate=hover)
    if plan.line is not None:
        text = words["target"].format(n=plan.line)
        figure.add_hline(y=plan.line, line={"color": look.text, "width": 1.5, "dash": "5px 4px"})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=plan.line, yanchor="bottom", text=text, showarrow=False,
            font={"color": look.text, "size": 13}, bgcolor=look.paper, borderpad=2,
        )  # fmt: skip
    top = max([each.after for each in classes] + [plan.line or 0, 1])
    figure.update_layout(
        barmode="stack",
        bargap=0.65 if len(classes) < 8 else 0.3,
        height=400,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(type="category", tickangle=-60 if len(classes) > 8 else 0, fixedrange=True, showgrid=False)
    figure.update_yaxes(range=[0, top * 1.12], fixedrange=True, title={"text": words["images"]}, rangemode="tozero")
    return figure


def safety_map(report: SafetyReport, *, look: Look, titles: Mapping[str, str], words: Mapping[str, str]) -> Figure:
    """The worst margin of each class under each transform: red where a draw landed nearer to another class, a
    cross where the transform is left out. The least safe classes first, at most `MOST_CLASSES`. ``titles`` names
    the transforms (`WHOLE` too); ``words``: margin, unsafe (with ``{share}`` and ``{name}``), out."""
    from plotly import graph_objects as go

    columns = [*dict.fromkeys(step.transform for step in report.policy.steps), WHOLE]
    cells = {(row.folder, row.transform): row for row in report.rows}
    columns = [column for column in columns if any(key[1] == column for key in cells)]
    folders = least_safe(report)[:MOST_CLASSES]
    names = {row.folder: row.class_name for row in report.rows}
    refused = {(refusal.folder, refusal.transform) for refusal in report.refusals}
    grid = [[cells.get((folder, column)) for column in columns] for folder in folders]
    hover = [[_told(row, words) for row in line] for line in grid]
    text = [
        ["✕" if (folder, column) in refused else _share(row) for column, row in zip(columns, line, strict=True)]
        for folder, line in zip(folders, grid, strict=True)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=[[row.worst if row else None for row in line] for line in grid],
            x=[html.escape(titles[column]) for column in columns],
            y=[html.escape(names[folder]) for folder in folders],
            text=text,
            texttemplate="%{text}",
            textfont={"color": look.text, "size": 13},
            customdata=hover,
            hovertemplate="<b>%{y}</b> · %{x}<br>%{customdata}<extra></extra>",
            zmin=-0.3,
            zmax=0.3,
            colorscale=[[0, look.danger], [0.4999, _between(look.danger, look.paper, 0.3)],
                        [0.5, _between(look.second, look.paper, 0.12)], [1, _between(look.second, look.paper, 0.7)]],
            colorbar={"title": {"text": words["margin"], "side": "right"}, "thickness": 10, "outlinewidth": 0,
                      "tickvals": [-0.3, 0, 0.3], "len": 0.9},
            xgap=2,
            ygap=2,
        )
    )  # fmt: skip
    figure.update_layout(height=130 + 26 * len(folders), margin={"l": 8, "r": 8, "t": 8, "b": 8})
    figure.update_xaxes(type="category", side="top", tickangle=-35, fixedrange=True, showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", fixedrange=True, showgrid=False, dtick=1)
    return figure


def least_safe(report: SafetyReport) -> list[str]:
    """The class folders of a report, those first whose draws landed in other classes most often, or nearest to."""
    rows: dict[str, list[Row]] = {}
    for row in report.rows:
        rows.setdefault(row.folder, []).append(row)
    lost = {refusal.folder for refusal in report.refusals}

    def order(folder: str) -> tuple[bool, float, float, str]:
        own = rows[folder]
        return folder not in lost, -max(row.share for row in own), min(row.worst for row in own), folder

    return sorted(rows, key=order)


def _told(row: Row | None, words: Mapping[str, str]) -> str:
    if row is None:
        return html.escape(words["out"])
    said = words["unsafe"].format(share=f"{row.unsafe} / {row.draws}", name=row.towards)
    return html.escape(f"{said} · {words['margin']} {row.worst:+.2f}")


def _share(row: Row | None) -> str:
    return "" if row is None or not row.unsafe else f"{row.unsafe}/{row.draws}"


def _between(colour: str, other: str, share: float) -> str:
    """``share`` of ``colour`` on ``other``, both #rrggbb."""
    pairs = zip(_levels(colour), _levels(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def _levels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
