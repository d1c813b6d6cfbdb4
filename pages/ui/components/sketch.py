"""A sheet to draw a mark on, with a finger, a pen or the mouse: black ink on white paper.

A component: it sends the drawing as a PNG after each stroke. The sheet is always white, whatever
the theme, because the picture is read as ink on paper.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

LIMIT = 32_000_000  # characters of a data URL taken from a browser

_HTML = """
<div class="pad">
  <div class="tools" role="toolbar">
    <div class="pens" role="group"></div>
    <button type="button" class="undo"></button>
    <button type="button" class="clear"></button>
  </div>
  <div class="sheet"><canvas width="512" height="512" tabindex="0"></canvas><p class="hint"></p></div>
</div>
"""


HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_sketch",
    html=_HTML,
    css=(HERE / "sketch.css").read_text(encoding="utf-8"),
    js=(HERE / "sketch.js").read_text(encoding="utf-8"),
)


def sketch(*, words: Mapping[str, object], key: str) -> bytes | None:
    """The sheet; returns the drawing as PNG bytes, or None while it is blank.

    ``words``: the texts "hint", "undo", "clear" and "pens" (three: fine, medium, broad).
    """
    result = _COMPONENT(
        data={"words": dict(words), "name": key}, key=key, default={"drawing": ""}, on_drawing_change=lambda: None
    )
    return picture_of(result.drawing)


def picture_of(url: object) -> bytes | None:
    """The bytes of an image's ``data:`` URL; None for anything else, which only a tampered client sends."""
    if not isinstance(url, str) or not url.startswith("data:image/") or ";base64," not in url[:64] or len(url) > LIMIT:
        return None
    try:
        return base64.b64decode(url.split(",", 1)[1], validate=True) or None
    except binascii.Error:
        return None
