"""Real marks as the product keeps them: vectors and outlines, for `verdicts` and `alignment`. It measures nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from accuracy import NEIGHBOURS, SHARED, Pictures, _decoded, read_data

from core.embedding.embedder import load_embedder
from core.embedding.gallery import Gallery
from core.ground.outlines import POINTS, outline_of, pack, unpack
from core.ground.workspace import Workspace
from core.recognition.calibrate import Calibration, Verdict
from core.recognition.ranking import ClassAnswer
from core.recognition.verdicts import answer_to
from core.sight.marks import sight


@dataclass(frozen=True)
class Marks:
    """``names`` (N,) of the classes, ``vectors`` (N, D), ``outlines`` (N, P, 3)."""

    names: np.ndarray
    vectors: np.ndarray
    outlines: np.ndarray
    space: str

    def gallery(self, rows: np.ndarray, classes: np.ndarray, *, kind: str = "drawing") -> Gallery:
        """A base of these rows, all of one ``kind``; class ids are places in ``classes``, item ids the rows."""
        order = np.sort(rows)
        place = {name: at for at, name in enumerate(classes.tolist())}
        class_ids = np.array([place[name] for name in self.names[order].tolist()])
        kinds = np.full(len(order), kind)
        return Gallery(0, self.space, order, class_ids, kinds, self.vectors[order], self.outlines[order])

    def answer(
        self, row: int, gallery: Gallery, calibration: Calibration, *, top: int = 5
    ) -> tuple[list[ClassAnswer], Verdict]:
        """The product's own answer to one of them: the likeliest classes and the verdict."""
        outline = self.outlines[row]
        return answer_to(self.vectors[row], lambda: outline, gallery, calibration, k=NEIGHBOURS, top=top)


def marks_of(sets: Sequence[str], *, every: int = 1) -> dict[str, Marks]:
    """Of drawings, icons, characters and photographs those named, as a new workspace's encoder sees them."""
    with tempfile.TemporaryDirectory() as folder:
        embedder = load_embedder(Workspace(folder))
        pictures: dict[str, Pictures] = dict(vars(read_data(every=every)))
        carved = sorted((SHARED / "photos" / "carved").glob("*/*.png"))
        if "photographs" in sets:
            pictures["photographs"] = _decoded([(path.parent.name, path.read_bytes()) for path in carved])
        out = {}
        for name in sets:
            seen = np.stack([sight(image, embedder.preprocessing) for image in pictures[name].images])
            outlines = np.stack([unpack(pack(outline_of(each))) for each in seen]).reshape(-1, POINTS, 3)
            out[name] = Marks(pictures[name].names, embedder.embed(seen), outlines, embedder.space)
        return out
