"""The form of a training: the few choices that matter, then everything else, folded. It starts nothing.

Choices, titles and ranges come from core's tables. A control comes back by its default (the draft), never by
a value set from here; taking other settings begins a new round of controls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core.embedding.card import ModelCard, read_sealed
from core.ground.config import TRAINABLE, Preprocessing
from core.training.settings import BACKBONES, LOSSES, MODELS, STARTS
from core.variation import policies
from core.variation.policies import Policy
from pages.ui import services
from pages.ui.i18n import _, number, translated
from pages.ui.text import esc
from pages.ui.training import actions, form_details
from pages.ui.training.draft import Draft, draft
from pages.ui.training.words import field_label, mode_name, run_name
from pages.ui.variation.recipe import name_of, recipe

SIZES = (64, 96, 128, 160, 192, 224, 256, 288)
NONE, KEPT = "none", "kept"


def edit() -> dict[str, Any]:
    """Draw the controls; the fields of `TrainSettings` as they stand."""
    now = draft()
    fields: dict[str, Any] = {}
    with st.container(border=True):
        st.subheader(_("What is trained"), anchor=False)
        _network(now, fields)
    with st.container(border=True):
        st.subheader(_("How it learns"), anchor=False)
        _learning(now, fields)
    with st.expander(_("Everything else"), icon=":material/tune:", key=now.key("fold"), on_change="ignore"):
        form_details.edit(now, fields)
    return {**fields, **_of_the_start(fields["start_from"])}


def _network(now: Draft, fields: dict[str, Any]) -> None:
    base = now.base
    fields["model"] = st.segmented_control(
        field_label("model"), list(MODELS), default=base.model, required=True,
        format_func=lambda name: translated(MODELS[name]), wrap=True, **now.kept("model"),
    )  # fmt: skip
    with st.container(gap="xxsmall"):
        fields["architecture"] = _choice(
            now, "architecture", list(BACKBONES), base.architecture, lambda name: BACKBONES[name].title
        )
        backbone = BACKBONES[fields["architecture"]]
        st.caption(translated(backbone.explanation))
    fields["start"] = st.radio(
        field_label("start"), list(STARTS), index=list(STARTS).index(base.start),
        format_func=lambda name: translated(STARTS[name]), **now.kept("start"),
    )  # fmt: skip
    fields["start_from"] = _run_to_start_from(now) if fields["start"] == "checkpoint" else ""
    if fields["start"] in ("workspace", "imagenet") and not backbone.offline:
        st.caption(
            ":orange[:material/cloud_download:] "
            + _("Its pretrained weights are not shipped: they are fetched once, if this machine may reach the hub.")
        )


def _run_to_start_from(now: Draft) -> str:
    """The id of the run whose network is trained further; a model file that the settings came with stays."""
    runs = {run.id: run_name(run) for run in actions.found() if run.best_path.is_file()}
    base = now.base.start_from
    if base and base not in runs:
        runs[base] = base
    if not runs:
        st.caption(
            ":orange[:material/info:] " + _("No run has weights yet: train one, or bring a model file in first.")
        )
        return ""
    chosen = _choice(now, "start_from", list(runs), base, lambda each: esc(runs[each]), label=_("Which run"))
    st.caption(_("Its network, its image size and what it sees are kept, and so is who was measured with."))
    return chosen


def _of_the_start(run_id: str) -> dict[str, Any]:
    """What follows from the run that a training starts from."""
    run = next((run for run in actions.found() if run.id == run_id), None)
    if run is None:
        return {}
    card = _card(str(run.best_path), run.best_path.stat().st_mtime_ns)
    return {
        "architecture": card.architecture,
        "preprocessing": card.preprocessing,
        **({"embedding_size": card.embedding_size} if card.embedding_size else {}),
    }


@st.cache_data(show_spinner=False, max_entries=32)
def _card(path: str, stamp: int) -> ModelCard:
    return read_sealed(Path(path))[0]


def _learning(now: Draft, fields: dict[str, Any]) -> None:
    base = now.base
    siamese = fields["model"] == "siamese"
    losses = [name for name, loss in LOSSES.items() if loss.pairs == siamese]
    first = base.loss if base.loss in losses else losses[0]
    with st.grid(2, min_column_width=220, gap="small"):
        with st.container(gap="xxsmall"):
            fields["loss"] = _choice(
                now, f"loss.{fields['model']}", losses, first, lambda name: translated(LOSSES[name].title),
                label=field_label("loss"),
            )  # fmt: skip
            st.caption(translated(LOSSES[fields["loss"]].explanation))
        with st.container(gap="xxsmall"):
            fields["policy"] = _policy(now)
            st.page_link("pages/data/augment.py", label=_("Look at what it draws"), icon=":material/grid_view:")
    with st.grid(3, min_column_width=150, gap="small"):
        fields["epochs"] = int(
            st.number_input(field_label("epochs"), 1, 10_000, base.epochs, step=5, **now.kept("epochs"))
        )
        sizes = sorted({*SIZES, base.preprocessing.size})
        size = _choice(
            now, "size", sizes, base.preprocessing.size, lambda side: f"{number(side)} px", label=field_label("size")
        )
        mode = _choice(now, "mode", list(TRAINABLE), base.preprocessing.mode, mode_name, label=field_label("mode"))
    fields["preprocessing"] = Preprocessing(mode=mode, size=int(size))
    if fields["preprocessing"] != services.workspace().config().preprocessing:
        st.caption(_("The model keeps how it sees: Identify prepares its images the same way once it is promoted."))


def _policy(now: Draft) -> Mapping[str, Any] | None:
    """A policy of the workspace, none, or the one that the settings came with."""
    known: dict[str, Policy] = {policy.id: policy for policy in policies.policies(services.workspace())}
    titles = {name: name_of(policy) for name, policy in known.items()}
    base = now.base.policy
    first = NONE
    if base is not None:
        held = Policy.from_json(base)
        first = held.id
        if known.get(held.id) is None or known[held.id].digest != held.digest:
            known[KEPT], first = held, KEPT
            titles[KEPT] = _("{name}, as that run had it").format(name=name_of(held))
    bench = recipe()
    if bench.changed and bench.policy.steps:
        known["bench"] = bench.policy
        titles["bench"] = _("{name}, changed").format(name=name_of(bench.policy))
    titles[NONE] = _("none: images as they are")
    chosen = _choice(now, "policy", list(titles), first, titles.__getitem__)
    return known[chosen].to_json() if chosen in known else None


def _choice(now: Draft, name: str, options: Sequence[Any], first: Any, said: Any, *, label: str = "") -> Any:
    """A selectbox that begins with ``first`` and keeps what is chosen."""
    return st.selectbox(
        label or field_label(name), options, index=options.index(first) if first in options else 0,
        format_func=said, **now.kept(name),
    )  # fmt: skip
