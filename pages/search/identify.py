"""The main job: give a mark, read which gravure it is, or that it is not in the base."""

from dataclasses import replace

import streamlit as st

from core.ground.errors import ImageRefused
from pages.ui import cached, services, widgets
from pages.ui.home import overview
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.search import answers, model_line
from pages.ui.search.intake import Query, intake
from pages.ui.state import workbench
from pages.ui.text import esc

UNFOLDED = 3  # answers shown open at once; the further ones are one click away

data = services.dataset()
classes = {record.id: record for record in data.classes()}
counts = data.counts()

st.title(_("Which gravure is it?"))
st.markdown(f":small[{model_line.line()}]")

if not counts.originals - counts.unlabelled and not services.preparation().active:
    if widgets.being_read():
        st.stop()
    st.info(
        _("There is nothing to compare with yet. Add images of marks with their class, or load the sample."),
        title=_("The base is empty"),
        icon=":material/grid_view:",
    )
    with st.container(horizontal=True):
        overview.sample_button("identify.sample")
        if st.button(_("Add images"), icon=":material/upload:", key="identify.add"):
            st.switch_page("pages/data/library.py", query_params={"view": "add"})
    st.stop()

given, answered = st.columns([2, 3], gap="large")
kinds = st.session_state.get("identify.kinds", [])
only = st.session_state.get("identify.classes", [])
class_ids = [record.id for record in classes.values() if record.name in only]


def part_of_the_base() -> None:
    """The filter of the references; below the answer once there is one, so that a phone shows the answer first."""
    with st.expander(
        _("Compare with a part of the base only"), icon=":material/filter_alt:", expanded=bool(kinds or only)
    ):
        widgets.choose_kinds(key="identify.kinds")
        names = [record.name for record in classes.values()]
        st.multiselect(_("Classes"), names, key="identify.classes", placeholder=_("All classes"))


def answer_to(query: Query, *, folded: bool | None) -> None:
    """Answer one image, or say why it is refused; ``folded`` None shows it without a fold."""
    pointed = workbench().pointed.get(query.token, ())
    try:
        found = cached.answers(
            query.data, query.token, name=query.name, kinds=kinds, class_ids=class_ids, regions=pointed
        )
    except ImageRefused as error:
        st.error(esc(sentence(error)), icon=":material/broken_image:")
        return
    # A class that went since the page began is no answer any more.
    found = [replace(one, classes=[c for c in one.classes if c.class_id in classes]) for one in found]
    calibration = services.base().calibration
    if folded is None:
        answers.show(query, found, classes, calibration)
        return
    names = {record.id: record.name for record in classes.values()}
    said = " · ".join(answers.headline(one, names) for one in found)
    label = f"{esc(query.name)} — **{esc(said)}**"
    icon = answers.LOOK[found[0].verdict][1]
    with st.expander(label, expanded=not folded, icon=icon, key=f"identify.fold.{query.token}"):
        answers.show(query, found, classes, calibration, card=False)


with given:
    queries = list({query.token: query for query in intake()}.values())
    if not queries:
        part_of_the_base()

with answered:
    if not queries:
        answers.guide()
    else:
        with st.spinner(_("Getting the references ready…")):
            services.base()
        if len(queries) > 1:
            st.subheader(ngettext("{n} image", "{n} images", len(queries)).format(n=number(len(queries))), anchor=False)
        for position, query in enumerate(queries):
            answer_to(query, folded=position >= UNFOLDED if len(queries) > 1 else None)
        part_of_the_base()
