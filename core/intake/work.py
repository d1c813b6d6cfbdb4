"""The job of an import: uploads put aside, taken in by a process of its own, and what killed ones left swept.

What files, folders and archives become is `core.intake.ingest`'s.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, BurinError
from core.ground.workspace import LEFT_S, Workspace, new_id
from core.intake.ingest import IncomingFile, Progress, import_archive, import_files, preview_files, with_classes
from core.intake.landing import discard
from core.intake.shelves import loose, take_products

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder
    from core.ground.job_process import Report


def receive(workspace: Workspace, uploads: Iterable[tuple[str, bytes | BinaryIO]]) -> list[dict[str, str]]:
    """Put uploads on disk for `run_import`, under names of our own: its parameter ``files``."""
    folder = workspace.staging / f"received-{new_id()}"
    folder.mkdir(parents=True)
    files = []
    for number, (name, content) in enumerate(uploads):
        path = folder / str(number)
        with open(path, "xb") as stream:
            if isinstance(content, bytes | bytearray | memoryview):
                stream.write(content)
            else:
                shutil.copyfileobj(content, stream)
        files.append({"name": name, "path": str(path)})
    return files


def run_import(
    workspace: Workspace,
    params: dict[str, Any],
    report: Report,
    should_stop: Callable[[], bool],
    *,
    embedder: Embedder | None = None,
) -> dict[str, Any]:
    """The job: import ``params["files"]`` (dicts with ``name``, ``path`` and perhaps ``class_name``; archives are known
    by their first bytes). Also ``kind``, ``admit`` and ``replace`` (see `import_files`); with ``preview`` true nothing
    is taken in. The files stay for the import that may follow, as they do where near copies were held back.

    Each outcome is appended to the job's; the result counts them. Files that `receive` wrote are removed at the end,
    unless it was stopped: the same job then goes on from where it was.
    """
    dataset = Dataset(workspace)
    sweep_staging(dataset)
    given = [IncomingFile(f["name"], path=Path(f["path"]), class_name=f.get("class_name")) for f in params["files"]]
    archives = [file for file in given if _is_zip(file)]
    rest, shelves = loose(file for file in given if file not in archives)
    files, remarks, classes = with_classes(rest)
    preview = bool(params.get("preview"))
    how: dict[str, Any] = {"kind": params.get("kind"), "admit": params.get("admit"), "should_stop": should_stop}
    better: dict[str, Any] = {} if preview else {"replace": params.get("replace")}
    count: Counter[str] = Counter()

    def publish(outcomes: list[FileOutcome]) -> None:
        for outcome in outcomes:
            count[outcome.outcome] += 1
            report.append(outcome.to_json())

    done = 0
    for archive in archives:
        try:
            progress = _shifted(report, done, len(files), archive.name)
            own: dict[str, Any] = {"name": archive.name, "class_name": archive.class_name, "on_progress": progress}
            outcomes = import_archive(
                dataset, Path(archive.path or ""), embedder=embedder, preview=preview, **own, **how, **better
            )
        except BadInput as refusal:
            outcomes = [FileOutcome(archive.name, "refused", refusal)]
        done += len(outcomes)
        publish(outcomes)
    progress = _shifted(report, done, 0, "")
    if preview:
        publish(preview_files(dataset, files, classes=classes, on_progress=progress, **how))
    else:
        better |= {"classes": classes}
        import_files(dataset, files, embedder=embedder, on_progress=progress, on_outcomes=publish, **how, **better)
    publish(remarks)
    for shelf in shelves:
        if preview:
            publish(
                [FileOutcome(shelf.name, "read", BurinError("A table of products: it is taken in with the images."))]
            )
        elif not should_stop():
            publish(take_products(dataset, shelf))
    if not should_stop() and not preview and not count["held"]:
        _discard(workspace, given)
    result: dict[str, Any] = {name: count[name] for name in ("added", "present", "refused")}
    more = {name: count[name] for name in ("held", "read") if count[name]}
    return result | more | ({"preview": True} if preview else {})


def sweep_staging(dataset: Dataset) -> None:
    """Remove the uploads and half-done imports that killed processes left a day ago; nothing that has a row."""
    with suppress(FileNotFoundError), os.scandir(dataset.workspace.staging) as entries:
        for entry in list(entries):
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime <= LEFT_S:
                    continue
                if entry.is_dir():
                    discard(dataset, Path(entry.path))
                else:
                    Path(entry.path).unlink()


def _shifted(report: Report, before: int, after: int, note: str) -> Progress:
    return lambda done, total: report(before + done, before + total + after, note)


def _is_zip(file: IncomingFile) -> bool:
    if file.name.lower().endswith(".zip"):
        return True
    with suppress(OSError), open(file.path or "", "rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    return False


def _discard(workspace: Workspace, files: Sequence[IncomingFile]) -> None:
    for folder in {file.path.parent for file in files if file.path is not None}:
        if folder.parent == workspace.staging and folder.name.startswith("received-"):
            shutil.rmtree(folder, ignore_errors=True)
