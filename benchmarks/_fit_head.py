"""The closed-form part of the head: linear discriminants of marks that are drawn here and nowhere else.

No real drawing is read: the marks are random, each drawn by several random hands and printed as two icons, and
the projection keeps what tells marks apart and drops what only tells hands apart. `pretrain` joins it with another.
For whole pictures the marks are photographed, and what only tells grounds, lights and cameras apart is dropped too.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.embedding.embedder import CHUNK  # noqa: E402
from core.ground.config import Preprocessing  # noqa: E402
from core.ground.preprocessing import see  # noqa: E402
from core.synthesis.drawing import draw  # noqa: E402
from core.synthesis.engraving import Form  # noqa: E402
from core.synthesis.hands import by_hand, random_hand  # noqa: E402
from core.synthesis.marks import random_template  # noqa: E402
from core.synthesis.scenes import scene  # noqa: E402
from core.synthesis.strokes import Stroke, Template, arc, bend, mirrored, path, placed, ring  # noqa: E402

STAGE, GRID = 4, 5  # the features after block 4, averaged on 5 x 5 cells that overlap by half
DIMENSION = 256
SHRINKAGE = 0.6  # towards equal variance in every direction
ICONS = 2  # pictures of each mark that are printed, not drawn
SIDE = 112  # px of the drawn pages, and of the scenes
EXTENT = (0.5, 0.9)  # of a photographed mark: its larger side, shares of the scene's
CUT = (-0.02, 0.10)  # of its larger side: what is left round it on each side
LEAST = 20  # px of a side of what is cut out


def pictures(marks: int, hands: int, seed: int) -> Iterator[Image.Image]:
    """``hands`` pictures of each mark, the first `ICONS` printed, the others drawn by hand."""
    rng = np.random.default_rng(seed)
    for _ in range(marks):
        designed = rng.random() < 0.5
        template = random_template(rng) if designed else scribbled(rng)
        for i in range(hands):
            icon = i < ICONS
            form = reshaped(template, rng, amount=0.25 if icon else 0.4 if designed else 1.0)
            yield draw(form, rng, style="icon" if icon else "drawing", size=SIDE)


def photographs(number: int, *, count: int, seed: int) -> list[Image.Image]:
    """``count`` photographs of random mark ``number``, cut close: drawn or printed anew in each, on another ground."""
    rng = np.random.default_rng([seed, number])
    designed = rng.random() < 0.5
    template = random_template(rng) if designed else scribbled(rng)
    found: list[Image.Image] = []
    while len(found) < count:
        shaped = reshaped(template, rng, amount=0.3 if designed else 0.8)
        printed = rng.random() < 0.5
        form = Form.of(shaped) if printed else Form(tuple(by_hand(shaped, rng, random_hand(rng))))
        made = scene(lambda _, form=form: form, rng, side=SIDE, marks=1, extent=EXTENT)  # type: ignore[misc]
        if len(made.boxes):
            x, y, wide, high = made.boxes[0]
            left, up, right, down = rng.uniform(*CUT, 4) * max(wide, high)
            x0, y0 = int(max(0, x - left)), int(max(0, y - up))
            x1, y1 = (int(np.ceil(min(SIDE, v))) for v in (x + wide + right, y + high + down))
            if min(x1 - x0, y1 - y0) >= LEAST:
                found.append(Image.fromarray(made.picture[y0:y1, x0:x1]))
    return found


def scribbled(rng: np.random.Generator) -> Template:
    """One to five plain forms anywhere across each other, as no designer would: more marks than are designed."""
    out: list[Stroke] = []
    for _ in range(int(rng.choice([1, 2, 3, 4, 5], p=[0.12, 0.32, 0.31, 0.17, 0.08]))):
        width, height = rng.uniform(0.2, 0.85) * np.array([1.0, rng.uniform(0.5, 1.0)])
        form = Template.of([FORMS[rng.integers(len(FORMS))](rng)])
        if rng.random() < 0.8:
            form = form.turned(float(rng.choice([90, 180, 270]) if rng.random() < 0.6 else rng.uniform(0, 360)))
        out += placed(form.strokes, rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height)
    if rng.random() < 0.15:
        out += mirrored(out[:1])
    return Template.of(out)


def _corners(rng: np.random.Generator) -> Stroke:
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(3, 7)), endpoint=False)
    return path(*((float(np.cos(a)), float(np.sin(a))) for a in angles), closed=True)


def _anywhere(rng: np.random.Generator) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in rng.uniform(0, 1, (int(rng.integers(3, 6)), 2))]


def _wave(rng: np.random.Generator) -> Stroke:
    x = np.linspace(0, 1, 9)
    return bend(*zip(x.tolist(), (0.25 * np.sin(2 * np.pi * rng.uniform(0.7, 2) * x)).tolist(), strict=True))


def _spiral(rng: np.random.Generator) -> Stroke:
    angles = np.linspace(1, rng.uniform(2, 4) * np.pi, 24)
    return bend(*((float(a * np.cos(a)), float(a * np.sin(a))) for a in angles))


FORMS: tuple[Callable[[np.random.Generator], Stroke], ...] = (
    lambda rng: path((0, 0), (1, 0)),
    lambda rng: ring(0.5, 0.5, 0.5, 0.5 * float(rng.uniform(0.5, 1))),
    lambda rng: arc(0.5, 0.5, 0.5, 0.5 * float(rng.uniform(0.5, 1)), 0, float(rng.uniform(100, 300))),
    _corners,
    lambda rng: path(*_anywhere(rng)),
    lambda rng: bend(*_anywhere(rng)),
    _wave,
    _spiral,
    lambda rng: path((0, 0), (0.5, float(rng.uniform(0.5, 1))), (1, 0)),
)


def reshaped(template: Template, rng: np.random.Generator, *, amount: float) -> Template:
    """The mark as another person remembers it: stretched, sheared and bent as a whole, its strokes
    resized and shifted each for itself."""
    lean = np.eye(2) + amount * rng.normal(0, [[0.12, 0.10], [0.10, 0.12]])
    frequencies, phases = rng.uniform(0.5, 1.6, (3, 2)), rng.uniform(0, 2 * np.pi, 3)
    heights = rng.normal(0, 0.03 * amount, (3, 2))
    out = []
    for stroke in template.strokes:
        points = np.array(stroke.points) - 0.5
        middle = points.mean(axis=0)
        points = (points - middle) * np.exp(rng.normal(0, 0.1 * amount)) + middle + rng.normal(0, 0.03 * amount, 2)
        points = (points + np.sin(points @ frequencies.T * 2 * np.pi + phases) @ heights) @ lean.T
        out.append(Stroke(tuple((float(x), float(y)) for x, y in points), stroke.closed, stroke.solid))
    return Template.of(out)


def encoded(
    images: Iterator[Image.Image], preprocessing: Preprocessing, encode: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The features (N, F) float32 that the head is to project, L2-normalised."""
    out = []
    for chunk in iter(lambda: list(itertools.islice(images, CHUNK)), []):
        out.append(encode(np.stack([see(image, preprocessing) for image in chunk])))
    return np.concatenate(out)


def discriminant(features: np.ndarray, *, shrinkage: float = SHRINKAGE) -> tuple[np.ndarray, np.ndarray]:
    """Weight (D, F) and bias (D,) of the linear discriminants of ``features`` (marks, hands, F).

    Whitens the covariance within marks, shrunk towards its mean variance, and keeps the
    directions in which the marks' means then vary most: Fukunaga, Introduction to Statistical
    Pattern Recognition, 2nd ed. 1990, chapter 10. Scaled so that the projections of the features
    given have a mean square length of 1.
    """
    marks, hands, size = features.shape
    means = features.mean(axis=1)
    mean = means.mean(axis=0)
    apart = (features - means[:, None]).reshape(-1, size)
    within = (apart.T @ apart / (marks * (hands - 1))).astype(np.float64)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / size * np.eye(size)
    root = np.linalg.cholesky(shrunk)
    directions, _, _ = np.linalg.svd(np.linalg.solve(root, (means - mean).T.astype(np.float64)), full_matrices=False)
    weight = np.linalg.solve(root.T, directions[:, :DIMENSION]).T
    weight /= np.sqrt(np.mean(np.sum(((features.reshape(-1, size) - mean) @ weight.T) ** 2, axis=1)))
    return weight, -weight @ mean


def save(
    path: Path,
    weight: np.ndarray,
    bias: np.ndarray,
    facts: dict[str, object],
    trunk: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a head, and with it the trunk that it was fitted to where that is not the pretrained one."""
    save_tensors(
        path, {"head.weight": weight, "head.bias": bias, **{f"trunk.{n}": t for n, t in (trunk or {}).items()}}, facts
    )


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> None:
    """Write ``tensors``, what is real of them in half precision, and beside them ``facts``."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    half = {n: t.astype(np.float16) if np.issubdtype(t.dtype, np.floating) else t for n, t in tensors.items()}
    tensors = {n: np.array(t, order="C") for n, t in half.items()}  # bytes are saved as they lie
    save_file(tensors, path, metadata={name: str(value) for name, value in facts.items()})
    path.chmod(0o644)  # the library writes for its owner alone; this file ships
