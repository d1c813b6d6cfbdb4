"""The ways of seeing compared on a workspace's own images, by leave-one-out, and the best of them taken.

What suits depends on what is collected: line marks are told by their strokes, prints by the whole picture. Stores the
comparison and the choice; the embedding that follows a choice is `core.embedding.gallery.run_index`'s.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from core.catalogue.records import Item
from core.collection.dataset import Dataset
from core.embedding.weights import PROMOTED
from core.ground.config import Preprocessing
from core.ground.errors import BadInput, Conflict, ExtrasMissing, ImageRefused
from core.ground.images import decode
from core.ground.job_process import Report
from core.ground.sameness import Look, look, pairs
from core.ground.workspace import Workspace, write_atomic
from core.recognition.metrics import mcnemar, wilson
from core.recognition.ranking import vote_weights

VIEWS = (
    Preprocessing("strokes", 96),
    Preprocessing("crop", 96),
    Preprocessing("plain", 96),
    Preprocessing("joined", 96),
    Preprocessing("plain", 224),  # by the whole trunk: see `core.embedding.plans`
)
SAMPLED = 1000  # images asked at most: an interval of 3 % at 80 % right
LEAST = 20  # images asked, below which nothing is said
SURE = 0.05  # of a difference this large or larger by chance (McNemar), above which the view in use stays
FILE = "views.json"
JOB = "core.recognition.views:run_comparison"


@dataclass(frozen=True)
class Score:
    """How many of the ``asked`` images are named rightly by the others, seen this way; ``low`` and ``high`` are the
    95 % interval of the share, ``chance`` the probability (McNemar) of such a difference to the view in use."""

    preprocessing: Preprocessing
    right: int
    asked: int
    low: float
    high: float
    chance: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """``scores``, best first; ``in_use`` when it was made, at ``at`` (seconds since 1970); ``settled``: somebody has
    answered the proposal."""

    scores: tuple[Score, ...]
    in_use: Preprocessing
    at: float
    settled: bool = False

    @property
    def best(self) -> Preprocessing:
        """The view with the most right answers that is surely better than the one in use, else that one."""
        first = self.scores[0]
        held = next((score for score in self.scores if score.preprocessing == self.in_use), None)
        better = held is None or (first.right > held.right and first.chance < SURE)
        return first.preprocessing if better else self.in_use

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads again."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Raises KeyError, TypeError or `ConfigRefused` on anything that is not a comparison."""
        scores = tuple(
            Score(**{**score, "preprocessing": Preprocessing.from_json(score["preprocessing"])})
            for score in record["scores"]
        )
        return cls(scores, Preprocessing.from_json(record["in_use"]), record["at"], record["settled"])


def compare(
    dataset: Dataset,
    *,
    seed: int = 0,
    report: Callable[[int, int], object] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Comparison | None:
    """Ask up to `SAMPLED` originals, each of the others, seen in every one of `VIEWS` and as now; None if stopped.

    An image that is a copy of the one asked does not answer. Raises `Conflict` where a trained network is in use,
    which sees as it was trained to, and `BadInput` where fewer than `LEAST` images have another of their class.
    """
    from core.embedding.embedder import load_embedder

    workspace = dataset.workspace
    if (workspace.model / PROMOTED).is_file():
        raise Conflict(
            "A trained network is in use, and sees as it was trained to: train one that sees in another way."
        )
    config = workspace.config()
    items, looks = _drawn(dataset, seed)
    own = np.unique([item.class_id for item in items], return_inverse=True)[1]
    order = np.argsort(own, kind="stable")
    items, looks, own = [items[k] for k in order], [looks[k] for k in order], own[order]
    hidden = np.eye(len(items), dtype=bool)
    for one, other in pairs(looks):
        hidden[one, other] = hidden[other, one] = own[one] == own[other]
    asked = ((own[:, None] == own) & ~hidden).any(axis=1)
    if asked.sum() < LEAST:
        raise BadInput(
            "The ways of seeing can be compared once {least} images have another of their class beside them.",
            least=LEAST,
        )
    views = [*VIEWS, *([config.preprocessing] if config.preprocessing not in VIEWS else [])]
    right: dict[Preprocessing, np.ndarray] = {}
    for number, view in enumerate(views):
        try:
            embedder = load_embedder(workspace, preprocessing=view)
        except ExtrasMissing:  # an engine that does not ship, and no PyTorch to make it: the others are compared
            if view == config.preprocessing:
                raise
            continue
        vectors = np.zeros((len(items), embedder.dimension), np.float32)
        for row, vector in enumerate(embedder.embed_images(_reader(dataset, item) for item in items)):
            if should_stop():
                return None
            if not isinstance(vector, ImageRefused):
                vectors[row] = vector
            if report:
                report(number * len(items) + row + 1, len(views) * len(items))
        right[view] = _right(vectors, own, hidden, config.neighbours)[asked]
    held = right[config.preprocessing]
    scores = [_score(view, hits, held) for view, hits in right.items()]
    return Comparison(tuple(sorted(scores, key=lambda score: -score.right)), config.preprocessing, time.time())


def run_comparison(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: `compare`, and keep the outcome for `kept`."""
    made = compare(Dataset(workspace), report=report, should_stop=should_stop)
    if made is None:
        return {}
    keep(workspace, made)
    return {"asked": made.scores[0].asked, "best": made.best.to_json()}


def keep(workspace: Workspace, comparison: Comparison) -> None:
    """Write the comparison beside the workspace's settings, in place of the last one."""
    write_atomic(workspace.config_path.with_name(FILE), json.dumps(comparison.to_json()).encode())


def kept(workspace: Workspace) -> Comparison | None:
    """The last comparison; None where there is none that can be read."""
    try:
        return Comparison.from_json(json.loads(workspace.config_path.with_name(FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, BadInput):
        return None


def take(dataset: Dataset, preprocessing: Preprocessing) -> None:
    """Let the workspace see this way from now on: a change of its settings, in the journal, to be undone as others."""
    dataset.set_settings(preprocessing=preprocessing)
    if (made := kept(dataset.workspace)) is not None:
        keep(dataset.workspace, replace(made, settled=True))


def _drawn(dataset: Dataset, seed: int) -> tuple[list[Item], list[Look]]:
    """The images to compare, none alone in its class as far as can be, and how each one looks."""
    present = [item for item in dataset.items(limit=None) if item.class_id is not None]
    rng = np.random.default_rng(seed)
    items: list[Item] = []
    looks: list[Look] = []
    for k in rng.permutation(len(present)):
        if len(items) == SAMPLED:
            break
        try:
            picture = _reader(dataset, present[k])()
        except ImageRefused:
            continue
        items.append(present[k])
        looks.append(look(picture))
    return items, looks


def _reader(dataset: Dataset, item: Item) -> Callable:
    return lambda: decode(dataset.image_bytes(item), name=item.path, grey=True)


def _right(vectors: np.ndarray, own: np.ndarray, hidden: np.ndarray, k: int) -> np.ndarray:
    """Whether each row is named rightly by the vote of the ``k`` nearest others."""
    similarities = vectors @ vectors.T
    similarities[hidden] = -np.inf
    k = min(k, len(own) - 1)
    rows = np.arange(len(own))[:, None]
    nearest = np.argpartition(-similarities, k, axis=1)[:, :k]
    votes = np.zeros((len(own), own.max() + 1))
    np.add.at(votes, (rows, own[nearest]), vote_weights(similarities[rows, nearest]))
    return votes.argmax(axis=1) == own


def _score(view: Preprocessing, hits: np.ndarray, held: np.ndarray) -> Score:
    right = int(hits.sum())
    low, high = wilson(right, len(hits))
    return Score(view, right, len(hits), low, high, float(mcnemar(hits, held)))
