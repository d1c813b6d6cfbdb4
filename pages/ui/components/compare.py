"""A query beside the best references of two classes, and what the model sees of each.

A component: pictures are data URLs of files made here, names are data. It only shows; deciding is the page's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import workbench

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_compare",
    html='<div class="compare"></div>\n',
    css=(HERE / "compare.css").read_text(encoding="utf-8"),
    js=(HERE / "compare.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Shown:
    """One picture: ``src`` and what the model sees of it (``seen``) as data URLs, its ``title`` and ``note``."""

    src: str
    seen: str
    title: str
    note: str


def compare(query: Shown, references: Sequence[Shown], *, key: str) -> None:
    """Draw them: ``references`` are two at most."""
    words = {
        "show": _("What is shown"),
        "image": _("Image"),
        "seen": _("What the model sees"),
    }
    data = {"query": asdict(query), "references": [asdict(one) for one in references], "words": words}
    version = "".join((one.src[-24:] + one.title + one.note) for one in (query, *references)) + workbench().language
    _COMPONENT(data={**data, "version": version}, key=key)
