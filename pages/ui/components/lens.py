"""A lens with its marks where they stand on it, drawn: what a product carries, or what fits and what does not.

A component: the marks are thumbnails of ours, by address or as WebP; names and notes are set as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from core.catalogue.records import Place
from pages.ui.i18n import _

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_lens",
    html='<div class="lens"></div>\n',
    css=(HERE / "lens.css").read_text(encoding="utf-8"),
    js=(HERE / "lens.js").read_text(encoding="utf-8"),
)

State = Literal["", "fits", "differs", "missing"]


@dataclass(frozen=True)
class OnLens:
    """One mark: the address of its picture, its name, where it stands, how it fits what was asked, a note below."""

    src: str
    name: str
    at: Place = ""
    state: State = ""
    note: str = ""


def lens(marks: Sequence[OnLens], *, key: str, code: str = "", code_state: State = "", small: bool = False) -> None:
    """Draw it; ``code`` stands in its middle."""
    data = {
        "marks": [asdict(mark) for mark in marks],
        "code": code,
        "code_state": code_state,
        "small": small,
        "words": {"lens": _("The marks on the lens"), "none": _("no marks yet")},
    }
    _COMPONENT(data=data, key=key)
