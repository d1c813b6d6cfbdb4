"""New images dropped onto the embedding map: where the encoder puts them; into the gallery only if somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.ground.errors import BurinError, ImageRefused
from core.ground.images import SUFFIXES, content_hash, decode
from pages.ui import cached, contents, people, services
from pages.ui.components.pointmap import Pin
from pages.ui.data import selecting
from pages.ui.i18n import _, sentence
from pages.ui.text import esc, file_name

if TYPE_CHECKING:
    from core.evaluation import projection
    from pages.ui.evaluation.evaluating import Chosen


def pins(chosen: Chosen, layout: projection.Projection, points: projection.Points) -> list[Pin]:
    """The uploader, and what was dropped with its place; only for the encoder in use, which is in memory."""
    if chosen.run_id:
        return []
    queries: list[tuple[str, bytes]] = []
    vectors: list[np.ndarray] = []
    with st.popover(_("Drop new images onto it"), icon=":material/add_photo_alternate:", key="embeddings.drop"):
        files = st.file_uploader(
            _("They are shown where the encoder puts them, and are not added to the collection."),
            type=[suffix[1:] for suffix in SUFFIXES],
            accept_multiple_files=True,
            key="embeddings.files",
        )
        for file in files or ():
            name, content = file_name(file.name), file.getvalue()
            try:
                vector = _vector(content, content_hash(content), points.space)
            except ImageRefused as error:
                st.warning(esc(sentence(error)), icon=":material/broken_image:")
                continue
            nearest = str(points.sha256[int((points.vectors @ vector).argmax())])
            _offer(name, content, nearest, key=f"embeddings.add.{content_hash(content)[:12]}")
            queries.append((name, content))
            vectors.append(vector)
    if not queries:
        return []
    from core.evaluation import projection

    placed = projection.place(layout, points, np.stack(vectors))
    return [
        Pin(float(x), float(y), cached.shown(content, content_hash(content)[:16], side=96), name)
        for (name, content), (x, y) in zip(queries, placed.tolist(), strict=True)
    ]


def _offer(name: str, content: bytes, nearest: str, *, key: str) -> None:
    """One dropped image, and the button that makes it a reference; ``nearest`` is the content most like it."""
    if contents.item_ids([content_hash(content)]):
        st.caption(_("{name} is in the gallery.").format(name=esc(name)))
        return
    like = contents.items([nearest]).get(nearest)
    names = [record.name for record in services.dataset().classes()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.image(cached.shown(content, content_hash(content)[:16], side=96), width=48)
        chosen = st.selectbox(
            esc(name),
            names,
            index=names.index(like.class_name) if like is not None and like.class_name in names else None,
            placeholder=_("Type a name"),
            accept_new_options=True,
            key=f"{key}.class",
            width=200,
        )
        st.button(
            _("Add to the gallery"),
            icon=":material/library_add:",
            key=key,
            on_click=_add,
            args=(name, content, chosen),
            **people.bar(disabled=not chosen),
        )


def _add(name: str, content: bytes, class_name: str) -> None:
    from core.intake.ingest import IncomingFile, import_files

    def act() -> None:
        file = IncomingFile(name, content, class_name=class_name)
        (outcome,) = import_files(services.dataset(), [file], embedder=services.embedder())
        if outcome.reason is not None:
            raise outcome.reason

    selecting.change(
        act,
        _("{name} is in the gallery now, as {class_name}.").format(name=name, class_name=class_name),
        ":material/library_add:",
    )


@st.cache_data(max_entries=100, show_spinner=False)
def _vector(_content: bytes, token: str, space: str) -> np.ndarray:
    (vector,) = services.embedder().embed_images([decode(_content)])
    if isinstance(vector, BurinError):
        raise vector
    return vector
