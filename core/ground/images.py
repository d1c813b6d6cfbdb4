"""The one door for image files: bytes in, an upright RGB picture out, or one clear refusal.

Also what follows from a decoded picture alone: thumbnail, hashes. It does not decide what the model sees
(`core.ground.preprocessing`) nor which pictures are copies (`core.ground.sameness`), and touches no folder.
"""

from __future__ import annotations

import hashlib
import io
import logging
import struct
import threading
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
    JpegImagePlugin,
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from core.ground.boxes import TooIntricate
from core.ground.budget import PIXELS
from core.ground.containers import Container, exif_orientation, inspect
from core.ground.errors import ImageRefused
from core.ground.tones import depth_of, is_shallow, low_bytes, taken_over, to_rgb
from core.ground.unsupported_formats import refusal

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
MAX_BYTES = 200_000_000
MAX_SCANNED = 600_000_000  # scans x pixels: each goes over the whole picture; encoders write 10 to 12 of 50 million
THUMBNAIL = 192  # px: its longer side
SEEN_SIDE = 4608  # px: what looks for marks reduces a picture to half of that, so that a larger one is not needed
_PACKED_WELL = 4_000_000  # pixels that are packed as small as they go, in a second

_IN_HAND = threading.local()  # .known: the bytes that this thread makes room for, and what was found in them
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
_IN_DECODER = 8  # the most that a JPEG's sides are divided by as it is decoded
_ACROSS = (5, 6, 7, 8)  # of these, those that make a wide picture a tall one


def decode(source: bytes | Path, *, name: str = "", grey: bool = False, within: int | None = None) -> Image.Image:
    """The picture in ``source``: mode ``RGB``, fully loaded, upright, without metadata.

    The first frame of a PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC or AVIF file. Transparency is laid on white, or on
    black where the art is nearly white itself. ``name`` is what refusals call the file (default: the path's last part).
    ``grey``: a file of greys without transparency comes in mode ``L``, with the same values in a third of the time.
    ``within``: the longest side that is needed; a larger picture's sides are divided by `reduction` and rounded up, of
    a JPEG as it is decoded, so that it is never whole in memory.
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
        container = _inspected(data, once=True)
        if container is None:
            raise refusal(data, shown)
        image = _opened(container)
        if container.scans * image.width * image.height > MAX_SCANNED:
            raise TooIntricate("too many scans of so large a picture")
        factor = reduction(image.size, within)
        with PIXELS.take(_room(container, image.size, factor)):
            return _decoded(container, image, shown, grey=grey, factor=factor)
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
        own = container is not None and container.format in ("HEIF", "AVIF")  # what libheif and libavif refuse with
        if own and isinstance(error, RuntimeError):
            raise ImageRefused("{name} is damaged or cut short.", name=shown) from error
        _LOG.exception("unexpected in the decoding of %r", shown)
        raise ImageRefused(
            "{name} could not be opened: an unexpected error ({kind}). Its details are in the server's log.",
            name=shown,
            kind=type(error).__name__,
        ) from error


@contextmanager
def room_for(data: bytes, *, within: int | None = None) -> Iterator[None]:
    """Hold the room of a picture in the budget of the process while it is decoded and worked on in this block: whoever
    keeps one longer than its decoding needs it. ``within`` as `decode` is given it."""
    container, room = _room_of(data, within)
    with PIXELS.take(room) if room else nullcontext():
        _IN_HAND.known = data, container  # `decode` need not look through it again
        try:
            yield
        finally:
            _IN_HAND.known = None


def waits(data: bytes, *, within: int | None = None) -> bool:
    """Whether `room_for` that picture has to wait for others now."""
    _, room = _room_of(data, within)
    return room > 0 and PIXELS.waits(room)


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of the upright picture, read from the header alone; (0, 0) where `decode` would refuse it."""
    try:
        container = _inspected(data)
        image = _opened(container) if container is not None else None
    except Exception:  # `decode` says what is wrong with it
        return 0, 0
    if container is None or image is None:
        return 0, 0
    turn = container.orientation
    if container.format == "AVIF":
        turn = exif_orientation(image.info.get("exif", b""))
    return (image.height, image.width) if turn in _ACROSS else image.size


def reduction(size: tuple[int, int], within: int | None) -> int:
    """The least power of two that a picture's sides are divided by to lie within ``within``; 1 leaves it."""
    factor = 1
    while within and max(size) > within * factor:
        factor *= 2
    return factor


def reduced(image: Image.Image, within: int) -> Image.Image:
    """The picture as `decode` would have given it ``within`` that side, nearly; itself where it is no larger."""
    factor = reduction(image.size, within)
    return image.reduce(factor) if factor > 1 else image


def content_hash(data: bytes) -> str:
    """SHA-256 of a file's bytes, in hex: an item's identity."""
    return hashlib.sha256(data).hexdigest()


def thumbnail(image: Image.Image, *, side: int = THUMBNAIL) -> bytes:
    """A WebP of at most ``side`` x ``side`` pixels; a smaller picture keeps its size."""
    small = reduced(image, 4 * side)  # of a large picture a copy would be as large again
    small = image.copy() if small is image else small
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(small, "WEBP", quality=85, method=3)


def encode_png(image: Image.Image) -> bytes:
    """``image`` as PNG bytes, with nothing in the file but its pixels; of a large picture packed less, in a fifth of
    the time."""
    large = image.width * image.height > _PACKED_WELL
    return _encoded(image, "PNG", **({"compress_level": 1} if large else {}))


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


def _inspected(data: bytes, *, once: bool = False) -> Container | None:
    """`inspect`, or what `room_for` has just found of the same bytes in this thread; ``once``: it is let go then."""
    known = getattr(_IN_HAND, "known", None)
    if known is None or known[0] is not data or known[1] is None:
        return inspect(data)
    if once:
        _IN_HAND.known = None
    return known[1]


def _room_of(data: bytes, within: int | None) -> tuple[Container | None, int]:
    try:
        container = inspect(data)
        size = _opened(container).size if container is not None else (0, 0)
        return container, _room(container, size, reduction(size, within)) if container is not None else 0
    except Exception:  # `decode` says what is wrong with it
        return None, 0


def _room(container: Container, size: tuple[int, int], factor: int) -> int:
    """Pixels that the decoding takes from the budget. A JPEG of one scan is never whole in memory where it is reduced
    as it is decoded; of one in several scans all coefficients are, which takes half of what pixels do."""
    whole = size[0] * size[1]
    if container.format != "JPEG" or factor == 1:
        return whole
    return max(whole // min(factor, _IN_DECODER) ** 2, whole // 2 if container.scans > 1 else 0)


def _decoded(container: Container, image: ImageFile.ImageFile, shown: str, *, grey: bool, factor: int) -> Image.Image:
    size, left = image.size, factor
    if factor > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        power = min(factor, _IN_DECODER)
        drafted = image.draft(None, (max(1, size[0] // power), max(1, size[1] // power)))
        left = factor // round(size[0] / drafted[1][2]) if drafted else factor
    depth = depth_of(image)
    image.load()
    if image.mode == "LAB":
        raise ImageRefused("{name} uses colours that Burin does not read ({mode}).", name=shown, mode=image.mode)
    orientation = container.orientation
    if container.format == "AVIF":  # its turn is a property of the picture, which Pillow gives as EXIF of its own
        orientation = exif_orientation(image.info.get("exif", b""))
    see_through = image.has_transparency_data
    low = low_bytes(_opened(container), depth) if depth and is_shallow(image) else None
    small: Image.Image = image
    if left > 1 and image.mode in ("RGB", "L", "CMYK") and not (see_through or depth):  # less is left to be converted
        small, left = image.reduce(left), 1
    kept = grey and image.mode == "L" and not see_through
    plain = taken_over(small) if kept else to_rgb(small, low=low)
    plain = plain.reduce(left) if left > 1 else plain
    plain.info = {}
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
