"""A catalogue picture read: which marks of the base are in it, which code stands beside them, and what is neither.

Where letters stand beside marks no rule of distance parts them, so recognition decides the cut: of all groupings of the
ink (`core.sight.hypotheses`) the one most like a reference is taken, then the most like one that shares no ink with it,
as long as they are marks by their verdict, and likelier marks than the letters that they read as; of what is certain
first. Letters are read where no mark is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
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
LOOKED_AT = 20  # groupings that are compared stroke by stroke, at most
LIKE_ONE = 0.5  # certainty that a mark in a line of text reads as letters itself, from which it is not certain
LIKE_LETTERS = 0.95  # the same of a mark anywhere
# Log-odds that a reading takes from a mark: as one sign (half of it where it is `LARGER` than the letters of the page,
# nothing where other text is there besides to be the code), as several, as one among those of a line, and as a line
# (half of it where other text is there). By chance a sign looks like a mark of the base often, a word hardly ever.
# Chosen on 180 made pictures of other halves of the shared drawings; a third more or less changes four of them at most.
A_SIGN, A_WORD, IN_A_LINE, A_LINE = 3.0, 1.0, 2.5, 4.4
LARGER = 1.5  # times as high
MOST_OF = 0.6  # of the width of a line of text: what is wider is the line
PLAIN = 4.0  # log-odds from which what stands in no line of text is not read
ALIKE = 0.75  # cosine from which two unknown marks are one
LEFT_OVER = 2.5  # log-odds that ink of a certain whole speaks which its parts, marks themselves, would leave over
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
    page = _Page(groups, read_letters(image))
    marks, used = _marks(page, seen, vectors, gallery, calibration, k)
    single = page.single
    left = set(single) - used
    letters = _letters(image, page, used)
    letters = in_reading_order([*letters, *_read_alone(page, _outside(left, single, letters))])
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


class _Page:
    """The groupings of a page's ink, the ``lines`` of text on it, and what a grouping reads as by itself."""

    def __init__(self, groups: Sequence[Hypothesis], lines: Sequence[Letters]) -> None:
        self.groups, self.lines = groups, lines
        self._read: dict[int, Letters] = {}

    @cached_property
    def single(self) -> dict[int, Region]:
        """The region of each piece of ink."""
        return {next(iter(group.pieces)): group.region for group in self.groups if len(group.pieces) == 1}

    @cached_property
    def number(self) -> dict[frozenset[int], int]:
        return {group.pieces: at for at, group in enumerate(self.groups)}

    def is_open(self, at: int) -> bool:
        """Whether a piece that is not of the grouping lies within its box."""
        x, y, w, h = self.groups[at].region.box
        return any(_within(r, (x, y, w, h)) for one, r in self.single.items() if one not in self.groups[at].pieces)

    def beside(self, at: int) -> list[Letters]:
        """The lines of text that a grouping lies in."""
        return [line for line in self.lines if _within(self.groups[at].region, line.box)]

    def words(self, at: int) -> list[Letters]:
        """The words that a single piece makes with a neighbour: a short code is often not seen as a line of text."""
        pairs = [
            n for n, group in enumerate(self.groups) if len(group.pieces) == 2 and self.groups[at].pieces < group.pieces
        ]
        boxes: list[Any] = [tuple(self.groups[n].region.box) for n in pairs]
        read = [
            replace(self.read(n), box=box) for n, box in zip(pairs, boxes, strict=True) if self.as_letters(n) >= SURE
        ]
        return [word for word in read if len(word.text) == 2]

    def letters_height(self) -> float:
        """How high the signs of the page's lines of text are; 0 without any."""
        heights = [r.height for line in self.texts(self.lines) for r in self.single.values() if _within(r, line.box)]
        return float(np.median(heights)) if heights else 0.0

    def has_text_beside(self, at: int) -> bool:
        """Whether there is a line of text that a grouping has no part in."""
        own = [self.single[one] for one in self.groups[at].pieces]
        return any(not any(_within(region, line.box) for region in own) for line in self.texts(self.lines))

    def is_larger(self, at: int) -> bool:
        """Whether a grouping is clearly higher than the letters of the page."""
        return 0 < LARGER * self.letters_height() <= self.groups[at].region.height

    @staticmethod
    def texts(lines: Sequence[Letters]) -> list[Letters]:
        """Those of the lines that are surely text."""
        return [line for line in lines if line.sure >= SURE and sum(map(str.isalnum, line.text)) > 1]

    def reaches_in(self, at: int) -> bool:
        """Whether a grouping holds some signs of a line of text, and other ink."""
        inside = [
            any(_within(self.single[one], line.box) for line in self.texts(self.lines))
            for one in self.groups[at].pieces
        ]
        return any(inside) and not all(inside)

    def read(self, at: int) -> Letters:
        """What a grouping reads as; nothing where nothing can read."""
        if at not in self._read:
            self._read[at] = read_line(self.groups[at].picture) if can_read() else Letters("", 0.0, (0, 0, 0, 0))
        return self._read[at]

    def as_letters(self, at: int) -> float:
        """The certainty with which a grouping reads as signs of a code, 0 where it reads as anything else."""
        read = self.read(at)
        text = read.text.replace(" ", "")
        return read.sure if text.isalnum() and text.isascii() else 0.0


def _marks(
    page: _Page, seen: np.ndarray, vectors: np.ndarray, gallery: References, calibration: Calibration, k: int
) -> tuple[list[Read], set[int]]:
    """The marks, best first, and the pieces of ink that they take."""
    if not len(gallery):
        return [], set()
    groups = page.groups

    def answer(at: int) -> Answer:
        outline = partial(outline_of, seen[at])
        classes, called = answer_to(vectors[at], outline, gallery, calibration, k=k, top=CANDIDATES)
        verdict = _beside_letters(page, at, called, calibration.score(classes)) if called in MARKS else called
        return Answer(verdict, classes, seen[at], vectors[at], region=groups[at].region)

    similar = gallery.likeness(vectors) - OPEN * np.array([page.is_open(at) for at in range(len(groups))])
    answers = {at: answer(at) for at in np.argsort(-similar)[:LOOKED_AT].tolist()}
    answers = {at: found for at, found in answers.items() if found.verdict in MARKS}
    odds = {at: calibration.score(found.classes) for at, found in answers.items()}
    used: set[int] = set()
    taken: dict[int, Answer] = {}
    for at in sorted(answers, key=lambda at: odds[at] < calibration.certain_at):  # then the more alike
        if not groups[at].pieces & used:
            taken[at] = answers[at]
            used |= groups[at].pieces
    _complete(taken, page, answers, odds, calibration.certain_at)
    used = {piece for at in taken for piece in groups[at].pieces}
    _join(taken, page, similar, answer)
    return [Read(groups[at].region, found) for at, found in taken.items()], used


def _complete(
    taken: dict[int, Answer], page: _Page, answers: Mapping[int, Answer], odds: Mapping[int, float], certain_at: float
) -> None:
    """Take a whole in place of its parts, however alike these are to marks of the base, where it is as likely one, or
    nearly so and certain, and they would leave some of its ink over."""
    for whole in answers:
        pieces = page.groups[whole].pieces
        reached = [at for at in taken if page.groups[at].pieces & pieces]
        if not reached or not all(page.groups[at].pieces < pieces for at in reached):
            continue
        left = pieces.difference(*(page.groups[at].pieces for at in reached))
        over = odds[whole] >= certain_at and _outside(set(left), page.single, page.texts(page.lines))
        if odds[whole] + (LEFT_OVER if over else 0.0) >= max(odds[at] for at in reached):
            for at in reached:
                del taken[at]
            taken[whole] = answers[whole]


def _join(taken: dict[int, Answer], page: _Page, similar: np.ndarray, answer: Callable[[int], Answer]) -> None:
    """Make one of two marks that are the parts of one: both together are called as one of them is, and more alike."""
    for part, other in itertools.combinations(list(taken), 2):
        whole = page.number.get(page.groups[part].pieces | page.groups[other].pieces)
        if whole is None or part not in taken or other not in taken or similar[whole] < similar[other]:
            continue
        found = answer(whole)
        if found.verdict in MARKS and found.classes[0].class_id == taken[other].classes[0].class_id:
            del taken[part], taken[other]
            taken[whole] = found


def _beside_letters(page: _Page, at: int, verdict: Verdict, odds: float) -> Verdict:
    """What a grouping is called in view of the letters on the page: the more it reads as letters, the surer it must be
    (``odds``: the log-odds of its answer)."""
    if not can_read():
        return verdict
    group, beside = page.groups[at], page.beside(at)
    sure = page.as_letters(at) if beside or odds < PLAIN or len(group.pieces) == 1 else 0.0
    legible, texts = sure >= LIKE_ONE, page.texts(beside)
    sign = legible and len(group.pieces) == len(page.read(at).text) == 1
    in_text = bool(texts) or page.reaches_in(at)
    if sign and not texts:
        texts = page.words(at)
    line_itself = legible and any(group.region.width > MOST_OF * line.box[2] for line in texts)
    reads_as = (  # the first that holds says what the reading takes
        (sign and page.is_larger(at) and page.has_text_beside(at), 0.0),
        (sign and page.is_larger(at), A_SIGN / 2),
        (sign, A_SIGN),
        (line_itself and page.has_text_beside(at), A_LINE / 2),
        (line_itself, A_LINE),
        (True, A_WORD * sure),
    )
    less = next(weight for holds, weight in reads_as if holds)
    if (verdict == "hesitates" and in_text) or any(_one_of_its_letters(page, at, line) for line in texts):
        less += IN_A_LINE
    if less and odds <= less:
        return "unknown"
    return "hesitates" if sure >= (LIKE_ONE if texts else LIKE_LETTERS) else verdict


def _one_of_its_letters(page: _Page, at: int, line: Letters) -> bool:
    """Whether a part of a line of text is as high as the rest of it, and far from being all of it: a ring among letters
    is an O, however like a mark it is."""
    group = page.groups[at]
    others = [region for one, region in page.single.items() if one not in group.pieces]
    heights = [region.height for region in others if _within(region, line.box)]
    if not heights or group.region.width > MOST_OF * line.box[2]:
        return False
    return 0.7 <= group.region.height / float(np.median(heights)) <= 1.3


def _letters(image: Image.Image, page: _Page, used: set[int]) -> list[Letters]:
    """The letters of a picture, where no mark is (``used``: the pieces of ink that marks take). What was read of the
    page at first is enough where it tells all of what is left; else the page is read again without its marks."""
    single = page.single
    left = set(single) - used
    if not left or not can_read():
        return []
    lines = [line for line in _codes(page.lines) if not any(_within(single[one], line.box) for one in used)]
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


def _read_alone(page: _Page, left: set[int]) -> list[Letters]:
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
