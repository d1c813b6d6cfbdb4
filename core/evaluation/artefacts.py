"""What an evaluation is written as for other programs and for paper: a text, CSV tables and PNG charts.

The interactive page is `core.evaluation.html_report`'s. Names are data: no cell is a formula, no label is markup.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.confusion import blocks, pairs
from core.evaluation.predictions import NONE, Predictions
from core.evaluation.report import TOO_FEW, EvaluationReport, Share, calibration_error
from core.ground.names import printable
from core.ground.translations import LANGUAGES, _, catalogue, percent
from core.ground.workspace import write_atomic
from core.intake.cells import neutral

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHARTS = ("confusion", "curves")
LABELLED = 90  # classes up to which a chart names them
PAIRS_TOLD = 20

WORDS: dict[str, str] = {
    "share": _("share of the class's queries"),
    "answer": _("answer"),
    "true": _("true class"),
    "top": _("Among the first k"),
    "rejection": _("What refusing buys"),
    "answered": _("known marks answered"),
    "error": _("wrong among the answered"),
    "outside": _("unknown marks named"),
    "calibration": _("Vote and accuracy"),
    "vote": _("share of the vote"),
    "right": _("right"),
}

SENTENCES = {
    True: "Clean: nothing that is measured was seen in training.",
    False: "LEAK: something that is measured was seen in training; these figures are worth little.",
    None: "Not known: nobody recorded what this encoder was trained on.",
}


def write_artefacts(folder: Path, predictions: Predictions, report: EvaluationReport) -> list[Path]:
    """Write ``report.txt``, ``classes.csv``, ``predictions.csv``, ``confusion.csv``, and the charts in every language
    (``confusion.png``, ``curves.png``; French: ``confusion.fr.png``, ``curves.fr.png``) into ``folder``; their
    paths."""
    order = blocks(predictions)
    contents = {
        "report.txt": text(report).encode(),
        "classes.csv": classes_csv(report).encode(),
        "predictions.csv": predictions_csv(predictions).encode(),
        "confusion.csv": confusion_csv(report).encode(),
    }
    for language in LANGUAGES:
        drawn = (confusion_png(report, order, language=language), curves_png(report, language=language))
        contents |= {chart_file(name, language): content for name, content in zip(CHARTS, drawn, strict=True)}
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]


def charts_in(folder: Path) -> dict[str, list[bytes]]:
    """Language -> the charts that were written into ``folder``."""
    paths = {language: [folder / chart_file(name, language) for name in CHARTS] for language in LANGUAGES}
    return {language: [path.read_bytes() for path in each if path.is_file()] for language, each in paths.items()}


def text(report: EvaluationReport) -> str:
    """The report in plain English, as wide as a terminal."""
    about = report.about
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(about.at))
    lines = [
        f"Evaluation of {printable(about.name) or 'the encoder in use'} on the {about.side} side",
        f"queries: {report.queries}, references: {report.references}, classes: {len(report.classes)}; "
        f"k = {about.neighbours}, split seed {about.seed}, {when} UTC",
        SENTENCES[report.leak_free],
        "",
        *(f"top-{k}".ljust(20) + _in_words(report.top[k - 1]) for k in (1, 3, 5)),
        "mAP@R".ljust(20) + _percent(report.map_at_r) + _between(report.map_interval),
        *(
            f"{name:<20}precision {_percent(p)}   recall {_percent(r)}   F1 {_percent(f)}"
            for name, (p, r, f) in (("macro", report.macro), ("weighted", report.weighted))
        ),
        "calibration error".ljust(20) + _percent(calibration_error(report.bins)),
        "",
        "Verdict         known marks     rightly named   marks from outside",
        *(f"{row.verdict:<16}{row.n:<16}{row.hits:<16}{row.outside}" for row in report.verdicts),
        "",
        f"Most confused (wrong answers: {sum(pair.count for pair in pairs(report))})",
        *_pairs(report),
        "",
        "Class                       references  queries  recall                    precision  F1",
        *(_line(report, number) for number in range(len(report.classes))),
    ]
    if about.refused:
        lines += ["", "Not readable, and left out:", *(f"  {printable(name)}" for name in about.refused)]
    return "\n".join(lines) + "\n"


def classes_csv(report: EvaluationReport) -> str:
    """One line a class; recall and its interval are empty where there are too few queries to measure it."""
    head = ("class", "folder", "references", "queries", "right", "top3_right", "answers", "precision", "recall",
            "recall_low", "recall_high", "f1", "map_at_r", "taken_for", "times")  # fmt: skip
    rows = []
    for row in report.classes:
        low, high = row.share.interval
        measured = [row.precision, row.recall, low, high, row.f1, row.map_at_r]
        cells = [_cell(value) for value in measured] if row.measurable else [""] * len(measured)
        counts = [row.references, row.n, row.hits, row.hits3, row.predicted]
        rows.append([row.name, row.folder, *counts, *cells, row.taken_for, row.times])
    return _csv(head, rows)


def predictions_csv(predictions: Predictions) -> str:
    """One line a query, with its first five classes; ``file_name`` and ``label`` come first."""
    best = range(1, 6)
    head = ["file_name", "label", "sha256", "verdict", "score", "similarity_to_label"]
    head += [f"{what}_{k}" for k in best for what in ("class", "similarity", "vote")]
    rows = []
    for row in range(len(predictions)):
        cells: list[object] = [
            str(predictions.files[row]), predictions.folders[predictions.truth[row]], str(predictions.sha256[row]),
            str(predictions.verdicts[row]), _cell(float(predictions.scores[row])), _cell(float(predictions.own[row])),
        ]  # fmt: skip
        for place in range(len(best)):
            number = int(predictions.ranked[row, place])
            there = number != NONE
            cells.append(predictions.folders[number] if there else "")
            cells.append(_cell(float(predictions.similarities[row, place])) if there else "")
            cells.append(_cell(float(predictions.votes[row, place])) if there else "")
        rows.append(cells)
    return _csv(head, rows)


def confusion_csv(report: EvaluationReport) -> str:
    """The cells that are not 0: true class, answer, count, and its share of the true class's queries."""
    rows = [
        [report.classes[t].folder, report.classes[p].folder, count, _cell(float(report.normalised[t, p]))]
        for t, p, count in report.counts
    ]
    return _csv(("true", "predicted", "count", "share"), rows)


def confusion_png(report: EvaluationReport, order: np.ndarray, *, language: str = "en") -> bytes:
    """The matrix with its rows as shares, alike classes side by side, the colour logarithmic so that a single
    confusion shows."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    say = catalogue(language).gettext
    names = [report.classes[number].name for number in order.tolist()]
    size = min(24.0, max(6.0, 0.17 * len(names)))
    figure = Figure(figsize=(size + 1, size), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    shares = report.normalised[np.ix_(order, order)]
    image = axes.imshow(np.ma.masked_less_equal(shares, 0), cmap="magma_r", norm=LogNorm(0.01, 1))
    figure.colorbar(image, ax=axes, shrink=0.6, label=say(WORDS["share"]))
    axes.set(xlabel=say(WORDS["answer"]), ylabel=say(WORDS["true"]))
    for axis, turned in ((axes.xaxis, 90), (axes.yaxis, 0)):
        if len(names) <= LABELLED:
            axis.set_ticks(range(len(names)), [_short(name) for name in names], fontsize=7, rotation=turned)
            for label in axis.get_ticklabels():
                label.set_parse_math(False)
        else:
            axis.set_ticks([])
    return _png(figure)


def curves_png(report: EvaluationReport, *, language: str = "en") -> bytes:
    """Top-k, rejection, and calibration of the vote, side by side."""
    from matplotlib.figure import Figure

    say = {name: catalogue(language).gettext(word) for name, word in WORDS.items()}
    figure = Figure(figsize=(13, 4), dpi=110, layout="constrained")
    first, second, third = figure.subplots(1, 3)
    ks = range(1, len(report.top) + 1)
    first.fill_between(ks, *zip(*(share.interval for share in report.top), strict=True), alpha=0.2, linewidth=0)
    first.plot(ks, [share.value for share in report.top], marker="o", markersize=4)
    first.set(title=say["top"], xlabel="k", ylim=(0, 1.02))
    if report.rejection:
        covered = [point.coverage for point in report.rejection]
        second.plot(covered, [point.error for point in report.rejection], label=say["error"])
        second.plot(covered, [point.false_accepts for point in report.rejection], label=say["outside"])
        second.legend(frameon=False, fontsize=8)
    second.set(title=say["rejection"], xlabel=say["answered"], xlim=(0, 1.02), ylim=(0, 1.02))
    third.plot((0, 1), (0, 1), linestyle=":", color="grey")
    _calibration(third, report)
    third.set(title=say["calibration"], xlabel=say["vote"], ylabel=say["right"], xlim=(0, 1.02), ylim=(0, 1.02))
    for axes in (first, second, third):
        axes.grid(alpha=0.2)
        for axis in (axes.yaxis,) if axes is first else (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _place: percent(value, language))
    return _png(figure)


def _calibration(axes: Axes, report: EvaluationReport) -> None:
    votes = [each.vote for each in report.bins]
    shares = [Share(each.hits, each.n) for each in report.bins]
    # Rounding can put the share a hair outside its own interval at 0 and 1.
    errors = [[max(0.0, s.value - s.interval[0]) for s in shares], [max(0.0, s.interval[1] - s.value) for s in shares]]
    if shares:
        axes.errorbar(votes, [share.value for share in shares], yerr=errors, marker="o", markersize=4, capsize=2)


def chart_file(name: str, language: str) -> str:
    """The file of one of the `CHARTS` in a language."""
    return f"{name}.png" if language == "en" else f"{name}.{language}.png"


def _pairs(report: EvaluationReport) -> Iterable[str]:
    for pair in pairs(report)[:PAIRS_TOLD]:
        true, said = report.classes[pair.true], report.classes[pair.predicted]
        yield f"  {pair.count:>4} of {pair.share.n:<5} {printable(true.name)} taken for {printable(said.name)}"


def _line(report: EvaluationReport, number: int) -> str:
    row = report.classes[number]
    head = f"{_short(printable(row.name)):<28}{row.references:<12}{row.n:<9}"
    if not row.measurable:
        return head + TOO_FEW.format(n=row.n)
    return head + f"{_in_words(row.share):<26}{_percent(row.precision):<11}{_percent(row.f1)}"


def _in_words(share: Share) -> str:
    low, high = share.interval
    return f"{_percent(share.value)} [{100 * low:.1f}, {100 * high:.1f}]"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Numbers as they are, names as `core.intake.cells.neutral` makes them harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([cell if _is_number(cell) else neutral(cell) for cell in row] for row in rows)
    return out.getvalue()


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
        return not str(cell).startswith("+")
    except (TypeError, ValueError):
        return False


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    return "" if math.isnan(low) else f"   (95 %: {_percent(low)} to {_percent(high)})"
