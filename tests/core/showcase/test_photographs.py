"""The photographs to try: the same for the same seed, of the sample's marks, and files that open."""

from __future__ import annotations

from core.ground.images import decode
from core.showcase.photographs import SIDE, photographs
from core.synthesis.sample import CLASSES


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first = list(photographs())
    assert first == list(photographs())
    assert not {one.data for one in first} & {one.data for one in photographs(seed=8)}


def test_they_show_marks_of_the_sample_one_foreign_and_none():
    names = {c.name for c in CLASSES}
    shown = {one.file: one.shows for one in photographs()}
    assert sorted(map(len, shown.values())) == [0, 1, 1, 1, 2]
    assert [shows for shows in shown.values() if "" in shows] == [("",)]
    assert all(name in names for shows in shown.values() for name in shows if name)


def test_they_open_and_are_small():
    for one in photographs():
        assert decode(one.data).size == (SIDE, SIDE) and len(one.data) < 100_000
