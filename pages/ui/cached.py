"""What is worth remembering between runs of a page, keyed by content and by the dataset's version."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.ground.images import decode, encode_png, thumbnail
from pages.ui import services

if TYPE_CHECKING:
    from core.recognition.identify import Answer


def answer(data: bytes, token: str, *, name: str, kinds: list[str], class_ids: list[int]) -> Answer:
    """Identify the image file ``data``, whose content hash is ``token``; raises `ImageRefused`."""
    base = services.base()
    return _answer(
        data, token, name, tuple(sorted(kinds)), tuple(sorted(class_ids)), base.gallery.space, base.gallery.version
    )


@st.cache_data(max_entries=200, show_spinner=False)
def _answer(
    _data: bytes, token: str, _name: str, kinds: tuple[str, ...], class_ids: tuple[int, ...], space: str, version: int
) -> Answer:
    from core.recognition.identify import identify

    base, config = services.base(), services.workspace().config()
    started = time.perf_counter()
    image = decode(_data, name=_name, grey=True)
    read = 1000 * (time.perf_counter() - started)
    found = identify(
        image,
        gallery=base.gallery,
        calibration=base.calibration,
        embedder=services.embedder(),
        k=config.neighbours,
        kinds=list(kinds) or None,
        class_ids=list(class_ids) or None,
    )
    found.latency_ms.update(read=read, total=found.latency_ms["total"] + read)
    return found


@st.cache_data(max_entries=200, show_spinner=False)
def shown(_data: bytes, token: str, *, side: int = 512) -> str:
    """An image file as it is shown on a page: upright, on a white square of at most ``side`` pixels.

    Re-encoded by us, and a data URL: a file of Streamlit's would be gone when the page runs again
    before the browser has asked for it, as it does between two strokes of a drawing.
    """
    return _on_square(decode(_data), side)


@st.cache_data(max_entries=2000, show_spinner=False)
def square(thumbnail_path: str, sha256: str) -> str:
    """A thumbnail on a white square, so that references line up."""
    return _on_square(decode(Path(thumbnail_path)), 192)


@st.cache_data(max_entries=200, show_spinner=False)
def seen(_seen: np.ndarray, token: str, space: str) -> str:
    """What the model sees; ``space`` names the preprocessing."""
    return url(encode_png(Image.fromarray(_seen)), "png")


@st.cache_data(max_entries=200, show_spinner=False)
def seen_of(_data: bytes, sha256: str, preprocessing: str) -> str:
    """What the model would see of an image file under the workspace's ``preprocessing`` (its text)."""
    from core.ground.preprocessing import see

    pixels = see(decode(_data, grey=True), services.preprocessing())
    return url(encode_png(Image.fromarray(pixels)), "png")


def _on_square(image: Image.Image, side: int) -> str:
    longest = max(image.size)
    return url(thumbnail(ImageOps.pad(image, (longest, longest), color="white"), side=side), "webp")


def url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
