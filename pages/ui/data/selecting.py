"""Choosing images: which ones the Label page goes through, and the grid in which many are selected at once.

The selection is one list of item ids, kept for the session: the grid and the table show the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st

from core.catalogue.records import Item
from core.ground.config import KINDS
from core.ground.errors import BurinError
from core.review.predictions import NONE
from core.review.queue import ORDERS, Order, ordered
from pages.ui import cached, changes, people, services, widgets
from pages.ui.components.gallery import SIDES, Size
from pages.ui.data import labelling, review
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.links import linked_choice
from pages.ui.state import Notice, workbench
from pages.ui.tiles import saw, source, versions

HERE = Path(__file__).parent
PAGE = 120

_COMPONENT = st.components.v2.component(
    "burin_picker",
    html='<div class="grid" role="listbox" aria-multiselectable="true"></div>\n',
    css=(HERE / "picker.css").read_text(encoding="utf-8"),
    js=(HERE / "picker.js").read_text(encoding="utf-8"),
)


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


def nothing_at_all() -> None:
    """What the pages that label say of an empty collection."""
    if widgets.being_read():
        return
    st.info(_("There is nothing to label yet."), title=_("The library is empty"), icon=":material/grid_view:")
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})


def show(chosen: Chosen) -> None:
    """The grid: one page of the queue, what is selected of it all, and what to do with that."""
    data = services.dataset()
    ids = _grid_queue(chosen)
    hold_present()
    pages = max(1, -(-len(ids) // PAGE))
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    actions(ids, let_go=True)
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    shown = data.some(ids[PAGE * (page - 1) : PAGE * page])
    version = f"{page}.{chosen.wanted}.{len(ids)}"
    opened = grid(shown, version=version, key="label.grid")
    if opened:
        st.query_params["ids"] = str(opened)
        st.query_params.pop("view", None)
        st.rerun()


def hold_present() -> None:
    """Let go of what is selected and no longer there."""
    bench = workbench()
    bench.selection = [item.id for item in services.dataset().some(bench.selection) if item.state == "present"]


def grid(
    shown: Sequence[Item],
    *,
    version: str,
    key: str,
    notes: Mapping[int, str] | None = None,
    size: Size = "medium",
    of: Literal["selection", "binned"] = "selection",
) -> int | None:
    """These images to select among, and what their neighbours say where that differs; the id of one opened in this
    run, else None. ``version`` names what is shown, labels, notes and language apart; ``notes``: words under an item;
    ``of``: which of the session's selections it shows."""
    data, bench = services.dataset(), workbench()
    opinion = review.recent()
    names = {record.id: record.name for record in data.classes()}
    tiles = []
    for item in shown:
        row = opinion.labels.row_of(item.id)
        said = names.get(int(opinion.predictions.class_ids[row]), "") if row is not None else ""
        differs = bool(said) and said != item.class_name
        tiles.append(
            {
                "id": item.id,
                "src": source(item),
                "name": item.class_name or _("no class"),
                "bare": item.class_id is None,
                "said": said if differs else "",
                "note": (notes or {}).get(item.id, ""),
                "alt": f"{item.class_name or _('no class')} · {item.path.rpartition('/')[2]}",
            }
        )
    return _COMPONENT(
        data={
            "tiles": tiles,
            # Predictions come in without a change of the collection: what is said of the images counts too.
            "version": f"{data.version}.{bench.language}.{version}.{[(each['said'], each['note']) for each in tiles]}",
            "selected": getattr(bench, of),
            "side": SIDES[size],
            "words": {
                "said": _("neighbours say"),
                "grid": _("Images: click, Shift and click for a range, Esc to clear"),
            },
        },
        key=key,
        on_selected_change=partial(_selected, key, of),
        on_opened_change=lambda: None,
        on_cleared_change=lambda: setattr(workbench(), of, []),
        on_undo_change=_undo,
    ).opened


def actions(ids: list[int], *, total: int | None = None, let_go: bool = False) -> None:
    """How many are selected, and what can be done with them in one step; ``ids``: all that match, of ``total``.
    ``let_go``: on a page that shows only what matches, those given a class are selected no more, for they may
    match no more, and what is selected of others is counted."""
    data, bench = services.dataset(), workbench()
    with st.container(horizontal=True, vertical_alignment="bottom", border=True, key="select.bar"):
        count = len(bench.selection)
        saw(data.some(bench.selection))  # those that no tile shows are acted on as they are now
        text = ngettext("{n} image selected", "{n} images selected", count).format(n=number(count))
        text = f"**{text}**" if count else f":gray[{text}]"
        known = total is None or len(ids) == total
        if let_go and known and (outside := len(set(bench.selection).difference(ids))):
            hidden = _("{n} of them outside this filter").format(n=number(outside))
            text += f", :orange[{hidden}]"
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(text)
            st.caption(_("of {total} that match").format(total=number(len(ids) if total is None else total)))
        st.button(
            ngettext("Select {n} match", "Select all {n} matches", len(ids)).format(n=number(len(ids))),
            icon=":material/select_all:", key="select.all", disabled=not ids, on_click=_select, args=(ids,),
        )  # fmt: skip
        st.button(
            _("Clear"), icon=":material/deselect:", key="select.clear", disabled=not count, on_click=_select, args=([],)
        )
        widgets.choose_class(
            _("Give them the class"),
            cached.classes(),
            key=bench.round_of("select.class"),
            placeholder=_("Type a name") if count else _("Select images first"),
            new=True,
            width=240,
            on_change=_relabel,
            args=(let_go,),
            **people.bar(),
        )
        _more(count)
        st.button(
            _("Move to the trash"), icon=":material/delete:", key="select.trash", on_click=_trash,
            **people.bar(disabled=not count),
        )  # fmt: skip


def _more(count: int) -> None:
    """What else can be said of those selected: their kind, their tags."""
    data, bench = services.dataset(), workbench()
    with st.popover(_("More"), icon=":material/more_horiz:", key="select.more", disabled=not count):
        st.segmented_control(
            _("They are"), KINDS, format_func=widgets.kind_name, key=bench.round_of("select.kind"), on_change=_set_kind,
            **people.bar(),
        )  # fmt: skip
        st.selectbox(
            _("Add a tag"), cached.tags(), index=None, accept_new_options=True, placeholder=_("Type a word"),
            key=bench.round_of("select.tag"), on_change=_tag, args=("tag",), **people.bar(),
        )  # fmt: skip
        held = sorted({tag for item in data.some(bench.selection[:PAGE]) for tag in item.tags})
        if held:
            st.selectbox(
                _("Take a tag away"), held, index=None, placeholder=_("Choose one"), key=bench.round_of("select.untag"),
                on_change=_tag, args=("untag",), **people.bar(),
            )  # fmt: skip


def _tag(which: str) -> None:
    bench, ids = workbench(), list(workbench().selection)
    word = st.session_state.get(bench.round_of(f"select.{which}"))
    bench.empty(f"select.{which}")
    if not word or not ids:
        return
    frames = {
        "tag": ngettext("{n} image has the tag {tag} now.", "{n} images have the tag {tag} now.", len(ids)),
        "untag": ngettext("{n} image has the tag {tag} no more.", "{n} images have the tag {tag} no more.", len(ids)),
    }
    how = {"add": [word]} if which == "tag" else {"remove": [word]}
    text = frames[which].format(n=number(len(ids)), tag=word)
    changes.make(lambda: services.dataset().tag(ids, versions=versions(ids), **how), text, ":material/sell:")


def _set_kind() -> None:
    bench, ids = workbench(), list(workbench().selection)
    kind = st.session_state.get(bench.round_of("select.kind"))
    bench.empty("select.kind")
    if not kind or not ids:
        return
    text = ngettext("{n} image is now a {kind}.", "{n} images are now of the kind {kind}.", len(ids))
    said = text.format(n=number(len(ids)), kind=widgets.kind_name(kind))
    changes.make(lambda: services.dataset().set_kind(ids, kind, versions=versions(ids)), said, ":material/category:")


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


def _select(ids: list[int]) -> None:
    workbench().selection = list(ids)


def _selected(key: str, of: str) -> None:
    """What the browser says is selected on its page; what is selected elsewhere stays so."""
    said = st.session_state[key].selected
    if not isinstance(said, dict):
        return
    here = {value for value in said.get("here", ()) if isinstance(value, int)}
    wanted = [value for value in said.get("ids", ()) if isinstance(value, int)]
    bench = workbench()
    setattr(bench, of, [item_id for item_id in getattr(bench, of) if item_id not in here] + wanted)


def _relabel(let_go: bool) -> None:
    bench, data = workbench(), services.dataset()
    name = st.session_state.get(bench.round_of("select.class"))
    bench.empty("select.class")
    if not name or not bench.selection:
        return
    known = {record.name: record.id for record in data.classes()}
    ids = list(bench.selection)
    text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids)).format(
        n=number(len(ids)), name=name
    )
    if name in known:
        done = changes.make(lambda: data.relabel(ids, known[name], versions=versions(ids)), text, ":material/label:")
    else:
        done = changes.make(lambda: data.split_class(ids, name, versions=versions(ids)), text, ":material/label:")
    if done and let_go:
        bench.selection = []


def _trash() -> None:
    ids = list(workbench().selection)
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", len(ids)).format(n=number(len(ids)))
    if changes.make(lambda: services.dataset().trash(ids, versions=versions(ids)), text, ":material/delete:"):
        workbench().selection = []


def _undo() -> None:
    try:
        entry = services.dataset().undo()
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        return
    text = _("Taken back.") if entry else _("There is nothing to undo.")
    workbench().notices.append(Notice(text, ":material/undo:"))
