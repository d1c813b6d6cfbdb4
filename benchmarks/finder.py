"""Train the finder of marks on made scenes, on made grounds and on photographs and textures of free licence.

    python benchmarks/finder.py --build FOLDER [--steps 3600] [--minutes 90] [--boxes 900] [--again]

Without ``--build`` it only names the sources and their licences. FOLDER keeps what is fetched and made on the way:
called again, it goes on with what is missing; ``--again`` trains on, on other scenes, from the network that is there or
else from the shipped one.
Needs npm, apt-get and dpkg, and fontTools, which comes with matplotlib. Writes assets/finder. No real drawing is read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import _fit_head  # noqa: E402
import _grounds  # noqa: E402
from _line_art import templates  # noqa: E402
from _sources import SOURCES  # noqa: E402

from core.sight import network  # noqa: E402
from core.sight.groups import overlap  # noqa: E402
from core.sight.inputs import channels, evened  # noqa: E402
from core.sight.proposals import all_places  # noqa: E402
from core.synthesis.engraving import Form  # noqa: E402
from core.synthesis.hands import by_hand, random_hand  # noqa: E402
from core.synthesis.marks import random_template  # noqa: E402
from core.synthesis.scenes import Scene, scene  # noqa: E402
from core.synthesis.strokes import Template  # noqa: E402
from core.synthesis.tables import table  # noqa: E402

SIDE, BATCH = 128, 24  # px of a scene, and how many a step
FASTEST = 4e-3  # learning rate
ICONS, GLYPHS, RANDOM, SCRIBBLES = 3000, 1500, 3500, 500  # marks of each origin
PRINTED = 0.35  # of them are as printed, the others as somebody draws them
REAL, PHOTOGRAPHS = 0.6, 0.55  # share of the scenes on real grounds, and of photographs among these
PHOTOGRAPHED = ("mate", "lomiri", "plasma", "skimage", "sklearn", "matplotlib")  # the others hold textures
TABLE, TABLES, OF_TABLES = 384, 2, 6  # px of whole photographs; how many a step, and how many of its scenes they give
ON_TABLES, LARGEST = 0.4, 2000  # share of the judge's scenes that are tables; px: side of its pictures
LOOKED_AT, WHOLE_TABLES = (128, 192, 256, 384, 512), (512, 640, 768)  # px: sides of what the judge learns from
SMALLEST = 9  # px: no mark of a piece is smaller
PARTS = 8  # of the judge's scenes, each with its own seed: as many whatever the machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--minutes", type=float, default=600, help="be done with the training after these")
    parser.add_argument("--boxes", type=int, default=900, help="scenes that the judge is fitted on (0: not)")
    parser.add_argument("--again", action="store_true", help="train on from the network in FOLDER or the shipped")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.build is None:
        for source in (*SOURCES, *_grounds.PACKAGES):
            print(f"{source.package} {source.version or '(as installed)'}  {source.licence}")
        print("Name a folder with --build to train on them.")
        return
    built = Built(options.build)
    network.FINDER.parent.mkdir(parents=True, exist_ok=True)
    train(built, steps=options.steps, minutes=options.minutes, again=options.again, seed=options.seed)
    if options.boxes:
        fit_judge(built, scenes=options.boxes, seed=options.seed)


@dataclass(frozen=True)
class Built:
    """What is fetched and drawn, in ``folder``; each part is made when it is first asked for."""

    folder: Path

    @property
    def network(self) -> Path:
        return self.folder / "finder.pt"

    @cached_property
    def forms(self) -> list[Form]:
        """The marks: icons and glyphs, random marks and scribbles, each printed or drawn once."""
        path = self.folder / "forms.npz"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _save_forms(path, _drawn(self.folder / "packages"))
        return _load_forms(path)

    def grounds(self, *, held_out: bool) -> Grounds:
        pictures = _grounds.pictures(self.folder / "packages", held_out=held_out)
        photographs = [p for name, p in pictures.items() if name.startswith(PHOTOGRAPHED)]
        return Grounds(photographs, [p for name, p in pictures.items() if not name.startswith(PHOTOGRAPHED)])


@dataclass(frozen=True)
class Grounds:
    """Real grounds, (H, W, 3) uint8 each."""

    photographs: list[np.ndarray]
    textures: list[np.ndarray]

    def piece(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A piece of one of them, (side, side, 3) float32: sharp or blurred, of its contrast or of less."""
        pictures = self.photographs if rng.random() < PHOTOGRAPHS else self.textures
        picture = pictures[int(rng.integers(len(pictures)))]
        height, width = picture.shape[:2]
        least, most = min(0.7 * side, min(height, width)), min(height, width)
        size = int(np.exp(rng.uniform(np.log(least), np.log(most + 1e-6))))
        y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        how = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
        piece: np.ndarray = cv2.resize(picture[y : y + size, x : x + size], (side, side), interpolation=how)
        piece = piece.astype(np.float32)
        if rng.random() < 0.5:
            piece = cv2.GaussianBlur(piece, (0, 0), float(rng.uniform(0.4, 4)))
        if rng.random() < 0.5:
            mean = piece.mean(axis=(0, 1))
            piece = (piece - mean) * float(rng.uniform(0.2, 1.2)) + np.clip(mean + rng.normal(0, 25), 20, 235)
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        if rng.random() < 0.3:
            piece = piece.transpose(1, 0, 2)
        return np.clip(np.ascontiguousarray(piece), 0, 255)


# ---- the marks


def _drawn(packages: Path) -> list[Form]:
    rng = np.random.default_rng(3)
    found = [t for source in SOURCES for t in templates(source, packages)]
    icons = [t for name, t in found if not name.startswith("@fontsource") and len(t.strokes) <= 12]
    glyphs = [t for name, t in found if name.startswith("@fontsource") and len(t.strokes) <= 9]
    marks = [icons[i] for i in rng.permutation(len(icons))[:ICONS]]
    marks += [glyphs[i] for i in rng.permutation(len(glyphs))[:GLYPHS]]
    marks += [random_template(rng) for _ in range(RANDOM)] + [_fit_head.scribbled(rng) for _ in range(SCRIBBLES)]
    return [_form(template, rng) for template in marks]


def shaped(template: Template, rng: np.random.Generator) -> Form:
    """The mark as printed, or as somebody draws it."""
    form = Form.of(template)
    if rng.random() < PRINTED:
        return form
    lines = tuple(line.astype(np.float32) for line in by_hand(template, rng, random_hand(rng)))
    return Form(lines, form.solid if rng.random() < 0.3 else ())


def _form(template: Template, rng: np.random.Generator) -> Form:
    form = shaped(template, rng)
    fewer = tuple(p if len(p) < 60 else p[np.linspace(0, len(p) - 1, 60).astype(int)] for p in form.lines)
    return Form(fewer, form.solid)


def _save_forms(path: Path, forms: Sequence[Form]) -> None:
    lines = [line for form in forms for line in form.lines]
    np.savez_compressed(
        path,
        points=np.concatenate(lines),
        lengths=[len(line) for line in lines],
        strokes=[len(form.lines) for form in forms],
        solid=np.concatenate([np.isin(np.arange(len(form.lines)), form.solid) for form in forms]),
    )


def _load_forms(path: Path) -> list[Form]:
    stored = np.load(path)
    lines = np.split(stored["points"], np.cumsum(stored["lengths"])[:-1])
    out, at = [], 0
    for count in stored["strokes"]:
        solid = stored["solid"][at : at + count]
        out.append(Form(tuple(lines[at : at + count]), tuple(np.flatnonzero(solid).tolist())))
        at += count
    return out


# ---- scenes


@dataclass(frozen=True)
class Scenes:
    """Scenes without end."""

    forms: list[Form]
    grounds: Grounds
    rng: np.random.Generator

    def next(self, side: int, **options: object) -> Scene:
        ground = self.grounds.piece(self.rng, side) if self.rng.random() < REAL else None
        return scene(self._form, self.rng, side=side, ground=ground, **options)  # type: ignore[arg-type]

    def table(self, side: int, *, marks: int) -> Scene:
        """A whole photograph."""
        ground = self.grounds.piece(self.rng, side) if self.rng.random() < REAL else None
        return table(self._form, self.rng, side=side, ground=ground, marks=marks)

    def pieces(self, count: int) -> list[Scene]:
        """``count`` pieces of one whole photograph, most of them around a mark where there is one."""
        whole = self.table(TABLE, marks=int(self.rng.choice([0, 1, 2], p=[0.3, 0.5, 0.2])))
        return [self._piece(whole) for _ in range(count)]

    def _piece(self, whole: Scene) -> Scene:
        rng = self.rng
        most, at = float(TABLE), rng.uniform(0, TABLE, 2)
        if len(whole.boxes):
            x, y, w, h = whole.boxes[int(rng.integers(len(whole.boxes)))]
            most = min(most, float(whole.boxes[:, 2:].max(axis=1).min()) * SIDE / SMALLEST)
            if rng.random() < 0.6:
                at = np.array([x + w / 2, y + h / 2]) + rng.normal(0, 0.5, 2) * max(w, h)
        size = round(float(np.exp(rng.uniform(np.log(0.25 * TABLE), np.log(max(most, 0.26 * TABLE))))))
        left, up = (int(np.clip(v - size / 2, 0, TABLE - size)) for v in at)
        rows, columns = slice(up, up + size), slice(left, left + size)
        how = cv2.INTER_AREA if size > SIDE else cv2.INTER_CUBIC
        picture = cv2.resize(np.ascontiguousarray(whole.picture[rows, columns]), (SIDE, SIDE), interpolation=how)
        ink = cv2.resize(np.ascontiguousarray(whole.ink[rows, columns]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        boxes = (whole.boxes - np.array([left, up, 0, 0], np.float32)) * np.float32(SIDE / size)
        return Scene(picture, ink, boxes)

    def _form(self, rng: np.random.Generator) -> Form:
        return self.forms[int(rng.integers(len(self.forms)))]


Batch = tuple[np.ndarray, ...]


def _fill(built: Built, seed: int, queue: multiprocessing.Queue[Batch]) -> None:
    from _finder_net import targets

    cv2.setNumThreads(1)
    scenes = Scenes(built.forms, built.grounds(held_out=False), np.random.default_rng(seed))
    while True:
        made = [scenes.next(SIDE) for _ in range(BATCH - OF_TABLES)]
        for _ in range(TABLES):
            made += scenes.pieces(OF_TABLES // TABLES)
        wanted = [targets(s.boxes, SIDE) for s in made]
        pictures = np.stack([channels(s.picture) for s in made]).astype(np.float16)
        ink = np.stack([s.ink > 0.4 for s in made])
        queue.put((pictures, ink, *(np.stack(part) for part in zip(*wanted, strict=True))))


def train(built: Built, *, steps: int, minutes: float, again: bool, seed: int) -> None:
    """Learn, and write ``finder.onnx``."""
    import torch
    from _finder_net import WEIGHTS, Finder, export, loss
    from _learning import Course, learn, shipped

    if built.network.is_file() and not again:
        print("The network is there; --again trains on from it.")
        return
    torch.manual_seed(seed)
    net = Finder()
    if again and built.network.is_file():
        net.load_state_dict(torch.load(built.network, weights_only=True))
    elif again:
        cv2.setNumThreads(1)  # the maker of batches is a fork, which would wait for threads that it has not
        scenes = Scenes(built.forms, built.grounds(held_out=False), np.random.default_rng(seed))
        sample = np.stack([channels(scenes.next(SIDE).picture) for _ in range(4 * BATCH)])
        shipped(net, network.FINDER, torch.from_numpy(sample))
    course = Course(steps, minutes, FASTEST * (0.75 if again else 1), built.network)
    network.FINDER.write_bytes(export(learn(net, partial(_fill, built, seed), loss, WEIGHTS, course)))


# ---- the judge of places


@dataclass(frozen=True)
class Looked:
    """The places found in so many ``pictures``: their ``numbers`` (N, K), how far each is a mark's box (``right``, N),
    and the picture ``of`` each (N,); ``marked`` (pictures,): whether there is a mark in it."""

    numbers: np.ndarray
    right: np.ndarray
    of: np.ndarray
    marked: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Looked]) -> Looked:
        before = np.cumsum([0, *(len(part.marked) for part in parts)])
        return cls(
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.of + start for part, start in zip(parts, before, strict=False)]),
            np.concatenate([part.marked for part in parts]),
        )


def fit_judge(built: Built, *, scenes: int, seed: int) -> None:
    """Fit the judge on the groups of strokes in other scenes than the network's, calibrate it on scenes with grounds
    that were kept out, and write ``judge.onnx``."""
    learnt = looked(built, scenes, held_out=False, seed=seed)
    fit_on(learnt, looked(built, scenes // 3, held_out=True, seed=seed))


def fit_on(learnt: Looked, kept: Looked) -> None:
    from _judge import WHOLE, export, fitted
    from sklearn.metrics import roc_auc_score

    forests = fitted(learnt.numbers, learnt.right, kept.numbers, kept.right)
    network.JUDGE.write_bytes(export(forests, learnt.numbers.shape[1]))
    network._session.cache_clear()
    sure, right = network.judge(kept.numbers), kept.right >= WHOLE
    print(f"{len(learnt.right)} boxes learnt from, {len(right)} kept out: AUROC {roc_auc_score(right, sure):.3f}")
    for least in np.arange(0, 1, 0.1):
        here = (sure >= least) & (sure < least + 0.1)
        if here.any():
            print(f"  sure {least:.1f} to {least + 0.1:.1f}: {right[here].mean():.2f} right of {here.sum()}")
    surest, first = np.zeros(len(kept.marked)), np.zeros(len(kept.marked), bool)
    for i in np.argsort(sure):
        surest[kept.of[i]], first[kept.of[i]] = sure[i], right[i]
    print(f"pictures with a mark and without told apart: AUROC {roc_auc_score(kept.marked, surest):.3f}")
    for found in np.arange(0.1, 0.65, 0.05):
        passed = surest >= found
        print(
            f"  found from {found:.2f}: in {passed[~kept.marked].sum()} of {(~kept.marked).sum()} without a mark; of "
            f"{kept.marked.sum()} with one in {(passed & kept.marked).sum()}, the first box right in "
            f"{(passed & kept.marked & first).sum()}"
        )


def looked(built: Built, scenes: int, *, held_out: bool, seed: int) -> Looked:
    """What is found in the pictures of so many scenes, made and looked at in several processes."""
    return Looked.joined(in_parts(_part, built, scenes, held_out=held_out, seed=[seed, 3 if held_out else 2]))


Part = TypeVar("Part")


def in_parts(
    part: Callable[[Built, int, bool, list[int]], Part], built: Built, scenes: int, *, held_out: bool, seed: list[int]
) -> list[Part]:
    """What ``part`` makes of so many scenes, each time of a share of them, in several processes."""
    shares = [len(share) for share in np.array_split(np.arange(scenes), PARTS)]
    asked = [(built, share, held_out, [*seed, i]) for i, share in enumerate(shares)]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        return pool.starmap(part, asked)


def _part(built: Built, scenes: int, held_out: bool, seed: list[int]) -> Looked:
    cv2.setNumThreads(1)
    source = Scenes(*_once(built.folder, held_out), np.random.default_rng(seed))
    return boxes(made for _ in range(scenes) for made in _taken(source))


@lru_cache(maxsize=1)
def _once(folder: Path, held_out: bool) -> tuple[list[Form], Grounds]:
    """A process reads them once: decoding takes longer than the scenes do."""
    built = Built(folder)
    return built.forms, built.grounds(held_out=held_out)


def boxes(pictures: Iterable[Scene]) -> Looked:
    """All groups of strokes in ``pictures``."""
    numbers, right, of = [], [], []
    marked: list[bool] = []
    for made in pictures:
        for place in all_places(made.picture)[0]:
            numbers.append(place.numbers)
            right.append(max((overlap(place.box, tuple(box)) for box in made.boxes.tolist()), default=0.0))
            of.append(len(marked))
        marked.append(len(made.boxes) > 0)
    return Looked(np.stack(numbers), np.array(right), np.array(of), np.array(marked))


def _taken(source: Scenes) -> list[Scene]:
    """Pictures of one scene, as they are searched: of what lies on a table the whole and two pieces, framed as
    somebody frames a mark."""
    rng = source.rng
    marks = int(rng.choice([0, 1, 2, 3], p=[0.33, 0.47, 0.16, 0.04]))
    if rng.random() >= ON_TABLES:
        side = int(rng.choice(LOOKED_AT))
        taken = [source.next(side, marks=marks, extent=(max(0.08, 18 / side), 0.95))]
    else:
        whole = source.table(int(rng.choice(WHOLE_TABLES)), marks=marks)
        taken = [whole, _framed(whole, rng), _framed(whole, rng)]
    large = [_enlarged(made, rng) for made in taken]
    return [replace(made, picture=evened(made.picture)) for made in large]


def _framed(whole: Scene, rng: np.random.Generator) -> Scene:
    """A square piece, in which a mark, if there is one, takes from a fifth to nearly all of the width."""
    side = whole.picture.shape[0]
    if len(whole.boxes):
        x, y, w, h = (float(v) for v in whole.boxes[int(rng.integers(len(whole.boxes)))])
    else:
        w = h = side * float(np.exp(rng.uniform(np.log(0.06), np.log(0.2))))
        x, y = rng.uniform(0, side - w, 2)
    size = min(side, round(max(w, h) / rng.uniform(0.2, 0.97)) + 1)
    free = (size - np.array([w, h])) * rng.uniform(0.25, 0.75, 2)
    left, up = (int(np.clip(v, 0, side - size)) for v in np.array([x, y]) - free)
    moved = whole.boxes - np.array([left, up, 0, 0], np.float32)
    middles = moved[:, :2] + moved[:, 2:] / 2
    here = ((middles > 0) & (middles < size)).all(axis=1)
    rows, columns = slice(up, up + size), slice(left, left + size)
    return Scene(whole.picture[rows, columns], whole.ink[rows, columns], moved[here])


def _enlarged(made: Scene, rng: np.random.Generator) -> Scene:
    """As a camera of more pixels takes it."""
    side = made.picture.shape[0]
    factor = float(np.exp(rng.uniform(0, np.log(np.clip(LARGEST / side, 1.0, 4.5)))))
    large = cv2.resize(made.picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += rng.uniform(0, 4) * rng.standard_normal(large.shape[:2], np.float32)[..., None]
    return Scene(np.clip(large, 0, 255).astype(np.uint8), made.ink, made.boxes * np.float32(factor))


if __name__ == "__main__":
    main()
