"""What is in the trash: seen, selected, brought back, or deleted for good."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import changes, people, services, widgets
from pages.ui.data import selecting
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import Notice, workbench
from pages.ui.tiles import versions

PAGE = 120


def show() -> list[int]:
    """Draw one page of the trash; the ids of the images on it, in order."""
    data, bench = services.dataset(), workbench()
    total = data.count(state="trash")
    if not total:
        st.info(_("What is deleted comes here first, and can be brought back."), title=_("The trash is empty"),
                icon=":material/delete:")  # fmt: skip
        return []
    bench.binned = [item.id for item in data.some(bench.binned) if item.state == "trash"]
    pages = -(-total // PAGE)
    if st.session_state.get("page", 1) > pages:
        st.session_state["page"] = 1
    st.caption(_("Images go back to the class they had, which comes back too where it was deleted."))
    _actions(total)
    page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages)) if pages > 1 else 1
    items = data.items(state="trash", limit=PAGE, offset=PAGE * (page - 1))
    opened = selecting.grid(items, version=f"{data.version}.{page}", key="library.trash_grid", of="binned")
    if opened:
        st.query_params["item"] = str(opened)
    return [item.id for item in items]


def _actions(total: int) -> None:
    """What can be done with those selected, or with all where none is."""
    bench = workbench()
    count = len(bench.binned)
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="trash.bar"):
        text = ngettext("{n} image selected", "{n} images selected", count).format(n=number(count))
        st.markdown(f"**{text}**" if count else f":gray[{text}]", width="stretch")
        st.button(
            _("Clear"), icon=":material/deselect:", key="trash.clear", disabled=not count,
            on_click=lambda: setattr(workbench(), "binned", []),
        )  # fmt: skip
        many = count or total
        everything = ngettext("Restore {n} image", "Restore all {n} images", total).format(n=number(total))
        st.button(
            _("Restore the selected ones") if count else everything,
            icon=":material/restore_from_trash:", key="library.restore_all", on_click=_restore, **people.bar(),
        )  # fmt: skip
        with st.popover(_("Delete for good") if count else _("Empty the trash"), icon=":material/delete_forever:",
                        key="trash.discard"):  # fmt: skip
            st.markdown(
                ngettext(
                    "{n} file is deleted from the disk. Nothing brings it back, but a backup.",
                    "{n} files are deleted from the disk. Nothing brings them back, but a backup.",
                    many,
                ).format(n=number(many))
            )
            st.button(
                ngettext("Delete {n} image for good", "Delete {n} images for good", many).format(n=number(many)),
                type="primary", key="trash.discard_now", on_click=partial(_discard, many), **people.bar(),
            )  # fmt: skip


def _wanted() -> list[int]:
    return list(workbench().binned) or services.dataset().item_ids(state="trash")


def _restore() -> None:
    ids = _wanted()
    text = ngettext("{n} image is back.", "{n} images are back.", len(ids)).format(n=number(len(ids)))
    changes.make(lambda: services.dataset().restore(ids, versions=versions(ids)), text, ":material/restore_from_trash:")


def _discard(asked: int) -> None:
    """Delete what was asked for: the images selected, or all, of which there were so many. Nothing brings them back:
    where something came or went since that was said, nothing is deleted."""
    bench, ids = workbench(), _wanted()
    if len(ids) != asked:
        text = _("The trash has changed in the meantime: look at it again.")
        bench.notices.append(Notice(text, ":material/error:"))
        return
    try:
        gone = services.dataset().discard(ids, versions=versions(ids))
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return
    text = ngettext("{n} image is deleted for good.", "{n} images are deleted for good.", gone)
    bench.notices.append(Notice(text.format(n=number(gone)), ":material/delete_forever:"))
