"""The main job: give a mark, read which gravure it is, or that it is not in the base."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.ground.errors import ImageRefused
from pages.ui import cached, services, widgets
from pages.ui.home import overview
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.links import linked_switch
from pages.ui.search import answers, answers_table, lens_search, model_line, trying, words
from pages.ui.search.inputs import Query, intake
from pages.ui.state import end_page, workbench
from pages.ui.text import esc
from pages.ui.verdict_words import LOOK

if TYPE_CHECKING:
    from core.recognition.identify import Answer

UNFOLDED = 1  # answers shown open at once; the further ones are one click away
THUMBNAIL = 48  # px: beside a folded answer

data = services.dataset()
classes = {record.id: record for record in data.classes()}
counts = data.counts()

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Which gravure is it?"), width="stretch")
    asks = {"mark": _("Marks"), "lens": _("A whole lens")}
    asked = linked_switch(_("What is looked for"), asks, param="ask", key="identify.ask", default="mark")
st.markdown(f":small[{model_line.line()}]")

if not counts.originals - counts.unlabelled and not services.preparation().active:
    if widgets.being_read():
        end_page()
    st.info(
        _("There is nothing to compare with yet. Add images of marks with their class, or load the sample."),
        title=_("The base is empty"),
        icon=":material/grid_view:",
    )
    with st.container(horizontal=True):
        overview.sample_button("identify.sample")
        if st.button(_("Add images"), icon=":material/upload:", key="identify.add"):
            st.switch_page("pages/data/library.py", query_params={"view": "add"})
    end_page()

if asked == "lens":
    lens_search.show()
    end_page()

given, answered = st.columns([2, 3], gap="large")
kinds = st.session_state.get("identify.kinds", [])
names = {record.id: record.name for record in classes.values()}
only = st.session_state.get("identify.classes", [])
class_ids = [record.id for record in classes.values() if record.name in only]


def part_of_the_base() -> None:
    """The filter of the references; below the answer once there is one, so that a phone shows the answer first."""
    with st.expander(
        _("Compare with a part of the base only"), icon=":material/filter_alt:", expanded=bool(kinds or only)
    ):
        widgets.choose_kinds(key="identify.kinds")
        st.multiselect(_("Classes"), list(names.values()), key="identify.classes", placeholder=_("All classes"))


def ask(query: Query) -> list[Answer] | ImageRefused:
    """The answers to one image, or why it is refused."""
    pointed = workbench().pointed.get(query.token, ())
    try:
        found = cached.answers(
            query.data, query.token, name=query.name, kinds=kinds, class_ids=class_ids, regions=pointed
        )
    except ImageRefused as error:
        return error
    # A class that went since the page began is no answer any more.
    return [replace(one, classes=[c for c in one.classes if c.class_id in classes]) for one in found]


def answer_to(query: Query, *, folded: bool | None) -> None:
    """Answer one image, or say why it is refused; ``folded`` None shows it without a fold."""
    found = ask(query)
    if isinstance(found, ImageRefused):
        st.error(esc(sentence(found)), icon=":material/broken_image:")
        return
    calibration = services.base().calibration
    if folded is None:
        with said:
            answers.in_short(found, names)
        answers.show(query, found, classes, calibration)
        return
    text = " · ".join(words.headline(one, names) for one in found)
    label = f"{esc(query.name)} — **{esc(text)}**"
    icon = LOOK[found[0].verdict][1]
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key=f"identify.row.{query.token}"):
        with st.container(width=THUMBNAIL):
            st.image(cached.cut(query.data, query.token, None, side=96), width=THUMBNAIL, alt=_("Your image"))
        with st.expander(label, expanded=not folded, icon=icon, key=f"identify.fold.{query.token}"):
            answers.show(query, found, classes, calibration, card=False)


def answer_all(queries: list[Query]) -> None:
    """Answer several images: one under another, folded, or as one table."""
    shapes = {"answers": _("Answers"), "table": _("Table")}
    with st.container(horizontal=True, vertical_alignment="center"):
        text = ngettext("{n} image", "{n} images", len(queries)).format(n=number(len(queries)))
        st.subheader(text, anchor=False, width="stretch")
        shape = linked_switch(_("Show as"), shapes, param="as", key="identify.as", default="answers")
    if shape == "table":
        answers_table.show([(query, ask(query)) for query in queries], names)
        return
    for position, query in enumerate(queries):
        answer_to(query, folded=position >= UNFOLDED)


with given:
    said = st.container()  # on a phone the answer in short, above the sheet that it is drawn on
    queries = list({query.token: query for query in intake()}.values())
    if not queries:
        if st.session_state.get("identify.way") == "draw":
            with said:
                answers.in_short([], names)
        trying.offer()
        part_of_the_base()

with answered:
    if not queries:
        answers.guide()
    else:
        with st.spinner(_("Getting the references ready…")):
            services.base()
        trying.noted("identify")
        if len(queries) > 1:
            answer_all(queries)
        else:
            answer_to(queries[0], folded=None)
        part_of_the_base()
