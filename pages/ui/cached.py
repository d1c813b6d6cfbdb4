"""What is worth remembering between runs of a page, keyed by content and by the dataset's version."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.ground.images import decode, encode_png, thumbnail
from core.ground.regions import Region
from core.sight.marks import cut_region
from pages.ui import services

if TYPE_CHECKING:
    from core.recognition.identify import Answer


def answers(
    data: bytes,
    token: str,
    *,
    name: str,
    kinds: Sequence[str] = (),
    class_ids: Sequence[int] = (),
    regions: Sequence[Region] = (),
    top: int = 5,
) -> list[Answer]:
    """Name each mark in the image file ``data``, whose content hash is ``token``; raises `ImageRefused`.

    ``regions``: the marks that somebody pointed at, where they are not looked for; ``top``: classes that are answered.
    """
    base = services.base()
    filters = tuple(sorted(kinds)), tuple(sorted(class_ids))
    return _answers(data, token, name, *filters, tuple(regions), top, base.gallery.space, base.gallery.version)


@st.cache_data(max_entries=200, show_spinner=False)
def _answers(
    _data: bytes,
    token: str,
    _name: str,
    kinds: tuple[str, ...],
    class_ids: tuple[int, ...],
    regions: tuple[Region, ...],
    top: int,
    space: str,
    version: int,
) -> list[Answer]:
    from core.recognition.identify import identify_marks

    base, config = services.base(), services.workspace().config()
    started = time.perf_counter()
    image = decode(_data, name=_name, grey=True)
    read = 1000 * (time.perf_counter() - started)
    found = identify_marks(
        image,
        gallery=base.gallery,
        calibration=base.calibration,
        embedder=services.embedder(),
        regions=regions,
        k=config.neighbours,
        top=top,
        kinds=list(kinds) or None,
        class_ids=list(class_ids) or None,
    )
    found[0].latency_ms.update(read=read, total=found[0].latency_ms["total"] + read)
    return found


@st.cache_data(max_entries=200, show_spinner=False)
def shown(_data: bytes, token: str, *, side: int = 512) -> str:
    """An image file as it is shown on a page: upright, on a white square of at most ``side`` pixels.

    Re-encoded by us, and a data URL: a file of Streamlit's would be gone when the page runs again
    before the browser has asked for it, as it does between two strokes of a drawing.
    """
    return _on_square(decode(_data), side)


@st.cache_data(max_entries=100, show_spinner=False)
def small(_data: bytes, token: str, *, side: int = 1024) -> tuple[str, tuple[int, int]]:
    """An image file as it is first shown large, and the size of the whole upright picture: width and height."""
    image = decode(_data)
    return url(thumbnail(image, side=side), "webp"), image.size


@st.cache_data(max_entries=200, show_spinner=False)
def cut(_data: bytes, token: str, region: Region | None, *, side: int = 512) -> str:
    """What lies in the ``region`` of an image file, turned as it says, on a white square; the whole without one."""
    image = decode(_data)
    return _on_square(image if region is None else cut_region(image, region), side)


@st.cache_data(max_entries=20, show_spinner=False)
def mark(_data: bytes, token: str, region: Region) -> bytes:
    """The same as a PNG of all its pixels."""
    return encode_png(cut_region(decode(_data), region))


@st.cache_data(max_entries=2000, show_spinner=False)
def square(thumbnail_path: str, sha256: str) -> str:
    """A thumbnail on a white square, so that references line up."""
    return _on_square(decode(Path(thumbnail_path)), 192)


@st.cache_data(max_entries=200, show_spinner=False)
def seen(_seen: np.ndarray, token: str, space: str) -> str:
    """What the model sees; ``space`` names the preprocessing."""
    return url(encode_png(Image.fromarray(_seen)), "png")


@st.cache_data(max_entries=200, show_spinner=False)
def seen_of(_data: bytes, sha256: str, preprocessing: str, region: Region | None = None) -> str:
    """What the model would see of an image file, or of its ``region``, under the workspace's ``preprocessing`` (its
    text)."""
    from core.sight.marks import sight

    pixels = sight(decode(_data, grey=True), services.preprocessing(), region=region)
    return url(encode_png(Image.fromarray(pixels)), "png")


@st.cache_data(max_entries=200, show_spinner=False)
def marks(_data: bytes, sha256: str) -> list[Region]:
    """The boxes of what might be the mark of an image file, the surest first."""
    from core.sight.marks import find_marks

    return [mark.region for mark in find_marks(decode(_data), most=5)]


@st.cache_data(max_entries=500, show_spinner=False)
def doubts(_data: bytes, sha256: str, preprocessing: str, region: Region | None) -> list[str]:
    """What speaks against an image file, or what lies in its ``region``, as a reference."""
    from core.sight.doubts import doubts_of

    return list(doubts_of(decode(_data), services.preprocessing(), region=region))


def _on_square(image: Image.Image, side: int) -> str:
    longest = max(image.size)
    return url(thumbnail(ImageOps.pad(image, (longest, longest), color="white"), side=side), "webp")


def url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
