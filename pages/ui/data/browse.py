"""The Library's wall: filters kept in the URL, one page of thumbnails by class."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.collection.dataset import UNLABELLED
from core.ground.config import KINDS
from pages.ui import services, widgets
from pages.ui.components.gallery import Group, gallery
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.tiles import tile

PAGE = 60
NAMED = 500  # images that a URL may name: a longer address is cut by browsers and proxies


def browse() -> list[int]:
    """Draw filters and wall; returns the ids of the filter's items on this page, in order."""
    data = services.dataset()
    classes = {record.id: record for record in data.classes()}
    if "ids" in st.query_params:
        return _those_of_another_page(classes)
    wanted = _filters(list(classes.values()))
    total = data.count(**wanted)
    if not total:
        _nothing(bool(data.counts().originals))
        return []
    pages = -(-total // PAGE)
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(ngettext("{n} image", "{n} images", total).format(n=number(total)), width="stretch")
        top = st.container(width="content")
    page = 1
    if pages > 1:
        with top:
            page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages))
    items = data.items(**wanted, limit=PAGE, offset=PAGE * (page - 1))
    version = f"{data.version}.{page}.{workbench().language}.{sorted(wanted.items())}"
    opened = gallery(_groups(items, classes), version=version, key="library.wall", current=_current())
    if opened:
        st.query_params["item"] = str(opened)
    return [item.id for item in items]


def _those_of_another_page(classes: dict[int, ClassRecord]) -> list[int]:
    """The images that the URL names (``?ids=1.2.3``), at most `NAMED`, in the order of their classes."""
    parts = st.query_params.get("ids", "").split(".")[:NAMED]
    found = services.dataset().some(int(part) for part in parts if part.isdecimal() and len(part) < 16)
    items = sorted((item for item in found if item.state == "present"), key=lambda item: (item.class_name, item.id))
    text = ngettext("{n} image from another page", "{n} images from another page", len(items))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/filter_alt: {text.format(n=number(len(items)))}")
        st.button(_("All images"), icon=":material/close:", key="library.all", on_click=_all_images)
    version = f"{services.dataset().version}.{workbench().language}.{[item.id for item in items]}"
    opened = gallery(_groups(items, classes), version=version, key="library.wall", current=_current())
    if opened:
        st.query_params["item"] = str(opened)
    return [item.id for item in items]


def _all_images() -> None:
    st.query_params.pop("ids", None)


def _filters(classes: list[ClassRecord]) -> dict:
    """The controls; returns the filter as arguments of `Dataset.items`."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"),
            placeholder=_("Class or file name"),
            type="search",
            icon=":material/search:",
            live="300ms",
            key="q",
            bind="query-params",
            on_change=_first_page,
            width=260,
        )
        name = st.selectbox(
            _("Class"),
            widgets.class_names(record.name for record in classes),
            index=None,
            placeholder=_("All classes"),
            key="class",
            bind="query-params",
            on_change=_first_page,
            width=220,
        )
        kind = linked_choice(
            st.pills,
            _("Kind"),
            KINDS,
            param="kind",
            key="library.show_kind",
            format_func=widgets.kind_name,
            on_change=_first_page,
        )
        unlabelled = False
        if (
            st.session_state.get("unlabelled")
            or "unlabelled" in st.query_params
            or services.dataset().counts().unlabelled
        ):
            unlabelled = st.toggle(_("Without a class"), key="unlabelled", bind="query-params", on_change=_first_page)
    class_id = UNLABELLED if unlabelled else next((record.id for record in classes if record.name == name), None)
    return {"class_id": class_id, "kind": kind, "text": text or ""}


def _first_page() -> None:
    st.session_state["page"] = 1


def _groups(items: list[Item], classes: dict[int, ClassRecord]) -> list[Group]:
    groups = []
    for class_id, members in groupby(items, key=lambda item: item.class_id):
        record = classes.get(class_id) if class_id is not None else None
        title = record.name if record else _("Without a class")
        note = widgets.originals(record.originals, record.variants) if record else ""
        if record and (called := record.name_in(workbench().language)) != record.name:
            note = f"{called} · {note}"
        groups.append(Group(title, note, [tile(item) for item in members]))
    return groups


def _nothing(anything: bool) -> None:
    if anything:
        st.info(_("No image fits these filters."), icon=":material/filter_alt_off:")
        return
    if widgets.being_read():
        return
    st.info(
        _("Add files, a folder with one sub-folder a class, or a zip of it. Each file is told how it ended."),
        title=_("The library is empty"),
        icon=":material/grid_view:",
    )
    st.button(
        _("Add images"), type="primary", icon=":material/add_photo_alternate:", key="library.start", on_click=_add_view
    )


def _add_view() -> None:
    st.query_params["view"] = "add"


def _current() -> int | None:
    text = st.query_params.get("item", "")
    return int(text) if text.isdecimal() and len(text) < 16 else None
