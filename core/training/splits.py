"""Splits: which originals a network is trained on, and which it is measured with.

Whole groups of near-duplicates go to one side, class by class, the same ones for the same seed.
Only originals are split: variants follow their original, and are for training alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.collection.looks import Looks
from core.ground.errors import BadInput, BurinError
from core.ground.sameness import Look, look, pairs
from core.training.families import families
from core.training.settings import Side
from core.variation.sources import Original, by_class

SIDES: tuple[Side, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """``side`` and ``group`` by content hash. ``single``: folders of classes with one group of originals,
    which is trained on and cannot be measured. A content has one side, whatever the number of its files."""

    seed: int
    side: Mapping[str, Side]
    group: Mapping[str, int]
    single: tuple[str, ...] = ()

    def of(self, originals: Sequence[Original], side: Side) -> list[Original]:
        """The originals on a side; those that the split does not know are on none."""
        return [original for original in originals if self.side.get(original.sha256) == side]

    def counts(self) -> dict[str, int]:
        """How many contents are on each side."""
        return {side: sum(1 for each in self.side.values() if each == side) for side in SIDES}

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "single": list(self.single)}

    @classmethod
    def from_json(cls, record: Any) -> Self:
        try:
            if not set(record["side"].values()) <= set(SIDES):
                raise ValueError("another side")
            group = {str(sha256): int(number) for sha256, number in record["group"].items()}
            return cls(int(record["seed"]), dict(record["side"]), group, tuple(record["single"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput("This is not a split.") from error


def make_split(
    originals: Sequence[Original],
    *,
    groups: Mapping[str, int] | None = None,
    seed: int,
    validation: float,
    test: float,
    held_out: float = 0.0,
    folds: int = 0,
    fold: int = 0,
) -> Split:
    """Deal the groups of each class out to the three sides.

    ``groups``: content hash -> number of its group (each content one group where None). A class keeps at
    least one group for training; with two it has one for testing, with three or more at least one on each
    side whose share is above 0. ``folds``: the test side is the ``fold``-th of so many parts (from 0), each
    group being in exactly one; ``test`` is then not looked at. A group that reaches into several classes goes
    where the smallest of them sends it. ``held_out``: share of the classes (one at least, and two stay) that are for
    testing as a whole, with everything that is one picture with theirs.
    """
    groups = groups or {sha256: i for i, sha256 in enumerate(sorted({o.sha256 for o in originals}))}
    members = _shuffled(originals, groups, seed)
    placed: dict[int, Side] = {}
    kept_out = _held_out(sorted(members), held_out, seed)
    for folder in kept_out:
        placed.update(dict.fromkeys(members.pop(folder), "test"))
    reserved = set(placed)
    for folder, own_groups in members.items():
        for group, side in _dealt(own_groups, validation, test, folds, fold, _number(folder)).items():
            placed.setdefault(group, side)
        if all(placed[group] != "train" for group in own_groups):  # its groups were sent away by smaller classes
            own = [group for group in own_groups if group not in reserved]
            if own:
                placed[own[0]] = "train"
    return _split(seed, originals, groups, members, placed)


def extend_split(
    split: Split, originals: Sequence[Original], *, groups: Mapping[str, int], validation: float, test: float
) -> Split:
    """``split`` for the originals of now: what it knows stays where it is, whatever its class is called by now.

    A new group goes where its class has fewest of the share it should have. Known contents that are one group
    now stay on one side: that of training where one of them was there. A class that training has nothing of any
    more sends it one group.
    """
    members = _shuffled(originals, groups, split.seed)
    placed: dict[int, Side] = {}
    for original in originals:
        if (side := split.side.get(original.sha256)) is not None:
            group = groups[original.sha256]
            placed[group] = min(side, placed.get(group, side), key=SIDES.index)
    for own_groups in members.values():
        short = Counter(_dealt(own_groups, validation, test, 0, 0, 0).values())
        short.subtract(placed[group] for group in own_groups if group in placed)
        measured: tuple[Side, ...] = ("test", "validation")
        for group in own_groups:
            if group not in placed:
                placed[group] = next((side for side in measured if short[side] > 0), "train")
                short[placed[group]] -= 1
        if all(placed[group] != "train" for group in own_groups):
            placed[own_groups[-1]] = "train"
    return _split(split.seed, originals, groups, members, placed)


def near_duplicate_groups(
    originals: Sequence[Original],
    *,
    known: Looks | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Content hash -> number of its group; contents that show one picture (`core.ground.sameness`) share one, and so do
    those that are variants of one by their names (`core.training.families`).

    Every pair is compared. ``known``: what was looked at before. A picture that cannot be read is a group of its own.
    """
    hashes = sorted({original.sha256 for original in originals})
    read = {original.sha256: original for original in originals}
    looks = []
    for row, sha256 in enumerate(hashes):
        if should_stop():
            break
        seen = known.get(sha256) if known is not None else None
        if seen is None:
            try:
                seen = look(read[sha256].read())
            except (BurinError, OSError):
                seen = Look.nothing()
        looks.append(seen)
        if on_progress:
            on_progress(row + 1, len(hashes))
    parent = list(range(len(hashes)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs(looks, should_stop=should_stop):
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    members: dict[str, int] = {}
    place = {sha256: row for row, sha256 in enumerate(hashes)}
    for sha256, family in families(originals).of.items():
        first, second = sorted((root(place[sha256]), root(members.setdefault(family, place[sha256]))))
        parent[second] = first
    return {sha256: root(row) for row, sha256 in enumerate(hashes)}


def snapshot_of(originals: Sequence[Original]) -> str:
    """One hash of which images had which label: the same only for the same set."""
    lines = sorted(f"{original.folder}\0{original.sha256}" for original in originals)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _shuffled(originals: Sequence[Original], groups: Mapping[str, int], seed: int) -> dict[str, list[int]]:
    """The groups of each class in the order that ``seed`` draws for it, the smallest class first."""
    members: dict[str, list[int]] = {}
    for folder, own in by_class(originals).items():
        named = sorted({groups[o.sha256] for o in own}, key=lambda g: _name_of(g, own, groups))
        order = np.random.default_rng([seed, _number(folder)]).permutation(len(named))
        members[folder] = [named[i] for i in order]
    return dict(sorted(members.items(), key=lambda each: (len(each[1]), each[0])))


def _split(
    seed: int,
    originals: Sequence[Original],
    groups: Mapping[str, int],
    members: Mapping[str, Sequence[int]],
    placed: Mapping[int, Side],
) -> Split:
    return Split(
        seed,
        {original.sha256: placed[groups[original.sha256]] for original in originals},
        {original.sha256: groups[original.sha256] for original in originals},
        tuple(sorted(folder for folder, own_groups in members.items() if len(own_groups) == 1)),
    )


def _dealt(
    groups: Sequence[int], validation: float, test: float, folds: int, fold: int, offset: int
) -> dict[int, Side]:
    """Shuffled groups of one class -> their sides."""
    count = len(groups)
    if count == 1:
        return {groups[0]: "train"}
    if folds:
        tested = [i for i in range(count) if (i + offset) % folds == fold]
    else:
        tested = list(range(min(count - 1, max(1, round(test * count))))) if test else []
    rest = [i for i in range(count) if i not in set(tested)]
    wanted = max(1, round(validation * count)) if validation and len(rest) >= 2 else 0
    checked = rest[: min(wanted, len(rest) - 1)]
    sides: dict[int, Side] = dict.fromkeys(groups, "train")
    sides.update({groups[i]: "test" for i in tested})
    sides.update({groups[i]: "validation" for i in checked})
    return sides


def _held_out(folders: Sequence[str], share: float, seed: int) -> list[str]:
    if not share or len(folders) < 3:
        return []
    count = min(len(folders) - 2, max(1, round(share * len(folders))))
    drawn = np.random.default_rng([seed, len(folders)]).permutation(len(folders))[:count]
    return [folders[at] for at in sorted(drawn.tolist())]


def _name_of(group: int, originals: Sequence[Original], groups: Mapping[str, int]) -> str:
    """What a group is sorted by: its first content, so that the numbers play no part."""
    return min(original.sha256 for original in originals if groups[original.sha256] == group)


def _number(folder: str) -> int:
    """A class draws its own order: another class more or less changes nothing for it."""
    return int.from_bytes(hashlib.sha256(folder.encode()).digest()[:8], "big")
