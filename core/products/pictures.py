"""A catalogue picture read: which marks of the base are in it, which code stands beside them, and what is neither.

Where letters stand beside marks no rule of distance parts them, so recognition decides the cut: of all groupings of the
ink (`core.sight.hypotheses`) the one most like a reference is taken, then the most like one that shares no ink with it,
as long as they are marks by their verdict. Letters are read where no mark is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from core.embedding.candidates import References
from core.ground.outlines import outline_of
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.products.letters import SURE, Letters, can_read, in_reading_order, read_letters, read_line
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.identify import Answer, identify_marks
from core.recognition.verdicts import answer_to
from core.sight.hypotheses import Hypothesis, hypotheses

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

MARKS = ("certain", "hesitates")  # verdicts of what is a mark of the base
CANDIDATES = 5  # classes of a mark that are kept
LOOKED_AT = 16  # groupings that are compared stroke by stroke, at most
LIKE_ONE = 0.5  # certainty that what is in such a line reads as a letter by itself, from which it is one
LIKE_LETTERS = 0.95  # a mark that reads as letters with this certainty is never called one with certainty
ALIKE = 0.75  # cosine from which two unknown marks are one
OPEN = 0.2  # similarity that a grouping loses where ink within its box is left out: a ring round a letter is no ring


@dataclass(frozen=True)
class Read:
    """One mark of a picture: where it is and what it is; ``answer.verdict`` "unknown": ink that is neither a mark of
    the base nor letters."""

    region: Region
    answer: Answer


@dataclass(frozen=True)
class Reading:
    """What a picture shows: its marks, best first, the ``code`` that was read ("" where none was, or nothing can read)
    and how sure that is (0 to 1)."""

    marks: list[Read]
    code: str = ""
    sure: float = 0.0


def read_picture(
    image: Image.Image, *, gallery: References, calibration: Calibration, embedder: Embedder, k: int = 10
) -> Reading:
    """Read one picture (decoded, upright): a clean page by its pieces of ink, any other by the marks found in it."""
    groups = hypotheses(image)
    if not groups:
        about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder}
        answers = identify_marks(image, **about, k=k, top=CANDIDATES)
        return Reading([Read(one.region, one) for one in answers if one.region is not None])
    seen = np.stack([see(group.picture, embedder.preprocessing) for group in groups])
    vectors = embedder.embed(seen)
    marks, used = _marks(groups, seen, vectors, gallery, calibration, k, read_letters(image))
    single = _single(groups)
    left = set(single) - used
    letters = _letters(image, [single[one] for one in used], [single[one] for one in left])
    letters = in_reading_order([*letters, *_read_alone(groups, _outside(left, single, letters))])
    unknown = _unknown(groups, _outside(left, single, letters), seen, vectors)
    code = " ".join(line.text for line in letters)
    return Reading([*marks, *unknown], code, min((line.sure for line in letters), default=0.0))


def one_of_a_kind(vectors: np.ndarray) -> np.ndarray:
    """The number of the kind (N,) of each unknown mark by its vector (N, D): the same logo in forty pictures is one."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), int)
    from sklearn.cluster import AgglomerativeClustering

    how = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=1 - ALIKE)
    return how.fit_predict(vectors)


def _marks(
    groups: Sequence[Hypothesis],
    seen: np.ndarray,
    vectors: np.ndarray,
    gallery: References,
    calibration: Calibration,
    k: int,
    lines: Sequence[Letters],
) -> tuple[list[Read], set[int]]:
    """The marks, best first, and the pieces of ink that they take."""
    if not len(gallery):
        return [], set()

    def answer(at: int) -> Answer:
        outline = partial(outline_of, seen[at])
        classes, verdict = answer_to(vectors[at], outline, gallery, calibration, k=k, top=CANDIDATES)
        return Answer(verdict, classes, seen[at], vectors[at], region=groups[at].region)

    single = _single(groups)
    similar = gallery.likeness(vectors) - OPEN * np.array([_is_open(group, single) for group in groups])
    used: set[int] = set()
    taken: dict[int, Answer] = {}
    looked = 0
    for at in np.argsort(-similar).tolist():
        if groups[at].pieces & used or looked >= LOOKED_AT:
            continue
        looked += 1
        found = answer(at)
        verdict = _beside_letters(found.verdict, groups[at], lines, groups)
        if verdict in MARKS:
            taken[at] = replace(found, verdict=verdict)
            used |= groups[at].pieces
    _join(taken, groups, similar, answer)
    return [Read(groups[at].region, found) for at, found in taken.items()], used


def _join(
    taken: dict[int, Answer], groups: Sequence[Hypothesis], similar: np.ndarray, answer: Callable[[int], Answer]
) -> None:
    """Make one of two marks that are the parts of one: both together are called as one of them is, and more alike."""
    number = {group.pieces: at for at, group in enumerate(groups)}
    for part, other in itertools.combinations(list(taken), 2):
        whole = number.get(groups[part].pieces | groups[other].pieces)
        if whole is None or part not in taken or other not in taken or similar[whole] < similar[other]:
            continue
        found = answer(whole)
        if found.verdict in MARKS and found.classes[0].class_id == taken[other].classes[0].class_id:
            del taken[part], taken[other]
            taken[whole] = found


def _beside_letters(
    verdict: Verdict, group: Hypothesis, lines: Sequence[Letters], groups: Sequence[Hypothesis]
) -> Verdict:
    """What a grouping is called in view of the letters on the page: of a line of text it is a mark only where it is
    certain, and does not read as letters by itself."""
    if verdict not in MARKS:
        return verdict
    beside = [line for line in lines if _within(group.region, line.box)]
    texts = [line for line in beside if line.sure >= SURE and sum(map(str.isalnum, line.text)) > 1]
    spoken = bool(texts)
    if spoken and (verdict == "hesitates" or any(_one_of_its_letters(group, line, groups) for line in texts)):
        return "unknown"
    sign = len(group.pieces) == 1 and verdict == "hesitates" and can_read()
    alone = read_line(group.picture) if beside or sign else None
    if alone is None or not alone.text.isalnum() or alone.sure < (LIKE_ONE if spoken else LIKE_LETTERS):
        return verdict
    return "unknown" if spoken or verdict == "hesitates" else "hesitates"


def _one_of_its_letters(group: Hypothesis, line: Letters, groups: Sequence[Hypothesis]) -> bool:
    """Whether a part of a line of text is as high as the rest of it, and far from being all of it: a ring among letters
    is an O, however like a mark it is."""
    others = [one.region for one in groups if len(one.pieces) == 1 and not one.pieces & group.pieces]
    heights = [region.height for region in others if _within(region, line.box)]
    if not heights or group.region.width > 0.6 * line.box[2]:
        return False
    return 0.7 <= group.region.height / float(np.median(heights)) <= 1.3


def _letters(image: Image.Image, marks: Sequence[Region], left: Sequence[Region]) -> list[Letters]:
    """The letters of a picture, where no mark is."""
    if not left or not can_read():
        return []
    page = image.convert("RGB")
    pen = ImageDraw.Draw(page)
    edge = np.asarray(page)[0]
    colour = tuple(np.median(edge, axis=0).astype(int).tolist())
    for region in marks:
        x, y, w, h = region.box
        pen.rectangle((x - 1, y - 1, x + w, y + h), fill=colour)
    return [line for line in read_letters(page) if line.sure >= SURE and any(sign.isalnum() for sign in line.text)]


def _read_alone(groups: Sequence[Hypothesis], left: set[int]) -> list[Letters]:
    """The letters of what was ``left`` unread, the largest groupings first: beside marks a short code is often not seen
    as a line of text, and reads well by itself."""
    found: list[Letters] = []
    if not can_read():
        return found
    for group in sorted(groups, key=lambda one: -len(one.pieces)):
        if group.pieces <= left:
            line = read_line(group.picture)
            if line.text.isalnum() and line.sure >= (SURE if len(line.text) > 1 else LIKE_LETTERS):
                found.append(replace(line, box=tuple(group.region.box)))  # type: ignore[arg-type]
                left = left - group.pieces
    return found


def _single(groups: Sequence[Hypothesis]) -> dict[int, Region]:
    """The region of each piece of ink."""
    return {next(iter(group.pieces)): group.region for group in groups if len(group.pieces) == 1}


def _is_open(group: Hypothesis, single: Mapping[int, Region]) -> bool:
    """Whether a piece that is not of the group lies within its box."""
    x, y, w, h = group.region.box
    return any(_within(region, (x, y, w, h)) for one, region in single.items() if one not in group.pieces)


def _unknown(groups: Sequence[Hypothesis], rest: set[int], seen: np.ndarray, vectors: np.ndarray) -> list[Read]:
    """What is neither: the largest groupings of what is left, none within another."""
    found: list[Read] = []
    for at in sorted(range(len(groups)), key=lambda n: -len(groups[n].pieces)):
        group = groups[at]
        if group.pieces <= rest:
            rest = rest - group.pieces
            answer = Answer("unknown", [], seen[at], vectors[at], region=group.region)
            found.append(Read(group.region, replace(answer, sure=0.0)))
    return found


def _outside(pieces: set[int], single: Mapping[int, Region], lines: Sequence[Letters]) -> set[int]:
    """Those of ``pieces`` that lie in none of the ``lines``."""
    return {one for one in pieces if not any(_within(single[one], line.box) for line in lines)}


def _within(region: Region, box: tuple[int, int, int, int]) -> bool:
    """Whether most of a piece lies in a line of text."""
    x, y, w, h = region.box
    across = min(x + w, box[0] + box[2]) - max(x, box[0])
    down = min(y + h, box[1] + box[3]) - max(y, box[1])
    return across > 0 and down > 0 and across * down >= 0.5 * w * h
