"""An answer in words: the verdict, why, what it is worth on this base, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.ui.i18n import _, decimals, number, percent
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.recognition.calibrate import Calibration
    from core.recognition.identify import Answer
    from core.recognition.ranking import ClassAnswer


def headline(answer: Answer, names: dict[int, str]) -> str:
    """The answer in a few words: a name, two names, or that there is none."""
    found = [names[c.class_id] for c in answer.classes]
    if answer.verdict == "not_found":
        return _("No mark found")
    if answer.verdict == "unknown" or not found:
        return _("Not in the base")
    if answer.verdict == "hesitates" and len(found) > 1:
        return _("{first} or {second}").format(first=found[0], second=found[1])
    return found[0]


def explained(answer: Answer, names: dict[int, str]) -> str:
    """The verdict as a sentence."""
    found = [esc(names[c.class_id]) for c in answer.classes]
    if answer.verdict == "not_found":
        if answer.region is not None:
            return _("There is no mark to be seen in this rectangle: draw another one.")
        if answer.instead:
            return _("Nothing is surely a mark here: click the rectangle that holds it, or drag one around it.")
        return _("There is no mark to be seen in this image: drag a rectangle around it, where there is one.")
    if answer.verdict == "certain":
        said = _("The mark is like the references of {name}, more than a mark from outside is by chance.")
        return f"{said.format(name=found[0])} {_against_figures(answer, names)}".strip()
    if answer.verdict == "hesitates" and len(found) > 1:
        said = _("It hesitates between {first} and {second}: compare with your own eyes.")
        return f"{said.format(first=found[0], second=found[1])} {_against_figures(answer, names)}".strip()
    if answer.verdict == "hesitates":
        return _("It looks like {name}, but not enough to be certain.").format(name=found[0])
    if found:
        said = _("No class is like it enough. {name} is shown for comparison only.")
        return f"{said.format(name=found[0])} {_against_figures(answer, names)}".strip()
    return _("There is no reference to compare with.")


def _against_figures(answer: Answer, names: dict[int, str]) -> str:
    """Why the first class is not the one with the highest similarity, where it is not."""
    nearest = max(answer.classes, key=lambda found: found.similarity)
    first = answer.classes[0]
    if similarity(nearest) == similarity(first):
        return ""
    said = (
        _("The single most similar reference is of {other}, but the strokes lie better on {name}.")
        if first.strokes
        else _("The single most similar reference is of {other}, but more of those near it are of {name}.")
    )
    return said.format(other=esc(names[nearest.class_id]), name=esc(names[first.class_id]))


def rate_sentence(calibration: Calibration) -> str:
    """What "certain" is worth on this base: how many foreign marks it lets pass, and how many known marks are refused,
    with the figures they were measured with."""
    if not calibration.target:
        return _("The base is empty: there is nothing that a mark could be called.")
    if calibration.outside:
        passing = _(
            "Of the marks that are not in the base, at most {target} are to be called certain; measured by taking each "
            "class away in turn: {measured} (between {low} and {high}, from {classes} independent classes)."
        )
    else:
        passing = _(
            "Of the marks that are not in the base, at most {target} are to be called certain, as learnt from other line "
            "art; one class alone does not let it be measured here."
        )
    low, high = calibration.false_accepts_interval
    passing = passing.format(
        target=percent(calibration.target),
        measured=percent(calibration.false_accepts),
        low=percent(low),
        high=percent(high),
        classes=number(calibration.independent),
    )
    if not calibration.in_base:
        refused = _("How many known marks it refuses can be measured once a class has two images.")
    else:
        low, high = calibration.rejected_interval
        refused = _(
            "Of the marks that are in the base, {measured} are called “not in the base” by mistake (between {low} "
            "and {high}, from {classes} classes), and {certain} are named with certainty."
        ).format(
            measured=percent(calibration.rejected),
            low=percent(low),
            high=percent(high),
            classes=number(calibration.paired),
            certain=percent(calibration.certain),
        )
    return f"{passing} {refused}"


def latency(answers: Sequence[Answer]) -> str:
    parts = {part for answer in answers for part in answer.latency_ms}
    spent = {part: decimals(sum(one.latency_ms.get(part, 0.0) for one in answers), 1) for part in parts}
    return _(
        "Answered in {total} ms: reading {read}, finding the marks {find}, their ink {see}, encoder {embed}, search {search}."
    ).format(**spent)


def similarity(candidate: ClassAnswer) -> str:
    return decimals(candidate.similarity, 2)
