"""How a mark comes in on Identify: dropped files, the clipboard, a sheet to draw on, the camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.typing import UploadedFile

from core.ground.images import SUFFIXES, content_hash
from pages.ui.components.clipboard import clipboard
from pages.ui.components.sketch import sketch
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice
from pages.ui.state import session_slice, workbench
from pages.ui.text import esc, file_name

WAYS = ("drop", "draw", "camera")
LISTED, NAME = 12, 28  # given images that are named, and characters of a name
ICONS = {"drop": ":material/image:", "draw": ":material/draw:", "camera": ":material/photo_camera:"}


@dataclass(frozen=True)
class Query:
    """One image to name: its name, what came (an upload stays on disk until it is read), and the hash of its content."""

    name: str
    source: bytes | UploadedFile
    token: str

    @property
    def data(self) -> bytes:
        """Its bytes as they came."""
        return self.source if isinstance(self.source, bytes) else self.source.getvalue()


def intake() -> list[Query]:
    """The controls; returns the images now waiting for an answer, in the order they were given."""
    way = _way()
    ways: dict[str, Callable[[], list[Query]]] = {"drop": _dropped, "draw": _drawn, "camera": _photographed}
    queries = ways[way]()
    _listen(way)
    return queries


def gather() -> list[Query]:
    """The same for the marks of one lens: pictures, photographs and drawings come together, one after another, in the
    order they were given; what lies on the sheet counts already."""
    way, bench = _way(), workbench()
    sheet = bench.round_of("lens.sketch")
    if way == "drop":
        _dropped(listed=False)
        now = []
    else:
        now = _drawn(key=sheet) if way == "draw" else _photographed()
        if way == "draw":
            st.button(
                _("Keep it, and draw the next"), icon=":material/add:", key="lens.next", disabled=not now,
                on_click=_keep, args=(now, "lens.sketch"), width="stretch",
            )  # fmt: skip
        elif now:
            st.button(_("Keep it"), icon=":material/add:", key="lens.next", on_click=_keep, args=(now, ""))
    _listen(way)
    return list({query.token: query for query in [*_given()[::-1], *now]}.values())


def _keep(queries: list[Query], sheet: str) -> None:
    take(queries)
    if sheet:
        workbench().empty(sheet)


def forget() -> None:
    """Take all images out, and what is on the sheet."""
    _restart()
    workbench().empty("lens.sketch")


def _way() -> str:
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
    return way or "drop"


def query_of(name: str, source: bytes | UploadedFile) -> Query:
    """What came as a query; of a name that holds a path, its last part."""
    data = source if isinstance(source, bytes) else source.getvalue()
    return Query(file_name(name), source, content_hash(data)[:16])


def _dropped(*, listed: bool = True) -> list[Query]:
    """Images that were dropped or pasted, the newest first: they stay while another way or page is looked at, until
    they are taken out."""
    bench = workbench()
    files = st.file_uploader(
        _("Drop one or several images of marks here"),
        type=[suffix[1:] for suffix in SUFFIXES],
        accept_multiple_files=True,
        key=bench.round_of("identify.files"),
    )
    if files:
        take([query_of(file.name, file) for file in files])
        bench.empty("identify.files")  # it is ready for the next ones, and would forget these with the page
        st.rerun()
    if listed and _given():
        _list()
    return list(_given())


def pinned() -> list[Query]:
    """This session's images that Identify sent to the map."""
    return session_slice("pinned", list[Query])


def _given() -> list[Query]:
    """This session's images that were dropped or pasted, newest first."""
    return session_slice("given", list[Query])


def take(queries: list[Query]) -> None:
    """Put these before the images that wait for an answer."""
    _given()[:] = {query.token: query for query in (*queries, *_given())}.values()


def _list() -> None:
    """What was given, each with a button that takes it out again."""
    given = _given()
    with st.container(horizontal=True, gap="small", key="identify.given"):
        for query in given[:LISTED]:
            name = query.name if len(query.name) <= NAME else f"{query.name[: NAME - 1]}…"
            st.button(
                esc(name), icon=":material/close:", type="tertiary", key=f"identify.remove.{query.token}",
                help=_("Take {name} out").format(name=esc(query.name)), on_click=remove, args=(query.token,),
            )  # fmt: skip
        if len(given) > LISTED:
            more = len(given) - LISTED
            st.caption(ngettext("and {n} more", "and {n} more", more).format(n=number(more)))
        st.button(
            _("Start again"), icon=":material/restart_alt:", key="identify.restart", on_click=_restart, type="tertiary"
        )


def remove(token: str) -> None:
    _given()[:] = [query for query in _given() if query.token != token]


def _restart() -> None:
    _given().clear()


def _listen(way: str) -> None:
    """Take what is pasted anywhere on the page, whichever way is open; it is shown where the dropped ones are."""
    words = {
        "paste": _("Paste an image (Ctrl+V)"),
        "none": _("There is no image in the clipboard."),
        "refused": _("The browser did not allow it: press Ctrl+V instead."),
        "large": _("This image is too large to paste: save it and drop the file."),
    }
    button = way == "drop" and not _given()
    if pasted := clipboard(words=words, key="identify.clipboard", button=button):
        take([query_of(_("Pasted image"), pasted)])
        st.query_params.pop("way", None)
        st.rerun()


def _drawn(*, key: str = "identify.sketch") -> list[Query]:
    words = {
        "hint": _("Draw the mark here with a finger, a pen or the mouse"),
        "undo": _("Undo"),
        "clear": _("Clear"),
        "pens": [_("Fine pen"), _("Medium pen"), _("Broad pen")],
    }
    drawing = sketch(words=words, key=key)
    return [query_of(_("Drawing"), drawing)] if drawing else []


def _photographed() -> list[Query]:
    st.caption(_("Fill the frame with the mark, in side light, and hold still."))
    photo = st.camera_input(
        _("Photograph the mark"), key="identify.camera", label_visibility="collapsed", resolution="720p"
    )
    return [query_of(_("Photograph"), photo)] if photo else []
