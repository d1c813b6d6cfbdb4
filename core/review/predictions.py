"""Predictions: what the other images say each image is, its own row left out.

They stand beside the labels and never change one. Reads a `core.review.neighbourhood` and the labels of
the moment; `core.review.queue` sorts by them and `core.review.quality` lists where they disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sqlalchemy as sa

from core.catalogue import database as db
from core.collection.dataset import Dataset
from core.ground.arrays import rows_in
from core.recognition.cohesion import NEAR_COPY
from core.recognition.ranking import vote_weights
from core.review.neighbourhood import Contents, Neighbourhood

NONE = 0  # the class id of an image without a label, and of no prediction
VOTERS = 10
LIKELIEST = 9  # one for each digit key
BLOCK = 4096
PAIRS = 16_000_000  # compared at most for images without a labelled neighbour (0.5 s on two cores)
ASKED = 512  # such images at once: 130 MB at most


@dataclass
class Labels:
    """The present items at one dataset ``version``, by id: ``item_ids``, ``class_ids`` (`NONE`: unlabelled),
    ``kinds`` and ``sha256`` ("S64"), all (N,). `relabel` keeps it in step with changes just made."""

    version: int
    item_ids: np.ndarray
    class_ids: np.ndarray
    kinds: np.ndarray
    sha256: np.ndarray

    @classmethod
    def load(cls, dataset: Dataset) -> Labels:
        version = dataset.version
        query = sa.select(db.items.c.id, db.items.c.class_id, db.items.c.kind, db.seen_as)
        with dataset.catalogue.read() as connection:
            rows = connection.execute(query.where(db.items.c.state == "present").order_by(db.items.c.id)).all()
        ids, classes, kinds, hashes = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(
            version,
            np.array(ids, np.int64),
            np.array([class_id or NONE for class_id in classes], np.int64),
            np.array(kinds, "U8"),
            np.array(hashes, "S64"),
        )

    def __len__(self) -> int:
        return len(self.item_ids)

    def row_of(self, item_id: int) -> int | None:
        """The row of an item; None when it was not there at this version."""
        at = int(np.searchsorted(self.item_ids, item_id))
        return at if at < len(self) and self.item_ids[at] == item_id else None


@dataclass(frozen=True)
class Predictions:
    """For the items (N,) of `Labels`, in their order: the class the neighbours vote for (`NONE` where
    nobody can say), its share of the ``vote`` (0 to 1), and the share ``own`` that the item's
    own label gets. ``known``: whether the neighbours could say anything; ``able``: whether they could have
    said its label, which they cannot where it is the only content of its class."""

    class_ids: np.ndarray
    vote: np.ndarray
    own: np.ndarray
    known: np.ndarray
    able: np.ndarray

    @cached_property
    def certainty(self) -> np.ndarray:
        """How settled each item is (0 to 1): the vote for its label, or for its prediction while it has none.
        Where nobody could have voted for the label it counts as settled."""
        return np.where(self.able, np.where(self.known, self.own, 0.0), 1.0)


def content_classes(labels: Labels, sha256: np.ndarray) -> np.ndarray:
    """The class (V,) of each content of ``sha256`` (V,), sorted: that of its first labelled item, or `NONE`."""
    classes = np.full(len(sha256), NONE, np.int64)
    if len(sha256):
        labelled = np.flatnonzero(labels.class_ids != NONE)[::-1]  # backwards, so that the first one stays
        rows = rows_in(sha256, labels.sha256[labelled])
        classes[rows[rows >= 0]] = labels.class_ids[labelled][rows >= 0]
    return classes


def predict(
    labels: Labels, neighbourhood: Neighbourhood, references: References | None = None, *, k: int = VOTERS
) -> Predictions:
    """Ask each item's ``k`` nearest labelled contents; its own content, and copies of it in its class, have no say.

    The neighbourhood keeps few: where none of an item's may speak, the ``references`` nearest to it are asked.
    """
    rows = rows_in(neighbourhood.sha256, labels.sha256)
    classes = content_classes(labels, neighbourhood.sha256)
    found = np.zeros(len(labels), np.int64)
    vote, own = np.zeros(len(labels)), np.zeros(len(labels))
    for start in range(0, len(labels), BLOCK):
        block = slice(start, start + BLOCK)
        at = rows[block]
        if not (at >= 0).any():
            continue
        mine = labels.class_ids[block]
        nearest = neighbourhood.nearest[np.maximum(at, 0)]
        similarities = neighbourhood.similarities[np.maximum(at, 0)].astype(np.float64)
        theirs = np.where(nearest >= 0, classes[nearest], NONE)
        theirs[at < 0] = NONE
        found[block], vote[block], own[block] = _voted(theirs, similarities, mine, k)
    lone = np.flatnonzero((rows >= 0) & (found == NONE))
    if references is not None and len(references):
        step = math.ceil(len(lone) * len(references) / PAIRS)
        for start in range(0, len(lone), ASKED):
            part = lone[start : start + ASKED]
            theirs, similarities = references.nearest(labels.sha256[part], neighbourhood.kept, step=step)
            found[part], vote[part], own[part] = _voted(theirs, similarities, labels.class_ids[part], k)
    held, counts = np.unique(classes[classes != NONE], return_counts=True)
    alone = np.isin(labels.class_ids, np.setdiff1d(np.unique(labels.class_ids), [NONE, *held[counts > 1].tolist()]))
    return Predictions(found, vote, own, found != NONE, ~alone)


def _voted(
    theirs: np.ndarray, similarities: np.ndarray, mine: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What neighbours (N, K), nearest first, of the classes ``theirs`` say of items of the classes ``mine`` (N,): the
    class, its share of the vote, and the share of the item's own label (of the class, where it has none)."""
    usable = (theirs != NONE) & ~((theirs == mine[:, None]) & (similarities > NEAR_COPY))
    order = np.argsort(~usable, axis=1, kind="stable")[:, :k]
    theirs, similarities, usable = (np.take_along_axis(a, order, axis=1) for a in (theirs, similarities, usable))
    some = usable.any(axis=1)
    weights = np.zeros_like(similarities)
    weights[some] = vote_weights(np.where(usable[some], similarities[some], -np.inf))
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    votes = ((theirs[:, :, None] == theirs[:, None, :]) * weights[:, None, :]).sum(axis=2) * usable
    best = votes.argmax(axis=1)[:, None]
    vote = np.take_along_axis(votes, best, axis=1)[:, 0]
    own = np.where(mine == NONE, vote, (weights * (theirs == mine[:, None])).sum(axis=1))
    return np.where(some, np.take_along_axis(theirs, best, axis=1)[:, 0], NONE), vote, own


@dataclass(frozen=True)
class Proposal:
    """One likely class of an image: cosine ``similarity`` of its best reference ``sha256``, and its ``vote``."""

    class_id: int
    similarity: float
    vote: float
    sha256: str


class References:
    """The labelled contents, laid out class by class: made once for a state of the labels, asked for many images."""

    def __init__(self, contents: Contents, labels: Labels) -> None:
        classes = content_classes(labels, contents.sha256)
        used = np.flatnonzero(classes != NONE)
        self._rows = used[np.argsort(classes[used], kind="stable")]
        self._contents = contents
        self._vectors = contents.vectors[self._rows]
        self._ids, self._starts = np.unique(classes[self._rows], return_index=True)
        self._own = np.searchsorted(self._ids, classes[self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def nearest(self, sha256: np.ndarray, count: int, *, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """The classes (N, K) of the ``count`` references most like each content of ``sha256`` (N,), itself left out,
        and their cosine similarities, the nearest first; `NONE` and -inf where there are fewer. ``step``: of each
        class only every so many references are looked at, from its first."""
        rows = self._contents.rows_of(sha256)
        used = np.flatnonzero((np.arange(len(self)) - self._starts[self._own]) % step == 0)
        similarities = self._contents.vectors[rows] @ (self._vectors[used] if step > 1 else self._vectors).T
        similarities[(rows[:, None] == self._rows[used]) | (rows < 0)[:, None]] = -np.inf
        best = np.argpartition(-similarities, min(count, len(used)) - 1, axis=1)[:, :count]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(similarities, best, axis=1), axis=1), axis=1)
        similarities = np.take_along_axis(similarities, best, axis=1).astype(np.float64)
        return np.where(np.isfinite(similarities), self._ids[self._own[used]][best], NONE), similarities

    def propose(self, sha256: list[str], *, top: int = LIKELIEST, k: int = VOTERS) -> list[list[Proposal]]:
        """The ``top`` likeliest classes of each content of ``sha256``, best first, from all references but itself.

        Those the ``k`` nearest vote for come first, then the others by their best reference, as in
        `core.recognition.ranking`.
        """
        rows = self._contents.rows_of(np.array(sha256, "S64"))
        found: list[list[Proposal]] = [[] for _ in sha256]
        asked = np.flatnonzero(rows >= 0)
        if len(self._rows) and len(asked):
            similarities = self._contents.vectors[rows[asked]] @ self._vectors.T
            similarities[rows[asked][:, None] == self._rows] = -np.inf
            for place, line in zip(asked.tolist(), similarities, strict=True):
                found[place] = self._likeliest(line, top, k)
        return found

    def _likeliest(self, similarities: np.ndarray, top: int, k: int) -> list[Proposal]:
        best = np.maximum.reduceat(similarities, self._starts)
        nearest = np.argpartition(-similarities, min(k, len(similarities)) - 1)[:k]
        nearest = nearest[np.isfinite(similarities[nearest])]
        votes = np.zeros(len(self._ids))
        if len(nearest):
            weights = vote_weights(similarities[nearest].astype(np.float64))
            np.add.at(votes, self._own[nearest], weights / weights.sum())
        ends = np.append(self._starts[1:], len(similarities))
        proposals = []
        for i in np.lexsort((-best, -votes))[:top]:
            if np.isfinite(best[i]):
                at = self._rows[self._starts[i] + similarities[self._starts[i] : ends[i]].argmax()]
                reference = self._contents.sha256[at].decode("ascii")
                proposals.append(Proposal(int(self._ids[i]), float(best[i]), float(votes[i]), reference))
        return proposals
