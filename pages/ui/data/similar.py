"""Images like another one, by the encoder in use: of every class, and of none."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import streamlit as st

from core.catalogue.records import Item
from core.ground.errors import BurinError
from pages.ui import contents, services
from pages.ui.i18n import _
from pages.ui.text import esc
from pages.ui.tiles import picture

MOST = 60
LIBRARY = "pages/data/library.py"


def link(item: Item, *, key: str) -> None:
    """The button that opens the Library with what is like ``item``."""
    if st.button(_("Find similar"), icon=":material/image_search:", key=key):
        st.switch_page(LIBRARY, query_params={"similar": str(item.id)})


def said(item_id: int) -> str:
    """The same as a link in a small text, which opens in a tab of its own."""
    return "[" + _("Find similar") + f"](library?similar={item_id})"


def asked() -> Item | None:
    """The image that the address asks for the like of (``?similar=12``)."""
    text = st.query_params.get("similar", "")
    found = services.dataset().some([int(text)] if text.isdecimal() and len(text) < 16 else [])
    return found[0] if found else None


def alike(item: Item) -> list[tuple[int, float]]:
    """Ids of present images and their similarity to ``item`` (-1 to 1), the likest first, at most `MOST`, itself left
    out; nothing where it cannot be read. Of equal contents the first."""
    points = contents.vectors(services.embedder().space)
    vector = _vector(item)
    if vector is None or not len(points):
        return []
    similarity = points.vectors @ vector
    order = np.argsort(-similarity, kind="stable")[: MOST + 1]
    ids = {sha256: contents.item_ids([sha256]) for sha256 in points.sha256[order].tolist()}
    found = [(ids[points.sha256[at]][0], float(similarity[at])) for at in order if ids[points.sha256[at]]]
    return [(item_id, likeness) for item_id, likeness in found if item_id != item.id][:MOST]


def header(item: Item) -> None:
    """What the list is like, and the way back to all."""
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        if shown := picture(item):
            st.image(shown, width=72, alt=_("The image"))
        name = item.class_name or _("Without a class")
        st.markdown(_("Like this image of **{name}**, the likest first").format(name=esc(name)), width="stretch")
        st.button(_("All images"), icon=":material/close:", key="library.not_similar", on_click=_all)


def _all() -> None:
    st.query_params.pop("similar", None)


def _vector(item: Item) -> np.ndarray | None:
    """The vector of an image, from the catalogue or made now (of one in the trash, say)."""
    points = contents.vectors(services.embedder().space)
    at = int(np.searchsorted(points.sha256, item.sha256))
    if at < len(points) and points.sha256[at] == item.sha256:
        return points.vectors[at]
    with suppress(BurinError):
        (vector,) = services.embedder().embed_images([lambda: services.dataset().picture(item)])
        return vector if isinstance(vector, np.ndarray) else None
    return None
