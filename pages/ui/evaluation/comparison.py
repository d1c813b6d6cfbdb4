"""Two evaluations side by side on the images that both were asked: what changed, and whether chance would do as much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import contents, services, widgets
from pages.ui.components.gallery import Group, gallery
from pages.ui.evaluation import cases, evaluating
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, chance, ngettext, number, sentence
from pages.ui.links import linked_choice
from pages.ui.text import esc
from pages.ui.tiles import tile
from pages.ui.training.words import run_name

if TYPE_CHECKING:
    from core.evaluation.compare import ClassChange, Comparison
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

TILES = 24


def others(chosen: Chosen) -> dict[str, tuple[str, Path]]:
    """The other models that were evaluated on this side: id -> (name, folder)."""
    from core.evaluation.store import Evaluation, folder_of

    ids = {"": _("The encoder in use"), **{run.id: run_name(run) for run in evaluating.runs()}}
    found = {}
    for run_id, name in ids.items():
        if run_id == chosen.run_id:
            continue
        space = "" if run_id else services.embedder().space
        folder = folder_of(services.workspace(), run_id, chosen.side, space=space)  # type: ignore[arg-type]
        if Evaluation(folder).exists:
            found[run_id or "in-use"] = (name, folder)
    return found


def show(chosen: Chosen, evaluation: Evaluation) -> None:
    from core.evaluation.compare import compare

    found = others(chosen)
    if not found:
        st.info(
            _("Evaluate a second model on the same side: both are then compared image by image."),
            title=_("Nothing to compare with"),
            icon=":material/compare_arrows:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_("**{name}** compared with").format(name=esc(chosen.name)))
        other = linked_choice(
            st.selectbox, _("Compared with"), list(found), param="with", key="evaluate.with", default=next(iter(found)),
            format_func=lambda name: esc(found[name][0]) if name in found else "", label_visibility="collapsed", width=300,
        )  # fmt: skip
    name, folder = found[other or next(iter(found))]
    try:
        compared = compare(evaluating.at(folder).predictions, evaluation.predictions)
    except BurinError as error:
        st.warning(esc(sentence(error)), icon=":material/compare_arrows:")
        return
    _figures(compared, name, chosen.name)
    _images(compared)
    _classes(chosen, evaluation, compared, name)


def _figures(compared: Comparison, before: str, after: str) -> None:
    one, two, verdict = st.columns([1, 1, 2], gap="large")
    for column, name, share in ((one, before, compared.before), (two, after, compared.after)):
        with column:
            st.metric(esc(name), figure(share.value))
            st.caption(interval(share))
    with verdict, st.container(border=True):
        change = compared.after.hits - compared.before.hits
        text = ngettext("{n} image more is right", "{n} images more are right", abs(change))
        if change < 0:
            text = ngettext("{n} image fewer is right", "{n} images fewer are right", abs(change))
        if change == 0:
            text = _("As many are right")
        st.markdown(f"**{text.format(n=number(abs(change)))}**")
        told = (
            _("Chance alone would rarely do this: the difference is real (McNemar, {p}).")
            if compared.significant
            else _("Chance alone would often do this: nothing can be concluded (McNemar, {p}).")
        )
        st.markdown(told.format(p=chance(compared.p_value)))
        asked = ngettext("{n} image was asked of both", "{n} images were asked of both", compared.queries).format(
            n=number(compared.queries)
        )
        st.caption(asked)
        _left_out(compared)


def _left_out(compared: Comparison) -> None:
    """Why images cannot be compared, and whether both answered from the same references."""
    left = compared.left_out
    learnt = ngettext("{n} that the other has as a reference", "{n} that the other has as references", left.learnt)
    said = (
        (left.learnt, learnt),
        (left.unasked, ngettext("{n} not asked of the other", "{n} not asked of the other", left.unasked)),
        (left.relabelled, ngettext("{n} corrected in between", "{n} corrected in between", left.relabelled)),
    )
    parts = [text.format(n=number(n)) for n, text in said if n]
    if parts:
        text = ngettext("{n} image is left out: {why}.", "{n} images are left out: {why}.", len(left))
        st.caption(text.format(n=number(len(left)), why=", ".join(parts)))
    if compared.references:
        text = ngettext(
            "The references differ: {n} is of one of the two only.",
            "The references differ: {n} are of one of the two only.",
            compared.references,
        )
        st.caption(text.format(n=number(compared.references)))


def _images(compared: Comparison) -> None:
    left, right = st.columns(2, gap="large")
    for column, hashes, title, key in (
        (left, compared.gained, _("Right only now"), "gained"),
        (right, compared.lost, _("Wrong only now"), "lost"),
    ):
        with column:
            items = services.dataset().some(contents.item_ids(hashes[:TILES]))
            if not hashes:
                st.markdown(f"**{title}**  \n:gray[" + _("no image") + "]")
                continue
            group = Group(title, number(len(hashes)), [tile(item, named=True) for item in items])
            opened = gallery([group], version=f"{title}{'.'.join(map(str, hashes))}", key=f"evaluate.{key}")
            if opened:
                st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def _classes(chosen: Chosen, evaluation: Evaluation, compared: Comparison, before: str) -> None:
    """The classes with more or fewer right answers; a click shows what was answered of the images of one."""
    names = {record.folder: record.name for record in services.dataset().classes()}
    rows = [row for row in compared.classes if row.change]
    after = chosen.name
    st.subheader(_("The classes that changed"), anchor=False)
    if not rows:
        st.caption(_("No class has more or fewer right answers than before."))
        return
    event = widgets.table(
        {
            _("Class"): [names.get(row.folder, row.name) for row in rows],
            _("Images"): [row.n for row in rows],
            before: [row.before for row in rows],
            after if after != before else f"{after} ": [row.after for row in rows],
            _("Change"): [f"{row.change:+d}" for row in rows],
        },
        hide_index=True,
        height=min(420, 40 + 35 * len(rows)),
        alt=_("The classes that changed"),
        key="evaluate.changed",
        on_select="rerun",
        selection_mode="single-cell",
    )
    st.caption(_("Click a class for its images."))
    cells = event.selection.cells if event else []
    if cells and cells[0][0] < len(rows):
        _images_of(chosen, evaluation, rows[cells[0][0]], names)


def _images_of(chosen: Chosen, evaluation: Evaluation, row: ClassChange, names: dict[str, str]) -> None:
    """The images of one class that changed between the two first, then the rest, the most wrong first."""
    import numpy as np

    predictions = evaluation.predictions
    own = np.flatnonzero(predictions.truth == predictions.folders.index(row.folder))
    moved = np.isin(predictions.sha256[own], row.moved)
    order = own[np.lexsort((-predictions.gap[own], ~moved))].tolist()
    st.subheader(esc(names.get(row.folder, row.name)), anchor=False)
    st.caption(_("As {name} answers: first what changed, then the most wrong.").format(name=esc(chosen.name)))
    cases.show(
        predictions, order, key=f"evaluate.changed.{row.folder}", preprocessing=evaluating.preprocessing_of(chosen)
    )
