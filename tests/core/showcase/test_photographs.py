"""The photographs to try: the same for the same seed, of the sample's marks, and files that open."""

from __future__ import annotations

import pytest

from core.ground.images import decode
from core.showcase.photographs import SIDE, Photograph, photographs
from core.synthesis.sample import CLASSES


@pytest.fixture(scope="module")
def made() -> list[Photograph]:
    return list(photographs())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made):
    assert made == list(photographs())
    assert not {one.data for one in made} & {one.data for one in photographs(seed=8)}


def test_they_show_marks_of_the_sample_one_foreign_and_none(made):
    names = {c.name for c in CLASSES}
    shown = {one.file: one.shows for one in made}
    assert sorted(map(len, shown.values())) == [0, 1, 1, 1, 2]
    assert [shows for shows in shown.values() if "" in shows] == [("",)]
    assert all(name in names for shows in shown.values() for name in shows if name)


def test_the_one_with_two_marks_is_of_a_lens_that_carries_both(made):
    (shows,) = (one.shows for one in made if len(one.shows) == 2)
    product = next(c.fields["product"] for c in CLASSES if c.name == shows[0])
    assert tuple(c.name for c in CLASSES if c.fields.get("product") == product) == shows


def test_they_open_and_are_small(made):
    for one in made:
        assert decode(one.data).size == (SIDE, SIDE) and len(one.data) < 100_000
