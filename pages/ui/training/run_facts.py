"""What is known of a run: its scores with their intervals and the leak badge, its settings, its classes, its machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.training.run import Run
from pages.ui import leaks, widgets
from pages.ui.i18n import _, decimals, ngettext, number, percent, sentence
from pages.ui.text import esc
from pages.ui.training.words import SCORES, asked, duration, field_label, field_value, interval, score_name


def scores(run: Run, records: Sequence[Mapping[str, Any]]) -> None:
    """The best epoch's scores, each with its interval where it is a share of images, and beside what the start had."""
    best = run.record.best
    if not best:
        return
    held = best["scores"]
    n = int(held.get("n", 0))
    meanings = {
        "top1": _("the first answer is right"),
        "top5": _("the right class is among the first five"),
        "macro_recall": _("the mean over classes, rare ones counting as much"),
        "map_at_r": _("how well each image gathers its class around it"),
    }
    shown = [name for name in SCORES if held.get(name) is not None]
    start = next((record.get("validation") or {} for record in records if record["kind"] == "start"), {})
    with st.grid(4, min_column_width=150, gap="small"):
        for name in shown:
            with st.container(border=True, gap="xxsmall", height="stretch"):
                gain = 100 * (held[name] - start[name]) if start.get(name) is not None else None
                st.metric(
                    score_name(name), percent(held[name]),
                    None if gain is None else _("{n} points").format(n=f"{'+' if gain > 0 else ''}{decimals(gain, 1)}"),
                    delta_color="off" if not gain else "normal", delta_arrow="off" if not gain else "auto",
                    help=_("The change is since the start, before any training.") if gain is not None else None,
                )  # fmt: skip
                if n and name in ("top1", "top5"):
                    st.markdown(f":small[{interval(held[name], n)}]", help=_("95 % interval (Wilson)"))
                st.caption(meanings[name])
    measured = ngettext("Measured on {n} validation original", "Measured on {n} validation originals", n)
    epoch = _("epoch {n} of {all} was the best").format(n=number(best["epoch"] + 1), all=number(run.settings.epochs))
    said = (
        f"{measured.format(n=number(n))} · {epoch}" if n else _("Nothing was measured: there are no validation images.")
    )
    st.markdown(f"{leaks.badge(run.audit)} :gray[:small[{said}]]")


def details(run: Run, *, key: str) -> None:
    """What it was asked to do and on what, folded."""
    with st.expander(_("Settings and data of this run"), icon=":material/description:", key=f"{key}.details"):
        _settings(run)
        _data(run)
        _machine(run)


def _settings(run: Run) -> None:
    values = asked(run)
    rows = [(field_label(name), field_value(name, value)) for name, value in values.items()]
    widgets.table(
        {_("Setting"): [name for name, _value in rows], _("Value"): [value for _name, value in rows]},
        hide_index=True,
        height=300,
        alt=_("Settings"),
    )


def _data(run: Run) -> None:
    record = run.record
    counts = record.counts
    sides = [
        (_("training"), counts.get("train", 0)),
        (_("validation"), counts.get("validation", 0)),
        (_("test"), counts.get("test", 0)),
    ]
    if any(n for _name, n in sides):
        st.markdown(" · ".join(f"{name} **{number(n)}**" for name, n in sides))
    if record.start:
        st.caption(esc(record.start))
    if not run.audit.clean:
        leaks.findings(run.audit)
    for warning in record.warnings:
        st.markdown(f":orange[:material/warning:] {esc(_said(warning))}")
    if record.left_out:
        n = len(record.left_out)
        text = ngettext(
            "For {n} class, transforms that lead it astray were left out.",
            "For {n} classes, transforms that lead them astray were left out.",
            n,
        )
        st.markdown(f":material/shield: {text.format(n=number(n))}")
    names = {"leak audit": _("trained in spite of leaks"), "label safety": _("trained without the label safety check")}
    for override in record.overrides:
        st.markdown(f":orange[:material/gpp_maybe: {names.get(override, esc(override))}]")


def _said(warning: dict) -> str:
    from core.ground.errors import BurinError

    return sentence(BurinError(warning["template"], **warning.get("values", {})))


def _machine(run: Run) -> None:
    record = run.record
    parts = [f"{name} {version}" for name, version in record.versions.items()]
    parts += [str(record.machine[name]) for name in ("system", "device") if record.machine.get(name)]
    if record.ended_at:
        parts.append(_("took {time}").format(time=duration(record.ended_at - record.created_at)))
    if record.snapshot:
        parts.append(_("data {hash}").format(hash=record.snapshot[:12]))
    st.caption(esc(" · ".join([run.id, *parts])))
    st.caption(_("TensorBoard reads its curves from this folder:"))
    st.code(f"tensorboard --logdir {shlex.quote(str(run.folder.parent))}", language="sh")
