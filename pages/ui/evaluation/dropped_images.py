"""New images dropped onto the embedding map: where the encoder puts them; into the gallery only if somebody says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.ground.errors import BurinError, ImageRefused
from core.ground.images import SUFFIXES, content_hash, decode
from pages.ui import cached, changes, contents, people, services
from pages.ui.components.pointmap import Pin
from pages.ui.i18n import _, sentence
from pages.ui.search.inputs import Query, pinned, query_of
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.evaluation import projection
    from pages.ui.evaluation.evaluating import Chosen


def pins(chosen: Chosen, layout: projection.Projection, points: projection.Points) -> list[Pin]:
    """The uploader, and what was dropped or came from Identify, with its place. Only the encoder in use is in memory:
    on the map of a run it is said why nothing can be dropped."""
    queries: list[Query] = []
    vectors: list[np.ndarray] = []
    with st.popover(_("Drop new images onto it"), icon=":material/add_photo_alternate:", key="embeddings.drop"):
        if chosen.run_id:
            st.markdown(
                _("Only the encoder in use can look at a new image, and this is the map of {name}.").format(
                    name=f"**{esc(chosen.name)}**"
                )
            )
            st.button(
                _("The map of the encoder in use"), icon=":material/scatter_plot:", key="embeddings.in_use",
                on_click=_open_in_use,
            )  # fmt: skip
            return []
        files = st.file_uploader(
            _("They are shown where the encoder puts them, and are not added to the collection."),
            type=[suffix[1:] for suffix in SUFFIXES],
            accept_multiple_files=True,
            key="embeddings.files",
        )
        if pinned():
            st.button(
                _("Take away what came from Identify"), icon=":material/close:", key="embeddings.unpin",
                on_click=pinned().clear,
            )  # fmt: skip
        dropped = [query_of(file.name, file) for file in files or ()]
        for query in {query.token: query for query in (*pinned(), *dropped)}.values():
            try:
                vector = _vector(query.data, query.token, points.space)
            except ImageRefused as error:
                st.warning(esc(sentence(error)), icon=":material/broken_image:")
                continue
            nearest = str(points.sha256[int((points.vectors @ vector).argmax())])
            _offer(query, nearest)
            queries.append(query)
            vectors.append(vector)
    if not queries:
        return []
    from core.evaluation import projection

    placed = projection.place(layout, points, np.stack(vectors))
    return [
        Pin(float(x), float(y), _small(query), query.name)
        for query, (x, y) in zip(queries, placed.tolist(), strict=True)
    ]


def pinned_line(chosen: Chosen) -> None:
    """What came from Identify, in sight."""
    if pinned() and not chosen.run_id:
        names = ", ".join(esc(query.name) for query in pinned())
        st.caption(":material/location_on: " + _("Pinned on the map, from Identify: {names}.").format(names=names))


def _open_in_use() -> None:
    st.session_state["evaluation.run"] = ""


def _small(query: Query) -> str:
    return cached.shown(query.data, query.token, side=96)


def _offer(query: Query, nearest: str) -> None:
    """One new image, and the button that makes it a reference; ``nearest`` is the content most like it."""
    if contents.item_ids([content_hash(query.data)]):
        st.caption(_("{name} is in the gallery.").format(name=esc(query.name)))
        return
    key = f"embeddings.add.{query.token[:12]}"
    like = contents.items([nearest]).get(nearest)
    names = [record.name for record in services.dataset().classes()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.image(_small(query), width=48, alt=query.name)
        chosen = st.selectbox(
            esc(query.name),
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
            args=(query.name, query.data, chosen),
            **people.bar(disabled=not chosen),
        )


def _add(name: str, content: bytes, class_name: str) -> None:
    from core.intake.ingest import IncomingFile, import_files

    def act() -> None:
        file = IncomingFile(name, content, class_name=class_name)
        (outcome,) = import_files(services.dataset(), [file], embedder=services.embedder())
        if outcome.reason is not None:
            raise outcome.reason

    changes.make(
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
