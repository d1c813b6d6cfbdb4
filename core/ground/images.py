"""The one door for image files: bytes in, an upright RGB picture out, or one clear refusal.

Also what follows from a decoded picture alone: thumbnail, hashes. It does not decide what the model sees
(`core.ground.preprocessing`) nor which pictures are copies (`core.ground.sameness`), and touches no folder.
"""

from __future__ import annotations

import hashlib
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import (  # the decoders by name: asking Pillow for one it has not loaded would load all 43
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from core.ground.boxes import TooIntricate
from core.ground.budget import PIXELS
from core.ground.containers import Container, exif_orientation, inspect
from core.ground.errors import ImageRefused
from core.ground.foreign import refusal
from core.ground.tones import depth_of, is_shallow, low_bytes, to_rgb

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MAX_BYTES = 200_000_000
MAX_SCANNED = 1_000_000_000  # scans x pixels: each goes over the whole picture, some 500 million pixels a second


_LOG = logging.getLogger(__name__)
# What decoders raise when they are fed with damage: they trip over a value, a key, an end.
_DAMAGE = (OSError, ValueError, SyntaxError, LookupError, EOFError, TypeError, OverflowError, struct.error, zlib.error)

# Pillow only warns between its limit and twice its limit; set once, as catch_warnings is not thread-safe.
warnings.simplefilter("error", Image.DecompressionBombWarning)

_TURNS = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: bytes | Path, *, name: str = "", grey: bool = False) -> Image.Image:
    """The picture in ``source``: mode ``RGB``, fully loaded, upright, without metadata.

    The first frame of a PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC or AVIF file. Transparency is laid on white, or on
    black where the art is nearly white itself. ``name`` is what refusals call the file (default: the path's last part).
    ``grey``: a file of greys without transparency comes in mode ``L``, with the same values in a third of the time.
    Raises `ImageRefused`, with one sentence, for anything else: another format, damage (also
    a file cut short), more than `MAX_PIXELS`, a side above `MAX_SIDE`.
    """
    shown = _shown(name or (source.name if isinstance(source, Path) else ""))
    data = _read(source, shown) if isinstance(source, Path) else source
    if not data:
        raise ImageRefused("{name} is empty.", name=shown)
    if len(data) > MAX_BYTES:
        raise ImageRefused("{name} is larger than {limit} MB.", name=shown, limit=MAX_BYTES // 1_000_000)
    container = None
    try:
        container = inspect(data)
        if container is None:
            raise refusal(data, shown)
        image = _opened(container)
        if container.scans * image.width * image.height > MAX_SCANNED:
            raise TooIntricate("too many scans of so large a picture")
        with PIXELS.take(image.width * image.height):
            return _decoded(container, image, shown, grey=grey)
    except ImageRefused:
        raise
    except TooIntricate as error:
        raise ImageRefused("{name} is built of too many parts to be opened safely.", name=shown) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused(
            "{name} is too large: Burin opens up to {pixels} million pixels, and {side} pixels a side.",
            name=shown,
            pixels=MAX_PIXELS // 1_000_000,
            side=MAX_SIDE,
        ) from error
    except _DAMAGE as error:
        raise ImageRefused("{name} is damaged or cut short.", name=shown) from error
    except MemoryError as error:
        raise ImageRefused("There is not enough memory for {name} just now: try again later.", name=shown) from error
    except Exception as error:  # a fault of the decoder or of ours: never said to be the file's
        if (
            isinstance(error, RuntimeError) and container is not None and container.format == "HEIF"
        ):  # libheif's refusal
            raise ImageRefused("{name} is damaged or cut short.", name=shown) from error
        _LOG.exception("unexpected in the decoding of %r", shown)
        raise ImageRefused(
            "{name} could not be opened: an unexpected error ({kind}). Its details are in the server's log.",
            name=shown,
            kind=type(error).__name__,
        ) from error


@contextmanager
def room_for(data: bytes) -> Iterator[None]:
    """Hold the room of a picture in the budget of the process while it is decoded and worked on in this block."""
    try:
        container = inspect(data)
        width, height = _opened(container).size if container is not None else (0, 0)
    except Exception:  # `decode` says what is wrong with it
        width, height = 0, 0
    with PIXELS.take(width * height) if width * height else nullcontext():
        yield


def content_hash(data: bytes) -> str:
    """SHA-256 of a file's bytes, in hex: an item's identity."""
    return hashlib.sha256(data).hexdigest()


def thumbnail(image: Image.Image, *, side: int = 192) -> bytes:
    """A WebP of at most ``side`` x ``side`` pixels; a smaller picture keeps its size."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(small, "WEBP", quality=85, method=3)


def encode_png(image: Image.Image) -> bytes:
    """``image`` as PNG bytes, with nothing in the file but its pixels."""
    return _encoded(image, "PNG")


def side_by_side(images: Sequence[Image.Image], *, side: int = 256, gap: int = 16) -> Image.Image:
    """Pictures in a row on white, each at most ``side`` pixels wide and high."""
    small = [image.convert("RGB") for image in images]
    for one in small:
        one.thumbnail((side, side))
    row = Image.new("RGB", (sum(one.width + gap for one in small) + gap, side + 2 * gap), "white")
    x = gap
    for one in small:
        row.paste(one, (x, gap + (side - one.height) // 2))
        x += one.width + gap
    return row


def difference_hash(image: Image.Image) -> int:
    """64-bit difference hash, 0 <= h < 2**64: alike pictures differ in few bits.

    Grey, 9 x 8, one bit per horizontal neighbour pair, set where the right one is darker
    (N. Krawetz, "Kind of Like That", 2013).
    """
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] < grey[:, :-1]).tobytes(), "big")


def _shown(name: str) -> str:
    """A name as a sentence can hold it: no folders, no control or bidirectional characters, not endless."""
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return (name if len(name) <= 80 else f"{name[:60]}…{name[-15:]}") or "This file"


def _read(path: Path, shown: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageRefused("{name} cannot be read.", name=shown) from error


def _decoded(container: Container, image: ImageFile.ImageFile, shown: str, *, grey: bool) -> Image.Image:
    depth = depth_of(image)
    image.load()
    if image.mode == "LAB":
        raise ImageRefused("{name} uses colours that Burin does not read ({mode}).", name=shown, mode=image.mode)
    kept = grey and image.mode == "L" and not image.has_transparency_data
    low = low_bytes(_opened(container), depth) if depth and is_shallow(image) else None
    plain = image.copy() if kept else to_rgb(image, low=low)
    plain.info = {}
    orientation = container.orientation
    if container.format == "AVIF":  # its turn is a property of the picture, which Pillow gives as EXIF of its own
        orientation = exif_orientation(image.info.get("exif", b""))
    return _upright(plain, orientation)


def _opened(container: Container) -> ImageFile.ImageFile:
    """Not yet loaded; too large a picture is refused before a decoder makes room for it."""
    _check_sizes(container.sizes)
    if container.format == "HEIF":
        from pi_heif import register_heif_opener  # libheif without the encoder, which is under another licence

        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    image = Image.open(io.BytesIO(container.data), formats=(container.format,))
    _check_sizes([image.size])
    return image


def _check_sizes(sizes: Iterable[tuple[int, int]]) -> None:
    for width, height in sizes:
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise Image.DecompressionBombError


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _encoded(image: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
