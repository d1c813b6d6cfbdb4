"""Runs as a training leaves them, made without one: their record, their metrics, and weights where a test asks."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace, new_id
from core.training.audit import LeakAudit
from core.training.run import Run, RunState
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import make_split
from core.variation.sources import originals_of

STEPS = 4  # an epoch


def make_run(
    workspace: Workspace,
    *,
    name: str = "",
    state: RunState = "finished",
    top1: float = 0.9,
    epochs: int = 2,
    audit: LeakAudit | None = None,
    weights: bool = False,
    **settings: Any,
) -> Run:
    """A run of ``epochs`` x `STEPS` steps on the workspace's originals, 10 of them asked in each validation.

    Its top-1 rises by 0.1 an epoch to ``top1``; the start had 0.2 less than that.
    """
    data = Dataset(workspace)
    data.rescan()
    originals = originals_of(data)
    asked = TrainSettings(epochs=epochs, **settings)
    split = make_split(originals, seed=asked.seed, validation=asked.validation, test=asked.test)
    run = Runs(workspace).create(asked, split, audit or LeakAudit((), len(originals)), originals, name=name)
    lines: list[dict[str, Any]] = [{"kind": "start", "step": 0, "validation": _scores(top1 - 0.2), "health": {}}]
    at = time.time() - 100
    for epoch in range(epochs):
        if epoch == 0:
            lines.append({"kind": "thaw", "step": 0, "epoch": 0, "part": "head"})
        for step in range(epoch * STEPS + 1, (epoch + 1) * STEPS + 1):
            at += 0.5
            lines.append(
                {"kind": "step", "step": step, "epoch": epoch, "loss": 1 / step, "active": 0.5,
                 "lr": {"head": 0.001, "last": 0.0001}, "images_per_s": 128.0, "memory_mb": 900.0, "at": at}
            )  # fmt: skip
        at += 1
        value = top1 - 0.1 * (epochs - 1 - epoch)
        health = {"positive": [0.1, 0.2, 0.3, 0.4, 0.5], "negative": [0.6, 0.7, 0.8, 0.9, 1.0], "spread": 0.9}
        lines.append(
            {"kind": "epoch", "epoch": epoch, "step": (epoch + 1) * STEPS, "complete": True, "best": True,
             "validation": _scores(value), "health": health, "seconds": 1.0, "at": at}
        )  # fmt: skip
    (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (run.folder / "log.txt").write_text("epoch 0: (best)\n", encoding="utf-8")
    run.update(best={"epoch": epochs - 1, "scores": _scores(top1)})
    if weights:
        _weights(run, data)
    if state != "running":
        run.end(state)
    return run


def jobs_here(monkeypatch: pytest.MonkeyPatch, embedder: object) -> None:
    """Jobs do their work at once, in this process, with ``embedder`` in place of the real one."""
    from core.embedding import embedder as module
    from core.ground import job_process, jobs
    from core.ground.job import Job, publish

    def start(self, kind, work, params, *, key=None, alone=False):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        folder = self.workspace.jobs / new_id()
        folder.mkdir(parents=True)
        request = {"work": work, "params": params, "workspace": str(self.workspace.root)}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        publish(Job(folder.name, kind, str(folder), created_at=time.time(), beat_at=time.time()))
        job_process.run(folder)
        return self.get(folder.name)

    monkeypatch.setattr(jobs.JobRunner, "start", start)
    monkeypatch.setattr(module, "load_embedder", lambda workspace, **_: embedder)


def _scores(top1: float) -> dict[str, Any]:
    return {"top1": round(top1, 6), "top5": 1.0, "macro_recall": round(top1 - 0.05, 6), "map_at_r": 0.5, "n": 10}


def _weights(run: Run, data: Dataset) -> None:
    """A network of the first two blocks, as small as one can be."""
    from core.embedding.model import EmbeddingNet

    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=8, stage=0)
    classes = [record.name for record in data.classes()]
    net.save(run.best_path, preprocessing=run.settings.preprocessing, classes=classes)
