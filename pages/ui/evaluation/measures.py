"""The curves of an evaluation and its verdicts: what a deeper list, a refusal and a vote are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import charts
from pages.ui.evaluation import cases, evaluating
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.evaluation.report import EvaluationReport, VerdictRow
    from core.evaluation.store import Evaluation


def curves(evaluation: Evaluation) -> None:
    """Top-k, what answering costs, and how far the vote and the verdicts can be believed."""
    from core.evaluation import figures
    from core.evaluation.report import calibration_error

    report, look = evaluating.report_of(evaluation), charts.look()
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(_("Among the first k"), anchor=False)
        words = {"k": _("k"), "right": _("share of the images")}
        _draw(figures.top_k(report, look=look, words=words), key="evaluate.topk", alt=_("Top-k curve"))
        st.caption(_("Share of the images whose class is among the first k answers; the band is the 95 % interval."))
    with right:
        st.subheader(_("What refusing buys"), anchor=False)
        words = {
            "answered": _("known marks answered"),
            "error": _("wrong among the answered"),
            "false_accepts": _("unknown marks named"),
            "threshold": _("score from"),
        }
        _draw(figures.rejection(report, look=look, words=words), key="evaluate.rejection", alt=_("Rejection curve"))
        st.caption(
            _(
                "Asking for more certainty answers fewer marks, and names fewer wrongly. “Unknown marks” are the same "
                "images with their whole class taken out of the references."
            )
        )
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(_("How far the vote can be believed"), anchor=False)
        words = {"vote": _("share of the vote"), "right": _("right"), "answers": _("answers")}
        _draw(figures.calibration(report, look=look, words=words), key="evaluate.bins", alt=_("Vote and accuracy"))
        st.caption(
            _("On the dotted line, a vote of 80 % is right 80 times of 100. On average it is {n} away.").format(
                n=figure(calibration_error(report.bins))
            )
        )
    with right:
        st.subheader(_("The verdicts"), anchor=False)
        for verdict in report.verdicts:
            _verdict(verdict, report)


def _draw(made: Figure, *, key: str, alt: str) -> None:
    st.plotly_chart(made, key=key, config=charts.CONFIG, alt=alt)


def _verdict(row: VerdictRow, report: EvaluationReport) -> None:
    from core.evaluation.report import Share

    with st.container(border=True, gap="xxsmall"):
        st.markdown(cases.verdict_badge(row.verdict))
        share = Share(row.n, report.queries)
        right = Share(row.hits, row.n)
        if row.verdict == "unknown":
            text = _("{n} of {total} known marks were refused.").format(n=number(row.n), total=number(report.queries))
        else:
            text = _("{n} of {total} known marks; right {share} ({interval}).").format(
                n=number(row.n), total=number(share.n), share=figure(right.value), interval=interval(right)
            )
        st.markdown(text)
        if report.outside:
            outside = Share(row.outside, report.outside)
            st.caption(
                _("Of marks from outside the base: {share} ({interval}).").format(
                    share=figure(outside.value), interval=interval(outside)
                )
            )
