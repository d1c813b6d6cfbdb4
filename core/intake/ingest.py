"""Ingestion: files, folders and zip archives into the dataset, with one outcome for each file.

Files land in batches and can be stopped and taken up again, since what is there already is
recognised; an archive lands whole or not at all. How a file becomes an item is `core.intake.landing`'s.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.config import Kind
from core.ground.errors import ArchiveRefused, ImageRefused
from core.ground.names import basename, is_junk, printable
from core.intake.admission import Staged
from core.intake.archives import Archive, Limits, Member, classes_of, workspace_parts
from core.intake.labels import WHOLE, Described, Labels, Look
from core.intake.landing import Landing
from core.intake.product_table import FILE
from core.intake.shelves import Shelf, take_products

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

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
