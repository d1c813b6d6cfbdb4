"""The trainings that wait, in their order: what each is, to be moved or taken out, and all of them held."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from core.ground.errors import BurinError
from core.training.queue import Entry
from pages.ui import people
from pages.ui.frame import errors_said
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.words import field_value, flat, when

POLL_S = 2.0


def show() -> None:
    """It draws itself again while a training is under way, whose end changes it."""
    shown = actions.queue().line()

    @st.fragment(run_every=POLL_S if shown.job or shown.waiting else None)
    def panel() -> None:
        with errors_said():
            if workbench().stale or actions.queue().line() != shown:
                st.rerun()
            _draw()

    panel()


def _draw() -> None:
    line = actions.queue().line()
    n = len(line.waiting)
    with st.container(horizontal=True, vertical_alignment="center"):
        said = ngettext("{n} training waits", "{n} trainings wait", n).format(n=number(n)) if n else _("Nothing waits")
        st.subheader(said, anchor=False, width="stretch")
        st.button(
            _("Let them begin") if line.held else _("Hold the queue"),
            icon=":material/play_arrow:" if line.held else ":material/pause:", key="queue.hold",
            on_click=actions.hold, args=(not line.held,),
            **people.bar(
                actions.RESEARCHER, help=_("What is being trained goes on; while the queue is held, nothing new begins.")
            ),
        )  # fmt: skip
    st.caption(_queue_state(held=line.held, waits=bool(n)))
    for place, entry in enumerate(line.entries):
        _entry(entry, place, last=place == len(line.entries) - 1)


def _queue_state(*, held: bool, waits: bool) -> str:
    if held:
        return _("The queue is held: nothing begins before it is let go.")
    if waits:
        return _("The first one begins as soon as the training under way has ended, also with no page open.")
    return _("Set up a training under “New run”, and start it: while another is under way, it comes here.")


def _entry(entry: Entry, place: int, *, last: bool) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"queue.entry.{entry.id}", gap="medium"
    ):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**{number(place + 1)}. {esc(_said(entry))}**")
            st.markdown(f":gray[:small[{esc(_facts(entry))}]]")
            if entry.refused:
                st.markdown(f":red[:material/error: {esc(sentence(entry.refused))}]")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            _button("up", ":material/arrow_upward:", _("Earlier"), entry, place - 1, off=place == 0)
            _button("down", ":material/arrow_downward:", _("Later"), entry, place + 1, off=last)
            st.button(
                _("Take out"), icon=":material/close:", key=f"queue.out.{entry.id}", type="tertiary",
                on_click=actions.take_out, args=(entry,), **people.bar(actions.RESEARCHER),
            )  # fmt: skip


def _button(name: str, icon: str, said: str, entry: Entry, place: int, *, off: bool) -> None:
    st.button(
        said, icon=icon, key=f"queue.{name}.{entry.id}", type="tertiary", on_click=actions.move, args=(entry, place),
        **people.bar(actions.RESEARCHER, disabled=off),
    )  # fmt: skip


def _said(entry: Entry) -> str:
    with suppress(BurinError):  # settings that a later Burin wrote
        return entry.said
    return entry.name or entry.id


def _facts(entry: Entry) -> str:
    """In one line: what, how long, of which seed, by whom and since when."""
    settings = flat(entry.params.get("settings", {}))
    parts = []
    with suppress(KeyError, TypeError, ValueError):
        parts += [
            field_value("architecture", settings["architecture"]),
            field_value("loss", settings["loss"]),
            field_value("size", settings["size"]),
            field_value("policy", settings["policy"]),
            ngettext("{n} epoch", "{n} epochs", settings["epochs"]).format(n=number(settings["epochs"])),
            _("seed {n}").format(n=settings["seed"]),
        ]
    parts.append(when(entry.added_at))
    if entry.actor.get("name"):
        parts.append(str(entry.actor["name"]))
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)
