"""Train the chooser: which box is one whole mark, and where its edges are, on what is found in made scenes.

    python benchmarks/chooser.py --build FOLDER [--pictures 8000] [--steps 6000] [--minutes 60]

FOLDER is `finder`'s. The boxes are those that the finder and the reader that ship propose in other scenes than theirs,
and parts and surroundings of the marks in them; called again, it goes on with what is missing. Writes
assets/finder/chooser.onnx, calibrated on scenes with grounds that were kept out. No real drawing is read.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import sys
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import finder  # noqa: E402
import reader  # noqa: E402
from _judge import PART, WHOLE, show  # noqa: E402
from _learning import Course, learn  # noqa: E402

from core.sight import network  # noqa: E402
from core.sight.choosing import SIDE, Asked, framed, views  # noqa: E402
from core.sight.groups import Box, overlap  # noqa: E402
from core.sight.proposals import all_places, likeliest  # noqa: E402
from core.sight.reading import read  # noqa: E402

WIDTHS, HIDDEN = (12, 24, 48, 48), 48
PICTURED = 5  # maps of a view that are kept as bytes; the others are made of a few numbers
PROPOSED, NEAR = 13, 6  # boxes of a picture that are learnt from: proposed ones, and others near its marks
LARGEST = 1400  # px: larger side of a picture
BATCH, FASTEST = 96, 3e-3  # views a step, and the learning rate
WEIGHTS = {"whole": 1.0, "edges": 2.0, "overlap": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=600, help="be done with the training after these")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    built = finder.Built(options.build)
    learnt = proposed(built, options.pictures, held_out=False, seed=options.seed)
    kept = proposed(built, options.pictures // 12, held_out=True, seed=options.seed)
    torch.manual_seed(options.seed)
    course = Course(options.steps, options.minutes, FASTEST, built.folder / "chooser.pt")
    calibrate(learn(Chooser(), partial(_fill, learnt, options.seed), loss, WEIGHTS, course), kept)


# ---- boxes


@dataclass(frozen=True)
class Boxes:
    """N boxes: their ``maps`` (N, 5, SIDE, SIDE) uint8 and ``planes`` (N, 3) (`core.sight.choosing.views`), their
    ``sides`` (N, 2), width and height over the larger; how far each is a mark's (``overlaps``); how far that mark's
    edges lie outside of it (``edges`` (N, 4), in extents; ``near``: whether there is such a mark); whether it was
    ``proposed``, how ``sure`` the reader was, the picture it is ``of``, and whether a mark is in that (``marked``)."""

    maps: np.ndarray
    planes: np.ndarray
    sides: np.ndarray
    overlaps: np.ndarray
    edges: np.ndarray
    near: np.ndarray
    proposed: np.ndarray
    sure: np.ndarray
    of: np.ndarray
    marked: np.ndarray

    def given(self, i: np.ndarray) -> np.ndarray:
        """(len(i), 9, SIDE, SIDE) float32, as `core.sight.choosing.views` makes them."""
        made = np.stack(
            [framed(tuple(s), p) for s, p in zip(self.sides[i].tolist(), self.planes[i].tolist(), strict=True)]
        )
        return np.concatenate([self.maps[i].astype(np.float32) / 255, made], axis=1)

    @classmethod
    def joined(cls, parts: list[Boxes]) -> Boxes:
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


def proposed(built: finder.Built, pictures: int, *, held_out: bool, seed: int) -> Boxes:
    """The boxes of so many pictures; made once, in several processes."""
    path = built.folder / f"boxes-{'kept' if held_out else 'learnt'}-{pictures}-{seed}.npz"
    if not path.is_file():
        parts = finder.in_parts(_part, built, pictures, held_out=held_out, seed=[seed, 7 if held_out else 6])
        made = Boxes.joined(parts)
        np.savez(path, **{each.name: getattr(made, each.name) for each in fields(Boxes)})
    stored = np.load(path)
    return Boxes(*(stored[each.name] for each in fields(Boxes)))


def _part(built: finder.Built, pictures: int, held_out: bool, seed: list[int]) -> Boxes:
    cv2.setNumThreads(1)
    source = finder.Scenes(*finder._once(built.folder, held_out), np.random.default_rng(seed))
    parts: list[Boxes] = []
    number = seed[-1] * 100_000
    while number % 100_000 < pictures:
        for made in finder._taken(source):
            number += 1
            if (boxes := _boxes(made, source.rng, number, extra=0 if held_out else NEAR)) is not None:
                parts.append(boxes)
    return Boxes.joined(parts)


def _boxes(made: finder.Scene, rng: np.random.Generator, number: int, *, extra: int) -> Boxes | None:
    pixels, factor = made.picture, min(1.0, LARGEST / max(made.picture.shape[:2]))
    if factor < 1:
        pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    marks: list[Box] = [tuple(factor * v for v in box) for box in made.boxes.tolist()]  # type: ignore[misc]
    found, looks = all_places(pixels)
    if not found:
        return None
    sure = network.judge(np.stack([place.numbers for place in found]))
    first = likeliest([place.box for place in found], sure, most=PROPOSED if extra else 8)
    about = [(found[i].box, found[i].look, float(sure[i])) for i in first]
    others = [_near(marks[int(rng.integers(len(marks)))], rng) for _ in range(extra if marks else 0)]
    others = [box for box in others if min(box[2:]) >= 3 and max(box[2:]) >= 8]
    about += [(box, min(looks, key=lambda look: look.suits(box)), 0.5) for box in others]
    readings = read(pixels, [box for box, _, _ in about], np.array([said for _, _, said in about]))
    asked = [Asked(box, look, one, said) for (box, look, said), one in zip(about, readings, strict=True)]
    seen = views(pixels, asked, looks)
    wanted = [_wanted(box, marks) for box, _, _ in about]
    count = len(asked)
    return Boxes(
        np.rint(255 * seen[:, :PICTURED]).astype(np.uint8),
        10 * seen[:, PICTURED + 1 :, 0, 0],
        np.array([np.array(box[2:]) / max(box[2:]) for box, _, _ in about], np.float32),
        np.array([most for most, _, _ in wanted], np.float32),
        np.array([edges for _, edges, _ in wanted], np.float32),
        np.array([near for _, _, near in wanted]),
        np.arange(count) < len(first),
        np.array([reading.sure for reading in readings], np.float32),
        np.full(count, number),
        np.full(count, len(marks) > 0),
    )


def _near(mark: Box, rng: np.random.Generator) -> Box:
    """A part of the mark, it and more, or about its box."""
    x, y, w, h = mark
    kind = rng.random()
    if kind < 0.5:
        wide, high = rng.uniform(0.3, 0.9, 2)
        wide, high = ((wide, high), (wide, 1.0), (1.0, high))[int(rng.integers(3))]
        return x + rng.random() * (1 - wide) * w, y + rng.random() * (1 - high) * h, wide * w, high * h
    if kind < 0.75:
        left, up, right, down = rng.uniform(0, 0.7, 4) * max(w, h) * (rng.random(4) < 0.5)
        return x - left, y - up, w + left + right, h + up + down
    return reader._moved(mark, rng, 0.15)


def _wanted(box: Box, marks: list[Box]) -> tuple[float, np.ndarray, bool]:
    """How far the box is a mark's; how far the edges of the mark that is meant lie outside of it; whether one is."""
    if not marks:
        return 0.0, np.zeros(4), False
    overlaps = [overlap(box, mark) for mark in marks]
    area = max(box[2] * box[3], 1e-6)
    held = [both * (area + m[2] * m[3]) / (1 + both) / area for both, m in zip(overlaps, marks, strict=True)]
    at = int(np.argmax([both + 0.3 * part for both, part in zip(overlaps, held, strict=True)]))
    (x, y, w, h), (p, q, u, v), extent = box, marks[at], max(box[2:])
    near = (overlaps[at] > 0.12 or held[at] > 0.6) and 0.3 < max(u, v) / extent < 2.6
    return max(overlaps), np.array([x - p, y - q, p + u - x - w, q + v - y - h]) / extent, near


# ---- learning


class Chooser(nn.Module):
    """(N, 9, SIDE, SIDE) -> the logit of "one whole mark" (N,); how far its edges lie outside (N, 4), in extents."""

    def __init__(self) -> None:
        super().__init__()
        layers, before = [], network.CHOSEN_FROM
        for i, width in enumerate(WIDTHS):
            step = 1 if i else 2
            layers += [nn.Conv2d(before, width, 3 if i else 4, stride=step, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(), *([nn.MaxPool2d(2)] if i else [])]
            before = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(WIDTHS[-1] * 16, HIDDEN), nn.ReLU(), nn.Dropout(0.15), nn.Linear(HIDDEN, 5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.head(self.features(x).flatten(1))
        return out[:, 0], 0.5 * out[:, 1:]


def loss(out: tuple[Tensor, Tensor], overlaps: Tensor, edges: Tensor, near: Tensor, sides: Tensor) -> dict[str, Tensor]:
    """Whole: cross entropy; of boxes that are near a mark how far the edges are off, and 1 - overlap."""
    whole, said = out
    clear = (overlaps >= WHOLE) | (overlaps <= PART)
    half = torch.stack([sides[:, 0], sides[:, 1], sides[:, 0], sides[:, 1]], 1)[near] / 2
    one, other = half + said[near], half + edges[near]
    shared = torch.minimum(one, other)
    both = (shared[:, 0] + shared[:, 2]).clamp(min=0) * (shared[:, 1] + shared[:, 3]).clamp(min=0)
    areas = [(b[:, 0] + b[:, 2]).clamp(min=0.01) * (b[:, 1] + b[:, 3]).clamp(min=0.01) for b in (one, other)]
    return {
        "whole": F.binary_cross_entropy_with_logits(whole[clear], (overlaps[clear] >= WHOLE).float()),
        "edges": F.smooth_l1_loss(said[near], edges[near], beta=0.1),
        "overlap": 1 - (both / (areas[0] + areas[1] - both).clamp(min=1e-6)).mean(),
    }


def _fill(boxes: Boxes, seed: int, queue: multiprocessing.Queue[tuple[np.ndarray, ...]]) -> None:
    """Some of them, flipped and turned at random."""
    rng = np.random.default_rng([seed, 19])
    while True:
        i = rng.integers(len(boxes.of), size=BATCH)
        given, edges, sides = boxes.given(i), boxes.edges[i], boxes.sides[i]
        if rng.random() < 0.5:
            given, edges = given[..., ::-1], edges[:, [2, 1, 0, 3]]
        if rng.random() < 0.5:
            given, edges = given[:, :, ::-1], edges[:, [0, 3, 2, 1]]
        if rng.random() < 0.5:
            given, edges, sides = given.swapaxes(2, 3), edges[:, [1, 0, 3, 2]], sides[:, ::-1]
        queue.put((np.ascontiguousarray(given), boxes.overlaps[i], edges.copy(), boxes.near[i], sides.copy()))


# ---- how sure it is


def calibrate(net: Chooser, kept: Boxes) -> None:
    """Fit how sure it is on half of the pictures with grounds that were kept out, print what it brings on the others,
    and write ``chooser.onnx``."""
    from sklearn.linear_model import LogisticRegression

    asked = np.flatnonzero(kept.proposed)
    with torch.inference_mode():
        parts = np.array_split(asked, max(1, len(asked) // 256))
        said = torch.cat([net(torch.from_numpy(kept.given(i)))[0] for i in parts]).numpy()
    overlaps, of, marked = kept.overlaps[asked], kept.of[asked], kept.marked[asked]
    clear, fit = (overlaps >= WHOLE) | (overlaps <= PART), of % 2 == 0
    for name, numbers in {"reader": kept.sure[asked], "chooser": said}.items():
        show(name, numbers[~fit], overlaps[~fit], of[~fit], marked[~fit])
    line = LogisticRegression(C=1e4).fit(said[clear, None], overlaps[clear] >= WHOLE)
    network.CHOOSER.write_bytes(export(net, float(line.coef_[0, 0]), float(line.intercept_[0])))


def export(net: Chooser, slope: float, shift: float) -> bytes:
    """The network as ONNX, any number of views: how sure it is, by the line through its logit (Platt 1999); edges."""

    class Shown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
            whole, edges = self.net(views)
            return (slope * whole + shift).sigmoid(), edges

    buffer = io.BytesIO()
    torch.onnx.export(
        Shown().eval(), (torch.zeros(2, network.CHOSEN_FROM, SIDE, SIDE),), buffer,  # type: ignore[arg-type]
        input_names=["views"], output_names=["sure", "edges"],
        dynamic_axes={name: {0: "n"} for name in ("views", "sure", "edges")}, opset_version=17, dynamo=False,
    )  # fmt: skip
    return buffer.getvalue()


if __name__ == "__main__":
    main()
