"""Which model Identify uses, and whether it is trained: a line on Identify, a frame with the way back on Runs."""

from __future__ import annotations

import streamlit as st

from core.ground.errors import BurinError
from core.training.promoted import Promoted
from core.training.promotion import can_roll_back
from core.training.run import Run
from pages.ui import services
from pages.ui.i18n import _, percent
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.words import interval, run_name, when


def line() -> str:
    """As Markdown: the model in use in a sentence."""
    used = actions.in_use()
    if used is None:
        badge = ":gray-badge[:material/hub: " + _("not trained yet") + "] "
        return badge + _("The encoder as it comes, before any training.")
    run = run_of(used)
    text = _("**{name}**, in use since {when}.").format(name=_name(used, run), when=when(used.at))
    return ":green-badge[:material/verified: " + _("trained") + f"] {text}{_score(run)}"


def _name(used: Promoted, run: Run | None) -> str:
    if run is not None:
        return esc(run_name(run))
    if used.run_id and used.run_id in actions.runs().deleted():  # gone back to after it was thrown away
        return _("{name} (in the trash)").format(name=esc(actions.runs().deleted_name(used.run_id)))
    return _("a model that was put here by hand")


def run_of(used: Promoted) -> Run | None:
    """The run that the model in use came from, where it is still there."""
    try:
        return actions.runs().get(used.run_id) if used.run_id else None
    except BurinError:
        return None


def _score(run: Run | None) -> str:
    if run is None or not run.record.best or run.record.best["scores"].get("top1") is None:
        return ""
    scores = run.record.best["scores"]
    n = int(scores.get("n", 0))
    said = _("Top-1 {score} on its validation originals").format(score=percent(scores["top1"]))
    return f" {said}" + (f" ({interval(scores['top1'], n)})." if n else ".")


def in_use() -> None:
    """The frame on Runs: the model in use, and back to the one before."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="runs.in_use"):
        st.markdown("**" + _("What Identify uses") + f"**  \n{line()}", width="stretch")
        if can_roll_back(services.workspace()):
            st.button(
                _("Back to the one before"), icon=":material/undo:", key="runs.roll_back",
                on_click=actions.roll_back, disabled=not actions.allowed(),
            )  # fmt: skip
