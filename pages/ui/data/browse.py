"""The Library's wall: filters kept in the URL, one page of thumbnails by class."""

from __future__ import annotations

from itertools import groupby
from typing import cast

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.collection.dataset import UNLABELLED
from core.ground.config import KINDS
from pages.ui import cached, saved_views, services, widgets
from pages.ui.components.gallery import Group, Size, gallery
from pages.ui.data import selecting, similar
from pages.ui.i18n import _, decimals, ngettext, number
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
    if (item := similar.asked()) is not None:
        return _alike(item)
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
        order, size, select = _looks()
        top = st.container(width="content")
    page = 1
    if pages > 1:
        with top:
            page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages))
    items = cached.page_of(**wanted, limit=PAGE, offset=PAGE * (page - 1), order=order)
    version = f"{data.version}.{page}.{workbench().language}.{order}.{sorted(wanted.items(), key=str)}"
    if select:
        selecting.hold_present()
        total, ids = cached.found(order, **wanted)
        selecting.actions(ids, total=total, let_go=True)
        opened = selecting.grid(items, version=version, key="library.grid", size=size)
    else:
        groups = _groups(items, classes) if order == "class" else [Group("", "", [tile(i, named=True) for i in items])]
        opened = gallery(groups, version=version, key="library.wall", current=_current(), size=size)
    if opened:
        st.query_params["item"] = str(opened)
    return [item.id for item in items]


def _looks() -> tuple[str, Size, bool]:
    """How the images are shown: their order, how large, and whether to select among them or to open them."""
    orders = widgets.orders()
    order = linked_choice(
        st.selectbox, _("Order"), list(orders), param="order", key="library.order", default="class",
        format_func=orders.__getitem__, label_visibility="collapsed", width=220, on_change=_first_page,
    )  # fmt: skip
    sizes = {"small": "S", "medium": "M", "large": "L"}
    size = linked_choice(
        st.segmented_control, _("Size of the images"), list(sizes), param="size", key="library.size",
        default="medium", required=True, sticky=True, format_func=sizes.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    select = st.toggle(_("Select"), key="select", bind="query-params")
    return order or "class", cast(Size, size or "medium"), select


def _alike(item: Item) -> list[int]:
    """What is like an image, to open or to select among."""
    similar.header(item)
    likeness = dict(similar.alike(item))
    items = [each for each in services.dataset().some(likeness) if each.state == "present"]
    if not items:
        st.info(_("There is nothing to compare it with."), icon=":material/image_search:")
        return []
    selecting.hold_present()
    selecting.actions([each.id for each in items])
    notes = {each.id: _("similarity {n}").format(n=decimals(likeness[each.id], 2)) for each in items}
    version = f"{services.dataset().version}.{item.id}"
    opened = selecting.grid(items, version=version, key="library.similar", notes=notes)
    if opened:
        st.query_params["item"] = str(opened)
    return [each.id for each in items]


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
        tag = _tag()
        saved_views.menu(
            "library",
            linked=("kind", "order", "size"),
            bound={"q": "", "class": None, "tag": None, "unlabelled": False, "select": False},
        )
    widgets.no_such_class()
    class_id = UNLABELLED if unlabelled else next((record.id for record in classes if record.name == name), None)
    return {"class_id": class_id, "kind": kind, "text": text or "", "tag": tag}


def _tag() -> str | None:
    """The tag that the images are to have, where there are any tags."""
    tags = services.dataset().tags()
    if not tags:
        return None
    return st.selectbox(
        _("Tag"), [*tags, *({st.query_params.get("tag")} - {*tags, None})], index=None, placeholder=_("Any tag"),
        key="tag", bind="query-params", on_change=_first_page, width=160,
    )  # fmt: skip


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
