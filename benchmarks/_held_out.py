"""What `train.py` measures on: the shared drawings with whole classes and single drawings held out, and the questions
that are put to a network. It trains nothing."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.embedding.model import EmbeddingNet
from core.ground.config import Preprocessing
from core.ground.images import content_hash
from core.ground.workspace import Workspace
from core.recognition.metrics import wilson
from core.training.batches import Images
from core.training.initial_network import begin
from core.training.settings import TrainSettings
from core.training.validation import embed, nearest_classes
from core.variation.sources import Original, originals_in

SHARED = Path(os.environ.get("BURIN_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
DRAWS = 10  # of the one reference of each class


@dataclass(frozen=True)
class Result:
    """Right answers and questions in the four settings."""

    closed: tuple[int, int]
    seen: tuple[int, int]
    unseen: tuple[int, int]
    icons: tuple[int, int]
    pictures: tuple[int, int, int, int]  # different ones, which is what the intervals are over

    def __str__(self) -> str:
        shares = (self.closed, self.seen, self.unseen, self.icons)
        return "  ".join(_share(*pair, n) for pair, n in zip(shares, self.pictures, strict=True))


class Data:
    """Drawings with held-out classes and held-out drawings, icons, and what was held out."""

    def __init__(self) -> None:
        gravures = SHARED / "gravures"
        self.icons = [
            Original(path.stem, path.stem, path, content_hash(path.read_bytes()))
            for path in sorted((gravures / "official").glob("*.png"))
        ]
        known = {icon.sha256 for icon in self.icons}  # an icon filed under the drawings is no drawing
        drawings = [o for o in originals_in(gravures / "raw_gravures")[0] if o.sha256 not in known]
        self.drawings = drawings
        self.names = np.array([drawing.folder for drawing in drawings])
        rng = np.random.default_rng(7)
        classes = rng.permutation(np.unique(self.names))
        self.unseen = np.isin(self.names, classes[::3])
        self.held = np.zeros(len(drawings), bool)
        for name in np.unique(self.names):
            own = rng.permutation(np.flatnonzero(self.names == name))
            self.held[own[: min(len(own) - 1, max(1, round(0.3 * len(own))))]] = True
        self.trained = ~self.unseen & ~self.held
        self.cache: dict[Preprocessing, tuple[Images, Images]] = {}

    def __str__(self) -> str:
        asked = int((self.held & ~self.unseen).sum())
        return (
            f"{int(self.trained.sum())} drawings of {len(set(self.names[self.trained]))} classes to train on; "
            f"{asked} others of them, {int(self.unseen.sum())} of {len(set(self.names[self.unseen]))} unseen classes "
            f"and {len(self.icons)} icons to ask. Rank 1 in per cent, Wilson 95 % intervals over different pictures."
        )

    def images(self, preprocessing: Preprocessing) -> tuple[Images, Images]:
        """Every drawing and every icon, as the network sees them; opened once."""
        if preprocessing not in self.cache:
            self.cache[preprocessing] = (
                Images(self.drawings, preprocessing),
                Images(self.icons, preprocessing, folders=sorted({o.folder for o in (*self.drawings, *self.icons)})),
            )
        return self.cache[preprocessing]

    def started(self, settings: TrainSettings) -> EmbeddingNet:
        with tempfile.TemporaryDirectory() as folder:
            return begin(settings, Workspace(folder))[0].eval()

    def ask(self, net: Any, preprocessing: Preprocessing | None = None) -> Result:
        """The four questions, put to ``net``."""
        drawings, icons = self.images(preprocessing or Preprocessing())
        vectors, shown = embed(net, drawings)[0], embed(net, icons)[0]
        asked = self.held & ~self.unseen
        closed = self._right(vectors[self.trained], self.names[self.trained], vectors[asked], self.names[asked])
        single: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            gallery = np.array([rng.choice(np.flatnonzero(self.names == name)) for name in np.unique(self.names)])
            for found, those in zip(single, (asked, self.unseen), strict=True):
                queries = np.setdiff1d(np.flatnonzero(those), gallery)
                right = self._right(vectors[gallery], self.names[gallery], vectors[queries], self.names[queries])
                found.append(right)
        names = np.array([icon.folder for icon in self.icons])
        drawn = self.unseen & np.isin(self.names, names)
        across = self._right(shown, names, vectors[drawn], self.names[drawn])
        seen, unseen = (np.concatenate(found) for found in single)
        pictures = (len(closed), int(asked.sum()), int(self.unseen.sum()), len(across))
        shares = [(int(right.sum()), len(right)) for right in (closed, seen, unseen, across)]
        return Result(shares[0], shares[1], shares[2], shares[3], pictures)

    def closed(self, net: Any, preprocessing: Preprocessing) -> float:
        """The closed set alone, for the clock."""
        drawings, _icons = self.images(preprocessing)
        rows = np.flatnonzero(~self.unseen)
        part = embed(net, drawings, rows)[0]
        vectors = np.zeros((len(self.names), part.shape[1]), np.float32)
        vectors[rows] = part
        asked = self.held & ~self.unseen
        right = self._right(vectors[self.trained], self.names[self.trained], vectors[asked], self.names[asked])
        return float(right.mean())

    @staticmethod
    def _right(gallery: np.ndarray, labels: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> np.ndarray:
        classes, numbers = np.unique(labels, return_inverse=True)
        return classes[nearest_classes(queries, gallery, numbers, k=10)[:, 0]] == truth


def _share(hits: int, asked: int, different: int) -> str:
    low, high = wilson(round(hits / asked * different), different)
    return f"{100 * hits / asked:5.1f} [{100 * low:4.1f}, {100 * high:5.1f}]"
