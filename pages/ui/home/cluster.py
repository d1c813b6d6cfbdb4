"""Where heavy jobs are done: on this machine, or on the machines of a Ray cluster."""

from __future__ import annotations

import streamlit as st

from core.ground import cluster
from core.ground.errors import BurinError
from pages.ui import changes, fields, people, services, widgets
from pages.ui.i18n import _, sentence
from pages.ui.text import esc


def section() -> None:
    held = services.workspace().config().ray_address
    with st.container(border=True):
        st.subheader(_("Heavy jobs"), anchor=False)
        if held:
            st.code(held, language=None, wrap_lines=True)
        else:
            st.markdown(_("They are done on this machine."))
        with st.expander(_("More than one machine does: a Ray cluster")):
            _choice(held)


def _choice(held: str) -> None:
    st.caption(
        _(
            "Embedding, variants, the check of their labels and the UMAP layout are done on its machines then. They have "
            "the same Burin, and this workspace at the same path; Ray runs on this machine too. An empty address: all is "
            "done here."
        )
    )
    address = st.text_input(
        _("Address of the head"), key=fields.fill("settings.ray_address", held), placeholder="head:6379",
        disabled=not people.may("researcher"),
    ).strip()  # fmt: skip
    with st.container(horizontal=True):
        asked = st.button(_("Test the connection"), key="settings.reach_cluster", **people.bar("researcher"))
        widgets.act(_("Use it"), lambda: _use(address), key="settings.save_cluster", **people.bar("researcher"))
    if asked:
        _try(address)


def _try(address: str) -> None:
    try:
        _reach(address)
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")
    else:
        st.success(_("It answers.") if address else _("They are done on this machine."), icon=":material/check:")


def _use(address: str) -> None:
    def act() -> None:
        _reach(address)
        services.dataset().set_settings(ray_address=address)

    if not fields.taken("settings.ray_address"):
        changes.make(act, _("Heavy jobs follow the new setting."), ":material/lan:")


def _reach(address: str) -> None:
    """An address that is none is refused before it is asked."""
    services.workspace().config().with_(ray_address=address)
    if address:
        cluster.reach(address)
