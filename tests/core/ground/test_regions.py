"""Regions: numbers that lie in a picture, to JSON and back."""

import pytest

from core.ground.errors import ConfigRefused
from core.ground.regions import Region


def test_a_region_goes_to_json_and_back():
    region = Region(3, 4, 50, 60, turn=-12.5, tone="bright")
    assert Region.from_json(region.to_json()) == region
    assert region.box == [3, 4, 50, 60]


@pytest.mark.parametrize(
    "record", [{}, None, [], {"x": 1, "y": 1, "width": 0, "height": 1}, {"x": "a", "y": 1, "width": 1, "height": 1},
               {"x": -1, "y": 0, "width": 4, "height": 4}, {"x": 0, "y": 0, "width": 4, "height": 4, "tone": "loud"},
               {"x": 0, "y": 0, "width": 4, "height": 4, "turn": 1000}]
)  # fmt: skip
def test_what_is_no_region_is_refused(record):
    with pytest.raises(ConfigRefused):
        Region.from_json(record)


def test_inside_a_picture_it_is_as_large_as_the_picture_allows():
    assert Region(80, 10, 50, 20, turn=5).inside(100, 100) == Region(80, 10, 20, 20, turn=5)
    with pytest.raises(ConfigRefused, match="outside"):
        Region(100, 10, 50, 20).inside(100, 100)


@pytest.mark.parametrize(("other", "share"), [((0, 0, 10, 10), 1), ((5, 0, 10, 10), 0.5), ((2, 2, 4, 4), 1),
                                              ((10, 0, 5, 5), 0), ((20, 20, 5, 5), 0)])  # fmt: skip
def test_what_two_regions_share_is_told_by_the_smaller_one(other, share):
    assert Region(0, 0, 10, 10).shared(Region(*other)) == share
    assert Region(*other).shared(Region(0, 0, 10, 10)) == share
