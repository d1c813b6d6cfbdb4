"""The scores of an evaluation, each with its interval and the leak badge, and the table of its classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import widgets
from pages.ui.evaluation import cases, evaluating
from pages.ui.i18n import _, decimals, number, percent, translated
from pages.ui.text import esc
from pages.ui.training.words import when

if TYPE_CHECKING:
    from core.evaluation.report import ClassRow, EvaluationReport, Share
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen


def interval(share: Share) -> str:
    """A Wilson interval: 83.1 – 91.0 %."""
    if not share.n:
        return "–"
    low, high = share.interval
    return f"{decimals(100 * low, 1)} – {percent(high)}"


def between(low: float, high: float) -> str:
    """An interval of shares: 83.1 – 91.0 %."""
    return "–" if math.isnan(low) else f"{decimals(100 * low, 1)} – {percent(high)}"


def figure(value: float) -> str:
    return "–" if math.isnan(value) else percent(value)


def head(evaluation: Evaluation, report: EvaluationReport) -> None:
    """The figures that say how good it is, and what they stand on."""
    badge = evaluating.badge(evaluation)
    told = [
        (_("Top-1"), report.top1, _("the first answer is right")),
        (_("Top-3"), report.top3, _("among the first three")),
        (_("Top-5"), report.top5, _("among the first five")),
    ]
    with st.grid(5, min_column_width=150, gap="medium"):
        for title, share, meaning in told:
            with st.container(gap="xxsmall"):
                st.metric(title, figure(share.value), help=meaning)
                st.markdown(f":small[:gray[{interval(share)}]]  \n{badge}")
        for title, value, meaning in (
            (
                _("F1, classes alike"),
                report.macro[2],
                _("Macro F1: the mean over classes, the rare ones counting as much."),
            ),
            (_("mAP@R"), report.map_at_r, _("How purely a class’s references come first, all of them.")),
        ):
            with st.container(gap="xxsmall"):
                st.metric(title, figure(value), help=meaning)
                note = (
                    _("weighted {value}").format(value=figure(report.weighted[2]))
                    if value is report.macro[2]
                    else between(*report.map_interval)
                )
                st.markdown(f":small[:gray[{note}]]  \n{badge}")
    about, interval_word = report.about, _("95 % intervals")
    parts = [evaluating.classes_measured(report), interval_word, esc(when(about.at)), f"k = {number(about.neighbours)}"]
    st.caption(" · ".join(parts))


def classes(chosen: Chosen, evaluation: Evaluation) -> None:
    """Class by class; a click opens what happened to its images."""
    from core.evaluation.report import TOO_FEW

    report = evaluating.report_of(evaluation)
    rows = sorted(report.classes, key=lambda row: (not row.measurable, row.recall if row.measurable else 0, row.name))
    names = {row.folder: row.name for row in report.classes}
    few = translated(TOO_FEW)
    columns: dict[str, Sequence[Any]] = {
        _("Class"): [row.name for row in rows],
        _("Recall"): [100 * row.recall if row.measurable else None for row in rows],
        _("Interval"): [interval(row.share) if row.measurable else few.format(n=number(row.n)) for row in rows],
        _("Most taken for"): [
            f"{names.get(row.taken_for, row.taken_for)} × {number(row.times)}" if row.times else "" for row in rows
        ],
        _("Queries"): [row.n for row in rows],
        _("References"): [row.references for row in rows],
        _("Precision"): [_or_none(row.precision, row) for row in rows],
        _("F1"): [_or_none(row.f1, row) for row in rows],
        _("mAP@R"): [_or_none(row.map_at_r, row) for row in rows],
    }
    share = st.column_config.NumberColumn(format="%.0f %%", width=72)
    _averages(report)
    event = widgets.table(
        columns,
        hide_index=True,
        placeholder=widgets.NONE,
        height=min(640, 40 + 35 * len(rows)),
        alt=_("Every class with its scores"),
        key="evaluate.classes",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            _("Class"): st.column_config.TextColumn(width=116, pinned=True),
            _("Recall"): st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, width=104),
            _("Interval"): st.column_config.TextColumn(width=212),
            _("Most taken for"): st.column_config.TextColumn(width=130),
            _("Queries"): st.column_config.NumberColumn(width=72),
            _("References"): st.column_config.NumberColumn(width=88),
            _("Precision"): share,
            _("F1"): share,
            _("mAP@R"): share,
        },
    )
    st.caption(_("Click a class for its images. Of a single query, nothing can be measured: it is right or wrong."))
    cells = event.selection.cells if event else []
    if cells and cells[0][0] < len(rows):
        _class_images(chosen, evaluation, report, rows[cells[0][0]])


def _averages(report: EvaluationReport) -> None:
    """Precision, recall and F1 over all classes, in both ways of taking the mean."""
    rows = ((_("Macro: every class alike"), report.macro), (_("Weighted: every image alike"), report.weighted))
    lines = [f"| | {_('Precision')} | {_('Recall')} | {_('F1')} |", "|:--|--:|--:|--:|"]
    lines += [f"| {name} | {' | '.join(map(figure, scores))} |" for name, scores in rows]
    st.markdown("\n".join(lines), width="content")


def _or_none(value: float, row: ClassRow) -> float | None:
    return 100 * value if row.measurable and not math.isnan(value) else None


def _class_images(chosen: Chosen, evaluation: Evaluation, report: EvaluationReport, row: ClassRow) -> None:
    import numpy as np

    predictions = evaluation.predictions
    own = predictions.folders.index(row.folder)
    rows = np.flatnonzero(predictions.truth == own)
    order = rows[np.argsort(-predictions.gap[rows], kind="stable")].tolist()
    st.subheader(esc(row.name), anchor=False)
    if not order:
        st.caption(_("No image of this class was asked: all of them are references."))
        return
    st.caption(_("The most wrong first."))
    cases.show(predictions, order, key=f"evaluate.class.{own}", preprocessing=evaluating.preprocessing_of(chosen))
