"""The table of images, edited in place; what is ticked is the session's one selection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

import streamlit as st

from core.catalogue.records import Item
from core.ground.config import Kind
from pages.server.thumbnails import addresses_of
from pages.ui import cached, changes, people, services, widgets
from pages.ui.components.sheet import Column, Edit, sheet
from pages.ui.data import review, selecting
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.tiles import saw

PAGE = 500  # rows of the browser's table: thumbnails travel with them


def items() -> None:
    """The images of a filter, one page of them; the class and the kind can be changed in their cells."""
    bench = workbench()
    wanted = _filters()
    total, ids = cached.found(**wanted)
    pages = max(1, -(-total // PAGE))
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    selecting.hold_present()
    selecting.actions(ids, total=total, let_go=True)
    page, order = 1, "class"
    with st.container(horizontal=True, vertical_alignment="center"):
        text = ngettext("{n} image", "{n} images", total).format(n=number(total))
        if pages > 1:
            text += ". " + _("Headings sort and filter what this page shows, up to {limit} rows.").format(
                limit=number(PAGE)
            )
        st.caption(text, width="stretch")
        if pages > 1:
            order = _order()
            page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages))
    shown = cached.page_of(**wanted, limit=PAGE, offset=PAGE * (page - 1), order=order)
    saw(shown)
    names = {record.id: record.name for record in cached.classes()}
    rows, here = _rows(shown, names), {item.id for item in shown}
    event = (
        sheet(
            rows,
            _columns(names),
            key=f"table.items.{order}.{page}.{bench.language}",
            selected=[item_id for item_id in bench.selection if item_id in here],
        )
        if rows
        else None
    )
    if event is None:
        return
    if event.selected is not None:
        bench.selection = [item_id for item_id in bench.selection if item_id not in here] + event.selected
    _edit(event.edits, names, {item.id: item for item in shown})
    st.rerun()


def _rows(shown: Sequence[Item], names: dict[int, str]) -> list[dict[str, Any]]:
    """What the table holds of each image, and what its neighbours say."""
    opinion, rows = review.recent(), []
    for item, picture in zip(shown, addresses_of(shown), strict=True):
        row = opinion.labels.row_of(item.id)
        said = names.get(int(opinion.predictions.class_ids[row]), "") if row is not None else ""
        vote = float(opinion.predictions.vote[row]) if row is not None and said else None
        rows.append(
            {
                "id": item.id,
                "picture": picture,
                "class": item.class_id,
                "said": said,
                "vote": round(100 * vote) if vote is not None else None,
                "kind": item.kind,
                "file": item.path.rpartition("/")[2],
                "width": item.width,
                "height": item.height,
                "source": item.source,
            }
        )
    return rows


def _columns(names: dict[int, str]) -> list[Column]:
    may = people.may("curator")
    kinds = [(kind, widgets.kind_name(kind)) for kind in get_args(Kind)]
    return [
        Column("picture", _("Image"), 80, "picture"),
        Column("class", _("Class"), 180, "choice", editable=may, choices=list(names.items())),
        Column("said", _("Neighbours say"), 170),
        Column("vote", _("Vote %"), 110, "number"),
        Column("kind", _("Kind"), 130, "choice", editable=may, choices=kinds),
        Column("file", _("File"), 260),
        Column("width", _("Width"), 105, "number"),
        Column("height", _("Height"), 105, "number"),
        Column("source", _("Source"), 220),
    ]


def _edit(edits: Sequence[Edit], names: dict[int, str], there: dict[int, Item]) -> None:
    """Do what the edited cells ask: one change for all images that get the same class or kind. A cell that held
    something else than was seen when it was edited is somebody else's work, and stays."""
    data = services.dataset()
    wanted: dict[tuple[str, str | int], list[int]] = {}
    held: dict[tuple[int, str], str | int] = {}  # by an edit of the same event before
    for edit in edits:
        item = there.get(edit.row)
        if item is None:
            continue
        now = held.get((edit.row, edit.column), (item.class_id or "") if edit.column == "class" else item.kind)
        if now != edit.was:
            changes.say_changed(item.path.rpartition("/")[2])
            continue
        held[edit.row, edit.column] = edit.value
        wanted.setdefault((edit.column, edit.value), []).append(edit.row)
    for (column, value), ids in wanted.items():
        if column == "class":
            text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids))
            said = text.format(n=number(len(ids)), name=names[int(value)])
            changes.make(partial(data.relabel, ids, int(value)), said, ":material/edit:")
        else:
            kind: Kind = value  # type: ignore[assignment] # one of the choices
            text = ngettext("{n} image is now a {kind}.", "{n} images are now of the kind {kind}.", len(ids))
            said = text.format(n=number(len(ids)), kind=widgets.kind_name(kind))
            changes.make(partial(data.set_kind, ids, kind), said, ":material/edit:")


def _order() -> str:
    """In which order the images come, page after page."""
    orders = widgets.orders()
    chosen = linked_choice(
        st.selectbox, _("Order"), list(orders), param="order", key="table.order", default="class",
        format_func=orders.__getitem__, label_visibility="collapsed", width=220, on_change=_first_page,
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
        known = {record.name: record.id for record in cached.classes()}
        name = st.selectbox(
            _("Class"),
            widgets.class_names(known),
            index=None,
            placeholder=_("All classes"),
            key="class",
            bind="query-params",
            width=220,
        )
    widgets.no_such_class()
    return {"class_id": known.get(name or ""), "text": text or ""}
