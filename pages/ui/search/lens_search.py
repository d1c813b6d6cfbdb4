"""Find a lens: its marks gathered one after another, corrected or left out, and the code; the answer is lens_answer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import ClassRecord, Product
from core.ground.errors import ImageRefused
from pages.ui import cached, services
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.search import answers, lens_answer, trying
from pages.ui.search.gathered import NONE, READ, Gathered, choice
from pages.ui.search.inputs import Query, forget, gather, remove
from pages.ui.state import session_slice, workbench
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.recognition.identify import Answer


def show() -> None:
    """The whole of it: what is gathered on one side, the products on the other."""
    data = services.dataset()
    classes = {record.id: record for record in data.classes()}
    products = stock()
    if not products:
        st.info(
            _("There is no product to be found yet: make some, take them in from a table, or from the classes."),
            title=_("There are no products yet"), icon=":material/eyeglasses:",
        )  # fmt: skip
        st.page_link("pages/data/products.py", label=_("Products"), icon=":material/eyeglasses:")
        return
    given, found = st.columns([2, 3], gap="large")
    with given:
        queries = gather()
        if queries:
            with st.spinner(_("Getting the references ready…")):
                services.base()
        places: list[tuple[Query, list[Answer]]] = []
        marks = [mark for query in queries for mark in _read(query, classes, places)]
        _list(marks, classes)
        _where(places, classes)
        code = st.text_input(
            _("Code"), key="lens.code", max_chars=80, live="300ms",
            help=_("What stands beside the marks in letters and figures."),
        )  # fmt: skip
        if queries or code:
            st.button(_("Start again"), icon=":material/restart_alt:", key="lens.restart", on_click=_restart,
                      type="tertiary")  # fmt: skip
        else:
            trying.offer()
    with found:
        if marks or (code or "").strip():
            lens_answer.show(products, marks, (code or "").strip(), classes)
        else:
            _guide()


def stock() -> list[Product]:
    """The products, read anew when something changed."""
    return _stock(str(services.workspace().root), services.dataset().version)


@st.cache_resource(show_spinner=False, max_entries=2)
def _stock(root: str, version: int) -> list[Product]:
    return services.dataset().products()


def _said() -> dict[str, int]:
    """What a person made of marks, by their keys."""
    return session_slice("lens.said", dict[str, int])


def _dropped() -> set[str]:
    """The marks that a person left out."""
    return session_slice("lens.dropped", set[str])


def _restart() -> None:
    _said().clear()
    _dropped().clear()
    session_slice("lens.none", list[str]).clear()
    st.session_state["lens.code"] = ""
    forget()


def _where(places: Sequence[tuple[Query, list[Answer]]], classes: Mapping[int, ClassRecord]) -> None:
    """The pictures with the boxes of their marks: to point at another, or to take a picture out."""
    if not places:
        return
    lost = any(found[0].verdict == "not_found" for _query, found in places)
    with st.expander(_("Where the marks are in the pictures"), icon=":material/crop_free:", expanded=lost):
        for query, found in places:
            answers.pointing(query, found, dict(classes))
            st.button(
                _("Take {name} out").format(name=esc(query.name)), icon=":material/close:", type="tertiary",
                key=f"lens.out.{query.token}", on_click=remove, args=(query.token,),
            )  # fmt: skip


def _read(query: Query, classes: Mapping[int, ClassRecord], places: list[tuple[Query, list[Answer]]]) -> list[Gathered]:
    """The marks of one picture, but those that were left out; why it is refused, where it is. ``places``: gets the
    picture where it has boxes to be seen."""
    from core.products.finding import CANDIDATES

    pointed = workbench().pointed.get(query.token, ())
    try:
        found = cached.answers(query.data, query.token, name=query.name, regions=pointed, top=CANDIDATES)
    except ImageRefused as error:
        st.error(esc(sentence(error)), icon=":material/broken_image:")
        return []
    found = [replace(one, classes=[c for c in one.classes if c.class_id in classes]) for one in found]
    if any(one.region is not None or one.verdict == "not_found" for one in found):
        places.append((query, found))
    marks = []
    for one in found:
        key = f"{query.token}.{one.region.box if one.region else ''}"
        said = _said().get(key, READ)
        if one.verdict != "not_found" and key not in _dropped():
            marks.append(Gathered(key, query, one, said if said in (READ, NONE) or said in classes else READ))
    return marks


def _list(marks: Sequence[Gathered], classes: Mapping[int, ClassRecord]) -> None:
    """What was gathered: each mark with what it was read as, to be replaced or left out."""
    if not marks:
        return
    text = ngettext("{n} mark of the lens", "{n} marks of the lens", len(marks)).format(n=number(len(marks)))
    st.subheader(text, anchor=False)
    names = {record.id: record.name for record in classes.values()}
    for at, mark in enumerate(marks):
        read = [one.class_id for one in mark.answer.classes]
        others = sorted((record.name, record.id) for record in classes.values() if record.id not in read)
        options = [READ, *read, NONE, *(class_id for _name, class_id in others)]
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"lens.mark.{at}"):
            with st.container(width=64):
                st.image(cached.cut(mark.query.data, mark.query.token, mark.region, side=128), width=64,
                         alt=_("Mark {n}").format(n=at + 1))  # fmt: skip
            with st.container(width="stretch", gap="xxsmall"):
                st.selectbox(
                    _("Mark {n}").format(n=at + 1), options, index=options.index(mark.said), key=f"lens.said.{mark.key}",
                    format_func=partial(choice, mark=mark, names=names), on_change=_choose, args=(mark.key,),
                    label_visibility="collapsed",
                )  # fmt: skip
            st.button(
                "", icon=":material/close:", key=f"lens.drop.{mark.key}", type="tertiary",
                help=_("Leave this mark out"), on_click=_dropped().add, args=(mark.key,),
            )  # fmt: skip


def _choose(key: str) -> None:
    _said()[key] = st.session_state[f"lens.said.{key}"]


def _guide() -> None:
    with st.container(border=True):
        st.subheader(_("How a lens is found"), anchor=False)
        st.markdown(
            _(
                "- Give its marks: a picture that holds several, several pictures, or one drawing after another.\n"
                "- A mark that was read wrongly is replaced by another candidate, or left out.\n"
                "- Type the code that stands beside them.\n"
                "- All evidence counts together: products that fit but for one mark or one sign are shown too."
            )
        )
