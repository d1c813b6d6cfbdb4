"""How long an evaluation takes at the size of a large collection: 10,000 embeddings of 300 classes.

    python benchmarks/evaluate.py [--quick]

Made-up vectors, 256 numbers each: classes are directions, images lie around them. Nothing is embedded; what
embedding costs is in identify.py and library.py. The map's first paint and lasso are measured in a
browser, by map.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.evaluation.artefacts import confusion_png, write_artefacts
from core.evaluation.confusion import blocks, pairs
from core.evaluation.error_causes import doubts, groups, hubs, outliers
from core.evaluation.html_report import html_report
from core.evaluation.predictions import About, Predictions, predict
from core.evaluation.projection import Points, pca, place, umap
from core.evaluation.report import evaluate
from core.ground.config import Preprocessing
from core.ground.errors import ImageRefused
from core.review.neighbourhood import Contents, Neighbourhood
from core.review.predictions import Labels
from core.review.predictions import predict as votes_of
from core.training.splits import make_split
from core.variation.sources import Original

DIMENSION, SPREAD = 256, 2.6  # alike enough that most are right, and not all


class MadeUp:
    """An encoder whose vectors are made beforehand: it gives them in the order in which it is asked."""

    space, dimension, engine, sentence = "made-up", DIMENSION, "onnxruntime", "Made-up vectors."
    preprocessing = Preprocessing()

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def embed(self, seen: np.ndarray, subjects: object = ()) -> np.ndarray:
        raise NotImplementedError

    def embed_images(self, images: Iterable[Callable], *, batch: int = 4) -> Iterator[np.ndarray | ImageRefused]:
        for read in images:
            yield self.vectors[read.__self__.sha256]  # the Original whose read() it is


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{what:<58}{time.perf_counter() - started:8.2f} s", flush=True)


def made_up(count: int, classes: int) -> tuple[list[Original], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    middles = rng.normal(size=(classes, DIMENSION)) / DIMENSION**0.5
    owners = np.sort(rng.integers(classes, size=count))
    vectors = middles[owners] + SPREAD * rng.normal(size=(count, DIMENSION)) / DIMENSION**0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    originals = [
        Original(f"class {owner:03}", f"class {owner:03}", Path(f"{row}.png"), f"{row:064x}", row + 1)
        for row, owner in enumerate(owners.tolist())
    ]
    held = {o.sha256: v for o, v in zip(originals, vectors.astype(np.float32), strict=True)}
    return originals, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images, and no UMAP")
    quick = parser.parse_args().quick
    count, classes = (1000, 30) if quick else (10_000, 300)
    originals, vectors = made_up(count, classes)
    embedder = MadeUp(vectors)
    print(f"{count} embeddings, {DIMENSION} numbers, {classes} classes")
    with timed("split"):
        split = make_split(originals, seed=0, validation=0.15, test=0.15)
    held = None
    with timed("predictions of the test side, calibrated"):
        held = predict(originals, split, embedder, about=About())
    assert held is not None
    with timed("figures of the report"):
        report = evaluate(held)
    print(f"  {report.queries} queries, {report.references} references, top-1 {report.top1.value:.3f}, "
          f"{len(held.wrong)} wrong, {len(report.counts)} cells")  # fmt: skip
    with timed("classes ordered by likeness"):
        order = blocks(held)
    with timed("most confused pairs"):
        pairs(report)
    with timed("confusion matrix as numbers, raw and by row"):
        report.matrix, report.normalised  # noqa: B018
    confusion_png(report, order)  # matplotlib is loaded
    with timed("confusion matrix as a picture"):
        confusion_png(report, order)
    with tempfile.TemporaryDirectory() as folder:
        with timed("text, tables and charts written"):
            write_artefacts(Path(folder), held, report)
        with timed("predictions saved and read"):
            held.save(Path(folder))
            Predictions.read(Path(folder))
    _faults(held, vectors)
    _map(originals, vectors, quick=quick)


def _faults(held: Predictions, vectors: dict[str, np.ndarray]) -> None:
    hashes = np.array(list(vectors), "S64")
    contents = Contents("made-up", hashes, np.stack(list(vectors.values())))
    with timed("neighbourhood of all images, once"):
        near = Neighbourhood.empty().extended(contents)
    assert near is not None
    home = {o: number + 1 for o, number in zip(held.gallery.tolist(), held.gallery_truth.tolist(), strict=True)}
    home |= {o: number + 1 for o, number in zip(held.sha256.tolist(), held.truth.tolist(), strict=True)}
    class_ids = np.array([home.get(sha256.decode(), 0) for sha256 in hashes.tolist()])
    labels = Labels(0, np.arange(1, len(hashes) + 1), class_ids, np.full(len(hashes), "drawing"), hashes)
    with timed("likely label errors, hubs, outliers, errors by cause"):
        doubted = doubts(labels, votes_of(labels, near))
        found = groups(held, doubted, range(1, len(held.folders) + 1))
        hubs(labels, near)
        outliers(labels, near)
    picture = b"RIFF" + bytes(1500)
    with timed("report as one page (pictures of 1.5 kB)"):
        page = html_report(held, evaluate(held), found, lambda sha256: picture)
    print(f"  {len(page) / 1e6:.1f} MB")


def _map(originals: list[Original], vectors: dict[str, np.ndarray], *, quick: bool) -> None:
    points = Points("made-up", np.array(list(vectors), "U64"), np.stack(list(vectors.values())))
    with timed("map by PCA"):
        flat = pca(points)
    with timed("100 new images placed on it"):
        place(flat, points, points.vectors[:100])
    if quick:
        return
    with timed("map by UMAP, cold (numba compiles)"):
        first = umap(points)
    with timed("map by UMAP, warm, 1 % fewer images, from the layout before"):
        fewer = Points("made-up", points.sha256[: -len(points) // 100], points.vectors[: -len(points) // 100])
        umap(fewer, previous=first)
    with timed("map by UMAP, warm, from nothing"):
        umap(points, seed=1)


if __name__ == "__main__":
    main()
