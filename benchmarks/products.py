"""How often the right product is found, from its marks and its code, and how long that takes among 10,000.

    python benchmarks/products.py [--products 500] [--shelves 6] [--photographs 40]

Products are made: one to four marks of the shared drawings' classes and a code, no two with the same of both; several
times as many, since a few that are alike in all but a sign decide a per cent. The base
holds half of each class's drawings; each product is asked with drawings of the other half: all marks and the code, one
mark missing, one wrong, one sign of the code misread, and its marks photographed on made lenses. Before that, the
temperature of a mark's probabilities is fitted on Omniglot's characters, which nothing else here looks at.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import _photographed as made  # noqa: E402
from _marks import Marks, marks_of  # noqa: E402
from accuracy import NEIGHBOURS, SHARED, read_data  # noqa: E402

from core.catalogue.records import Carried, Product  # noqa: E402
from core.embedding.embedder import load_embedder  # noqa: E402
from core.embedding.gallery import Gallery  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.products import finding  # noqa: E402
from core.products.codes import ALIKE  # noqa: E402
from core.products.finding import CANDIDATES, Found, find, probabilities  # noqa: E402
from core.recognition.calibrate import Calibration, calibrate  # noqa: E402
from core.recognition.identify import Answer, identify_marks  # noqa: E402
from core.recognition.metrics import wilson  # noqa: E402

SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
AIMS = {"all marks and code": 99, "one mark missing": 95, "one mark wrong": 95, "one sign misread": 97}
TEMPERATURES = (0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2)


@dataclass(frozen=True)
class Base:
    """A gallery of half of the drawings, and what is asked of it by drawing."""

    marks: Marks
    gallery: Gallery
    calibration: Calibration
    classes: np.ndarray
    asked: np.ndarray  # rows of the drawings that are not in the gallery

    @classmethod
    def of(cls, marks: Marks, *, seed: int = 0, share: float = 0.5) -> Base:
        rng = np.random.default_rng(seed)
        names, counts = np.unique(marks.names, return_counts=True)
        classes = names[counts > 1]
        held, asked = [], []
        for name in classes.tolist():
            rows = rng.permutation(np.flatnonzero(marks.names == name)).tolist()
            cut = max(1, min(len(rows) - 1, round(share * len(rows))))
            held, asked = held + rows[:cut], asked + rows[cut:]
        gallery = marks.gallery(np.array(held), classes)
        return cls(marks, gallery, calibrate(gallery, k=NEIGHBOURS), classes, np.array(asked))

    def answer(self, row: int) -> Answer:
        classes, verdict = self.marks.answer(row, self.gallery, self.calibration, top=CANDIDATES)
        return Answer(verdict, classes, np.empty(0), self.marks.vectors[row])

    def rows_of(self, class_id: int) -> np.ndarray:
        return self.asked[self.marks.names[self.asked] == self.classes[class_id]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--shelves", type=int, default=6, help="how often as many are made, each searched by itself")
    parser.add_argument("--photographs", type=int, default=40, help="products asked with photographs of their marks")
    parser.add_argument("--catalogue", type=int, default=60, help="made catalogue pictures that are read")
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    marks = marks_of(("drawings", "characters"))
    fit_temperature(Base.of(marks["characters"], share=0.25))
    base = Base.of(marks["drawings"])
    right = np.mean([base.classes[base.answer(r).classes[0].class_id] == base.marks.names[r] for r in base.asked[::3]])
    print(f"{len(base.gallery)} references of {len(base.classes)} classes; a mark alone is named rightly {right:.1%}\n")
    count, classes = options.products, len(base.classes)
    shelves = [make_products(count, classes, np.random.default_rng(17 + number)) for number in range(options.shelves)]
    drawings(base, shelves)
    if options.photographs:
        photographs(base, shelves[0], options.photographs)
    if options.catalogue:
        catalogue(base, options.catalogue)
    timed(base)


def fit_temperature(base: Base) -> None:
    """The mean log-probability of the right class at each temperature, on characters."""
    rows = np.random.default_rng(3).permutation(base.asked)[:600]
    answers = [(base.answer(row), base.marks.names[row]) for row in rows.tolist()]
    print("Log-likelihood a mark of Omniglot, by temperature: ", end="")
    for temperature in TEMPERATURES:
        finding.TEMPERATURE, kept = temperature, finding.TEMPERATURE
        shares = [
            {base.classes[c]: p for c, p in probabilities(answer).items()}.get(name, 0.0) for answer, name in answers
        ]
        finding.TEMPERATURE = kept
        print(f"{temperature}: {np.log(np.maximum(shares, 0.002)).mean():.4f}", end="  ", flush=True)
    print(f"(in use: {finding.TEMPERATURE})")


def make_products(count: int, classes: int, rng: np.random.Generator) -> list[Product]:
    """Products of one to four marks and a code of one to four signs, none like another."""
    known: set[tuple] = set()
    shelf = []
    while len(shelf) < count:
        own = sorted(rng.choice(classes, rng.integers(1, 5), replace=False).tolist())
        code = "".join(rng.choice(list(SIGNS), rng.integers(1, 5)))
        if (*own, code) not in known:
            known.add((*own, code))
            number = len(shelf) + 1
            shelf.append(Product(f"product {number}", "", code, {}, tuple(map(Carried, own)), id=number))
    return shelf


def misread(code: str, rng: np.random.Generator) -> str:
    """One sign taken for another, for one that looks like it where there is such in half of the cases."""
    at = int(rng.integers(len(code)))
    group = next((group for group in ALIKE if code[at] in group), "")
    others = [sign for sign in group if sign != code[at] and sign in SIGNS]
    if not others or rng.random() < 0.5:
        others = [sign for sign in SIGNS if sign != code[at]]
    return code[:at] + str(rng.choice(others)) + code[at + 1 :]


def drawings(base: Base, shelves: Sequence[Sequence[Product]]) -> None:
    answers: dict[int, dict[int, float]] = {}

    def mark(class_id: int, rng: np.random.Generator) -> dict[int, float]:
        row = int(rng.choice(base.rows_of(class_id)))
        if row not in answers:
            answers[row] = probabilities(base.answer(row))
        return answers[row]

    def missing(p: Product, rng: np.random.Generator) -> tuple[list[int], str] | None:
        own = [m.class_id for m in p.marks]
        return (own[: (gone := int(rng.integers(len(own))))] + own[gone + 1 :], p.code) if len(own) > 1 else None

    def wrong(p: Product, rng: np.random.Generator) -> tuple[list[int], str]:
        own = [m.class_id for m in p.marks]
        own[int(rng.integers(len(own)))] = int(rng.choice([c for c in range(len(base.classes)) if c not in own]))
        return own, p.code

    ways: dict[str, Callable[[Product, np.random.Generator], tuple[list[int], str] | None]] = {
        "all marks and code": lambda p, rng: ([m.class_id for m in p.marks], p.code),
        "all marks, no code": lambda p, rng: ([m.class_id for m in p.marks], ""),
        "one mark missing": missing,
        "one mark wrong": wrong,
        "one sign misread": lambda p, rng: ([m.class_id for m in p.marks], misread(p.code, rng)),
    }
    print(f"{len(shelves)} times {len(shelves[0])} products; Wilson 95 % intervals")
    print(f"{'':26}{'rank 1':24}{'rank 5':24}{'certain, wrong':16}aim")
    for number, (label, way) in enumerate(ways.items()):
        outcomes = []
        for at, shelf in enumerate(shelves):
            for product in shelf:
                rng = np.random.default_rng([5, number, at, product.id])
                asked = way(product, rng)
                if asked is not None:
                    outcomes.append((product, find(shelf, [mark(c, rng) for c in asked[0]], code=asked[1])))
        line(label, outcomes)


def photographs(base: Base, shelf: Sequence[Product], count: int) -> None:
    """Each mark of a product on a made lens, in a loose crop."""
    pictures = read_data(every=400).drawings
    outcomes = []
    embedder = load_embedder(Workspace("."))
    about = {"gallery": base.gallery, "calibration": base.calibration, "embedder": embedder}
    for product in shelf[:count]:
        rng = np.random.default_rng([6, product.id])
        marks = []
        for carried in product.marks:
            row = int(rng.choice(base.rows_of(carried.class_id)))
            drawing = np.asarray(pictures.images[row].convert("L"))
            photograph = made.developed(made.lens(drawing, rng), "loose crop", rng)
            (first, *_) = identify_marks(Image.fromarray(photograph.picture), **about, k=NEIGHBOURS, top=CANDIDATES)  # type: ignore[arg-type]
            if found := probabilities(first):
                marks.append(found)
        outcomes.append((product, find(shelf, marks, code=product.code)))
    line("photographs of lenses", outcomes)


def catalogue(base: Base, count: int, *, seed: int = 23) -> None:
    """Made catalogue pictures: one or two marks with a code beside them, and a fifth with letters alone."""
    from _catalogue import catalogued

    from core.products.letters import can_read
    from core.products.pictures import read_picture

    drawings, embedder = read_data(every=400).drawings.images, load_embedder(Workspace("."))
    about = {"gallery": base.gallery, "calibration": base.calibration, "embedder": embedder, "k": NEIGHBOURS}
    right = letters_right = letters = certain = wrong = alone = 0
    spent = []
    for number in range(count + count // 5):
        rng = np.random.default_rng([8, seed, number])
        marks = [] if number >= count else rng.choice(len(base.classes), rng.integers(1, 3), replace=False).tolist()
        rows = [int(rng.choice(base.rows_of(class_id))) for class_id in marks]
        code = "".join(rng.choice(list(SIGNS), rng.integers(2, 5)))
        one = catalogued(drawings, rows, code, rng)
        started = time.perf_counter()
        read = read_picture(one.picture, **about)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - started)
        named = sorted(m.answer.classes[0].class_id for m in read.marks if m.answer.verdict != "unknown")
        sure = [m for m in read.marks if m.answer.verdict == "certain"]
        if not marks:
            alone, certain = alone + 1, certain + bool(sure)
            continue
        right += named == sorted(marks)
        wrong += any(m.answer.classes[0].class_id not in marks for m in sure)
        matched = Levenshtein.distance(code, read.code.replace(" ", "").upper())
        letters, letters_right = letters + len(code), letters_right + max(0, len(code) - matched)
    for label, hits, of, aim in (
        ("every mark named right", right, count, 95), ("the code's letters right", letters_right, letters, 85),
    ):  # fmt: skip
        low, high = wilson(hits, of)
        met = "met" if 100 * hits >= aim * of else "MISSED"
        print(
            f"catalogue pictures, {label}: {100 * hits / of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]; {aim} %: {met}"
        )
    if not can_read():
        print("(nothing to read letters with: install the extra ocr)")
    print(f"a wrong mark with certainty in {wrong} of {count}; letters alone called a mark with certainty: "
          f"{certain} of {alone}; {np.median(spent):.2f} s a picture\n", flush=True)  # fmt: skip


def line(label: str, outcomes: Sequence[tuple[Product, Found]]) -> None:
    ranks = [next((at for at, fit in enumerate(f.fits) if fit.product_id == p.id), 99) for p, f in outcomes]
    sure = sum(f.verdict == "certain" and rank > 0 for (_, f), rank in zip(outcomes, ranks, strict=True))

    def share(hits: int) -> str:
        low, high = wilson(hits, len(ranks))
        return f"{100 * hits / len(ranks):5.1f} [{100 * low:4.1f}, {100 * high:4.1f}]"

    first, five = sum(r == 0 for r in ranks), sum(r < 5 for r in ranks)
    aim = AIMS.get(label)
    met = "" if aim is None else f"{aim} %: {'met' if 100 * first >= aim * len(ranks) else 'MISSED'}"
    print(f"{label:26}{share(first):24}{share(five):24}{sure:4d} / {len(ranks):<9d}{met}", flush=True)


def timed(base: Base) -> None:
    """Ranking among 10,000 products."""
    shelf = make_products(10_000, len(base.classes), np.random.default_rng(1))
    marks = [probabilities(base.answer(row)) for row in base.asked[:4].tolist()]
    spent = []
    for _ in range(10):
        started = time.perf_counter()
        find(shelf, marks, code="A7K")
        spent.append(1000 * (time.perf_counter() - started))
    middle = float(np.median(spent))
    print(f"\n10,000 products, 4 marks and a code: {middle:.0f} ms (aim < 300: {'met' if middle < 300 else 'MISSED'})")


if __name__ == "__main__":
    main()
