"""How pictures are seen: the ways compared on the workspace's own images, the best proposed, taken and undone.

One section, for the Overview of a new workspace and for the settings.
"""

from __future__ import annotations

import streamlit as st

from core.embedding.weights import PROMOTED
from core.ground.config import Preprocessing, Role
from core.recognition import views
from core.recognition.views import Comparison, Score
from pages.ui import changes, people, services
from pages.ui.frame import errors_said
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.job_panel import job_panel

KIND = "views"
RESEARCHER: Role = "researcher"


def to_propose() -> bool:
    """Whether the Overview has something to say: enough images, nobody has chosen yet, and no trained network."""
    workspace = services.workspace()
    if (workspace.model / PROMOTED).is_file() or services.dataset().counts().originals < views.LEAST:
        return False
    made = views.kept(workspace)
    return made is None or (not made.settled and made.best != made.in_use)


def section(*, key: str) -> None:
    """What is known of the ways of seeing, and the buttons; draws nothing but itself."""
    workspace = services.workspace()
    if (workspace.model / PROMOTED).is_file():
        st.markdown(_("A trained network is in use, which sees as it was trained to."))
        return
    held, made = workspace.config().preprocessing, views.kept(workspace)
    st.markdown(_("In use: {view}.").format(view=name(held)))
    last = services.jobs().list(KIND)[:1]
    if last and (last[0].active or last[0].error):
        job_panel(last[0], title=_("Comparing the ways of seeing"), key=f"{key}.job", ended=lambda job: None)
        if last[0].active:
            return
    if made:
        _table(made, held)
        if made.best != held:
            st.markdown(_("Of your own images {view} names the most.").format(view=name(made.best)))
            st.button(
                _("See this way"), type="primary", icon=":material/visibility:", key=f"{key}.take",
                on_click=_take, args=(made.best,), **people.bar(RESEARCHER),
            )  # fmt: skip
        else:
            st.markdown(_("No other way is surely better on your own images."))
    told = _("Up to {n} of your images are each asked of the others, seen in every way.")
    st.button(
        _("Compare again") if made else _("Compare the ways of seeing"), icon=":material/compare:",
        key=f"{key}.compare", on_click=_compare, **people.bar(RESEARCHER, help=told.format(n=number(views.SAMPLED))),
    )  # fmt: skip


def name(view: Preprocessing) -> str:
    """A way of seeing in words."""
    if view.mode == "plain" and view.size >= 224:
        return _("the whole picture, large")
    names = {
        "strokes": _("the strokes"),
        "crop": _("the mark cut out"),
        "plain": _("the whole picture"),
        "joined": _("the mark and the whole picture, joined"),
    }
    return names[view.mode]


def _table(made: Comparison, held: Preprocessing) -> None:
    asked = made.scores[0].asked
    st.table(
        {
            _("Seen by"): [name(score.preprocessing) for score in made.scores],
            _("Named rightly"): [_share(score) for score in made.scores],
            "": [_("in use") if score.preprocessing == held else "" for score in made.scores],
        },
        border="horizontal",
    )
    text = ngettext(
        "{n} image asked of the others, copies left out.", "{n} images asked of the others, copies left out.", asked
    )
    st.caption(text.format(n=number(asked)))


def _share(score: Score) -> str:
    return _("{share}, {low} to {high}").format(
        share=percent(score.right / score.asked), low=percent(score.low), high=percent(score.high)
    )


def _compare() -> None:
    with errors_said():
        services.dataset().allow(RESEARCHER)
        services.jobs().start(KIND, views.JOB, {}, key=KIND)


def _take(view: Preprocessing) -> None:
    text = _("Pictures are seen by {view} now.").format(view=name(view))
    changes.make(lambda: views.take(services.dataset(), view), text, ":material/visibility:")
