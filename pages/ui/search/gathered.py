"""A mark that was gathered for finding a lens: where it came from, what it was read as, what a person made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.ground.regions import Region
from pages.ui.i18n import _
from pages.ui.search import words
from pages.ui.search.inputs import Query

if TYPE_CHECKING:
    from core.recognition.identify import Answer

READ, NONE = -1, 0  # of a mark's choices: as it was read; that it is of no class here
TOLD = 0.98  # the probability of a class that a person named


@dataclass(frozen=True)
class Gathered:
    """One mark: where it came from, what it was read as, and what a person made of it (a class id, `NONE` or `READ`)."""

    key: str
    query: Query
    answer: Answer
    said: int

    @property
    def region(self) -> Region | None:
        return self.answer.region

    def shares(self) -> dict[int, float]:
        """Class id -> probability, as the search weighs it."""
        from core.products.finding import probabilities

        if self.said == READ:
            return probabilities(self.answer)
        return {self.said: TOLD} if self.said != NONE else {}


def choice(one: int, mark: Gathered, names: Mapping[int, str]) -> str:
    if one == READ:
        return _("Read as: {name}").format(name=words.headline(mark.answer, dict(names)))
    return _("none of these classes") if one == NONE else names.get(one, "")
