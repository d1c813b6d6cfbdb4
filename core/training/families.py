"""Families: originals that are, by their names, variants of one drawing, although no manifest says so.

Written by other scripts (``mark_aug_0.jpg``), or by our own and copied without their manifest. What a name leaves
open is said to be open. It reads names only; what pictures look like is `core.ground.sameness`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.ground.names import key
from core.variation.sources import Original

_OURS = re.compile(r"(?P<base>.+)_(?P<digits>[0-9a-f]{10})_[0-9a-f]{8}_s\d+_\d{4}")  # `core.variation.writer.file_of`
_STORED = re.compile(r"(?P<stem>.+)_[0-9a-f]{10}")  # `core.ground.names.file_for`
_PART = r"[ _.\-]+"
_SURE = r"(?:aug(?:m|ment|mented|mentation|mentée?)?|variante?|synth(?:etic)?|distort(?:ed)?)"
_LIKELY = (
    r"(?:var|variation|transf(?:orm(?:ed)?)?|gen(?:erated)?|rot(?:at(?:e|ed|ion))?|flip(?:ped)?|mirror(?:ed)?|nois[ey]"
    r"|blur(?:red)?|shear|scaled?|crop(?:ped)?|elastic|bright(?:ness)?|contrast|inverted|copy|copie)"
)
_AFTER = re.compile(rf"(?P<base>.+?){_PART}\(?{_SURE}\)?(?:[ _.\-()]*[\w()+\-.]*)?", re.IGNORECASE)
_BEFORE = re.compile(rf"{_SURE}(?:{_PART}?\d+)?{_PART}(?P<base>.+?)(?:{_PART}\d+)?", re.IGNORECASE)
_PERHAPS = re.compile(rf"(?P<base>.+?){_PART}\(?{_LIKELY}\)?[ _.\-()]*[\w()+\-.]*", re.IGNORECASE)
_NUMBERED = re.compile(rf"(?P<base>.+?)(?:{_PART}|(?={_PART}?\())\(?(?P<number>\d{{1,4}})\)?")


@dataclass(frozen=True)
class Families:
    """``of``: content hash -> what its family is called, of those that have one. ``open``: contents of which the names
    leave open whether they are variants of one drawing, or drawings that were numbered."""

    of: Mapping[str, str] = field(default_factory=dict)
    open: tuple[str, ...] = ()


def families(originals: Sequence[Original]) -> Families:
    """What the names of ``originals`` say. A family lies within one class folder, but for variants of our own, whose
    names hold digits of their original's content."""
    stems = {(original.folder, original.sha256): _stem(original) for original in originals}
    there: dict[tuple[str, str], set[str]] = {}
    for (folder, sha256), stem in stems.items():
        there.setdefault((folder, key(stem)), set()).add(sha256)
    found: dict[str, str] = {}
    numbered: dict[tuple[str, str], dict[str, str]] = {}
    by_digits = {original.sha256[:10]: original.sha256 for original in originals}
    for original in originals:
        folder, sha256, stem = original.folder, original.sha256, stems[original.folder, original.sha256]
        if ours := _OURS.fullmatch(original.path.stem) or _OURS.fullmatch(stem):
            digits = ours["digits"]
            found[sha256] = digits
            if digits in by_digits:
                found[by_digits[digits]] = digits
        elif base := _base(stem) or next(_likely(folder, stem, there), None):
            name = f"{folder}/{key(base)}"
            found.setdefault(sha256, name)
            for parent in there.get((folder, key(base)), ()):
                found.setdefault(parent, name)
        elif match := _NUMBERED.fullmatch(stem):
            numbered.setdefault((folder, key(match["base"])), {})[sha256] = match["number"]
    several = Counter((folder, _numbers(own)) for (folder, _base), own in numbered.items() if len(own) > 1)
    doubtful: set[str] = set()
    for (folder, base), own in numbered.items():
        parents = there.get((folder, base), set())
        # One name alone, numbered, is how drawings are filed; several, numbered alike, is how variants are.
        if parents or several[folder, _numbers(own)] > 1:
            doubtful.update(sha256 for sha256 in (*own, *parents) if sha256 not in found)
    return Families(found, tuple(sorted(doubtful)))


def _numbers(numbered: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in numbered.values()))


def _stem(original: Original) -> str:
    """The name as it was uploaded: without the digits that an import adds."""
    stem = original.path.stem
    stored = _STORED.fullmatch(stem)
    return stored["stem"] if stored and stem.endswith(f"_{original.sha256[:10]}") else stem


def _base(stem: str) -> str:
    match = _AFTER.fullmatch(stem) or _BEFORE.fullmatch(stem)
    return match["base"] if match else ""


def _likely(folder: str, stem: str, there: Mapping[tuple[str, str], set[str]]) -> Iterator[str]:
    """The name before a word that variants are called by, where the drawing of that name is there too."""
    match = _PERHAPS.fullmatch(stem)
    if match and (folder, key(match["base"])) in there:
        yield match["base"]
