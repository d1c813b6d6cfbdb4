"""Everything that was done to the collection, in words, each entry revertible; undo and redo."""

import time
from pathlib import PurePosixPath

import streamlit as st

from core.catalogue.records import Item
from core.ground.errors import BurinError
from pages.ui import people, services
from pages.ui.data import journal_entries, similar
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.links import linked_choice
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.tiles import picture as picture_of

PAGE = 25
THUMBNAILS = 8

data = services.dataset()


def step(way: str) -> None:
    """Undo or redo this person's last change, and say which it was."""
    try:
        entry = data.undo() if way == "undo" else data.redo()
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        return
    nothing = {"undo": _("There is nothing to undo."), "redo": _("There is nothing to redo.")}
    frames = {"undo": _("Undone: {what}"), "redo": _("Done again: {what}")}
    text = frames[way].format(what=journal_entries.said(entry)) if entry else nothing[way]
    workbench().notices.append(Notice(text, journal_entries.ICONS[way]))


def take_back(entry_id: int, what: str) -> None:
    try:
        made = data.revert(entry_id)
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        return
    text = _("Taken back: {what}").format(what=what)
    workbench().notices.append(Notice(text, journal_entries.ICONS["revert"], made.id if made else None))


def said_of(item: Item) -> str:
    """What a small picture is of, for who does not see it."""
    return f"{item.class_name or _('Without a class')}, {PurePosixPath(item.path).name}"


def everything() -> None:
    st.query_params.pop("item", None)


def wanted_item() -> int | None:
    text = st.query_params.get("item", "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("History"), width="stretch")
    st.button(
        _("Undo"),
        icon=":material/undo:",
        key="history.undo",
        shortcut="Ctrl+Z",
        on_click=step,
        args=("undo",),
        **people.bar(),
    )
    st.button(
        _("Redo"),
        icon=":material/redo:",
        key="history.redo",
        shortcut="Ctrl+Y",
        on_click=step,
        args=("redo",),
        **people.bar(),
    )

item_id = wanted_item()
if item_id is not None:
    found = data.some([item_id])
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        if found and (picture := picture_of(found[0])):
            st.image(picture, width=72, alt=said_of(found[0]))
        name = found[0].class_name or _("Without a class") if found else _("This image is no longer there.")
        st.markdown(_("Only what happened to this image: **{name}**").format(name=esc(name)), width="stretch")
        if found:
            similar.link(found[0], key="history.similar")
        st.button(
            _("Everything"),
            icon=":material/close:",
            key="history.all",
            on_click=everything,
        )

with st.container(horizontal=True, vertical_alignment="bottom"):
    action = linked_choice(
        st.selectbox,
        _("What"),
        journal_entries.ACTIONS,
        param="action",
        key="history.action",
        format_func=journal_entries.action_name,
        placeholder=_("Everything"),
        index=None,
        width=220,
    )
    who = st.text_input(_("Who"), key="who", bind="query-params", placeholder=_("Anybody"), width=200)
    page = st.number_input(_("Page"), min_value=1, max_value=100_000, key="page", bind="query-params", width=120)

shown = data.history(PAGE + 1, offset=PAGE * (page - 1), item_id=item_id, action=action, who=who.strip() or None)
names = {record.id: record.name for record in data.classes()}
now = time.time()
if not shown:
    st.info(
        _("Nothing has happened here yet.") if page == 1 else _("There is nothing older."), icon=":material/history:"
    )
for entry in shown[:PAGE]:
    changes = data.changes(entry.id, limit=200)
    what = journal_entries.said(entry)
    with st.container(border=True, key=f"history.entry.{entry.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            struck = f"~~{esc(what)}~~" if entry.undone else f"**{esc(what)}**"
            by = f" · {esc(entry.who)}" if entry.who else ""
            icon = journal_entries.ICONS.get(entry.action, ":material/edit:")
            at = esc(journal_entries.when(entry.at, now))
            st.markdown(f"{icon} {struck}  \n:small[:gray[{at}{by}]]", width="stretch")
            if entry.undone:
                st.badge(_("taken back"), color="gray")
            elif entry.undoable:
                st.button(
                    _("Take back"),
                    icon=":material/settings_backup_restore:",
                    key=f"history.revert.{entry.id}",
                    type="tertiary",
                    on_click=take_back,
                    args=(entry.id, what),
                    **people.bar(),
                )
        lines = journal_entries.moves(changes, names) if entry.action not in ("import", "rescan", "create") else []
        changed = data.some([change.row_id for change in changes if change.noun == "item"][:THUMBNAILS])
        held = [(picture, item) for item in changed if (picture := picture_of(item))]
        pictures = [picture for picture, _item in held]
        if lines or pictures:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                if pictures:
                    with st.container(width=60 * len(pictures)):
                        st.image(pictures, width=52, alt=[said_of(item) for _picture, item in held])
                rest = entry.items - len(pictures)
                if pictures and rest > 0:
                    st.caption(ngettext("and {n} more", "and {n} more", rest).format(n=number(rest)))
                if lines:
                    st.markdown("  \n".join(f":gray[{esc(line)}]" for line in lines), width="stretch")
if len(shown) > PAGE:
    st.caption(_("Older entries are on the next page."))
