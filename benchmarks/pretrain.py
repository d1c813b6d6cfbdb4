"""Train the encoder that Burin starts with, on line art that anyone may use: icons and glyphs of free fonts.

    python benchmarks/pretrain.py --build FOLDER [--mode strokes] [--steps 700] [--minutes 5]
    python benchmarks/pretrain.py --build FOLDER --mode plain
    python benchmarks/pretrain.py --build FOLDER --mode photographs [--photographs 10000]

The head for whole pictures (``plain``) is fitted on photographs of random marks, made here; nothing is fetched for it.
The map for what is read in ``photographs`` comes last, as it joins all heads; its FOLDER is that of finder.py.
Without ``--build`` it only names the sources and their licences. FOLDER keeps what is fetched and
made on the way: called again, it goes on where it stopped. Needs npm, and fontTools, which comes with
matplotlib. Writes assets/heads/ARCHITECTURE-MODE.safetensors. No real drawing is read.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import _contrast  # noqa: E402
import _fit_head  # noqa: E402
import _validate  # noqa: E402
from _line_art import templates  # noqa: E402
from _sources import SOURCES  # noqa: E402

from core.embedding.plans import HEADS  # noqa: E402
from core.embedding.weights import DEFAULT_ARCHITECTURE, resolve  # noqa: E402
from core.ground.config import Preprocessing  # noqa: E402
from core.ground.ink import Ink  # noqa: E402
from core.ground.preprocessing import VERSION, _cropped, _redrawn  # noqa: E402
from core.synthesis.hands import by_hand, random_hand  # noqa: E402
from core.synthesis.marks import random_template  # noqa: E402
from core.synthesis.strokes import Template  # noqa: E402

CLASSES = 6000  # of some 15,000
HELD_OUT = 300  # of them only validate
VIEWS, ICONS = 6, 2  # pictures of each class, and how many of them are printed
PAGE = 128  # px of the mark's larger side before `see`'s work on it
SIMPLE, SIMPLE_KANJI, KANJI = 16, 9, 1200  # most strokes; most strokes of a kanji and how many kanji take part
MARKS, HANDS = 1000, 8  # random marks of the closed-form half, and pictures of each
PHOTOGRAPHED, PHOTOGRAPHS = 1400, 8  # random marks for whole pictures, and made photographs of each
PHOTOGRAPHS_SHRINKAGE = 0.3
SYNTHETIC = 1500  # marks of `core.synthesis` and scribbles among the classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, metavar="FOLDER")
    parser.add_argument("--mode", choices=("strokes", "crop", "plain", "photographs"), default="strokes")
    parser.add_argument("--photographs", type=int, default=10_000, help="that the map for photographs is fitted on")
    parser.add_argument("--steps", type=int, default=0, help="of the trunk's training; 0 keeps the trunk as it is")
    parser.add_argument("--minutes", type=float, default=600, help="stop the training after these, to go on later")
    options = parser.parse_args()
    if options.build is None:
        for source in SOURCES:
            print(f"{source.package} {source.version}  {source.licence}")
        print("Name a folder with --build to train on them.")
        return
    if options.mode == "plain":
        of_photographs()
        return
    if options.mode == "photographs":
        import _fit_photographs

        _fit_photographs.write(options.build, options.photographs)
        return
    built = Built(options.build, options.mode)
    weights = resolve(DEFAULT_ARCHITECTURE, allow_network=False)
    trunk = None
    if options.steps:
        trunk = _contrast.trained(
            built.folder, built.views(), held_out=HELD_OUT, steps=options.steps, minutes=options.minutes
        )
        if trunk is None:
            print("Stopped; call again to go on.")
            return
    preprocessing = Preprocessing(options.mode)
    encode = _contrast.encoder(trunk)
    drawn = _fit_head.encoded(_fit_head.pictures(MARKS, HANDS, seed=11), preprocessing, encode)
    first = _fit_head.discriminant(drawn.reshape(MARKS, HANDS, -1))
    features = encode(built.views().reshape(-1, *built.views().shape[2:])).reshape(CLASSES, VIEWS, -1)
    second = _contrast.fitted(features[HELD_OUT:])
    weight, bias = _contrast.combined([first, second], features[HELD_OUT:], _fit_head.DIMENSION)

    def embed(seen: np.ndarray) -> np.ndarray:
        out = encode(seen) @ weight.T + bias
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    print(_validate.report(embed, built.folder / "packages", preprocessing, built.views()[:HELD_OUT]), flush=True)
    facts = {
        "weights_sha256": weights.sha256,
        "stage": _fit_head.STAGE,
        "grid": _fit_head.GRID,
        "seen": f"{options.mode}{preprocessing.size}-v{VERSION}",
        "fitted_on": f"{MARKS} random marks, then {CLASSES - HELD_OUT} classes of line art, {VIEWS} pictures each",
        "trunk_steps": options.steps,
    }
    path = HEADS / f"{weights.architecture}-{options.mode}.safetensors"
    _fit_head.save(path, weight, bias, facts, trunk)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def of_photographs() -> None:
    """Fit and write the head for whole pictures: linear discriminants of `PHOTOGRAPHED` random marks."""
    preprocessing, weights = Preprocessing("plain"), resolve(DEFAULT_ARCHITECTURE, allow_network=False)
    encode, rows = _contrast.encoder(), []
    make = partial(_fit_head.photographs, count=PHOTOGRAPHS, seed=41)
    with ProcessPoolExecutor() as pool:
        for number, made in enumerate(pool.map(make, range(HELD_OUT + PHOTOGRAPHED), chunksize=8)):
            rows.append(_fit_head.encoded(iter(made), preprocessing, encode).astype(np.float16))
            if number % 500 == 499:
                print(f"{number + 1} marks photographed", flush=True)
    features = np.stack(rows).astype(np.float32)
    weight, bias = _fit_head.discriminant(features[HELD_OUT:], shrinkage=PHOTOGRAPHS_SHRINKAGE)
    shown = features[:HELD_OUT] @ weight.T + bias
    shown /= np.linalg.norm(shown, axis=-1, keepdims=True)
    alike = shown[:, 0] @ shown[:, 1:].transpose(1, 2, 0)  # the first photograph of each is the base
    right = (alike.argmax(axis=1) == np.arange(HELD_OUT)).mean()
    print(f"{100 * right:.1f} % of other photographs of {HELD_OUT} marks that were kept out are named from one")
    facts = {
        "weights_sha256": weights.sha256,
        "stage": _fit_head.STAGE,
        "grid": _fit_head.GRID,
        "seen": f"{preprocessing.mode}{preprocessing.size}-v{VERSION}",
        "fitted_on": f"{PHOTOGRAPHED} random marks, {PHOTOGRAPHS} made photographs each",
    }
    path = HEADS / f"{weights.architecture}-plain.safetensors"
    _fit_head.save(path, weight, bias, facts)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


@dataclass(frozen=True)
class Built:
    """What is fetched and drawn, in ``folder``; each part is made when it is first asked for."""

    folder: Path
    mode: str

    @cached_property
    def templates(self) -> list[tuple[str, Template]]:
        """The classes, by name: icons, glyphs and random marks, mixed."""
        with ProcessPoolExecutor() as pool:
            found = [t for part in pool.map(partial(_listed, self.folder / "packages"), SOURCES) for t in part]
        return chosen(found)

    def views(self) -> np.ndarray:
        """(classes, views, side, side) uint8: what the model sees of each."""
        path = self.folder / f"views-{self.mode}.npy"
        if not path.is_file():
            started, classes = time.perf_counter(), self.templates
            make = _redrawn if self.mode == "strokes" else _cropped
            side = Preprocessing().size
            out = np.empty((len(classes), VIEWS, side, side), np.uint8)
            with ProcessPoolExecutor() as pool:
                for i, seen in enumerate(pool.map(partial(views, make=make, side=side), classes, chunksize=16)):
                    out[i] = seen
            np.save(path, out)
            print(f"{len(classes)} classes drawn, {time.perf_counter() - started:.0f} s", flush=True)
        return np.load(path, mmap_mode="r")


def _listed(folder: Path, source: object) -> list[tuple[str, Template]]:
    return list(templates(source, folder))  # type: ignore[arg-type]


def chosen(found: list[tuple[str, Template]]) -> list[tuple[str, Template]]:
    """`CLASSES` of them, simple enough to be marks, a few of the thousands of kanji, and random marks."""
    rng = np.random.default_rng(1)
    found = [t for t in found if len(t[1].strokes) <= (SIMPLE_KANJI if "klee" in t[0] else SIMPLE)]
    kanji = set(rng.permutation([name for name, _ in found if "klee" in name])[:KANJI])
    found = [t for t in found if "klee" not in t[0] or t[0] in kanji]
    for i in range(SYNTHETIC):
        found.append((f"synthetic/{i}", random_template(rng) if i % 2 else _fit_head.scribbled(rng)))
    order = np.random.default_rng(2).permutation(len(found))
    return [found[i] for i in order[:CLASSES]]


def views(named: tuple[str, Template], *, make: Callable[[Ink, int], np.ndarray], side: int) -> np.ndarray:
    """(VIEWS, side, side) uint8 of one class: the first `ICONS` printed, the others drawn by somebody each."""
    name, template = named
    rng = np.random.default_rng([5, zlib.crc32(name.encode())])
    return np.stack([make(ink, side) for ink in inks(template, rng)])


def inks(template: Template, rng: np.random.Generator) -> Iterator[Ink]:
    lines = [np.array(stroke.points) for stroke in template.strokes]
    for i in range(VIEWS):
        if i < ICONS:
            form = reshaped(lines, rng, 0.3 * rng.uniform(0, 1))
            filled = [j for j, s in enumerate(template.strokes) if s.solid]
            if rng.random() < 0.3:
                filled = [j for j, s in enumerate(template.strokes) if s.closed and rng.random() < 0.4]
            yield inked(form, float(rng.uniform(0.03, 0.085)), filled)
        else:
            form = reshaped(lines, rng, rng.uniform(0.2, 1.0))
            strokes = [replace(s, points=tuple(map(tuple, p))) for s, p in zip(template.strokes, form, strict=True)]
            drawn = by_hand(Template.of(strokes), rng, random_hand(rng))
            yield inked(drawn, float(rng.uniform(0.02, 0.06)), [])


def reshaped(lines: list[np.ndarray], rng: np.random.Generator, amount: float) -> list[np.ndarray]:
    """As `_fit_head.reshaped`, with other proportions too."""
    lean = np.eye(2) + amount * rng.normal(0, [[0.12, 0.10], [0.10, 0.12]])
    taller = np.exp(amount * rng.normal(0, 0.12)) ** 0.5
    lean = lean * np.array([[taller], [1 / taller]])
    frequencies, phases = rng.uniform(0.5, 1.6, (3, 2)), rng.uniform(0, 2 * np.pi, 3)
    heights = rng.normal(0, 0.03 * amount, (3, 2))
    out = []
    for line in lines:
        points = line - 0.5
        middle = points.mean(axis=0)
        points = (points - middle) * np.exp(rng.normal(0, 0.1 * amount)) + middle + rng.normal(0, 0.03 * amount, 2)
        out.append((points + np.sin(points @ frequencies.T * 2 * np.pi + phases) @ heights) @ lean.T + 0.5)
    return out


def inked(lines: list[np.ndarray], width: float, filled: list[int]) -> Ink:
    """The lines in ink ``width`` marks wide, as `see` would find it on a clean page (it is known here: no search)."""
    points = np.concatenate(lines)
    least, most = points.min(axis=0), points.max(axis=0)
    scale = 0.9 * PAGE / max(float((most - least).max()), 1e-6)
    move = PAGE / 2 + 12 - (least + most) / 2 * scale
    fixed = [np.rint((p * scale + move) * 16).astype(np.int32).reshape(-1, 1, 2) for p in lines]
    page = np.zeros((PAGE + 24, PAGE + 24), np.uint8)
    for i in filled:
        cv2.fillPoly(page, [fixed[i]], 255, cv2.LINE_AA, shift=4)
    cv2.polylines(page, fixed, False, 255, max(1, round(0.9 * width * PAGE)), cv2.LINE_AA, shift=4)
    x, y, w, h = cv2.boundingRect((page >= 128).astype(np.uint8))
    return Ink(page[y : y + h, x : x + w], 100, 255)


if __name__ == "__main__":
    main()
