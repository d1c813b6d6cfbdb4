"""A catalogue picture read: which marks of the base are in it, which code stands beside them, and what is neither.

Where letters stand beside marks no rule of distance parts them, so recognition decides the cut: of all groupings of the
ink (`core.sight.hypotheses`) those that are marks by their verdict may be some, and the likeliest explanation of the
page as a whole (`core.products.explanations`) says which. Letters are read where no mark is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from core.embedding.candidates import References
from core.ground.outlines import outline_of
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.products.explanations import Candidate, Page, lies_in, likeliest
from core.products.letters import SURE, Letters, can_read, in_reading_order, read_letters
from core.recognition.calibrate import Calibration
from core.recognition.identify import Answer, identify_marks
from core.recognition.verdicts import answer_to
from core.sight.hypotheses import hypotheses

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

MARKS = ("certain", "hesitates")  # verdicts of what is a mark of the base
CANDIDATES = 5  # classes of a mark that are kept
LOOKED_AT = 20  # groupings that are compared stroke by stroke, at most
LIKELY = 0.8  # probability of a mark over all explanations of the page, below which it is not certain
LIKE_LETTERS = 0.95  # certainty with which a single sign by itself is read
ALIKE = 0.75  # cosine from which two unknown marks are one


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


@dataclass(frozen=True)
class AskedPage:
    """A clean ``page``; what was ``seen`` of each grouping of its ink (N, `Preprocessing.shape`) uint8 and its vector
    (N, D); the ``answers`` of those that may be marks, by their numbers, and the ``candidates`` that they are."""

    page: Page
    seen: np.ndarray
    vectors: np.ndarray
    answers: dict[int, Answer]
    candidates: list[Candidate]


def read_picture(
    image: Image.Image, *, gallery: References, calibration: Calibration, embedder: Embedder, k: int = 10
) -> Reading:
    """Read one picture (decoded, upright): a clean page by its pieces of ink, any other by the marks found in it."""
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "k": k}
    asked = ask_page(image, embedder=embedder, **about)
    if asked is None:
        answers = identify_marks(image, **about, embedder=embedder, top=CANDIDATES)
        return Reading([Read(one.region, one) for one in answers if one.region is not None])
    page, single = asked.page, asked.page.single
    marks, used = _marks(asked)
    left = set(single) - used
    letters = _letters(image, page, used)
    letters = in_reading_order([*letters, *_read_alone(page, _outside(left, single, letters))])
    unknown = _unknown(asked, _outside(left, single, letters))
    code = " ".join(line.text for line in letters)
    return Reading([*marks, *unknown], code, min((line.sure for line in letters), default=0.0))


def one_of_a_kind(vectors: np.ndarray) -> np.ndarray:
    """The number of the kind (N,) of each unknown mark by its vector (N, D): the same logo in forty pictures is one."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), int)
    from sklearn.cluster import AgglomerativeClustering

    how = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=1 - ALIKE)
    return how.fit_predict(vectors)


def ask_page(
    image: Image.Image, *, gallery: References, calibration: Calibration, embedder: Embedder, k: int = 10
) -> AskedPage | None:
    """What the base says to the groupings of a page's ink; None where the page is not clean and has none."""
    groups = hypotheses(image)
    if not groups:
        return None
    seen = np.stack([see(group.picture, embedder.preprocessing) for group in groups])
    vectors = embedder.embed(seen)
    similar = gallery.likeness(vectors) if len(gallery) else np.zeros(0)
    answers: dict[int, Answer] = {}
    candidates: list[Candidate] = []
    for at in np.argsort(-similar)[:LOOKED_AT].tolist():
        outline = partial(outline_of, seen[at])
        classes, verdict = answer_to(vectors[at], outline, gallery, calibration, k=k, top=CANDIDATES)
        if verdict in MARKS:
            answers[at] = Answer(verdict, classes, seen[at], vectors[at], region=groups[at].region)
            candidates.append(Candidate(at, classes[0].class_id, calibration.score(classes), float(similar[at])))
    return AskedPage(Page(groups, read_letters(image)), seen, vectors, answers, candidates)


def _marks(asked: AskedPage) -> tuple[list[Read], set[int]]:
    """The marks, best first, and the pieces of ink that they take."""
    similar = {one.at: one.similar for one in asked.candidates}
    taken = likeliest(asked.page, asked.candidates)
    found = {
        at: asked.answers[at] if sure >= LIKELY else replace(asked.answers[at], verdict="hesitates")
        for at, sure in taken.items()
    }
    order = sorted(found, key=lambda at: (found[at].verdict != "certain", -similar[at]))
    groups = asked.page.groups
    return [Read(groups[at].region, found[at]) for at in order], {piece for at in taken for piece in groups[at].pieces}


def _letters(image: Image.Image, page: Page, used: set[int]) -> list[Letters]:
    """The letters of a picture, where no mark is (``used``: the pieces of ink that marks take). What was read of the
    page at first is enough where it tells all of what is left; else the page is read again without its marks."""
    single = page.single
    left = set(single) - used
    if not left or not can_read():
        return []
    lines = [line for line in _codes(page.lines) if not any(lies_in(single[one], line.box) for one in used)]
    if used and _outside(left, single, lines):
        lines = _codes(read_letters(_without(image, [single[one] for one in used])))
    return lines


def _without(image: Image.Image, marks: Sequence[Region]) -> Image.Image:
    """The page with nothing where the ``marks`` are."""
    page = image.convert("RGB")
    pen = ImageDraw.Draw(page)
    edge = np.asarray(page)[0]
    colour = tuple(np.median(edge, axis=0).astype(int).tolist())
    for x, y, w, h in (region.box for region in marks):
        pen.rectangle((x - 1, y - 1, x + w, y + h), fill=colour)
    return page


def _codes(lines: Sequence[Letters]) -> list[Letters]:
    """Those of the lines that may be (a part of) a code."""
    return [line for line in lines if line.sure >= SURE and any(sign.isalnum() for sign in line.text)]


def _read_alone(page: Page, left: set[int]) -> list[Letters]:
    """The letters of what was ``left`` unread, the largest groupings first: beside marks a short code is often not seen
    as a line of text, and reads well by itself."""
    found: list[Letters] = []
    if not can_read():
        return found
    for at, group in sorted(enumerate(page.groups), key=lambda one: -len(one[1].pieces)):
        if group.pieces <= left:
            line = page.read(at)
            if line.text.isalnum() and line.sure >= (SURE if len(line.text) > 1 else LIKE_LETTERS):
                found.append(replace(line, box=tuple(group.region.box)))  # type: ignore[arg-type]
                left = left - group.pieces
    return found


def _unknown(asked: AskedPage, rest: set[int]) -> list[Read]:
    """What is neither: the largest groupings of what is left, none within another."""
    found: list[Read] = []
    for at, group in sorted(enumerate(asked.page.groups), key=lambda one: -len(one[1].pieces)):
        if group.pieces <= rest:
            rest = rest - group.pieces
            answer = Answer("unknown", [], asked.seen[at], asked.vectors[at], region=group.region, sure=0.0)
            found.append(Read(group.region, answer))
    return found


def _outside(pieces: set[int], single: Mapping[int, Region], lines: Sequence[Letters]) -> set[int]:
    """Those of ``pieces`` that lie in none of the ``lines``."""
    return {one for one in pieces if not any(lies_in(single[one], line.box) for line in lines)}
