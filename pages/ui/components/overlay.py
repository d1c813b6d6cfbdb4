"""A mark laid over a reference, stroke over stroke: what matches in one colour, what is left over in another.

A component: it draws points that `core.recognition.alignment.lay_over` found; it compares nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.i18n import _, percent
from pages.ui.state import workbench

if TYPE_CHECKING:
    from core.recognition.alignment import Overlay

HERE = Path(__file__).parent
SIDE = 1000  # units of the square in which the points are sent
_COMPONENT = st.components.v2.component(
    "burin_overlay",
    html='<div class="overlay"></div>\n',
    css=(HERE / "overlay.css").read_text(encoding="utf-8"),
    js=(HERE / "overlay.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Laid:
    """A mark over the best reference of the class ``name``."""

    name: str
    overlay: Overlay


def overlay(over: Sequence[Laid], *, key: str) -> None:
    """Draw them, one at a time: the first is shown, buttons with the names show the others."""
    words = {
        "show": _("Laid over"),
        "slider": _("From as drawn to laid over"),
        "drawn": _("as drawn"),
        "laid": _("laid over"),
        "match": _("matches"),
        "left": _("left over"),
        "thin": _("thin: your mark; broad: the reference"),
    }
    shown = [_points(one) for one in over]
    version = "".join(f"{one['name']}{one['stamp']}" for one in shown) + workbench().language
    _COMPONENT(data={"over": shown, "words": words, "version": version}, key=key)


def _points(laid: Laid) -> dict[str, object]:
    found = laid.overlay
    mine, theirs = found.matched
    said = _("{mine} of its strokes lie on those of {name}, and {theirs} of those are met.").format(
        mine=percent(round(mine, 2)), name=laid.name, theirs=percent(round(theirs, 2))
    )
    sent = {name: (SIDE * getattr(found, name)).round().astype(int).tolist() for name in ("query", "laid", "reference")}
    left = {
        "queryLeft": found.query_left.astype(int).tolist(),
        "referenceLeft": found.reference_left.astype(int).tolist(),
    }
    return {"name": laid.name, "said": said, "step": SIDE / found.side, "stamp": len(found.query), **sent, **left}
