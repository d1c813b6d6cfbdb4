"""Two evaluations side by side on the images that both were asked: what changed, and whether chance would do as much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import contents, services
from pages.ui.components.gallery import Group, gallery
from pages.ui.evaluation import evaluating
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, decimals, ngettext, number, sentence
from pages.ui.links import linked_choice
from pages.ui.text import esc
from pages.ui.tiles import tile

if TYPE_CHECKING:
    from core.evaluation.compare import Comparison
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

TILES = 24


def others(chosen: Chosen) -> dict[str, tuple[str, Path]]:
    """The other models that were evaluated on this side: id -> (name, folder)."""
    from core.evaluation.store import Evaluation, folder_of

    ids = {"": _("The encoder in use"), **{run.id: run.record.name for run in evaluating.runs()}}
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
    _classes(compared, name, chosen.name)


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
            _("Chance alone would rarely do this: the difference is real (McNemar, p = {p}).")
            if compared.significant
            else _("Chance alone would often do this: nothing can be concluded (McNemar, p = {p}).")
        )
        st.markdown(told.format(p=decimals(compared.p_value, 3)))
        asked = ngettext("{n} image was asked of both", "{n} images were asked of both", compared.queries).format(
            n=number(compared.queries)
        )
        if compared.left_out:
            asked += " · " + _("{n} left out").format(n=number(compared.left_out))
        st.caption(asked)


def _images(compared: Comparison) -> None:
    left, right = st.columns(2, gap="large")
    for column, hashes, title, key in (
        (left, compared.gained, _("Right only now"), "gained"),
        (right, compared.lost, _("Wrong only now"), "lost"),
    ):
        with column:
            items = services.dataset().some(contents.item_ids(hashes[:TILES]))
            if not hashes:
                st.markdown(f"**{title}**  \n:gray[" + _("none") + "]")
                continue
            group = Group(title, number(len(hashes)), [tile(item, named=True) for item in items])
            opened = gallery([group], version=f"{title}{'.'.join(map(str, hashes))}", key=f"evaluate.{key}")
            if opened:
                st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def _classes(compared: Comparison, before: str, after: str) -> None:
    names = {record.folder: record.name for record in services.dataset().classes()}
    rows = [row for row in compared.classes if row.change]
    st.subheader(_("The classes that changed"), anchor=False)
    if not rows:
        st.caption(_("No class has more or fewer right answers than before."))
        return
    st.dataframe(
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
    )
