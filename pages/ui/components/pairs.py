"""The most confused pairs of classes as a list, each with an image of both; a click opens one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_pairs",
    html='<div class="pairs" role="group"></div>\n',
    css=(HERE / "pairs.css").read_text(encoding="utf-8"),
    js=(HERE / "pairs.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Listed:
    """One pair: its ``id``, the names of both classes, an image of each as data URL, the ``share`` of the
    longest bar, and its ``note`` in words."""

    id: str
    own: str
    other: str
    note: str
    share: float
    images: tuple[str, str]


def pairs(listed: Sequence[Listed], *, current: str, label: str, key: str) -> str | None:
    """Draw the list; the id of the pair opened in this run, else None."""
    rows = [{**asdict(one), "from": one.images[0], "to": one.images[1]} for one in listed]
    opened = _COMPONENT(
        data={"pairs": rows, "current": current, "label": label}, key=key, on_opened_change=lambda: None
    ).opened
    return opened if opened in {one.id for one in listed} else None
