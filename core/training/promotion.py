"""Promotion: which run's network Identify uses, and the way back.

``model/best_efficientnet_triplet.safetensors`` is the truth: it is replaced in one rename, and what lies beside
it (card, plain state dict, origin) is for people and for earlier scripts.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.collection.dataset import Dataset
from core.embedding.card import read_sealed
from core.embedding.weights import PROMOTED, sha256_of
from core.ground.errors import Conflict, NotFound
from core.ground.extras import trains_here
from core.ground.job_process import Report
from core.ground.locks import Hold, locked
from core.ground.workspace import Workspace, new_id, scratch, sync_folder, temporary, write_atomic
from core.recognition.metrics import wilson
from core.training.promoted import ORIGIN, Promoted, every_told, promoted, tell, told
from core.training.run import Run
from core.training.runs import Runs
from core.training.validation import score
from core.variation.sources import originals_of

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

FAR = 0.05  # of top-1: by how much a run may be below what is in use before that has to be said
TURN_S = 10.0  # for which somebody waits who finds what is in use in other hands
KEPT = 5  # earlier promotions that can be gone back to
_BESIDE = tuple(Path(PROMOTED).with_suffix(suffix).name for suffix in (".json", ".pt"))


@dataclass(frozen=True)
class Beside:
    """Top-1 (0 to 1) of a run's best weights and of what is in ``used``, on the same ``n`` validation originals."""

    run: float
    used: float
    n: int

    @property
    def far_below(self) -> bool:
        """Whether the run is worse by more than `FAR`, and by more than chance may do."""
        below = wilson(round(self.run * self.n), self.n)[1] < wilson(round(self.used * self.n), self.n)[0]
        return below and self.used - self.run > FAR

    def said(self) -> Conflict:
        """The sentence for whoever promotes it."""
        return Conflict(
            "On the same images ({n}) this run is right in {run} %, what is in use in {used} %.",
            n=self.n, run=f"{100 * self.run:.1f}", used=f"{100 * self.used:.1f}",
        )  # fmt: skip


def beside(dataset: Dataset, run: Run, used: Embedder) -> Beside | None:
    """The run beside the encoder in use, which is asked what the run was validated with; None where the run was not
    measured, or its images are gone. What lacks a vector is embedded."""
    from core.embedding.gallery import update

    best = (run.record.best or {}).get("scores") or {}
    if not best.get("n") or best.get("top1") is None or run.brought_in:
        return None
    update(dataset, used)
    ids, classes, _kinds, vectors = dataset.vectors(used.space)
    row = {int(item_id): at for at, item_id in enumerate(ids.tolist())}
    originals = [o for o in originals_of(dataset) if o.item_id in row]
    trained, asked = (
        np.array([row[o.item_id] for o in run.split.of(originals, side) if o.item_id is not None], np.int64)
        for side in ("train", "validation")
    )
    if not len(trained) or not len(asked):
        return None
    k = run.settings.neighbours
    found = score(vectors[asked], classes[asked], vectors[trained], classes[trained], k=k)
    return Beside(float(best["top1"]), found.top1, found.n) if found.n else None


def promote(workspace: Workspace, run: Run) -> Promoted:
    """Let Identify use the best weights of ``run``; what was in use is kept for `roll_back`.

    The file is checked before it replaces anything: raises `ModelRefused`, and `NotFound` where the run has no
    weights yet. Where PyTorch is not installed, its digest alone is, and there is no plain state dict beside it.
    """
    workspace.allow("promotion")
    if not run.best_path.is_file():
        raise NotFound("The run {name} has no weights yet.", name=run.record.name)
    card, content = read_sealed(run.best_path)
    state = None
    if trains_here():
        from core.embedding.model import load

        state = load(run.best_path)[0].state_dict()
    with _turn(workspace):
        _keep(workspace)
        record = Promoted(run.id, sha256_of(run.best_path), time.time())
        tell(workspace.model, record, promoted(workspace))
        _clear(workspace)
        target = workspace.model / PROMOTED
        write_atomic(target, content)
        tell(workspace.model, record)
        _beside(target, card.to_json() | {"sha256": record.sha256}, state)
    return record


def run_promotion(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: get all ready for the best weights of a run, then `promote` it, so that nobody waits for the change.

    ``params``: ``run_id``, and ``meant`` where it is to be promoted although it is far below what is in use: raises
    `Conflict` otherwise. Its engine is made and every original embedded by it before it is used; stopped
    before that, nothing changes.
    """
    from core.embedding.embedder import load_embedder
    from core.embedding.gallery import update

    run = Runs(workspace).get(params["run_id"])
    if not run.best_path.is_file():
        raise NotFound("The run {name} has no weights yet.", name=run.record.name)
    dataset = Dataset(workspace)
    if not params.get("meant"):
        found = beside(dataset, run, load_embedder(workspace))
        if found is not None and found.far_below:
            raise found.said()
    report(0, 0, "building")
    embedder = load_embedder(workspace, model=run.best_path)

    def on_progress(done: int, total: int) -> None:
        report(done, total, "embedding")

    update(dataset, embedder, on_progress=on_progress, should_stop=should_stop)
    if should_stop():
        return {}
    promote(workspace, run)
    return {"run_id": run.id}


def roll_back(workspace: Workspace) -> Promoted | None:
    """Go back to what was in use before, which may be the untrained encoder (None).

    Raises `NotFound` when there is nothing to go back to.
    """
    workspace.allow("promotion")
    with _turn(workspace):
        earlier = _earlier(workspace)
        if not earlier:
            raise NotFound("There is no earlier promotion to go back to.")
        last = earlier[-1]
        tell(workspace.model, told(last), promoted(workspace))
        _clear(workspace)
        for name in (PROMOTED, ORIGIN, *_BESIDE):  # copied, the weights first: a kill leaves all of it for a second try
            if (last / name).is_file():
                write_atomic(workspace.model / name, (last / name).read_bytes())
            else:
                (workspace.model / name).unlink(missing_ok=True)
        for done in reversed([folder for folder in _kept(workspace) if folder.name >= last.name]):  # a kill leaves more
            os.replace(done, gone := temporary(done))
            shutil.rmtree(gone, ignore_errors=True)
    return promoted(workspace)


def can_roll_back(workspace: Workspace) -> bool:
    """Whether there is an earlier promotion, or the untrained encoder, to go back to."""
    return bool(_earlier(workspace))


def _turn(workspace: Workspace) -> AbstractContextManager[Hold]:
    """What is in use is in nobody else's hands meanwhile; raises `Conflict` where it is for long."""
    busy = Conflict("Another model is being put to use at this moment: try again.")
    workspace.model.mkdir(parents=True, exist_ok=True)
    return locked(workspace.model / ".promotion.lock", busy, wait_s=TURN_S)


def _keep(workspace: Workspace) -> None:
    """Copy what is in use into ``model/previous``; an empty folder stands for the untrained encoder."""
    folder = workspace.model / "previous" / new_id(after=max((p.name for p in _kept(workspace)), default=""))
    used = promoted(workspace)
    with scratch(folder) as staging:
        staging.mkdir(parents=True)
        for name in (PROMOTED, *_BESIDE) if used is not None else ():
            if (workspace.model / name).is_file():
                write_atomic(staging / name, (workspace.model / name).read_bytes())
        tell(staging, used)
        os.replace(staging, folder)
        sync_folder(folder.parent)
    for old in _kept(workspace)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _earlier(workspace: Workspace) -> list[Path]:
    """What can be gone back to, the last one last; not what is in use, which a kill may have left among them."""
    folders = _kept(workspace)
    while folders and _is_used(workspace, folders[-1]):
        folders.pop()
    return folders


def _is_used(workspace: Workspace, folder: Path) -> bool:
    if not (folder / PROMOTED).is_file():
        return not (workspace.model / PROMOTED).is_file()
    record = told(folder)
    return record is not None and record in every_told(workspace.model) and record == promoted(workspace)


def _clear(workspace: Workspace) -> None:
    """Take away what lies beside the weights, so that it is never of others."""
    for name in _BESIDE:
        (workspace.model / name).unlink(missing_ok=True)


def _kept(workspace: Workspace) -> list[Path]:
    folder = workspace.model / "previous"
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) if folder.is_dir() else []


def _beside(target: Path, card: dict, state: dict | None) -> None:
    write_atomic(target.with_suffix(".json"), (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    if state is None:
        target.with_suffix(".pt").unlink(missing_ok=True)  # that of what was in use before
        return
    import torch

    content = io.BytesIO()
    torch.save(dict(state), content)
    write_atomic(target.with_suffix(".pt"), content.getvalue())
