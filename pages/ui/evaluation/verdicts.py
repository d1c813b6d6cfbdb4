"""The report to send to a colleague, and the verdicts that come back: shown as a plan, then applied in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import people, services
from pages.ui.data import selecting
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.tiles import source

if TYPE_CHECKING:
    from core.evaluation.corrections import CorrectionPlan
    from core.evaluation.store import Evaluation

SHOWN = 60
UPLOAD = "errors.verdicts"


def show(evaluation: Evaluation) -> None:
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True, height="stretch"):
        st.subheader(_("Send the errors to a colleague"), anchor=False)
        st.markdown(
            _(
                "One file with the images in it. It opens in any browser, without a network, in English and French. "
                "Each error can be ticked there: the label is right, it is another class, or away with it."
            )
        )
        _download(evaluation)
    with right, st.container(border=True, height="stretch"):
        st.subheader(_("Bring the verdicts back"), anchor=False)
        st.markdown(_("The file that the report saved. What it would change is shown before anything is changed."))
        file = st.file_uploader(
            _("The verdicts"), type=["json"], key=workbench().round_of(UPLOAD), label_visibility="collapsed"
        )
    if file is not None:
        _plan(file.getvalue())


def _download(evaluation: Evaluation) -> None:
    path = evaluation.folder / "report.html"
    if not path.is_file():
        st.caption(_("Evaluate again to make it."))
        return
    about = evaluation.report.about
    st.download_button(
        _("Download the report"),
        path.read_bytes,
        file_name=f"{about.run or 'encoder'}-{about.side}-{about.snapshot[:12]}-report.html",
        mime="text/html",
        icon=":material/download:",
        type="primary",
        key="errors.report",
        on_click="ignore",
    )


def _plan(content: bytes) -> None:
    """What the verdicts would change now, and the button that changes it."""
    from core.evaluation import corrections

    data = services.dataset()
    try:
        verdicts = corrections.read_verdicts(content)
        planned = corrections.plan(data, verdicts)
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")
        return
    st.subheader(_("What would change"), anchor=False)
    parts = [
        ngettext("{n} correction", "{n} corrections", len(planned.corrections)).format(
            n=number(len(planned.corrections))
        ),
        ngettext("{n} label confirmed", "{n} labels confirmed", len(planned.confirmed)).format(
            n=number(len(planned.confirmed))
        ),
        ngettext("{n} left alone", "{n} left alone", len(planned.skipped)).format(n=number(len(planned.skipped))),
    ]
    st.markdown(" · ".join(parts))
    if planned.corrections:
        _table(planned)
    if planned.corrections or planned.confirmed:
        count = len(planned.corrections)
        text = ngettext("Make {n} correction", "Make {n} corrections", count).format(n=number(count))
        st.button(
            text if count else _("Remember the confirmed labels"), icon=":material/done_all:", type="primary",
            key="errors.apply", on_click=_apply, args=(content,), **people.bar(),
        )  # fmt: skip
    for _sha256, why in planned.skipped[:SHOWN]:
        st.markdown(f":gray[:material/block: {esc(sentence(why))}]")
    if verdicts.ticked and not planned.corrections and not planned.confirmed:
        st.caption(_("Nothing to change: every verdict is already so, or no longer fits."))


def _table(planned: CorrectionPlan) -> None:
    rows = planned.corrections[:SHOWN]
    st.dataframe(
        {
            _("Image"): [source(each.item) for each in rows],
            _("File"): [each.item.path.rpartition("/")[2] for each in rows],
            _("Now"): [each.item.class_name or _("no class") for each in rows],
            _("Then"): [each.to if each.class_id is not None else _("in the trash") for each in rows],
        },
        hide_index=True,
        row_height=56,
        height=min(520, 40 + 56 * len(rows)),
        alt=_("What would change"),
        key="errors.plan",
        column_config={_("Image"): st.column_config.ImageColumn(width="small")},
    )
    rest = len(planned.corrections) - SHOWN
    if rest > 0:
        st.caption(ngettext("and {n} more", "and {n} more", rest).format(n=number(rest)))


def _apply(content: bytes) -> None:
    """Plan anew and apply: what was shown may be a minute old."""
    from core.evaluation import corrections

    data = services.dataset()

    def act() -> None:
        corrections.apply(data, corrections.plan(data, corrections.read_verdicts(content)))

    selecting.change(act, _("The verdicts are applied."), ":material/done_all:")
    workbench().empty(UPLOAD)
