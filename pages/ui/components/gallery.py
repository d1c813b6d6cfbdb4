"""A wall of thumbnails in groups: arrows move, Enter or a click opens one. At most some 120 a page.

A component: thumbnails are small WEBP files of ours by address (`pages/server/thumbnails.py`), so no original and no
folder is ever served. Names are data and are set as text, never as markup.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import streamlit as st


@dataclass(frozen=True)
class Tile:
    """One thumbnail: ``alt`` is read aloud and shown on hover, ``mark`` is a word on its corner ("" for none)."""

    id: int
    src: str
    alt: str
    mark: str = ""


@dataclass(frozen=True)
class Group:
    """Tiles under one heading ("" for none), with a note beside it."""

    title: str
    note: str = ""
    tiles: list[Tile] = field(default_factory=list)


HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_gallery",
    html='<div class="wall"></div>\n',
    css=(HERE / "gallery.css").read_text(encoding="utf-8"),
    js=(HERE / "gallery.js").read_text(encoding="utf-8"),
)


Size = Literal["small", "medium", "large"]
SIDES: dict[Size, str] = {"small": "4.25rem", "medium": "6.25rem", "large": "11rem"}  # the least side of a tile


def gallery(
    groups: list[Group], *, version: str, key: str, current: int | None = None, size: Size = "medium"
) -> int | None:
    """Draw the wall; returns the id of the tile opened in this run, else None.

    ``version`` names what is shown: the tiles are drawn again only when it changes.
    """
    data = {"groups": [asdict(group) for group in groups], "version": version, "current": current, "side": SIDES[size]}
    return _COMPONENT(data=data, key=key, on_opened_change=lambda: None).opened


def webp_url(picture: bytes) -> str:
    """A WebP as a ``data:`` URL."""
    return "data:image/webp;base64," + base64.b64encode(picture).decode("ascii")
