"""Predictions made by hand, and a drawn collection with awkward names and two wrong labels. It asserts nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.collection.dataset import Dataset
from core.embedding.gallery import update
from core.evaluation.predictions import KEPT, About, Predictions
from core.evaluation.store import Evaluation
from core.evaluation.work import Subject, evaluate_subject, in_use
from core.ground.names import folder_for
from core.ground.workspace import Workspace
from core.recognition.calibrate import UNCALIBRATED
from core.variation.sources import originals_of
from tests import conftest

SCRIPT, PICTURE, FORMULA = "<script>alert(1)</script>", "![x](http://example.invalid/x.png)", "=1+1"
NAMES = {"circle": SCRIPT, "cross": PICTURE, "bar": FORMULA, "triangle": "{s}", "square": "$e_{a}$", "wave": "étoile"}
EACH = 8  # originals of each class


def predictions(
    truth: Sequence[int],
    ranked: Sequence[Sequence[int]],
    *,
    names: Sequence[str] = ("a", "b", "c"),
    scores: Sequence[float] | None = None,
    outside: Sequence[float] | None = None,
    gallery_truth: Sequence[int] | None = None,
    about: About | None = None,
) -> Predictions:
    """Answers of these ``ranked`` classes; similarities fall by 0.1 from 0.9, the own class has what it has there."""
    n, count = len(truth), len(names)
    table = np.full((n, KEPT), -1, np.int32)
    similarities = np.full((n, KEPT), -1, np.float32)
    votes = np.zeros((n, KEPT), np.float32)
    own = np.full(n, 0.1, np.float32)
    for row, classes in enumerate(ranked):
        table[row, : len(classes)] = classes
        similarities[row, : len(classes)] = 0.9 - 0.1 * np.arange(len(classes))
        votes[row, : len(classes)] = np.array([0.75, *[0.25 / max(1, len(classes) - 1)] * (len(classes) - 1)])
        if truth[row] in classes:
            own[row] = similarities[row, list(classes).index(truth[row])]
    known_by = list(range(count)) if gallery_truth is None else list(gallery_truth)
    scored = np.array(scores if scores is not None else similarities[:, 0], float)
    return Predictions(
        about=about or About(at=0.0, leak={"clean": True, "findings": []}),
        calibration=UNCALIBRATED,
        folders=tuple(names),
        names=tuple(names),
        sha256=np.array([hashed(row) for row in range(n)], "U64"),
        files=np.array([f"{names[t]}/{row}.png" for row, t in enumerate(truth)]),
        truth=np.array(truth, np.int64),
        ranked=table,
        similarities=similarities,
        votes=votes,
        references=np.where(table >= 0, "f" * 64, "").astype("U64"),
        own=own,
        own_references=np.full(n, "e" * 64, "U64"),
        verdicts=np.full(n, "hesitates", "U9"),
        scores=scored,
        precisions=np.array([1.0 if t == r[0] else 0.0 for t, r in zip(truth, ranked, strict=True)]),
        outside_scores=np.array(outside, float) if outside is not None else np.full(n, math.nan),
        outside_verdicts=np.full(n, "unknown" if outside is not None else "", "U9"),
        gallery=np.array([hashed(1000 + i) for i in range(len(known_by))], "U64"),
        gallery_truth=np.array(known_by, np.int64),
        centres=np.eye(count, 4, dtype=np.float32),
    )


def hashed(number: int) -> str:
    """A content hash that can be told by its number."""
    return f"{number:064x}"


def collection(root: Path) -> Dataset:
    """Six classes with awkward names, `EACH` drawings of each; circle_6 and circle_7 lie among the crosses."""
    workspace = Workspace(root)
    for shape in NAMES:
        for seed in range(EACH):
            home = "cross" if shape == "circle" and seed >= EACH - 2 else shape
            folder = workspace.raw / folder_for(NAMES[home])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{shape}_{seed}.png").write_bytes(conftest.png_bytes(conftest.draw(shape, seed=seed)))
    dataset = Dataset(workspace)
    dataset.rescan()
    return dataset


def asked(dataset: Dataset) -> Subject:
    """The stand-in for an encoder, on a split drawn with seed 0."""
    embedder = conftest.FakeEmbedder()
    update(dataset, embedder)
    return in_use(dataset.workspace, embedder, originals_of(dataset))


def evaluation(dataset: Dataset) -> Evaluation:
    made = evaluate_subject(dataset, asked(dataset), "test")
    assert made is not None
    return made
