"""The table of images, edited in place; what is ticked is the session's one selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import streamlit as st

from core.ground.config import Kind
from pages.ui import people, services, widgets
from pages.ui.components.sheet import sheet
from pages.ui.data import review, selecting
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.tiles import source

PAGE = 500  # rows of the browser's table: thumbnails travel with them


def items() -> None:
    """The images of a filter, one page of them; the class and the kind can be changed in their cells."""
    data, bench = services.dataset(), workbench()
    wanted = _filters()
    total = data.count(**wanted)
    pages = max(1, -(-total // PAGE))
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    ids = data.item_ids(**wanted) if total <= 20_000 else []
    bench.selection = [item.id for item in data.some(bench.selection) if item.state == "present"]
    selecting.actions(ids, total=total, let_go=True)
    page, order = 1, "class"
    with st.container(horizontal=True, vertical_alignment="center"):
        text = ngettext("{n} image", "{n} images", total).format(n=number(total))
        if pages > 1:
            text += ". " + _("Headings sort and filter these {n} rows.").format(n=number(PAGE))
        st.caption(text, width="stretch")
        if pages > 1:
            order = _order()
            page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages))
    shown = data.items(**wanted, limit=PAGE, offset=PAGE * (page - 1), order=order)
    opinion = review.recent()
    classes = data.classes()
    names = {record.id: record.name for record in classes}
    kinds: dict[str, Kind] = {widgets.kind_name(kind): kind for kind in get_args(Kind)}
    rows = []
    for item in shown:
        row = opinion.labels.row_of(item.id)
        said = names.get(int(opinion.predictions.class_ids[row]), "") if row is not None else ""
        vote = float(opinion.predictions.vote[row]) if row is not None and said else None
        rows.append(
            {
                "id": item.id,
                "picture": source(item),
                "class": item.class_name,
                "said": said,
                "vote": round(100 * vote) if vote is not None else None,
                "kind": widgets.kind_name(item.kind),
                "file": item.path.rpartition("/")[2],
                "width": item.width,
                "height": item.height,
                "source": item.source,
            }
        )
    may = people.may("curator")
    columns = [
        {"field": "picture", "headerName": _("Image"), "picture": True, "width": 110},
        {
            "field": "class", "headerName": _("Class"), "editable": may, "width": 190,
            "cellEditor": "agSelectCellEditor", "cellEditorParams": {"values": [record.name for record in classes]},
        },
        {"field": "said", "headerName": _("Neighbours say"), "width": 170},
        {"field": "vote", "headerName": _("Vote %"), "width": 110, "filter": "agNumberColumnFilter"},
        {
            "field": "kind", "headerName": _("Kind"), "editable": may, "width": 130,
            "cellEditor": "agSelectCellEditor", "cellEditorParams": {"values": list(kinds)},
        },
        {"field": "file", "headerName": _("File"), "width": 260},
        {"field": "width", "headerName": _("Width"), "width": 105, "filter": "agNumberColumnFilter"},
        {"field": "height", "headerName": _("Height"), "width": 105, "filter": "agNumberColumnFilter"},
        {"field": "source", "headerName": _("Source"), "width": 220},
    ]  # fmt: skip
    key = f"table.items.{order}.{page}.{bench.language}.{bench.handled.get('table.items.round', 0)}"
    here = {item.id for item in shown}
    event = (
        sheet(rows, columns, key=key, selected=[item_id for item_id in bench.selection if item_id in here])
        if rows
        else None
    )
    if event is None:
        return
    if event.selected is not None:
        bench.selection = [item_id for item_id in bench.selection if item_id not in here] + event.selected
        st.rerun()
    if event.edit:
        item_id, column, value = event.edit
        if column == "class":
            known = {record.name: record.id for record in classes}
            if value in known:
                text = _("The image is now of {name}.").format(name=value)
                _do(lambda: data.relabel([item_id], known[value]), text)
        elif column == "kind" and value in kinds:
            _do(lambda: data.set_kind([item_id], kinds[value]), _("The image is now a {kind}.").format(kind=value))


def _do(act: Callable[[], object], text: str) -> None:
    """Do what an edited cell asks, and draw the table from what is true then, also when it was refused."""
    selecting.change(act, text, ":material/edit:")
    handled = workbench().handled
    handled["table.items.round"] = handled.get("table.items.round", 0) + 1
    st.rerun()


def _order() -> str:
    """In which order the images come, page after page."""
    orders = {
        "class": _("By class"),
        "name": _("By file name"),
        "kind": _("By kind"),
        "newest": _("Newest first"),
        "oldest": _("Oldest first"),
        "largest": _("Largest first"),
        "smallest": _("Smallest first"),
        "source": _("By source"),
    }
    chosen = linked_choice(
        st.selectbox, _("Order"), list(orders), param="order", key="table.order", default="class",
        format_func=orders.__getitem__, label_visibility="collapsed", width=190, on_change=_first_page,
    )  # fmt: skip
    return chosen or "class"


def _first_page() -> None:
    st.session_state["page"] = 1


def _filters() -> dict:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"), placeholder=_("Class or file name"), type="search", icon=":material/search:", live="300ms",
            key="q", bind="query-params", width=260,
        )  # fmt: skip
        known = {record.name: record.id for record in services.dataset().classes()}
        name = st.selectbox(
            _("Class"),
            widgets.class_names(known),
            index=None,
            placeholder=_("All classes"),
            key="class",
            bind="query-params",
            width=220,
        )
    return {"class_id": known.get(name or ""), "text": text or ""}
