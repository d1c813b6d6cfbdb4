"""What is worth remembering between runs of a page, keyed by content and by the dataset's version."""

from __future__ import annotations

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.ground.images import SEEN_SIDE, decode, encode_png, reduced, reduction, room_for, size_of, thumbnail, waits
from core.ground.regions import Region
from core.sight.marks import cut_region
from pages.ui import services
from pages.ui.i18n import _

if TYPE_CHECKING:
    from core.catalogue.records import ClassRecord, Item
    from core.recognition.identify import Answer

VIEW = 2048  # px: as large as a picture is shown at first; of a larger one such a copy is kept
SELECTABLE = 20_000  # images that match, of which all can be selected with one click
_KEPT = 3
_kept: OrderedDict[str, Image.Image] = OrderedDict()  # content hash -> a large picture within `VIEW`
_keeping = threading.Lock()


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
    with in_turn(data, within=None if regions else SEEN_SIDE):
        return _answers(data, token, name, *filters, tuple(regions), top, base.gallery.space, base.gallery.version)


def page_of(*, limit: int, offset: int, order: str, **wanted: Any) -> list[Item]:
    """A page of the collection's images, as `Dataset.items` gives it: read once per state of the collection, for every
    session that looks at it."""
    data = services.dataset()
    return list(_page_of(str(data.workspace.root), data.version, limit, offset, order, tuple(sorted(wanted.items()))))


@st.cache_resource(max_entries=40, show_spinner=False)
def _page_of(
    root: str, version: int, limit: int, offset: int, order: str, wanted: tuple[tuple[str, Any], ...]
) -> list[Item]:
    return services.dataset().items(limit=limit, offset=offset, order=order, **dict(wanted))


def found(order: str = "class", **wanted: Any) -> tuple[int, list[int]]:
    """How many images a filter finds, and their ids where they are not too many to be selected at once."""
    data = services.dataset()
    return _found(str(data.workspace.root), data.version, order, tuple(sorted(wanted.items())))


@st.cache_resource(max_entries=40, show_spinner=False)
def _found(root: str, version: int, order: str, wanted: tuple[tuple[str, Any], ...]) -> tuple[int, list[int]]:
    data, terms = services.dataset(), dict(wanted)
    total = data.count(**terms)
    return total, data.item_ids(**terms, order=order) if total <= SELECTABLE else []


def classes() -> list[ClassRecord]:
    """The classes by name, read once per state of the collection: how many variants they have is not of now."""
    data = services.dataset()
    return _classes(str(data.workspace.root), data.version)


@st.cache_resource(max_entries=4, show_spinner=False)
def _classes(root: str, version: int) -> list[ClassRecord]:
    return services.dataset().classes()


def tags() -> list[str]:
    """Every tag of a present image, sorted; read once per state of the collection."""
    data = services.dataset()
    return _tags(str(data.workspace.root), data.version)


@st.cache_resource(max_entries=4, show_spinner=False)
def _tags(root: str, version: int) -> list[str]:
    return list(services.dataset().tags())


def labelled() -> tuple[int, int]:
    """How many originals there are, and how many of them have no label; read once per state of the collection."""
    data = services.dataset()
    return _labelled(str(data.workspace.root), data.version)


@st.cache_resource(max_entries=4, show_spinner=False)
def _labelled(root: str, version: int) -> tuple[int, int]:
    counts = services.dataset().counts()
    return counts.originals, counts.unlabelled


def reports() -> int:
    """How many reports wait in the inbox; read once per state of the collection."""
    data = services.dataset()
    return _reports(str(data.workspace.root), data.version)


@st.cache_resource(max_entries=4, show_spinner=False)
def _reports(root: str, version: int) -> int:
    return services.dataset().count_inbox()


@contextmanager
def in_turn(data: bytes, *, within: int | None) -> Iterator[None]:
    """Say so while a large picture waits for those that came before it."""
    if waits(data, within=within):
        with st.spinner(_("Large pictures are worked on one after another: yours waits its turn…")):
            yield
    else:
        yield


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
    embedder = services.embedder()
    within = None if regions else SEEN_SIDE  # what was pointed at is read from all pixels
    with room_for(_data, within=within):
        started = time.perf_counter()
        image = decode(_data, name=_name, grey=True, within=within)
        if max(_size(_data, token)) > VIEW:
            _keep(token, image)
        read = 1000 * (time.perf_counter() - started)
        found = identify_marks(
            image,
            gallery=base.gallery,
            calibration=base.calibration,
            embedder=embedder,
            regions=regions,
            k=config.neighbours,
            top=top,
            kinds=list(kinds) or None,
            class_ids=list(class_ids) or None,
        )
    found[0].latency_ms.update(read=read, total=found[0].latency_ms["total"] + read)
    size = _size(_data, token)
    factor = reduction(size, within)
    if factor == 1:
        return found
    return [
        replace(
            one,
            region=one.region and one.region.times(factor, width=size[0], height=size[1]),
            instead=tuple(region.times(factor, width=size[0], height=size[1]) for region in one.instead),
        )
        for one in found
    ]


@st.cache_data(max_entries=200, show_spinner=False)
def shown(_data: bytes, token: str, *, side: int = 512) -> str:
    """An image file as it is shown on a page: upright, on a white square of at most ``side`` pixels.

    Re-encoded by us, and a data URL: a file of Streamlit's would be gone when the page runs again
    before the browser has asked for it, as it does between two strokes of a drawing.
    """
    return _on_square(_view(_data, token, within=2 * side), side)


@st.cache_data(max_entries=100, show_spinner=False)
def small(_data: bytes, token: str, *, side: int = 1024) -> tuple[str, tuple[int, int]]:
    """An image file as it is first shown large, and the size of the whole upright picture: width and height."""
    return url(thumbnail(_view(_data, token, within=2 * side), side=side), "webp"), _size(_data, token)


@st.cache_data(max_entries=200, show_spinner=False)
def cut(_data: bytes, token: str, region: Region | None, *, side: int = 512) -> str:
    """What lies in the ``region`` of an image file, turned as it says, on a white square; the whole without one."""
    if region is None:
        return _on_square(_view(_data, token, within=2 * side), side)
    factor = 1  # as large as is needed for what is shown to be sharp
    while max(region.width, region.height) >= 4 * side * factor:
        factor *= 2
    within = -(-max(_size(_data, token)) // factor)
    with room_for(_data, within=within):
        return _on_square(cut_region(decode(_data, within=within), region.over(factor)), side)


@st.cache_data(max_entries=20, show_spinner=False)
def mark(_data: bytes, token: str, region: Region) -> bytes:
    """The same as a PNG of all its pixels."""
    with room_for(_data):
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

    within = SEEN_SIDE if region is None else None
    with room_for(_data, within=within):
        pixels = sight(decode(_data, grey=True, within=within), services.preprocessing(), region=region)
    return url(encode_png(Image.fromarray(pixels)), "png")


@st.cache_data(max_entries=200, show_spinner=False)
def marks(_data: bytes, sha256: str) -> list[Region]:
    """The boxes of what might be the mark of an image file, the surest first."""
    from core.sight.marks import find_marks

    with room_for(_data, within=SEEN_SIDE):
        found = find_marks(decode(_data, within=SEEN_SIDE), most=5)
    width, height = _size(_data, sha256)
    factor = reduction((width, height), SEEN_SIDE)
    return [mark.region.times(factor, width=width, height=height) for mark in found]


@st.cache_data(max_entries=500, show_spinner=False)
def doubts(_data: bytes, sha256: str, preprocessing: str, region: Region | None) -> list[str]:
    """What speaks against an image file, or what lies in its ``region``, as a reference."""
    from core.sight.doubts import doubts_of

    within = SEEN_SIDE if region is None else None
    with room_for(_data, within=within):
        return list(doubts_of(decode(_data, within=within), services.preprocessing(), region=region))


@st.cache_data(max_entries=500, show_spinner=False)
def _size(_data: bytes, token: str) -> tuple[int, int]:
    """`size_of`: a large JPEG is looked through for it."""
    return size_of(_data)


def _view(data: bytes, token: str, *, within: int) -> Image.Image:
    """A picture within that side, as `decode` gives it; of a large one from the copy that is kept, so that it is not
    decoded again for every place of the page that shows it."""
    if within > VIEW or max(_size(data, token)) <= VIEW:
        return decode(data, within=within)
    with _keeping:
        held = _kept.get(token)
    return reduced(held if held is not None else _keep(token, decode(data, within=VIEW)), within)


def _keep(token: str, image: Image.Image) -> Image.Image:
    """Keep a large picture within `VIEW`, and give that back."""
    small = reduced(image, VIEW)
    with _keeping:
        _kept[token] = small
        _kept.move_to_end(token)
        while len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return small


def _on_square(image: Image.Image, side: int) -> str:
    image = reduced(image, 2 * side)
    longest = max(image.size)
    return url(thumbnail(ImageOps.pad(image, (longest, longest), color="white"), side=side), "webp")


def url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
