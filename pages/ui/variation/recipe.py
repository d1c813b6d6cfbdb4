"""The policy on the bench: a saved one as it is being changed, step by step. No widgets: `recipe_form` has them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import streamlit as st

from core.variation import policies
from core.variation.policies import MAX_STEPS, Policy, Step
from core.variation.transforms import TRANSFORMS
from pages.ui import services
from pages.ui.i18n import decimals, number, percent, translated
from pages.ui.state import put_slice, session_slice

KEYS = "augment.step."
SLICE = "recipe"
PARAM = "policy"  # in the URL


@dataclass
class Line:
    """One step; ``key`` begins the keys of its widgets."""

    key: str
    step: Step


@dataclass
class Recipe:
    """``origin`` as it is saved, and its steps as they are now."""

    origin: Policy
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, policy: Policy) -> Recipe:
        made = cls(policy)
        for step in policy.steps:
            made.add(step)
        return made

    @property
    def policy(self) -> Policy:
        return replace(self.origin, steps=tuple(line.step for line in self.lines))

    @property
    def changed(self) -> bool:
        return self.policy.digest != self.origin.digest

    @property
    def full(self) -> bool:
        return len(self.lines) >= MAX_STEPS

    def add(self, step: Step) -> None:
        taken = {line.key for line in self.lines}
        names = (f"{KEYS}{step.transform}{suffix}" for suffix in ["", *(f".{n}" for n in range(2, MAX_STEPS + 2))])
        self.lines.append(Line(next(name for name in names if name not in taken), step))

    def move(self, position: int, by: int) -> None:
        target = position + by
        if 0 <= target < len(self.lines):
            self.lines[position], self.lines[target] = self.lines[target], self.lines[position]

    def without(self, transforms: Collection[str]) -> None:
        self.lines = [line for line in self.lines if line.step.transform not in transforms]


def recipe() -> Recipe:
    """This session's; the default preset at first."""
    return session_slice(SLICE, lambda: Recipe.of(policies.PRESETS[policies.DEFAULT]))


def take(policy: Policy) -> None:
    """Put ``policy`` on the bench, and into the URL, in place of what is there; its widgets begin anew."""
    put_slice(SLICE, Recipe.of(policy))
    if policy.id == policies.DEFAULT:
        st.query_params.pop(PARAM, None)
    else:
        st.query_params[PARAM] = policy.id
    forget()


def forget() -> None:
    """Let every step's widgets take their values from the recipe again."""
    for key in [key for key in st.session_state if str(key).startswith(KEYS)]:
        del st.session_state[key]


def saved(policy: Policy) -> bool:
    """Whether there is a policy of this id in the workspace or among the presets."""
    return any(known.id == policy.id for known in policies.policies(services.workspace()))


def name_of(policy: Policy) -> str:
    """A preset's name is translated, a person's own is data."""
    return translated(policy.name) if policy.preset else policy.name


def title_of(transform: str) -> str:
    """The name of a transform; of one that a newer Burin wrote, its id."""
    return translated(TRANSFORMS[transform].title) if transform in TRANSFORMS else transform


def value_text(transform: str, name: str, value: float) -> str:
    """A drawn value with its unit, as this language writes it: −4.2°."""
    parameter = TRANSFORMS[transform].parameter(name)
    if parameter is None:
        return number(value)
    digits = 0 if parameter.whole else places(parameter.step)
    return with_unit(decimals(value, digits) if digits else number(round(value)), parameter.unit)


def range_text(step: Step) -> str:
    """How likely a step is and between what its first parameter is drawn: 80% · −8 to 8°."""
    parts = [percent(step.probability)]
    if 0 < len(step.entry.parameters) < 3:  # of more, none speaks for the others
        first = step.entry.parameters[0]
        ends = [number(end) for end in step.ranges[first.name]]
        parts.append(with_unit(" … ".join(dict.fromkeys(ends)), "%" if first.unit.startswith("%") else first.unit))
    return " · ".join(parts)


def with_unit(text: str, unit: str) -> str:
    text = text.replace("-", "−")
    if not unit:
        return text
    said = translated(unit)
    if said.startswith("×"):
        return f"× {text}" if said == "×" else f"{text} {said}"
    return text + said if said == "°" else f"{text}\N{NO-BREAK SPACE}{said}"


def places(step: float) -> int:
    """Decimals that a slider of this step needs."""
    return max(0, len(f"{step:.4f}".rstrip("0").partition(".")[2]))
