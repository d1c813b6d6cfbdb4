"""What is in the trash: seen, and brought back, one image or all of them."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from pages.ui import people, services
from pages.ui.components.gallery import Group, gallery
from pages.ui.data import selecting
from pages.ui.i18n import _, ngettext, number
from pages.ui.state import workbench
from pages.ui.tiles import tile

PAGE = 60


def show() -> list[int]:
    """Draw one page of the trash; the ids of the images on it, in order."""
    data = services.dataset()
    total = data.count(state="trash")
    if not total:
        st.info(_("What is deleted comes here first, and can be brought back."), title=_("The trash is empty"),
                icon=":material/delete:")  # fmt: skip
        return []
    pages = -(-total // PAGE)
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            _("Images go back to the class they had, which comes back too where it was deleted."), width="stretch"
        )
        st.button(
            ngettext("Restore {n} image", "Restore all {n} images", total).format(n=number(total)),
            icon=":material/restore_from_trash:", key="library.restore_all", on_click=_restore_all, **people.bar(),
        )  # fmt: skip
        page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    items = data.items(state="trash", limit=PAGE, offset=PAGE * (page - 1))
    groups = [
        Group(name or _("Without a class"), "", [tile(item) for item in members])
        for name, members in groupby(items, key=lambda item: item.class_name)
    ]
    opened = gallery(groups, version=f"{data.version}.{page}.{workbench().language}", key="library.trash_wall")
    if opened:
        st.query_params["item"] = str(opened)
    return [item.id for item in items]


def _restore_all() -> None:
    data = services.dataset()
    ids = data.item_ids(state="trash")
    text = ngettext("{n} image is back.", "{n} images are back.", len(ids)).format(n=number(len(ids)))
    selecting.change(lambda: data.restore(ids), text, ":material/restore_from_trash:")
