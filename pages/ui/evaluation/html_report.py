"""The report to send to a colleague, and the verdicts that come back: shown as a plan, then applied in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import changes, contents, people, services, widgets
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.tiles import source

if TYPE_CHECKING:
    from core.collection.dataset import Dataset
    from core.evaluation.corrections import Correction, CorrectionPlan
    from core.evaluation.store import Evaluation

SHOWN = 60
UPLOAD, CREATE = "errors.verdicts", "errors.create"


def show(evaluation: Evaluation) -> None:
    from core.evaluation.corrections import LARGEST

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
            _("The verdicts"), type=["json"], key=workbench().round_of(UPLOAD), label_visibility="collapsed",
            max_upload_size=LARGEST // 1_000_000,
        )  # fmt: skip
    if file is not None:
        _plan(file.getvalue())


def _download(evaluation: Evaluation) -> None:
    """The page as it is now, made when it is asked for: labels that were called right since are no doubts in it."""
    about = evaluation.report.about
    widgets.download(
        _("Download the report"),
        partial(page, evaluation, services.dataset(), workbench().language),
        file_name=f"{about.run or 'encoder'}-{about.side}-{about.snapshot[:12]}-report.html",
        mime="text/html",
        type="primary",
        key="errors.report",
    )


def page(evaluation: Evaluation, dataset: Dataset, language: str) -> bytes:
    """The report, in ``language`` at first."""
    from core.evaluation.work import page_of

    return page_of(evaluation, dataset, language=language).encode()


def _plan(content: bytes) -> None:
    """What the verdicts would change now, and the button that changes it."""
    from core.evaluation import corrections

    data = services.dataset()
    try:
        verdicts = corrections.read_verdicts(content)
        create = bool(st.session_state.get(workbench().round_of(CREATE)))
        planned = corrections.plan(data, verdicts, create=create)
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
    if planned.missing:
        text = ngettext("Create {n} class that is not there: {names}", "Create {n} classes that are not there: {names}",
                        len(planned.missing))  # fmt: skip
        names = ", ".join(planned.missing[:SHOWN])
        st.checkbox(
            text.format(n=number(len(planned.missing)), names=esc(names)), key=workbench().round_of(CREATE),
            **people.bar(),
        )  # fmt: skip
    if planned.corrections:
        _corrections(planned)
    if planned.corrections or planned.confirmed:
        count = len(planned.corrections)
        text = ngettext("Make {n} correction", "Make {n} corrections", count).format(n=number(count))
        st.button(
            text if count else _("Remember the confirmed labels"), icon=":material/done_all:", type="primary",
            key="errors.apply", on_click=_apply, args=(content, create), **people.bar(),
        )  # fmt: skip
    _confirmed(planned)
    _skipped(planned)
    if verdicts.ticked and not planned.corrections and not planned.confirmed:
        st.caption(_("Nothing to change: every verdict is already so, or no longer fits."))


def _corrections(planned: CorrectionPlan) -> None:
    rows = planned.corrections[:SHOWN]
    _table(
        _("What would change"), "plan", len(planned.corrections), [source(each.item) for each in rows],
        {
            _("File"): [_name(each.item.path) for each in rows],
            _("Now"): [each.item.class_name or _("no class") for each in rows],
            _("Then"): [_then(each) for each in rows],
        },
    )  # fmt: skip


def _then(correction: Correction) -> str:
    if correction.class_id is not None:
        return correction.to
    return _("{name} (new class)").format(name=correction.to) if correction.to else _("in the trash")


def _confirmed(planned: CorrectionPlan) -> None:
    if not planned.confirmed:
        return
    st.subheader(_("Confirmed as they are"), anchor=False)
    rows = planned.confirmed[:SHOWN]
    _table(
        _("Confirmed as they are"), "confirmed", len(planned.confirmed), [source(each.item) for each in rows],
        {
            _("File"): [_name(each.item.path) for each in rows],
            _("Class"): [each.item.class_name or _("no class") for each in rows],
        },
    )  # fmt: skip


def _skipped(planned: CorrectionPlan) -> None:
    if not planned.skipped:
        return
    st.subheader(_("Left alone"), anchor=False)
    rows = planned.skipped[:SHOWN]
    _table(
        _("Left alone"), "skipped", len(planned.skipped),
        [source(each.item) if each.item else contents.thumbnail(each.ticked.sha256) for each in rows],
        {
            _("File"): [_name(each.item.path if each.item else each.ticked.file) for each in rows],
            _("Why"): [sentence(each.why) for each in rows],
        },
    )  # fmt: skip


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _table(alt: str, key: str, total: int, pictures: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
    widgets.table(
        {_("Image"): pictures, **columns},
        hide_index=True,
        placeholder=widgets.NONE,
        row_height=56,
        height=min(520, 40 + 56 * len(pictures)),
        alt=alt,
        key=f"errors.{key}",
        column_config={_("Image"): st.column_config.ImageColumn(width="small")},
    )
    rest = total - len(pictures)
    if rest > 0:
        st.caption(ngettext("and {n} more", "and {n} more", rest).format(n=number(rest)))


def _apply(content: bytes, create: bool) -> None:
    """Plan anew and apply: what was shown may be a minute old."""
    from core.evaluation import corrections

    data = services.dataset()

    def act() -> None:
        corrections.apply(data, corrections.plan(data, corrections.read_verdicts(content), create=create))

    changes.make(act, _("The verdicts are applied."), ":material/done_all:")
    for key in (UPLOAD, CREATE):
        workbench().empty(key)
