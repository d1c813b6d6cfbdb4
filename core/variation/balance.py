"""Balance: how uneven the classes are, and a plan that evens them out with variants.

Planning is pure: counts in, a `BalancePlan` out that says class by class which originals get how
many. Applying it is the job of `core.variation.work`, and undoing it deletes exactly what that wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.collection.dataset import Dataset
from core.ground.errors import ConfigRefused, ImageRefused
from core.ground.translations import _
from core.variation import policies
from core.variation.augment import draw, draw_seed
from core.variation.policies import Policy
from core.variation.safety import looked_at
from core.variation.sources import Original, by_class
from core.variation.variants import Manifest, Variant
from core.variation.work import announce
from core.variation.writer import MOST_PER_IMAGE, Task, encode

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

Strategy = Literal["minimum", "median", "equalise", "sampler"]

STRATEGIES: dict[Strategy, str] = {
    "minimum": _("At least a minimum"),
    "median": _("Up to the median"),
    "equalise": _("All alike, up to a cap"),
    "sampler": _("Sampling weights only"),
}

EXAMPLES = 8  # originals drawn once to estimate time and disk
START_S = 4.0  # until a job has its libraries and the encoder, on two cores
TYPICAL_CHECK_S = 0.005  # a picture, where the encoder cannot be asked yet


@dataclass(frozen=True)
class Count:
    """One class: its folder, name, and how many ``originals`` and ``variants`` it has."""

    folder: str
    name: str
    originals: int
    variants: int = 0

    @property
    def images(self) -> int:
        return self.originals + self.variants


@dataclass(frozen=True)
class Imbalance:
    """How uneven class sizes are.

    ``ratio``: largest by smallest class (Japkowicz and Stephen 2002); ``gini``: 0 for equal sizes, to
    1 (Gini 1912: the mean absolute difference of two classes by twice the mean size); ``effective``:
    the number of equal classes with the same entropy, exp(H) (Hill 1973, order 1), out of ``classes``.
    Classes without images are left out.
    """

    classes: int
    ratio: float
    gini: float
    effective: float


@dataclass(frozen=True)
class ClassPlan:
    """One class: what it has, its ``target``, how many variants are ``add``-ed, and for each original
    (hash, draw numbers) which. ``weight`` is that of each of its images in the sampler (mean 1 over all
    images); ``capped``: the target needs more than the most variants an original may have."""

    count: Count
    target: int
    add: int
    draws: tuple[tuple[str, tuple[int, ...]], ...]
    weight: float
    capped: bool = False

    @property
    def after(self) -> int:
        return self.count.images + self.add


@dataclass(frozen=True)
class Cost:
    """What one variant takes, measured: seconds of one core, and bytes on disk; and the ``check`` before, in
    seconds a picture that it makes and embeds."""

    seconds: float
    bytes: float
    check: float = TYPICAL_CHECK_S

    def of(self, variants: int, looked_at: int = 0) -> float:
        """Seconds that writing takes, with its start and the check of so many pictures; after one every variant is
        looked at too."""
        seen = looked_at + variants if looked_at else 0
        return START_S + variants * self.seconds + seen * self.check if variants else 0.0


@dataclass(frozen=True)
class BalancePlan:
    """What `plan` says. ``line`` is the target that a chart draws (None for the sampler, which writes
    nothing); ``single`` names the classes with one original."""

    strategy: Strategy
    line: int | None
    policy: Policy
    seed: int
    classes: tuple[ClassPlan, ...]
    before: Imbalance
    after: Imbalance
    single: tuple[str, ...]
    cost: Cost = field(default=Cost(0.0, 0.0))

    @property
    def total(self) -> int:
        return sum(each.add for each in self.classes)

    @property
    def seconds(self) -> float:
        return self.total * self.cost.seconds

    @property
    def looked_at(self) -> int:
        """The pictures of the safety check before it."""
        return looked_at(self.policy, [each.count.originals for each in self.classes if each.add])

    @property
    def bytes(self) -> int:
        return round(self.total * self.cost.bytes)

    @property
    def batch(self) -> str:
        """The id of what applying it writes: the same plan has the same."""
        work = [[each.count.folder, each.draws] for each in self.classes if each.add]
        return hashlib.sha256(json.dumps([self.policy.digest, self.seed, work]).encode()).hexdigest()[:16]

    def tasks(self, originals: Sequence[Original]) -> list[Task]:
        """The draws to write, for these originals."""
        found = {(o.folder, o.sha256): o for o in originals}
        return [
            Task(found[each.count.folder, sha256], numbers)
            for each in self.classes
            for sha256, numbers in each.draws
            if (each.count.folder, sha256) in found
        ]

    def params(self, originals: Sequence[Original], *, override: bool = False) -> dict[str, Any]:
        """What `core.variation.work.run_augment` takes, to apply it as a job."""
        tasks = [[task.original.item_id, list(task.numbers)] for task in self.tasks(originals)]
        drawing = {"policy": self.policy.to_json(), "seed": self.seed}
        return {**drawing, "tasks": tasks, "batch": self.batch, "override": override}


def imbalance(sizes: Sequence[int]) -> Imbalance:
    """The figures of these class sizes."""
    found = np.sort(np.array([size for size in sizes if size > 0], dtype=float))
    count = len(found)
    if not count:
        return Imbalance(0, 1.0, 0.0, 0.0)
    rank = np.arange(1, count + 1)
    gini = float(((2 * rank - count - 1) * found).sum() / (count * found.sum()))
    share = found / found.sum()
    return Imbalance(count, float(found[-1] / found[0]), gini, float(np.exp(-(share * np.log(share)).sum())))


def counts(originals: Sequence[Original], variants: Sequence[Variant] = ()) -> list[Count]:
    """One `Count` a class that has originals, by name."""
    held: dict[str, int] = {}
    for variant in variants:
        held[variant.folder] = held.get(variant.folder, 0) + 1
    found = [Count(f, some[0].class_name, len(some), held.get(f, 0)) for f, some in by_class(originals).items()]
    return sorted(found, key=lambda count: (count.name.casefold(), count.folder))


def plan(
    originals: Sequence[Original],
    variants: Sequence[Variant] = (),
    *,
    strategy: Strategy = "minimum",
    minimum: int = 10,
    cap: int = 100,
    most_per_original: int = 50,
    policy: Policy = policies.PRESETS[policies.DEFAULT],
    seed: int = 0,
    cost: Cost = Cost(0.0, 0.0),
) -> BalancePlan:
    """What to write so that every class has its target of originals and variants together.

    ``minimum``: every class at least that many; ``median``: the median of the originals' counts;
    ``equalise``: as many as the largest class, at most ``cap``; ``sampler``: no variants, but weights
    of 1 / sqrt(size), so that a class is drawn in proportion to the square root of its size
    (Mahajan et al. 2018, https://arxiv.org/abs/1805.00932, section 2.2). Nothing is ever taken away.
    New variants go to the originals with the fewest; none gets more than ``most_per_original``.
    """
    for name, value, most in (("minimum", minimum, 100_000), ("cap", cap, 100_000),
                              ("most_per_original", most_per_original, MOST_PER_IMAGE)):  # fmt: skip
        if not 1 <= value <= most:
            raise ConfigRefused("{name} must be from 1 to {limit}, not {value}.", name=name, limit=most, value=value)
    if strategy not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ConfigRefused("The strategy must be one of {known}, not {value}.", known=known, value=strategy)
    sizes = counts(originals, variants)
    line = _line(strategy, sizes, minimum, cap)
    used: dict[tuple[str, str], list[Variant]] = {}
    for variant in variants:
        used.setdefault((variant.folder, variant.original_sha256), []).append(variant)
    grouped = by_class(originals)
    weights = _weights([count.images for count in sizes]) if strategy == "sampler" else [1.0] * len(sizes)
    made = []
    for count, weight in zip(sizes, weights, strict=True):
        target = max(count.images, line or 0)
        draws, short = _spread(grouped[count.folder], used, target - count.images, most_per_original, seed)
        made.append(ClassPlan(count, target, sum(len(n) for _o, n in draws), draws, weight, capped=short))
    return BalancePlan(
        strategy=strategy,
        line=line,
        policy=policy,
        seed=seed,
        classes=tuple(made),
        before=imbalance([count.images for count in sizes]),
        after=imbalance([each.after for each in made]),
        single=tuple(count.name for count in sizes if count.originals == 1),
        cost=cost,
    )


def measure(originals: Sequence[Original], policy: Policy, *, seed: int = 0, embedder: Embedder | None = None) -> Cost:
    """Time and disk of one variant, from one draw of a few originals; unreadable ones are passed over. With an
    ``embedder``, also what the check takes."""
    places = np.linspace(0, len(originals) - 1, min(EXAMPLES, len(originals))).round().astype(int)
    seconds, sizes, drawn = [], [], []
    for place in places:
        started = time.perf_counter()
        try:
            picture = originals[place].read()
        except ImageRefused:
            continue
        drawn.append(draw(picture, policy, seed=draw_seed(seed, originals[place].sha256, 0)).image)
        content = encode(drawn[-1])
        seconds.append(time.perf_counter() - started)
        sizes.append(len(content))
    if not seconds:
        return Cost(0.0, 0.0)
    each = float(np.median(seconds))  # the first draw of all loads the library
    if embedder is None:
        return Cost(each, float(np.mean(sizes)))
    list(embedder.embed_images(drawn))  # the first ones of all are slower
    started = time.perf_counter()
    list(embedder.embed_images(drawn * 2))
    return Cost(
        each, float(np.mean(sizes)), each / (os.cpu_count() or 1) + (time.perf_counter() - started) / len(drawn) / 2
    )


def undo(dataset: Dataset, batch: str) -> int:
    """Delete exactly the variants that an applied plan wrote and that are still there; how many."""
    dataset.allow("variants")
    count = Manifest(dataset.workspace.augmented).remove_batch(batch)
    announce(dataset)
    return count


def _line(strategy: Strategy, sizes: Sequence[Count], minimum: int, cap: int) -> int | None:
    if strategy == "sampler" or not sizes:
        return None
    if strategy == "minimum":
        return minimum
    if strategy == "median":
        return int(np.ceil(np.median([count.originals for count in sizes])))
    return min(cap, max(count.images for count in sizes))


def _weights(sizes: Sequence[int]) -> list[float]:
    """1 / sqrt(size) an image, scaled so that the mean over all images is 1."""
    size = np.array(sizes, dtype=float)
    weight = 1 / np.sqrt(np.maximum(size, 1))
    return (weight * size.sum() / (weight * size).sum()).tolist() if size.sum() else [1.0] * len(sizes)


def _spread(
    originals: Sequence[Original],
    used: Mapping[tuple[str, str], Sequence[Variant]],
    need: int,
    most: int,
    seed: int,
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], bool]:
    """``need`` new draws over the originals, always to one with the fewest variants; and whether some
    found no place. Numbers go on from the lowest that is free, so a run cut short is completed alike."""
    held = [len(used.get((o.folder, o.sha256), ())) for o in originals]
    taken = [{v.number for v in used.get((o.folder, o.sha256), ()) if v.seed == seed} for o in originals]
    new: list[list[int]] = [[] for _o in originals]
    number = [0] * len(originals)
    for _step in range(max(0, need)):
        place = min(range(len(originals)), key=held.__getitem__)
        if held[place] >= most:
            return _draws(originals, new), True
        while number[place] in taken[place]:
            number[place] += 1
        new[place].append(number[place])
        number[place] += 1
        held[place] += 1
    return _draws(originals, new), False


def _draws(originals: Sequence[Original], new: Sequence[Sequence[int]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((o.sha256, tuple(numbers)) for o, numbers in zip(originals, new, strict=True) if numbers)
