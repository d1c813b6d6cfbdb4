"""Which of several copies stays."""

from __future__ import annotations

import pytest

from core.catalogue.records import FileOutcome, Item
from core.collection.copies import RULES, Rule, one_of_each, settle


def item(item_id: int, side: int, class_id: int | None = None) -> Item:
    return Item(item_id, class_id, "", f"{item_id}.png", str(item_id), 0, side, side, "drawing", "", float(item_id), 1)


def held(name: str, side: int, near: int, class_name: str | None = None) -> FileOutcome:
    return FileOutcome(name, "held", near=near, class_name=class_name, sha256=name, pixels=side * side)


@pytest.mark.parametrize("rule,stays", [("larger", 3), ("older", 1), ("labelled", 2)])
def test_one_of_a_group_stays_and_takes_over_the_label(rule: Rule, stays: int) -> None:
    settled = settle([[item(1, 64), item(2, 32, class_id=7), item(3, 100)]], rule)
    assert set(settled.trash) == {1, 2, 3} - {stays}
    assert settled.label == ({} if stays == 2 else {stays: 7})


@pytest.mark.parametrize("rule", RULES)
def test_labels_that_differ_are_for_a_person(rule: Rule) -> None:
    settled = settle([[item(1, 64, 1), item(2, 64, 2)], [item(3, 64), item(4, 64)]], rule)
    assert (settled.trash, settled.left) == ((4,), 1)


def test_the_best_new_file_takes_the_place_of_what_is_there_and_no_worse_one_comes_in() -> None:
    there = {1: item(1, 64, 5), 2: item(2, 200, 5)}
    new = [held("a", 100, 1), held("b", 128, 1), held("c", 100, 2)]
    taken = one_of_each(new, there, "larger")
    assert (taken.admit, taken.replace) == (("b",), {"b": 1})
    assert one_of_each(new, there, "older").admit == ()
    assert one_of_each([held("d", 8, 3, "x")], {3: item(3, 64)}, "labelled").replace == {"d": 3}
    assert one_of_each([held("e", 99, 9)], {}, "larger").admit == ()  # what it looked like is gone
