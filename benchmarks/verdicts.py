"""Measure what "certain" is worth: foreign marks called certain against what was promised, known marks beside them.

    python benchmarks/verdicts.py [--quick] [--sizes 3 10] [--each 1]

Bases of 2 to 67 classes with 1, 2 and 5 references, drawn at random from the shared drawings. Asked are other drawings
of their classes, and foreign marks: drawings of other classes, Omniglot's characters, photographs of carved signs. The
product's own path is measured: gallery, calibration, answer. Nothing is fitted on what is asked.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from _marks import Marks, marks_of  # noqa: E402
from accuracy import NEIGHBOURS, SHARED, Share  # noqa: E402

from core.embedding.gallery import Gallery  # noqa: E402
from core.recognition.calibrate import Calibration, calibrate  # noqa: E402

SIZES, EACH = (1, 2, 3, 5, 10, 20, 40, 67), (1, 2, 5)
TARGET = 0.05
SOURCES = ("drawings", "characters", "photographs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a third of the draws")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="CLASSES")
    parser.add_argument("--each", type=int, nargs="+", default=EACH, metavar="REFERENCES")
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    marks = marks_of(("drawings", "characters", "photographs"))
    print(f"Per cent with Wilson 95 % intervals over different pictures; {100 * TARGET:.0f} % asked for.")
    print("Foreign: called certain, by where they come from. Known: certain and right, certain and wrong, refused.")
    print(f"{'base':>8} " + "".join(f"{name:22}" for name in (*SOURCES, "right", "wrong", "refused")) + "of itself")
    outcomes = []
    for each in options.each:
        for size in options.sizes:
            draws = max(3, (60 if size < 20 else 320) // size // (3 if options.quick else 1))
            found = asked(marks, size, each, draws=draws)
            if found:
                outcomes.append(found)
                print(found, flush=True)
    print("\nRisk against coverage: of the answers with the highest log-odds, over all bases, wrong or foreign ones, %")
    for share, risk in risk_against_coverage(outcomes):
        print(f"{100 * share:5.0f} %  {100 * risk:6.2f}")


@dataclass
class Outcome:
    """One size of base: by source, the verdict of each question, the picture asked, whether it is right, and its
    log-odds; and what the bases said of themselves."""

    size: int
    each: int
    asked: dict[str, list[tuple[str, int, bool, float]]]
    promised: list[Calibration]

    def share(self, source: str, verdict: str, right: bool | None = None) -> Share:
        rows = self.asked[source]
        hits = sum(v == verdict and (right is None or r == right) for v, _, r, _ in rows)
        return Share(hits, max(1, len(rows)), max(1, len({picture for _, picture, _, _ in rows})))

    def __str__(self) -> str:
        cells = [self.share(source, "certain") if self.asked[source] else "" for source in SOURCES]
        cells += [self.share("known", "certain", True), self.share("known", "certain", False)]
        cells.append(self.share("known", "unknown"))
        said = [c.false_accepts for c in self.promised if c.outside]
        own = f"{100 * np.mean(said):.1f} %" if said else "nothing"
        return f"{self.size:4} x {self.each} " + "".join(f"{cell!s:22}" for cell in cells) + own


def asked(marks: dict[str, Marks], size: int, each: int, *, draws: int) -> Outcome | None:
    """Ask ``draws`` bases of ``size`` classes; None where there are not as many with ``each`` references and one
    more."""
    drawings = marks["drawings"]
    counts = Counter(drawings.names.tolist())
    able = sorted(name for name, count in counts.items() if count > each)
    if size == max(SIZES):
        size = len(able)
    if len(able) < size:
        return None
    rows: dict[str, list[tuple[str, int, bool, float]]] = {name: [] for name in ("known", *SOURCES)}
    promised = []
    for draw in range(draws):
        rng = np.random.default_rng([31, size, each, draw])
        classes = rng.permutation(able)[:size]
        base, known = [], []
        for name in classes:
            own = rng.permutation(np.flatnonzero(drawings.names == name))
            base += own[:each].tolist()
            known += own[each:].tolist()
        gallery = drawings.gallery(np.array(base), classes)
        calibration = calibrate(gallery, false_accept_rate=TARGET, k=NEIGHBOURS)
        promised.append(calibration)
        strange = np.flatnonzero(~np.isin(drawings.names, classes))
        some = {"known": known, "drawings": strange, "characters": None, "photographs": None}
        for source, of in some.items():
            asked_of = drawings if source in ("known", "drawings") else marks[source]
            pool = np.arange(len(asked_of.names)) if of is None else np.array(of, int)
            for row in rng.permutation(pool)[: 40 if source == "known" else 25].tolist():
                rows[source].append(_one(asked_of, row, gallery, calibration, classes))
    return Outcome(size, each, rows, promised)


def _one(
    marks: Marks, row: int, gallery: Gallery, calibration: Calibration, classes: np.ndarray
) -> tuple[str, int, bool, float]:
    answer, verdict = marks.answer(row, gallery, calibration)
    right = bool(classes[answer[0].class_id] == marks.names[row])
    return verdict, row, right, calibration.score(answer)


def risk_against_coverage(outcomes: list[Outcome]) -> list[tuple[float, float]]:
    """Answered share of the known marks, and of everything answered at that threshold the share that is wrong: known
    marks with another's name, and as many foreign drawings as known ones."""
    known = [(value, right) for each in outcomes for _, _, right, value in each.asked["known"]]
    strange = np.sort([value for each in outcomes for _, _, _, value in each.asked["drawings"]])
    known.sort(reverse=True)
    out = []
    for share in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0):
        named = known[: max(1, round(share * len(known)))]
        foreign = (len(strange) - np.searchsorted(strange, named[-1][0])) / max(1, len(strange)) * len(known)
        wrong = sum(not right for _, right in named)
        out.append((share, (wrong + foreign) / (len(named) + foreign)))
    return out


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
