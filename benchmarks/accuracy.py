"""How often Burin is right on real drawings: closed set, one shot, across domains, unknown marks.

    python benchmarks/accuracy.py [--quick]

Reads the drawings, icons and Omniglot characters of the shared data folder (BURIN_SHARED, else
../shared/data beside the checkout). Nothing is trained on them; every picture is drawn once, and
a query is never in the gallery. What the columns mean is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.embedding.embedder import load_embedder  # noqa: E402
from core.embedding.gallery import Gallery  # noqa: E402
from core.embedding.weights import resolve  # noqa: E402
from core.ground.config import Mode, Preprocessing, WorkspaceConfig  # noqa: E402
from core.ground.images import content_hash, decode  # noqa: E402
from core.ground.preprocessing import see  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.recognition.calibrate import Calibration, Verdict, calibrate  # noqa: E402
from core.recognition.metrics import wilson  # noqa: E402
from core.recognition.ranking import ClassAnswer, rank  # noqa: E402

if TYPE_CHECKING:
    from _marks import Marks

SHARED = Path(os.environ.get("BURIN_SHARED") or ROOT.parent / "shared" / "data")
NEIGHBOURS = WorkspaceConfig().neighbours
MODES: tuple[Mode, ...] = ("plain", "crop", "strokes")  # the default last
TARGETS = (0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Pictures:
    """Decoded images and the name of the class of each."""

    images: list[Image.Image]
    names: np.ndarray


@dataclass(frozen=True)
class Data:
    """``drawings`` and ``icons`` share class names; ``characters`` are Omniglot's, a class each."""

    drawings: Pictures
    icons: Pictures
    characters: Pictures


@dataclass(frozen=True)
class Share:
    """``hits`` of ``asked`` questions, which were about ``different`` pictures."""

    hits: int
    asked: int
    different: int

    def __str__(self) -> str:
        low, high = wilson(self.hits / self.asked * self.different, self.different)
        return f"{100 * self.hits / self.asked:5.1f} [{100 * low:4.1f}, {100 * high:4.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer draws, a quarter of Omniglot, fewer encoders")
    quick = parser.parse_args().quick
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    started = time.perf_counter()
    data = read_data(every=4 if quick else 1)
    counts = [(len(p.images), len(set(p.names))) for p in (data.drawings, data.icons, data.characters)]
    print(
        "{} drawings of {} classes, {} icons, {} characters of {} classes".format(*counts[0], counts[1][0], *counts[2])
    )
    draws = 3 if quick else 10
    print(f"Rank 1 in per cent with Wilson 95 % intervals; vote of k = {NEIGHBOURS}; {draws} draws of each split.\n")
    print(f"{'':34}{'closed set':20}{'one shot':20}{'icons -> drawings':20}{'Omniglot one shot'}")
    for label, vectors in encoded(data, quick=quick):
        print(f"{label:34}{'  '.join(str(s) for s in ranks(data, vectors, draws))}", flush=True)
    print()
    from _marks import marks_of

    marks = marks_of(("drawings",))["drawings"]
    unknown(marks, draws, heading="a third of the classes unknown, 70 % in the base")
    unknown(marks, draws, shots=5, heading="the same with 5 references a class")
    unknown(marks, draws, shots=3, heading="the same with 3")
    print(f"{time.perf_counter() - started:.0f} s")


# ---- the data


def read_data(*, every: int) -> Data:
    """All drawings and icons, and one Omniglot character in ``every`` by each person."""
    gravures = SHARED / "gravures"
    drawings = [(p.parent.name, p.read_bytes()) for p in sorted((gravures / "raw_gravures").glob("*/*.png"))]
    icons = [(p.stem, p.read_bytes()) for p in sorted((gravures / "official").glob("*.png"))]
    known = {content_hash(content) for _, content in icons}  # an icon filed under the drawings is no drawing
    drawings = [(name, content) for name, content in drawings if content_hash(content) not in known]
    return Data(_decoded(drawings), _decoded(icons), _decoded(list(_characters())[::every]))


def _characters() -> Iterator[tuple[str, bytes]]:
    path = SHARED / "omniglot" / "images_background_small1.zip"
    if not path.is_file():
        return
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png") and not name.startswith("__"):
                yield name.rpartition("/")[0], archive.read(name)


def _decoded(files: Sequence[tuple[str, bytes]]) -> Pictures:
    return Pictures([decode(content, name=name) for name, content in files], np.array([name for name, _ in files]))


# ---- the encoders


def encoded(data: Data, *, quick: bool) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each way to encode, and the vectors (N, D) of the three sets; the product's own way comes last."""
    default = Preprocessing()
    if not quick:
        for mode in MODES:
            yield f"{mode}, whole trunk, pooled", _by_network(data, Preprocessing(mode, default.size))
    for mode in MODES:
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(folder)
            workspace.save_config(WorkspaceConfig(preprocessing=Preprocessing(mode, default.size)))
            embedder = load_embedder(workspace)
            label = f"{mode}, as Burin does ({embedder.dimension}-d)"
            seen = {n: [see(image, embedder.preprocessing) for image in p.images] for n, p in vars(data).items()}
            yield label, {n: embedder.embed(np.stack(pictures)) for n, pictures in seen.items() if pictures}


def _by_network(data: Data, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """The usual way, to compare with: the pretrained network's last features, pooled over the picture."""
    import torch

    from core.embedding.model import EmbeddingNet

    weights = resolve("", allow_network=False)
    net = EmbeddingNet(weights.architecture, embedding_size=None, pretrained=weights).eval()
    out = {}
    with torch.inference_mode():
        for name, pictures in vars(data).items():
            if not pictures.images:
                continue
            seen = np.stack([see(image, preprocessing) for image in pictures.images]).transpose(0, 3, 1, 2)
            parts = [net(torch.from_numpy(seen[i : i + 32])).numpy() for i in range(0, len(seen), 32)]
            out[name] = np.concatenate(parts)
    return out


# ---- the questions


def ranks(data: Data, vectors: dict[str, np.ndarray], draws: int) -> list[Share]:
    """The share of queries whose class comes first, in each of the four settings."""
    names, drawings = data.drawings.names, vectors["drawings"]
    closed = [split(names, draw, share=0.7) for draw in range(draws)]
    single = [split(names, draw, shots=1) for draw in range(draws)]
    out = [asked_over(names, drawings, closed), asked_over(names, drawings, single)]

    both = np.concatenate([data.icons.names, names])
    icons = np.arange(len(data.icons.names))
    drawn = len(icons) + np.flatnonzero(np.isin(names, data.icons.names))
    out.append(asked_over(both, np.concatenate([vectors["icons"], drawings]), [(icons, drawn)]))
    if "characters" in vectors:
        characters = data.characters.names
        splits = [split(characters, draw, shots=1) for draw in range(min(draws, 3))]
        out.append(asked_over(characters, vectors["characters"], splits))
    return out


def split(names: np.ndarray, seed: int, *, share: float = 0.0, shots: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the gallery and of the queries: of every class ``shots``, or a ``share``, go into the
    gallery, at least one, and the rest are asked."""
    rng = np.random.default_rng(seed)
    gallery, queries = [], []
    for name in np.unique(names):
        rows = rng.permutation(np.flatnonzero(names == name))
        kept = shots or max(1, round(share * len(rows)))
        gallery.append(rows[:kept])
        queries.append(rows[kept:])
    return np.concatenate(gallery), np.concatenate(queries)


def asked_over(names: np.ndarray, vectors: np.ndarray, splits: list[tuple[np.ndarray, np.ndarray]]) -> Share:
    hits, asked, different = 0, 0, set()
    for rows, queries in splits:
        gallery, classes = gallery_of(names, vectors, rows)
        for query in queries:
            first = rank(vectors[query], gallery, k=NEIGHBOURS, top=1)[0]
            hits += classes[first.class_id] == names[query]
        asked += len(queries)
        different.update(queries.tolist())
    return Share(hits, asked, len(different))


def gallery_of(names: np.ndarray, vectors: np.ndarray, rows: np.ndarray) -> tuple[Gallery, np.ndarray]:
    """The product's gallery over ``rows``, and the class names by class id."""
    classes, class_ids = np.unique(names[rows], return_inverse=True)
    kinds = np.full(len(rows), "drawing")
    return Gallery(0, "benchmark", rows.astype(np.int64), class_ids, kinds, vectors[rows]), classes


# ---- marks from outside


def unknown(marks: Marks, draws: int, *, shots: int = 0, heading: str) -> None:
    """Print what the product's verdicts do when a third of the classes is outside the base."""
    trials = [_outside_trial(marks, seed, shots) for seed in range(draws)]
    known = np.unique(np.concatenate([t.queries for t in trials])).size
    print(f"Unknown marks: {heading}; {draws} draws, {sum(len(t.outside) for t in trials)} questions from outside.")
    print(f"{'asked for':>10}  outside, called certain   outside, hesitates   known, certain and right  ", end="")
    print("known, certain but wrong  known, called unknown")
    for target in TARGETS:
        rows = [_verdicts(t, target) for t in trials]
        false, doubt, right, wrong, rejected = (sum(column) for column in zip(*rows, strict=True))
        out, inside = sum(len(t.outside) for t in trials), sum(len(t.queries) for t in trials)
        columns = [Share(false, out, len(marks.names)), Share(doubt, out, len(marks.names))]
        columns += [Share(n, inside, known) for n in (right, wrong, rejected)]
        print(f"{100 * target:8.0f} %  {'      '.join(str(c) for c in columns)}")
    print("\nThe score, thresholds aside: at this false-accept rate, known marks that are refused or wrong, %")
    print(f"{'':14}" + "".join(f"{100 * t:7.0f} %" for t in TARGETS))
    answered = [_Answered.of(trial) for trial in trials]
    for label, value in (("similarity", _similarity), ("margin", _margin), ("score", Calibration.score)):
        cells = [np.mean([each.refused(value, target) for each in answered]) for target in TARGETS]
        print(f"{label:14}" + "".join(f"{100 * c:9.1f}" for c in cells))
    print()


@dataclass(frozen=True)
class Outside:
    """One draw: the ``gallery``, its ``classes``, the rows of the known ``queries`` and of those from ``outside``."""

    marks: Marks
    gallery: Gallery
    classes: np.ndarray
    queries: np.ndarray
    outside: np.ndarray

    def answer(self, row: int, calibration: Calibration) -> tuple[list[ClassAnswer], Verdict, bool]:
        """The classes, the verdict, and whether the first is right."""
        found, verdict = self.marks.answer(row, self.gallery, calibration)
        return found, verdict, bool(self.classes[found[0].class_id] == self.marks.names[row])


def _outside_trial(marks: Marks, seed: int, shots: int) -> Outside:
    names = np.unique(marks.names)
    strange = np.isin(marks.names, np.random.default_rng(1000 + seed).permutation(names)[: len(names) // 3])
    kept = np.flatnonzero(~strange)
    rows, queries = (kept[part] for part in split(marks.names[kept], seed, share=0.7, shots=shots))
    classes = np.unique(marks.names[rows])
    return Outside(marks, marks.gallery(rows, classes), classes, queries, np.flatnonzero(strange))


def _verdicts(trial: Outside, target: float) -> tuple[int, int, int, int, int]:
    calibration = calibrate(trial.gallery, false_accept_rate=target, k=NEIGHBOURS)
    outside = [trial.answer(row, calibration)[1] for row in trial.outside.tolist()]
    inside = [trial.answer(row, calibration)[1:] for row in trial.queries.tolist()]
    return (
        outside.count("certain"),
        outside.count("hesitates"),
        inside.count(("certain", True)),
        inside.count(("certain", False)),
        sum(verdict == "unknown" for verdict, _ in inside),
    )


@dataclass(frozen=True)
class _Answered:
    """What a draw's base answers: to the marks from ``outside``, and to the known ones (with whether that is right)."""

    calibration: Calibration
    outside: list[list[ClassAnswer]]
    inside: list[tuple[list[ClassAnswer], bool]]

    @classmethod
    def of(cls, trial: Outside) -> _Answered:
        calibration = calibrate(trial.gallery, k=NEIGHBOURS)
        outside = [trial.answer(row, calibration)[0] for row in trial.outside.tolist()]
        inside = [trial.answer(row, calibration)[::2] for row in trial.queries.tolist()]
        return cls(calibration, outside, inside)

    def refused(self, value: Callable[[Calibration, list[ClassAnswer]], float], target: float) -> float:
        """The share of the known marks that are wrong, or below what ``target`` of the others reach."""
        threshold = np.quantile([value(self.calibration, answer) for answer in self.outside], 1 - target)
        kept = [right and value(self.calibration, answer) > threshold for answer, right in self.inside]
        return 1 - float(np.mean(kept))


def _similarity(_: Calibration, answer: list[ClassAnswer]) -> float:
    return answer[0].similarity


def _margin(_: Calibration, answer: list[ClassAnswer]) -> float:
    return answer[0].similarity - max((other.similarity for other in answer[1:]), default=-1.0)


if __name__ == "__main__":
    main()
