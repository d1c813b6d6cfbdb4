"""A map of images as points: colour, hover thumbnails, lasso and box; it gives the item ids that were selected.

A component of our own: Plotly's maps can show no picture under the pointer and take ten seconds to first
appear at 50,000 points (benchmarks/README.md). What is selected belongs to the session, not to the map.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_pointmap",
    html='<div class="place"></div>\n',
    css=(HERE / "pointmap.css").read_text(encoding="utf-8"),
    js=(HERE / "pointmap.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Colouring:
    """One way to colour the points: for each a code (N,) into ``names``. ``ramp``: the names are steps, the first shown
    strongest; ``labels``: they are also written on the map."""

    codes: np.ndarray
    names: Sequence[str]
    ramp: bool = False
    labels: bool = False


@dataclass(frozen=True)
class Points:
    """Points at ``xy`` (N, 2) with the item ``ids`` (N,) that they stand for, and their colourings, "class" among
    them. ``place`` names the projection, ``version`` all of it: each is sent and drawn again only when it changes."""

    ids: np.ndarray
    xy: np.ndarray
    colourings: Mapping[str, Colouring]
    place: str
    version: str


@dataclass(frozen=True)
class Pin:
    """A picture pinned onto the map: where, its data URL and its name."""

    x: float
    y: float
    src: str
    name: str


@dataclass(frozen=True)
class Thumb:
    """What is shown beside the pointer."""

    src: str
    name: str
    note: str = ""


def draw(points: Points, *, key: str) -> None:
    """Lay the points out; `listen` brings them to life, in the same run."""
    _COMPONENT(data=packed(points, key=key), key=key)


def packed(points: Points, *, key: str) -> dict[str, Any]:
    """What the browser is sent of the points: arrays as base64 of little-endian numbers."""
    return {
        "role": "points",
        "key": key,
        "place": points.place,
        "version": points.version,
        "ids": _packed(points.ids, "<i4"),
        "x": _packed(points.xy[:, 0], "<f4"),
        "y": _packed(points.xy[:, 1], "<f4"),
        "colourings": {
            name: {"codes": _packed(one.codes, "<u2"), "names": list(one.names), "ramp": one.ramp, "labels": one.labels}
            for name, one in points.colourings.items()
        },
    }


def listen(
    *,
    key: str,
    colour: str,
    selected: Sequence[int],
    pins: Sequence[Pin],
    words: Mapping[str, str],
    on_select: Callable[[list[int]], None],
) -> None:
    """Colour the map of ``key``, mark what is selected, and call ``on_select`` with the ids of a lasso, box or click."""
    state = f"{key}.state"
    sent = (st.session_state.get(state) or {}).get("selected")
    data = {
        "role": "state",
        "key": key,
        "colour": colour,
        "selected": list(selected),
        "pins": [asdict(pin) for pin in pins],
        "words": dict(words),
        "ack": sent["seq"] if isinstance(sent, dict) and isinstance(sent.get("seq"), int) else 0,
    }

    def told() -> None:
        given = st.session_state[state].selected
        if isinstance(given, dict):
            on_select([one for one in given.get("ids", ()) if isinstance(one, int) and not isinstance(one, bool)])

    _COMPONENT(data=data, key=state, on_selected_change=told)


def thumbnails(look_up: Callable[[list[int]], Mapping[int, Thumb]], *, key: str, most: int = 12) -> None:
    """Bring the thumbnails of the points under the pointer, and of their neighbours, in a fragment of its own."""

    @st.fragment
    def fragment() -> None:
        asked = (st.session_state.get(f"{key}.thumbs") or {}).get("hover") or ()
        ids = [one for one in asked if isinstance(one, int)][:most]
        found = {str(one): asdict(thumb) for one, thumb in look_up(ids).items()} if ids else {}
        _COMPONENT(
            data={"role": "thumbs", "key": key, "thumbs": found}, key=f"{key}.thumbs", on_hover_change=lambda: None
        )

    fragment()


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")
