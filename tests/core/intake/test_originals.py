"""What is stored of an upload: a bare picture byte for byte, anything else as its pixels."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.ground.images import decode
from core.intake.originals import is_bare_jpeg, is_bare_png, stored_form
from tests.conftest import draw, png_bytes

SECRET = b"<script>alert(1)</script>"


def saved(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    draw("wave").save(buffer, form, **options)
    return buffer.getvalue()


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk before its end."""
    data = png_bytes(draw("wave"))
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:-12] + chunk + data[-12:]


def with_tail_in_the_pixels() -> bytes:
    """A PNG whose compressed stream is followed by text inside its last IDAT."""
    data = png_bytes(draw("wave"))
    at = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    body = data[at + 4 : at + 4 + length] + SECRET
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    return data[: at - 4] + chunk + data[at + 8 + length :]


def text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    return info


KEPT = {
    "png": png_bytes(draw("wave")),
    "grey png": png_bytes(draw("wave").convert("L")),
    "palette png": png_bytes(draw("wave").convert("P")),
    "one-bit png": png_bytes(draw("wave").convert("1")),
    "16-bit png": png_bytes(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64))),
    "png with a resolution": saved("PNG", dpi=(300, 300)),
    "jpeg": saved("JPEG"),
    "progressive jpeg": saved("JPEG", progressive=True, quality=90),
}
CLEANED = {
    "png with text": saved("PNG", pnginfo=text()),
    "png with a private chunk": with_chunk(b"prVt", SECRET),
    "png with a profile": saved("PNG", icc_profile=SECRET * 20),
    "png with a tail": png_bytes(draw("wave")) + SECRET,
    "png with a tail in its pixels": with_tail_in_the_pixels(),
    "jpeg with a comment": saved("JPEG", comment=SECRET),
    "jpeg with exif": saved("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + SECRET),
    "jpeg with a tail": saved("JPEG") + SECRET,
    "jpeg with a tail and an end mark": saved("JPEG") + SECRET + b"\xff\xd9",
    "webp": saved("WEBP", lossless=True),
    "gif": saved("GIF"),
    "bmp": saved("BMP"),
    "tiff": saved("TIFF"),
}


@pytest.mark.parametrize("data", KEPT.values(), ids=KEPT.keys())
def test_a_bare_picture_is_stored_byte_for_byte(data: bytes) -> None:
    assert stored_form(decode(data), data)[0] is data


@pytest.mark.parametrize("data", CLEANED.values(), ids=CLEANED.keys())
def test_anything_else_is_stored_as_its_pixels(data: bytes) -> None:
    image = decode(data)
    stored, extension = stored_form(image, data)
    assert extension == ".png" and is_bare_png(stored) and SECRET not in stored
    assert np.array_equal(np.asarray(decode(stored)), np.asarray(image))
    assert stored_form(decode(stored), stored)[0] is stored  # importing it again changes nothing


def test_a_grey_picture_is_stored_as_grey() -> None:
    data = CLEANED["png with text"]
    stored, _ = stored_form(decode(data), data)
    assert stored[25] == 0  # the colour type of its header


def test_one_is_not_the_other() -> None:
    assert not is_bare_png(KEPT["jpeg"]) and not is_bare_jpeg(KEPT["png"])
    assert not is_bare_png(b"") and not is_bare_jpeg(b"\xff\xd8\xff") and not is_bare_png(KEPT["png"][:-4])
