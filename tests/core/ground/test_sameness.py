"""`core.ground.sameness`: every way of saving a drawing again is found, and no other drawing is taken for it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from core.ground.images import decode
from core.ground.sameness import BYTES, Index, Look, look, pairs, same
from tests import hostile
from tests.conftest import draw

WHITE = (255, 255, 255)


def framed(image: Image.Image, share: float) -> Image.Image:
    return ImageOps.expand(image, round(share * max(image.size)), fill=WHITE)


def moved(image: Image.Image, share: float) -> Image.Image:
    by = round(share * image.width)
    return image.transform(image.size, Image.Transform.AFFINE, (1, 0, -by, 0, 1, by), fillcolor=WHITE)


def turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=WHITE)


def jpeg(image: Image.Image) -> Image.Image:
    return decode(hostile.saved(image, "JPEG", quality=60))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a border of 12 %": lambda image: framed(image, 0.12),
    "a border of 10 %": lambda image: framed(image, 0.10),
    "moved by 3 %": lambda image: moved(image, 0.03),
    "inverted": ImageOps.invert,
    "turned by 5 degrees": lambda image: turned(image, 5),
    "turned back by 5 degrees": lambda image: turned(image, -5),
    "turned, framed and inverted": lambda image: ImageOps.invert(framed(turned(image, 5), 0.12)),
    "framed and compressed": lambda image: jpeg(framed(image, 0.12)),
    "compressed": jpeg,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "twice the size": lambda image: image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC),
    "lighter": lambda image: image.point(lambda tone: int(255 - 0.6 * (255 - tone))),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 150)),
}


def mark(seed: int, *, side: int = 160) -> Image.Image:
    """A mark as a hand draws it: a few bent strokes, the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(3):
        start, bend, end = rng.uniform(0.2, 0.8, (3, 2)) * side
        steps = np.linspace(0, 1, 24)[:, None]
        path = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * bend + steps**2 * end
        pen.line([tuple(point) for point in path], fill="black", width=max(2, side // 40), joint="curve")
    return image


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found_however_it_was_saved(how: str) -> None:
    for seed in range(4):
        assert same(look(mark(seed)), look(COPIES[how](mark(seed)))), seed


def test_other_drawings_are_no_copies() -> None:
    assert list(pairs([look(mark(seed)) for seed in range(40)])) == []


def test_two_straight_lines_are_one_only_where_they_lie_alike() -> None:
    def line(top: int, bottom: int, x: int = 60) -> Look:
        image = Image.new("RGB", (120, 120), "white")
        ImageDraw.Draw(image).line([(x, top), (x, bottom)], fill="black", width=4)
        return look(image)

    assert line(20, 90).line and not look(mark(1)).line
    assert same(line(20, 90), line(20, 90))
    assert not same(line(20, 90), line(32, 102)) and not same(line(20, 90), line(20, 90, x=80))


def test_small_marks_on_large_pages_are_no_copies_of_one_another() -> None:
    pages = []
    for seed in range(12):
        page = Image.new("RGB", (800, 800), "white")
        page.paste(mark(seed).resize((60, 60), Image.Resampling.LANCZOS), (370, 370))
        pages.append(page)
    assert list(pairs([look(page) for page in pages])) == []
    assert same(look(pages[0]), look(moved(pages[0], 0.03)))


def test_a_mirror_image_or_a_quarter_turn_is_another_mark() -> None:
    one = mark(3)
    for symmetry in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180):
        assert not same(look(one), look(one.transpose(symmetry)))


def test_a_photograph_is_found_compressed_framed_and_smaller() -> None:
    rng = np.random.default_rng(5)
    grain = np.clip(120 + 60 * rng.standard_normal((12, 12, 3)).cumsum(axis=1) / 3, 0, 255).astype(np.uint8)
    photo = Image.fromarray(grain).resize((240, 240), Image.Resampling.BICUBIC)
    noise = Image.fromarray(rng.integers(0, 60, (240, 240, 3), dtype=np.uint8))
    photo = Image.blend(photo, noise, 0.3)
    assert look(photo).photo
    for other in (jpeg(photo), framed(photo, 0.12), photo.resize((120, 120)), framed(jpeg(photo), 0.05)):
        assert same(look(photo), look(other))
    assert not same(look(photo), look(photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))


def test_pictures_without_ink_are_like_nothing() -> None:
    white = look(Image.new("RGB", (80, 80), "white"))
    assert white.blank and not same(white, white) and list(pairs([white, white, Look.nothing()])) == []


def test_a_look_survives_its_bytes() -> None:
    one = look(mark(2))
    data = one.to_bytes()
    again = Look.from_bytes(data)
    assert len(data) == BYTES and again.to_bytes() == data and same(one, again) and again.photo == one.photo
    with pytest.raises(ValueError, match="not a look"):
        Look.from_bytes(data[:-1])


def test_an_index_grows_and_gives_the_number_of_the_copy() -> None:
    index = Index()
    for seed in range(70):
        index.add(1000 + seed, look(mark(seed)))
    assert len(index) == 70
    assert index.find(look(framed(mark(66), 0.12))) == 1066 and index.find(look(mark(99))) is None


def test_searching_can_be_stopped() -> None:
    assert list(pairs([look(mark(1)), look(mark(1))], should_stop=lambda: True)) == []


def test_the_shared_small_marks_are_no_copies(shared_data) -> None:
    with zipfile.ZipFile(shared_data / "cases" / "small_marks.zip") as archive:
        looks = [look(decode(archive.read(name))) for name in archive.namelist() if name.endswith(".png")]
    assert len(looks) == 16 and list(pairs(looks)) == []


def test_real_drawings_are_no_copies_of_one_another_and_their_copies_are_found(shared_data) -> None:
    """643 drawings hold one that was saved twice; of 40 of them, copies of the five kinds that hid are found."""
    paths = sorted((shared_data / "gravures" / "raw_gravures").rglob("*.png"))
    pictures = [decode(path) for path in paths]
    looks = [look(picture) for picture in pictures]
    twice = [(paths[one], paths[other]) for one, other in pairs(looks)]
    assert [one.parent.name for one, _other in twice] == ["figma"]
    assert len({decode(path).tobytes() for path in twice[0]}) == 1
    missed = 0
    for at in np.random.default_rng(0).permutation(len(paths))[:40]:
        for how in list(COPIES)[:5]:
            missed += not same(looks[at], look(COPIES[how](pictures[at])))
    assert missed <= 2


def test_characters_of_omniglot_are_no_copies_of_one_another(shared_data) -> None:
    with zipfile.ZipFile(shared_data / "omniglot" / "images_background_small1.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png") and "__MACOSX" not in name]
        looks = [look(decode(io.BytesIO(archive.read(name)).getvalue())) for name in names]
    assert len(looks) == 2720 and list(pairs(looks)) == []


def test_the_shape_of_a_test_drawing_moved_and_grown_is_another_drawing() -> None:
    """Two circles of different size are two drawings of one simple mark."""
    looks = [look(draw("circle", seed=seed)) for seed in range(6)]
    assert len(list(pairs(looks))) <= 1
