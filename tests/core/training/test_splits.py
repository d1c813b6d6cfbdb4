"""`core.training.splits`: stratified, grouped, the same for a seed; every fold tests other originals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.ground.errors import BadInput
from core.ground.images import content_hash
from core.training.audit import audit
from core.training.splits import SIDES, Split, extend_split, make_split, near_duplicate_groups
from core.variation.sources import Original
from tests.conftest import draw, png_bytes


def made(counts: dict[str, int]) -> list[Original]:
    return [
        Original(folder, folder, Path(f"{folder}/{i}.png"), content_hash(f"{folder}/{i}".encode()))
        for folder, count in counts.items()
        for i in range(count)
    ]


def sides(split: Split, originals: list[Original], folder: str) -> Counter:
    return Counter(split.side[o.sha256] for o in originals if o.folder == folder)


def test_every_class_is_dealt_by_the_same_shares():
    originals = made({"twenty": 20, "ten": 10, "three": 3, "two": 2, "one": 1})
    split = make_split(originals, seed=1, validation=0.2, test=0.1)
    assert sides(split, originals, "twenty") == {"train": 14, "validation": 4, "test": 2}
    assert sides(split, originals, "ten") == {"train": 7, "validation": 2, "test": 1}
    assert sides(split, originals, "three") == {"train": 1, "validation": 1, "test": 1}
    assert sides(split, originals, "two") == {"train": 1, "test": 1}
    assert sides(split, originals, "one") == {"train": 1}
    assert split.single == ("one",)
    assert split.counts() == {"train": 24, "validation": 7, "test": 5}


def test_the_seed_decides_and_nothing_else_does():
    originals = made({"a": 12, "b": 9})
    split = make_split(originals, seed=4, validation=0.2, test=0.2)
    assert make_split(originals[::-1], seed=4, validation=0.2, test=0.2).side == split.side
    assert make_split(originals, seed=5, validation=0.2, test=0.2).side != split.side
    more = make_split(originals + made({"c": 5}), seed=4, validation=0.2, test=0.2)
    assert {sha256: more.side[sha256] for sha256 in split.side} == split.side  # another class moves nothing


def test_a_group_stays_on_one_side():
    originals = made({"a": 12, "b": 12})
    groups = {original.sha256: number // 3 for number, original in enumerate(originals)}
    split = make_split(originals, groups=groups, seed=0, validation=0.25, test=0.25)
    for group in range(8):
        assert len({split.side[o.sha256] for o in originals if groups[o.sha256] == group}) == 1
    assert sides(split, originals, "a") == {"train": 6, "validation": 3, "test": 3}


def test_a_group_across_two_classes_leaves_each_something_to_train_on():
    originals = made({"a": 2, "b": 3})
    groups = {original.sha256: number for number, original in enumerate(originals)}
    groups[originals[2].sha256] = groups[originals[0].sha256]
    for seed in range(8):
        split = make_split(originals, groups=groups, seed=seed, validation=0.3, test=0.3)
        assert split.side[originals[2].sha256] == split.side[originals[0].sha256]
        assert sides(split, originals, "a")["train"] and sides(split, originals, "b")["train"]


def test_every_original_is_tested_in_exactly_one_fold():
    originals = made({"a": 7, "b": 4, "one": 1})
    tested: Counter = Counter()
    for fold in range(3):
        split = make_split(originals, seed=2, validation=0.2, test=0.0, folds=3, fold=fold)
        tested.update(o.sha256 for o in split.of(originals, "test"))
        assert sides(split, originals, "a")["train"] and sides(split, originals, "a")["validation"]
    assert tested == Counter(o.sha256 for o in originals if o.folder != "one")


def alone(originals: list[Original]) -> dict[str, int]:
    """Each content a group of its own."""
    return {original.sha256: number for number, original in enumerate(originals)}


def test_an_extended_split_moves_nothing_that_it_knows():
    originals = made({"a": 10, "b": 10})
    split = make_split(originals, seed=1, validation=0.2, test=0.2)
    measured = split.of(originals, "test")[0]
    corrected = [replace(o, folder="b") if o is measured else o for o in originals if o is not originals[3]]
    more = [*corrected, *made({"a": 14})[10:], *made({"c": 5})]
    extended = extend_split(split, more, groups=alone(more), validation=0.2, test=0.2)
    assert {o.sha256: split.side[o.sha256] for o in corrected}.items() <= extended.side.items()
    assert set(extended.side) == {o.sha256 for o in more} and extended.seed == split.seed


def test_what_is_new_goes_where_its_class_has_too_little():
    originals = made({"twenty": 20})
    split = make_split(originals[:10], seed=1, validation=0.2, test=0.1)
    assert sides(split, originals[:10], "twenty") == {"train": 7, "validation": 2, "test": 1}
    extended = extend_split(split, originals, groups=alone(originals), validation=0.2, test=0.1)
    assert sides(extended, originals, "twenty") == {"train": 14, "validation": 4, "test": 2}
    unknown = Split(1, {}, {})
    fresh = make_split(originals, seed=1, validation=0.2, test=0.1)
    assert extend_split(unknown, originals, groups=alone(originals), validation=0.2, test=0.1).side == fresh.side


def test_near_duplicates_of_what_is_known_go_where_it_is():
    originals = made({"a": 12})
    split = make_split(originals[:10], seed=1, validation=0.2, test=0.2)
    measured, learnt = split.of(originals, "test")[0], split.of(originals, "train")[0]
    groups = {**alone(originals), originals[10].sha256: 100, measured.sha256: 100}
    extended = extend_split(split, originals, groups=groups, validation=0.2, test=0.2)
    assert extended.side[originals[10].sha256] == extended.side[measured.sha256] == "test"
    groups[learnt.sha256] = 100  # what came in shows that all three are one picture: it was learnt from
    extended = extend_split(split, originals, groups=groups, validation=0.2, test=0.2)
    assert {extended.side[o.sha256] for o in (originals[10], measured, learnt)} == {"train"}


def test_a_class_that_lost_what_was_trained_on_is_given_some():
    originals = made({"a": 3})
    split = make_split(originals, seed=1, validation=0.3, test=0.3)
    left = [o for o in originals if split.side[o.sha256] != "train"]
    assert sides(extend_split(split, left, groups=alone(left), validation=0.3, test=0.3), left, "a")["train"] == 1


def test_a_split_comes_back_from_json():
    split = make_split(made({"a": 5}), seed=3, validation=0.2, test=0.2)
    assert Split.from_json(split.to_json()) == split
    for wrong in (None, {}, {**split.to_json(), "side": {"x": "elsewhere"}}):
        with pytest.raises(BadInput):
            Split.from_json(wrong)
    assert set(SIDES) == {"train", "validation", "test"}


def test_the_same_picture_saved_again_is_one_group(tmp_path):
    def kept(name: str, image: Image.Image) -> Original:
        path = tmp_path / name
        path.write_bytes(png_bytes(image))
        return Original("c", "c", path, content_hash(path.read_bytes()))

    circle = draw("circle", seed=1)
    same = [
        kept("a.png", circle),
        kept("b.png", circle.resize((90, 90))),
        kept("c.png", circle.point(lambda v: v * 0.9)),
    ]
    others = [kept("d.png", draw("circle", seed=2)), kept("e.png", draw("cross", seed=1))]
    broken = Original("c", "c", tmp_path / "none.png", "f" * 64)
    groups = near_duplicate_groups([*same, *others, broken])
    assert len({groups[o.sha256] for o in same}) == 1
    assert len({groups[o.sha256] for o in [same[0], *others, broken]}) == 4


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_split_can_hold_whole_classes_out(originals, share):
    groups = near_duplicate_groups(originals)
    split = make_split(originals, groups=groups, seed=1, validation=0.2, test=0.2, held_out=share)
    sides: dict[str, set[str]] = {}
    for original in originals:
        sides.setdefault(original.folder, set()).add(split.side[original.sha256])
    gone = [folder for folder, own in sides.items() if own == {"test"}]
    assert len(gone) == (1 if share == 0.2 else 2)
    assert all("train" in own for folder, own in sides.items() if folder not in gone)
    assert audit(split, originals, groups=groups).clean
    assert make_split(originals, groups=groups, seed=1, validation=0.2, test=0.2, held_out=share) == split
