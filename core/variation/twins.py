"""Twins: classes that a flip or a turn makes into one another, `(e` and `e)`, and how a policy can reach them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.ground.translations import _
from core.variation.policies import Step
from core.variation.references import Judged, References, judge_all, spread
from core.variation.sources import Original

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

TWIN_SHARE = 0.5  # share of a class's flipped or turned originals that must land in another class to call it a twin

Symmetry = tuple[int, bool]  # (quarter turns anticlockwise, mirrored before)

SYMMETRIES: dict[Symmetry, str] = {
    (0, True): _("mirrored left to right"),
    (2, True): _("mirrored top to bottom"),
    (1, False): _("turned by 90° to the left"),
    (2, False): _("turned by 180°"),
    (3, False): _("turned by 90° to the right"),
    (1, True): _("mirrored and turned to the left"),
    (3, True): _("mirrored and turned to the right"),
}


@dataclass(frozen=True)
class Twin:
    """A class whose originals come nearer to another class than to their own under a symmetry: a ``share``
    of them did, with this mean cosine ``similarity``.

    ``genuine``: they are as near to it as its own members are, `(e` mirrored and `e)`; otherwise the
    symmetry takes them out of their class without making them another.
    """

    folder: str
    class_name: str
    symmetry: Symmetry
    twin_folder: str
    twin_name: str
    share: float
    similarity: float
    genuine: bool

    @property
    def title(self) -> str:
        return SYMMETRIES[self.symmetry]


def twins(
    refs: References,
    embedder: Embedder,
    *,
    folders: Sequence[str] | None = None,
    symmetries: Iterable[Symmetry] = tuple(SYMMETRIES),
    per_class: int = 8,
) -> list[Twin]:
    """The classes that a flip or a turn makes into another class, tried on up to ``per_class`` originals each."""
    tried = [symmetry for symmetry in SYMMETRIES if symmetry in set(symmetries)]
    pairs = [
        (original, symmetry)
        for folder in (refs.folders if folders is None else folders)
        for original in spread(refs.of(folder), per_class)
        for symmetry in tried
    ]
    read = lru_cache(maxsize=64)(Original.read)
    pictures = ((o, lambda o=o, s=s: _turned(read(o), s)) for o, s in pairs)
    landed: dict[tuple[str, Symmetry], list[Judged]] = {}
    for (original, symmetry), judged in zip(pairs, judge_all(pictures, refs, embedder), strict=True):
        landed.setdefault((original.folder, symmetry), []).append(judged)
    found = []
    folder_of = {name: folder for folder, name in refs.names.items()}
    for (folder, symmetry), each in landed.items():
        out = [judged for judged in each if judged.unsafe]
        if out and len(out) >= TWIN_SHARE * len(each):
            name, _count = Counter(judged.nearest for judged in out).most_common(1)[0]
            similarity = float(np.mean([judged.similarity for judged in out if judged.nearest == name]))
            share = len(out) / len(each)
            pair = (refs.names[folder], symmetry, folder_of[name], name)
            found.append(Twin(folder, *pair, share, similarity, similarity >= refs.typical))
    sure = {(twin.twin_folder, twin.folder, _undone(twin.symmetry)) for twin in found if twin.genuine}
    return [replace(t, genuine=True) if (t.folder, t.twin_folder, t.symmetry) in sure else t for t in found]


def reachable(steps: Iterable[Step]) -> set[Symmetry]:
    """The flips and turns that a draw of these steps can amount to, the identity left out. A rotation
    counts as the quarter turns that it comes within 45 degrees of."""
    reached: set[Symmetry] = {(0, False)}
    for step in steps:
        reached |= {_then(before, after) for before in reached for after in own_symmetries(step)}
    return reached - {(0, False)}


def own_symmetries(step: Step) -> set[Symmetry]:
    """The flips and turns that one step alone can amount to."""
    if step.transform == "flip_horizontal":
        return {(0, True)}
    if step.transform == "flip_vertical":
        return {(2, True)}
    if step.transform == "quarter_turn":
        low, high = step.ranges["turns"]
        return {(turns % 4, False) for turns in range(int(low), int(high) + 1)}
    if step.transform == "rotate":
        low, high = step.ranges["angle"]
        return {(turns % 4, False) for turns in (-2, -1, 1, 2) if low < 90 * turns + 45 and high > 90 * turns - 45}
    return set()


def _then(before: Symmetry, after: Symmetry) -> Symmetry:
    """One symmetry after another: a mirror turns the sense of the turns before it."""
    turns = after[0] + (-before[0] if after[1] else before[0])
    return turns % 4, before[1] != after[1]


def _undone(symmetry: Symmetry) -> Symmetry:
    return symmetry if symmetry[1] else (-symmetry[0] % 4, False)


def _turned(picture: Image.Image, symmetry: Symmetry) -> Image.Image:
    pixels = np.asarray(picture)
    pixels = pixels[:, ::-1] if symmetry[1] else pixels
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, symmetry[0])))
