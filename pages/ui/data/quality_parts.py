"""What the lists of the Quality page share: a wall of images, what an empty list says, the way to Label, the trash."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.catalogue.records import Item
from core.ground.config import KINDS
from pages.ui import changes, services, widgets
from pages.ui.components.gallery import Group, gallery
from pages.ui.data import similar
from pages.ui.i18n import _, ngettext, number
from pages.ui.text import esc
from pages.ui.tiles import picture, tile, versions

GROUPS = 15  # findings shown at once; the next ones come as these are settled
TILES = 24


def wall(title: str, items: Sequence[Item], *, key: str) -> None:
    tiles = [tile(item) for item in items[:TILES]]
    version = ".".join(f"{item.id}-{item.ver}" for item in items)
    opened = gallery([Group(title, "", tiles)], version=version, key=key)
    if opened:
        st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def one_image(item: Item) -> None:
    shown = picture(item)
    st.image(shown, width="stretch", alt=tile(item).alt) if shown else st.markdown(":material/hide_image:")
    name = item.class_name if item.class_id is not None else _("Without a class")
    kind = widgets.kind_name(item.kind) if item.kind in KINDS else ""
    st.markdown(
        f"**{esc(name)}**  \n:small[:gray[{item.width} × {item.height} · {kind}]]  \n:small[{similar.said(item.id)}]"
    )


def open_in_label(ids: Sequence[int], key: str) -> None:
    if st.button(_("Open in Label"), icon=":material/open_in_new:", type="tertiary", key=f"{key}.open"):
        st.switch_page("pages/data/label.py", query_params={"ids": ".".join(map(str, ids[:200]))})


def nothing(text: str, *, known: bool = True) -> None:
    """An empty list; a tick only where it is ``known`` that there is nothing to do."""
    st.markdown(f":green-badge[:material/check:] {text}" if known else f":gray[:material/hourglass_empty: {text}]")


def more(count: int) -> None:
    if count > GROUPS:
        st.caption(ngettext("{n} more follows.", "{n} more follow.", count - GROUPS).format(n=number(count - GROUPS)))


def to_trash(ids: list[int]) -> None:
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", len(ids)).format(n=number(len(ids)))
    changes.make(lambda: services.dataset().trash(ids, versions=versions(ids)), text, ":material/delete:")
