"""The rest of the training form: batches, loss, schedule with its unfreezing table, split, precision and seed."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from core.training.settings import BALANCES, LOSSES, MINING, SOURCES, Part, Thaw, gradual, schedule_of
from pages.ui.i18n import _, translated
from pages.ui.training.draft import Draft
from pages.ui.training.words import field_label, part_name

ROWS = 8  # of the unfreezing table at most


def edit(now: Draft, fields: dict[str, Any]) -> None:
    """Draw the controls and put their values into ``fields``."""
    batches, loss, schedule, unfreezing, split, rest = st.tabs(
        [_("Batches"), _("Loss"), _("Schedule"), _("Unfreezing"), _("Split"), _("Precision")]
    )
    with batches:
        _batches(now, fields)
    with loss:
        _loss(now, fields)
    with schedule:
        _schedule(now, fields)
    with unfreezing:
        _unfreezing(now, fields)
    with split:
        _split(now, fields)
    with rest:
        _rest(now, fields)


def _batches(now: Draft, fields: dict[str, Any]) -> None:
    base = now.base
    st.caption(_("A batch holds K images of each of P classes, so that every image finds its own class and others."))
    with st.grid(3, min_column_width=160, gap="small"):
        _whole(now, fields, "classes_per_batch", 2, 512)
        _whole(now, fields, "images_per_class", 2, 64)
        _whole(now, fields, "steps", 0, 1_000_000, _("0: as many as see every training image once."))
        _table(now, fields, "balance", BALANCES, base.balance)
        _table(now, fields, "source", SOURCES, base.source)


def _loss(now: Draft, fields: dict[str, Any]) -> None:
    loss = LOSSES[fields["loss"]]
    base = now.base.loss_parameters if now.base.loss == loss.name else {}
    values: dict[str, float] = {}
    with st.grid(3, min_column_width=160, gap="small"):
        for entry in loss.parameters:
            values[entry.name] = float(
                st.number_input(
                    translated(entry.title), float(entry.minimum), float(entry.maximum),
                    float(base.get(entry.name, entry.default)), step=float(entry.step),
                    **now.kept(f"loss.{loss.name}.{entry.name}"),
                )
            )  # fmt: skip
        _table(now, fields, "mining", MINING, now.base.mining, disabled=not loss.mined)
    fields["loss_parameters"] = values
    if not loss.mined:
        st.caption(_("This loss looks at all of the batch itself: there is nothing to mine."))


def _schedule(now: Draft, fields: dict[str, Any]) -> None:
    scratch = fields["start"] == "scratch"
    with st.grid(3, min_column_width=160, gap="small"):
        _real(now, fields, "learning_rate", 1e-7, 1.0, 1e-4, "%.5f", _("Of the head; the trunk learns more gently."))
        share = schedule_of("scratch", 1)["trunk_rate"] if scratch and now.base.start != "scratch" else None
        _real(now, fields, "trunk_rate", 0.0, 10.0, 0.05, "%.2f", _("0.1: the trunk learns ten times more gently."),
              first=share)  # fmt: skip
        _real(now, fields, "weight_decay", 0.0, 1.0, 1e-4, "%.5f")
        _real(now, fields, "clip_norm", 0.0, 1000.0, 0.5, "%.1f", _("Longest step of the gradient; 0: not clipped."))
        _whole(now, fields, "patience", 0, 10_000, _("Epochs without a better score before it stops; 0: never."))
        _real(now, fields, "average", 0.0, 0.9999, 0.01, "%.4f",
              _("Share of the average of the weights that each step keeps; 0: no average."))  # fmt: skip
        _real(now, fields, "blend", 0.01, 1.0, 0.05, "%.2f",
              _("Share of the trained weights in what is saved, the rest being those of the start."))  # fmt: skip
    fields["onecycle"] = st.toggle(
        _("One cycle: the rate rises, then falls to nothing over the whole training"), now.base.onecycle,
        **now.kept("onecycle"),
    )  # fmt: skip


def _unfreezing(now: Draft, fields: dict[str, Any]) -> None:
    """The table as it is edited; what is not named in it stays frozen."""
    if fields["start"] == "scratch":
        st.caption(_("From scratch nothing is worth freezing: everything learns from the first epoch."))
        fields["unfreezing"] = ()
        return
    st.caption(
        _(
            "From which epoch on a part of the network learns too. Without any line everything learns from the start; "
            "a part that is never named keeps its weights."
        )
    )
    if fields["epochs"] != now.epochs:
        if now.thaws == gradual(now.epochs):  # not touched yet: it follows the number of epochs
            now.thaws, now.table = gradual(fields["epochs"]), now.table + 1
        now.epochs = fields["epochs"]
    key = now.key(f"unfreezing.{now.table}")
    if key not in st.session_state:  # the page was left: the editor begins with what it had made
        now.shown = now.thaws
    names: dict[str, Part] = {part_name(part): part for part in get_args(Part)}
    edited: dict[str, Any] = st.data_editor(
        {
            _("From epoch"): [thaw.epoch + 1 for thaw in now.shown],
            _("Learns too"): [part_name(thaw.part) for thaw in now.shown],
        },
        num_rows="dynamic",
        hide_index=True,
        width=420,
        key=key,
        alt=_("What learns from which epoch on"),
        column_config={
            _("From epoch"): st.column_config.NumberColumn(min_value=1, max_value=10_000, step=1, required=True),
            _("Learns too"): st.column_config.SelectboxColumn(options=list(names), required=True),
        },
    )
    rows = zip(edited[_("From epoch")], edited[_("Learns too")], strict=True)
    now.thaws = tuple(
        sorted(
            (Thaw(int(epoch) - 1, names[part]) for epoch, part in rows if epoch and part in names),
            key=lambda thaw: thaw.epoch,
        )
    )[:ROWS]
    fields["unfreezing"] = now.thaws


def _split(now: Draft, fields: dict[str, Any]) -> None:
    base = now.base
    st.caption(
        _("Near-duplicates stay on one side. A class keeps at least one original for training; variants follow theirs.")
    )
    with st.grid(3, min_column_width=160, gap="small"):
        for name in ("validation", "test"):
            fields[name] = (
                st.slider(
                    field_label(name), 0, 50, round(100 * getattr(base, name)), step=5, format="%d %%", **now.kept(name)
                )
                / 100
            )
        fields["held_out"] = (
            st.slider(
                field_label("held_out"), 0, 50, round(100 * base.held_out), step=5, format="%d %%",
                **now.kept("held_out"),
                help=_(
                    "Whole classes that are kept out of training. Evaluate then says how well marks that it never saw are"
                    " recognised, which is the real task: 20 % to try settings, 0 for the run that is to be used."
                ),
            )
            / 100
        )  # fmt: skip
        _whole(now, fields, "seed", 0, 2**32 - 1, _("The same seed gives the same split, batches and variants."))
        folds = [0, 3, 5, 10] if base.folds in (0, 3, 5, 10) else sorted({0, 3, 5, 10, base.folds})
        fields["folds"] = st.selectbox(
            field_label("folds"), folds, folds.index(base.folds), **now.kept("folds"),
            format_func=lambda n: _("none: one test side") if n == 0 else str(n),
            help=_("For small sets: the test side is one of so many parts. Train one run a part to use every image."),
        )  # fmt: skip
        if fields["folds"]:
            first = min(base.fold, fields["folds"] - 1)
            fields["fold"] = (
                int(
                    st.number_input(
                        _("Which part"), 1, fields["folds"], first + 1, **now.kept(f"fold.{fields['folds']}")
                    )
                )
                - 1
            )
        else:
            fields["fold"] = 0
    if fields["folds"]:
        st.caption(_("The test side is then 1 / {n}: the share above is not looked at.").format(n=fields["folds"]))
    elif not fields["validation"]:
        st.caption(":orange[" + _("Without validation no epoch is better than another: the last one is kept.") + "]")


def _rest(now: Draft, fields: dict[str, Any]) -> None:
    base = now.base
    with st.grid(3, min_column_width=160, gap="small"):
        if fields["start"] == "workspace":
            fields["embedding_size"] = base.embedding_size
        else:
            _whole(now, fields, "embedding_size", 2, 4096)
        _whole(now, fields, "neighbours", 1, 100, _("References that vote when an image is recognised."))
    fields["mixed_precision"] = st.toggle(
        _("Mixed precision on a GPU"), base.mixed_precision, **now.kept("mixed_precision")
    )
    st.caption(_("A GPU is used when there is one, without a setting."))


def _whole(now: Draft, fields: dict[str, Any], name: str, low: int, high: int, meaning: str = "") -> None:
    first = min(max(getattr(now.base, name), low), high)
    fields[name] = int(st.number_input(field_label(name), low, high, first, help=meaning or None, **now.kept(name)))


def _real(
    now: Draft,
    fields: dict[str, Any],
    name: str,
    low: float,
    high: float,
    step: float,
    shown: str,
    meaning: str = "",
    first: float | None = None,
) -> None:
    """``first``: another value to begin with than the draft's, in a control of its own."""
    key = name if first is None else f"{name}.own"
    fields[name] = float(
        st.number_input(
            field_label(name), low, high, float(getattr(now.base, name) if first is None else first), step=step,
            format=shown, help=meaning or None, **now.kept(key),
        )
    )  # fmt: skip


def _table(
    now: Draft, fields: dict[str, Any], name: str, table: dict[str, str], first: str, *, disabled: bool = False
) -> None:
    fields[name] = st.selectbox(
        field_label(name), list(table), list(table).index(first), format_func=lambda each: translated(table[each]),
        disabled=disabled, **now.kept(name),
    )  # fmt: skip
