"""Predictions: every original of one side of a split asked against the training originals, and every answer kept.

The figures of a report, a confusion, an error and a correction are all read from here; nothing is
computed from pictures again. Scores are `core.evaluation.report`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from core.collection.dataset import Dataset
from core.embedding.gallery import Gallery
from core.ground.arrays import read_arrays
from core.ground.errors import BadInput, BurinError, NotFound
from core.ground.outlines import POINTS, outline_of, pack, unpack
from core.ground.workspace import write_atomic, writing
from core.recognition.calibrate import Calibration, Verdict, calibrate
from core.recognition.metrics import average_precision_at_r
from core.recognition.ranking import ClassAnswer
from core.recognition.trials import BLOCK
from core.recognition.verdicts import answer_to
from core.sight.marks import sight
from core.training.settings import Side
from core.training.splits import Split, make_split, snapshot_of
from core.variation.references import references
from core.variation.sources import Original

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

Asked = Literal[Side, "all"]  # "all": every original, each while it and its copies are out of the base

KEPT = 10  # classes kept of every answer: as far as the top-k curve goes
NONE = -1  # in place of a class where an answer has fewer
FOLDS = 20  # parts at most that `predict_all` asks
FORMAT = 1
HEADER, ARRAYS = "predictions.json", "predictions.npz"


@dataclass(frozen=True)
class About:
    """Whose answers these are, and from what.

    ``run`` ("": the encoder in use) on ``side`` of a split drawn with ``seed``; ``model`` says the encoder in words;
    ``snapshot`` is the digest of the labels that were read (`core.training.splits.snapshot_of`), ``version`` the
    dataset's then; ``leak``: the split's audit as JSON, None where none was made.
    """

    run: str = ""
    name: str = ""
    side: Asked = "test"
    space: str = ""
    model: str = ""
    seed: int = 0
    neighbours: int = 10
    false_accept_rate: float = 0.05
    at: float = 0.0
    snapshot: str = ""
    version: int = 0
    leak: dict[str, Any] | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Of Q queries among C classes, with N references.

    ``folders``, ``names`` (C): the classes, by folder. ``sha256``, ``files`` (Q,): the queries and their
    ``folder/file``. ``truth`` (Q,) and ``ranked`` (Q, `KEPT`) are numbers of classes, best first, `NONE` where an
    answer has fewer; ``similarities``, ``votes`` and ``references`` (content hashes of the best reference) go with
    ``ranked``. ``own``, ``own_references`` (Q,): the best reference of the true class (-1 and "" where it has
    none). ``verdicts``, ``scores`` (Q,) as Identify gives them. ``precisions`` (Q,): average precision at R.
    ``outside_scores``, ``outside_verdicts`` (Q,): the same query asked with its whole class left out (nan and
    "" where no other class is there). ``gallery``, ``gallery_truth`` (N,): the references. ``centres`` (C, D):
    mean vector of each class's references, of length 1 (0 for a class without any).
    """

    about: About
    calibration: Calibration
    folders: tuple[str, ...]
    names: tuple[str, ...]
    sha256: np.ndarray
    files: np.ndarray
    truth: np.ndarray
    ranked: np.ndarray
    similarities: np.ndarray
    votes: np.ndarray
    references: np.ndarray
    own: np.ndarray
    own_references: np.ndarray
    verdicts: np.ndarray
    scores: np.ndarray
    precisions: np.ndarray
    outside_scores: np.ndarray
    outside_verdicts: np.ndarray
    gallery: np.ndarray
    gallery_truth: np.ndarray
    centres: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.sha256)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The first class of each answer (Q,)."""
        return self.ranked[:, 0]

    @cached_property
    def known(self) -> np.ndarray:
        """Whether a query's class has references (Q,): the others can only be called unknown, and count as marks
        from outside."""
        return np.isin(self.truth, self.gallery_truth)

    @cached_property
    def wrong(self) -> np.ndarray:
        """Rows of the known queries that got another class's name."""
        return np.flatnonzero(self.known & (self.predicted != self.truth))

    @cached_property
    def gap(self) -> np.ndarray:
        """How wrong each answer is (Q,): similarity of its best class less that of the true one; 0 where right."""
        return np.where(self.predicted == self.truth, 0.0, self.similarities[:, 0] - self.own)

    def label_of(self) -> dict[str, str]:
        """Content hash -> class folder of everything that was read: queries and references."""
        rows = [*zip(self.gallery.tolist(), self.gallery_truth.tolist(), strict=True)]
        rows += zip(self.sha256.tolist(), self.truth.tolist(), strict=True)
        return {sha256: self.folders[number] for sha256, number in rows}

    # On disk

    def save(self, folder: Path) -> None:
        """Write the arrays as ``predictions.npz``, then what they are as ``predictions.json``."""
        with writing(folder / ARRAYS) as stream:
            np.savez_compressed(stream, **{name: getattr(self, name) for name in _arrays()})
        head = {"format": FORMAT, "about": asdict(self.about), "calibration": self.calibration.to_json()}
        head |= {"folders": self.folders, "names": self.names}
        write_atomic(folder / HEADER, json.dumps(head, ensure_ascii=False, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `save` wrote; raises `NotFound` where there is nothing, `BadInput` where it cannot be used."""
        try:
            head = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            about = {**head["about"], "refused": tuple(head["about"]["refused"])}
            held = read_arrays(folder / ARRAYS)
            arrays = {name: held[name] for name in _arrays()}
            calibration = Calibration.from_json(head["calibration"])
            return cls(About(**about), calibration, tuple(head["folders"]), tuple(head["names"]), **arrays)
        except FileNotFoundError as error:
            raise NotFound("Nothing was evaluated here yet.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput("The evaluation in {folder} is damaged: evaluate again.", folder=folder.name) from error


def predict(
    originals: Sequence[Original],
    split: Split,
    embedder: Embedder,
    *,
    about: About,
    dataset: Dataset | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Predictions | None:
    """Ask every original on ``about.side`` of ``split``; the training originals are the only references, and the
    verdicts are calibrated on them alone.

    ``dataset`` has vectors that need not be computed again. Unreadable pictures are named in ``about.refused``.
    None when stopped. Raises `BadInput` when one of the two sides is empty.
    """
    asked = [original for original in originals if split.side.get(original.sha256) == about.side]
    learnt = [original for original in originals if split.side.get(original.sha256) == "train"]
    embedded = references([*learnt, *asked], embedder, dataset)
    side_of = np.array([split.side[original.sha256] for original in embedded.originals], "U10")
    train, query = np.flatnonzero(side_of == "train"), np.flatnonzero(side_of == about.side)
    if not len(train) or not len(query):
        raise BadInput("There is nothing to measure: the split has no image on the side {side}.",
                       side=about.side if len(train) else "train")  # fmt: skip
    refused = tuple(outcome.name for outcome in embedded.refused)
    about = replace(about, space=embedder.space, snapshot=snapshot_of(originals), refused=refused)
    owners = embedded.owners
    kinds = np.full(len(train), "drawing")
    outlines = _outlines(embedded.originals, embedder, dataset)
    gallery = Gallery(
        0, embedder.space, np.arange(len(train)), owners[train], kinds, embedded.vectors[train], outlines[train]
    )
    calibration = calibrate(gallery, false_accept_rate=about.false_accept_rate, k=about.neighbours)
    hashes = np.array([original.sha256 for original in embedded.originals], "U64")
    answers, outside = _Answers.blank(len(query)), []
    for row, at in enumerate(query.tolist()):
        if row % 256 == 0:
            if should_stop():
                return None
            if on_progress:
                on_progress(row, len(query))
        ask = partial(
            answer_to, embedded.vectors[at], partial(outlines.__getitem__, at), gallery, calibration, k=about.neighbours
        )
        answers.keep(row, *ask(top=KEPT), hashes[train], calibration)
        others = np.flatnonzero(gallery.class_ids != owners[at])
        outside.append(ask(top=2, allowed=others) if len(others) else None)
    own, own_references = _against_truth(embedded.vectors[query], owners[query], gallery)
    names = embedded.names
    return Predictions(
        about=about,
        calibration=calibration,
        folders=embedded.folders,
        names=tuple(names[folder] for folder in embedded.folders),
        sha256=hashes[query],
        files=np.array([_file(embedded.originals[at]) for at in query.tolist()]),
        truth=owners[query],
        **vars(answers),
        own=own,
        own_references=np.where(own_references >= 0, hashes[train][own_references], ""),
        precisions=average_precision_at_r(
            embedded.vectors[query], owners[query], gallery.vectors, gallery.class_ids
        ),
        outside_scores=np.array([calibration.score(each[0]) if each else np.nan for each in outside]),
        outside_verdicts=np.array([each[1] if each else "" for each in outside], "U9"),
        gallery=hashes[train],
        gallery_truth=owners[train],
        centres=_centres(gallery, len(embedded.folders)),
    )  # fmt: skip


def predict_all(
    originals: Sequence[Original],
    groups: Mapping[str, int],
    embedder: Embedder,
    *,
    about: About,
    dataset: Dataset | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Predictions | None:
    """Ask every original while it is out of the base: part after part, as many as the largest class has groups, which
    leaves one group (`core.training.splits.near_duplicate_groups`) of each class out at a time, and `FOLDS` at most.

    For an encoder that was trained on none of them. None when stopped; raises `BadInput` as `predict` does.
    """
    members: dict[str, set[int]] = {}
    for original in originals:
        members.setdefault(original.folder, set()).add(groups[original.sha256])
    folds = min(FOLDS, max((len(own) for own in members.values()), default=0))
    if folds < 2:
        raise BadInput("There is nothing to measure: no class has two different originals.")
    parts = []
    for fold in range(folds):
        split = make_split(originals, groups=groups, seed=about.seed, validation=0, test=0, folds=folds, fold=fold)
        if not split.counts()["test"]:
            continue
        part = predict(
            originals, split, embedder, about=replace(about, side="test"), dataset=dataset, should_stop=should_stop
        )
        if part is None:
            return None
        parts.append(part)
        if on_progress:
            on_progress(fold + 1, folds)
    return replace(pooled(parts), about=replace(parts[0].about, side="all"))


def pooled(parts: Sequence[Predictions]) -> Predictions:
    """The answers of several splits of one collection as one, each with the verdict of its own base. The calibration
    that is kept is the first one's."""
    first = parts[0]
    if any(part.folders != first.folders for part in parts):
        raise BadInput("These predictions are of other classes: they cannot be pooled.")
    asked = ("gallery", "gallery_truth", "centres")
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _arrays() if name not in asked}
    gallery, rows = np.unique(np.concatenate([part.gallery for part in parts]), return_index=True)
    truth = np.concatenate([part.gallery_truth for part in parts])[rows]
    centres = np.mean([part.centres for part in parts], axis=0)
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    kept = {"gallery": gallery, "gallery_truth": truth, "centres": centres}
    return Predictions(first.about, first.calibration, first.folders, first.names, **columns, **kept)


@dataclass(frozen=True)
class _Answers:
    """The columns of `Predictions` that are filled query by query."""

    ranked: np.ndarray
    similarities: np.ndarray
    votes: np.ndarray
    references: np.ndarray
    verdicts: np.ndarray
    scores: np.ndarray

    @classmethod
    def blank(cls, count: int) -> Self:
        shape = (count, KEPT)
        return cls(
            np.full(shape, NONE, np.int32), np.full(shape, -1, np.float32), np.zeros(shape, np.float32),
            np.full(shape, "", "U64"), np.full(count, "unknown", "U9"), np.full(count, -1.0),
        )  # fmt: skip

    def keep(
        self, row: int, ranked: list[ClassAnswer], verdict: Verdict, hashes: np.ndarray, calibration: Calibration
    ) -> None:
        self.verdicts[row] = verdict
        self.scores[row] = calibration.score(ranked)
        for place, answer in enumerate(ranked):
            self.ranked[row, place] = answer.class_id
            self.similarities[row, place] = answer.similarity
            self.votes[row, place] = answer.vote
            self.references[row, place] = hashes[answer.item_id]


def _outlines(originals: Sequence[Original], embedder: Embedder, dataset: Dataset | None) -> np.ndarray:
    """The outline of each (N, P, 3): those that ``dataset`` has, the others made now; zeros where the file is gone."""
    made = dataset.outlines(embedder.space) if dataset is not None else {}
    out = np.zeros((len(originals), POINTS, 3), np.uint8)
    for row, original in enumerate(originals):
        held = made.get(original.item_id or 0)
        if held is None:
            with suppress(BurinError, OSError):
                held = pack(outline_of(sight(original.read(), embedder.preprocessing)))
        out[row] = unpack(held or b"")
    return out


def _against_truth(queries: np.ndarray, truth: np.ndarray, gallery: Gallery) -> tuple[np.ndarray, np.ndarray]:
    """For each query: similarity and row of the best reference of its own class (-1 both where it has none)."""
    own, where = np.full(len(queries), -1.0, np.float32), np.full(len(queries), NONE, np.int64)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        alike = queries[block] @ gallery.vectors.T
        same = truth[block, None] == gallery.class_ids
        inside = np.where(same, alike, -np.inf)
        has = same.any(axis=1)
        own[block] = np.where(has, inside.max(axis=1), -1.0)
        where[block] = np.where(has, inside.argmax(axis=1), NONE)
    return own, where


def _centres(gallery: Gallery, count: int) -> np.ndarray:
    sums = np.zeros((count, gallery.vectors.shape[1]), np.float32)
    np.add.at(sums, gallery.class_ids, gallery.vectors)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _file(original: Original) -> str:
    return f"{original.folder}/{original.path.name}"


def _arrays() -> list[str]:
    return [each.name for each in fields(Predictions) if each.name not in ("about", "calibration", "folders", "names")]
