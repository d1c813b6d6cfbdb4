"""The finder: what it is given, where it sees marks in made photographs, and that clean drawings are left alone."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from PIL import Image

from core.ground.config import MODES, Preprocessing
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.sight.groups import overlap
from core.sight.inputs import channels, evened
from core.sight.marks import FOUND, cut_region, find_marks, is_clean, read_region, sight
from core.sight.network import CELL, look
from core.sight.reading import EXTENT, SIDE, Reading, read, read_finely, window

STROKES = Preprocessing("strokes", 128)


def lens(
    *marks: tuple[int, int, int], size: tuple[int, int] = (640, 480), seed: int = 0, depth: int = 70, ruled: int = 0
) -> Image.Image:
    """A photograph of uneven light with grain, and crosses in rings at (x, y) of a radius, cut into it as deep as
    ``depth`` grey levels; ``ruled``: how many pixels apart dark lines lie behind it, 0 without any."""
    rng = np.random.default_rng(seed)
    wide, high = size
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    page = 120 + 50 * x / wide - 30 * y / high
    ink = np.zeros((high, wide), np.uint8)
    for cx, cy, r in marks:
        width = max(2, r // 9)
        cv2.circle(ink, (cx, cy), r, 255, width, cv2.LINE_AA)
        cv2.line(ink, (cx - r // 2, cy), (cx + r // 2, cy), 255, width, cv2.LINE_AA)
        cv2.line(ink, (cx, cy - r // 2), (cx, cy + r // 2), 255, width, cv2.LINE_AA)
    page = page - depth * (ink / 255)
    if ruled:
        page[(y % ruled < 2)] *= 0.75
    page = page + rng.normal(0, 2, (high, wide))
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8)).convert("RGB")


def box_of(x: int, y: int, r: int) -> tuple[float, float, float, float]:
    return x - r, y - r, 2 * r, 2 * r


def test_light_and_colour_are_told_from_what_is_around() -> None:
    page = np.full((60, 80, 3), 140, np.uint8)
    assert np.abs(channels(page)).max() < 1e-3  # nothing differs
    page[28:32, 30:50] = (170, 130, 122)  # another colour of about the same light
    light, _, colour = channels(page)
    assert np.abs(colour[30, 40]) > 1
    assert np.abs(colour).max() > np.abs(light).max()


def test_greys_have_no_colour_and_give_the_same_as_in_three_channels() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (50, 70), dtype=np.uint8)
    flat, deep = channels(grey), channels(np.repeat(grey[..., None], 3, axis=2))
    assert not flat[2].any()
    np.testing.assert_allclose(flat[:2], deep[:2], atol=0.05)


@pytest.mark.parametrize("size", [(33, 50), (64, 96), (97, 31)])
def test_the_network_answers_for_every_pixel_of_any_size(size: tuple[int, int]) -> None:
    seen = look([np.zeros((*size, 3), np.uint8)] * 2)
    assert [s.strokes.shape for s in seen] == [size] * 2
    assert seen[0].middles.shape == (-(-size[0] // CELL), -(-size[1] // CELL))
    assert seen[0].sides.shape[0] == 4


def test_a_window_holds_its_box_in_the_middle() -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[40:60, 100:140] = 255
    shown = window(pixels, (100, 40, 40, 20), side=128, extent=64)
    assert shown.pixels.shape == (128, 128, 3)
    assert shown.inside((100, 40, 40, 20)) == pytest.approx((32, 48, 64, 32))
    inside = shown.pixels[..., 0] > 127
    x, y, w, h = cv2.boundingRect(inside.astype(np.uint8))
    assert np.abs(np.array([x, y, w, h]) - (32, 48, 64, 32)).max() <= 2


def test_ink_beside_the_box_is_not_the_mark_s_and_what_lies_nowhere_is_read_as_nothing() -> None:
    pixels = np.asarray(lens((170, 240, 70), (330, 240, 70)))
    one, other = read(pixels, [box_of(170, 240, 70), box_of(330, 240, 70)])
    shown = [window(pixels, box_of(x, 240, 70), side=SIDE, extent=EXTENT) for x in (170, 330)]
    for reading, at, neighbour in ((one, shown[0], (330, 240, 70)), (other, shown[1], (170, 240, 70))):
        x, _, w, _ = (round(v) for v in at.inside(box_of(*neighbour)))
        beside = reading.ink[:, max(0, x) : max(0, x + w)]
        assert (reading.ink < 128).sum() > 300
        assert (beside < 128).sum() < 0.1 * (reading.ink < 128).sum()
    assert read(pixels, []) == []


def test_a_clean_drawing_is_one_mark_and_is_seen_as_ever() -> None:
    page = np.full((120, 160, 3), 255, np.uint8)
    cv2.circle(page, (80, 60), 30, (0, 0, 0), 4)
    image = Image.fromarray(page)
    assert is_clean(image)
    (mark,) = find_marks(image)
    assert mark.region.box == [0, 0, 160, 120]
    assert mark.sure == 1
    for mode in MODES:
        settings = Preprocessing(mode, 96)
        assert np.array_equal(sight(image, settings), see(image, settings))


def test_there_is_no_mark_on_an_empty_page() -> None:
    assert find_marks(Image.new("RGB", (90, 70), "white")) == []
    assert find_marks(lens()) == [] or find_marks(lens())[0].sure < FOUND
    assert find_marks(lens((200, 200, 60)), most=0) == []


@pytest.mark.parametrize(("x", "y", "r"), [(320, 240, 150), (160, 130, 60), (500, 360, 40)])
def test_a_mark_is_found_where_it_is(x: int, y: int, r: int) -> None:
    mark = find_marks(lens((x, y, r)))[0]
    assert mark.sure >= FOUND
    assert overlap(tuple(mark.region.box), box_of(x, y, r)) > 0.7


@pytest.mark.parametrize("seed", range(3))
def test_a_faint_mark_on_a_ground_of_strong_lines_is_found_and_the_lines_alone_are_none(seed: int) -> None:
    x, y, r = [(320, 240, 150), (160, 130, 60), (500, 360, 40)][seed]
    mark = find_marks(lens((x, y, r), seed=seed, depth=6, ruled=40))[0]
    assert mark.sure >= FOUND
    assert overlap(tuple(mark.region.box), box_of(x, y, r)) > 0.7
    assert not any(other.sure >= FOUND for other in find_marks(lens(seed=seed, ruled=40)))


@pytest.mark.parametrize("shape", [(300, 512), (300, 512, 3)])
def test_faint_contrast_is_nearer_to_the_strong_one_once_it_is_evened(shape: tuple[int, ...]) -> None:
    page = np.random.default_rng(0).normal(0, 1, shape)
    page[:, 256:] *= 20  # strong on the right
    picture = np.clip(128 + 2 * page, 0, 255).astype(np.uint8)
    even = evened(picture)
    assert (even.shape, even.dtype) == (picture.shape, np.uint8)
    before, after = (float(p[:, 320:].std() / p[:, :192].std()) for p in (picture.astype(float), even.astype(float)))
    assert after < 0.7 * before
    assert even[:, :192].std() > 2 * picture[:, :192].std()
    assert evened(picture[:40, :50]).shape == picture[:40, :50].shape  # smaller than a tile


def test_a_small_mark_in_a_large_photograph_is_found() -> None:
    mark = find_marks(lens((2600, 1200, 170), size=(4000, 3000)))[0]
    assert mark.sure >= FOUND
    assert overlap(tuple(mark.region.box), box_of(2600, 1200, 170)) > 0.7


def test_two_marks_are_two() -> None:
    boxes = [tuple(m.region.box) for m in find_marks(lens((170, 240, 70), (460, 240, 70))) if m.sure >= FOUND]
    for expected in (box_of(170, 240, 70), box_of(460, 240, 70)):
        assert max(overlap(box, expected) for box in boxes) > 0.7


def test_a_mark_is_seen_as_if_it_had_been_drawn() -> None:
    page = np.full((300, 300, 3), 255, np.uint8)
    drawn = np.asarray(lens((150, 150, 90), size=(300, 300)))
    cv2.circle(page, (150, 150), 90, (0, 0, 0), 10)
    cv2.line(page, (105, 150), (195, 150), (0, 0, 0), 10)
    cv2.line(page, (150, 105), (150, 195), (0, 0, 0), 10)
    one, other = (sight(Image.fromarray(p), STROKES)[..., 0] for p in (page, drawn))
    near = cv2.distanceTransform((one > 127).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    assert (near[other < 127] < 6).mean() > 0.95
    assert (other < 127).sum() == pytest.approx((one < 127).sum(), rel=0.25)


def test_a_region_is_read_whatever_else_is_surer() -> None:
    image = lens((170, 240, 70), (460, 240, 70))
    mark = read_region(image, Region(380, 160, 160, 160))
    assert mark.sure == 1
    assert is_clean(mark.picture)  # ink on white
    seen = sight(image, STROKES, region=Region(380, 160, 160, 160))
    alone = sight(lens((460, 240, 70)), STROKES)
    assert np.abs(seen.astype(int) - alone).mean() < 12


def test_a_region_is_turned_and_its_file_cut_as_it_is() -> None:
    image = lens((200, 200, 60))
    assert cut_region(image, Region(100, 120, 50, 30)).size == (50, 30)
    assert np.array_equal(cut_region(image, Region(100, 120, 50, 30)), np.asarray(image)[120:150, 100:150])
    assert cut_region(image, Region(100, 120, 50, 30, turn=90)).size == (30, 50)
    assert cut_region(image, Region(0, 0, 50, 30), margin=0.4).size == (90, 70)
    assert read_region(image, Region(130, 130, 140, 140, turn=45)).picture.size[0] > 10


def test_nothing_but_the_tone_that_was_named_is_read() -> None:
    image = np.asarray(lens((200, 240, 70))).copy()
    cv2.line(image, (140, 170), (260, 310), (255, 255, 255), 6)  # bright, across the dark mark
    picture = read_region(Image.fromarray(image), Region(120, 160, 160, 160, tone="dark")).picture
    ink = 255 - np.asarray(picture)
    assert ink.any()
    bright = read_region(Image.fromarray(image), Region(120, 160, 160, 160, tone="bright")).picture
    assert not np.array_equal(np.asarray(bright), np.asarray(picture))


def test_every_shared_drawing_is_seen_as_before_there_was_a_finder(shared_data) -> None:
    paths = sorted((shared_data / "gravures").rglob("*.png"))
    whole, sighted = hashlib.sha256(), hashlib.sha256()
    from core.ground.images import decode

    for path in paths:
        image = decode(path, grey=True)
        whole.update(see(image, STROKES).tobytes())
        sighted.update(sight(image, STROKES).tobytes())
    assert len(paths) > 600
    assert whole.hexdigest() == sighted.hexdigest()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (17, 9)])
def test_any_picture_can_be_searched(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    for mark in find_marks(Image.fromarray(noise)):
        assert 0 <= mark.sure <= 1
        assert mark.region.x + mark.region.width <= size[1]
    assert sight(Image.fromarray(noise), STROKES).shape == (128, 128, 3)


def test_a_box_beside_the_picture_is_looked_at_too() -> None:
    pixels = np.full((50, 60, 3), 90, np.uint8)
    for box in ((-40.0, -40.0, 20.0, 20.0), (80.0, 70.0, 30.0, 10.0), (10.0, 10.0, 400.0, 300.0)):
        assert window(pixels, box, side=96, extent=42).pixels.shape == (96, 96, 3)


def test_an_even_photograph_is_no_clean_page() -> None:
    noise = np.random.default_rng(0).normal(150, 1.2, (200, 300, 1)).repeat(3, axis=2)
    assert not is_clean(Image.fromarray(np.rint(noise).astype(np.uint8)))


def test_a_ring_that_is_found_is_read_though_it_is_a_rim_when_it_is_large() -> None:
    rng = np.random.default_rng(3)
    page = 165 + np.linspace(-25, 25, 1200)[None] + rng.normal(0, 3, (900, 1200))
    ring = np.zeros((900, 1200), np.uint8)
    cv2.circle(ring, (315, 403), 80, 255, 9, cv2.LINE_AA)
    pixels = np.clip(page - 80 * (ring / 255), 0, 255).astype(np.uint8)
    (reading,) = read(pixels, [(230.0, 318.0, 170.0, 170.0)])
    assert (reading.ink < 128).sum() > 300


def behind_glass() -> tuple[np.ndarray, np.ndarray]:
    """A photograph of wood behind glass, its pattern stronger than the thin cross cut into the glass; and the cross."""
    y, x = np.mgrid[0:640, 0:640].astype(np.float32)
    page = 120 + 14 * np.sin(x / 38 + 2 * np.sin(y / 90)) + 9 * np.sin(y / 31)
    ink = np.zeros((640, 640), np.uint8)
    for line in ([[170, 200], [470, 440]], [[470, 190], [180, 450]], [[170, 200], [470, 190]]):
        cv2.line(ink, line[0], line[1], 255, 14, cv2.LINE_AA)
    soft = cv2.GaussianBlur(ink.astype(np.float32) / 255, (0, 0), 3)
    page += 8 * (soft - np.roll(soft, (4, 5), (0, 1))) + 2.5 * soft
    page += np.random.default_rng(0).normal(0, 2, page.shape)
    return np.repeat(np.clip(page, 0, 255).astype(np.uint8)[..., None], 3, axis=2), ink


def test_a_mark_of_many_pixels_is_read_finely_too() -> None:
    pixels, ink = behind_glass()
    box = (160.0, 180.0, 320.0, 280.0)
    first = read(pixels, [box])
    (finely,) = read_finely(pixels, [box], first)
    cross = window(ink, box, side=SIDE, extent=EXTENT).pixels > 128
    assert finely.sure == first[0].sure
    assert _told(finely.ink, cross) > _told(first[0].ink, cross) + 0.05


def _told(ink: np.ndarray, true: np.ndarray) -> float:
    """How much darker the true strokes are than all else, 0 to 1."""
    return float(ink[~true].mean() - ink[true].mean()) / 255


def test_what_has_few_pixels_is_not_read_finely() -> None:
    pixels = np.asarray(lens((170, 240, 50), size=(512, 480)))
    box = box_of(170, 240, 55)
    first = read(pixels, [box])
    assert read_finely(pixels, [box], first) == first


def test_strokes_beside_the_box_are_not_read_finely() -> None:
    pixels = np.asarray(lens((200, 240, 80), (400, 240, 80)))
    box = box_of(200, 240, 85)
    (finely,) = read_finely(pixels, [box], [Reading(np.full((SIDE, SIDE), 255, np.uint8), 0.5)])
    right = window(pixels, box, side=SIDE, extent=EXTENT).inside(box)
    beyond = round(right[0] + right[2] + 0.05 * max(right[2:]) + 3)
    assert finely.ink[:, :beyond].min() < 160
    assert finely.ink[:, beyond:].min() > 250
