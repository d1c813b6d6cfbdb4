"""Marks that were read in a photograph, embedded where their drawings lie.

The strokes that are found in a photograph are not all of the mark. So the ink as it was read (cut as drawings are, and
whole) and the photograph itself are embedded too, by the encoder's other heads, and a linear map, fitted on made
photographs of marks whose drawings are known (benchmarks/README.md), takes the four vectors together to where the
drawing would lie. Vectors of drawings stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from core.embedding.weights import Weights, sha256_of
from core.ground.config import Preprocessing
from core.ground.preprocessing import see
from core.sight.marks import Subject
from core.sight.reading import MIDDLE


@dataclass(frozen=True)
class PhotographMap:
    """``weight`` (D, V x D) and ``bias`` (D,) of the map from V vectors of D numbers each, those of `views`, end to
    end; ``sha256`` of the file it came from."""

    weight: np.ndarray
    bias: np.ndarray
    sha256: str

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(N, V, D) -> (N, D) float32, L2-normalised."""
        out = vectors.reshape(len(vectors), -1) @ self.weight.T + self.bias
        return (out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def views(preprocessing: Preprocessing) -> tuple[Preprocessing, Preprocessing]:
    """How a photograph and its ink are seen beside the strokes: cut to the ink, and whole."""
    return replace(preprocessing, mode="crop"), replace(preprocessing, mode="plain")


def seen_otherwise(subjects: list[Subject], preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """What the other heads see of N subjects that have a photograph: (N, S, S, 3), the ink cut, and (2 N, S, S, 3), of
    each the middle of the ink and the photograph, whole."""
    crop, plain = views(preprocessing)
    cut = np.stack([see(one.picture, crop) for one in subjects])
    whole = [see(shown, plain) for one in subjects for shown in _whole(one)]
    return cut, np.stack(whole)


def end_to_end(strokes: np.ndarray, cut: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The vectors of the strokes and of the ink cut, (N, D) each, and of what is seen whole, (2 N, D), as a map takes
    them: (N, V, D)."""
    return np.stack([strokes, cut, whole[::2], whole[1::2]], axis=1)


def _whole(one: Subject) -> tuple[Image.Image, Image.Image]:
    assert one.photograph is not None
    return one.picture.crop(MIDDLE), one.photograph


def fitted_map(folder: Path, weights: Weights, preprocessing: Preprocessing, heads: list[str]) -> PhotographMap | None:
    """The map in ``folder`` that was fitted at this size to these weights and ``heads`` (the hashes of the files of
    strokes and of `views`), or None."""
    path = folder / f"{weights.architecture}-photographs.safetensors"
    if not path.is_file():
        return None
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        if (tensors.metadata() or {}).get("fitted_to") != fitted_to(weights, preprocessing, heads):
            return None
        weight, bias = (tensors.get_tensor(name).astype(np.float32) for name in ("weight", "bias"))
    return PhotographMap(weight, bias, sha256_of(path))


def fitted_to(weights: Weights, preprocessing: Preprocessing, heads: list[str]) -> str:
    """What a map belongs to, as its file says it."""
    return " ".join([weights.sha256, str(preprocessing.size), *heads])
