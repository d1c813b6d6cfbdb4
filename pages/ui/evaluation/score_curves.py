"""The curves of an evaluation and its verdicts: what a deeper list, a refusal and a vote are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import charts
from pages.ui.evaluation import cases, evaluating
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, decimals, ngettext, number, percent
from pages.ui.verdict_words import verdict_badge

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.evaluation.report import EvaluationReport, VerdictRow
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen


def curves(chosen: Chosen, evaluation: Evaluation) -> None:
    """Top-k, what answering costs, and how far the vote and the verdicts can be believed."""
    from core.evaluation import figures
    from core.evaluation.report import calibration_error

    report, look = evaluating.report_of(evaluation), charts.look()
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(_("Among the first k"), anchor=False)
        words = {"k": _("k"), "right": _("share of the images")}
        _draw(figures.top_k(report, look=look, words=words, percent=percent), key="evaluate.topk", alt=_("Top-k curve"))
        st.caption(_("Share of the images whose class is among the first k answers; the band is the 95 % interval."))
    with right:
        st.subheader(_("What refusing buys"), anchor=False)
        words = {
            "answered": _("known marks answered"),
            "error": _("wrong among the answered"),
            "false_accepts": _("unknown marks named"),
            "threshold": _("score from"),
        }
        made = figures.rejection(report, look=look, words=words, percent=percent, decimals=decimals)
        _draw(made, key="evaluate.rejection", alt=_("Rejection curve"))
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
        made = figures.calibration(report, look=look, words=words, percent=percent)
        _draw(made, key="evaluate.bins", alt=_("Vote and accuracy"))
        st.caption(
            _("On the dotted line, a vote of 80 % is right 80 times of 100. On average it is {n} away.").format(
                n=figure(calibration_error(report.bins))
            )
        )
    with right:
        st.subheader(_("The verdicts"), anchor=False)
        opened = st.query_params.get("verdict")
        for verdict in report.verdicts:
            _verdict(verdict, report, opened=verdict.verdict == opened)
    if opened in [verdict.verdict for verdict in report.verdicts]:
        _images(chosen, evaluation, str(opened))


def _draw(made: Figure, *, key: str, alt: str) -> None:
    st.plotly_chart(made, key=key, config=charts.CONFIG, alt=alt)


def _verdict(row: VerdictRow, report: EvaluationReport, *, opened: bool) -> None:
    from core.evaluation.report import Share

    with st.container(border=True, gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(verdict_badge(row.verdict), width="stretch")
            if row.n:
                st.button(
                    _("Hide the images") if opened else _("Show the images"), icon=":material/photo_library:",
                    type="tertiary", key=f"evaluate.verdict.{row.verdict}", on_click=_open,
                    args=("" if opened else row.verdict,),
                )  # fmt: skip
        share = Share(row.n, report.queries)
        right = Share(row.hits, row.n)
        if row.verdict == "unknown":
            text = ngettext(
                "{refused} of {n} known mark was refused.", "{refused} of {n} known marks were refused.", report.queries
            ).format(refused=number(row.n), n=number(report.queries))
        else:
            text = ngettext(
                "{told} of {n} known mark; right {share} ({interval}).",
                "{told} of {n} known marks; right {share} ({interval}).",
                share.n,
            ).format(told=number(row.n), n=number(share.n), share=figure(right.value), interval=interval(right))
        st.markdown(text)
        if report.outside:
            outside = Share(row.outside, report.outside)
            st.caption(
                _("Of marks from outside the base: {share} ({interval}).").format(
                    share=figure(outside.value), interval=interval(outside)
                )
            )


def _open(verdict: str) -> None:
    if verdict:
        st.query_params["verdict"] = verdict
    else:
        st.query_params.pop("verdict", None)


def _images(chosen: Chosen, evaluation: Evaluation, verdict: str) -> None:
    """The known images that got this verdict, the most wrong first."""
    import numpy as np

    predictions = evaluation.predictions
    rows = np.flatnonzero(predictions.known & (predictions.verdicts == verdict))
    order = rows[np.argsort(-predictions.gap[rows], kind="stable")].tolist()
    st.markdown(verdict_badge(verdict))
    st.caption(_("The most wrong first."))
    cases.show(
        predictions, order, key=f"evaluate.verdict.of.{verdict}", preprocessing=evaluating.preprocessing_of(chosen)
    )
