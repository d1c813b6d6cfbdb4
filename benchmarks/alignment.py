"""Measure what laying strokes over one another brings: the first name, and telling right from the best wrong one.

    python benchmarks/alignment.py [--quick] [--tasks 20]

Closed set, one shot, icons -> drawings, and trials of twenty characters of one Omniglot alphabet, drawn by two people:
with the vote alone, and with the strokes of the likeliest classes compared (`core.recognition.verdicts.compared`)
for every question, not only those in doubt. Nothing is fitted on what is asked.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from _marks import Marks, marks_of  # noqa: E402
from accuracy import NEIGHBOURS, SHARED, Share, split  # noqa: E402

from core.embedding.gallery import Gallery  # noqa: E402
from core.recognition.evidence import misfit  # noqa: E402
from core.recognition.ranking import ClassAnswer, rank  # noqa: E402
from core.recognition.verdicts import CANDIDATES, compared  # noqa: E402

PEOPLE, WAYS = 20, 20  # of Omniglot: drawers of every character; classes of a trial


@dataclass
class Asked:
    """Answers without and with strokes: whether the first is right, the score of the right class and of the best wrong
    one, and the milliseconds that comparing took."""

    right: list[tuple[bool, bool]] = field(default_factory=list)
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)

    def ask(self, marks: Marks, row: int, gallery: Gallery, truth: int) -> None:
        before = rank(marks.vectors[row], gallery, k=NEIGHBOURS, top=CANDIDATES)
        started = time.perf_counter()
        after = compared(marks.outlines[row], before, gallery)
        self.spent.append(1000 * (time.perf_counter() - started))
        self.right.append((before[0].class_id == truth, after[0].class_id == truth))
        scores = [_two(values, found, truth) for found, values in ((before, _alike(before)), (after, _laid(after)))]
        if None not in scores:
            self.pairs.append((scores[0], scores[1]))  # type: ignore[arg-type]
        self.pictures.add(row)

    def line(self, name: str) -> str:
        cells = []
        for way in (0, 1):
            share = Share(sum(pair[way] for pair in self.right), len(self.right), len(self.pictures))
            cells.append(f"{share!s:22} {_auroc(np.array([pair[way] for pair in self.pairs])):.3f}   ")
        times = np.quantile(self.spent, [0.5, 0.95])
        return f"{name:22}{''.join(cells)}{times[0]:6.1f} {times[1]:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two draws instead of ten, eight tasks")
    parser.add_argument("--tasks", type=int, default=60)
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    draws, tasks = (2, 8) if options.quick else (10, options.tasks)
    marks = marks_of(("drawings", "icons", "characters"))
    print("Rank 1 in per cent with Wilson 95 % intervals over different pictures; AUROC of the right class's score")
    print("against the best wrong one's; the time that comparing strokes takes: p50 and p95 in ms.")
    print(f"{'':22}{'vote':22} {'AUROC':8}{'strokes':22} {'AUROC':8}{'p50':>6} {'p95':>6}")
    drawings = marks["drawings"]
    print(of_drawings(drawings, draws, share=0.7).line("closed set"), flush=True)
    print(of_drawings(drawings, draws, shots=1).line("one shot"), flush=True)
    print(of_icons(marks["icons"], drawings).line("icons -> drawings"), flush=True)
    print(of_trials(marks["characters"], tasks).line("Omniglot, 20 ways"), flush=True)


def of_drawings(marks: Marks, draws: int, *, share: float = 0.0, shots: int = 0) -> Asked:
    asked = Asked()
    for draw in range(draws):
        rows, queries = split(marks.names, draw, share=share, shots=shots)
        classes = np.unique(marks.names[rows])
        gallery = marks.gallery(rows, classes)
        for row in queries.tolist():
            asked.ask(marks, row, gallery, int(np.searchsorted(classes, marks.names[row])))
    return asked


def of_icons(icons: Marks, drawings: Marks) -> Asked:
    asked, classes = Asked(), np.unique(icons.names)
    gallery = icons.gallery(np.arange(len(icons.names)), classes, kind="icon")
    for row in np.flatnonzero(np.isin(drawings.names, classes)).tolist():
        asked.ask(drawings, row, gallery, int(np.searchsorted(classes, drawings.names[row])))
    return asked


def of_trials(characters: Marks, tasks: int) -> Asked:
    """Each task: twenty characters of one alphabet by one person are the base, those of another are asked."""
    asked = Asked()
    alphabets = np.array([name.split("/")[-2] for name in characters.names])
    for task in range(tasks):
        rng = np.random.default_rng([19, task])
        here = characters.names[alphabets == np.unique(alphabets)[task % len(np.unique(alphabets))]]
        classes = np.sort(rng.permutation(np.unique(here))[:WAYS])
        first, second = rng.permutation(PEOPLE)[:2]
        rows = np.array([np.flatnonzero(characters.names == name) for name in classes])  # the files tell the people
        gallery = characters.gallery(rows[:, first], classes)
        for truth, row in enumerate(rows[:, second].tolist()):
            asked.ask(characters, row, gallery, truth)
    return asked


def _alike(answer: list[ClassAnswer]) -> np.ndarray:
    return np.array([found.similarity for found in answer])


def _laid(answer: list[ClassAnswer]) -> np.ndarray:
    """Similarity less what the strokes take from it; classes not in play come last."""
    return np.array([
        found.similarity - float(misfit(np.array(found.strokes))) if found.strokes else found.similarity - 1.0
        for found in answer
    ])  # fmt: skip


def _two(values: np.ndarray, answer: list[ClassAnswer], truth: int) -> tuple[float, float] | None:
    own = [value for value, found in zip(values, answer, strict=True) if found.class_id == truth]
    others = [value for value, found in zip(values, answer, strict=True) if found.class_id != truth]
    return (float(own[0]), float(max(others))) if own and others else None


def _auroc(pairs: np.ndarray) -> float:
    right, wrong = pairs.T
    return float((right[:, None] > wrong).mean() + 0.5 * (right[:, None] == wrong).mean())


if __name__ == "__main__":
    main()
