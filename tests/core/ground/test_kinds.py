"""What a picture is guessed to be: a drawing, a photograph, or an icon."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from core.ground.images import decode
from core.ground.kinds import guess_kind
from tests import hostile
from tests.conftest import draw


def test_a_photograph_is_told_by_its_ground():
    drawing = draw("circle", side=200)
    shade = np.linspace(170, 235, 200)[None, :, None] + np.random.default_rng(1).normal(0, 5, (200, 200, 3))
    photo = Image.fromarray((np.asarray(drawing) / 255 * shade).clip(0, 255).astype(np.uint8))
    assert guess_kind(drawing) == "drawing"
    assert guess_kind(photo) == "photo"
    assert guess_kind(decode(hostile.saved(drawing, "JPEG", quality=80))) == "drawing"
    assert guess_kind(Image.new("RGB", (1, 1))) == "drawing"
    assert guess_kind(photo.resize((3000, 3000))) == "photo"


def test_an_even_ground_with_a_sensors_grain_is_a_photograph():
    grain = np.random.default_rng(2).normal(180, 2, (200, 200)).round().astype(np.uint8)
    assert guess_kind(Image.fromarray(grain).convert("RGB")) == "photo"
    assert guess_kind(Image.new("RGB", (200, 200), (180, 180, 180))) == "drawing"


def test_an_icon_has_broad_soft_strokes():
    def ring(width: int, *, soft: bool = True) -> Image.Image:
        large = Image.new("L", (800, 400), "white")
        ImageDraw.Draw(large).ellipse((300, 100, 500, 300), outline="black", width=4 * width)
        small = large.resize((200, 100), Image.Resampling.BOX)
        return (small if soft else small.point(lambda tone: 255 * (tone > 127))).convert("RGB")

    assert guess_kind(ring(4)) == "icon"
    assert guess_kind(ring(1)) == "drawing"
    assert guess_kind(ring(4, soft=False)) == "drawing"  # two tones: a scan of a stroke, not a program's
    assert guess_kind(decode(hostile.saved(ring(4), "JPEG", quality=90))) == "icon"
    assert guess_kind(ring(4).filter(ImageFilter.GaussianBlur(0.6))) == "icon"


def test_the_real_drawings_icons_and_photographs_are_told_apart(shared_data):
    def kinds(*folder: str) -> list[str]:
        return [guess_kind(decode(path)) for path in sorted(shared_data.joinpath(*folder).rglob("*.png"))]

    drawings, icons = kinds("gravures", "raw_gravures"), kinds("gravures", "official")
    assert drawings.count("drawing") >= len(drawings) - 4 and len(drawings) > 600
    assert icons.count("icon") == len(icons) == 24
    photographs = kinds("photos", "carved")[::9]
    assert photographs.count("photo") >= 0.95 * len(photographs)
