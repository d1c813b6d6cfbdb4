"""What the model sees, checked on pictures drawn here by hand: no weights, no real data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from core.ground.config import Preprocessing
from core.ground.images import decode
from core.ground.ink import has_ink
from core.ground.preprocessing import MARGIN, see, thin

STROKES, CROP, PLAIN = (Preprocessing(mode=mode, size=128) for mode in ("strokes", "crop", "plain"))


def page(width: int = 160, height: int = 160, colour: int = 255) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def cross(canvas: np.ndarray, *, width: int = 3, colour: tuple[int, int, int] = (0, 0, 0), r: int = 40) -> np.ndarray:
    middle = canvas.shape[1] // 2, canvas.shape[0] // 2
    cv2.line(canvas, (middle[0] - r, middle[1]), (middle[0] + r, middle[1]), colour, width)
    cv2.line(canvas, (middle[0], middle[1] - r), (middle[0], middle[1] + r), colour, width)
    return canvas


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels)


def ink(seen: np.ndarray) -> np.ndarray:
    return seen[..., 0] < 128


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    return cv2.boundingRect(mask.astype(np.uint8))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the ink of either picture that lies on, or within 2 px of, the ink of the other."""
    wide = [cv2.dilate(ink(x).astype(np.uint8), np.ones((5, 5))) > 0 for x in (a, b)]
    return min((ink(a) & wide[1]).sum() / ink(a).sum(), (ink(b) & wide[0]).sum() / ink(b).sum())


@pytest.mark.parametrize("mode", ["strokes", "crop", "plain"])
@pytest.mark.parametrize("size", [32, 96, 224])
def test_the_input_is_a_square_of_the_asked_size_in_three_channels(mode: str, size: int) -> None:
    seen = see(picture(cross(page(90, 50), r=15)), Preprocessing(mode=mode, size=size))
    assert seen.shape == (size, size, 3)
    assert seen.dtype == np.uint8


def test_joined_is_the_mark_cut_out_and_the_whole_picture_beside_each_other() -> None:
    shown = picture(cross(page(90, 50), r=15))
    seen = see(shown, Preprocessing("joined", 128))
    assert seen.shape == (128, 256, 3) and seen.dtype == np.uint8
    assert np.array_equal(seen, np.concatenate([see(shown, CROP), see(shown, PLAIN)], axis=1))


@pytest.mark.parametrize("settings", [STROKES, CROP])
def test_a_mark_and_its_inverse_are_seen_the_same(settings: Preprocessing) -> None:
    mark = cross(page())
    assert np.array_equal(see(picture(mark), settings), see(picture(255 - mark), settings))


def test_the_ink_is_dark_on_white_whatever_the_polarity() -> None:
    for mark in (cross(page()), 255 - cross(page())):
        seen = see(picture(mark), CROP)
        assert seen[0, 0].tolist() == [255, 255, 255]
        assert seen[64, 64].tolist() == [0, 0, 0]


def test_crop_finds_the_exact_box_and_keeps_the_proportions() -> None:
    mark = page(200, 100)
    mark[30:50, 120:180] = 0  # 60 wide, 20 high, far from the middle
    x, y, w, h = box(ink(see(picture(mark), CROP)))
    inner = round(128 * (1 - 2 * MARGIN))
    assert w == inner
    assert abs(h - inner / 3) <= 1
    assert abs((x + w / 2) - 64) <= 1 and abs((y + h / 2) - 64) <= 1


@pytest.mark.parametrize("settings", [STROKES, CROP])
@pytest.mark.parametrize("shape", [(30, 60), (60, 30), (48, 48)])
def test_proportions_are_kept(settings: Preprocessing, shape: tuple[int, int]) -> None:
    mark = page()
    cv2.ellipse(mark, (70, 90), shape, 0, 0, 360, (0, 0, 0), 2)
    _, _, w, h = box(ink(see(picture(mark), settings)))
    assert w / h == pytest.approx(shape[0] / shape[1], rel=0.06)


@pytest.mark.parametrize("settings", [STROKES, CROP])
def test_place_and_size_on_the_page_do_not_matter(settings: Preprocessing) -> None:
    centred = see(picture(cross(page(), width=4)), settings)
    corner = page(400, 300)
    corner[10:170, 230:390] = cross(page(), width=4)
    large = cv2.resize(cross(page(), width=4), (480, 480), interpolation=cv2.INTER_NEAREST)
    assert overlap(see(picture(corner), settings), centred) == 1
    assert overlap(see(picture(large), settings), centred) > 0.98


def test_plain_keeps_the_whole_picture_on_its_own_background() -> None:
    mark = page(120, 60, colour=200)
    mark[20:40, 90:110] = (10, 60, 200)
    seen = see(picture(mark), PLAIN)
    assert (seen[:32] == 200).all() and (seen[96:] == 200).all()  # the padding above and below
    assert seen[64, 106].tolist() == [10, 60, 200]  # colour and place are the picture's own
    assert (seen[64, :90] == 200).all()


def test_thin_and_bold_versions_give_nearly_the_same_strokes() -> None:
    thin_mark, bold = (see(picture(cross(page(), width=w)), STROKES) for w in (2, 14))
    assert overlap(thin_mark, bold) > 0.97
    assert ink(bold).sum() == pytest.approx(ink(thin_mark).sum(), rel=0.1)


def test_every_stroke_has_the_same_width_in_strokes() -> None:
    mark = page()
    cv2.line(mark, (20, 40), (140, 40), (0, 0, 0), 2)
    cv2.line(mark, (20, 120), (140, 120), (0, 0, 0), 12)
    column = ink(see(picture(mark), STROKES))[:, 64]
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], column, [0]]))))[::2]
    assert len(runs) == 2
    assert abs(int(runs[0]) - int(runs[1])) <= 1


def test_a_solid_shape_is_seen_as_its_outline_and_a_bold_stroke_is_not() -> None:
    solid, outline, bold = page(), page(), page()
    corners = np.array([[80, 20], [140, 130], [20, 130]])
    cv2.fillPoly(solid, [corners], (0, 0, 0))
    cv2.polylines(outline, [corners], True, (0, 0, 0), 2)
    cv2.line(bold, (20, 80), (140, 80), (0, 0, 0), 20)
    assert overlap(see(picture(solid), STROKES), see(picture(outline), STROKES)) > 0.9
    assert box(ink(see(picture(bold), STROKES)))[3] <= 6  # one line, not the outline of a bar


def test_a_shadow_is_not_ink() -> None:
    y, x = np.mgrid[0:160, 0:160]
    light = 1 - 0.45 / (1 + np.exp(-(x + y - 160) / 12.0))  # from 1 to 0.55 across a soft diagonal edge
    even = cross(page(colour=235), colour=(40, 40, 40))
    shaded = np.rint(even * light[..., None]).astype(np.uint8)
    for settings in (STROKES, CROP):
        assert overlap(see(picture(shaded), settings), see(picture(even), settings)) > 0.95
    empty = np.rint(page(colour=235) * light[..., None]).astype(np.uint8)
    assert not has_ink(picture(empty))


def test_a_pale_solid_shape_on_a_clean_page_is_no_shadow() -> None:
    pale = page()
    cv2.circle(pale, (80, 80), 36, (205, 205, 205), -1)
    assert has_ink(picture(pale))
    assert ink(see(picture(pale), CROP))[64, 64]


def test_a_mark_cut_to_its_edge_in_uneven_light_is_seen_whole() -> None:
    """What touches the edge of an uneven picture is a frame or a table, unless the picture was cut to the mark."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:160, 0:160]
    paper = 170 + 40 * np.exp(-((x - 80) ** 2 + (y - 80) ** 2) / 3000) + rng.normal(0, 2, (160, 160))
    mark = np.zeros((160, 160), np.uint8)
    cv2.rectangle(mark, (2, 60), (157, 100), 1, 5)
    cv2.line(mark, (80, 0), (80, 159), 1, 5)
    cv2.circle(mark, (30, 30), 6, 1, -1)
    photographed = np.clip(np.where(mark, paper - 80, paper), 0, 255).astype(np.uint8)[1:159, 2:158]
    clean = np.where(mark, 0, 255).astype(np.uint8)
    for settings in (STROKES, CROP):
        assert overlap(see(picture(photographed), settings), see(picture(clean), settings)) > 0.9


def test_paper_grain_is_not_ink() -> None:
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 3, (160, 160, 1))
    paper = np.clip(225 + grain + 0 * page(), 0, 255).astype(np.uint8)
    assert not has_ink(picture(paper))
    marked = np.clip(cross(page(colour=225), colour=(70, 70, 70)) + grain, 0, 255).astype(np.uint8)
    assert overlap(see(picture(marked), STROKES), see(picture(cross(page())), STROKES)) > 0.95


def test_a_speck_of_dust_does_not_move_the_box() -> None:
    clean = cross(page())
    dusty = clean.copy()
    dusty[5:7, 150:152] = 0
    for settings in (STROKES, CROP):
        assert np.array_equal(see(picture(dusty), settings), see(picture(clean), settings))


def test_a_dot_that_belongs_to_the_mark_stays() -> None:
    mark = page()
    cv2.line(mark, (80, 60), (80, 130), (0, 0, 0), 6)
    cv2.circle(mark, (80, 30), 4, (0, 0, 0), -1)
    count, _ = cv2.connectedComponents(ink(see(picture(mark), STROKES)).astype(np.uint8))
    assert count == 3  # the background, the stem and the dot


@pytest.mark.parametrize("colour", [(0, 0, 200), (210, 30, 30), (0, 150, 60), (235, 220, 0), (120, 120, 120)])
def test_ink_of_any_colour_is_seen(colour: tuple[int, int, int]) -> None:
    black, coloured = (see(picture(cross(page(), colour=c)), STROKES) for c in ((0, 0, 0), colour))
    assert overlap(black, coloured) > 0.97


@pytest.mark.parametrize("paper", [(255, 255, 255), (240, 225, 190), (150, 150, 150)])
@pytest.mark.parametrize(
    "colours",
    [
        ((210, 65, 65), (40, 150, 70)),
        ((210, 65, 65), (40, 190, 200)),
        ((240, 215, 40), (50, 80, 200)),
        ((235, 140, 50), (130, 190, 240)),
        ((240, 150, 180), (150, 220, 150)),
        ((40, 40, 40), (240, 215, 40)),
    ],
)
def test_all_colours_of_a_mark_are_seen(
    colours: tuple[tuple[int, int, int], tuple[int, int, int]], paper: tuple[int, int, int]
) -> None:
    mark = page()
    mark[:] = paper
    cv2.line(mark, (40, 80), (120, 80), colours[0], 3)
    cv2.line(mark, (80, 40), (80, 120), colours[1], 3)
    for settings in (STROKES, CROP):
        assert overlap(see(picture(mark), settings), see(picture(cross(page())), settings)) > 0.95


def test_one_colour_is_seen_in_the_channel_that_shows_it_best() -> None:
    """The others only add their noise."""
    mark = cross(page(), colour=(0, 0, 200))
    seen = see(picture(mark), CROP)
    for channel in (0, 1):
        assert np.array_equal(seen, see(picture(mark[..., channel].copy()), CROP))


def test_coloured_ink_of_the_same_brightness_as_its_paper_is_seen() -> None:
    paper = page()
    paper[:] = (128, 128, 128)
    assert has_ink(picture(cross(paper, colour=(230, 90, 110))))


def test_a_black_frame_around_the_page_is_not_the_background() -> None:
    framed = np.zeros((200, 200, 3), np.uint8)
    framed[20:180, 20:180] = cross(page())
    assert overlap(see(picture(framed), STROKES), see(picture(cross(page())), STROKES)) > 0.97


def test_a_small_mark_in_a_large_photograph_keeps_its_detail() -> None:
    mark = page(160, 160)
    for r in (12, 24, 36, 48, 60):  # five rings that would run together at the size of the search
        cv2.circle(mark, (80, 80), r, (0, 0, 0), 3)
    large = page(4000, 3000)
    large[2500:2660, 300:460] = mark
    assert overlap(see(picture(large), STROKES), see(picture(mark), STROKES)) > 0.97


DEGENERATE: dict[str, Callable[[], np.ndarray]] = {
    "one pixel": lambda: page(1, 1),
    "one black pixel": lambda: page(1, 1, 0),
    "one column": lambda: page(1, 8000),
    "one row of ink": lambda: np.tile(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8), (1, 4000, 1)),
    "two by two": lambda: np.array([[[0] * 3, [255] * 3], [[255] * 3, [0] * 3]], np.uint8),
    "black": lambda: page(50, 40, 0),
    "noise": lambda: np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8),
    "half and half": lambda: np.concatenate([page(40, 30), page(40, 30, 0)]),
    "checkerboard": lambda: np.kron(np.indices((16, 16)).sum(axis=0) % 2, np.ones((5, 5)))[..., None].repeat(3, 2)
    .astype(np.uint8) * 255,
    "one dark pixel on white": lambda: np.pad(page(1, 1, 0), ((30, 30), (30, 30), (0, 0)), constant_values=255),
    "huge": lambda: cross(page(6000, 8000), width=30, r=2000),
    "all ink but a dot": lambda: 255 - np.pad(page(3, 3), ((9, 9), (9, 9), (0, 0))),
}  # fmt: skip


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("settings", [STROKES, CROP, PLAIN])
def test_any_picture_gives_an_input(name: str, settings: Preprocessing) -> None:
    image = picture(DEGENERATE[name]())
    seen = see(image, settings)
    assert seen.shape == (128, 128, 3)
    if settings != PLAIN:
        assert has_ink(image) == bool((seen < 255).any())


@pytest.mark.parametrize("colour", [0, 17, 128, 255])
def test_a_blank_picture_has_no_ink_and_gives_a_white_square(colour: int) -> None:
    image = picture(page(colour=colour))
    assert not has_ink(image)
    assert (see(image, STROKES) == 255).all()
    assert (see(image, CROP) == 255).all()
    assert (see(image, PLAIN) == colour).all()


@pytest.mark.filterwarnings("error")
def test_dots_too_fine_for_lines_give_a_white_square() -> None:
    pixels = np.full((400, 400), 255, np.uint8)
    pixels[20:380:60, 20:380:60] = 0
    assert (see(Image.fromarray(pixels), Preprocessing(size=96)) == 255).all()


def test_a_faint_pencil_has_ink_and_a_compression_artefact_has_none() -> None:
    assert has_ink(picture(cross(page(), colour=(232, 232, 232))))
    assert not has_ink(picture(cross(page(), colour=(250, 250, 250))))


def test_the_same_picture_gives_the_same_input_and_is_not_changed() -> None:
    pixels = cross(page(), width=5)
    before = pixels.copy()
    image = picture(pixels)
    for settings in (STROKES, CROP, PLAIN):
        assert np.array_equal(see(image, settings), see(image, settings))
    assert np.array_equal(np.asarray(image), before)


def test_a_picture_in_another_mode_is_read_as_rgb() -> None:
    mark = cross(page())
    assert np.array_equal(see(picture(mark).convert("L"), STROKES), see(picture(mark), STROKES))


def test_thinning_leaves_one_connected_line_inside_the_ink() -> None:
    mask = np.zeros((60, 60), np.uint8)
    cv2.circle(mask, (30, 30), 20, 1, 9)
    line = thin(mask)
    assert not (line & ~mask).any()
    count, _ = cv2.connectedComponents(line, connectivity=8)
    inside, _ = cv2.connectedComponents(1 - line, connectivity=4)
    assert (count, inside) == (2, 3)  # one piece; and it still closes: an inside and an outside
    assert line.sum() == pytest.approx(2 * np.pi * 20, rel=0.25)


def test_a_diagonal_stroke_keeps_its_length_when_thinned() -> None:
    mask = np.zeros((60, 60), np.uint8)
    cv2.line(mask, (10, 50), (50, 10), 1, 6)
    assert box(thin(mask))[2] >= 39


def test_thinning_by_hand() -> None:
    bar = np.zeros((5, 9), np.uint8)
    bar[1:4, 1:8] = 1
    assert np.array_equal(np.flatnonzero(thin(bar).any(axis=1)), [2])  # one row, the middle one
    assert thin(bar)[2].sum() >= 5  # of 7: the ends are worn by a pixel
    assert not thin(np.zeros((4, 4), np.uint8)).any()
    dot = np.zeros((3, 3), np.uint8)
    dot[1, 1] = 1
    assert np.array_equal(thin(dot), dot)


@pytest.mark.parametrize(
    ("mode", "digest"), [("strokes", "81cab8c714031b6202b73be1"), ("crop", "624c87c6eda298c1318a55c9")]
)
def test_the_real_drawings_are_seen_as_they_always_were(shared_data: Path, mode: str, digest: str) -> None:
    """What every workspace's vectors were made of: a change here costs everybody's thresholds and trained networks."""
    files = sorted((shared_data / "gravures").rglob("*.png"))
    assert len(files) == 667
    seen = hashlib.sha256()
    for path in files:
        seen.update(see(decode(path, grey=True), Preprocessing(mode=mode, size=96)).tobytes())  # type: ignore[arg-type]
    assert seen.hexdigest().startswith(digest)
