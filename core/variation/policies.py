"""Policies: which transforms a variant goes through, how likely and how strong; presets and saved ones.

A policy is checked once, when it is made, and is the same after a round trip through JSON. It
draws nothing itself: that is `core.variation.augment`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from core.ground.errors import ConfigRefused, NotFound, changed_meanwhile
from core.ground.translations import _
from core.ground.workspace import Workspace, new_id, write_atomic
from core.variation.transforms import TRANSFORMS, Transform

FORMAT = 1
MAX_STEPS = 40
MAX_BYTES = 200_000
LONGEST_NAME = 80

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Range = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """One transform with its ``probability`` (0 to 1) and the range (low, high) of each parameter; those
    not named get the table's defaults. Raises `ConfigRefused` on what the table does not allow."""

    transform: str
    probability: float = 1.0
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise ConfigRefused("There is no transform named {name}.", name=self.transform)
        if not _number(self.probability) or not 0 <= self.probability <= 1:
            raise ConfigRefused(
                "The probability of {name} must be from 0 to 1, not {value}.",
                name=self.transform,
                value=self.probability,
            )
        for name in self.ranges:
            if self.entry.parameter(name) is None:
                raise ConfigRefused("{name} has no parameter {parameter}.", name=self.transform, parameter=name)
        full = {p.name: _range(self.transform, p, self.ranges.get(p.name, p.default)) for p in self.entry.parameters}
        object.__setattr__(self, "ranges", full)

    @property
    def entry(self) -> Transform:
        return TRANSFORMS[self.transform]

    def to_json(self) -> dict[str, Any]:
        ranges = {name: list(pair) for name, pair in self.ranges.items()}
        return {"transform": self.transform, "probability": self.probability, "ranges": ranges}


@dataclass(frozen=True)
class Policy:
    """``steps`` in their order, under a display ``name``; ``id`` is its file's name. Raises `ConfigRefused`."""

    id: str
    name: str
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise ConfigRefused(
                "The id of a policy is made of small letters, digits and hyphens, not {value}.", value=self.id
            )
        if not isinstance(self.name, str) or not self.name.strip() or len(self.name) > LONGEST_NAME:
            raise ConfigRefused("The name of a policy has from 1 to {limit} characters.", limit=LONGEST_NAME)
        if len(self.steps) > MAX_STEPS:
            raise ConfigRefused(
                "A policy has at most {limit} steps; this one has {count}.", limit=MAX_STEPS, count=len(self.steps)
            )

    @cached_property
    def digest(self) -> str:
        """12 hex digits that are the same for the same steps, whatever the policy is called."""
        steps = json.dumps([step.to_json() for step in self.steps], sort_keys=True)
        return hashlib.sha256(steps.encode()).hexdigest()[:12]

    @property
    def preset(self) -> bool:
        return self.id in PRESETS

    def without(self, transforms: Collection[str]) -> Policy:
        """The same policy less the steps of these transforms."""
        return replace(self, steps=tuple(step for step in self.steps if step.transform not in transforms))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "id": self.id,
            "name": self.name,
            "steps": [step.to_json() for step in self.steps],
        }

    def to_bytes(self) -> bytes:
        """The file it is saved and exported as."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, record: Any) -> Self:
        """Raises `ConfigRefused` on anything that is not a policy, or is one from a newer Burin."""
        try:
            if record["format"] != FORMAT:
                raise ConfigRefused("The policy was saved by a newer Burin.")
            return cls(record["id"], record["name"], tuple(_step(step) for step in record["steps"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigRefused("This is not an augmentation policy.") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read an exported file; raises `ConfigRefused`."""
        try:
            if len(data) > MAX_BYTES:
                raise ValueError("too long")
            return cls.from_json(json.loads(data.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise ConfigRefused("This is not an augmentation policy.") from error


def policies(workspace: Workspace) -> list[Policy]:
    """The presets, then the saved ones by name; a damaged file is passed over."""
    saved = []
    for path in sorted(_folder(workspace).glob("*.json")):
        with suppress(ConfigRefused, OSError):
            saved.append(replace(Policy.from_bytes(path.read_bytes()), id=path.stem))
    return [*PRESETS.values(), *sorted(saved, key=lambda policy: (policy.name.casefold(), policy.id))]


def find(workspace: Workspace, name: str) -> Policy:
    """The policy of that id or display name; raises `NotFound`, naming those there are."""
    known = policies(workspace)
    for policy in known:
        if name in (policy.id, policy.name):
            return policy
    raise NotFound("There is no policy {name}; there are {known}.", name=name, known=", ".join(p.id for p in known))


def save(workspace: Workspace, policy: Policy, *, shown: Policy | None = None) -> None:
    """Write ``policy`` under its id; raises `ConfigRefused` for a preset, which is copied instead. With ``shown``, what
    was there when the person began, raises `Conflict` where somebody saved something else meanwhile."""
    workspace.allow("policy")
    _unchanged(workspace, shown)
    if policy.preset:
        raise ConfigRefused("{name} is shipped with Burin: copy it, and change the copy.", name=policy.name)
    write_atomic(_folder(workspace) / f"{policy.id}.json", policy.to_bytes())


def delete(workspace: Workspace, policy_id: str, *, shown: Policy | None = None) -> None:
    """Remove a saved policy; raises `NotFound`. ``shown`` as in `save`."""
    workspace.allow("policy")
    _unchanged(workspace, shown)
    if not _ID.fullmatch(policy_id) or not (path := _folder(workspace) / f"{policy_id}.json").is_file():
        raise NotFound("There is no saved policy {name}.", name=policy_id)
    path.unlink()


def _unchanged(workspace: Workspace, shown: Policy | None) -> None:
    if shown is None:
        return
    held = next((policy for policy in policies(workspace) if policy.id == shown.id), None)
    if held is not None and held.to_bytes() != shown.to_bytes():
        raise changed_meanwhile(held.name)


def copied(policy: Policy, name: str) -> Policy:
    """The same steps under another name, with an id of its own."""
    return replace(policy, id=f"p{new_id()}", name=name)


def _step(record: Mapping[str, Any]) -> Step:
    ranges = {str(name): tuple(pair) for name, pair in record["ranges"].items()}
    return Step(record["transform"], record["probability"], ranges)


def _range(transform: str, parameter: Any, given: Any) -> Range:
    values = tuple(given)
    if len(values) != 2 or not all(_number(v) for v in values) or values[0] > values[1]:
        raise ConfigRefused(
            "{parameter} of {name} needs a lowest and a highest value, not {value}.",
            parameter=parameter.name,
            name=transform,
            value=given,
        )
    low, high = values
    if low < parameter.minimum or high > parameter.maximum:
        raise ConfigRefused(
            "{parameter} of {name} must be from {low} to {high}, not {value}.",
            parameter=parameter.name,
            name=transform,
            low=parameter.minimum,
            high=parameter.maximum,
            value=f"{low} to {high}",
        )
    if parameter.whole and (low != int(low) or high != int(high)):
        raise ConfigRefused("{parameter} of {name} is a whole number.", parameter=parameter.name, name=transform)
    return (int(low), int(high)) if parameter.whole else (float(low), float(high))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _folder(workspace: Workspace) -> Path:
    return workspace.data / "policies"


_PRESETS = (
    Policy("hand-drawn", _("Hand-drawn marks"), (
        Step("thicken", 0.35, {"width": (0.5, 2.0)}),
        Step("thin", 0.25),
        Step("elastic", 0.6, {"strength": (0.3, 1.0)}),
        Step("rotate", 0.8, {"angle": (-8, 8)}),
        Step("affine", 0.8),
        Step("line_breaks", 0.15, {"count": (1, 2)}),
        Step("contrast", 0.2),
    )),
    Policy("phone-photo", _("Phone photograph"), (
        Step("rotate", 0.7, {"angle": (-8, 8)}),
        Step("affine", 0.5),
        Step("perspective", 0.6),
        Step("engraved", 0.5),
        Step("paper", 0.4),
        Step("shadow", 0.5),
        Step("contrast", 0.6, {"contrast": (-30, 15), "brightness": (-20, 5)}),
        Step("blur", 0.3),
        Step("motion_blur", 0.15),
        Step("noise", 0.5),
        Step("downscale", 0.25),
        Step("jpeg", 0.6),
    )),
    Policy("printed-engraving", _("Printed engraving"), (
        Step("rotate", 0.6, {"angle": (-3, 3)}),
        Step("affine", 0.5, {"scale": (0.94, 1.04), "stretch": (-3, 3), "shear": (-2, 2)}),
        Step("thicken", 0.3, {"width": (0.2, 1.0)}),
        Step("thin", 0.3, {"width": (0.2, 0.8)}),
        Step("line_breaks", 0.4),
        Step("paper", 0.7),
        Step("contrast", 0.5),
        Step("blur", 0.3, {"radius": (0.2, 0.6)}),
        Step("jpeg", 0.4),
    )),
    Policy("sketch-icon", _("Sketch ↔ icon"), (
        Step("thicken", 0.5, {"width": (1.0, 4.0)}),
        Step("thin", 0.3, {"width": (0.5, 2.5)}),
        Step("elastic", 0.6, {"strength": (0.4, 1.4)}),
        Step("grid_distortion", 0.4),
        Step("rotate", 0.6, {"angle": (-8, 8)}),
        Step("affine", 0.9, {"scale": (0.75, 1.1), "stretch": (-20, 20), "shear": (-10, 10)}),
        Step("line_breaks", 0.25),
        Step("downscale", 0.3),
    )),
)  # fmt: skip

PRESETS: dict[str, Policy] = {policy.id: policy for policy in _PRESETS}
DEFAULT = "hand-drawn"
