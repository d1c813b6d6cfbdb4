"""Items as tiles of the gallery component: their thumbnail, their words, their corner mark."""

from __future__ import annotations

from core.catalogue.records import Item
from core.ground.errors import BurinError
from pages.ui import services
from pages.ui.components.gallery import Tile, data_url
from pages.ui.i18n import _
from pages.ui.widgets import kind_name


def tile(item: Item, *, named: bool = False) -> Tile:
    """``item`` as a tile; ``named`` writes its class on the corner (elsewhere the heading says it)."""
    name = item.class_name if item.class_id is not None else _("no class")
    mark = name if named else ("" if item.kind == "drawing" else kind_name(item.kind))
    return Tile(item.id, source(item), f"{name} · {kind_name(item.kind)}", mark)


def source(item: Item) -> str:
    """The thumbnail as a data URL; "" where the file was taken away behind our back."""
    try:
        return data_url(item.sha256, str(services.dataset().thumbnail(item)))
    except BurinError:
        return ""
