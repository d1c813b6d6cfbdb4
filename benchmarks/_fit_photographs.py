"""The map from what is read in a photograph to where the drawing would lie, fitted on made photographs.

Marks of line art and random ones are photographed in the finder's scenes (`finder.Scenes`), read in a box that is
about right, and seen in each way that `core.embedding.photograph_map` sees them; drawings of the same marks say where
the vectors should come to lie. Ridge regression (Hoerl and Kennard 1970). Marks that were kept out, on grounds that
were kept out, say how much it helps. No real drawing is read.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import _fit_head
import cv2
import finder
import numpy as np
import reader
from _line_art import templates
from _sources import SOURCES

from core.embedding.embedder import Embedder, load_embedder
from core.embedding.photograph_map import end_to_end, fitted_to, seen_otherwise, views
from core.embedding.plans import HEADS, mapped_heads
from core.embedding.weights import DEFAULT_ARCHITECTURE, resolve
from core.ground.config import Preprocessing
from core.ground.preprocessing import see
from core.ground.workspace import Workspace
from core.sight.marks import Subject, read_boxes
from core.synthesis.drawing import draw
from core.synthesis.marks import random_template
from core.synthesis.strokes import Template

HELD_OUT, ASKED = 90, 400  # marks that only validate, and photographs of them
DRAWN = 3  # drawings of each mark, the first printed
BOXES = 2  # readings of each photograph, in boxes that are about right
RIDGE = 20.0
RANDOM = 0.3  # share of random marks
SIDES, WHOLE, TABLES = (96, 128, 192, 256), 512, 0.3  # px of scenes and of tables, and the share of these
MOST_STROKES = 12
CHUNK = 50


def write(folder: Path, photographs: int) -> None:
    """Fit on so many photographs, and write the map beside the heads. ``folder`` is the finder's."""
    packages = folder / "packages"
    known = marks(packages)
    starts = range(0, photographs, CHUNK)
    with ProcessPoolExecutor() as pool:
        made = list(pool.map(partial(_part, folder, count=CHUNK, held_out=False), starts))
        kept = list(pool.map(partial(_part, folder, count=CHUNK, held_out=True), range(0, ASKED, CHUNK)))
    read, drawn = (np.concatenate([part[i] for part in made]) for i in range(2))
    weight, bias = fitted(read, drawn)
    asked, drawings, of = (np.concatenate([part[i] for part in kept]) for i in range(3))
    print(f"{len(read)} photographs of {len(known)} marks and random ones")
    first = asked[:, 0]
    for label, vectors in (("strokes alone", first[:, 0]), ("mapped", _normalised(_flat(first) @ weight.T + bias))):
        print(f"  {label}: {_named(vectors, drawings, of):.1f} % of {len(of)} photographs of marks kept out are named")
    _save(weight, bias, len(read))


def marks(packages: Path) -> list[Template]:
    """Icons and glyphs, those that only validate first."""
    found = [(name, t) for source in SOURCES for name, t in templates(source, packages)]
    icons = [t for name, t in found if not name.startswith("@fontsource") and 2 <= len(t.strokes) <= 8]
    kept = {int(i) for i in np.random.default_rng(777).permutation(len(icons))[:HELD_OUT]}
    out = [icons[i] for i in sorted(kept)]
    apart = {id(t) for t in out}
    return out + [t for _, t in found if id(t) not in apart and len(t.strokes) <= MOST_STROKES]


def fitted(read: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight (D, V x D) and bias (D,) from ``read`` (N, B, V, D) to the mean of ``drawn`` (N, P, D)."""
    wanted = np.repeat(_normalised(drawn.mean(axis=1)), read.shape[1], axis=0).astype(np.float64)
    given = _flat(read.reshape(-1, *read.shape[2:])).astype(np.float64)
    given = np.column_stack([given, np.ones(len(given))])
    normal = given.T @ given + RIDGE * np.eye(given.shape[1])
    solved = np.linalg.solve(normal, given.T @ wanted)
    return solved[:-1].T, solved[-1]


def _flat(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(len(vectors), -1)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _named(vectors: np.ndarray, drawings: np.ndarray, of: np.ndarray) -> float:
    """Rank 1 in per cent, all marks' drawings together being the base."""
    base, owner = drawings.reshape(-1, drawings.shape[-1]), np.repeat(of, drawings.shape[1])
    return 100 * float((owner[(vectors @ base.T).argmax(axis=1)] == of).mean())


def _save(weight: np.ndarray, bias: np.ndarray, photographs: int) -> None:
    weights, preprocessing = resolve(DEFAULT_ARCHITECTURE, allow_network=False), Preprocessing()
    facts = {
        "fitted_to": fitted_to(weights, preprocessing, mapped_heads(weights, preprocessing)),
        "fitted_on": f"{photographs} made photographs, {BOXES} readings each",
    }
    path = HEADS / f"{weights.architecture}-photographs.safetensors"
    _fit_head.save_tensors(path, {"weight": weight, "bias": bias}, facts)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


# ---- photographs


@dataclass(frozen=True)
class _Made:
    """What a process opens once."""

    marks: list[Template]
    grounds: finder.Grounds
    encoders: list[Embedder]  # of strokes and of the other views

    def drawn(self, template: Template, rng: np.random.Generator) -> np.ndarray:
        pages = [draw(template, rng, style="drawing" if i else "icon", size=128) for i in range(DRAWN)]
        return self.encoders[0].embed(np.stack([see(page, self.encoders[0].preprocessing) for page in pages]))

    def read(self, subjects: list[Subject]) -> np.ndarray:
        """(N, V, D)."""
        preprocessing = self.encoders[0].preprocessing
        strokes = np.stack([see(one.picture, preprocessing) for one in subjects])
        cut, whole = seen_otherwise(subjects, preprocessing)
        seen = (strokes, cut, whole)
        first, second, third = (e.embed(s) for e, s in zip(self.encoders, seen, strict=True))
        return end_to_end(first, second, third)


@lru_cache(maxsize=2)
def _opened(folder: Path, held_out: bool) -> _Made:
    cv2.setNumThreads(1)
    preprocessing = Preprocessing()
    with tempfile.TemporaryDirectory() as room:
        shown = (preprocessing, *views(preprocessing))
        encoders = [load_embedder(Workspace(Path(room)), preprocessing=view) for view in shown]
    known = marks(folder / "packages")
    return _Made(
        known[:HELD_OUT] if held_out else known[HELD_OUT:], finder.Built(folder).grounds(held_out=held_out), encoders
    )


def _part(folder: Path, start: int, *, count: int, held_out: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photographs from number ``start`` on: what was read in each, the drawings' vectors, and the mark of each."""
    made, rows = _opened(folder, held_out), []
    for number in range(start, start + count):
        rng = np.random.default_rng([31, int(held_out), number])
        which = number % HELD_OUT if held_out else int(rng.integers(len(made.marks)))
        template = made.marks[which]
        if not held_out and rng.random() < RANDOM:
            template = random_template(rng) if rng.random() < 0.8 else _fit_head.scribbled(rng)
        if (subjects := _photographed(template, made.grounds, rng)) is not None:
            rows.append((made.read(subjects), made.drawn(template, rng), which))
    read, drawn, of = zip(*rows, strict=True)
    return np.stack(read).astype(np.float32), np.stack(drawn).astype(np.float32), np.array(of)


def _photographed(template: Template, grounds: finder.Grounds, rng: np.random.Generator) -> list[Subject] | None:
    """`BOXES` readings of one photograph of the mark; None where it cannot be seen in it."""
    scenes = finder.Scenes([finder.shaped(template, rng)], grounds, rng)
    if rng.random() < TABLES:
        made = finder._framed(scenes.table(WHOLE, marks=1), rng)
    else:
        side = int(rng.choice(SIDES))
        made = scenes.next(side, marks=1, extent=(max(0.1, 18 / side), 0.95))
    if rng.random() < 0.5:
        made = finder._enlarged(made, rng)
    if not len(made.boxes):
        return None
    box = tuple(float(v) for v in made.boxes[0])
    return read_boxes(made.picture, [reader._moved(box, rng, 0.04) for _ in range(BOXES)])
