"""Fit what the verdicts start from: how much an answer says, and what foreign marks reach by chance, on line art.

    python benchmarks/prior.py --build FOLDER

Makes assets/verdicts.json (`core.recognition.evidence`) from icons, glyphs of free fonts and random marks that the
encoder was not fitted on, each drawn by four hands. FOLDER keeps what is fetched and made on the way; it may be that of
`pretrain`. No drawing, photograph or character of the shared data is read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import pretrain  # noqa: E402
from _sources import SOURCES  # noqa: E402

from core.embedding.embedder import load_embedder  # noqa: E402
from core.ground.config import Preprocessing  # noqa: E402
from core.ground.outlines import outline_of, pack, unpack  # noqa: E402
from core.ground.preprocessing import _redrawn  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.recognition import evidence  # noqa: E402
from core.recognition.alignment import align  # noqa: E402
from core.recognition.cohesion import cohesion, siblings  # noqa: E402
from core.recognition.evidence import SHIPPED, Prior  # noqa: E402
from core.synthesis.marks import random_template  # noqa: E402
from core.synthesis.strokes import Template  # noqa: E402

SIZES, EACH = (1, 2, 3, 5, 10, 20, 40, 80, 160), (1, 3)  # bases: classes, references a class
PICTURES = 240  # outcomes kept of each size, foreign and known
QUESTIONS = 160  # asked of each size, kind of line art, and foreign or known
CLASSES = {"random": 400, "icons": 350, "glyphs": 350}
HANDS = 4
USUAL = 0.67  # cohesion of a class of line art, as this script finds it
COMPARED = 8  # classes that a mark is laid over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.build is None:
        print("Name a folder with --build to fetch line art and fit the prior.")
        return
    started = time.perf_counter()
    kinds = [Kind(drawn) for drawn in line_art(options.build).values()]
    print(f"{sum(len(kind.vectors) for kind in kinds)} pictures, {time.perf_counter() - started:.0f} s", flush=True)
    rows = {(each, size): [kind.asked(size, each) for kind in kinds] for each in EACH for size in SIZES}
    fitted(rows, kinds[0].space)
    print(f"{SHIPPED}, {time.perf_counter() - started:.0f} s")


def line_art(folder: Path) -> dict[str, np.ndarray]:
    """(C, HANDS, S, S) uint8 of each kind, as the model sees them: classes that `pretrain` did not fit on."""
    held = folder / "prior.npz"
    if held.is_file():
        return dict(np.load(held))
    with ProcessPoolExecutor() as pool:
        found = [t for part in pool.map(partial(pretrain._listed, folder / "packages"), SOURCES) for t in part]
        used = {name for name, _ in pretrain.chosen(found)[pretrain.HELD_OUT :]}
        left = [t for t in found if t[0] not in used and len(t[1].strokes) <= pretrain.SIMPLE]
        rng, marks = np.random.default_rng(3), np.random.default_rng(99)
        kinds = {
            "random": [(f"synthetic/b{i}", random_template(marks)) for i in range(CLASSES["random"])],
            "icons": _some([t for t in left if "fontsource" not in t[0]], CLASSES["icons"], rng),
            "glyphs": _some([t for t in left if "fontsource" in t[0] and "klee" not in t[0]], CLASSES["glyphs"], rng),
        }
        drawn = {name: np.stack(list(pool.map(hands, some, chunksize=16))) for name, some in kinds.items()}
    np.savez_compressed(held, **drawn)
    return drawn


def _some(found: list, count: int, rng: np.random.Generator) -> list:
    return [found[i] for i in rng.permutation(len(found))[:count]]


def hands(named: tuple[str, Template]) -> np.ndarray:
    """(HANDS, S, S) uint8: one mark by several people."""
    name, template = named
    rng = np.random.default_rng([5, zlib.crc32(name.encode())])
    inks = list(pretrain.inks(template, rng))[-HANDS:]
    return np.stack([_redrawn(ink, Preprocessing().size) for ink in inks])


class Kind:
    """One kind of line art: its vectors and outlines, by class and hand."""

    def __init__(self, drawn: np.ndarray) -> None:
        flat = np.repeat(drawn.reshape(-1, *drawn.shape[2:])[..., None], 3, axis=3)
        with tempfile.TemporaryDirectory() as folder:
            embedder = load_embedder(Workspace(folder))
            self.vectors, self.space = embedder.embed(flat).reshape(*drawn.shape[:2], -1), embedder.space
        made = np.stack([unpack(pack(outline_of(each))) for each in flat])
        self.outlines = made.reshape(*drawn.shape[:2], *made.shape[1:])

    def asked(self, size: int, each: int) -> list[np.ndarray]:
        """Marks of bases of ``size`` x ``each`` and as many of other classes: for each of both (T, 13): whether it is
        rightly named before and after the strokes are compared, and the features."""
        known, foreign = [], []
        draws = max(3, QUESTIONS // (4 * size) if size < 40 else 3)
        for draw in range(draws):
            rng = np.random.default_rng([size, each, draw])
            order = rng.permutation(len(self.vectors))
            base, others = order[:size], order[size:]
            vectors = self.vectors[base, :each]
            alike = siblings(vectors.reshape(size * each, -1), np.repeat(np.arange(size), each), usual=USUAL)
            of_class = cohesion(alike, np.repeat(np.arange(size), each), size) if each > 1 else np.full(size, np.nan)
            twins = twins_of(vectors)
            for _ in range(QUESTIONS // draws):
                place, hand = int(rng.integers(size)), int(rng.integers(each, HANDS))
                known.append(self._one(base, each, of_class, twins, base[place], hand, place))
                foreign.append(self._one(base, each, of_class, twins, int(rng.choice(others)), hand, -1))
        return [np.array(known), np.array(foreign)]

    def _one(
        self, base: np.ndarray, each: int, of_class: np.ndarray, twins: np.ndarray, row: int, hand: int, place: int
    ) -> np.ndarray:
        similarities = self.vectors[base, :each] @ self.vectors[row, hand]
        likeliest = np.argsort(-similarities.max(axis=1))[:COMPARED]
        similarity = similarities[likeliest].max(axis=1)
        references = self.outlines[base[likeliest], similarities[likeliest].argmax(axis=1)]
        found = align(self.outlines[row, hand], references)
        strokes = evidence.strokes_of(found, np.zeros(len(references), bool))
        left = similarity - evidence.misfit(strokes)
        first = int((similarity - strokes[:, 3]).argmax())
        nearest = likeliest[0]
        margin = evidence.margin(similarity[0], similarity[1:])
        before = evidence.at_sight(similarity[0], margin, of_class[nearest], twins[nearest])
        margin = evidence.margin(left[first], np.delete(left, first), least=evidence.LAID)
        named = likeliest[first]
        after = evidence.by_strokes(similarity[first], margin, of_class[named], twins[named], strokes[first])
        return np.concatenate([[likeliest[0] == place, likeliest[first] == place], before, after])


def twins_of(vectors: np.ndarray) -> np.ndarray:
    """Of classes (C, E, D) how alike their references are to the most alike other class, (C,)."""
    flat = vectors.reshape(-1, vectors.shape[-1])
    alike = (flat @ flat.T).reshape(*vectors.shape[:2], *vectors.shape[:2]).max(axis=3)
    alike[np.arange(len(vectors)), :, np.arange(len(vectors))] = -1
    best = alike.max(axis=2)
    return np.where(best > -1, best, evidence.ALONE).mean(axis=1)


def fitted(rows: dict[tuple[int, int], list[list[np.ndarray]]], space: str) -> None:
    """Fit both regressions, every size and both kinds of question with the same weight, and write the file."""
    from sklearn.linear_model import LogisticRegression

    cells = {key: [np.concatenate(part) for part in zip(*kinds, strict=True)] for key, kinds in rows.items()}
    table = np.concatenate([part for cell in cells.values() for part in cell])
    known = np.concatenate([np.full(len(part), at == 0) for cell in cells.values() for at, part in enumerate(cell)])
    weight = np.concatenate([np.full(len(part), 1 / len(part)) for cell in cells.values() for part in cell])
    typical = float(np.nanmean(table[known, 4]))

    def regression(right: int, columns: slice) -> np.ndarray:
        features = np.nan_to_num(table[:, columns], nan=typical)
        spread = np.maximum(features.std(axis=0), 1e-3)
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(features / spread, known & (table[:, right] > 0), sample_weight=weight * len(weight) / weight.sum())
        return np.concatenate([model.intercept_, model.coef_[0] / spread])

    sight, strokes = regression(0, slice(2, 6)), regression(1, slice(6, 13))
    prior = Prior(sight, strokes, typical, 0.0, *(np.empty(0),) * 4)

    def outcomes(part: np.ndarray) -> list[list[float]]:
        features = np.nan_to_num(part, nan=typical)
        pairs = np.stack([prior.before(features[:, 2:6]), prior.after(features[:, 6:13])], axis=1)
        order = np.argsort(pairs[:, 0], kind="stable")[np.linspace(0, len(pairs) - 1, PICTURES).round().astype(int)]
        return pairs[order].round(2).tolist()

    foreign = smoothed([[outcomes(cells[each, size][1]) for size in SIZES] for each in EACH])
    named = [[outcomes(cells[each, size][0][cells[each, size][0][:, 1] > 0]) for size in SIZES] for each in EACH]
    one = cells[1, 1][1][:, 2]
    record = {
        "space": space,
        "sight": sight.round(4).tolist(), "strokes": strokes.round(4).tolist(), "cohesion": round(typical, 3),
        "least": round(float(np.quantile(one, 0.8)), 3), "classes": SIZES, "each": EACH,
        "foreign": foreign, "known": named,
    }  # fmt: skip
    SHIPPED.write_text(json.dumps(record, separators=(",", ":")) + "\n", "utf-8")
    for at, each in enumerate(EACH):
        for row, size in enumerate(SIZES):
            passing = np.quantile(np.array(foreign[at][row]), 0.95, axis=0)
            kept = (np.array(named[at][row]) >= passing).mean(axis=0)
            print(f"{size:4} x {each}: at 5 % foreign, known kept at sight {kept[0]:.3f}, by strokes {kept[1]:.3f}")


def smoothed(foreign: list[list[list[list[float]]]]) -> list[list[list[list[float]]]]:
    """The outcomes of every size moved so that what 5 % of them pass is a parabola of the size's logarithm: one size
    alone is asked from few bases, and is off by chance; what is reached by the nearest of n marks grows without
    steps."""
    out = np.array(foreign)
    for outcomes in out:
        passing = np.quantile(outcomes, 0.95, axis=1)
        for column in (0, 1):
            curve = np.polyval(np.polyfit(np.log(SIZES), passing[:, column], 2), np.log(SIZES))
            outcomes[:, :, column] += (curve - passing[:, column])[:, None]
    return out.round(2).tolist()


if __name__ == "__main__":
    main()
