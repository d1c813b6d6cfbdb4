"""How a mark comes in on Identify: dropped files, the clipboard, a sheet to draw on, the camera."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.ground.images import SUFFIXES, content_hash
from pages.ui.components.clipboard import clipboard
from pages.ui.components.sketch import sketch
from pages.ui.i18n import _
from pages.ui.links import linked_choice
from pages.ui.state import workbench
from pages.ui.text import file_name

WAYS = ("drop", "draw", "camera")
ICONS = {"drop": ":material/image:", "draw": ":material/draw:", "camera": ":material/photo_camera:"}


@dataclass(frozen=True)
class Query:
    """One image to name: its bytes as they came, its name, and the hash of its content."""

    name: str
    data: bytes
    token: str


def intake() -> list[Query]:
    """The controls; returns the images now waiting for an answer, in the order they were given."""
    labels = {"drop": _("Image"), "draw": _("Draw"), "camera": _("Camera")}
    way = linked_choice(
        st.segmented_control,
        _("How do you have the mark?"),
        WAYS,
        param="way",
        key="identify.way",
        default="drop",
        required=True,
        format_func=lambda name: f"{ICONS[name]} {labels[name]}",
        width="stretch",
        label_visibility="collapsed",
    )
    return {"drop": _dropped, "draw": _drawn, "camera": _photographed}[way or "drop"]()


def query_of(name: str, data: bytes) -> Query:
    """``data`` as a query; of a name that holds a path, its last part."""
    return Query(file_name(name), data, content_hash(data)[:16])


def _dropped() -> list[Query]:
    bench = workbench()
    files = st.file_uploader(
        _("Drop one or several images of marks here"),
        type=[suffix[1:] for suffix in SUFFIXES],
        accept_multiple_files=True,
        key=bench.round_of("identify.files"),
    )
    words = {
        "paste": _("Paste an image (Ctrl+V)"),
        "none": _("There is no image in the clipboard."),
        "refused": _("The browser did not allow it: press Ctrl+V instead."),
        "large": _("This image is too large to paste: save it and drop the file."),
    }
    pasted = clipboard(words=words, key="identify.clipboard", button=not files and not bench.pasted)
    if pasted and pasted not in bench.pasted:
        bench.pasted.insert(0, pasted)
    queries = [query_of(_("Pasted image"), data) for data in bench.pasted] + [
        query_of(f.name, f.getvalue()) for f in files
    ]
    if queries:
        st.button(
            _("Start again"), icon=":material/restart_alt:", key="identify.restart", on_click=_restart, type="tertiary"
        )
    return queries


def _restart() -> None:
    workbench().pasted.clear()
    workbench().empty("identify.files")


def _drawn() -> list[Query]:
    words = {
        "hint": _("Draw the mark here with a finger, a pen or the mouse"),
        "undo": _("Undo"),
        "clear": _("Clear"),
        "pens": [_("Fine pen"), _("Medium pen"), _("Broad pen")],
    }
    drawing = sketch(words=words, key="identify.sketch")
    return [query_of(_("Drawing"), drawing)] if drawing else []


def _photographed() -> list[Query]:
    st.caption(_("Fill the frame with the mark, in side light, and hold still."))
    photo = st.camera_input(
        _("Photograph the mark"), key="identify.camera", label_visibility="collapsed", resolution="720p"
    )
    return [query_of(_("Photograph"), photo.getvalue())] if photo else []
