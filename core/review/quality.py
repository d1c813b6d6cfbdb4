"""Quality: what deserves a second look in the collection. It lists; a person decides.

Copies in disguise, blank and tiny images, and classes that are mirror images of one another are
looked for by a job, since every image is opened; exact copies and labels that an image's neighbours
doubt are read from the catalogue at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from core.collection.dataset import Dataset
from core.collection.looks import Looks, Progress, looks_of
from core.ground.job_process import Report
from core.ground.sameness import Look, pairs
from core.ground.workspace import Workspace, write_atomic
from core.review import sights
from core.review.neighbourhood import Contents, Neighbourhood, path_of
from core.review.predictions import Labels, Predictions
from core.review.queue import disagree

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

TWIN_TRIES = 4  # originals of each class that are mirrored and turned


@dataclass(frozen=True)
class Hint:
    """One image whose neighbours say another class: their ``vote`` for ``said``, and for its label (``own``)."""

    item_id: int
    label: int
    said: int
    vote: float
    own: float


@dataclass(frozen=True)
class TwinPair:
    """A class that a symmetry (``template``, a translatable name) turns into another: the ``share`` of tries that
    landed there."""

    folder: str
    name: str
    twin_folder: str
    twin_name: str
    template: str
    share: float


@dataclass(frozen=True)
class Findings:
    """What a check found. ``copies``: groups of content hashes that are one picture; ``blank``, ``tiny`` and
    ``unreadable``: content hashes; ``images``: how many contents were opened; ``at``: when, in seconds since 1970."""

    at: float = 0.0
    images: int = 0
    copies: tuple[tuple[str, ...], ...] = ()
    blank: tuple[str, ...] = ()
    tiny: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    twins: tuple[TwinPair, ...] = ()

    @classmethod
    def read(cls, workspace: Workspace) -> Self | None:
        """The findings of the last check; None when there was none."""
        try:
            held = json.loads((_folder(workspace) / "findings.json").read_text(encoding="utf-8"))
            lists = {name: tuple(held[name]) for name in ("blank", "tiny", "unreadable")}
            copies = tuple(tuple(group) for group in held["copies"])
            twins = tuple(TwinPair(**twin) for twin in held["twins"])
            return cls(at=held["at"], images=held["images"], copies=copies, twins=twins, **lists)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, workspace: Workspace) -> None:
        write_atomic(_folder(workspace) / "findings.json", json.dumps(asdict(self), ensure_ascii=False).encode())


# At any time, from the catalogue


def exact_copies(labels: Labels) -> list[list[int]]:
    """Groups of present items with the same content; those that lie in several classes first."""
    hashes, where, counts = np.unique(labels.sha256, return_inverse=True, return_counts=True)
    groups = []
    for content in np.flatnonzero(counts > 1) if len(hashes) else []:
        rows = np.flatnonzero(where.reshape(-1) == content)
        groups.append((len(set(labels.class_ids[rows].tolist())), labels.item_ids[rows].tolist()))
    return [ids for _classes, ids in sorted(groups, key=lambda group: (-group[0], group[1]))]


def hints(labels: Labels, predictions: Predictions) -> list[list[Hint]]:
    """Labels that the neighbours doubt, one list for each (label, class said), the most certain ones first."""
    groups: dict[tuple[int, int], list[Hint]] = {}
    for row in np.flatnonzero(disagree(labels, predictions)):
        hint = Hint(
            int(labels.item_ids[row]),
            int(labels.class_ids[row]),
            int(predictions.class_ids[row]),
            float(predictions.vote[row]),
            float(predictions.own[row]),
        )
        groups.setdefault((hint.label, hint.said), []).append(hint)
    lists = [sorted(group, key=lambda hint: hint.own - hint.vote) for group in groups.values()]
    return sorted(lists, key=lambda group: group[0].own - group[0].vote)


# The check


def near_copies(
    looks: Looks, *, on_progress: Progress | None = None, should_stop: Callable[[], bool] = lambda: False
) -> list[tuple[str, ...]]:
    """Groups of different files that show one picture, as `core.ground.sameness` judges; every pair is compared."""
    seen = [Look.from_bytes(row.tobytes()) for row in looks.looks]
    return _groups(pairs(seen, on_progress=on_progress, should_stop=should_stop), looks.sha256)


def _groups(pairs: Iterable[tuple[int, int]], sha256: np.ndarray) -> list[tuple[str, ...]]:
    """The connected sets of ``pairs``, largest first."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        parent[root(one)] = root(other)
    found: dict[int, list[str]] = {}
    for row in sorted(parent):
        found.setdefault(root(row), []).append(sha256[row].decode("ascii"))
    return sorted((tuple(group) for group in found.values()), key=lambda group: (-len(group), group))


def check(
    dataset: Dataset,
    embedder: Embedder,
    *,
    at: float,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Findings | None:
    """Open every image that was not opened before, compare neighbours, mirror and turn some of each class.

    None when stopped. Progress counts images, in two parts: opened, then mirrored and turned.
    """
    from core.embedding.gallery import update

    update(dataset, embedder, should_stop=should_stop)
    contents = Contents.load(dataset, embedder.space)
    held = Neighbourhood.read(path_of(dataset.workspace, embedder.space))
    neighbourhood = held.extended(contents, should_stop=should_stop) if len(contents) else Neighbourhood.empty()
    if neighbourhood is None:
        return None
    neighbourhood.save(path_of(dataset.workspace, embedder.space))
    looks = looks_of(dataset, on_progress=on_progress, should_stop=should_stop)
    sights.look(dataset, on_progress=on_progress, should_stop=should_stop)
    twins = None if should_stop() else _twins(dataset, embedder, on_progress, should_stop)
    if twins is None:
        return None

    def those(state: str) -> tuple[str, ...]:
        return tuple(sha256.decode("ascii") for sha256 in looks.sha256[looks.state == state].tolist())

    return Findings(
        at=at,
        images=len(looks.sha256),
        copies=tuple(near_copies(looks, should_stop=should_stop)),
        blank=those("blank"),
        tiny=those("tiny"),
        unreadable=those("broken"),
        twins=tuple(twins),
    )


def _twins(
    dataset: Dataset,
    embedder: Embedder,
    on_progress: Callable[[int, int], None] | None,
    should_stop: Callable[[], bool],
) -> list[TwinPair] | None:
    from core.variation.references import references
    from core.variation.sources import originals_of
    from core.variation.twins import twins

    refs = references(originals_of(dataset), embedder, dataset)
    found = []
    for done, folder in enumerate(refs.folders):
        if should_stop():
            return None
        if on_progress:
            on_progress(done, len(refs.folders))
        for twin in twins(refs, embedder, folders=[folder], per_class=TWIN_TRIES):
            if twin.genuine:  # the others only leave their class, and are no error of anybody's
                found.append(
                    TwinPair(twin.folder, twin.class_name, twin.twin_folder, twin.twin_name, twin.title, twin.share)
                )
    return sorted(found, key=lambda twin: (-twin.share, twin.name))


def run_check(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, int]:
    """The job: `check` with the workspace's encoder; the findings are kept beside the catalogue."""
    from core.embedding.embedder import load_embedder

    at = float(params["at"])
    found = check(Dataset(workspace), load_embedder(workspace), at=at, on_progress=report, should_stop=should_stop)
    if found is None:
        return {"images": 0}
    found.save(workspace)
    return {"images": found.images}


def _folder(workspace: Workspace) -> Path:
    return workspace.cache / "quality"
