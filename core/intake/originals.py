"""What is stored of an upload: the same bytes where they hold nothing but a picture, else its pixels as PNG.

Security wants only pixels on disk (no EXIF, comments, scripts or tail bytes), the round trip
export -> import wants unchanged bytes. Both hold this way: a PNG or JPEG whose structure is nothing
but a picture is kept as it is, everything else is encoded again, without loss, into such a PNG.
Both hashes are kept, of the upload and of what is stored, and either one is recognised again.
"""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from core.ground.images import encode_png

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # PNG colour type -> samples a pixel
_JPEG_BARE = {0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD}  # frames, Huffman and quantisation tables, restart interval
_JFIF = b"JFIF\0"


def stored_form(image: Image.Image, data: bytes) -> tuple[bytes, str]:
    """The bytes to store for an upload ``data`` that decoded to ``image``, and their extension."""
    if is_bare_png(data):
        return data, ".png"
    if is_bare_jpeg(data):
        return data, ".jpg"
    return encode_png(_grey(image)), ".png"


def is_bare_png(data: bytes) -> bool:
    """Whether a decodable PNG holds its picture and nothing else: no text, no profile, no tail,
    and no bytes behind the end of its compressed pixels."""
    if not data.startswith(_PNG):
        return False
    at, pixels, header = len(_PNG), [], b""
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind not in _PNG_CHUNKS or (kind == b"IEND" and length):
            return False
        at += 12 + length
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind == b"IEND":
            return at == len(data) and len(header) == 13 and _exact(header, b"".join(pixels))
    return False


def is_bare_jpeg(data: bytes) -> bool:
    """Whether a decodable JPEG has no comment, no application data but a plain JFIF mark, and no tail."""
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return False
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker == 0xDA:
            return _scans_only(data, at + 2 + length)
        plain = marker == 0xE0 and len(body) == 14 and body.startswith(_JFIF)
        if not plain and marker not in _JPEG_BARE:
            return False
        at += 2 + length
    return False


def _exact(header: bytes, compressed: bytes) -> bool:
    """Whether the compressed stream unpacks to just the rows that the header announces."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if interlaced or colour not in _CHANNELS:
        return False
    expected = height * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(compressed, expected + 1)
        return (
            len(rows) == expected
            and (stream.eof or not stream.decompress(stream.unconsumed_tail, 1))
            and not stream.unused_data
        )
    except zlib.error:
        return False


def _scans_only(data: bytes, at: int) -> bool:
    """Whether nothing but scans and their tables follow, and the first end mark is the end of the file."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return False
        marker = data[at + 1]
        if marker == 0x00 or 0xD0 <= marker <= 0xD7:  # a stuffed byte or a restart mark
            at += 2
        elif marker == 0xFF:
            at += 1
        elif marker == 0xD9:
            return at + 2 == len(data)
        elif marker == 0xDA or marker in _JPEG_BARE:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        else:
            return False


def _grey(image: Image.Image) -> Image.Image:
    """One channel where all three say the same: a third of the bytes, and the same picture."""
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image
