"""Embedding on a real Ray cluster of two raylets gives the vectors of this machine, and loses none with a process."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.embedding.gallery import update
from core.ground.config import WorkspaceConfig
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.variation.variants import Manifest
from tests.cluster import Raylets
from tests.conftest import SHAPES, draw, png_bytes

pytestmark = pytest.mark.slow


def drawn(root: Path, each: int) -> Workspace:
    workspace = Workspace(root)
    for shape in SHAPES:
        folder = workspace.raw / shape
        folder.mkdir(parents=True)
        for seed in range(each):
            (folder / f"{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    (workspace.raw / SHAPES[0] / "broken.png").write_bytes(b"no image")
    return workspace


def test_an_index_made_on_the_cluster_is_the_local_one_though_an_actor_is_killed(
    tmp_path: Path, raylets: Raylets
) -> None:
    ours = drawn(tmp_path / "here", 40)
    local = Dataset(ours)
    embedder = load_embedder(ours)
    local.rescan(embedder=embedder)
    update(local, embedder)

    theirs = drawn(tmp_path / "there", 40)
    theirs.save_config(WorkspaceConfig(ray_address=raylets.address))
    job = JobRunner(theirs).start("index", "core.embedding.gallery:run_index", {})
    killer = threading.Thread(target=raylets.kill, args=("ray::_Actor",), kwargs={"within_s": 120})
    killer.start()
    ended = JobRunner(theirs).wait(job.id, timeout_s=240)
    killer.join()
    assert ended.state == "succeeded", (ended.error, (Path(ended.folder) / "log.txt").read_text())
    assert ended.result == {"added": 240, "removed": 0, "embedded": 0, "refused": 1}

    def by_path(dataset: Dataset) -> dict[str, np.ndarray]:
        ids, _, _, vectors = dataset.vectors(embedder.space)
        return {dataset.item(item).path: vector for item, vector in zip(ids.tolist(), vectors, strict=True)}

    here, there = by_path(local), by_path(Dataset(theirs))
    assert here.keys() == there.keys() and len(here) == 240
    assert max(float(np.abs(here[path] - there[path]).max()) for path in here) < 1e-6


def test_variants_written_on_the_cluster_are_each_there_once_though_the_worker_is_killed(
    tmp_path: Path, raylets: Raylets
) -> None:
    workspace = drawn(tmp_path / "there", 6)
    workspace.save_config(WorkspaceConfig(ray_address=raylets.address))
    dataset = Dataset(workspace)
    dataset.rescan()
    runner = JobRunner(workspace)
    params = {"per_image": 20, "override": True, "seed": 3}
    job = runner.start("augment", "core.variation.work:run_augment", params)
    manifest = Manifest(workspace.augmented)
    while runner.get(job.id).active and not manifest.variants():  # lines are kept 64 at a time
        threading.Event().wait(0.05)
    raylets.kill("ray::_far")
    ended = runner.wait(job.id, timeout_s=240)
    assert ended.state == "succeeded", (ended.error, (Path(ended.folder) / "log.txt").read_text())
    assert ended.result["written"] + ended.result["present"] == 36 * 20 and ended.result["present"] > 0
    written = [(one.original_sha256, one.number) for one in manifest.variants()]
    assert len(written) == len(set(written)) == 36 * 20 and manifest.strangers() == []
    assert [record["outcome"] for record in ended.outcomes()] == ["refused"]
