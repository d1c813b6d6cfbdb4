"""Paste a picture from the clipboard, anywhere on the page (Ctrl+V) or by a button.

A component that sends the picture once, as an event; the page keeps it. Pasting into a text
field is left alone.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.components.sketch import picture_of

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_clipboard",
    html='<button type="button"></button>\n<p role="status"></p>',
    css=(HERE / "clipboard.css").read_text(encoding="utf-8"),
    js=(HERE / "clipboard.js").read_text(encoding="utf-8"),
)
_LIMIT = 25_000_000


def clipboard(*, words: dict[str, str], key: str, button: bool = True) -> bytes | None:
    """Listen; returns the bytes of a picture in the one run that follows its pasting, else None.

    Without its ``button``, Ctrl+V still works.

    ``words``: the texts "paste", "none" (no picture there), "refused" (the browser said no) and "large".
    """
    result = _COMPONENT(
        data={"words": words, "limit": _LIMIT, "button": button}, key=key, on_pasted_change=lambda: None
    )
    return picture_of(result.pasted)
