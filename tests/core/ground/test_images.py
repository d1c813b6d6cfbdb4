"""core.ground.images and .containers: exact pixels for every honest kind of file, one sentence for every other."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.ground import images
from core.ground.errors import ImageRefused
from core.ground.images import content_hash, decode, difference_hash, encode_png, reduction, size_of, thumbnail
from tests import hostile
from tests.conftest import draw

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Top left, top right, bottom left, bottom right, a few pixels inside."""
    width, height = image.size
    return [image.getpixel(at) for at in ((4, 4), (width - 5, 4), (4, height - 5), (width - 5, height - 5))]


def near(found: tuple[int, ...], wanted: tuple[int, ...], tolerance: int) -> bool:
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= tolerance


# What opens


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_every_format_opens_as_plain_rgb(form):
    lossy = {"JPEG": {"quality": 95, "subsampling": 0}, "HEIF": {"quality": 95, "chroma": 444}, "AVIF": {"quality": 95}}
    options = {**lossy, "WEBP": {"lossless": True}}.get(form, {})
    image = decode(hostile.saved(hostile.picture(), form, **options))
    assert (image.mode, image.size, type(image), image.info) == ("RGB", (64, 64), Image.Image, {})
    for found, wanted in zip(corners(image), (RED, GREEN, BLUE, BLACK), strict=True):
        assert near(found, wanted, 4 if form in lossy else 0)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_stated_orientation_is_applied(form, orientation):
    image = decode(hostile.oriented(orientation, form))
    for found, wanted in zip(corners(image), (RED, GREEN, BLUE, BLACK), strict=True):
        assert near(found, wanted, 12 if form in ("HEIF", "AVIF") else 3)


def test_a_turned_heic_or_avif_swaps_its_sides():
    wide = Image.new("RGB", (80, 40), "red")
    for form in ("HEIF", "AVIF"):
        assert decode(hostile.saved(wide, form, exif=hostile.exif(6)[6:])).size == (40, 80)


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_telephones_files_open(shared_data, suffix):
    image = decode(shared_data / "cases" / f"manette.{suffix}")
    assert (image.mode, image.size) == ("RGB", (400, 400))


def test_the_tiles_of_a_grid_come_together():
    from pillow_heif import from_pillow

    large = hostile.picture(1_300)
    buffer = io.BytesIO()
    from_pillow(large).save(buffer, format="HEIF", quality=80)
    image = decode(buffer.getvalue())
    assert image.size == (1_300, 1_300)
    for found, wanted in zip(corners(image), (RED, GREEN, BLUE, BLACK), strict=True):
        assert near(found, wanted, 12)


def test_a_turned_picture_swaps_its_sides():
    wide = Image.new("RGB", (40, 20), "red")
    assert decode(hostile.jpeg_with(hostile.segment(0xE1, hostile.exif(6)), image=wide)).size == (20, 40)
    assert decode(hostile.jpeg_with(hostile.segment(0xE1, hostile.exif(6, order=">")), image=wide)).size == (20, 40)


RAMP = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (16, 1))


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_adobe_deflate"})]
)
def test_16_bits_are_scaled_and_not_clipped(form, options):
    image = decode(hostile.saved(Image.fromarray(RAMP), form, **options))
    grey = np.asarray(image)[:, :, 0]
    assert abs(grey.mean() - 127.5) < 0.5
    assert np.array_equal(grey[0], np.arange(256))


def test_16_bits_in_the_other_byte_order():
    big_endian = Image.frombytes("I;16B", (256, 16), RAMP.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(decode(hostile.saved(big_endian, "TIFF")))[0, :, 0], np.arange(256))


def test_16_bits_where_zero_is_white():
    body = RAMP.tobytes()
    entries = [(256, 4, 1, 256), (257, 4, 1, 16), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 0),
               (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 16), (279, 4, 1, len(body))]  # fmt: skip
    image = decode(hostile.tiff(entries, next_at=0, body=body))
    assert np.array_equal(np.asarray(image)[0, :, 0], np.arange(256)[::-1])


def test_16_bit_colour_keeps_its_tones():
    rows = b"".join(b"\0" + np.repeat(line, 3).astype(">u2").tobytes() for line in RAMP)
    image = decode(hostile.png(256, 16, depth=16, colour=2, rows=rows))
    assert abs(np.asarray(image).mean() - 127.5) < 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_a_depth_under_16_bits_is_stretched_to_its_range(bits, form):
    top = 2**bits - 1
    ramp = np.tile(np.linspace(0, top, 256).round().astype(np.uint16), (16, 1))
    grey = np.asarray(decode(hostile.saved(Image.fromarray(ramp), form)))[0, :, 0]
    assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize(("colour", "bands"), [(2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_12_bits_of_a_16_bit_colour_png_keep_all_their_tones(colour, bands, bits):
    top = 2**bits - 1
    ramp = np.linspace(0, top, 256).round().astype(">u2")
    pixels = np.repeat(ramp[:, None], bands, axis=1)
    if bands % 2 == 0:
        pixels[:, -1] = 65535  # opaque
    image = decode(hostile.png(256, 4, depth=16, colour=colour, rows=(b"\0" + pixels.tobytes()) * 4))
    assert np.abs(np.asarray(image)[0].astype(int) - np.arange(256)[:, None]).max() <= 1


@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
def test_12_bits_of_a_16_bit_colour_tiff_keep_all_their_tones(compression):
    ramp = np.repeat(np.linspace(0, 4095, 256).round().astype("<u2")[:, None], 3, axis=1)
    body = np.tile(ramp, (4, 1, 1)).tobytes()
    packed = body if compression is None else zlib.compress(body)
    depths_at = 8 + len(packed)
    entries = [(256, 4, 1, 256), (257, 4, 1, 4), (258, 3, 3, depths_at), (259, 3, 1, 1 if compression is None else 8),
               (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, 3), (278, 4, 1, 4), (279, 4, 1, len(packed))]  # fmt: skip
    image = decode(hostile.tiff(entries, next_at=0, body=packed + struct.pack("<3H", 16, 16, 16)))
    assert np.abs(np.asarray(image)[0].astype(int) - np.arange(256)[:, None]).max() <= 1


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_a_float_picture_is_scaled_by_the_smallest_usual_range(top):
    values = np.tile(np.linspace(0, top, 256, dtype=np.float32), (4, 1))
    grey = np.asarray(decode(hostile.saved(Image.fromarray(values), "TIFF")))[0, :, 0]
    assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1


def test_a_float_picture_outside_every_usual_range_spans_its_own():
    values = np.tile(np.linspace(-3, 7, 256, dtype=np.float32), (4, 1))
    values[0, 0] = np.nan
    grey = np.asarray(decode(hostile.saved(Image.fromarray(values), "TIFF")))[:, :, 0]
    assert (grey[0, 0], grey[1, 0], grey[1, 255]) == (255, 0, 255)


def test_a_32_bit_picture_is_scaled():
    wide = Image.fromarray(RAMP.astype(np.int32))
    assert np.array_equal(np.asarray(decode(hostile.saved(wide, "TIFF")))[0, :, 0], np.arange(256))


def test_cmyk_red_is_red():
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    for form in ("JPEG", "TIFF"):
        options = {"quality": 95} if form == "JPEG" else {}
        assert near(decode(hostile.saved(red, form, **options)).getpixel((9, 9)), RED, 2)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (9, 9), (10, 20, 30, 0)),
        Image.new("LA", (9, 9), (0, 0)),
        Image.new("RGBA", (9, 9), (255, 255, 255, 255)),
    ],
)
def test_what_is_transparent_is_white(image):
    assert np.asarray(decode(hostile.saved(image, "PNG"))).min() == 255


def test_white_art_on_transparency_is_laid_on_black():
    art = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
    art.paste((255, 255, 255, 255), (10, 10, 30, 20))
    for form in ("PNG", "WEBP", "AVIF"):
        image = decode(hostile.saved(art, form, **({"lossless": True} if form == "WEBP" else {})))
        assert near(image.getpixel((2, 2)), BLACK, 2) and near(image.getpixel((20, 15)), WHITE, 2), form
    grey = Image.new("LA", (40, 40), (250, 0))
    grey.paste((230, 255), (10, 10, 30, 20))
    image = decode(hostile.saved(grey, "PNG"))
    assert (image.getpixel((2, 2)), image.getpixel((20, 15))) == (BLACK, (230, 230, 230))


@pytest.mark.parametrize("art", [(0, 0, 0), (255, 230, 0), (120, 120, 120), (200, 220, 120)])
def test_art_that_shows_on_white_is_laid_on_white(art):
    drawn = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    drawn.paste((*art, 255), (10, 10, 30, 20))
    assert decode(hostile.saved(drawn, "PNG")).getpixel((2, 2)) == WHITE


def test_a_white_page_with_round_corners_stays_white():
    page = Image.new("RGBA", (40, 40), (255, 255, 255, 255))
    page.putpixel((0, 0), (0, 0, 0, 0))
    assert np.asarray(decode(hostile.saved(page, "PNG"))).min() == 255


def test_half_transparent_black_is_mid_grey():
    image = decode(hostile.saved(Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "PNG"))
    assert near(image.getpixel((4, 4)), (127, 127, 127), 1)


def test_a_transparent_palette_entry_is_white_and_the_others_keep_their_colour():
    paletted = Image.new("P", (8, 8), 0)
    paletted.putpalette([0, 0, 0, 255, 0, 0])
    paletted.paste(1, (0, 0, 4, 8))
    for form in ("PNG", "GIF"):
        image = decode(hostile.saved(paletted, form, transparency=0))
        assert (image.getpixel((1, 1)), image.getpixel((6, 1))) == (RED, WHITE)


def test_a_transparent_tone_is_white():
    grey = Image.new("L", (8, 8), 7)
    grey.paste(90, (0, 0, 4, 8))
    image = decode(hostile.saved(grey, "PNG", transparency=7))
    assert (image.getpixel((1, 1)), image.getpixel((6, 1))) == ((90, 90, 90), WHITE)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_greys_may_stay_greys(form):
    data = hostile.saved(hostile.picture().convert("L"), form)
    image, usual = decode(data, grey=True), decode(data)
    assert (type(image), image.info, usual.mode) == (Image.Image, {}, "RGB")
    assert image.mode == ("RGB" if form == "GIF" else "L")  # a GIF has a palette, whatever its colours
    assert image.convert("RGB").tobytes() == usual.tobytes()


def test_what_is_more_than_greys_is_rgb_all_the_same():
    grey = hostile.picture().convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for data in (
        hostile.saved(grey, "PNG", transparency=7),
        hostile.saved(grey.convert("LA"), "PNG"),
        hostile.saved(deep, "PNG"),
        hostile.saved(hostile.picture(), "PNG"),
    ):
        assert decode(data, grey=True).mode == "RGB"
        assert decode(data, grey=True).tobytes() == decode(data).tobytes()


def test_one_bit_pictures_are_black_and_white():
    bits = Image.new("1", (8, 8), 1)
    bits.paste(0, (0, 0, 4, 8))
    image = decode(hostile.saved(bits, "TIFF", compression="group4"))
    assert (image.getpixel((1, 1)), image.getpixel((6, 1))) == (BLACK, WHITE)


def test_of_several_frames_the_first_is_taken():
    for name in ("frames_3000.gif", "animated.webp", "animated.png", "multi_page.tif"):
        image = decode(hostile.IMAGES[name].make())
        for found, wanted in zip(corners(image), (RED, GREEN, BLUE, BLACK), strict=True):
            assert near(found, wanted, 1), name


def test_a_path_opens_like_its_bytes(tmp_path):
    path = tmp_path / "étoile.png"
    path.write_bytes(hostile.saved(hostile.picture(), "PNG"))
    assert decode(path).tobytes() == hostile.picture().tobytes()


def test_nothing_but_pixels_leaves(tmp_path):
    for name in ("jpeg_html_polyglot.jpg", "png_zip_polyglot.png", "exif_script.jpg", "xmp_xxe.jpg"):
        image = decode(hostile.IMAGES[name].make())
        for stored in (encode_png(image), thumbnail(image)):
            assert not any(word in stored for word in (b"canary", b"script", b"ENTITY", b"Exif", b"eXIf")), name


def test_every_real_drawing_opens(shared_data):
    files = sorted((shared_data / "gravures").rglob("*.png"))
    assert len(files) > 600
    assert {decode(path).mode for path in files} == {"RGB"}


# What does not


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, dict]:
    """Every hostile file decoded in a child process: a hang or a crash fails here, and memory can be measured."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, case in hostile.IMAGES.items():
        (folder / name).write_bytes(case.make())
    script = Path(__file__).parent / "decode_all.py"
    done = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, timeout=300, check=True, cwd=Path.cwd()
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", hostile.IMAGES)
def test_hostile_files_end_in_a_picture_or_one_sentence(outcomes, name):
    outcome, case = outcomes[name], hostile.IMAGES[name]
    if case.opens is not None:
        assert outcome["opened"] is case.opens, outcome
    if not outcome["opened"]:
        sentence = outcome["sentence"]
        assert sentence.startswith(name)
        assert sentence.endswith(".")
        assert "\n" not in sentence and "Error" not in sentence and len(sentence) < 200
        assert outcome["memory_mb"] < 100  # above what the process held before


@pytest.mark.parametrize("name", [name for name in hostile.IMAGES if name.startswith("bomb_")])
def test_bombs_stay_small(outcomes, name):
    assert outcomes[name]["memory_mb"] < 100


TOO_LARGE = ("50k.png", "2_31.png", "169_mpx.png", "51_mpx.png", "long_side.png", "sof.jpg", "screen.gif", "frame.gif",
             "canvas.webp", "stated.avif", "stated.heic", "coded.avif")  # fmt: skip
TOO_INTRICATE = (
    "bomb_grid.avif", "boxes_2m.avif", "items_60000.heic", "tiles_60000.heic", "extents_60000.avif",
    "frames_100000.avif", "slices_100000.heic", "bomb_scans.jpg", "comments_5m.jpg", "chunks_2m.png",
    "comments_4m.gif", "chunks_2m.webp", "tags_20000.tif", "strips_5m.tif",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "why"),
    [(f"bomb_{name}", "is too large: ") for name in TOO_LARGE]
    + [(name, "is built of too many parts ") for name in TOO_INTRICATE],
)
def test_what_is_refused_by_its_outside_meets_no_decoder(name, why, monkeypatch):
    """By our own limits, from header and structure alone: not by what a decoder happens to stumble over."""
    monkeypatch.setattr(images, "_decoded", lambda *a, **k: pytest.fail("it was decoded"))
    with pytest.raises(ImageRefused) as refused:
        decode(hostile.IMAGES[name].make(), name=name)
    assert why in str(refused.value)


def test_the_sentence_says_what_is_wrong():
    def sentence(name: str) -> str:
        with pytest.raises(ImageRefused) as refused:
            decode(hostile.IMAGES[name].make(), name=name)
        return str(refused.value)

    opened = "an image Burin opens (PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF)"
    assert sentence("text.png") == f"text.png is not {opened}."
    assert sentence("svg_named.png") == f"svg_named.png is an SVG drawing, not {opened}: export it as PNG first."
    assert sentence("pdf_named.png") == f"pdf_named.png is a PDF, not {opened}: export its page as PNG first."
    for name, kind in (
        ("eps_named.png", "a PostScript drawing"),
        ("psd_named.png", "an image editor’s own file"),
        ("jp2_named.jpg", "a picture of another kind"),
        ("html_named.jpg", "a web page"),
        ("zip_named.png", "an archive or an office document"),
        ("exe_named.png", "a program"),
        ("film_named.heic", "a film"),
        ("raw_named.jpg", "a camera’s raw file"),
    ):
        assert sentence(name).startswith(f"{name} is {kind}, not {opened}"), name
    assert sentence("empty.png") == "empty.png is empty."
    assert sentence("truncated.jpg") == "truncated.jpg is damaged or cut short."
    assert "50 million pixels" in sentence("bomb_50k.png")


@pytest.mark.parametrize("name", hostile.BAD_PATHS)
def test_a_name_is_shown_without_folders_or_tricks(name):
    with pytest.raises(ImageRefused) as refused:
        decode(b"", name=name)
    sentence = str(refused.value)
    assert len(sentence) <= 100
    assert sentence.isprintable()
    assert "/" not in sentence and "\\" not in sentence


def test_braces_in_a_name_stay_braces():
    with pytest.raises(ImageRefused, match=r"^\{s\}\.png is empty\.$"):
        decode(b"", name="{s}.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageRefused, match="cannot be read"):
            decode(path)


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1_000_000)
    path = tmp_path / "big.png"
    path.write_bytes(hostile.saved(hostile.picture(), "PNG").ljust(1_000_001, b"\0"))
    with pytest.raises(ImageRefused, match="larger than 1 MB"):
        decode(path)


FORMS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
SEEDS = [hostile.saved(hostile.picture(24), form) for form in FORMS]


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.data())
def test_damage_anywhere_gives_a_picture_or_a_refusal(seed, data):
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(seed)))
    try:
        image = decode(bytes(changed[: len(seed) - cut if cut < 40 else len(seed)]))
    except ImageRefused:
        return
    assert image.mode == "RGB"
    assert len(image.tobytes()) == image.width * image.height * 3


# What follows from a picture


def test_the_content_hash_is_sha256():
    assert content_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_thumbnail_fits_its_square_and_is_never_enlarged():
    def size(width: int, height: int) -> tuple[int, int]:
        return Image.open(io.BytesIO(thumbnail(Image.new("RGB", (width, height))))).size

    assert size(400, 200) == (192, 96)
    assert size(1, 8000) == (1, 192)
    assert size(64, 64) == (64, 64)
    assert Image.open(io.BytesIO(thumbnail(hostile.picture(), side=32))).format == "WEBP"


def test_making_a_thumbnail_leaves_the_picture_alone():
    image = hostile.picture(400)
    thumbnail(image)
    assert image.size == (400, 400)


def test_png_bytes_decode_to_the_same_pixels():
    image = hostile.noise()
    assert decode(encode_png(image)).tobytes() == image.tobytes()


def test_the_difference_hash_reads_left_to_right():
    darkening = Image.fromarray(np.tile(np.linspace(255, 0, 90, dtype=np.uint8), (80, 1)))
    assert difference_hash(darkening) == 2**64 - 1
    assert difference_hash(darkening.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == 0
    top_only = darkening.copy()
    top_only.paste(0, (0, 10, 90, 80))
    assert difference_hash(top_only) == 0xFF << 56


def test_the_difference_hash_of_a_copy_is_near_and_of_another_drawing_far():
    def bits(one: Image.Image, other: Image.Image) -> int:
        return (difference_hash(one) ^ difference_hash(other)).bit_count()

    original = draw("triangle", side=200)
    copy = decode(hostile.saved(original.resize((150, 150)), "JPEG", quality=90))
    assert bits(original, copy) <= 6
    assert bits(original, draw("wave", side=200)) > 12


@pytest.mark.parametrize("value", [0, 1, 7, 70_000, -5, -(2**31), 2**31 - 1])
def test_a_32_bit_picture_of_one_tone_opens(value):
    """Its span is nothing, and nothing is divided by it."""
    image = decode(hostile.saved(Image.fromarray(np.full((4, 4), value, np.int32)), "TIFF"))
    assert len(image.getcolors()) == 1


@pytest.mark.parametrize("values", [(3e38, -3e38), (1e30, 1e30), (np.inf, -np.inf), (np.nan, 5.0), (-1e20, -1e20)])
def test_floats_of_any_span_open(values, recwarn):
    image = decode(hostile.saved(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert image.size == (2, 1) and not [warning for warning in recwarn if warning.category is RuntimeWarning]


# Only as large as is needed


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_reduced_picture_is_the_whole_one_made_smaller(form, grey):
    data = hostile.saved(
        hostile.picture(402).resize((402, 301)), form, **({"lossless": True} if form == "WEBP" else {})
    )
    whole, small = decode(data, grey=grey), decode(data, grey=grey, within=100)
    assert size_of(data) == whole.size == (402, 301) and reduction(whole.size, 100) == 8
    assert (small.mode, small.size, small.info) == ("RGB", (51, 38), {})
    for found, wanted in zip(corners(small), (RED, GREEN, BLUE, BLACK), strict=True):
        assert near(found, wanted, 24)
    assert decode(data, within=402).tobytes() == decode(data).tobytes(), "what is small enough is not touched"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_picture_is_upright_too(form, orientation):
    data = hostile.oriented(orientation, form)
    for found, wanted in zip(corners(decode(data, within=32)), (RED, GREEN, BLUE, BLACK), strict=True):
        assert near(found, wanted, 12)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_of_an_upright_picture_is_read_from_its_header(orientation):
    wide = Image.new("RGB", (80, 40), "red")
    for form in ("JPEG", "PNG", "TIFF"):
        if form == "TIFF":
            data = hostile.saved(wide, form, tiffinfo={0x0112: orientation})
        else:
            data = hostile.saved(
                wide, form, exif=hostile.exif(orientation)[6:] if form == "PNG" else hostile.exif(orientation)
            )
        assert size_of(data) == decode(data).size == ((40, 80) if orientation in (6, 8) else (80, 40)), form
    assert size_of(b"no picture") == (0, 0) == size_of(hostile.IMAGES["bomb_50k.png"].make())


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "CMYK"}, {"size": (3000, 1)}])
def test_a_jpeg_is_reduced_as_it_is_decoded(options, monkeypatch):
    options = dict(options)
    image = Image.new("RGB", options.pop("size", (640, 480)), (200, 100, 50)).convert(options.pop("mode", "RGB"))
    data, loaded = hostile.saved(image, "JPEG", **options), []
    real = images.to_rgb
    monkeypatch.setattr(images, "to_rgb", lambda one, **how: loaded.append(one.size) or real(one, **how))
    opened, known = [], images.depth_of
    monkeypatch.setattr(images, "depth_of", lambda one: opened.append(one.size) or known(one))
    small = decode(data, within=160)
    factor = reduction(image.size, 160)
    if min(image.size) > 1:  # of a line the decoder makes nothing smaller
        assert max(opened[0]) == -(-max(image.size) // min(factor, 8)), "it was asked for no more"
    assert small.size == tuple(-(-side // factor) for side in image.size)
    assert loaded == [small.size], "nothing large was ever converted"
    assert near(small.getpixel((0, 0)), decode(data).getpixel((0, 0)), 6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
def test_reduced_pictures_of_every_mode_keep_their_colours(mode):
    image = (
        Image.new("L", (300, 200), 255 if mode == "1" else 40).convert(mode)
        if mode != "I;16"
        else Image.new("I;16", (300, 200), 40 << 8)
    )
    data = hostile.saved(image, "PNG")
    assert decode(data, within=100).getpixel((3, 3)) == decode(data).getpixel((9, 9))
