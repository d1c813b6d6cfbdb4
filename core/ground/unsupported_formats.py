"""What a file is that Burin does not open, in words: a refusal that tells somebody what to do about it.

Told by the first bytes alone, never by the name; nothing is parsed.
"""

from __future__ import annotations

from core.ground.errors import ImageRefused

OPENED = "PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF"


def refusal(data: bytes, name: str) -> ImageRefused:
    """The sentence for ``data``, which is not in one of the `OPENED` formats."""
    start = data[:4096]
    for signature, sentence in _SIGNED:
        if start.startswith(signature):
            return sentence(name)
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        return _camera_raw(name) if brand == b"crx " else _film(name)
    if start.startswith(b"RIFF"):
        return _film(name) if start[8:12] == b"AVI " else _unknown(name)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return _svg(name)
    if text.startswith((b"<!doctype html", b"<html")):
        return _web_page(name)
    return _unknown(name)


def _unknown(name: str) -> ImageRefused:
    return ImageRefused("{name} is not an image Burin opens ({formats}).", name=name, formats=OPENED)


def _svg(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is an SVG drawing, not an image Burin opens ({formats}): export it as PNG first.",
        name=name,
        formats=OPENED,
    )


def _pdf(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is a PDF, not an image Burin opens ({formats}): export its page as PNG first.",
        name=name,
        formats=OPENED,
    )


def _postscript(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is a PostScript drawing, not an image Burin opens ({formats}): export it as PNG first.",
        name=name,
        formats=OPENED,
    )


def _editor(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is an image editor’s own file, not an image Burin opens ({formats}): export it as PNG first.",
        name=name,
        formats=OPENED,
    )


def _camera_raw(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is a camera’s raw file, not an image Burin opens ({formats}): export it as JPEG or TIFF first.",
        name=name,
        formats=OPENED,
    )


def _other_picture(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is a picture of another kind, not an image Burin opens ({formats}): save it as PNG first.",
        name=name,
        formats=OPENED,
    )


def _film(name: str) -> ImageRefused:
    return ImageRefused("{name} is a film, not an image Burin opens ({formats}).", name=name, formats=OPENED)


def _archive(name: str) -> ImageRefused:
    return ImageRefused(
        "{name} is an archive or an office document, not an image Burin opens ({formats}).", name=name, formats=OPENED
    )


def _web_page(name: str) -> ImageRefused:
    return ImageRefused("{name} is a web page, not an image Burin opens ({formats}).", name=name, formats=OPENED)


def _program(name: str) -> ImageRefused:
    return ImageRefused("{name} is a program, not an image Burin opens ({formats}).", name=name, formats=OPENED)


_SIGNED = (
    (b"%PDF-", _pdf),
    (b"%!PS", _postscript),
    (b"\xc5\xd0\xd3\xc6", _postscript),  # EPS with a preview
    (b"8BPS", _editor),  # Photoshop
    (b"gimp xcf", _editor),
    (b"FUJIFILMCCD-RAW", _camera_raw),
    (b"IIRO", _camera_raw),  # Olympus
    (b"IIU\0", _camera_raw),  # Panasonic
    (b"\0\0\0\x0cjP  \r\n\x87\n", _other_picture),  # JPEG 2000
    (b"\xff\x4f\xff\x51", _other_picture),  # JPEG 2000 without its wrapping
    (b"\0\0\0\x0cJXL \r\n\x87\n", _other_picture),  # JPEG XL
    (b"\xff\x0a", _other_picture),  # JPEG XL without its wrapping
    (b"\0\0\x01\0", _other_picture),  # Windows icon
    (b"icns", _other_picture),
    (b"SIMPLE  =", _other_picture),  # FITS
    (b"AT&TFORM", _other_picture),  # DjVu
    *((b"P%d" % k, _other_picture) for k in range(1, 8)),  # PBM, PGM, PPM, PAM
    (b"\xd7\xcd\xc6\x9a", _other_picture),  # Windows metafile
    (b"PK\x03\x04", _archive),
    (b"PK\x05\x06", _archive),
    (b"\x1f\x8b", _archive),
    (b"7z\xbc\xaf\x27\x1c", _archive),
    (b"Rar!", _archive),
    (b"\xd0\xcf\x11\xe0", _archive),  # older office documents
    (b"\x1aE\xdf\xa3", _film),  # Matroska, WebM
    (b"MZ", _program),
    (b"\x7fELF", _program),
)
