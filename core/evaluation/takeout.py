"""The export job: the collection as one file on disk, a zip of class folders, a CSV, or a Parquet file with
embeddings and the places of the map.

The file lies under a name that cannot be guessed, until later exports push it out. Handing it to a browser is not
its business.
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

from core.collection.backup import back_up, restore
from core.collection.dataset import Dataset
from core.evaluation import projection
from core.ground.errors import ConfigRefused, NotFound
from core.ground.jobs import Report
from core.ground.workspace import Workspace, writing
from core.intake.exports import export_csv, export_parquet, export_zip

FORMS = ("zip", "csv", "parquet")
KEPT = 3  # exports that are kept, the one being written among them
RESTORING, RESTORED = "restoring", "restored-"  # in the cache: backups that were sent; in the workspace: their folders
_RESTORED = re.compile(rf"{RESTORED}\d{{8}}-\d{{6}}")
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


def run_restore(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: a backup, ``file`` in the cache, unpacked into a folder of its own within the workspace, of which
    nothing else is touched; the file is then removed. Its result: the ``folder``'s name and how many ``files``."""
    workspace.allow("job restore")
    source = workspace.inside(f"data/cache/{RESTORING}/{params['file']}")
    name = f"{RESTORED}{time.strftime('%Y%m%d-%H%M%S')}"
    folder = workspace.root / name
    try:
        count = restore(source, Workspace(folder), on_progress=report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        source.unlink(missing_ok=True)
    return {"folder": name, "files": count}


def restored(workspace: Workspace) -> list[Path]:
    """The folders that `run_restore` made in a workspace, the newest first; not all of them need be `whole`."""
    found = (path for path in workspace.root.glob(f"{RESTORED}*") if _RESTORED.fullmatch(path.name) and path.is_dir())
    return sorted(found, reverse=True)


def whole(folder: Path) -> bool:
    """Whether what was restored into a folder is there: its collection comes last, and all at once."""
    return Workspace(folder).data.is_dir()


def discard(workspace: Workspace, name: str) -> None:
    """Delete what was restored into the folder of this name. Raises `NotFound` for any other folder."""
    workspace.allow("job restore")
    folder = next((path for path in restored(workspace) if path.name == name and not path.is_symlink()), None)
    if folder is None:
        raise NotFound("There is no folder {path}.", path=name)
    shutil.rmtree(folder)


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
