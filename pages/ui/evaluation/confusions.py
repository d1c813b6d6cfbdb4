"""What is confused with what: the pairs as a list, the whole matrix beside it, and the images of the pair that is open.

The open pair is in the URL, by the folders of its two classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import contents
from pages.ui.components.matrix import matrix
from pages.ui.components.pairs import Listed, pairs
from pages.ui.evaluation import cases, evaluating
from pages.ui.i18n import _, ngettext, number
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.evaluation.confusion import Pair
    from core.evaluation.predictions import Predictions
    from core.evaluation.report import EvaluationReport
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

LISTED = 60
SEPARATOR = "/"  # in no folder's name


def show(chosen: Chosen, evaluation: Evaluation) -> None:
    from core.evaluation import confusion

    report = evaluating.report_of(evaluation)
    found = confusion.pairs(report)
    current = _open_pair(report)
    if not found and current is None:
        st.success(_("Every image got its own class: there is nothing to confuse."), icon=":material/check_circle:")
    left, right = st.columns([3, 7], gap="medium")
    with left:
        wrong = sum(pair.count for pair in found)
        st.subheader(ngettext("{n} wrong answer", "{n} wrong answers", wrong).format(n=number(wrong)), anchor=False)
        if found:
            opened = pairs(
                _listed(evaluation, report, found), current=_id(report, current), label=_("Most confused pairs"),
                key="evaluate.pairs",
            )  # fmt: skip
            if opened:
                _go(opened)
            if len(found) > LISTED:
                rest = len(found) - LISTED
                st.caption(ngettext("and {n} rarer pair", "and {n} rarer pairs", rest).format(n=number(rest)))
    with right:
        if current is None:
            _matrix(evaluation, report)
        else:
            _images(chosen, evaluation, report, current)


def _listed(evaluation: Evaluation, report: EvaluationReport, found: list[Pair]) -> list[Listed]:
    from core.evaluation import confusion

    predictions, most = evaluation.predictions, max(pair.count for pair in found)
    cells = [confusion.cell(predictions, pair.true, pair.predicted) for pair in found[:LISTED]]
    corrected = _corrected(predictions, [int(row) for cell in cells for row in cell])
    listed = []
    for pair, cell in zip(found, cells, strict=False):
        row = int(cell[0])
        note = _("{n} of {total}").format(n=number(pair.count), total=number(pair.share.n))
        if pair.back:
            note += " · " + _("{n} the other way").format(n=number(pair.back))
        if since := len(corrected.intersection(cell.tolist())):
            note += " · " + ngettext("{n} corrected", "{n} corrected", since).format(n=number(since))
        images = (
            contents.thumbnail(str(predictions.sha256[row])),
            contents.thumbnail(str(predictions.references[row, 0])),
        )
        own, other = report.classes[pair.true].name, report.classes[pair.predicted].name
        pair_id = _id(report, (pair.true, pair.predicted))
        listed.append(Listed(pair_id, own, other, note, pair.count / most, images))
    return listed


def _corrected(predictions: Predictions, rows: list[int]) -> set[int]:
    """Those of ``rows`` whose image has another class since it was measured, or is gone."""
    from core.evaluation.error_causes import was_corrected

    class_ids, now = cases.labels_now(predictions, rows)
    return {row for row in rows if was_corrected(predictions, row, class_ids, now)}


def _matrix(evaluation: Evaluation, report: EvaluationReport) -> None:
    order = _order(str(evaluation.folder), evaluation.made_at, evaluation)
    place = {number: at for at, number in enumerate(order)}
    with st.container(horizontal=True, vertical_alignment="center"):
        diagonal = not st.toggle(_("Only the mistakes"), key="evaluate.mistakes", help=_("Leaves out the diagonal."))
        shares = st.toggle(_("Shares of the row"), key="evaluate.shares")
        log = st.toggle(
            _("Logarithmic colour"), value=True, key="evaluate.log", help=_("A single mistake shows as well.")
        )
    words = {
        "matrix": _("Confusion matrix"),
        "hint": _("A row is a class, a column what it was called. Click a cell to see its images."),
        "cell": _("{own} called {other}: {n} of {total}"),
        "said": _("what it was called"),
        "truth": _("class"),
        "nearer": _("Zoom in"),
        "farther": _("Zoom out"),
        "fit": _("Everything"),
    }
    totals = report.matrix.sum(axis=1).tolist()
    opened = matrix(
        [report.classes[each].name for each in order],
        [(place[true], place[said], count) for true, said, count in report.counts],
        [int(totals[each]) for each in order],
        current=None, diagonal=diagonal, normalised=shares, log=log, words=words,
        place=f"{evaluation.folder} {evaluation.made_at}", key="evaluate.matrix",
    )  # fmt: skip
    if opened:
        _go(_id(report, (order[opened[0]], order[opened[1]])))
    st.caption(_("Classes that look alike stand together. Ctrl and the wheel, or + and −, bring it nearer."))


def _images(chosen: Chosen, evaluation: Evaluation, report: EvaluationReport, pair: tuple[int, int]) -> None:
    from core.evaluation import confusion

    predictions = evaluation.predictions
    own, other = (esc(report.classes[each].name) for each in pair)
    rows = confusion.cell(predictions, *pair).tolist()
    with st.container(horizontal=True, vertical_alignment="center"):
        title = f"{own} → {other}" if pair[0] != pair[1] else own
        st.subheader(title, anchor=False, width="stretch")
        back = (pair[1], pair[0])
        if pair[0] != pair[1] and report.matrix[back]:
            st.button(
                _("The other way ({n})").format(n=number(int(report.matrix[back]))), icon=":material/swap_horiz:",
                key="evaluate.back", on_click=_set, args=(_id(report, back),),
            )  # fmt: skip
        st.button(_("The matrix"), icon=":material/grid_on:", key="evaluate.close", on_click=_set, args=("",))
    if not rows:
        st.caption(_("No image was called so."))
        return
    cases.show(
        predictions, rows, key=f"evaluate.case.{pair[0]}.{pair[1]}", preprocessing=evaluating.preprocessing_of(chosen)
    )


def _open_pair(report: EvaluationReport) -> tuple[int, int] | None:
    """The pair in the URL, as numbers of classes."""
    own, found, other = st.query_params.get("pair", "").partition(SEPARATOR)
    numbers = {row.folder: at for at, row in enumerate(report.classes)}
    return (numbers[own], numbers[other]) if found and own in numbers and other in numbers else None


def _id(report: EvaluationReport, pair: tuple[int, int] | None) -> str:
    return f"{report.classes[pair[0]].folder}{SEPARATOR}{report.classes[pair[1]].folder}" if pair else ""


def _go(pair_id: str) -> None:
    _set(pair_id)
    st.rerun()


def _set(pair_id: str) -> None:
    if pair_id:
        st.query_params["pair"] = pair_id
    else:
        st.query_params.pop("pair", None)


@st.cache_data(max_entries=8, show_spinner=False)
def _order(folder: str, made_at: float, _evaluation: Evaluation) -> list[int]:
    from core.evaluation import confusion

    return [int(number) for number in confusion.blocks(_evaluation.predictions)]
