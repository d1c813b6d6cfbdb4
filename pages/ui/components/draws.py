"""Rows of an original and its draws, each opened by a click with the values that were drawn.

A component: pictures travel as data URLs of small WEBP files made here; names are data, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import workbench

HERE = Path(__file__).parent

_COMPONENT = st.components.v2.component(
    "burin_draws",
    html='<div class="draws"></div>\n',
    css=(HERE / "draws.css").read_text(encoding="utf-8"),
    js=(HERE / "draws.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Drawn:
    """One step of a draw: its title, and its parameters as (name, value with unit)."""

    title: str
    values: list[tuple[str, str]]


@dataclass(frozen=True)
class Picture:
    """One picture: ``src`` and, where asked for, what the model sees of it (``seen``), as data URLs. ``caption``
    stands below it, ``hint`` is shown on hover, ``verdict`` says how near it is, ``unsafe`` makes it red."""

    src: str
    alt: str
    seen: str = ""
    caption: str = ""
    hint: str = ""
    steps: list[Drawn] = field(default_factory=list)
    seed: str = ""
    verdict: str = ""
    unsafe: bool = False


@dataclass(frozen=True)
class Row:
    """An original (``first``) and its draws, under a title."""

    title: str
    note: str
    first: Picture | None
    tiles: list[Picture]


def draws(
    rows: Sequence[Row],
    *,
    version: str,
    key: str,
    layout: Literal["rows", "cards"] = "rows",
    seen: bool = False,
    fixed: bool = False,
) -> None:
    """Draw the rows; again only when ``version`` changes. ``seen`` shows what the model sees in the pictures'
    place; ``fixed``: nothing opens."""
    words = {
        "original": _("Original"),
        "seen": _("What the model sees"),
        "values": _("What was drawn"),
        "nothing": _("Nothing was drawn: this is the original."),
        "seed": _("Seed of this draw:"),
    }
    data = {
        "sections": [asdict(row) for row in rows],
        "words": words,
        "layout": layout,
        "seen": seen,
        "fixed": fixed,
        "version": f"{version}.{seen}.{workbench().language}",
    }
    _COMPONENT(data=data, key=key)
