"""Fits what speaks for an explanation of a catalogue picture, and says how often the likeliest one is right elsewhere.

    python benchmarks/explanations.py [--fit 1 2 3 4 101] [--kept 6 7] [--pictures 60]

The pictures are made as those of `products.py`, each number another half of the drawings; from `LACKING` on the base
lacks a third of the classes, whose marks must stay unnamed. The weights are a conditional logit: they make the right
explanations of the pictures to fit, among all of them, as probable as they can, with a little ridge.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from _catalogue import catalogued  # noqa: E402
from _marks import Marks, marks_of  # noqa: E402
from accuracy import NEIGHBOURS, SHARED, read_data  # noqa: E402
from products import SIGNS, Base  # noqa: E402

from core.embedding.embedder import Embedder, load_embedder  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.products.explanations import FEATURES, GIVEN, WEIGHTS, Candidate, Page, explanations  # noqa: E402
from core.products.pictures import ask_page  # noqa: E402
from core.recognition.calibrate import calibrate  # noqa: E402
from core.recognition.metrics import wilson  # noqa: E402

LACKING = 100
RIDGE = 0.3


@dataclass(frozen=True)
class Explained:
    """A picture's explanations: their ``features`` (N, F), which of them name the most marks rightly and nothing else
    (N,), and which all that is in the base (N,)."""

    features: np.ndarray
    best: np.ndarray
    right: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fit", type=int, nargs="+", default=[1, 2, 3, 4, 101])
    parser.add_argument("--kept", type=int, nargs="*", default=[6, 7])
    parser.add_argument("--pictures", type=int, default=60, help="of each number, and a fifth more with letters alone")
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was fitted. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    marks, drawings = marks_of(("drawings",))["drawings"], read_data(every=400).drawings.images
    embedder = load_embedder(Workspace("."))
    every = {seed: explained(marks, drawings, embedder, seed, options.pictures) for seed in options.fit + options.kept}
    weights = fitted([one for seed in options.fit for one in every[seed]])
    print("fitted: ", ", ".join(f"{name} {weight:.2f}" for name, weight in zip(FEATURES, weights, strict=True)))
    for seed, found in every.items():
        for label, used in (("fitted", weights), ("in use", np.array(WEIGHTS))):
            hits = sum(bool(one.right[(one.features @ used).argmax()]) for one in found)
            low, high = wilson(hits, len(found))
            print(f"{seed:4d} {'fit' if seed in options.fit else 'kept':5}{label}: every mark named right and nothing "
                  f"else {hits} of {len(found)} [{100 * low:.1f}, {100 * high:.1f}]", flush=True)  # fmt: skip


def explained(marks: Marks, drawings: Sequence, embedder: Embedder, seed: int, count: int) -> list[Explained]:
    base = Base.of(marks, seed=seed)
    gallery, lacks = base.gallery, np.array([], int)
    if seed >= LACKING:
        size = len(base.classes)
        lacks = np.random.default_rng([77, seed]).choice(size, size // 3, replace=False)
        gallery = marks.gallery(gallery.item_ids[~np.isin(gallery.class_ids, lacks)], base.classes)
    calibration = calibrate(gallery, k=NEIGHBOURS) if len(lacks) else base.calibration
    found: list[Explained] = []
    for number in range(count + count // 5):
        rng = np.random.default_rng([8, 100 + seed, number])
        own = [] if number >= count else rng.choice(len(base.classes), rng.integers(1, 3), replace=False).tolist()
        rows = [int(rng.choice(base.rows_of(class_id))) for class_id in own]
        one = catalogued(drawings, rows, "".join(rng.choice(list(SIGNS), rng.integers(2, 5))), rng)
        known = [(c, place) for c, place in zip(own, one.places, strict=True) if c not in lacks]

        asked = ask_page(one.picture, gallery=gallery, calibration=calibration, embedder=embedder, k=NEIGHBOURS)
        if asked is not None:
            found.append(_judged(asked.page, asked.candidates, known))
    return found


def _judged(page: Page, candidates: Sequence[Candidate], known: list[tuple[int, tuple[float, float]]]) -> Explained:
    """The explanations, judged by the ``known`` marks: the class of each, and from where to where it is."""
    sets, features = explanations(page, candidates)
    named = {one.at: one.class_id for one in candidates}

    def which(at: int) -> int | None:
        x, _, w, _ = page.groups[at].region.box
        for number, (class_id, (left, right)) in enumerate(known):
            both = min(x + w, right) - max(x, left)
            if named[at] == class_id and both >= 0.5 * (max(x + w, right) - min(x, left)):
                return number
        return None

    hits = [len({which(at) for at in marks} - {None}) for marks in sets]
    worth = np.array([2 * hit - len(marks) for hit, marks in zip(hits, sets, strict=True)])
    right = [hit == len(known) == len(marks) for hit, marks in zip(hits, sets, strict=True)]
    return Explained(features, worth == worth.max(), np.array(right))


def fitted(found: Sequence[Explained]) -> np.ndarray:
    """The weights (F,) of the `FEATURES`, the last `GIVEN` of them as they are."""
    given = np.array(WEIGHTS[-GIVEN:])

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.append(free, given)
        value, slope = RIDGE * float(free @ free), 2 * RIDGE * np.append(free, 0 * given)
        for one in found:
            odds = one.features @ weights
            every, best = logsumexp(odds), logsumexp(odds[one.best])
            value += every - best
            slope = slope + np.exp(odds - every) @ one.features
            slope = slope - np.exp(odds[one.best] - best) @ one.features[one.best]
        return value, slope[:-GIVEN]

    return np.append(minimize(loss, np.zeros(len(FEATURES) - GIVEN), jac=True, method="L-BFGS-B").x, given)


if __name__ == "__main__":
    main()
