"""The list of runs: one frame each with its score, a tick to compare it, and the trash below."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.ground.config import TRAINABLE, Mode, Preprocessing
from core.training.run import Run
from core.training.transfer import has_card
from pages.ui import leaks, services
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.form import SIZES
from pages.ui.training.words import (
    duration,
    facts,
    field_label,
    interval,
    mode_name,
    run_name,
    run_note,
    score_name,
    state_badge,
)

PAGE = 25
MOST_COMPARED = 6
CHECKPOINTS = ["safetensors", "pt", "pth"]


def show(found: Sequence[Run], picked: Sequence[Run]) -> None:
    """The frames, newest first or best first."""
    orders = {"new": _("newest first"), "best": _("best first")}
    with st.container(horizontal=True, vertical_alignment="center"):
        n = len(found)
        st.markdown("**" + ngettext("{n} run", "{n} runs", n).format(n=number(n)) + "**", width="stretch")
        order = linked_choice(
            st.segmented_control, _("Order"), list(orders), param="order", key="runs.order", default="new",
            required=True, format_func=orders.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
    ordered = sorted(found, key=lambda run: -_top1(run)) if order == "best" else list(found)
    used = actions.in_use()
    ids = {run.id for run in picked}
    for run in ordered[:PAGE]:
        _frame(run, in_use=used is not None and used.run_id == run.id, picked=run.id in ids, full=len(ids))
    if len(ordered) > PAGE:
        st.caption(_("The first {n} of {all}; order or delete to see others.").format(n=PAGE, all=number(len(ordered))))


def _top1(run: Run) -> float:
    return float(run.record.best["scores"].get("top1") or 0.0) if run.record.best else -1.0


def _frame(run: Run, *, in_use: bool, picked: bool, full: int) -> None:
    record = run.record
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"runs.frame.{run.id}", gap="medium"
    ):
        key = f"runs.pick.{run.id}"
        st.checkbox(
            _("Compare {name}").format(name=esc(run_name(run))), picked, key=key, label_visibility="collapsed",
            on_change=_pick, args=(run.id, key), disabled=full >= MOST_COMPARED and not picked, width="content",
        )  # fmt: skip
        with st.container(gap="xxsmall", width="stretch"):
            badges = [state_badge(run.state)]
            if in_use:
                badges.append(":primary-badge[:material/star: " + _("in use") + "]")
            st.markdown(f"**{esc(run_name(run))}** {' '.join(badges)}")
            parts = [facts(run)]
            if record.best:
                epochs = record.settings.get("epochs", 0)
                parts.append(ngettext("{n} epoch", "{n} epochs", epochs).format(n=number(epochs)))
            if record.ended_at:
                parts.append(duration(record.ended_at - record.created_at))
            st.markdown(f":gray[:small[{esc(' · '.join(parts))}]]")
            if record.note:
                st.markdown(f":small[:material/sticky_note_2: {esc(run_note(run))}]")
        if record.best and record.best["scores"].get("top1") is not None:
            scores = record.best["scores"]
            n = int(scores.get("n", 0))
            with st.container(gap="xxsmall", width=190):
                said = f":small[:gray[{interval(scores['top1'], n)}]]" if n else ""
                st.markdown(f"{score_name('top1')} **{percent(scores['top1'])}** {said}")
                st.markdown(leaks.badge(run.audit))
        st.button(_("Open"), icon=":material/chevron_right:", key=f"runs.open.{run.id}", on_click=_open, args=(run.id,))


def picked(found: Sequence[Run]) -> list[Run]:
    """The runs that the URL asks to compare, in the list's order."""
    wanted = st.query_params.get("compare", "").split(".")
    return [run for run in found if run.id in wanted][:MOST_COMPARED]


def _pick(run_id: str, key: str) -> None:
    before = [each for each in st.query_params.get("compare", "").split(".") if each and each != run_id]
    after = [*before, run_id] if st.session_state.get(key) else before
    if after:
        st.query_params["compare"] = ".".join(after)
    else:
        st.query_params.pop("compare", None)


def _open(run_id: str) -> None:
    st.query_params["run"] = run_id


def back() -> None:
    st.query_params.pop("run", None)


def nothing_yet() -> None:
    st.info(
        _("A run is one training with its curves, its scores and its weights. There is none yet."),
        title=_("No run yet"),
        icon=":material/model_training:",
    )
    st.page_link("pages/model/train.py", label=_("Train the first one"), icon=":material/play_arrow:")


def bring_in() -> None:
    """A checkpoint from a file becomes a run, after its checks."""
    bench = workbench()
    with st.popover(_("Bring in a checkpoint"), icon=":material/upload:", key=bench.round_of("runs.importing")):
        st.markdown(
            _(
                "Weights that Burin saved (.safetensors), or a plain state dict of a known architecture (.pt). "
                "Nothing in the file is run; what does not fit is refused."
            )
        )
        file = st.file_uploader(_("Checkpoint"), type=CHECKPOINTS, key=bench.round_of("runs.import"))
        if file is not None:
            seen = None if has_card(file.name) else _seen()
            st.button(
                _("Make it a run"), type="primary", icon=":material/check:", key="runs.bring_in",
                on_click=actions.bring_in, args=(file.getvalue(), file.name, seen), disabled=not actions.allowed(),
            )  # fmt: skip


def _seen() -> Preprocessing:
    """How the images of a plain state dict are to be prepared; as in this workspace, unless another way is chosen."""
    held = services.workspace().config().preprocessing.trained
    modes: list[Mode] = list(TRAINABLE)
    st.caption(_("Nothing in a plain state dict says how its images were prepared. Choose it as it was trained."))
    mode: Mode = st.selectbox(
        field_label("mode"), modes, modes.index(held.mode), format_func=mode_name, key="runs.import.mode"
    )
    sizes = sorted({*SIZES, held.size})
    size = st.selectbox(
        field_label("size"), sizes, sizes.index(held.size), format_func=lambda side: f"{number(side)} px",
        key="runs.import.size",
    )  # fmt: skip
    return Preprocessing(mode=mode, size=int(size))


def trash() -> None:
    """The deleted runs, each with its way back."""
    gone = actions.runs().deleted()
    if not gone:
        return
    text = ngettext("Trash: {n} run", "Trash: {n} runs", len(gone)).format(n=number(len(gone)))
    with st.expander(text, icon=":material/delete:", key="runs.trash"):
        for run_id in gone[:PAGE]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    esc(actions.runs().deleted_name(run_id)) + f" :gray[:small[{esc(run_id)}]]", width="stretch"
                )
                st.button(
                    _("Restore"), icon=":material/restore_from_trash:", key=f"runs.restore.{run_id}",
                    on_click=actions.restore, args=(run_id,), disabled=not actions.allowed(),
                )  # fmt: skip
