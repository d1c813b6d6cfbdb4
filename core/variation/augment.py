"""Draws: an image through a policy under a seed, with the values that were drawn.

The same image, policy and seed give the same pixels. Whether a draw still is its class is
`core.variation.safety`'s question, and writing draws to disk is `core.variation.writer`'s.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from core.variation.effects import Values
from core.variation.policies import Policy
from core.variation.transforms import TRANSFORMS


@dataclass(frozen=True)
class Applied:
    """One transform that a draw went through, and its values."""

    transform: str
    values: Values

    def to_json(self) -> dict[str, Any]:
        return {"transform": self.transform, "values": dict(self.values)}


@dataclass(frozen=True)
class Draw:
    """One variant: its picture (RGB), what it went through in order, and the seed that gives it again."""

    image: Image.Image
    parameters: tuple[Applied, ...]
    seed: int


@dataclass(frozen=True)
class Strip:
    """One transform alone on one image, at low, middle and high strength or at each of its few values."""

    transform: str
    draws: tuple[Draw, ...]


def draw(image: Image.Image, policy: Policy, *, seed: int) -> Draw:
    """``image`` (RGB) through ``policy``.

    Every step draws from a stream of its own, so that a changed or removed step leaves what the
    others draw as it was, and a moved slider moves its own effect only.
    """
    applied: list[Applied | None] = []
    seen: dict[str, int] = {}
    for step in policy.steps:
        occurrence = seen[step.transform] = seen.get(step.transform, -1) + 1
        places = _stream(seed, step.transform, occurrence, 0).random(1 + len(step.entry.parameters))
        if places[0] >= step.probability:
            applied.append(None)
            continue
        pairs = zip(step.entry.parameters, places[1:], strict=True)
        values = {p.name: p.within(*step.ranges[p.name], float(place)) for p, place in pairs}
        applied.append(Applied(step.transform, values))
    return _done(image, [step.transform for step in policy.steps], applied, seed)


def preview(image: Image.Image, policy: Policy, *, seed: int = 0, n: int = 24, of: str = "") -> list[Draw]:
    """``n`` draws. With ``of``, the original's sha256, they are the ones that writing would give."""
    seeds = [draw_seed(seed, of, number) for number in range(n)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 2)) as pool:
        return list(pool.map(lambda each: draw(image, policy, seed=each), seeds))


def strips(image: Image.Image, transforms: Sequence[str] = tuple(TRANSFORMS), *, seed: int = 0) -> list[Strip]:
    """``image`` through each transform alone, by the samples of its values."""
    made = []
    for name in transforms:
        steps = [Applied(name, values) for values in TRANSFORMS[name].samples()]
        made.append(Strip(name, tuple(_done(image, [name], [step], seed) for step in steps)))
    return made


def draw_seed(seed: int, of: str, number: int, *, again: int = 0) -> int:
    """The seed of draw ``number`` of the original with hash ``of``, or of the same drawn ``again`` so many times: 48
    bits, which JSON keeps exactly."""
    text = f"{seed}/{of}/{number}" + (f"/{again}" if again else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _done(image: Image.Image, names: Sequence[str], applied: Sequence[Applied | None], seed: int) -> Draw:
    picture = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    seen: dict[str, int] = {}
    for name, step in zip(names, applied, strict=True):
        occurrence = seen[name] = seen.get(name, -1) + 1
        if step is not None:
            picture = TRANSFORMS[name].apply(picture, step.values, _stream(seed, name, occurrence, 1))
    return Draw(Image.fromarray(picture), tuple(step for step in applied if step is not None), seed)


def _stream(seed: int, transform: str, occurrence: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(transform.encode()), occurrence, purpose])
