"""The outside of an image file, read before any decoder runs: its format, its turn, its bounds.

Decoders trust a file's structure: some fifty bytes repeated a million times (empty chunks,
comments, scans) keep Pillow busy for minutes. Here the structure is walked with a limit. It
decodes no pixel and judges no size in pixels: see `core.ground.images`.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from core.ground.boxes import TooIntricate, still

MAX_PNG_CHUNKS = 30_000  # libpng writes 8 kB a chunk: 200 MB of pixels need 25,000
MAX_JPEG_SEGMENTS = 5_000  # before the first scan; the largest profile takes 255
MAX_JPEG_SCANS = 100  # encoders write 10 to 20
MAX_GIF_BLOCKS = 20_000  # before the first frame
MAX_RLE_BYTES = 4_000_000  # Pillow unpacks run-length BMP in Python, about 2 MB a second
MAX_TIFF_TAGS = 1_000
MAX_TIFF_VALUES = 200_000  # in one tag: 50 million pixels in tiles of 16 x 16


@dataclass(frozen=True)
class Container:
    """A file that may be decoded: ``format`` as Pillow calls it, and its ``data`` without what
    only costs (a JPEG's metadata). ``orientation``: EXIF 1 to 8, where the decoder does not apply it. ``sizes``:
    width and height of what else than the picture the decoder has to make room for.
    """

    format: str
    data: bytes
    orientation: int = 1
    sizes: tuple[tuple[int, int], ...] = ()
    scans: int = 1


def inspect(data: bytes) -> Container | None:
    """Read the structure of ``data``; None when it is none of the eight formats.

    Raises `TooIntricate` for structure that no decoder should be given, and another
    ValueError, IndexError or struct.error where it is damaged.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"BM") and data[14:18] in _BMP_HEADERS:
        return _bmp(data)
    if data[:4] in _TIFF:
        return _tiff(data)
    if data[4:8] == b"ftyp" and (found := still(data)) is not None:
        return Container(found.codec, found.data, sizes=found.sizes)
    return None


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block states; 1 when it states none or makes no sense.

    Read here and not by Pillow, which loads every tag of a block however they overlap.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, at)
    for k in range(min(count, MAX_TIFF_TAGS, (len(exif) - at - 2) // 12)):
        tag, kind, number, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * k)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and number == 1 and 1 <= value <= 8 else 1
    return 1


_BMP_HEADERS = {struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)}
_TIFF = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_ORIENTATION, _SHORT, _BYTE_TYPES = 0x0112, 3, (1, 2, 6, 7)
_JPEG_FILL = re.compile(rb"\xff+")
# In a scan: no stuffed byte, restart or fill. Begun with `\xff+`, it takes 26 times as long.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# APP0 and APP14 tell the colours and stay.
_JPEG_METADATA = frozenset([*range(0xE1, 0xEE), 0xEF, 0xFE])  # APP1-13, APP15, comments
_SOS, _EOI = 0xDA, 0xD9


def _png(data: bytes) -> Container:
    """Checksums of the chunks that make the picture are checked here; Pillow skips those of its pixels."""
    view = memoryview(data)
    at, chunks, orientation = 8, 0, 1
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : at + 8 + length])
        elif kind == b"IEND":
            break
        body_end = at + 8 + length
        if kind[0] & 0x20 == 0 and struct.unpack_from(">I", data, body_end)[0] != zlib.crc32(view[at + 4 : body_end]):
            raise ValueError("a checksum does not fit")
        at = body_end + 4
        chunks += 1
        if chunks > MAX_PNG_CHUNKS:
            raise TooIntricate("too many chunks")
    return Container("PNG", data, orientation)


def _jpeg(data: bytes) -> Container:
    """Metadata segments are left out (Pillow joins them in quadratic time), scans are counted."""
    kept, at, orientation = [data[:2]], 2, 1
    for _ in range(MAX_JPEG_SEGMENTS):
        fill = _JPEG_FILL.match(data, at)
        if fill is None:
            raise IndexError("no marker where one is due")
        marker = data[fill.end()]
        end = fill.end() + 1 + struct.unpack_from(">H", data, fill.end() + 1)[0]
        if marker == _SOS:
            scans = _count_scans(data, end)
            return Container("JPEG", b"".join([*kept, data[at:]]), orientation, scans=scans)
        segment = data[fill.end() - 1 : end]
        if marker not in _JPEG_METADATA:
            kept.append(segment)
        elif marker == 0xE1 and segment[4:10] == b"Exif\0\0" and orientation == 1:
            orientation = exif_orientation(segment[4:])
        at = end
    raise TooIntricate("too many segments")


def _count_scans(data: bytes, at: int) -> int:
    """Each scan goes over the whole picture again: 1,000 scans of a small file take minutes."""
    scans = 1
    while (found := _JPEG_MARKER.search(data, at)) and found[0][-1] != _EOI:
        scans += found[0][-1] == _SOS
        if scans > MAX_JPEG_SCANS:
            raise TooIntricate("too many scans")
        if found.end() + 2 > len(data):
            break
        at = found.end() + max(2, struct.unpack_from(">H", data, found.end())[0])
    return scans


def _gif(data: bytes) -> Container:
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    blocks = 0
    while data[at] == 0x21:  # an extension: its label, then sub-blocks up to an empty one
        at += 2
        while size := data[at]:
            at += 1 + size
            blocks += 1
            if blocks > MAX_GIF_BLOCKS:
                raise TooIntricate("too many blocks")
        at += 1
        blocks += 1
    return Container("GIF", data)


def _webp(data: bytes) -> Container:
    at, orientation = 12, 1
    for _ in range(MAX_PNG_CHUNKS):
        if at + 8 > len(data):
            return Container("WEBP", data, orientation)
        (length,) = struct.unpack_from("<I", data, at + 4)
        if data[at : at + 4] == b"EXIF":
            orientation = exif_orientation(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    raise TooIntricate("too many chunks")


def _bmp(data: bytes) -> Container:
    run_length = len(data) >= 34 and struct.unpack_from("<I", data, 30)[0] in (1, 2)
    if run_length and len(data) > MAX_RLE_BYTES:
        raise TooIntricate("too many runs")
    return Container("BMP", data)


def _tiff(data: bytes) -> Container:
    """Pillow turns a TIFF upright itself, so no orientation is given back."""
    order, big = _TIFF[data[:4]]
    where, count, entry = ("Q", "Q", "HHQ") if big else ("I", "H", "HHI")
    (at,) = struct.unpack_from(order + where, data, 8 if big else 4)
    (tags,) = struct.unpack_from(order + count, data, at)
    if tags > MAX_TIFF_TAGS:
        raise TooIntricate("too many tags")
    at += struct.calcsize(order + count)
    for k in range(tags):
        _, kind, values = struct.unpack_from(order + entry, data, at + k * (20 if big else 12))
        if values > MAX_TIFF_VALUES and kind not in _BYTE_TYPES:
            raise TooIntricate("too many values")
    return Container("TIFF", data)
