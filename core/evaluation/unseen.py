"""Classes that training never saw: how well an encoder tells them apart, and how often it takes one for a known mark.

That is what recognition meets in the end. Vectors in, figures out, before strokes are compared; which classes were
held out is the split's to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from core.embedding.gallery import Gallery
from core.evaluation.report import Share
from core.ground.workspace import write_atomic
from core.recognition.calibrate import calibrate
from core.recognition.verdicts import answer_to

FILE = "unseen.json"
REFERENCES = (1, 2, 5)
DRAWS = 10  # of which references stand for a class


@dataclass(frozen=True)
class FirstRank:
    """With ``references`` of each class drawn at random, and all its other images asked among the held-out classes:
    the mean share of right first answers over the draws (each class alike), and their standard deviation. ``classes``
    had enough images; ``queries`` were asked in a draw."""

    references: int
    mean: float
    deviation: float
    classes: int
    queries: int


@dataclass(frozen=True)
class Unseen:
    """``classes`` (folders) that were not trained on, with ``images`` in all; ``draws`` of references.

    ``auroc``: how well the score of an answer tells marks of trained classes from these, which are not in the base
    (nan where nothing was trained on, or no mark of a trained class was held out); ``accepted``: how many of these
    were called certain all the same.
    """

    classes: tuple[str, ...]
    images: int
    draws: int
    ranks: tuple[FirstRank, ...]
    auroc: float
    accepted: Share

    def save(self, folder: Path) -> None:
        record = asdict(self)
        record["auroc"] = None if math.isnan(self.auroc) else self.auroc
        write_atomic(folder / FILE, json.dumps(record, ensure_ascii=False, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What `save` wrote; None where there is nothing usable."""
        try:
            held: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            auroc = math.nan if held["auroc"] is None else float(held["auroc"])
            ranks = tuple(FirstRank(**each) for each in held["ranks"])
            accepted = Share(**held["accepted"])
            return cls(tuple(held["classes"]), int(held["images"]), int(held["draws"]), ranks, auroc, accepted)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def measure(
    vectors: np.ndarray,
    folders: np.ndarray,
    sides: np.ndarray,
    *,
    space: str = "",
    seed: int = 0,
    draws: int = DRAWS,
    references: Sequence[int] = REFERENCES,
    k: int = 10,
    false_accept_rate: float = 0.05,
) -> Unseen | None:
    """The figures from the ``vectors`` (N, D) of originals, L2-normalised, their classes (``folders`` (N,)) and
    ``sides`` (N,) of the split. Where nothing is on the side "train", no class was ever trained on.

    None where fewer than two classes were held out.
    """
    trained = np.unique(folders[sides == "train"])
    outside = ~np.isin(folders, trained)
    held = np.unique(folders[outside])
    if len(held) < 2:
        return None
    ranks = tuple(
        found
        for number in references
        if (found := _first_rank(vectors[outside], folders[outside], number, draws, seed)) is not None
    )
    auroc, accepted = math.nan, Share(0, 0)
    if len(trained) > 1:
        known = ~outside & (sides != "train")
        gallery = _gallery(vectors[sides == "train"], folders[sides == "train"], space)
        calibration = calibrate(gallery, false_accept_rate=false_accept_rate, k=k)
        answers = [answer_to(vector, None, gallery, calibration, k=k) for vector in vectors[outside]]
        strangers = [calibration.score(answer) for answer, _verdict in answers]
        accepted = Share(sum(verdict == "certain" for _answer, verdict in answers), len(answers))
        if known.any():
            own = [
                calibration.score(answer_to(vector, None, gallery, calibration, k=k)[0]) for vector in vectors[known]
            ]
            auroc = _auroc(own, strangers)
    return Unseen(tuple(held.tolist()), int(outside.sum()), draws, ranks, auroc, accepted)


def _first_rank(vectors: np.ndarray, folders: np.ndarray, number: int, draws: int, seed: int) -> FirstRank | None:
    _classes, own, counts = np.unique(folders, return_inverse=True, return_counts=True)
    able = np.flatnonzero(counts > number)
    if len(able) < 2:
        return None
    rows = {class_: np.flatnonzero(own == class_) for class_ in able.tolist()}
    queries = sum(len(each) - number for each in rows.values())
    shares = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, number, draw])
        shuffled = {class_: rng.permutation(each) for class_, each in rows.items()}
        bases = np.concatenate([each[:number] for each in shuffled.values()])
        asked = np.concatenate([each[number:] for each in shuffled.values()])
        nearest = own[bases[(vectors[asked] @ vectors[bases].T).argmax(axis=1)]]
        right = nearest == own[asked]
        shares.append(float(np.mean([right[own[asked] == class_].mean() for class_ in rows])))
    deviation = float(np.std(shares, ddof=1)) if draws > 1 else math.nan
    return FirstRank(number, float(np.mean(shares)), deviation, len(able), queries)


def _gallery(vectors: np.ndarray, folders: np.ndarray, space: str) -> Gallery:
    order = np.argsort(folders, kind="stable")
    _classes, own = np.unique(folders[order], return_inverse=True)
    kinds = np.full(len(order), "drawing")
    return Gallery(0, space, np.arange(len(order)), own, kinds, vectors[order])


def _auroc(known: Sequence[float], strangers: Sequence[float]) -> float:
    from sklearn.metrics import roc_auc_score

    truth = np.r_[np.ones(len(known)), np.zeros(len(strangers))]
    return float(roc_auc_score(truth, np.r_[known, strangers]))
