"""The export job: one whole file under a name nobody guesses, with what it says is in it."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.evaluation import export_files
from core.evaluation.export_files import exported, run_export
from core.ground.errors import ConfigRefused
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    items = dataset.items(limit=None)
    # On a line: the first direction of PCA orders them, the second says nothing.
    vectors = {item.sha256: np.array([n, 2 * n, 0, 0], np.float32) for n, item in enumerate(items)}
    dataset.add_vectors("s", vectors)
    return dataset


def run(dataset: Dataset, should_stop: Any = lambda: False, **params: Any) -> dict[str, Any]:
    seen: list[tuple[int, int]] = []
    result = run_export(dataset.workspace, params, lambda done, total: seen.append((done, total)), should_stop)  # type: ignore[arg-type]
    return {**result, "seen": seen}


def test_a_zip_as_a_job_is_found_by_its_token_only(dataset: Dataset) -> None:
    jobs = JobRunner(dataset.workspace)
    job = jobs.wait(
        jobs.start("export", "core.evaluation.export_files:run_export", {"form": "zip"}, key="export").id, timeout_s=60
    )
    assert job.state == "succeeded" and (job.done, job.total) == (12, 12) and job.result["images"] == 12
    token, name = job.result["token"], job.result["name"]
    path = exported(dataset.workspace, token, name)
    assert path is not None and path.stat().st_size == job.result["size"]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 14
    for other in ("../../catalogue.sqlite", "", token[:-1], "x" * 24, "."):
        assert exported(dataset.workspace, other, name) is None
        assert exported(dataset.workspace, token, other) is None


def test_some_classes_as_csv(dataset: Dataset) -> None:
    bar = next(record.id for record in dataset.classes() if record.name == "bar")
    result = run(dataset, form="csv", class_ids=[bar])
    path = exported(dataset.workspace, result["token"], result["name"])
    assert path is not None and result["images"] == 4 and result["seen"][-1] == (4, 4)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert {row["label"] for row in rows} == {"bar"} and len(rows) == 4


def test_parquet_has_vectors_and_places(dataset: Dataset) -> None:
    import pyarrow.parquet as pq

    dataset.relabel(dataset.item_ids(text="circle_0"), None)
    result = run(dataset, form="parquet", space="s")
    rows = pq.read_table(exported(dataset.workspace, result["token"], result["name"])).to_pylist()
    assert result["images"] == len(rows) == 11  # one has no class
    order = sorted(rows, key=lambda row: row["embedding"][0])
    xs = [row["x"] for row in order]
    assert xs == sorted(xs) and max(abs(row["y"]) for row in rows) < 1e-3
    assert np.diff(xs).max() == pytest.approx(np.sqrt(5) * np.diff([r["embedding"][0] for r in order]).max(), rel=1e-4)


def test_what_is_stopped_leaves_nothing_and_the_last_three_are_kept(dataset: Dataset) -> None:
    folder = dataset.workspace.cache / "exports"
    assert run(dataset, lambda: True, form="zip")["seen"] == [] and not any(folder.iterdir())
    made = [run(dataset, form="csv") for _ in range(5)]
    found = [exported(dataset.workspace, result["token"], result["name"]) for result in made]
    assert [path is not None for path in found] == [False] * (5 - export_files.KEPT) + [True] * export_files.KEPT
    with pytest.raises(ConfigRefused, match="zip, csv, parquet"):
        run(dataset, form="exe")
