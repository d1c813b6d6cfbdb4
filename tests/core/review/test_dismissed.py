"""Findings that a person called right: remembered whatever the order of their parts, and only those."""

from __future__ import annotations

from core.review.dismissed import Kept, hint_parts


def test_what_was_kept_stays_kept(workspace):
    kept = Kept.read(workspace)
    assert ("copies", ["2", "1"]) not in kept
    kept.add("copies", ["1", "2"])
    again = Kept.read(workspace)
    assert ("copies", ["2", "1"]) in again and ("blank", ["1", "2"]) not in again
    again.path.write_text("not json", encoding="utf-8")
    assert ("copies", ["2", "1"]) not in Kept.read(workspace)


def test_what_was_kept_can_be_taken_back(workspace):
    kept = Kept.read(workspace)
    kept.add("copies", ["1", "2"])
    kept.add("blank", ["1"])
    kept.remove("copies", ["2", "1"])
    kept.remove("copies", ["7"])
    again = Kept.read(workspace)
    assert ("copies", ["1", "2"]) not in again and ("blank", ["1"]) in again


def test_what_two_tabs_keep_is_kept(workspace):
    one, other = Kept.read(workspace), Kept.read(workspace)
    one.add("copies", ["1"])
    other.add("copies", ["2"])
    one.remove("copies", ["1"])
    assert ("copies", ["2"]) in one and ("copies", ["1"]) not in Kept.read(workspace)
    assert ("copies", ["2"]) in Kept.read(workspace)


def test_a_doubt_is_remembered_with_both_its_classes(workspace):
    kept = Kept.read(workspace)
    kept.add("hint", hint_parts(1, 2, 3))
    assert ("hint", hint_parts(1, 2, 3)) in kept
    assert not any(("hint", hint_parts(*other)) in kept for other in ((1, 3, 2), (2, 1, 3), (1, 2, 4)))
