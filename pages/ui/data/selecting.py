"""Selecting images: the grid in which many are selected at once, and what is done with those.

The selection is one list of item ids, kept for the session: the grid and the table show the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st

from core.catalogue.records import Item
from core.ground.config import KINDS
from core.ground.errors import BurinError
from pages.ui import cached, changes, people, services, widgets
from pages.ui.components.gallery import SIDES, Size
from pages.ui.data import review
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import Notice, workbench
from pages.ui.tiles import saw, source, versions

HERE = Path(__file__).parent
TAGGED = 120  # images of the selection whose tags are offered to be taken away

_COMPONENT = st.components.v2.component(
    "burin_picker",
    html='<div class="grid" role="listbox" aria-multiselectable="true"></div>\n',
    css=(HERE / "picker.css").read_text(encoding="utf-8"),
    js=(HERE / "picker.js").read_text(encoding="utf-8"),
)


def nothing_at_all() -> None:
    """What the pages that label say of an empty collection."""
    if widgets.being_read():
        return
    st.info(_("There is nothing to label yet."), title=_("The library is empty"), icon=":material/grid_view:")
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})


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
        held = sorted({tag for item in data.some(bench.selection[:TAGGED]) for tag in item.tags})
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
