"""A whole workspace as one file, and back: a zip of its folders, with the catalogue as it was at one moment.

It may be made while people work: the catalogue is copied in one go, and an original is written where that copy says it
lies, by its content, wherever it has gone since. What can be made again (cache, jobs) is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.moves import place_of
from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.errors import BadInput, ConfigRefused, Conflict, NotFound
from core.ground.machine_faults import fault_of
from core.ground.workspace import Workspace, is_own, is_temporary, scratch, writing

FORMAT, MANIFEST = 1, "burin-backup.json"
KEPT = ("data", "model")
LEFT_OUT = ("data/cache", "data/jobs", "data/staging")
CATALOGUE, SETTINGS = "data/catalogue.sqlite", "data/workspace.json"
_STORED = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".safetensors", ".onnx", ".pt", ".zip"}  # packed as they are
MOST_BYTES, MOST_MANIFEST = 2**40, 500_000_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """A backup: its file, how many files are in it, and originals that could not be found any more (``missing``)."""

    path: Path
    files: int
    missing: tuple[str, ...]


def back_up(
    dataset: Dataset,
    path: Path,
    *,
    on_progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Made | None:
    """Write the workspace of ``dataset`` to ``path``, whole or not at all; None when stopped.

    Of a catalogue in PostgreSQL the copy in it is a SQLite file too, and so is the catalogue of what is restored: the
    address of the database is left out of its settings.
    """
    try:
        return _written(dataset, path, on_progress, should_stop)
    except _Stopped:
        return None


def restore(source: Path, workspace: Workspace, *, on_progress: Progress = lambda done, total: None) -> int:
    """Unpack a backup into ``workspace``, which must be empty or new; how many files came.

    Every file is compared with what was backed up before anything is put in its place. What an earlier restore of this
    backup had put there when it was killed is completed. Raises `BadInput` for what is no backup or damaged, `Conflict`
    where there is something already, `NotFound`.
    """
    there = Conflict("There is a workspace in {path} already: restore into an empty folder.", path=workspace.root)
    if workspace.data.exists():
        raise there
    try:
        with scratch(workspace.root / "restoring") as staging, zipfile.ZipFile(source) as archive:
            sums = _manifest(archive)
            if not _all_from(workspace.model, sums):
                raise there
            total = sum(archive.getinfo(relative).file_size for relative in sums)
            if total > _room_at(workspace.root):
                size = total // 10**6
                raise BadInput("There is not enough room on the disk: this backup takes {size} MB.", size=size)
            for done, (relative, wanted) in enumerate(sums.items(), start=1):
                target = staging / PurePosixPath(relative)
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with archive.open(relative) as packed, open(target, "xb") as stream:
                    while block := packed.read(1 << 20):
                        digest.update(block)
                        stream.write(block)
                if digest.hexdigest() != wanted:
                    raise BadInput("{name} in this backup is damaged.", name=relative)
                if relative == SETTINGS:
                    _without_address(target)
                on_progress(done, len(sums))
            for name in reversed(KEPT):  # the collection last: where it is there, all of it is
                if (staging / name).is_dir():
                    if (workspace.root / name).exists():
                        os.replace(workspace.root / name, staging / f"{name}-before")
                    os.replace(staging / name, workspace.root / name)
            return len(sums)
    except FileNotFoundError as error:
        raise NotFound("There is no file {path}.", path=source) from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        if fault_of(error) is not None:
            raise
        raise BadInput("This is no backup of Burin, or it is damaged.") from error


def _all_from(folder: Path, sums: dict[str, str]) -> bool:
    """Whether every file below ``folder`` is one that these sums have: nothing else would be lost with it."""
    for here, folders, files in os.walk(folder):
        for path in (Path(here) / name for name in (*files, *folders)):
            if path.is_symlink():
                return False
        for path in (Path(here) / name for name in files):
            wanted = sums.get(path.relative_to(folder.parent).as_posix())
            with open(path, "rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != wanted:
                    return False
    return folder.is_dir() or not os.path.lexists(folder)


def _without_address(path: Path) -> None:
    """Whoever made the backup does not choose the servers that are asked from now on."""
    with suppress(ConfigRefused):  # nothing is read from settings that are damaged
        config = WorkspaceConfig.from_text(path.read_text(encoding="utf-8"))
        ours = config.with_(catalogue_url="", index_url="", ray_address="")
        if ours != config:
            path.write_text(ours.to_text(), encoding="utf-8")


def _room_at(folder: Path) -> int:
    """Bytes that are free where a folder is, or is to be."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.is_dir())).free


class _Stopped(Exception):
    """A person asked the backup to stop: what is written of it vanishes."""


def _written(dataset: Dataset, path: Path, on_progress: Progress, should_stop: Callable[[], bool]) -> Made:
    workspace = dataset.workspace
    missing: list[str] = []
    with scratch(workspace.data / "backup") as folder:
        copy = _made(folder) / "catalogue.sqlite"
        elsewhere = bool(workspace.config().catalogue_url)
        originals = _copied_out(dataset, copy) if elsewhere else _copied(workspace, copy)
        known = {relative for relative, _item in originals}
        others = [relative for relative in _files(workspace) if relative not in known and relative != CATALOGUE]
        total = len(originals) + len(others) + 1
        sums: dict[str, str] = {}
        with writing(path) as stream, zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
            if copy.is_file():
                sums[CATALOGUE] = _put(archive, copy, CATALOGUE)
            for done, (relative, item_id) in enumerate(originals, start=1):
                if should_stop():
                    raise _Stopped
                source = _where(dataset, relative, item_id)
                if source is None:
                    missing.append(relative)
                else:
                    sums[relative] = _put(archive, source, relative)
                on_progress(done, total)
            for done, relative in enumerate(others, start=len(originals) + 1):
                if should_stop():
                    raise _Stopped
                if elsewhere and relative == SETTINGS:
                    settings = folder / "workspace.json"
                    settings.write_text(workspace.config().with_(catalogue_url="").to_text(), encoding="utf-8")
                    sums[relative] = _put(archive, settings, relative)
                elif (workspace.root / relative).is_file():  # else it has just gone
                    sums[relative] = _put(archive, workspace.root / relative, relative)
                on_progress(done, total)
            record = {"format": FORMAT, "at": time.time(), "files": sums, "missing": missing}
            archive.writestr(MANIFEST, json.dumps(record, ensure_ascii=False), zipfile.ZIP_DEFLATED)
    on_progress(total, total)
    return Made(path, len(sums), tuple(missing))


def _manifest(archive: zipfile.ZipFile) -> dict[str, str]:
    """Relative path -> SHA-256, checked: only files of ours, and only below the folders that we keep. What a backup
    leaves out comes in from none either: a job that was made elsewhere would wait there to be gone on with."""
    try:
        if archive.getinfo(MANIFEST).file_size > MOST_MANIFEST:
            raise BadInput("This is no backup of Burin, or it is damaged.")
        record = json.loads(archive.read(MANIFEST))
        if record["format"] != FORMAT:
            raise BadInput("This backup was made by a newer Burin.")
        sums = {str(name): str(digest) for name, digest in record["files"].items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput("This is no backup of Burin, or it is damaged.") from error
    names = set(archive.namelist())
    total = 0
    for relative in sums:
        parts = relative.split("/")
        if relative not in names or parts[0] not in KEPT or len(parts) < 2 or {"", ".", ".."} & set(parts):
            raise BadInput("This is no backup of Burin, or it is damaged.")
        if relative.startswith(tuple(f"{each}/" for each in LEFT_OUT)) or is_temporary(parts[-1]):
            raise BadInput("This is no backup of Burin, or it is damaged.")
        if "\\" in relative or (":" in relative and os.name == "nt"):
            raise BadInput("This is no backup of Burin, or it is damaged.")
        total += archive.getinfo(relative).file_size
    if total > MOST_BYTES:
        raise BadInput("This backup is larger than {limit} GB.", limit=MOST_BYTES // 10**9)
    return sums


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copied(workspace: Workspace, copy: Path) -> list[tuple[str, int]]:
    """Copy the catalogue in one go (SQLite's online backup); the originals as the copy has them."""
    with (
        closing(sqlite3.connect(workspace.catalogue)) as live,
        closing(sqlite3.connect(copy)) as target,
    ):
        live.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    engine = sa.create_engine(f"sqlite:///{copy}")
    try:
        with engine.connect() as connection:
            return _rows(connection)
    finally:
        engine.dispose()


def _copied_out(dataset: Dataset, copy: Path) -> list[tuple[str, int]]:
    """The same of a catalogue that another database holds, in one transaction."""
    with dataset.catalogue.read() as connection:
        db.copy_out(connection, copy)
        return _rows(connection)


def _rows(connection: sa.Connection) -> list[tuple[str, int]]:
    """(path in the workspace, id) of every original that is there, or in the trash."""
    query = (
        sa.select(db.items, db.classes.c.folder)
        .select_from(db.items.outerjoin(db.classes, db.items.c.class_id == db.classes.c.id))
        .where(db.items.c.state != "missing")
    )
    found = []
    for row in connection.execute(query):
        path = place_of(row.state, row.folder, row.file, row.trashed_as)
        found += [(f"data/{path}", row.id)] if path else []
    return found


def _where(dataset: Dataset, relative: str, item_id: int) -> Path | None:
    """The file of an original: where the copy of the catalogue says, else where it has gone since."""
    path = dataset.workspace.root / relative
    if is_own(path):
        return path
    with suppress(NotFound):
        return dataset.path(dataset.item(item_id))
    return None


def _files(workspace: Workspace) -> Iterator[str]:
    """Every file that is kept, as a path in the workspace; links and unfinished files are not."""
    for top in KEPT:
        for folder, names, files in os.walk(workspace.root / top):
            here = Path(folder).relative_to(workspace.root).as_posix()
            names[:] = sorted(
                name
                for name in names
                if f"{here}/{name}" not in LEFT_OUT
                and not is_temporary(name)
                and not (Path(folder) / name).is_symlink()
            )
            for name in sorted(files):
                path = Path(folder) / name
                unfinished = name.startswith((".", "catalogue.sqlite-"))
                if not unfinished and path.is_file() and not path.is_symlink():
                    yield f"{here}/{name}"


def _put(archive: zipfile.ZipFile, source: Path, relative: str) -> str:
    """Pack one file; its SHA-256."""
    info = zipfile.ZipInfo(relative, time.localtime(max(source.stat().st_mtime, 315_619_200))[:6])
    info.compress_type = zipfile.ZIP_STORED if source.suffix.lower() in _STORED else zipfile.ZIP_DEFLATED
    digest = hashlib.sha256()
    with open(source, "rb") as stream, archive.open(info, "w", force_zip64=True) as packed:
        while block := stream.read(1 << 20):
            digest.update(block)
            packed.write(block)
    return digest.hexdigest()
