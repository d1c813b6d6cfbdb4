"""Items as tiles of the gallery component: their thumbnail, their words, their corner mark."""

from __future__ import annotations

from collections.abc import Iterable

from core.catalogue.records import Item
from core.ground.errors import BurinError
from pages.server.thumbnails import address_of
from pages.ui import services
from pages.ui.components.gallery import Tile, webp_url
from pages.ui.i18n import _
from pages.ui.state import workbench
from pages.ui.widgets import kind_name


def tile(item: Item, *, named: bool = False) -> Tile:
    """``item`` as a tile; ``named`` writes its class on the corner (elsewhere the heading says it)."""
    name = item.class_name if item.class_id is not None else _("no class")
    mark = name if named else ("" if item.kind == "drawing" else kind_name(item.kind))
    return Tile(item.id, source(item), f"{name} · {kind_name(item.kind)}", mark)


def saw(items: Iterable[Item]) -> None:
    """Remember which state of these images this session was shown."""
    workbench().seen.update((item.id, item.ver) for item in items)


def versions(ids: Iterable[int]) -> dict[int, int]:
    """The states of these images that this session was shown last: what changed since is somebody else's work, and is
    not overwritten unseen."""
    seen = workbench().seen
    return {item_id: seen[item_id] for item_id in ids if item_id in seen}


def source(item: Item) -> str:
    """The address of the thumbnail, which the browser asks for when it comes into view."""
    saw([item])
    return address_of(item)


def picture(item: Item) -> str:
    """The thumbnail itself, for `st.image`, which takes an address of ours for a file; "" where the file is gone."""
    saw([item])
    try:
        return webp_url(services.dataset().thumbnail(item).read_bytes())
    except BurinError:
        return ""
