"""Hostile and awkward files, made on the spot: nothing of the kind lies in the repository.

`IMAGES` maps a file name to its `Case`; `ODD_CLASS_NAMES`, `BAD_PATHS` and `archive` serve other
tests. Some makers are named after known weaknesses. Nothing here asserts.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

register_heif_opener()

ODD_CLASS_NAMES = (
    "(e", "e)", "(e)", "[sl", "^", "---e", "{s}", "_x_", "_ea_", "e)_", "étoile", "etoile", "*", "%s", "=1+1", "@x",
    "nan", "None", "1e5", "true", "a b", "ñ", "符号", "<b>", "&amp;", "$x$", ":smile:", "`x`", "![t](http://canary.invalid/x.png)",
)  # fmt: skip
BAD_PATHS = (
    "../evil.png", "../../evil.png", "a/../../evil.png", "/etc/evil.png", "//host/share/evil.png", "~/evil.png",
    "\\\\host\\share\\evil.png", "C:\\evil.png", "C:evil.png", "\\\\?\\C:\\evil.png", "..\\evil.png",
    "a\\..\\..\\evil.png", "%2e%2e/evil.png", "a\0.png", "evil\u202egnp.exe", "a\nb.png", "x" * 300 + ".png",
    "CON.png", "aux", "a.png.", " .png", ".", "..", "",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """``make()`` gives the bytes; ``opens``: True must decode, False must be refused, None either, but swiftly."""

    make: Callable[[], bytes]
    opens: bool | None


IMAGES: dict[str, Case] = {}


def _case(name: str, *, opens: bool | None = False) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        IMAGES[name] = Case(make, opens)
        return make

    return register


def picture(side: int = 64) -> Image.Image:
    """A picture in which every corner differs: red, green, blue and black quarters."""
    image = Image.new("RGB", (side, side), "red")
    half = side // 2
    image.paste("lime", (half, 0, side, half))
    image.paste("blue", (0, half, half, side))
    image.paste("black", (half, half, side, side))
    return image


def noise(side: int = 128, *, seed: int = 0) -> Image.Image:
    """A picture that hardly compresses, so that a cut falls within its pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """``image`` as a file's bytes, with Pillow's options for the format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    """One PNG chunk with a right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 0, rows: bytes | None = None, extra: bytes = b""
) -> bytes:
    """A PNG with any header, whatever its pixel data (``rows``: filter byte and samples, row by row)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(b"\0" * 64 if rows is None else rows, 9)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", body) + png_chunk(b"IEND")


def segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes, image: Image.Image | None = None, **options: object) -> bytes:
    """A JPEG with ``segments`` right after its start."""
    data = saved(image or picture(), "JPEG", quality=95, subsampling=0, **options)
    return data[:2] + b"".join(segments) + data[2:]


def exif(orientation: int, *, order: str = "<", tags: Iterable[tuple[int, int, int, bytes]] = ()) -> bytes:
    """An EXIF block that states ``orientation``, and ``tags`` of (number, type, count, 4 bytes)."""
    entries = [(0x0112, 3, 1, struct.pack(order + "HH", orientation, 0)), *tags]
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(entries))
    body = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    return b"Exif\0\0" + head + body + b"\0\0\0\0"


def oriented(orientation: int, form: str = "JPEG") -> bytes:
    """`picture`, stored so that ``orientation`` brings it upright again."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> Transpose that stores it
    stored = picture() if orientation not in undo else picture().transpose(Image.Transpose(undo[orientation]))
    if form == "JPEG":
        return jpeg_with(segment(0xE1, exif(orientation)), image=stored)
    if form == "TIFF":
        return saved(stored, "TIFF", tiffinfo={0x0112: orientation})
    return saved(stored, form, exif=exif(orientation)[6:], **({"lossless": True} if form == "WEBP" else {}))


def tiff(entries: Iterable[tuple[int, int, int, int]], *, next_at: int | None = None, body: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: ``entries`` of (tag, type, count, value), then ``body`` before it."""
    entries = sorted(entries)
    at = 8 + len(body)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        struct.pack("<2sHI", b"II", 42, at) + body + directory + struct.pack("<I", at if next_at is None else next_at)
    )


def box(kind: bytes, body: bytes = b"", *, version: int | None = None, flags: int = 0) -> bytes:
    """One box of an ISO-BMFF file (HEIC, AVIF); with a ``version`` a full one."""
    head = b"" if version is None else struct.pack(">I", version << 24 | flags)
    return struct.pack(">I4s", 8 + len(head) + len(body), kind) + head + body


def heif(
    items: dict[int, tuple[bytes, tuple[int, int], bytes]],
    *,
    references: Iterable[tuple[bytes, int, list[int]]] = (),
    primary: int = 1,
    brand: bytes = b"avif",
    extra: bytes = b"",
    repeat: int = 1,
) -> bytes:
    """A HEIC or AVIF file by hand. ``items``: number -> type, size and content; ``repeat``: how often each one's
    content is listed; ``extra``: boxes at the end."""
    entries = b"".join(
        box(b"infe", struct.pack(">HH4sB", n, 0, kind, 0), version=2) for n, (kind, _, _) in items.items()
    )
    sizes = b"".join(box(b"ispe", struct.pack(">II", *size), version=0) for _, size, _ in items.values())
    owns = b"".join(struct.pack(">HBB", n, 1, min(k + 1, 127)) for k, n in enumerate(items))
    related = b"".join(box(kind, struct.pack(f">HH{len(to)}H", start, len(to), *to)) for kind, start, to in references)

    def meta(at: int) -> bytes:
        places = b""
        for n, (_, _, content) in items.items():
            places += struct.pack(">HHH", n, 0, repeat) + struct.pack(">II", at, len(content)) * repeat
            at += len(content)
        return box(
            b"meta",
            box(b"hdlr", bytes(4) + b"pict" + bytes(13), version=0)
            + box(b"pitm", struct.pack(">H", primary), version=0)
            + box(b"iinf", struct.pack(">H", len(items)) + entries, version=0)
            + box(b"iref", related, version=0)
            + box(b"iprp", box(b"ipco", sizes) + box(b"ipma", struct.pack(">I", len(items)) + owns, version=0))
            + box(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places, version=0),
            version=0,
        )

    start = box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    content = b"".join(content for _, _, content in items.values())
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", content) + extra


def av1(width: int, height: int, *, frames: int = 1) -> bytes:
    """The headers of an AV1 picture of that size, with nothing to decode behind them."""
    bits = f"{0:03b}11{0:05b}{15:04b}{15:04b}{width - 1:016b}{height - 1:016b}"
    header = int(bits.ljust(64, "0"), 2).to_bytes(8, "big")
    return b"\x0a\x08" + header + b"\x32\x01\0" * frames


_TIFF_8X8 = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
             (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 8), (279, 4, 1, 64)]  # fmt: skip


def archive(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], *, stored: bool = False) -> bytes:
    """A zip of ``members`` exactly as named: nothing is cleaned, doubles are kept."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as target:
        for name, content in members:
            target.writestr(name, content)
    return buffer.getvalue()


# Not an image at all, or not in a format that opens, under an image's name


@_case("empty.png")
def _() -> bytes:
    return b""


@_case("one_byte.jpg")
def _() -> bytes:
    return b"\xff"


@_case("text.png")
def _() -> bytes:
    return b"not an image, only words\n" * 20


@_case("random_4k.jpg")
def _() -> bytes:
    return np.random.default_rng(4).bytes(4096)


@_case("text_that_starts_like_a.bmp")
def _() -> bytes:
    return b"BMW is a maker of cars, and this is a letter about one of them.\n"


def _foreign() -> dict[str, bytes]:
    fits = (b"SIMPLE  =                    T".ljust(80) + b"BITPIX  =                    8".ljust(80)
            + b"NAXIS   =                    2".ljust(80) + b"NAXIS1  =                    8".ljust(80)
            + b"NAXIS2  =                    8".ljust(80) + b"END".ljust(80)).ljust(2880) + bytes(2880)  # fmt: skip
    return {
        "svg_named.png": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "html_named.jpg": b"<!doctype html><script>alert(1)</script>",
        "eps_named.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n",
        "pdf_named.png": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
        "psd_named.png": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + bytes(400),
        "fits_named.tif": fits,
        "icns_named.png": b"icns" + struct.pack(">I", 16) + b"ic07" + struct.pack(">I", 8),
        "exe_named.png": b"MZ" + bytes(500),
        "pickle_named.png": b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
        "gzip_named.png": b"\x1f\x8b\x08\0" + bytes(100),
        "ppm_named.png": b"P6 2 2 255\n" + bytes(12),
        "heic_named.jpg": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100),
        "avif_named.png": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(100),
        "film_named.heic": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100),
        "raw_named.jpg": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
        "jp2_named.jpg": saved(picture(), "JPEG2000"),
        "ico_named.png": saved(picture(), "ICO"),
        "zip_named.png": archive([("a.png", b"x")]),
    }


for _name, _bytes in _foreign().items():
    IMAGES[_name] = Case(lambda _bytes=_bytes: _bytes, opens=False)


# Damage


def _cut(form: str, at: float, **options: object) -> Callable[[], bytes]:
    """A file cut after ``at`` bytes, or after that share of them."""

    def make() -> bytes:
        data = saved(noise(), form, **options)
        return data[: int(at if at > 1 else len(data) * at)]

    return make


for _form, _suffix in (
    ("PNG", "png"),
    ("JPEG", "jpg"),
    ("WEBP", "webp"),
    ("GIF", "gif"),
    ("BMP", "bmp"),
    ("TIFF", "tif"),
    ("HEIF", "heic"),
    ("AVIF", "avif"),
):
    IMAGES[f"truncated.{_suffix}"] = Case(_cut(_form, 0.6), opens=False)
    IMAGES[f"nearly_whole.{_suffix}"] = Case(_cut(_form, 0.97), opens=False)
    IMAGES[f"header_only.{_suffix}"] = Case(_cut(_form, 40), opens=False)
IMAGES["truncated_progressive.jpg"] = Case(_cut("JPEG", 0.6, progressive=True), opens=False)
IMAGES["truncated_deflate.tif"] = Case(_cut("TIFF", 0.6, compression="tiff_adobe_deflate"), opens=False)
IMAGES["cut_at_1024.jpg"] = Case(lambda: saved(noise(), "JPEG")[:1024], opens=False)
IMAGES["missing_eoi.jpg"] = Case(lambda: saved(noise(), "JPEG")[:-2], opens=None)
IMAGES["missing_iend.png"] = Case(lambda: saved(noise(), "PNG")[:-12], opens=None)


@_case("crc_error.png")
def _() -> bytes:
    data = bytearray(saved(noise(), "PNG"))
    data[data.index(b"IEND") - 5] ^= 0xFF
    return bytes(data)


@_case("zero_width.png")
def _() -> bytes:
    return png(0, 8)


@_case("zero_size.bmp")
def _() -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0)


@_case("no_pixels.tif")
def _() -> bytes:
    return tiff([(256, 4, 1, 8)], next_at=0)


# Bombs: refused from the header


@_case("bomb_50k.png")
def _() -> bytes:
    return png(50_000, 50_000)


@_case("bomb_2_31.png")
def _() -> bytes:
    return png(2**31 - 1, 2**31 - 1)


@_case("bomb_169_mpx.png")
def _() -> bytes:
    return png(13_000, 13_000)


@_case("bomb_51_mpx.png")
def _() -> bytes:
    return png(7_142, 7_142)


@_case("bomb_long_side.png")
def _() -> bytes:
    return png(20_001, 1)


@_case("bomb_sof.jpg")
def _() -> bytes:
    data = bytearray(saved(picture(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


@_case("bomb_screen.gif")
def _() -> bytes:
    data = bytearray(saved(picture(), "GIF"))
    data[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(data)


@_case("bomb_frame.gif")
def _() -> bytes:
    data = bytearray(saved(picture(), "GIF"))
    at = data.index(b",\0\0\0\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 65_535, 65_535)
    return bytes(data)


@_case("bomb_canvas.webp")
def _() -> bytes:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0"
        + (16_383).to_bytes(3, "little") * 2
        + b"VP8L"
        + struct.pack("<I", 0)
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@_case("bomb.bmp")
def _() -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    )


@_case("bomb.tif")
def _() -> bytes:
    big = [(256, 4, 1, 60_000), (257, 4, 1, 60_000)]
    return tiff([*big, *[entry for entry in _TIFF_8X8 if entry[0] not in (256, 257)]], next_at=0, body=bytes(64))


@_case("bomb_ztxt.png")
def _() -> bytes:
    return png(1, 1, rows=b"\0\0", extra=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000), 9)))


@_case("bomb_iccp.png")
def _() -> bytes:
    return png(1, 1, rows=b"\0\0", extra=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9)))


@_case("bomb_idat.png", opens=None)
def _() -> bytes:
    return png(1, 1, rows=bytes(200_000_000))


@_case("bomb_stated.avif")
def _() -> bytes:
    return heif({1: (b"av01", (60_000, 60_000), av1(64, 64))})


@_case("bomb_stated.heic")
def _() -> bytes:
    return heif({1: (b"hvc1", (60_000, 60_000), bytes(64))}, brand=b"heic")


@_case("bomb_coded.avif")
def _() -> bytes:
    return heif({1: (b"av01", (64, 64), av1(16_000, 16_000))})


@_case("bomb_grid.avif")
def _() -> bytes:
    tile = (b"av01", (6_000, 6_000), av1(6_000, 6_000))
    return heif({1: (b"grid", (6_000, 6_000), bytes(8)), 2: tile}, references=[(b"dimg", 1, [2] * 200)])


@_case("bomb_coded.heic")
def _() -> bytes:
    data = bytearray(saved(noise(1_024), "HEIF", quality=10))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", 16, 16)
    return bytes(data)


# Structures that cost time, not memory


@_case("boxes_2m.avif")
def _() -> bytes:
    return heif({1: (b"av01", (64, 64), av1(64, 64))}, extra=box(b"free") * 2_000_000)


@_case("items_60000.heic")
def _() -> bytes:
    return heif(dict.fromkeys(range(1, 60_000), (b"hvc1", (64, 64), b"")), brand=b"heic")


@_case("tiles_60000.heic")
def _() -> bytes:
    items = {1: (b"grid", (64, 64), bytes(8)), 2: (b"hvc1", (1, 1), bytes(8))}
    return heif(items, brand=b"heic", references=[(b"dimg", 1, [2] * 60_000)])


@_case("grid_of_itself.heic")
def _() -> bytes:
    return heif({1: (b"grid", (64, 64), bytes(8))}, brand=b"heic", references=[(b"dimg", 1, [1])])


@_case("grids_of_grids.avif")
def _() -> bytes:
    items = {n: (b"grid", (64, 64), bytes(8)) for n in range(1, 30)}
    return heif(
        {**items, 30: (b"av01", (64, 64), av1(64, 64))},
        references=[(b"dimg", n, [n + 1] * 100) for n in range(1, 30)],
    )


@_case("extents_60000.avif")
def _() -> bytes:
    return heif({1: (b"av01", (64, 64), av1(64, 64) + bytes(10_000))}, repeat=60_000)


@_case("frames_100000.avif")
def _() -> bytes:
    return heif({1: (b"av01", (64, 64), av1(64, 64, frames=100_000))})


@_case("slices_100000.heic")
def _() -> bytes:
    return heif({1: (b"hvc1", (64, 64), b"\0\0\0\3\x26\1\x80" * 100_000)}, brand=b"heic")


@_case("header_among_slices.heic")
def _() -> bytes:
    return heif({1: (b"hvc1", (64, 64), b"\0\0\0\3\x42\1\x80")}, brand=b"heic")


@_case("box_past_the_end.heic")
def _() -> bytes:
    data = heif({1: (b"hvc1", (64, 64), bytes(64))}, brand=b"heic")
    return data[:28] + b"\xff" + data[29:]


@_case("no_size.avif")
def _() -> bytes:
    return heif({1: (b"av01", (64, 64), av1(64, 64))}).replace(b"ispe", b"isqe")


@_case("film_inside.avif", opens=True)
def _() -> bytes:
    return saved(picture(), "AVIF") + box(b"moov", box(b"trak") * 3)


@_case("bomb_scans.jpg")
def _() -> bytes:
    data = saved(picture(1_000), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    return data[: starts[2]] + data[starts[1] : starts[2]] * 200 + data[starts[2] :]


@_case("comments_5m.jpg")
def _() -> bytes:
    return jpeg_with(segment(0xFE, b"") * 5_000_000)


@_case("exif_1000.jpg", opens=None)
def _() -> bytes:
    return jpeg_with(segment(0xE1, exif(1).ljust(65_000, b"\0")) * 1_000)


@_case("fill_20m.jpg", opens=None)
def _() -> bytes:
    return jpeg_with(b"\xff" * 20_000_000)


@_case("text_10000_chunks.png", opens=None)
def _() -> bytes:
    return png(8, 8, rows=bytes(72), extra=png_chunk(b"tEXt", b"a\0b") * 10_000)


@_case("chunks_2m.png")
def _() -> bytes:
    return png(8, 8, rows=bytes(72), extra=png_chunk(b"abCd") * 2_000_000)


@_case("comments_4m.gif")
def _() -> bytes:
    data = saved(picture(), "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + b"!\xfe\x01x\0" * 4_000_000 + data[at:]


@_case("chunks_2m.webp")
def _() -> bytes:
    data = saved(picture(), "WEBP") + (b"abcd" + bytes(4)) * 2_000_000
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


@_case("runs.bmp")
def _() -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 7_000, 7_000, 1, 8, 1, 0, 0, 0, 256, 0)
    body = bytes(1024) + b"\0\2\0\0" * 2_000_000  # moves by nothing, over and over
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54 + 1024) + header + body


@_case("tags_20000.tif")
def _() -> bytes:
    return tiff([*_TIFF_8X8, *((1_000 + k, 7, 60_000, 8) for k in range(20_000))], next_at=0, body=bytes(60_064))


@_case("strips_5m.tif")
def _() -> bytes:
    entries = [entry for entry in _TIFF_8X8 if entry[0] not in (273, 279)]
    return tiff([*entries, (273, 4, 5_000_000, 8), (279, 4, 5_000_000, 8)], next_at=0, body=bytes(20_000_000))


# Odd, and right: these open


def _frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (64, 64), (k % 256, k // 256, 99)) for k in range(1, count)]


@_case("frames_3000.gif", opens=True)
def _() -> bytes:
    return saved(picture(), "GIF", save_all=True, append_images=_frames(3_000))


@_case("animated.webp", opens=True)
def _() -> bytes:
    return saved(picture(), "WEBP", save_all=True, append_images=_frames(5), lossless=True)


@_case("animated.png", opens=True)
def _() -> bytes:
    return saved(picture(), "PNG", save_all=True, append_images=_frames(5))


@_case("multi_page.tif", opens=True)
def _() -> bytes:
    return saved(picture(), "TIFF", save_all=True, append_images=_frames(5))


@_case("tiff_ifd_loop.tif", opens=True)
def _() -> bytes:
    return tiff(_TIFF_8X8, body=bytes(64))  # the directory names itself as the next one


@_case("big.tif", opens=True)
def _() -> bytes:
    return saved(picture(), "TIFF", big_tiff=True)


@_case("1x1.png", opens=True)
def _() -> bytes:
    return png(1, 1, rows=b"\0\0")


@_case("1x8000.png", opens=True)
def _() -> bytes:
    return png(1, 8_000, rows=bytes(16_000))


@_case("1_bit.png", opens=True)
def _() -> bytes:
    return saved(picture().convert("1"), "PNG")


@_case("jpeg_html_polyglot.jpg", opens=True)
def _() -> bytes:
    return jpeg_with(segment(0xFE, b"<script>alert('canary')</script>")) + b"<script>alert('canary')</script>"


@_case("png_zip_polyglot.png", opens=True)
def _() -> bytes:
    return saved(picture(), "PNG") + archive([("canary.txt", b"canary")], stored=True)


@_case("exif_script.jpg", opens=True)
def _() -> bytes:
    return jpeg_with(segment(0xE1, exif(1) + b"<script>canary</script>"))


@_case("exif_99.jpg", opens=True)
def _() -> bytes:
    return jpeg_with(segment(0xE1, exif(99)))


@_case("exif_garbage.jpg", opens=True)
def _() -> bytes:
    return jpeg_with(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20)))


@_case("exif_ifd_loop.jpg", opens=True)
def _() -> bytes:
    return jpeg_with(segment(0xE1, exif(1, tags=[(0x8769, 4, 1, struct.pack("<I", 8))])))


@_case("xmp_xxe.jpg", opens=True)
def _() -> bytes:
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
    return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + entity))
