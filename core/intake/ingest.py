"""Ingestion: files, folders and zip archives into the dataset, with one outcome for each file.

Files land in batches and can be stopped and taken up again, since what is there already is
recognised; an archive lands whole or not at all. How a file becomes an item is `core.intake.landing`'s.
"""

from __future__ import annotations

import base64
import csv
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.config import Kind
from core.ground.errors import ArchiveRefused, BadInput, BurinError, ImageRefused
from core.ground.names import basename, is_junk, printable
from core.ground.workspace import LEFT_S, Workspace, new_id
from core.intake.admission import Staged
from core.intake.archives import Archive, Limits, Member, classes_of, workspace_parts
from core.intake.labels import WHOLE, Described, Labels, Look
from core.intake.landing import Landing, discard
from core.intake.product_table import FILE
from core.intake.shelves import Shelf, loose, take_products

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder
    from core.ground.jobs import Report

BATCH = 200  # files in one transaction
NAMED = 3  # files that the journal names where no folder holds them all
_BATCH_BYTES = 64_000_000  # of files given by path; those given as bytes are in memory anyway

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IncomingFile:
    """One file to import: its ``name`` (may hold folders), its ``data`` or the ``path`` of it, its class, and where in
    the picture the mark is."""

    name: str
    data: bytes | None = None
    path: Path | None = None
    class_name: str | None = None
    look: Look = WHOLE

    def read(self) -> bytes:
        """The bytes; raises `ImageRefused` where the file cannot be read."""
        if self.data is not None:
            return self.data
        try:
            return Path(self.path or "").read_bytes()
        except OSError as error:
            raise ImageRefused("{name} cannot be read: {why}.", name=self.name, why=error.strerror or error) from error


def import_files(
    dataset: Dataset,
    files: Iterable[IncomingFile],
    *,
    kind: Kind | None = None,
    embedder: Embedder | None = None,
    admit: Collection[str] | None = None,
    replace: Mapping[str, int] | None = None,
    classes: Sequence[Described] = (),
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_outcomes: Callable[[list[FileOutcome]], None] | None = None,
) -> list[FileOutcome]:
    """Import files in batches, each durable before the next begins; one outcome a file, in order.

    ``kind`` None is guessed. With an ``embedder`` the vectors are written with the rows. With ``admit``, near copies
    are held back, but those whose content hashes it holds; ``replace`` (hash -> item id) sends to the trash what such a
    file takes the place of. ``classes`` are described too. Stopping keeps what has landed: importing the same files
    again goes on from there. All of it is one entry of the journal; undo sends the images to the trash. System files
    are passed over.
    """
    total = len(files) if isinstance(files, Sequence) else 0
    outcomes: list[FileOutcome] = []
    waiting = (file for file in files if not is_junk(basename(file.name)))
    with Landing(dataset, source=_source(files), kind=kind, embedder=embedder, admit=admit, replace=replace) as landing:
        while not should_stop() and (batch := list(islice(waiting, BATCH))):
            uploads = [(f.name, f.class_name, f.read, f.look) for f in batch]
            landed = _settle_outcomes(landing.stage(uploads), landing.land)
            outcomes += landed
            if on_outcomes:
                on_outcomes(landed)
            if on_progress:
                on_progress(len(outcomes), max(total, len(outcomes)))
        if classes and not should_stop():
            told = landing.land([], classes)
            outcomes += told
            if on_outcomes:
                on_outcomes(told)
    return outcomes


def preview_files(
    dataset: Dataset,
    files: Iterable[IncomingFile],
    *,
    kind: Kind | None = None,
    admit: Collection[str] | None = None,
    classes: Sequence[Described] = (),
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[FileOutcome]:
    """The outcomes that `import_files` would give, near duplicates pointed out; nothing is changed."""
    kept = [file for file in files if not is_junk(basename(file.name))]
    staged: list[Staged | FileOutcome] = []
    with Landing(dataset, source="", kind=kind, admit=admit) as landing:
        for start in range(0, len(kept), BATCH):
            if should_stop():
                return []
            staged += landing.stage([(f.name, f.class_name, f.read, f.look) for f in kept[start : start + BATCH]])
            if on_progress:
                on_progress(len(staged), len(kept))
        return _settle_outcomes(iter(staged), partial(landing.preview, classes=classes))


def import_archive(
    dataset: Dataset,
    path: Path,
    *,
    name: str = "",
    class_name: str | None = None,
    kind: Kind | None = None,
    embedder: Embedder | None = None,
    admit: Collection[str] | None = None,
    replace: Mapping[str, int] | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    limits: Limits | None = None,
    preview: bool = False,
) -> list[FileOutcome]:
    """Import a zip archive whole: judged, unpacked and decoded aside, then landed in one transaction.

    The classes come from its folders or from a CSV of labels (see `core.intake.labels`; a ``class_name`` overrides
    them); files without either go to the unlabelled tray. Members that are no images, or damaged, are listed as
    refused and the others land; so is a CSV whose rows fit none of them. Raises `ArchiveRefused` for an archive
    that is unsafe, or too large for the disk; when stopped, nothing lands and the list is empty. ``preview``
    gives the outcomes and lands nothing.
    """
    with Archive(path, name=name, limits=limits) as archive:
        need = sum(member.info.file_size for member in archive.members)
        dataset.workspace.data.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(dataset.workspace.data).free < 2 * need:
            raise ArchiveRefused("There is not enough room on the disk for {name}.", name=archive.name)
        staged: list[Staged | FileOutcome] = []
        how: dict[str, Any] = {"kind": kind, "embedder": embedder, "admit": admit, "replace": replace}
        with Landing(dataset, source=printable(archive.name), **how) as landing:
            for start in range(0, len(archive.members), BATCH):
                if should_stop():
                    return []
                batch = archive.members[start : start + BATCH]
                staged += landing.stage(
                    [(m.name, class_name or m.class_name, _reader(archive, m), m.look) for m in batch]
                )
                if on_progress:
                    on_progress(len(staged), len(archive.members))
            land = partial(landing.preview if preview else landing.land, classes=archive.classes)
            if should_stop():
                return []
            outcomes = _settle_outcomes(iter(staged), land)
        return [*outcomes, *archive.remarks, *([] if preview else _take_products(dataset, archive))]


def _take_products(dataset: Dataset, archive: Archive) -> list[FileOutcome]:
    """Bring in the products of an export, with their pictures; what became of them."""
    if archive.products is None:
        return []
    return take_products(dataset, Shelf(FILE, archive.products, [_reader(archive, one) for one in archive.pictures]))


def with_classes(
    files: Sequence[IncomingFile],
) -> tuple[list[IncomingFile], list[FileOutcome], list[Described]]:
    """``files`` with the classes that their folders, or CSV files of labels among them, give; those are left out, and
    have an outcome where they fit none of the files. Last what lists of classes among them say."""
    labels = Labels()
    images = []
    for file in files:
        if not file.name.lower().endswith(".csv"):
            images.append(file)
            continue
        try:
            labels.add(file.name, file.read())
        except (ImageRefused, csv.Error):  # not a table after all: it will be listed
            images.append(file)
    names = [file.name.replace("\\", "/") for file in images]
    in_place, left_out = workspace_parts(names)
    images, names = [images[at] for at in in_place], [names[at] for at in in_place]
    given, remarks = labels.of(names)
    classes = [label or folder for label, folder in zip(given, classes_of(names), strict=True)]
    looks = labels.looks(len(names))
    known = [
        changed(file, class_name=file.class_name or own, look=look if file.look == WHOLE else file.look)
        for file, own, look in zip(images, classes, looks, strict=True)
    ]
    return known, [*remarks, *left_out], labels.classes


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
            report.append(record_of(outcome))

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


def record_of(outcome: FileOutcome) -> dict[str, Any]:
    """An outcome as a job keeps it; its sentence is split into template and values, to be translated."""
    reason = outcome.reason
    values = {} if reason is None else {name: _plain(value) for name, value in reason.values.items()}
    record = {
        "name": printable(outcome.name),
        "outcome": outcome.outcome,
        "item_id": outcome.item_id,
        "near": outcome.near,
        "class_name": outcome.class_name,
        "sha256": outcome.sha256,
        "picture": base64.b64encode(outcome.picture).decode("ascii"),
        "pixels": outcome.pixels,
    }
    return {**record, "template": reason.template if reason else "", "values": values}


def _plain(value: object) -> int | float | str:
    return value if isinstance(value, int | float) else printable(str(value))


def outcome_of(record: dict[str, Any]) -> FileOutcome:
    """The outcome that `record_of` kept."""
    reason = BurinError(record["template"], **record["values"]) if record["template"] else None
    kept = {name: record[name] for name in ("item_id", "near", "class_name", "sha256", "pixels") if name in record}
    picture = base64.b64decode(record.get("picture", ""))
    return FileOutcome(record["name"], record["outcome"], reason, **kept, picture=picture)


def _settle_outcomes(
    staged: Iterator[Staged | FileOutcome], land: Callable[[list[Staged]], list[FileOutcome]]
) -> list[FileOutcome]:
    """Outcomes in the order of the files: those that were refused on the way, and those of the landing."""
    ready = list(staged)
    landed = iter(land([one for one in ready if isinstance(one, Staged)]))
    return [*(next(landed) if isinstance(one, Staged) else one for one in ready), *landed]


def _reader(archive: Archive, member: Member) -> Callable[[], bytes]:
    return lambda: archive.read(member)


def _source(files: Iterable[IncomingFile]) -> str:
    """Where files come from, for the journal: the folder that holds all of them, else the first few names."""
    if not isinstance(files, Sequence) or not files:
        return ""
    tops = {file.name.replace("\\", "/").rpartition("/")[0].partition("/")[0] for file in files}
    if len(tops) == 1 and (folder := tops.pop()):
        return printable(folder)
    names = [printable(basename(file.name)) for file in files[:NAMED]]
    return ", ".join(names) + (", …" if len(files) > NAMED else "")


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
