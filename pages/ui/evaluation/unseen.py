"""Classes that training never saw: what an evaluation says of the real task, marks of classes that are new."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.evaluation import scores
from pages.ui.i18n import _, decimals, ngettext, number, percent
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

NAMED = 12


def show(chosen: Chosen, evaluation: Evaluation) -> None:
    """The figures, or what has to be done to have some."""
    from core.evaluation.unseen import Unseen

    found = Unseen.read(evaluation.folder)
    if found is None:
        _none()
        return
    n = len(found.classes)
    text = ngettext(
        "{n} class that was never trained on, with {images} images.",
        "{n} classes that were never trained on, with {images} images.",
        n,
    ).format(n=number(n), images=number(found.images))
    st.markdown(text)
    with st.grid(4, min_column_width=170, gap="medium"):
        for rank in found.ranks:
            title = ngettext("{n} reference a class", "{n} references a class", rank.references)
            with st.container(gap="xxsmall"):
                st.metric(title.format(n=number(rank.references)), percent(rank.mean))
                spread = "" if math.isnan(rank.deviation) else f"± {decimals(100 * rank.deviation, 1)} · "
                asked = ngettext("{n} class", "{n} classes", rank.classes).format(n=number(rank.classes))
                st.markdown(f":small[:gray[{spread}{asked}]]")
        if found.accepted.n:
            with st.container(gap="xxsmall"):
                st.metric(
                    _("Called certain all the same"), percent(found.accepted.value),
                    help=_("Marks of these classes, asked while only the trained classes are in the base."),
                )  # fmt: skip
                st.markdown(f":small[:gray[{scores.interval(found.accepted)}]]")
        if not math.isnan(found.auroc):
            with st.container(gap="xxsmall"):
                st.metric(
                    _("Known against new (AUROC)"), decimals(found.auroc, 3),
                    help=_("How often a mark of a trained class scores higher than one of these; 0.5 is chance."),
                )  # fmt: skip
    st.caption(
        _(
            "The first answer is right: references are drawn {n} times, every other image of these classes is asked"
            " among them, and each class counts alike; ± is the standard deviation over the draws."
        ).format(n=number(found.draws))
    )
    names = ", ".join(esc(folder) for folder in found.classes[:NAMED])
    st.caption(names + ("…" if n > NAMED else ""))


def _none() -> None:
    st.info(
        _(
            "This run was trained on every class, so that it cannot be asked about others. Train one with classes held"
            " out (Everything else, Split), evaluate it on the test side, and this page says how it does on new marks."
        ),
        title=_("No class was held out"),
        icon=":material/visibility_off:",
    )
    st.page_link(
        "pages/model/train.py", label=_("Train"), icon=":material/model_training:", query_params={"view": "new"}
    )
