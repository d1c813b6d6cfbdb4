"""Where the references are searched: in this process, or on a search server; its state, its recall, and its repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.ground.config import INDEX_KINDS, IndexKind
from core.ground.errors import BurinError
from core.ground.job import Job
from core.ground.rights import needed
from pages.ui import changes, fields, people, services, widgets
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.job_panel import job_panel, last_of
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.embedding.mirror import Mirror, Position

KIND = "reconcile"


def section() -> None:
    """Which index searches, what it is worth, and another one."""
    config = services.workspace().config()
    with st.container(border=True):
        st.subheader(_("Index of the references"), anchor=False)
        if config.index_url:
            st.code(config.index_url, language=None, wrap_lines=True)
            _state()
        else:
            st.markdown(_("In this process: every reference is compared."))
        with st.expander(_("More than one machine holds: a Milvus server")):
            _choice(config.index_url, config.index_kind)


def _choice(held_url: str, held_kind: IndexKind) -> None:
    st.caption(
        _(
            "The catalogue stays the truth: the server is filled from it and follows it. A token comes from the variable "
            "BURIN_INDEX_TOKEN. An empty address: this process searches."
        )
    )
    may = people.may("researcher")
    url = st.text_input(
        _("Address"),
        key=fields.fill("settings.index_url", held_url),
        placeholder="http://milvus:19530",
        disabled=not may,
    ).strip()
    names = {"exact": _("Exact: every reference is compared"), "fast": _("Fast: its recall is measured and held")}
    kind = st.radio(
        _("Kind of index"), INDEX_KINDS, format_func=names.__getitem__,
        key=fields.fill("settings.index_kind", held_kind), disabled=not may,
    )  # fmt: skip
    with st.container(horizontal=True):
        asked = st.button(_("Test the connection"), key="settings.reach_index", **people.bar("researcher"))
        widgets.act(_("Use it"), lambda: _use(url, kind), key="settings.save_index", **people.bar("researcher"))
    if asked:
        _try(url)


def _try(url: str) -> None:
    if not url:
        st.success(_("In this process: every reference is compared."), icon=":material/check:")
        return
    try:
        st.success(_("It answers: {what}.").format(what=esc(_reached(url))), icon=":material/check:")
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")


def _reached(url: str) -> str:
    from core.embedding.milvus import reach_index

    services.workspace().config().with_(index_url=url)  # an address that is none is refused before it is asked
    return reach_index(url)


def _use(url: str, kind: IndexKind) -> None:
    def act() -> None:
        if url:
            _reached(url)
        services.dataset().set_settings(index_url=url, index_kind=kind)

    if not fields.taken("settings.index_url", "settings.index_kind"):
        changes.make(act, _("The search follows the new settings."), ":material/database:")


def _state() -> None:
    """How far the server is, without asking it; and the job that compares it with the catalogue."""
    if services.preparation().active:
        st.caption(_("Getting the references ready…"))
        return
    try:
        mirror = services.mirror()
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")
        return
    if mirror is None:
        return
    position = mirror.position
    try:
        at = mirror.at
    except BurinError as error:  # it is away, being filled, or not believed
        st.warning(esc(sentence(error)), icon=":material/cloud_off:")
        if position is not None and position.version is None:
            st.progress(
                min(1.0, position.done / max(1, total := len(mirror))), f"{number(position.done)} / {number(total)}"
            )
    else:
        behind = _behind(mirror, at)
        text = ngettext("{n} change is still to be brought over.", "{n} changes are still to be brought over.", behind)
        st.markdown(text.format(n=number(behind)) if behind else _("It holds every reference as it is now."))
    if position is not None and position.recall:
        st.markdown(_recall(position))
    job = last_of(KIND)
    if job is not None:
        job_panel(job, title=_("Compare and repair"), key="settings.reconcile", ended=_ended)
    if job is None or not job.active:
        widgets.act(
            _("Compare and repair"), _compare, key="settings.compare", icon=":material/difference:",
            **people.bar(needed(f"job {KIND}"), help=_("Every reference’s class and version, here and there; then the recall.")),
        )  # fmt: skip


def _behind(mirror: Mirror, at: int) -> int:
    from core.catalogue import vectorstore

    with services.dataset().catalogue.read() as connection:
        return len(vectorstore.changed(connection, at))


def _recall(position: Position) -> str:
    share = {name: number(round(100 * position.recall[name], 1)) for name in ("whole", "by_class", "by_kind")}
    text = ngettext(
        "Of the true nearest references of {n} of its own vectors it finds {whole} %; within a class {by_class} %, within "
        "a kind {by_kind} %.",
        "Of the true nearest references of {n} of its own vectors it finds {whole} %; within a class {by_class} %, within "
        "a kind {by_kind} %.",
        position.recall["asked"],
    )
    return text.format(n=number(position.recall["asked"]), **share)


def _compare() -> None:
    services.jobs().start(KIND, "core.embedding.mirror_keeper:run_reconcile", {}, key=KIND)


def _ended(job: Job) -> None:
    found = job.result.get("differences")
    if found is None:
        return
    n = found["lacking"] + found["extra"] + found["stale"]
    text = ngettext("{n} difference was found and repaired.", "{n} differences were found and repaired.", n)
    st.markdown(text.format(n=number(n)) if n else _("No difference was found."))
