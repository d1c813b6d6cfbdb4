"""The views of a page that were given a name: a menu that opens, keeps and drops them.

A view is what stands in the page's address, so that whatever is linkable can be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.collection import saved
from core.ground.errors import BurinError
from pages.ui import people, services, widgets
from pages.ui.i18n import _, sentence
from pages.ui.state import Notice, workbench
from pages.ui.text import esc


def menu(page: str, *, linked: Sequence[str], bound: Mapping[str, str | bool | None] | None = None) -> None:
    """The menu of ``page``. ``linked``: names in the address that `pages.ui.links.linked_choice` keeps; ``bound``: keys of
    widgets that Streamlit binds to it, with what they hold where the address says nothing."""
    bound = bound or {}
    data = services.dataset()
    held = saved.views(data, page)
    here = {name: value for name in (*linked, *bound) if (value := st.query_params.get(name))}
    name_of = next((name for name, query in held.items() if query == here), None)
    label = _("Views") if name_of is None else name_of
    with st.popover(esc(label), icon=":material/bookmark:", key=f"{page}.views"):
        for position, (name, query) in enumerate(held.items()):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    esc(name), key=f"{page}.view.{position}", type="tertiary", width="stretch",
                    icon=":material/bookmark:" if name == name_of else ":material/bookmark_border:",
                    on_click=_open, args=(query, tuple(linked), dict(bound)),
                )  # fmt: skip
                st.button(
                    "", key=f"{page}.view_drop.{position}", icon=":material/close:", type="tertiary",
                    on_click=_drop, args=(page, name, query),
                    **people.bar(help=_("Keep {name} no longer").format(name=esc(name))),
                )  # fmt: skip
        if not held:
            st.caption(_("Filters, order and colours as they are now can be kept under a name, for everybody."))
        name = st.text_input(_("Name of this view"), key=workbench().round_of(f"{page}.view_name"), max_chars=80)
        widgets.act(
            _("Keep this view"), lambda: _keep(page, name.strip(), here), key=f"{page}.view_keep",
            icon=":material/bookmark_add:", **people.bar(),
        )  # fmt: skip


def _keep(page: str, name: str, query: Mapping[str, str]) -> None:
    bench, data = workbench(), services.dataset()
    before = saved.views(data, page).get(name)
    try:
        saved.keep(data, page, name, query)
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return
    bench.empty(f"{page}.view_name")

    def back() -> None:
        if before is None:
            saved.drop(services.dataset(), page, name)
        else:
            saved.keep(services.dataset(), page, name, before)

    bench.notices.append(Notice(_("The view {name} is kept.").format(name=name), ":material/bookmark:", back=back))


def _drop(page: str, name: str, query: Mapping[str, str]) -> None:
    bench = workbench()
    try:
        saved.drop(services.dataset(), page, name)
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return

    def back() -> None:
        saved.keep(services.dataset(), page, name, query)

    bench.notices.append(
        Notice(_("The view {name} is kept no longer.").format(name=name), ":material/bookmark:", back=back)
    )


def _open(query: Mapping[str, str], linked: Sequence[str], bound: Mapping[str, str | bool | None]) -> None:
    """Put the address, and the widgets that are bound to it, to what the view says."""
    for name in linked:
        st.query_params[name] = query.get(name, "")  # nothing: the default, also of what follows from page to page
    for key, rest in bound.items():
        value = query.get(key)
        st.session_state[key] = value == "true" if isinstance(rest, bool) else value or rest
    st.session_state["page"] = 1
