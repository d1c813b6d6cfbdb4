"""Originals as the variation modules take them: from a dataset, or from any folder of class folders.

It lists and reads them; what is made from them is `core.variation.writer`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from core.catalogue.moves import RAW
from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import ImageRefused, NotFound
from core.ground.images import content_hash, decode
from core.ground.names import is_junk, name_of
from core.ground.regions import Region
from core.sight.marks import read_region


@dataclass(frozen=True)
class Original:
    """One labelled original: the ``folder`` and display name of its class, its file, the hash of its
    content, its id where a catalogue knows it, and where in the picture its mark lies (None: the whole)."""

    folder: str
    class_name: str
    path: Path
    sha256: str
    item_id: int | None = None
    region: Region | None = None

    def read(self) -> Image.Image:
        """The picture, or what lies in its region; raises `ImageRefused`."""
        image = decode(self.path)
        return image if self.region is None else read_region(image, self.region).picture


def originals_of(dataset: Dataset, item_ids: Collection[int] | None = None) -> list[Original]:
    """The present, labelled originals of a dataset (or those of these ids), by class and file; of equal
    files in a class the first."""
    folders = {record.id: record.folder for record in dataset.classes()}
    items = dataset.items(limit=None) if item_ids is None else dataset.some(item_ids)
    found = [
        Original(
            folders[item.class_id],
            item.class_name,
            dataset.workspace.root / item.path,
            item.sha256,
            item.id,
            item.region,
        )
        for item in items
        if item.state == "present" and item.class_id in folders
    ]
    return _once(found)


def originals_in(folder: Path) -> tuple[list[Original], list[FileOutcome]]:
    """The files of the class folders in ``folder``, and those that cannot be read, each with its sentence.

    Links are not followed, hidden and system files passed over. Raises `NotFound`.
    """
    if not folder.is_dir():
        raise NotFound("There is no folder {path}.", path=folder)
    found: list[Original] = []
    refused: list[FileOutcome] = []
    for inner in sorted(folder.iterdir()):
        if is_junk(inner.name) or inner.is_symlink() or not inner.is_dir():
            continue
        for path in sorted(inner.iterdir()):
            if is_junk(path.name) or path.is_symlink() or not path.is_file():
                continue
            try:
                found.append(Original(inner.name, name_of(inner.name), path, content_hash(path.read_bytes())))
            except OSError as error:
                reason = ImageRefused("{name} cannot be read.", name=path.name)
                reason.__cause__ = error
                refused.append(FileOutcome(f"{inner.name}/{path.name}", "refused", reason))
    return _once(found), refused


def broken_in(dataset: Dataset) -> list[FileOutcome]:
    """Look through the dataset's folders again; the files in class folders that no original comes of, each by
    ``folder/file`` with its sentence."""
    found = ((o, o.name.partition(f"{RAW}/")) for o in dataset.rescan().refused)
    return [replace(o, name=place) for o, (before, _raw, place) in found if not before and "/" in place]


def by_class(originals: Sequence[Original]) -> dict[str, list[Original]]:
    """The originals of each class folder, in order."""
    classes: dict[str, list[Original]] = {}
    for original in originals:
        classes.setdefault(original.folder, []).append(original)
    return classes


def _once(originals: Sequence[Original]) -> list[Original]:
    return list({(o.folder, o.sha256): o for o in reversed(originals)}.values())[::-1]
