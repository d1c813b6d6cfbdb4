"""What the Label page goes through: the images that its controls ask for, in their order, and those as a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from core.ground.config import KINDS
from core.review.predictions import NONE
from core.review.queue import ORDERS, Order, ordered
from pages.ui import cached, services, widgets
from pages.ui.data import labelling, review, selecting
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice

PAGE = 120


@dataclass(frozen=True)
class Chosen:
    """What to go through, and in which order; ``ids`` are images that another page asked for, and come as they are."""

    order: Order
    class_id: int | None
    kind: str | None
    ids: tuple[int, ...]

    @property
    def wanted(self) -> str:
        """Equal for equal choices: a queue is made anew only when this changes."""
        return repr(asdict(self))


def filters(orders: dict[str, str], names: Sequence[str]) -> Chosen:
    """The controls; what they say."""
    ids = tuple(int(part) for part in st.query_params.get("ids", "").split(".") if part.isdecimal() and len(part) < 16)
    if ids:
        text = ngettext("{n} image from another page", "{n} images from another page", len(ids)).format(
            n=number(len(ids))
        )
        st.markdown(f":material/filter_alt: {text}")
        st.button(_("All images"), icon=":material/close:", key="label.all", on_click=_all_images)
        return Chosen("class", None, None, ids)
    order = linked_choice(
        st.selectbox,
        _("Order"),
        list(names),
        param="order",
        key="label.order",
        default="unlabelled",
        format_func=orders.__getitem__,
        label_visibility="collapsed",
        width=220,
    )
    classes = {record.name: record.id for record in cached.classes()}
    narrowed = [st.session_state.get(name) for name in ("class", "label.kind", "unlabelled")]
    label = f"{_('Filter')} ({number(sum(map(bool, narrowed)))})" if any(narrowed) else _("Filter")
    with st.popover(label, icon=":material/filter_alt:", key="label.filter"):
        name = st.selectbox(
            _("Class"),
            widgets.class_names(classes),
            index=None,
            placeholder=_("All classes"),
            key="class",
            bind="query-params",
        )
        st.caption(_("Images with this label, and those that the neighbours say are of it."))
        kind = linked_choice(
            st.pills,
            _("Kind"),
            KINDS,
            param="kind",
            key="label.kind",
            format_func=lambda value: widgets.kind_name(value),
        )
        bare = st.toggle(_("Without a class"), key="unlabelled", bind="query-params")
    widgets.no_such_class()
    picked: Order = next((known for known in ORDERS if known == order), ORDERS[0])
    return Chosen(picked, NONE if bare else classes.get(name or ""), kind, ())


def _all_images() -> None:
    st.query_params.pop("ids", None)


def queue_of(chosen: Chosen) -> list[int]:
    """The item ids in the chosen order, from the labels of this moment."""
    if chosen.ids:
        return [item.id for item in services.dataset().some(chosen.ids)]
    opinion = review.opinion()
    names = {record.id: record.name for record in cached.classes()}
    class_ids = None if chosen.class_id is None else [chosen.class_id]
    found = ordered(
        opinion.labels, opinion.predictions, chosen.order, names=names, class_ids=class_ids, kind=chosen.kind
    )
    return found.tolist()


def take(chosen: Chosen) -> None:
    """Put the chosen images on the desk, unless they lie there. When more has come to be known of them they are
    sorted anew, but not under the hands of somebody who has begun."""
    work = labelling.desk()
    ready, ended = f"{chosen.wanted} {review.space()}", review.ended()
    if work.wanted != ready or (work.ended != ended and not work.index):
        work.take(ready, queue_of(chosen))
        ended = review.ended()
    if work.ended != ended:
        work.ended, work.likely = ended, (None, [])


def show(chosen: Chosen) -> None:
    """The grid: one page of the queue, what is selected of it all, and what to do with that."""
    data = services.dataset()
    ids = _grid_queue(chosen)
    selecting.hold_present()
    pages = max(1, -(-len(ids) // PAGE))
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    selecting.actions(ids, let_go=True)
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    shown = data.some(ids[PAGE * (page - 1) : PAGE * page])
    version = f"{page}.{chosen.wanted}.{len(ids)}"
    opened = selecting.grid(shown, version=version, key="label.grid")
    if opened:
        st.query_params["ids"] = str(opened)
        st.query_params.pop("view", None)
        st.rerun()


def _grid_queue(chosen: Chosen) -> list[int]:
    """The grid's order is kept while its choice is: a relabel moves nothing under the pointer."""
    take(chosen)
    work = labelling.desk()
    present = (
        {item.id for item in services.dataset().some(work.queue) if item.state == "present"}
        if len(work.queue) <= 5000
        else None
    )
    return work.queue if present is None else [item_id for item_id in work.queue if item_id in present]
