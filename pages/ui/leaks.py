"""The leak badge: whether anything that a score was measured on was seen in training. It stands beside every score."""

from __future__ import annotations

import streamlit as st

from core.training.audit import KINDS, LeakAudit
from pages.ui.i18n import _, ngettext, number, translated
from pages.ui.text import esc

SHOWN = 12


def badge(audit: LeakAudit | None) -> str:
    """As Markdown; an imported model has no audit."""
    if audit is None or not audit.images:
        return ":gray-badge[:material/help: " + _("split not known") + "]"
    if audit.open and not audit.findings:
        return ":orange-badge[:material/help: " + _("leaks not known") + "]"
    if audit.clean:
        return ":green-badge[:material/verified_user: " + _("no leak") + "]"
    n = len(audit.findings)
    text = ngettext("{n} leak", "{n} leaks", n).format(n=number(n))
    return f":red-badge[:material/water_drop: {text}]"


def findings(audit: LeakAudit) -> None:
    """The leaks one by one: which pictures, on which sides; and what is open."""
    if audit.open:
        n = len(audit.open)
        text = ngettext(
            "{n} file is named as variants of one drawing are, or as drawings that were numbered; which of them, its"
            " name does not tell. If it is a variant, the scores are too good.",
            "{n} files are named as variants of one drawing are, or as drawings that were numbered; which of them, their"
            " names do not tell. If they are variants, the scores are too good.",
            n,
        ).format(n=number(n))
        st.markdown(f":orange[:material/help:] {text}")
        st.caption(esc(", ".join(audit.open[:SHOWN]) + ("…" if n > SHOWN else "")))
    sides = {"train": _("training"), "validation": _("validation"), "test": _("test")}
    for kind, title in KINDS.items():
        leaks = [leak for leak in audit.findings if leak.kind == kind]
        if not leaks:
            continue
        st.markdown(f"**{translated(title)}** ({number(len(leaks))})")
        for leak in leaks[:SHOWN]:
            where = ", ".join(sides.get(side, side) for side in leak.sides)
            st.markdown(f":red[:material/water_drop:] {esc(' = '.join(leak.names[:4]))} :gray[({where})]")
        if len(leaks) > SHOWN:
            rest = len(leaks) - SHOWN
            st.caption(ngettext("and {n} more", "and {n} more", rest).format(n=number(rest)))
