"""The Augment page's bench: the policy on the left, what follows from it on the right. A slider moves only this."""

from __future__ import annotations

import random
from collections.abc import Sequence

import streamlit as st

from core.catalogue.records import Item
from core.variation.policies import Policy
from pages.ui.components.draws import draws
from pages.ui.frame import errors_said
from pages.ui.i18n import _
from pages.ui.links import linked_choice, linked_switch
from pages.ui.state import workbench
from pages.ui.variation import choosing, previews, recipe_form, safety_view, writing

MOST_SEED = 2**31 - 1
COUNTS = ("6", "12", "24", "48")


@st.fragment
def bench() -> None:
    if workbench().notices:  # something was done: the line at the foot says it, for which the page must run
        st.rerun()
    with errors_said():
        form, result = st.columns([1, 2], gap="large")
        with form:
            policy = recipe_form.edit()
            seed = _seed()
        with result:
            _follows(policy, seed)


def _seed() -> int:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input(_("Seed"), 0, MOST_SEED, key="augment.seed", width=160)
        st.button(_("New seed"), icon=":material/casino:", key="augment.new_seed", on_click=_new_seed)
    return int(seed)


def _new_seed() -> None:
    st.session_state["augment.seed"] = random.randint(1, 99_999)  # noqa: S311 - draws, not secrets


def _follows(policy: Policy, seed: int) -> None:
    views = {
        "draws": ":material/grid_view: " + _("Draws"),
        "strip": ":material/view_column: " + _("One by one"),
        "safety": ":material/verified_user: " + _("Label safety"),
        "write": ":material/auto_awesome_motion: " + _("Write"),
    }
    view = linked_switch(_("View"), views, param="view", key="augment.view", default="draws", wrap=True)
    if view == "safety":
        safety_view.show(policy, seed)
        return
    items = choosing.choose()
    if view == "write":
        writing.show(policy, seed, items)
    elif view == "strip":
        _strip(items[0], seed)
    else:
        _draws(items, policy, seed)


def _draws(items: Sequence[Item], policy: Policy, seed: int) -> None:
    """The originals, each beside its draws."""
    with st.container(horizontal=True, vertical_alignment="center"):
        several = len(items) > 1
        count = linked_choice(
            st.segmented_control, _("Draws an image"), list(COUNTS), param="each" if several else "n",
            key="augment.each" if several else "augment.n", default="6" if several else "12",
            required=True, label_visibility="collapsed",
        )  # fmt: skip
        seen = st.toggle(_("What the model sees"), key="augment.seen")
        judged = st.toggle(
            _("Nearest class"),
            key="augment.judged",
            help=_("Red where the model finds the draw nearer to another class than to its own."),
        )
    with st.spinner(_("Drawing…")):
        looks = previews.Looks(seen=seen, judged=judged)
        named = not choosing.one_image()
        rows = previews.rows(items, policy, seed=seed, n=int(count or 12), looks=looks, named=named)
    ids = ".".join(str(item.id) for item in items)
    draws(rows, version=f"{ids} {policy.digest} {seed} {count} {judged}", key="augment.draws", seen=seen)
    st.caption(_("Click a draw for the values that made it. The same seed draws the same again."))


def _strip(item: Item, seed: int) -> None:
    """Each transform alone on the first image."""
    st.caption(_("Each transform alone, at low, middle and high strength; where there are but a few values, at each."))
    with st.spinner(_("Drawing…")):
        groups = previews.cards(item, seed=seed)
    for group, title, cards in groups:
        st.subheader(title, anchor=False)
        draws(cards, version=f"{item.id} {seed}", key=f"augment.strip.{group}", layout="cards", fixed=True)
