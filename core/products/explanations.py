"""What the ink of a page is, explained as a whole: which groupings of it are marks of the base, which is text, and what
is left over.

Every way to take candidates that share no ink has a log-probability, linear in a few features; the weights are a
conditional logit, fitted by `benchmarks/explanations.py`. So a part that is a mark itself is weighed against its whole
and what it would leave over, and a mark that reads as letters against a page without a code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from core.ground.regions import Region
from core.products.letters import SURE, Letters, can_read, read_line
from core.sight.hypotheses import Hypothesis

# Of each mark: the log-odds of its answer; whether other ink lies in its box (a ring round a letter is no ring); the
# certainty that it reads as one sign; whether it is one of the letters of a line; how much higher than other letters it
# is (logarithm); the log-odds of the likeliest candidate that it is a part of, 0 without a likely one. Of the page: the
# pieces that are neither mark nor text (log(1 + n)); how surely a mark reads as letters that are its only text.
FEATURES = ("odds", "open", "sign", "of a line", "higher", "part", "left over", "only text")
WEIGHTS = (0.98, -0.42, -2.60, -3.80, 3.48, -2.28, -1.40, -4.40)
GIVEN = 1  # the last is not fitted: a page has a code, and the pictures to fit tell too little of those without
OF_A_MARK = 6  # features that are sums over the marks
HIGHER = 0.5  # of the logarithm, at most: what is that much higher than the letters is none of them
MOST_OF = 0.6  # of the width of a line of text: what is wider is the line
A_WHOLE = math.log(2)  # log-odds from which a candidate speaks against its parts: twice as likely a mark as none
SURER = 3.0  # log-odds by which a part is surer a mark than it is together with signs of a line of text
LIKELIEST = 12  # candidates that are taken in every combination


@dataclass(frozen=True)
class Candidate:
    """A grouping of the page's ink, by its number, that may be a mark: its likeliest class, the log-odds of that, and
    how similar it is to the nearest reference."""

    at: int
    class_id: int
    odds: float
    similar: float


class Page:
    """The groupings of a page's ink, the ``lines`` of text on it, and what a grouping reads as by itself."""

    def __init__(self, groups: Sequence[Hypothesis], lines: Sequence[Letters]) -> None:
        self.groups, self.lines = groups, lines
        self._read: dict[int, Letters] = {}

    @cached_property
    def single(self) -> dict[int, Region]:
        """The region of each piece of ink."""
        return {next(iter(group.pieces)): group.region for group in self.groups if len(group.pieces) == 1}

    @cached_property
    def texts(self) -> list[tuple[Letters, frozenset[int]]]:
        """Those of the lines that are surely text, and their pieces of ink."""
        lines = [line for line in self.lines if line.sure >= SURE and sum(map(str.isalnum, line.text)) > 1]
        found = [(line, frozenset(one for one, r in self.single.items() if lies_in(r, line.box))) for line in lines]
        return [(line, pieces) for line, pieces in found if pieces]

    def is_open(self, at: int) -> bool:
        """Whether a piece that is not of the grouping lies within its box."""
        x, y, w, h = self.groups[at].region.box
        return any(lies_in(r, (x, y, w, h)) for one, r in self.single.items() if one not in self.groups[at].pieces)

    def is_of_a_line(self, at: int) -> bool:
        """Whether a grouping is as high as the rest of a line of text, and far from being all of it: a ring among
        letters is an O, however like a mark it is."""
        region = self.groups[at].region
        for line, pieces in [*self.texts, *self.words(at)]:
            heights = [self.single[one].height for one in pieces - self.groups[at].pieces]
            if not heights or not lies_in(region, line.box) or region.width > MOST_OF * line.box[2]:
                continue
            if 0.7 <= region.height / float(np.median(heights)) <= 1.3:
                return True
        return False

    def higher(self, at: int) -> float:
        """The logarithm of how many times as high as other letters a grouping is, within bounds; 0 without any."""
        group = self.groups[at]
        heights = [self.single[one].height for _, pieces in self.texts for one in pieces - group.pieces]
        return float(np.clip(math.log(group.region.height / np.median(heights)), -HIGHER, HIGHER)) if heights else 0.0

    def read(self, at: int) -> Letters:
        """What a grouping reads as; nothing where nothing can read."""
        if at not in self._read:
            self._read[at] = read_line(self.groups[at].picture) if can_read() else Letters("", 0.0, (0, 0, 0, 0))
        return self._read[at]

    def words(self, at: int) -> list[tuple[Letters, frozenset[int]]]:
        """The words that a sign in no line of text makes with a neighbour, and their pieces: a short code is often not
        seen as a line."""
        pieces = self.groups[at].pieces
        if not self.is_sign(at) or any(pieces <= own for _, own in self.texts):
            return []
        pairs = [n for n, group in enumerate(self.groups) if len(group.pieces) == 2 and pieces < group.pieces]
        words = [n for n in pairs if self.signs(n)[0] == 2 and self.signs(n)[1] >= SURE]
        boxes: list[Any] = [tuple(self.groups[n].region.box) for n in words]
        return [(replace(self.read(n), box=box), self.groups[n].pieces) for n, box in zip(words, boxes, strict=True)]

    def is_sign(self, at: int) -> bool:
        """Whether a grouping is a single piece that reads as one sign."""
        return self.signs(at)[0] == len(self.groups[at].pieces) == 1

    def signs(self, at: int) -> tuple[int, float]:
        """How many signs of a code a grouping reads as, and how surely; none where it reads as anything else."""
        text = self.read(at).text.replace(" ", "")
        return (len(text), self.read(at).sure) if text.isalnum() and text.isascii() else (0, 0.0)


def likeliest(page: Page, candidates: Sequence[Candidate]) -> dict[int, float]:
    """The marks of the likeliest explanation, and the probability of each over all of them."""
    marks, features = explanations(page, candidates)
    log_odds = features @ np.array(WEIGHTS)
    shares = np.exp(log_odds - log_odds.max())
    shares /= shares.sum()
    best = marks[int(log_odds.argmax())]
    return {at: float(sum(share for each, share in zip(marks, shares, strict=True) if at in each)) for at in best}


def explanations(page: Page, candidates: Sequence[Candidate]) -> tuple[list[frozenset[int]], np.ndarray]:
    """Every set of candidates that are marks together, by their numbers, and the `FEATURES` of each (N, F)."""
    own = {one: _features(page, one, candidates) for one in candidates}
    likely = sorted(own, key=lambda one: -float(np.dot(own[one], WEIGHTS[:OF_A_MARK])))[:LIKELIEST]
    by_pieces = {page.groups[one.at].pieces: one for one in likely}
    sets: list[tuple[Candidate, ...]] = [()]
    for one in likely:
        sets += [(*others, one) for others in sets if all(_are_two(page, one, other, by_pieces) for other in others)]
    lines = [pieces for _, pieces in page.texts]
    whole = [pieces for one in own for _, pieces in page.words(one.at)]  # text as a whole, or not at all
    words = {one: page.signs(one.at)[1] for one in own if page.signs(one.at)[0] > 1 and page.signs(one.at)[1] >= SURE}
    whole += [page.groups[one.at].pieces for one in words]
    features = np.zeros((len(sets), len(FEATURES)))
    for number, marks in enumerate(sets):
        used = frozenset[int]().union(*(page.groups[one.at].pieces for one in marks))
        left = [line - used for line in lines] + [text for text in whole if not text & used]
        over = set(page.single).difference(used, *left)
        only = 0.0 if any(len(text) > 1 for text in left) else sum(words.get(one, 0.0) for one in marks)
        features[number, :OF_A_MARK] = sum(own[one] for one in marks) if marks else 0.0
        features[number, OF_A_MARK:] = math.log1p(len(over)), only
    return [frozenset(one.at for one in marks) for marks in sets], features


def _features(page: Page, one: Candidate, candidates: Sequence[Candidate]) -> np.ndarray:
    sign = page.signs(one.at)[1] if page.is_sign(one.at) else 0.0
    part = max((other.odds for other in candidates if _is_whole(page, other, one)), default=0.0)
    own = one.odds, page.is_open(one.at), sign, page.is_of_a_line(one.at), page.higher(one.at), part
    return np.array(own, float)


def _is_whole(page: Page, whole: Candidate, part: Candidate) -> bool:
    """Whether a candidate speaks against a part of it: where it is likely a mark, and not the part beside text."""
    rest = page.groups[whole.at].pieces - page.groups[part.at].pieces
    if whole.odds <= A_WHOLE or not page.groups[part.at].pieces < page.groups[whole.at].pieces:
        return False
    lines = [pieces - page.groups[part.at].pieces for _, pieces in page.texts if pieces & rest]
    if not rest <= frozenset[int]().union(*lines):
        return True
    return whole.odds >= part.odds - SURER and not any(line <= rest for line in lines)


def _are_two(page: Page, one: Candidate, other: Candidate, by_pieces: Mapping[frozenset[int], Candidate]) -> bool:
    """Whether two marks share no ink and are not the parts of one: both together called as one of them is, and more
    alike."""
    pieces, others = page.groups[one.at].pieces, page.groups[other.at].pieces
    whole = by_pieces.get(pieces | others)
    if pieces & others or whole is None:
        return not pieces & others
    return not any(part.class_id == whole.class_id and part.similar <= whole.similar for part in (one, other))


def lies_in(region: Region, box: tuple[int, int, int, int]) -> bool:
    """Whether most of a piece lies in a line of text."""
    x, y, w, h = region.box
    across = min(x + w, box[0] + box[2]) - max(x, box[0])
    down = min(y + h, box[1] + box[3]) - max(y, box[1])
    return across > 0 and down > 0 and across * down >= 0.5 * w * h
