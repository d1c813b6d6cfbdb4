"""One picture in, its marks answered: which gravure each is, that it is not in the base, or that no mark was found.

Reads the references (`core.embedding.candidates.References`) and their `Calibration`; stores nothing.
Where the marks are is `core.sight`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy.special import expit, logit

from core.embedding.candidates import References
from core.ground.outlines import outline_of
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.ranking import ClassAnswer
from core.recognition.verdicts import answer_to
from core.sight.groups import overlap
from core.sight.marks import Mark, Subject, find_marks, read_region, subject
from core.sight.proposals import LIKELY, SAME, likeliest

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

MOST, ALIKE_BOXES = 10, 0.85  # boxes looked at in one picture, and how far two of them may overlap
# Beside similarity, where boxes are compared: of the log-odds that one is a mark, and of the logarithm of its larger
# side, as a part resembles something sooner. A conditional logit on the same photographs.
SURENESS, WHOLE = 0.042, 0.178
NEARLY = 0.15  # of the surest box's sureness: what is less sure is not asked what it looks like
# The log-odds that there is a mark in a place: by those that one of its boxes is one, and by how like a reference it is
# (what resembles nothing of the base is a reflection sooner). A logistic regression on made photographs, half of them
# asked of a base that lacks the mark's class.
THERE, BY_BOXES, BY_LIKENESS = -2.6, 1.15, 5.4
PRESENT = 0.72  # probability from which there is one: of 90 lenses without a mark 85 stay below
NO_REFERENCE = 0.4  # likeness in an empty base: as of marks that a base lacks
SURE = 0.5  # of the box itself: below it nothing is certain
# Of a box's own area, and times its larger side: another box holds it. How sure that one must be beside it, and from
# which likeness its name counts: of 1,080 pictures five were certain and wrong without this, three with it.
HOLDS, LARGER, AS_SURE, KNOWN = 0.8, 1.15, 0.3, 0.65
APART = 0.6  # of the larger one's extent: how far two marks are from one another that may be one together
ALIKE = 0.1  # of sureness and similarity together: two marks are as good as one another
SAME_INK = 0.5  # of the smaller box that lies in the other: they are two readings of one mark


@dataclass(frozen=True)
class Answer:
    """The verdict, the candidate classes (best first), what the model saw (`Preprocessing.shape` uint8), the
    query's vector (D,), and where the time went in milliseconds.

    ``region`` is where the mark lies in the upright picture (None: the picture was taken as a mark, or none was
    found), ``sure`` the probability that there is one, ``instead`` the other boxes that might be meant.
    """

    verdict: Verdict
    classes: list[ClassAnswer]
    seen: np.ndarray
    vector: np.ndarray
    latency_ms: dict[str, float] = field(default_factory=dict)
    region: Region | None = None
    sure: float = 1.0
    instead: tuple[Region, ...] = ()

    @property
    def box(self) -> list[int] | None:
        """[x, y, width, height] in pixels of the upright picture."""
        return self.region.box if self.region else None

    def to_json(self, names: dict[int, str]) -> dict[str, Any]:
        """The answer as the shell prints it; ``names`` maps class ids to display names."""
        classes = [{"name": names[c.class_id], "similarity": round(c.similarity, 4)} for c in self.classes]
        return {"verdict": self.verdict, "classes": classes, "box": self.box, "sure": round(self.sure, 4)}


def identify(
    image: Image.Image | Subject,
    *,
    gallery: References,
    calibration: Calibration,
    embedder: Embedder,
    k: int = 10,
    top: int = 5,
    kinds: list[str] | None = None,
    class_ids: list[int] | None = None,
) -> Answer:
    """Name the one mark that ``image`` (decoded, RGB, or found in a picture) is, among the gallery's classes.

    ``k`` neighbours vote, ``top`` classes are answered; ``kinds`` and ``class_ids`` restrict the
    references. An empty gallery is answered "unknown", a picture of one tone "not_found".
    """
    started = time.perf_counter()
    looked_at = subject(image, embedder.preprocessing)
    seen = see(looked_at.picture, embedder.preprocessing)
    saw = time.perf_counter()
    vector = embedder.embed(seen[None], [looked_at])[0]
    embedded = time.perf_counter()
    allowed = gallery.select(class_ids=class_ids, kinds=kinds)
    if looked_at.photograph is not None and calibration.photographed is not None:
        calibration = calibration.photographed
    classes, verdict = answer_to(vector, lambda: outline_of(seen), gallery, calibration, k=k, top=top, allowed=allowed)
    parts = np.split(seen, len(embedder.preprocessing.parts), axis=1)
    if all((part == part[0, 0]).all() for part in parts):
        verdict = "not_found"
    done = time.perf_counter()
    spent = {"see": saw - started, "embed": embedded - saw, "search": done - embedded, "total": done - started}
    return Answer(verdict, classes, seen, vector, {name: 1000 * seconds for name, seconds in spent.items()})


def identify_marks(
    image: Image.Image,
    *,
    gallery: References,
    calibration: Calibration,
    embedder: Embedder,
    regions: Sequence[Region] = (),
    k: int = 10,
    top: int = 5,
    kinds: list[str] | None = None,
    class_ids: list[int] | None = None,
) -> list[Answer]:
    """Name each mark in ``image`` (decoded, upright), best first, equally good ones from left to right; one answer,
    "not_found", where there is none.

    ``regions`` are the marks that somebody pointed at: nothing is looked for then, and each is answered in its
    order. Raises `ConfigRefused` where one lies outside the picture. The other arguments are `identify`'s.
    """
    started = time.perf_counter()
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder, "k": k, "top": top}
    name: Callable[[Subject], Answer] = partial(identify, **about, kinds=kinds, class_ids=class_ids)
    if regions or embedder.preprocessing.whole:  # or the picture itself is what is compared
        pointed = [region.inside(*image.size) for region in regions] or [Region(0, 0, *image.size)]
        subjects = [subject(image, embedder.preprocessing, region=one if regions else None) for one in pointed]
        found = 1000 * (time.perf_counter() - started)
        answers = [replace(name(one), region=at) for at, one in zip(pointed, subjects, strict=True)]
    else:
        marks = find_marks(image, most=MOST, alike=ALIKE_BOXES)
        found = 1000 * (time.perf_counter() - started)
        answers = [answer for answer in _places(marks, name) if answer.sure >= _least(answer)]
        for near in _clusters(answers):
            region = Region.around([answer.region for answer in near if answer.region])
            together = read_region(image, region).subject
            whole = replace(name(together), region=region)
            if _known_as_one(whole, near):
                answers = [one for one in answers if not any(one is part for part in near)] + [_composed(whole, near)]
        answers = _in_order(answers)
        if not answers:
            return [_not_found(embedder, tuple(mark.region for mark in _told_once(marks)), found)]
    first = answers[0].latency_ms
    answers[0] = replace(answers[0], latency_ms={"find": found, **first, "total": first["total"] + found})
    return answers


def _places(marks: Sequence[Mark], name: Callable[[Subject], Answer]) -> list[Answer]:
    """The answer in each place, the surest first: to the boxes that claim the same ink, together. What lies in the box
    that was taken is no place of its own; where no box is sure enough there is none."""
    answers, left = [], list(marks)
    while left and left[0].sure >= LIKELY:  # the less sure ones are proposed to the person only
        place = [mark for mark in left if left[0].region.shared(mark.region) > SAME_INK]
        asked = [mark for mark in place if mark.sure >= NEARLY * left[0].sure]
        mark, answer = _best([(mark, name(mark.subject)) for mark in asked], place)
        answers.append(answer)
        taken = left[0].region, mark.region
        left = [other for other in left if all(one.shared(other.region) <= SAME_INK for one in taken)]
    return answers


def _best(answered: Sequence[tuple[Mark, Answer]], place: Sequence[Mark]) -> tuple[Mark, Answer]:
    """Of several readings of one place the best one; the other boxes of the place are offered instead."""

    def worth(one: tuple[Mark, Answer]) -> float:
        return _worth(one[0].sure, one[1]) + WHOLE * float(np.log(one[0].region.extent))

    mark, best = max(answered, key=worth)
    if best.verdict == "certain" and (mark.sure < SURE or _held(mark, best, answered)):
        best = replace(best, verdict="hesitates")
    told = _told_once(place)
    others = tuple(other.region for other in told if overlap(other.region.box, mark.region.box) <= SAME)
    return mark, replace(best, region=mark.region, sure=_present(told, best), instead=others)


def _held(mark: Mark, best: Answer, answered: Sequence[tuple[Mark, Answer]]) -> bool:
    """Whether a larger box that is like another class holds this one: it may be a part of that mark."""
    return any(
        other.region.extent > LARGER * mark.region.extent
        and other.region.shared(mark.region) > HOLDS
        and other.sure > AS_SURE * mark.sure
        and (answer.verdict in ("certain", "hesitates") or answer.classes[0].similarity >= KNOWN)
        and answer.classes[0].class_id != best.classes[0].class_id
        for other, answer in answered
    )


def _present(place: Sequence[Mark], answer: Answer) -> float:
    """The probability that there is a mark in ``place``, each of its boxes told once, whose best reading is
    ``answer``."""
    none = float(np.prod([1 - mark.sure for mark in place]))
    boxes = float(logit(max(1 - none, 0.01)))
    likeness = answer.classes[0].similarity if answer.classes else NO_REFERENCE
    return float(expit(THERE + BY_BOXES * boxes + BY_LIKENESS * likeness))


def _least(answer: Answer) -> float:
    """How probable it must be that there is a mark; where nothing was read, certain: a clean drawing."""
    return 1.0 if answer.verdict == "not_found" else PRESENT


def _told_once(marks: Sequence[Mark]) -> list[Mark]:
    """Without those that are a surer one with other edges."""
    sure = np.array([mark.sure for mark in marks])
    kept = likeliest([mark.region.box for mark in marks], sure, most=len(marks), alike=SAME)
    return [marks[i] for i in kept]


def _clusters(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Those of several marks that stand close together (`APART`)."""
    left, out = list(answers), []
    while left:
        near = [left.pop(0)]
        for one in near:
            close = [_near(one, other) for other in left]
            near += [other for other, is_close in zip(left, close, strict=True) if is_close]
            left = [other for other, is_close in zip(left, close, strict=True) if not is_close]
        out += [near] if len(near) > 1 else []
    return out


def _near(one: Answer, other: Answer) -> bool:
    assert one.region and other.region
    return one.region.gap(other.region) <= APART * max(one.region.extent, other.region.extent)


def _known_as_one(whole: Answer, parts: Sequence[Answer]) -> bool:
    """Whether the base knows what ``parts`` are together at least as well as the best known one of them."""
    if whole.verdict not in ("certain", "hesitates"):
        return False
    extent, largest = (max(one.region.extent for one in some if one.region) for some in ([whole], parts))
    more = WHOLE * float(np.log(extent / largest))
    return whole.classes[0].similarity + more >= max(
        (p.classes[0].similarity for p in parts if p.classes), default=-1.0
    )


def _composed(whole: Answer, parts: Sequence[Answer]) -> Answer:
    """The answer to them as one; each of them is offered instead."""
    instead = tuple(part.region for part in parts if part.region)
    return replace(whole, sure=min(part.sure for part in parts), instead=instead)


def _in_order(answers: Sequence[Answer]) -> list[Answer]:
    """Certain ones first, best first; those that are as good as the best from left to right, as they lie in the
    picture."""

    def rank(one: Answer) -> tuple[bool, float]:
        return one.verdict == "certain", _worth(one.sure, one)

    ranked = sorted(answers, key=rank, reverse=True)
    best = rank(ranked[0]) if ranked else (False, 0.0)
    alike = [one for one in ranked if one.region and rank(one)[0] == best[0] and rank(one)[1] > best[1] - ALIKE]
    return sorted(alike, key=lambda a: a.region.x if a.region else 0) + ranked[len(alike) :]


def _worth(sure: float, answer: Answer) -> float:
    """Sureness and similarity together."""
    similarity = answer.classes[0].similarity if answer.classes else -1.0
    return SURENESS * float(logit(np.clip(sure, 0.01, 0.99))) + similarity


def _not_found(embedder: Embedder, instead: tuple[Region, ...], found: float) -> Answer:
    blank, nowhere = np.full(embedder.preprocessing.shape, 255, np.uint8), np.zeros(embedder.dimension, np.float32)
    spent = {"find": found, "see": 0.0, "embed": 0.0, "search": 0.0, "total": found}
    return Answer("not_found", [], blank, nowhere, spent, sure=0.0, instead=instead)
