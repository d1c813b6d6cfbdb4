"""Items as tiles of the gallery component: their thumbnail, their words, their corner mark."""

from __future__ import annotations

from core.catalogue.records import Item
from core.ground.errors import BurinError
from pages.server.thumbnails import address_of as source
from pages.ui import services
from pages.ui.components.gallery import Tile, webp_url
from pages.ui.i18n import _
from pages.ui.widgets import kind_name

__all__ = ["picture", "source", "tile"]


def tile(item: Item, *, named: bool = False) -> Tile:
    """``item`` as a tile; ``named`` writes its class on the corner (elsewhere the heading says it)."""
    name = item.class_name if item.class_id is not None else _("no class")
    mark = name if named else ("" if item.kind == "drawing" else kind_name(item.kind))
    return Tile(item.id, source(item), f"{name} · {kind_name(item.kind)}", mark)


def picture(item: Item) -> str:
    """The thumbnail itself, for `st.image`, which takes an address of ours for a file; "" where the file is gone."""
    try:
        return webp_url(services.dataset().thumbnail(item).read_bytes())
    except BurinError:
        return ""
