"""The table and what each transform does, on pictures that can be checked by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.variation import effects
from core.variation.effects import background
from core.variation.transforms import GROUPS, TRANSFORMS
from tests.conftest import draw

ROOT = Path(__file__).resolve().parents[3]
GEOMETRY = [name for name, entry in TRANSFORMS.items() if entry.group == "geometry"]


def picture(shape: str = "triangle", *, side: int = 96, paper: int = 255) -> np.ndarray:
    drawn = np.asarray(draw(shape, side=side)).copy()
    drawn[(drawn == 255).all(axis=2)] = paper
    return drawn


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_table_is_whole():
    assert len(TRANSFORMS) >= 18
    assert {entry.group for entry in TRANSFORMS.values()} == set(GROUPS)
    for name, entry in TRANSFORMS.items():
        assert entry.name == name and entry.title and entry.help.endswith(".")
        assert len({p.name for p in entry.parameters}) == len(entry.parameters)
        for p in entry.parameters:
            assert p.minimum <= p.default[0] <= p.default[1] <= p.maximum, (name, p.name)
            assert p.step > 0 and p.title


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_seed_gives_the_same_picture_again(name):
    entry = TRANSFORMS[name]
    values = entry.strength(0.8)
    before = picture()
    first = entry.apply(before, values, rng(5))
    assert first.dtype == np.uint8 and first.shape == before.shape
    assert np.array_equal(first, entry.apply(before, values, rng(5)))
    assert np.array_equal(before, picture()), "the original was changed"
    assert not np.array_equal(first, before) or name in {"flip_horizontal"}


@pytest.mark.parametrize("name", [n for n, e in TRANSFORMS.items() if e.parameters and e.group != "orientation"])
def test_without_strength_nothing_changes(name):
    entry = TRANSFORMS[name]
    neutral = {p.name: p.neutral for p in entry.parameters}
    after = entry.apply(picture(), neutral, rng())
    assert np.abs(after.astype(int) - picture()).max() <= (2 if name == "jpeg" else 1)


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("paper", [255, 200, 0])
def test_corners_are_filled_with_the_background(name, paper):
    before = picture("circle", paper=paper)
    if paper == 0:
        before = 255 - picture("circle")
    entry = TRANSFORMS[name]
    for seed in range(3):
        after = entry.apply(before, {p.name: p.rounded(p.default[1]) for p in entry.parameters}, rng(seed))
        corners = after[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == paper).all(), corners


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_mark_that_fills_its_picture_is_not_cut(name):
    entry = TRANSFORMS[name]
    tight = cv2.copyMakeBorder(picture("square")[4:-4, 4:-4], 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255,) * 3)
    rows, columns = np.nonzero(tight.min(axis=2) < 128)
    tight = np.ascontiguousarray(tight[rows.min() - 2 : rows.max() + 3, columns.min() - 2 : columns.max() + 3])
    before = effects.ink_area(tight)
    assert before and not effects.touches_border(tight)
    for seed in range(6):
        values = {p.name: p.rounded(p.default[seed % 2]) for p in entry.parameters}
        after = entry.apply(tight, values, rng(seed))
        assert after.shape == tight.shape
        assert not effects.touches_border(after), (seed, values)
        assert effects.ink_area(after) > 0.3 * before, (seed, values)


def test_a_mark_that_is_moved_out_altogether_is_fetched_back():
    small = np.full((80, 80, 3), 255, np.uint8)
    small[30:50, 2:14] = 0
    values = {"scale": 1.0, "stretch": 0.0, "shear": 0.0, "shift_x": -25.0, "shift_y": 0.0}
    after = TRANSFORMS["affine"].apply(small, values, rng())
    assert effects.ink_area(after) and not effects.touches_border(after)


def test_what_goes_on_beyond_the_picture_is_turned_as_it_is():
    photograph = rng(2).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    values = {"angle": 10.0}
    plain = TRANSFORMS["rotate"].apply.__closure__[0].cell_contents(photograph, values, rng(1))
    assert np.array_equal(TRANSFORMS["rotate"].apply(photograph, values, rng(1)), plain)


@pytest.mark.parametrize("seed", range(8))
def test_an_engraved_mark_stays_where_it_is_and_can_be_seen(seed):
    before = picture("triangle", side=128)
    after = TRANSFORMS["engraved"].apply(before, {"strength": 100.0}, rng(seed))
    assert after.shape == before.shape and not np.array_equal(after, before)
    ink = before.min(axis=2) < 128
    near = cv2.dilate(ink.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    grey = cv2.GaussianBlur(after.astype(np.float32).mean(axis=2), (0, 0), 0.8)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=3))
    assert edges[near].mean() > 1.15 * edges[~near].mean(), "no more is to be seen at the mark than elsewhere"


def test_a_blank_page_is_not_engraved():
    blank = np.full((40, 60, 3), 250, np.uint8)
    assert np.array_equal(TRANSFORMS["engraved"].apply(blank, {"strength": 100.0}, rng()), blank)


def test_flips_and_turns_are_exact():
    before = picture()
    assert np.array_equal(TRANSFORMS["flip_horizontal"].apply(before, {}, rng()), before[:, ::-1])
    assert np.array_equal(TRANSFORMS["flip_vertical"].apply(before, {}, rng()), before[::-1])
    for turns in (1, 2, 3):
        after = TRANSFORMS["quarter_turn"].apply(before, {"turns": turns}, rng())
        assert np.array_equal(after, np.rot90(before, turns))


def test_rotation_by_90_degrees_is_a_quarter_turn():
    after = TRANSFORMS["rotate"].apply(picture(), {"angle": 90}, rng()).astype(int)
    difference = np.abs(after - np.rot90(picture()).astype(int)).mean()
    assert difference < 3 < np.abs(after - picture().astype(int)).mean()


@pytest.mark.parametrize("inverted", [False, True])
def test_a_bar_grows_and_shrinks_by_the_width_asked_for(inverted):
    bar = np.full((100, 100, 3), 255, np.uint8)
    bar[45:55, 10:90] = 0
    bar = 255 - bar if inverted else bar

    def thickness(after: np.ndarray) -> float:
        ink = after[:, 50, 0].astype(float)
        return float((ink if inverted else 255 - ink).sum() / 255)

    assert thickness(bar) == 10
    assert thickness(TRANSFORMS["thicken"].apply(bar, {"width": 4}, rng())) == pytest.approx(14, abs=0.01)
    assert thickness(TRANSFORMS["thicken"].apply(bar, {"width": 1.5}, rng())) == pytest.approx(11.5, abs=0.01)
    assert thickness(TRANSFORMS["thin"].apply(bar, {"width": 3}, rng())) == pytest.approx(7, abs=0.01)
    assert thickness(TRANSFORMS["thin"].apply(bar, {"width": 8}, rng())) >= 4, "a stroke was taken away"


@pytest.mark.parametrize("wide", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [64, 300])
@pytest.mark.parametrize("inverted", [False, True])
def test_half_of_a_fine_stroke_is_left_all_along_it(wide, side, inverted):
    bar = np.full((side, side, 3), 255, np.uint8)
    bar[30 : 30 + wide, 10:-10] = 0
    slanted = np.full((side, side, 3), 255, np.uint8)
    cv2.line(slanted, (10, 10), (side - 10, side - 25), (0, 0, 0), wide)
    for before in (bar, slanted):
        after = TRANSFORMS["thin"].apply(255 - before if inverted else before, {"width": 1.5}, rng())
        ink, left = (255 - each[:, 12:-12, 0].astype(float) for each in (before, 255 - after if inverted else after))
        assert 0.49 <= left.sum() / ink.sum() < 0.8
        assert (left.sum(axis=0) >= 0.24 * ink.sum(axis=0)).all(), "there is a gap"
    assert effects._stroke_width((bar[..., 0] == 0).astype(np.uint8)) == pytest.approx(wide, abs=0.12)


def test_a_fine_stroke_beside_a_bold_one_is_left():
    before = np.full((200, 200, 3), 255, np.uint8)
    before[40:60, 10:190] = 0
    before[120:122, 10:190] = 0
    after = TRANSFORMS["thin"].apply(before, {"width": 3}, rng())
    assert (after[110:130, 20:180].min(axis=(0, 2)) <= 128).all()


def test_line_breaks_only_take_ink_away():
    before = picture("bar", side=200)
    after = TRANSFORMS["line_breaks"].apply(before, {"count": 3, "length": 6}, rng(1))
    assert (after >= before).all() and (after > before).any()
    row = after[before.min(axis=(1, 2)).argmin(), :, 0] < 128
    assert np.diff(row.astype(int)).clip(0).sum() >= 2, "the bar is still in one piece"
    blank = np.full((50, 50, 3), 255, np.uint8)
    assert np.array_equal(TRANSFORMS["line_breaks"].apply(blank, {"count": 3, "length": 6}, rng()), blank)


def test_a_shadow_darkens_one_side_only():
    blank = np.full((80, 80, 3), 200, np.uint8)
    after = TRANSFORMS["shadow"].apply(blank, {"strength": 50, "softness": 10, "angle": 0}, rng())
    assert (after[:, 0] == 200).all() and (after[:, -1] == 100).all()


def test_noise_keeps_a_grey_picture_grey():
    for name in ("noise", "paper"):
        after = TRANSFORMS[name].apply(picture(paper=200), TRANSFORMS[name].strength(1), rng())
        assert np.array_equal(after[..., 0], after[..., 1]) and np.array_equal(after[..., 0], after[..., 2])


def test_background_is_the_median_of_the_border():
    image = np.zeros((10, 10, 3), np.uint8)
    image[0], image[-1], image[:, 0], image[:, -1] = (10, 20, 30), (10, 20, 30), (10, 20, 30), (10, 20, 30)
    image[0, :4] = 255
    assert background(image) == (10.0, 20.0, 30.0)


# What a copy with its state set gives is what albumentations gives: the short cut takes nothing away.

CONSTRUCTED = {
    "rotate": lambda a, v, fill: a.Rotate(limit=(v["angle"],) * 2, fill=fill, p=1),
    "perspective": lambda a, v, fill: a.Perspective(scale=(v["strength"] / 100,) * 2, fill=fill, p=1),
    "optical_distortion": lambda a, v, fill: a.OpticalDistortion(
        distort_limit=(v["strength"] / 100,) * 2, fill=fill, p=1
    ),
    "noise": lambda a, v, fill: a.GaussNoise(std_range=(v["strength"] / 100,) * 2, per_channel=False, p=1),
    "jpeg": lambda a, v, fill: a.ImageCompression(quality_range=(int(v["quality"]),) * 2, p=1),
    "contrast": lambda a, v, fill: a.RandomBrightnessContrast(
        contrast_limit=(v["contrast"] / 100,) * 2, brightness_limit=(v["brightness"] / 100,) * 2, p=1
    ),
}


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_same_as_albumentations_constructed_with_these_values(name):
    import albumentations

    entry = TRANSFORMS[name]
    values = entry.strength(0.7)
    transform = CONSTRUCTED[name](albumentations, values, background(picture(paper=220)))
    transform.set_random_seed(int(rng(3).integers(1 << 32)))
    expected = transform(image=picture(paper=220))["image"]
    assert np.array_equal(entry.apply(picture(paper=220), values, rng(3)), expected)


def test_no_torch_is_loaded_and_no_question_asked():
    script = (
        "import sys, socket, numpy as np\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from core.variation.transforms import TRANSFORMS as T\n"
        "assert 'albumentations' not in sys.modules\n"
        "T['rotate'].apply(np.zeros((9, 9, 3), np.uint8), {'angle': 5}, np.random.default_rng(0))\n"
        "print('torch' in sys.modules, 'albumentations' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False True"
