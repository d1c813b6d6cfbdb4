"""Train the reader of marks: what lies in a box of a made scene, its strokes, and whether it is one whole mark.

    python benchmarks/reader.py --build FOLDER [--steps 3000] [--minutes 60] [--scenes 1200] [--again]

FOLDER is `finder`'s: the reader starts from the network in it, and learns from windows round the boxes that the finder
proposes in other scenes, and round boxes of scenes made while it learns. Called again, it goes on with what is missing;
``--again`` trains on from the reader that is there, or else from the one that is shipped. Writes
assets/finder/reader.onnx. No real drawing is read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import finder  # noqa: E402

from core.sight import network  # noqa: E402
from core.sight.groups import Box, overlap  # noqa: E402
from core.sight.inputs import window_channels  # noqa: E402
from core.sight.proposals import all_places, likeliest  # noqa: E402
from core.sight.reading import EXTENT, SIDE, window, within  # noqa: E402
from core.synthesis.scenes import Scene  # noqa: E402

BATCH, FRESH = 24, 16  # windows a step, and how many of them are of scenes made while it learns
FASTEST = 2.5e-3  # learning rate
PROPOSED = 10  # boxes of a picture that are learnt from
SIDES = (96, 128, 160, 192, 256)  # px: of the scenes made while it learns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=600, help="be done with the training after these")
    parser.add_argument("--scenes", type=int, default=1200, help="whose proposals are learnt from")
    parser.add_argument("--again", action="store_true", help="train on from the reader in FOLDER or the shipped")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    built = finder.Built(options.build)
    learnt = proposed(built, options.scenes, held_out=False, seed=options.seed)
    kept = proposed(built, options.scenes // 3, held_out=True, seed=options.seed)
    train(built, learnt, steps=options.steps, minutes=options.minutes, again=options.again, seed=options.seed)
    calibrate(built, kept)


# ---- windows


@dataclass(frozen=True)
class Windows:
    """``pictures`` (N, SIDE, SIDE, 3) and the ``ink`` (N, SIDE, SIDE) of marks in their ``boxes`` (N, 4), all uint8 but
    the boxes; how far each box is a mark's, ``overlaps`` (N,); how sure the judge was, ``judged`` (N,; -1: not asked);
    the scene's picture ``of`` each (N,), and whether a mark is in that, ``marked`` (N,)."""

    pictures: np.ndarray
    ink: np.ndarray
    boxes: np.ndarray
    overlaps: np.ndarray
    judged: np.ndarray
    of: np.ndarray
    marked: np.ndarray

    @classmethod
    def of_boxes(cls, made: Scene, boxes: list[Box], judged: list[float], number: int = 0) -> Windows:
        shown = [window(made.picture, box, side=SIDE, extent=EXTENT) for box in boxes]
        inside = [w.inside(box) for w, box in zip(shown, boxes, strict=True)]
        return cls(
            np.stack([w.pixels for w in shown]),
            np.stack([_ink(made, box, own) for box, own in zip(boxes, inside, strict=True)]),
            np.array(inside, np.float32),
            np.array([max((overlap(box, tuple(m)) for m in made.boxes.tolist()), default=0.0) for box in boxes]),
            np.array(judged),
            np.full(len(boxes), number),
            np.full(len(boxes), len(made.boxes) > 0),
        )

    @classmethod
    def joined(cls, parts: list[Windows]) -> Windows:
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def given(self, i: int) -> np.ndarray:
        """What the network is given of one of them."""
        return window_channels(self.pictures[i], tuple(self.boxes[i].tolist()))


def _ink(made: Scene, box: Box, inside: Box) -> np.ndarray:
    """(SIDE, SIDE) uint8: how far each pixel of the window round ``box`` is covered by ink that lies in it. A scene's
    ink is as large as it was before a camera of more pixels took it."""
    factor = made.ink.shape[0] / made.picture.shape[0]
    x, y, w, h = (factor * v for v in box)
    cover = np.rint(np.clip(made.ink, 0, 1) * 255).astype(np.uint8)
    shown = window(cover, (x, y, w, h), side=SIDE, extent=EXTENT).pixels
    return within(shown, inside)


def proposed(built: finder.Built, scenes: int, *, held_out: bool, seed: int) -> Windows:
    """Windows of what the finder proposes in so many scenes, and of their marks; made once, in several processes."""
    path = built.folder / f"windows-{'kept' if held_out else 'learnt'}-{scenes}-{seed}.npz"
    if not path.is_file():
        parts = finder.in_parts(_part, built, scenes, held_out=held_out, seed=[seed, 5 if held_out else 4])
        made = Windows.joined([windows for part in parts for windows in part])
        np.savez(path, **{each.name: getattr(made, each.name) for each in fields(Windows)})
    stored = np.load(path)
    return Windows(*(stored[each.name] for each in fields(Windows)))


def _part(built: finder.Built, scenes: int, held_out: bool, seed: list[int]) -> list[Windows]:
    cv2.setNumThreads(1)
    source = finder.Scenes(*finder._once(built.folder, held_out), np.random.default_rng(seed))
    parts: list[Windows] = []
    for made in (made for _ in range(scenes) for made in finder._taken(source)):
        found, _ = all_places(made.picture)
        judged = network.judge(np.stack([place.numbers for place in found])) if found else np.zeros(0)
        boxes = [place.box for place in found]
        first = likeliest(boxes, judged, most=PROPOSED)
        near = [_moved(tuple(box), source.rng, 0.08) for box in made.boxes.tolist()]
        asked = [boxes[i] for i in first] + near
        if asked:
            said = [*judged[first].tolist(), *[-1.0] * len(near)]
            parts.append(Windows.of_boxes(made, asked, said, seed[-1] * 100_000 + len(parts)))
    return parts


def _moved(box: Box, rng: np.random.Generator, by: float) -> Box:
    """About the same box: its edges moved ``by`` a share of its larger side, most by less, some by more."""
    x, y, w, h = box
    left, up, right, down = rng.normal(0, by, 4) * max(w, h) * rng.choice([0.3, 1, 1.3])
    return x + left, y + up, max(w + right - left, 6.0), max(h + down - up, 6.0)


# ---- learning

Batch = tuple[np.ndarray, ...]


def _fresh(built: finder.Built, rng: np.random.Generator) -> Iterator[Batch]:
    """``FRESH`` windows a time, of scenes made for them."""
    source = finder.Scenes(*finder._once(built.folder, False), rng)
    held: list[tuple[np.ndarray, np.ndarray, float]] = []
    while True:
        while len(held) < 4 * FRESH:
            side = int(rng.choice(SIDES))
            scenes = source.pieces(3) if rng.random() < 0.12 else [source.next(side, extent=(max(0.1, 16 / side), 1.0))]
            for scene in scenes:
                made = finder._enlarged(scene, rng) if rng.random() < 0.5 else scene
                boxes = _asked(made, rng)
                if boxes:
                    shown = Windows.of_boxes(made, boxes, [-1.0] * len(boxes))
                    held += [(shown.given(i), shown.ink[i], shown.overlaps[i]) for i in range(len(boxes))]
        held = [held[i] for i in rng.permutation(len(held))]
        taken, held = held[:FRESH], held[FRESH:]
        yield _batch(taken)


def _batch(taken: list[tuple[np.ndarray, np.ndarray, float]]) -> Batch:
    given, ink, overlaps = zip(*taken, strict=True)
    return np.stack(given).astype(np.float16), np.stack(ink) > 0.4 * 255, np.array(overlaps, np.float32)


def _asked(made: Scene, rng: np.random.Generator) -> list[Box]:
    """Boxes to ask for: a mark's, about; a part of it, it and more, two together, somewhere."""
    marks, side, boxes = [tuple(box) for box in made.boxes.tolist()], made.picture.shape[0], []
    for mark in marks[:2]:
        x, y, w, h = mark
        boxes.append(_moved(mark, rng, 0.05))
        kind = rng.random()
        if kind < 0.35:
            wide, high = rng.uniform(0.3, 0.85, 2)
            wide, high = ((wide, high), (wide, 1.0), (1.0, high))[int(rng.integers(3))]
            boxes.append((x + rng.random() * (1 - wide) * w, y + rng.random() * (1 - high) * h, wide * w, high * h))
        elif kind < 0.65:
            left, up, right, down = rng.uniform(0, 0.9, 4) * max(w, h) * (rng.random(4) < 0.6)
            boxes.append((x - left, y - up, w + left + right, h + up + down))
        elif kind < 0.8:
            boxes.append(_moved(mark, rng, 0.25))
    if len(marks) > 1 and rng.random() < 0.5:
        (x, y, w, h), (p, q, u, v) = marks[:2]
        boxes.append((min(x, p), min(y, q), max(x + w, p + u) - min(x, p), max(y + h, q + v) - min(y, q)))
    if not marks or rng.random() < 0.3:
        larger = side * float(np.exp(rng.uniform(np.log(0.1), np.log(0.9))))
        smaller = larger * float(rng.uniform(0.4, 1))
        w, h = (larger, smaller) if rng.random() < 0.6 else (smaller, larger)
        boxes.append((rng.uniform(0, max(side - w, 1)), rng.uniform(0, max(side - h, 1)), w, h))
    return [box for box in boxes if min(box[2:]) > 3 and max(box[2:]) > 8]


def _of_proposed(windows: Windows, count: int, rng: np.random.Generator) -> Batch:
    """Some of ``windows``, flipped and turned at random."""
    taken = []
    for i in rng.integers(len(windows.of), size=count):
        given, ink = windows.given(i), windows.ink[i]
        if rng.random() < 0.5:
            given, ink = given[:, :, ::-1], ink[:, ::-1]
        if rng.random() < 0.5:
            given, ink = given[:, ::-1], ink[::-1]
        if rng.random() < 0.5:
            given, ink = given.transpose(0, 2, 1), ink.T
        taken.append((given, ink, float(windows.overlaps[i])))
    return _batch(taken)


def _fill(built: finder.Built, windows: Windows, seed: int, queue: multiprocessing.Queue[Batch]) -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, 18])
    for fresh in _fresh(built, np.random.default_rng([seed, 17])):
        both = zip(fresh, _of_proposed(windows, BATCH - FRESH, rng), strict=True)
        queue.put(tuple(np.concatenate(pair) for pair in both))


def kept_in(built: finder.Built) -> Path:
    return built.folder / "reader.pt"


def train(built: finder.Built, windows: Windows, *, steps: int, minutes: float, again: bool, seed: int) -> None:
    """Learn, and keep the weights."""
    import torch
    from _learning import Course, learn, shipped
    from _reader_net import WEIGHTS, Reader, loss

    if kept_in(built).is_file() and not again:
        print("The reader is there; --again trains on from it.")
        return
    torch.manual_seed(seed)
    net = Reader()
    if again and kept_in(built).is_file():
        net.load_state_dict(torch.load(kept_in(built), weights_only=True))
    elif again:
        seen, *_ = _of_proposed(windows, 96, np.random.default_rng(seed))
        shipped(net, network.READER, torch.from_numpy(seen).float())
    else:
        net.start_from(torch.load(built.network, weights_only=True))
    course = Course(steps, minutes, FASTEST * (0.75 if again else 1), kept_in(built))
    learn(net, partial(_fill, built, windows, seed), loss, WEIGHTS, course)


# ---- how sure it is


def calibrate(built: finder.Built, kept: Windows) -> None:
    """Fit what the judge's word and the reader's weigh on scenes with grounds that were kept out (half of them; what is
    printed is of the other half), and write ``reader.onnx``."""
    import torch
    from _judge import PART, WHOLE, show
    from _reader_net import Reader, export
    from sklearn.linear_model import LogisticRegression

    net = Reader().eval()
    net.load_state_dict(torch.load(kept_in(built), weights_only=True))
    asked = np.flatnonzero(kept.judged >= 0)
    said = []
    with torch.inference_mode():
        for part in np.array_split(asked, max(1, len(asked) // 64)):
            said.append(net(torch.from_numpy(np.stack([kept.given(i) for i in part])))[1].numpy())
    both = np.column_stack([network.logit(kept.judged[asked]), np.concatenate(said)])
    overlaps, of, marked = kept.overlaps[asked], kept.of[asked], kept.marked[asked]
    clear, fit = (overlaps >= WHOLE) | (overlaps <= PART), of % 2 == 0
    line = LogisticRegression(C=1e4).fit(both[clear & fit], overlaps[clear & fit] >= WHOLE)
    sure = line.predict_proba(both)[:, 1]
    for name, numbers in {"judge": both[:, 0], "reader": both[:, 1], "both": sure}.items():
        show(name, numbers[~fit], overlaps[~fit], of[~fit], marked[~fit])
    whole = LogisticRegression(C=1e4).fit(both[clear], overlaps[clear] >= WHOLE)
    weights = (*(float(v) for v in whole.coef_[0]), float(whole.intercept_[0]))
    network.READER.write_bytes(export(net, weights))


if __name__ == "__main__":
    main()
