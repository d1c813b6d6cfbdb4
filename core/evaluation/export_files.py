"""Exports as files on disk: the collection as a zip of class folders, a CSV, or a Parquet file with embeddings and the
places of the map; and the whole workspace as a backup.

The jobs that make them, and where they lie: under a name that cannot be guessed, until later ones push them out. What
is in them is `core.intake.exports`'s and `core.collection.backup`'s, handing them to a browser is the pages'.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.collection.backup import back_up
from core.collection.dataset import Dataset
from core.evaluation import projection
from core.ground.errors import ConfigRefused
from core.ground.job_process import Report
from core.ground.workspace import Workspace, writing
from core.intake.exports import export_csv, export_parquet, export_zip

FORMS = ("zip", "csv", "parquet")
KEPT = 3  # exports that are kept, the one being written among them
_TOKEN = re.compile(r"[A-Za-z0-9_-]{24}")


def run_export(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: ``form`` (one of `FORMS`), perhaps ``class_ids``; ``space`` for Parquet, ``original_names``
    for a zip.

    The result has the file's ``token`` and ``name``, how many ``images`` are in it, which were ``missing``, and
    its ``size`` in bytes; a stopped job leaves no file.
    """
    form, class_ids = params["form"], params.get("class_ids")
    if form not in FORMS:
        raise ConfigRefused("The form must be one of {forms}, not {value}.", forms=", ".join(FORMS), value=form)
    dataset = Dataset(workspace)
    dataset.allow("export")
    token, path = _new_place(workspace, f"burin-{time.strftime('%Y%m%d-%H%M')}.{form}")
    how: dict[str, Any] = {"class_ids": class_ids, "on_progress": report, "should_stop": should_stop}
    missing: list[str] = []
    with writing(path) as stream:
        if form == "zip":
            done = export_zip(dataset, stream, original_names=bool(params.get("original_names")), **how)
            images, missing = done.images, done.missing
        elif form == "csv":
            images = export_csv(dataset, stream, **how)
        else:
            places = _places(workspace, dataset, params["space"])
            images = export_parquet(dataset, stream, space=params["space"], places=places, **how)
    if should_stop():
        shutil.rmtree(path.parent, ignore_errors=True)
        return {}
    return {"token": token, "name": path.name, "images": images, "missing": missing[:100], "size": path.stat().st_size}


def run_backup(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: the whole workspace as one file, as `core.collection.backup.back_up` makes it. Its result is as that of
    `run_export`, with ``files`` in place of images."""
    workspace.allow("job backup")
    token, path = _new_place(workspace, f"burin-backup-{time.strftime('%Y%m%d-%H%M')}.zip")
    made = back_up(Dataset(workspace), path, on_progress=report, should_stop=should_stop)
    if made is None:
        shutil.rmtree(path.parent, ignore_errors=True)
        return {}
    missing = list(made.missing[:100])
    return {"token": token, "name": path.name, "files": made.files, "missing": missing, "size": path.stat().st_size}


def _new_place(workspace: Workspace, name: str) -> tuple[str, Path]:
    """A token that cannot be guessed, and the file under it; old exports make room for it."""
    _sweep(workspace)
    token = secrets.token_urlsafe(18)
    return token, workspace.cache / "exports" / token / name


def exported(workspace: Workspace, token: str, name: str) -> Path | None:
    """The file of an export, for who knows its token; None where there is none."""
    if not _TOKEN.fullmatch(token):
        return None
    folder = workspace.cache / "exports" / token
    names = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
    return folder / name if name in names else None


def _places(workspace: Workspace, dataset: Dataset, space: str) -> dict[int, tuple[float, float]]:
    """Item id -> where the map shows it: by its UMAP layout, else by PCA."""
    points = projection.Points.load(dataset, space)
    layout = projection.kept(workspace, points) or projection.pca(points)
    at = dict(zip(layout.sha256.tolist(), layout.xy.tolist(), strict=True))
    ids = dataset.vectors(space)[0].tolist()
    return {item.id: tuple(at[item.sha256]) for item in dataset.some(ids) if item.sha256 in at}


def _sweep(workspace: Workspace) -> None:
    folder = workspace.cache / "exports"
    if folder.is_dir():
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[: 1 - KEPT]:
            shutil.rmtree(old, ignore_errors=True)
