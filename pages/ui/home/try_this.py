"""The Overview's short list of what to try with the sample: ticked as it is done, dismissed for good."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.ground import extras
from core.showcase import shipped, tried
from core.showcase.laid import Laid
from pages.ui import people, services
from pages.ui.i18n import _
from pages.ui.search import trying
from pages.ui.training import actions, draft

IDENTIFY, QUALITY = "pages/search/identify.py", "pages/data/quality.py"
TRAIN, MAP = "pages/model/train.py", "pages/model/embeddings.py"


def show() -> None:
    """The list; nothing where there is no sample, or once it was dismissed."""
    workspace = services.workspace()
    if not workspace.config().sample or not Laid.read(workspace).photographs or tried.dismissed(workspace):
        return
    done = tried.done(services.dataset())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(_("Try this"), width="content")
        st.button(
            _("Do not show this again"), key="overview.try.dismiss", type="tertiary", icon=":material/close:",
            on_click=lambda: tried.note(services.workspace(), tried.DISMISSED),
        )  # fmt: skip
    with st.grid(4, min_column_width=180):
        for task in tried.TASKS:
            with st.container(border=True, key=f"overview.try.{task}", height="stretch", gap="xsmall"):
                _CARDS[task](task in done)


def _title(text: str, done: bool) -> None:
    icon = ":green[:material/check_circle:]" if done else ":gray[:material/radio_button_unchecked:]"
    ticked = _("Done")
    st.markdown(f"{icon} **{text}**" + (f"  \n:small[:green[{ticked}]]" if done else ""))


def _identify(done: bool) -> None:
    _title(_("Name this photograph"), done)
    with st.container(height="stretch"):
        st.image(trying.thumbnail(trying.FIRST), width=96, alt=_("A photograph of the sample"))
    if st.button(_("What is it?"), icon=":material/search:", key="overview.try.name"):
        trying.give(trying.FIRST)
        st.switch_page(IDENTIFY)


def _labels(done: bool) -> None:
    _title(_("Find the wrong labels"), done)
    with st.container(height="stretch"):
        st.write(_("Three drawings lie in the wrong class: Quality points at them. Its check finds the copies too."))
    st.page_link(QUALITY, label=_("Open Quality"), icon=":material/rule:")


def _train(done: bool) -> None:
    _title(_("Start a two-minute training"), done)
    with st.container(height="stretch"):
        st.write(_("The last layer alone, a few epochs: watch it learn, compare it with the run that is there."))
    if not extras.trains_here():
        st.caption(_("Training is not installed"))
    elif st.button(
        _("Choose it"), icon=":material/model_training:", key="overview.try.choose", **people.bar(actions.RESEARCHER)
    ):
        draft.take(shipped.SETTINGS.with_(preprocessing=services.workspace().config().preprocessing.trained))
        st.switch_page(TRAIN, query_params={"view": "new"})


def _map(done: bool) -> None:
    _title(_("Look at the map"), done)
    with st.container(height="stretch"):
        st.write(_("Every image is a point, alike ones near each other. Draw around some to see them."))
    st.page_link(MAP, label=_("Open the map"), icon=":material/scatter_plot:")


_CARDS: dict[tried.Task, Callable[[bool], None]] = {
    "identify": _identify, "labels": _labels, "train": _train, "map": _map,
}  # fmt: skip
