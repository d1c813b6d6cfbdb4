"""What is on disk: a walk over the folders of originals, and what one image file says of itself.

It reads; nothing here knows the catalogue.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from core.catalogue.listing import signed
from core.catalogue.moves import RAW, TRASH, TRAY
from core.catalogue.records import FileOutcome
from core.ground.errors import BadInput, FileReplaced, ImageRefused
from core.ground.images import SEEN_SIDE, content_hash, decode, difference_hash, reduced, room_for
from core.ground.kinds import guess_kind
from core.ground.names import is_junk
from core.ground.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """One file: ``place`` relative to the data folder, ``folder`` of its class (None: the tray, or no
    class known in the trash), ``file`` inside it, size in bytes, time of change in nanoseconds, and the number
    that it keeps under whatever name (0 where the system has none)."""

    place: str
    folder: str | None
    file: str
    size: int
    mtime_ns: int
    inode: int = 0

    def is_still(self, stat: os.stat_result) -> bool:
        """Whether what is at its place is the same file, unchanged."""
        return (stat.st_size, stat.st_mtime_ns, stat.st_ino) == (self.size, self.mtime_ns, self.inode)

    @property
    def trashed(self) -> bool:
        return self.place.startswith(f"{TRASH}/")


@dataclass
class Walk:
    """All that `walk` saw: image files, class folders (empty ones too), and what it does not take."""

    files: dict[str, Found] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    refused: list[FileOutcome] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What an image file says of itself; ``columns`` are those of the catalogue's items."""

    sha256: str
    dhash: int
    width: int
    height: int
    kind: str

    def columns(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "dhash": signed(self.dhash), "width": self.width, "height": self.height}


def facts_of(image: Image.Image, data: bytes) -> Facts:
    """The facts of a decoded image and the file it came from."""
    return Facts(content_hash(data), difference_hash(image), image.width, image.height, guess_kind(image))


def study(workspace: Workspace, found: Found) -> tuple[Facts, Image.Image]:
    """Read and decode one file: its facts, and its picture, reduced where it is larger than what is looked at.

    Raises `ImageRefused` with its sentence, `FileReplaced` where it is another file by now.
    """
    try:
        with open(workspace.data / found.place, "rb") as stream:
            if not found.is_still(os.fstat(stream.fileno())):
                raise FileReplaced("{name} was changed while it was read.", name=found.place)
            data = stream.read()
    except FileNotFoundError as error:
        raise FileReplaced("{name} was changed while it was read.", name=found.place) from error
    except OSError as error:
        raise ImageRefused("{name} cannot be read: {why}.", name=found.place, why=error.strerror or error) from error
    with room_for(data):
        image = decode(data, name=found.place)
        facts = facts_of(image, data)
        image = reduced(image, SEEN_SIDE)
    return facts, image


def files_in(workspace: Workspace, folder: str) -> list[Found]:
    """The files of one class folder, as they are now."""
    seen = Walk()
    place = f"{RAW}/{folder}"
    _take(seen, list(_entries(workspace, place, seen)), place, folder)
    return list(seen.files.values())


def walk(workspace: Workspace) -> Walk:
    """The files of the class folders, of the unlabelled tray and of the trash.

    Hidden files and the system's own (Thumbs.db, __MACOSX) are passed over. Links are not
    followed, and deeper folders are not read: both are listed among the refused.
    """
    seen = Walk()
    for entry in _entries(workspace, RAW, seen):
        if not _is_folder(entry):
            seen.refused.append(_refused(f"{RAW}/{entry.name}", BadInput("This file lies in no class folder.")))
            continue
        kept = list(_entries(workspace, f"{RAW}/{entry.name}", seen))
        _take(seen, kept, f"{RAW}/{entry.name}", entry.name)
        if kept or _is_empty(entry):  # a folder with only system files in it is no class
            seen.folders.add(entry.name)
    _take(seen, list(_entries(workspace, TRAY, seen)), TRAY, None)
    for entry in _entries(workspace, TRASH, seen):
        if _is_folder(entry):
            _take(seen, list(_entries(workspace, f"{TRASH}/{entry.name}", seen)), f"{TRASH}/{entry.name}", entry.name)
        else:
            _take(seen, [entry], TRASH, None)
    return seen


def _entries(workspace: Workspace, place: str, seen: Walk) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(workspace.data / place) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        seen.refused.append(_refused(place, BadInput("This folder cannot be read: {why}.", why=error.strerror)))
        return
    for entry in listed:
        if is_junk(entry.name):
            continue
        shown = f"{place}/{entry.name}"
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            seen.refused.append(_refused(ascii(shown), BadInput("This name is not valid Unicode: rename it.")))
            continue
        if entry.is_symlink():
            seen.refused.append(_refused(shown, BadInput("This is a link, and links are not followed.")))
            continue
        yield entry


def _take(seen: Walk, entries: list[os.DirEntry[str]], place: str, folder: str | None) -> None:
    for entry in entries:
        if _is_folder(entry):
            seen.refused.append(
                _refused(f"{place}/{entry.name}", BadInput("Folders inside a class folder are not read."))
            )
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except OSError:  # gone since it was listed
            continue
        found = Found(f"{place}/{entry.name}", folder, entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        seen.files[found.place] = found


def _is_empty(folder: os.DirEntry[str]) -> bool:
    try:
        with os.scandir(folder.path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _refused(name: str, reason: BadInput) -> FileOutcome:
    return FileOutcome(name, "refused", reason)
