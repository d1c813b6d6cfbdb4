"""Which of several copies of one picture stays: the larger, the older or the labelled one.

It only says which; moving the others to the trash, or leaving a new file out, is for who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.catalogue.records import FileOutcome, Item

Rule = Literal["larger", "older", "labelled"]
RULES: tuple[Rule, ...] = ("larger", "older", "labelled")


@dataclass(frozen=True)
class Taken:
    """What becomes of new files that were held back, by their content hashes: ``admit`` comes in, and of these
    ``replace`` takes the place of an item (hash -> its id). The others are left out."""

    admit: tuple[str, ...] = ()
    replace: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Settled:
    """What becomes of groups of copies: these items go to the ``trash``, the one that stays is given the ``label`` of
    those that go (item id -> class id) where it has none, and ``left`` groups are for a person: their labels differ."""

    trash: tuple[int, ...]
    label: Mapping[int, int]
    left: int


def settle(groups: Sequence[Sequence[Item]], rule: Rule) -> Settled:
    """One of each group stays by ``rule``; where that leaves several, the other rules decide."""
    trash: list[int] = []
    label: dict[int, int] = {}
    left = 0
    for group in groups:
        classes = {item.class_id for item in group if item.class_id is not None}
        if len(classes) > 1:
            left += 1
            continue
        stays = max(group, key=lambda item: _rank(item.width * item.height, -item.id, item.class_id is not None, rule))
        trash += [item.id for item in group if item is not stays]
        if stays.class_id is None and classes:
            label[stays.id] = classes.pop()
    return Settled(tuple(trash), label, left)


def one_of_each(held: Sequence[FileOutcome], there: Mapping[int, Item], rule: Rule) -> Taken:
    """For each picture that is ``there`` (by item id) and the new files that look like it, the one that stays: a new
    file comes in, in the place of what is there, where it is the better by ``rule``."""
    best: dict[int, FileOutcome | None] = {}
    for outcome in held:
        item = there.get(outcome.near or 0)
        if item is None:
            continue
        ahead = best.get(item.id)
        rank = _rank(outcome.pixels, 0, outcome.class_name is not None, rule, new=True)
        before = (
            _rank(item.width * item.height, 0, item.class_id is not None, rule)
            if ahead is None
            else _rank(ahead.pixels, 0, ahead.class_name is not None, rule, new=True)
        )
        best[item.id] = outcome if rank > before else ahead
    kept = {outcome.sha256: item_id for item_id, outcome in best.items() if outcome is not None}
    return Taken(tuple(kept), kept)


def _rank(pixels: int, age: int, labelled: bool, rule: Rule, *, new: bool = False) -> tuple[int, ...]:
    """The higher stays. ``age``: higher is older; a ``new`` file is younger than all that is there."""
    facts = {"larger": (pixels,), "older": (not new, age), "labelled": (labelled,)}
    order = (rule, *(other for other in ("labelled", "larger", "older") if other != rule))
    return tuple(int(value) for name in order for value in facts[name])
