"""New images dropped onto the embedding map: where the encoder puts them, without adding them to the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.ground.errors import BurinError, ImageRefused
from core.ground.images import SUFFIXES, content_hash, decode
from pages.ui import cached, services
from pages.ui.components.pointmap import Pin
from pages.ui.i18n import _, sentence
from pages.ui.text import esc, file_name

if TYPE_CHECKING:
    from core.evaluation import projection
    from pages.ui.evaluation.evaluating import Chosen


def pins(chosen: Chosen, layout: projection.Projection, points: projection.Points) -> list[Pin]:
    """The uploader, and what was dropped with its place; only for the encoder in use, which is in memory."""
    if chosen.run_id:
        return []
    with st.popover(_("Drop new images onto it"), icon=":material/add_photo_alternate:", key="embeddings.drop"):
        files = st.file_uploader(
            _("They are shown where the encoder puts them, and are not added to the collection."),
            type=[suffix[1:] for suffix in SUFFIXES],
            accept_multiple_files=True,
            key="embeddings.files",
        )
    queries, vectors = [], []
    for file in files or ():
        content = file.getvalue()
        try:
            vectors.append(_vector(content, content_hash(content), points.space))
            queries.append((file_name(file.name), content))
        except ImageRefused as error:
            st.warning(esc(sentence(error)), icon=":material/broken_image:")
    if not queries:
        return []
    from core.evaluation import projection

    placed = projection.place(layout, points, np.stack(vectors))
    return [
        Pin(float(x), float(y), cached.shown(content, content_hash(content)[:16], side=96), name)
        for (name, content), (x, y) in zip(queries, placed.tolist(), strict=True)
    ]


@st.cache_data(max_entries=100, show_spinner=False)
def _vector(_content: bytes, token: str, space: str) -> np.ndarray:
    (vector,) = services.embedder().embed_images([decode(_content)])
    if isinstance(vector, BurinError):
        raise vector
    return vector
