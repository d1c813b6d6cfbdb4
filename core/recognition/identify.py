"""One picture in, its marks answered: which gravure each is, that it is not in the base, or that no mark was found.

Reads the references (`core.embedding.candidates.References`) and their `Calibration`; stores nothing.
Where the marks are is `core.sight`'s.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from core.embedding.candidates import References
from core.ground.outlines import outline_of
from core.ground.preprocessing import see
from core.ground.regions import Region
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.ranking import ClassAnswer
from core.recognition.verdicts import answer_to
from core.sight.marks import FOUND, Mark, Subject, find_marks, read_region, subject
from core.sight.proposals import LIKELY

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

MOST = 5  # boxes looked at in one picture
SURENESS = 0.25  # of sureness beside similarity, where boxes are compared
WHOLE = 0.15  # of the logarithm of a box's larger side beside similarity: a part resembles something sooner
NEARLY = 0.3  # of the surest box's sureness: what is less sure is not asked what it looks like
# How sure it must be that there is a mark: what resembles nothing of the base is a reflection sooner. These and `SURE`
# were chosen on made scenes with grounds that were kept out, 470 with a mark and 300 without, and a base of line art:
# as many are named as with lower ones, and one in ten of the others is taken for a mark. The last on 297 and 149.
BOUNDS: dict[Verdict, float] = {"certain": LIKELY, "hesitates": FOUND, "unknown": 0.55}
SURE = 0.5  # below it nothing is certain: of 145 marks certain and right 142 stay so, of 2 wrong ones none
APART = 0.6  # of the larger one's extent: how far two marks are from one another that may be one together
ALIKE = 0.1  # of sureness and similarity together: two marks are as good as one another
SAME_INK = 0.5  # of the smaller box that lies in the other: they are two readings of one mark


@dataclass(frozen=True)
class Answer:
    """The verdict, the candidate classes (best first), what the model saw (`Preprocessing.shape` uint8), the
    query's vector (D,), and where the time went in milliseconds.

    ``region`` is where the mark lies in the upright picture (None: the picture was taken as a mark, or none was
    found), ``sure`` the probability that it is one whole mark, ``instead`` the other boxes that might be meant.
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
    if regions:
        within = [region.inside(*image.size) for region in regions]
        read = [subject(image, embedder.preprocessing, region=region) for region in within]
        places = [[Mark(at, 1.0, one.picture, one.photograph)] for at, one in zip(within, read, strict=True)]
    elif embedder.preprocessing.whole:  # the picture itself is what is compared
        places = [[Mark(Region(0, 0, *image.size), 1.0, image)]]
    else:
        marks = find_marks(image, most=MOST)
        places = _places(marks)
    found = 1000 * (time.perf_counter() - started)
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder, "k": k, "top": top}
    answers = []
    for place in places:
        asked = [mark for mark in place if mark.sure >= NEARLY * place[0].sure]
        answered = [(mark, identify(mark.subject, **about, kinds=kinds, class_ids=class_ids)) for mark in asked]
        answers.append(_best(answered, place))
    if not regions and not embedder.preprocessing.whole:
        answers = [_bounded(answer) for answer in answers if answer.sure >= BOUNDS.get(answer.verdict, 1.0)]
        for near in _clusters(answers):
            region = Region.around([answer.region for answer in near if answer.region])
            together = read_region(image, region).subject
            whole = replace(identify(together, **about, kinds=kinds, class_ids=class_ids), region=region)
            if _known_as_one(whole, near):
                answers = [one for one in answers if not any(one is part for part in near)] + [_composed(whole, near)]
        answers = _in_order(answers)
        if not answers:
            return [_not_found(embedder, tuple(mark.region for mark in marks), found)]
    first = answers[0].latency_ms
    answers[0] = replace(answers[0], latency_ms={"find": found, **first, "total": first["total"] + found})
    return answers


def _places(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Boxes that claim the same ink, together, the surest first; a place where no box is sure enough is none."""
    places, left = [], sorted(marks, key=lambda mark: -mark.sure)
    while left and left[0].sure >= LIKELY:  # the less sure ones are proposed to the person only
        places.append([mark for mark in left if left[0].region.shared(mark.region) > SAME_INK])
        left = [mark for mark in left if left[0].region.shared(mark.region) <= SAME_INK]
    return places


def _best(answered: Sequence[tuple[Mark, Answer]], place: Sequence[Mark]) -> Answer:
    """Of several readings of one place the best one; the other boxes of the place are offered instead."""
    read = [(mark.region, replace(answer, region=mark.region, sure=mark.sure)) for mark, answer in answered]
    region, best = max(read, key=lambda one: _worth(one[1]) + WHOLE * float(np.log(one[0].extent)))
    return replace(best, instead=tuple(mark.region for mark in place if mark.region != region))


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
    return _bounded(replace(
        whole, sure=min(part.sure for part in parts), instead=tuple(part.region for part in parts if part.region)
    ))  # fmt: skip


def _in_order(answers: Sequence[Answer]) -> list[Answer]:
    """Best first; those that are as good as the best from left to right, as they lie in the picture."""
    ranked = sorted(answers, key=_worth, reverse=True)
    alike = [a for a in ranked if a.region and _worth(a) > _worth(ranked[0]) - ALIKE]
    return sorted(alike, key=lambda a: a.region.x if a.region else 0) + ranked[len(alike) :]


def _worth(answer: Answer) -> float:
    """Sureness and similarity together."""
    return SURENESS * answer.sure + (answer.classes[0].similarity if answer.classes else -1.0)


def _bounded(answer: Answer) -> Answer:
    """Certain only where it is sure that there is a mark."""
    return replace(answer, verdict="hesitates") if answer.verdict == "certain" and answer.sure < SURE else answer


def _not_found(embedder: Embedder, instead: tuple[Region, ...], found: float) -> Answer:
    blank, nowhere = np.full(embedder.preprocessing.shape, 255, np.uint8), np.zeros(embedder.dimension, np.float32)
    spent = {"find": found, "see": 0.0, "embed": 0.0, "search": 0.0, "total": found}
    return Answer("not_found", [], blank, nowhere, spent, sure=0.0, instead=instead)
