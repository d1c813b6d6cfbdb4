"""Images by the hash of their content, as splits and evaluations know them: the item, its picture, what a model sees.

An image that went to the trash since keeps its thumbnail here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.catalogue.records import Item
from core.ground.config import Preprocessing
from core.ground.errors import BurinError
from core.ground.images import decode, encode_png
from core.ground.regions import Region
from pages.server.thumbnails import address
from pages.ui import cached, services
from pages.ui.tiles import source

if TYPE_CHECKING:
    from core.evaluation import projection
    from core.recognition.alignment import Overlay
    from core.review.predictions import Labels

LARGE = 384  # px of a picture beside another


def item_ids(hashes: Iterable[str]) -> list[int]:
    """The present items with these contents, in order; what is gone is left out."""
    known = _known(str(services.workspace().root), services.dataset().version)
    return [known[sha256] for sha256 in hashes if sha256 in known]


def vectors(space: str) -> projection.Points:
    """What is embedded in ``space`` of the images of now."""
    return _vectors(str(services.workspace().root), space, services.dataset().version)


@st.cache_resource(show_spinner=False, max_entries=2)
def _vectors(root: str, space: str, version: int) -> projection.Points:
    from core.evaluation import projection

    return projection.Points.load(services.dataset(), space)


def items(hashes: Iterable[str]) -> dict[str, Item]:
    """Content hash -> present item."""
    return {item.sha256: item for item in services.dataset().some(item_ids(hashes))}


def thumbnail(sha256: str) -> str:
    """The address of a small picture; "" where it is nowhere any more."""
    if services.workspace().thumbnail(sha256).is_file():
        return address(sha256)
    found = services.dataset().some(item_ids([sha256]))
    return source(found[0]) if found else ""


def large(item: Item | None, sha256: str) -> str:
    """The picture as large as it is shown beside others, or its thumbnail where the file is gone."""
    try:
        if item is not None:
            return cached.cut(services.dataset().image_bytes(item), sha256, item.region, side=LARGE)
    except BurinError:
        pass
    return thumbnail(sha256)


def seen(item: Item | None, preprocessing: Preprocessing) -> str:
    """What a model with this preprocessing sees of the image; "" where the file is gone."""
    if item is None:
        return ""
    try:
        how = preprocessing.mode, preprocessing.size
        return _seen(services.dataset().image_bytes(item), item.sha256, item.region, *how)
    except BurinError:
        return ""


def laid(item: Item | None, reference: Item | None, preprocessing: Preprocessing) -> Overlay | None:
    """The image laid over a reference, as a model with this preprocessing sees both; None where a file is gone, or one
    shows no stroke."""
    if item is None or reference is None:
        return None
    try:
        pixels = pixels_seen(item, preprocessing)
        return laid_over(pixels, item.sha256, reference, preprocessing)
    except BurinError:
        return None


def pixels_seen(item: Item, preprocessing: Preprocessing) -> np.ndarray:
    """What a model with this preprocessing sees of the image, (S, S, 3) uint8; raises what decoding raises."""
    how = preprocessing.mode, preprocessing.size
    return _pixels(services.dataset().image_bytes(item), item.sha256, item.region, *how)


def laid_over(query: np.ndarray, token: str, reference: Item, preprocessing: Preprocessing) -> Overlay | None:
    """What the model sees of an image, ``query``, which ``token`` tells from others, over a reference of the base."""
    return _laid(query, pixels_seen(reference, preprocessing), token, reference.sha256, str(preprocessing))


@st.cache_data(max_entries=200, show_spinner=False)
def _laid(_query: np.ndarray, _reference: np.ndarray, token: str, sha256: str, preprocessing: str) -> Overlay | None:
    from core.recognition.alignment import lay_over

    return lay_over(_query, _reference)


@st.cache_data(max_entries=100, show_spinner=False)
def _pixels(_data: bytes, sha256: str, _region: Region | None, mode: str, size: int) -> np.ndarray:
    from core.sight.marks import sight

    settings = Preprocessing(mode=mode, size=size)  # type: ignore[arg-type]
    return sight(decode(_data, grey=True), settings, region=_region)


@st.cache_data(max_entries=400, show_spinner=False)
def _seen(_data: bytes, sha256: str, _region: Region | None, mode: str, size: int) -> str:
    from PIL import Image

    return cached.url(encode_png(Image.fromarray(_pixels(_data, sha256, _region, mode, size))), "png")


def labels() -> Labels:
    """The labels of the present images at this moment."""
    return _labels(str(services.workspace().root), services.dataset().version)


@st.cache_resource(show_spinner=False, max_entries=2)
def _labels(root: str, version: int) -> Labels:
    from core.review.predictions import Labels

    return Labels.load(services.dataset())


@st.cache_resource(show_spinner=False, max_entries=2)
def _known(root: str, version: int) -> dict[str, int]:
    held = _labels(root, version)
    hashes = [sha256.decode("ascii") for sha256 in held.sha256.tolist()]
    return dict(zip(hashes[::-1], held.item_ids.tolist()[::-1], strict=True))  # of equal contents the first
