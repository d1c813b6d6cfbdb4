"""The pipeline as a picture: six stations on one engraved line, with live figures.

A component: HTML laid out by CSS (a row on a wide screen, a column on a phone), drawn with the
theme's own colours. Every text is data and is set as text, never as markup.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

Pictogram = Literal["originals", "variants", "balance", "train", "evaluate", "identify"]

State = Literal["ready", "open", "waiting", "absent"]  # done, can be done, needs another step first, not there


@dataclass(frozen=True)
class Station:
    """One step: ``figure`` is its live count, ``state`` how far it is, ``target`` the page it opens ("" for none)."""

    pictogram: Pictogram
    title: str
    figure: str
    caption: str
    state: State
    note: str = ""
    target: str = ""


HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_pipeline",
    html='<div class="wrap"><ol class="line"></ol></div>\n',
    css=(HERE / "pipeline.css").read_text(encoding="utf-8"),
    js=(HERE / "pipeline.js").read_text(encoding="utf-8"),
)


def pipeline(stations: list[Station], *, label: str, key: str) -> str | None:
    """Draw the stations; returns the ``target`` of the one just clicked, else None."""
    result = _COMPONENT(
        data={"label": label, "stations": [asdict(s) for s in stations]}, key=key, on_opened_change=lambda: None
    )
    return result.opened
