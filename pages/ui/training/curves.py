"""A run's metrics as points for charts, thinned and smoothed, and the charts' specifications. No widgets, no words.

The records are those of metrics.jsonl (`core.training.run`): steps, epochs, and what was thawed when.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_POINTS = 200  # of one curve: more are not seen on a third of a screen, and each is an element of the page
SMOOTHING = 25  # steps that a smoothed loss remembers
NARROWEST, LETTER, LINE = 230, 6, 13  # px: a chart's lines on a phone, a letter of a mark and the height of its line

Row = dict[str, Any]


@dataclass
class Curves:
    """Rows ``{"x": epochs, "y": value, "series": name}`` of each chart; ``thaws`` are (x, part).

    ``rate``'s series are parameter groups, ``scores``' are measures; ``distances`` have ``low`` and ``high`` too.
    """

    loss: list[Row] = field(default_factory=list)
    rate: list[Row] = field(default_factory=list)
    active: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    distances: list[Row] = field(default_factory=list)
    spread: list[Row] = field(default_factory=list)
    speed: list[Row] = field(default_factory=list)
    memory: list[Row] = field(default_factory=list)
    thaws: list[tuple[float, str]] = field(default_factory=list)
    epochs: int = 0
    steps: int = 0

    def last(self, chart: str, series: str | None = None) -> float | None:
        """The newest value of a chart's curve; None where there is none yet."""
        rows = [row for row in getattr(self, chart) if series in (None, row["series"])]
        return rows[-1]["y"] if rows else None


def steps_per_epoch(records: Iterable[Mapping[str, Any]], *, asked: int = 0) -> int:
    """How many steps an epoch of a run has: as the settings ``asked``, else as its first whole epoch had; while there
    is none yet, as many as there are."""
    if asked:
        return asked
    step = 0
    for record in records:
        step = max(step, record.get("step", 0))
        if record["kind"] == "epoch" and record.get("complete", True):
            return max(1, record["step"] // (record["epoch"] + 1))
    return max(1, step)


def curves(records: Iterable[Mapping[str, Any]], *, steps_per_epoch: int) -> Curves:
    """The curves of a run; a step's place is its share of the epochs, so that runs of other batch sizes compare.

    The scores before any training are at 0.
    """
    steps: list[Mapping[str, Any]] = []
    made = Curves()
    for record in records:
        if record["kind"] == "step":
            steps.append(record)
        elif record["kind"] == "start":
            _checked(made, record, 0.0)
        elif record["kind"] == "epoch":
            made.epochs = record["epoch"] + 1
            _checked(made, record, record["step"] / steps_per_epoch)
        elif record["kind"] == "thaw":
            made.thaws.append((record["step"] / steps_per_epoch, record["part"]))
    made.steps = steps[-1]["step"] if steps else 0
    xs = [record["step"] / steps_per_epoch for record in steps]
    loss = [record["loss"] for record in steps]
    made.loss = _line(xs, loss, "each") + _line(xs, smoothed(loss), "smooth")
    made.active = _line(xs, [record.get("active") for record in steps], "active")
    made.speed = _line(xs, [record.get("images_per_s") for record in steps], "speed")
    made.memory = _line(xs, [record.get("memory_mb") for record in steps], "memory")
    for group in dict.fromkeys(name for record in steps for name in record.get("lr", {})):
        made.rate += _line(xs, [record["lr"].get(group) for record in steps], group)
    return made


def _checked(made: Curves, record: Mapping[str, Any], x: float) -> None:
    """What a validation found, at its place."""
    for name in ("top1", "top5", "macro_recall", "map_at_r"):
        value = (record.get("validation") or {}).get(name)
        if value is not None:
            made.scores.append({"x": x, "y": value, "series": name})
    health = record.get("health") or {}
    if health.get("spread") is not None:
        made.spread.append({"x": x, "y": health["spread"], "series": "spread"})
    for name in ("positive", "negative"):
        quantiles = health.get(name)
        if quantiles:
            made.distances.append(
                {"x": x, "y": quantiles[2], "low": quantiles[0], "high": quantiles[-1], "series": name}
            )


def smoothed(values: Sequence[float], span: int = SMOOTHING) -> list[float]:
    """An exponential mean that remembers about ``span`` values, without the usual pull towards zero at the start."""
    keep = 1 - 2 / (min(span, max(1, len(values) // 4)) + 1)
    mean, weight, made = 0.0, 0.0, []
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        made.append(mean / weight)
    return made


def _line(xs: Sequence[float], ys: Sequence[float | None], series: str) -> list[Row]:
    """Rows of the points that have a value, at most `MOST_POINTS`: means of equally many neighbours."""
    pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None and math.isfinite(y)]
    size = -(-len(pairs) // MOST_POINTS) or 1
    made = []
    for start in range(0, len(pairs), size):
        group = pairs[start : start + size]
        made.append(
            {
                "x": sum(x for x, _y in group) / len(group),
                "y": sum(y for _x, y in group) / len(group),
                "series": series,
            }
        )
    return made


def frame(
    rows: Sequence[Row], names: Mapping[str, str], marks: Sequence[tuple[float, str, int]] = ()
) -> dict[str, list]:
    """Columns for `st.vega_lite_chart`, the series under their ``names``; ``marks`` (x, text, line) are rows without a value.

    Everything of a chart is in one table: the specification changes with the reach of its axes only, and the chart is
    not built anew.
    """
    marked = [{"x": x, "y": None, "series": "", "mark": text, "line": line} for x, text, line in marks]
    told = [{"mark": "", "line": 0, **row, "series": names.get(row["series"], row["series"])} for row in rows]
    columns = ["x", "y", "series", "mark", "line", *(["low", "high"] if any("low" in row for row in rows) else [])]
    return {column: [row.get(column) for row in [*told, *marked]] for column in columns}


def staggered(marks: Sequence[tuple[float, str]], *, epochs: float) -> list[tuple[float, str, int]]:
    """(x, text, line): each text on the lowest line that has room for it on a phone's chart."""
    ends: list[float] = []
    made = []
    for x, text in marks:
        start = x / max(1.0, epochs) * NARROWEST
        line = next((n for n, end in enumerate(ends) if end <= start), len(ends))
        ends[line : line + 1] = [start + LETTER * (len(text) + 1)]
        made.append((x, text, line))
    return made


def reach(rows: Sequence[Row], *, whole: bool = True, log: bool = False) -> tuple[float, float]:
    """The least and the most that an axis shows for these rows: never nothing, and the same while they grow a little.

    ``whole``: from zero on, to a round number; otherwise between steps of 0.05, up to 1 at most; ``log``: decades.
    """
    values = [row[name] for row in rows for name in ("y", "low", "high") if row.get(name) is not None]
    if log:
        values = [value for value in values if value > 0]
        low, high = math.log10(min(values, default=1)), math.log10(max(values, default=1))
        return 10.0 ** math.floor(low), 10.0 ** max(math.ceil(high), math.floor(low) + 1)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if whole:
        step = 10.0 ** math.floor(math.log10(high)) / 2 if high > 0 else 1.0
        return min(0.0, low), step * max(1, math.ceil(high / step))
    top = min(1.0, math.floor(high / 0.05 + 1) * 0.05)
    return max(0.0, min(math.floor(low / 0.05 + 1e-9) * 0.05, top - 0.05)), top


def spec(
    series: Mapping[str, str],
    *,
    words: Mapping[str, str],
    figures: str,
    domain: Sequence[float],
    epochs: float = 1,
    faint: str = "",
    dots: bool = False,
    band: bool = False,
    mark_lines: int = 0,
    log: bool = False,
    height: int = 230,
    locale: str = "en",
) -> dict[str, Any]:
    """A Vega-Lite chart of lines over ``epochs``, between the two values of ``domain``: axes that are told their reach
    need no data to be drawn. ``series``: name -> colour; ``faint`` is drawn thin and pale; ``dots``: each value is a
    point; ``band``: between ``low`` and ``high``; ``mark_lines``: how many lines of marks there is room for above;
    ``log``: decades alike; ``words``: x, y, soft (the colour of marks)."""
    scale = {"domain": list(series), "range": list(series.values())}
    colour: dict[str, Any] = {"field": "series", "type": "nominal", "scale": scale, "legend": None}
    x = {
        "field": "x", "type": "quantitative", "title": words["x"],
        "scale": {"nice": False, "domain": [0, max(1, epochs)]},
        "axis": {"tickMinStep": 1, "grid": False, "labelFlush": False},
    }  # fmt: skip
    y: dict[str, Any] = {
        "field": "y",
        "type": "quantitative",
        "title": None,
        "axis": {"format": figures, "tickCount": 4},
        "scale": {"domain": list(domain), "clamp": True, "nice": False, **({"type": "log"} if log else {})},
    }
    tip = [
        {"field": "x", "type": "quantitative", "title": words["x"], "format": ".1f"},
        {"field": "y", "type": "quantitative", "title": words["y"], "format": figures},
        *([{"field": "series", "type": "nominal", "title": " "}] if len(series) > 1 else []),
    ]
    lines = {"filter": "datum.mark == '' && isValid(datum.y)"}
    layers = _marks(x, words["soft"])
    if band:
        layers.append(
            {
                "transform": [lines],
                "mark": {"type": "area", "opacity": 0.16},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            }
        )
    if faint:
        layers.append(
            {
                "transform": [lines, {"filter": {"field": "series", "equal": faint}}],
                "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.4},
                "encoding": {"x": x, "y": y, "color": colour},
            }
        )
    bold = [lines] + ([{"filter": {"not": {"field": "series", "equal": faint}}}] if faint else [])
    point: Any = {"filled": True, "size": 36} if dots else {"opacity": 0, "size": 60}
    layers.append(
        {
            "transform": bold,
            "mark": {"type": "line", "strokeWidth": 2, "point": point, "interpolate": "linear"},
            "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
        }
    )
    return {
        "height": height,
        "padding": {"left": 0, "right": 4, "top": 6 + LINE * mark_lines, "bottom": 0},
        "layer": layers,
        "config": {"view": {"stroke": None}, "locale": _locale(locale)},
    }


def _marks(x: dict[str, Any], soft: str) -> list[dict[str, Any]]:
    """The layers of what is marked at a place of ``x``: a line across, and its text above the chart."""
    marked = [{"filter": "datum.mark != ''"}]
    rule = {"type": "rule", "aria": False, "strokeDash": [4, 4], "color": soft}
    text = {
        "type": "text", "align": "left", "baseline": "bottom", "dx": -1, "fontSize": 11,
        "y": {"expr": f"-4 - {LINE} * datum.line"},
        "color": soft,
    }  # fmt: skip
    return [
        {"transform": marked, "mark": rule, "encoding": {"x": x}},
        {"transform": marked, "mark": text, "encoding": {"x": x, "text": {"field": "mark"}}},
    ]


def _locale(language: str) -> dict[str, Any]:
    """How numbers of the axes are written: https://d3js.org/d3-format#formatLocale."""
    french = language == "fr"
    return {
        "number": {
            "decimal": "," if french else ".",
            "thousands": "\u202f" if french else ",",
            "grouping": [3],
            "currency": ["", ""],
            "percent": "\u202f%" if french else "%",
        }
    }
