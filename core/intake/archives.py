"""Zip archives of images: judged as a whole before a byte is unpacked, then read member by member.

Nothing is ever extracted under a name from the archive. An unsafe archive is refused whole; a
member that is only damaged is for the importer to list.
"""

from __future__ import annotations

import csv
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.catalogue.moves import RAW, TRASH, TRAY
from core.catalogue.records import FileOutcome
from core.ground.errors import ArchiveRefused, BadInput, ImageRefused
from core.ground.images import MAX_BYTES
from core.ground.names import is_junk, name_of
from core.intake.labels import WHOLE, Labels, Look
from core.intake.product_table import FILE, FOLDER, pictures_named

_CHUNK = 1 << 20
_LABELS_BYTES = 20_000_000  # of a CSV of labels
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_VARIANTS = "augmented_gravures"
_DRIVE = re.compile(r"[A-Za-z]:([/\\]|[^/\\]*$)")  # C:\x, C:/x and C:x.png; a folder may well be called a:b
_LETTERS = re.compile(r"[\x20-\x7e\u00c0-\u00ff\u0152\u0153]*")  # what French and its neighbours write names with


@dataclass(frozen=True)
class Limits:
    """What an archive may be: members, bytes once unpacked, and how many times larger than packed."""

    members: int = 100_000
    unpacked: int = 4_000_000_000
    ratio: int = 100
    ratio_from: int = 20_000_000  # below this many unpacked bytes no ratio is dangerous
    directory: int = 64_000_000  # bytes of the table of contents, which is held in memory


@dataclass(frozen=True)
class Member:
    """One image of an archive: its ``name`` there, the class that its folder or a CSV gives it, and where in it the
    CSV says that the mark is."""

    name: str
    class_name: str | None
    info: zipfile.ZipInfo = field(repr=False, compare=False)
    look: Look = WHOLE


class Archive:
    """An archive judged safe to read; a context manager. ``remarks``: what its CSV files say that fits no member;
    ``classes``: what its list of classes says; ``products``: its table of products, where it is one of our exports, and
    their ``pictures``.

    Raises `ArchiveRefused` with one sentence: not a zip, protected by a password, too much in it,
    names that lead outside, links or devices, overlapping members.
    """

    def __init__(self, path: Path, *, name: str = "", limits: Limits | None = None) -> None:
        self.name = name or path.name
        self._limits = limits or Limits()
        self._size = path.stat().st_size
        self._stream = open(path, "rb")  # noqa: SIM115
        try:
            self._check_directory()
            self._zip = zipfile.ZipFile(self._stream)
            infos = self._zip.infolist()
            self._check_names(infos)
            self._check_amount(infos)
            self._check_places(infos)
            self.members = self._read_members(infos)
        except (
            zipfile.BadZipFile,
            struct.error,
            NotImplementedError,
            UnicodeError,
            ValueError,
            OverflowError,
        ) as error:
            self._stream.close()
            raise ArchiveRefused("{name} is not a zip archive, or it is damaged.", name=self.name) from error
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, member: Member) -> bytes:
        """A member's bytes, counted while they are unpacked; raises `ImageRefused` where it is damaged."""
        parts, count = [], 0
        try:
            with self._zip.open(member.info) as stream:
                while part := stream.read(_CHUNK):
                    count += len(part)
                    if count > min(member.info.file_size, MAX_BYTES):
                        raise ImageRefused("{name} is larger than its archive says.", name=member.name)
                    parts.append(part)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error) as error:
            raise ImageRefused("{name} is damaged or cut short.", name=member.name) from error
        return b"".join(parts)

    def _check_directory(self) -> None:
        """The size of the table of contents, before it is loaded."""
        end = zipfile._EndRecData(self._stream)  # type: ignore[attr-defined]  # the only reader of it
        if not end:
            raise zipfile.BadZipFile
        if end[zipfile._ECD_SIZE] > self._limits.directory:  # type: ignore[attr-defined]
            self._refuse_amount(end[zipfile._ECD_ENTRIES_TOTAL])  # type: ignore[attr-defined]
        self._stream.seek(0)

    def _check_names(self, infos: list[zipfile.ZipInfo]) -> None:
        for info in infos:
            name = info.orig_filename
            parts = re.split(r"[/\\]", name)
            if "\0" in name or ".." in parts or name.startswith(("/", "\\")) or _DRIVE.match(name):
                raise ArchiveRefused(
                    "{name} is unsafe: the name {member} leads outside of it.", name=self.name, member=ascii(name)
                )
            mode = info.external_attr >> 16
            regular = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
            if not regular or (mode & (stat.S_ISUID | stat.S_ISGID) and not stat.S_ISDIR(mode)):
                raise ArchiveRefused(
                    "{name} is unsafe: {member} is a link or a special file.", name=self.name, member=_shown(info)
                )
            if info.flag_bits & 0x1:
                raise ArchiveRefused("{name} is protected by a password.", name=self.name)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveRefused(
                    "{name} is packed by a method that is not read here: use a plain zip.", name=self.name
                )

    def _check_amount(self, infos: list[zipfile.ZipInfo]) -> None:
        limits = self._limits
        if len(infos) > limits.members:
            self._refuse_amount(len(infos))
        unpacked = sum(info.file_size for info in infos)
        if unpacked > limits.unpacked:
            raise ArchiveRefused(
                "{name} would unpack to {size} MB; the limit is {limit} MB.",
                name=self.name, size=unpacked // 1_000_000, limit=limits.unpacked // 1_000_000,
            )  # fmt: skip
        if unpacked > limits.ratio_from and unpacked > limits.ratio * self._size:
            raise ArchiveRefused(
                "{name} would unpack to more than {ratio} times its size.", name=self.name, ratio=limits.ratio
            )

    def _refuse_amount(self, count: int) -> None:
        raise ArchiveRefused(
            "{name} holds more files ({count}) than the limit ({limit}).",
            name=self.name,
            count=count,
            limit=self._limits.members,
        )

    def _check_places(self, infos: list[zipfile.ZipInfo]) -> None:
        """No two members may share bytes: that is how a small archive unpacks to a large one."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise ArchiveRefused("{name} is unsafe: its members overlap.", name=self.name)
            self._stream.seek(info.header_offset)
            head = self._stream.read(30)
            name_length, extra_length = struct.unpack_from("<HH", head, 26)
            end = info.header_offset + 30 + name_length + extra_length + info.compress_size
        if end > self._size:
            raise zipfile.BadZipFile

    def _without_products(
        self, kept: list[tuple[str, zipfile.ZipInfo]], tables: list[tuple[str, zipfile.ZipInfo]]
    ) -> list[tuple[str, zipfile.ZipInfo]]:
        """The members that are no pictures of products; those and their table are set aside."""
        self.products: bytes | None = None
        self.pictures: list[Member] = []
        name, info = min((t for t in tables if _base(t[0]) == FILE), key=lambda t: len(t[0]), default=("", None))
        if info is None:
            return kept
        with suppress(ImageRefused, csv.Error):
            self.products = self.read(Member(name, None, info))
            beside = name.removesuffix(FILE) + FOLDER
            named = {f"{beside}/{one}" for one in pictures_named(self.products)}
            self.pictures = [Member(n, None, i) for n, i in kept if n in named]
            return [(n, i) for n, i in kept if n not in named]
        return kept

    def _read_members(self, infos: list[zipfile.ZipInfo]) -> list[Member]:
        kept: list[tuple[str, zipfile.ZipInfo]] = []
        tables: list[tuple[str, zipfile.ZipInfo]] = []
        for info in infos:
            name = _name(info)
            if info.is_dir() or any(is_junk(part) for part in name.split("/")):
                continue
            table = name.lower().endswith(".csv") and info.file_size <= _LABELS_BYTES
            (tables if table else kept).append((name, info))
        kept = self._without_products(kept, tables)
        labels = Labels()
        for name, info in tables:
            try:
                labels.add(name, self.read(Member(name, None, info)))
            except (ImageRefused, csv.Error):  # not a table after all: the importer will list it
                kept.append((name, info))
        in_place, left_out = workspace_parts([name for name, _ in kept])
        kept = [kept[at] for at in in_place]
        names = [name for name, _ in kept]
        given, remarks = labels.of(names)
        self.remarks, self.classes = [*remarks, *left_out], labels.classes
        return [
            Member(name, label or class_name, info, look)
            for (name, info), label, class_name, look in zip(
                kept, given, classes_of(names), labels.looks(len(names)), strict=True
            )
        ]


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def classes_of(names: Sequence[str]) -> list[str | None]:
    """The class of each file from its folders; None for a file that lies flat.

    Folders around everything (``export/``, ``raw_gravures/``) and the names of splits (``train/``)
    are left out; deeper folders make one name: ``Angelic - character01``. In a copy of a workspace they are those of
    its ``raw_gravures``.
    """
    if (root := _workspace_in(names)) is not None:
        inside = [PurePosixPath(name).parts[len(root) :] for name in names]
        return [" - ".join(map(name_of, parts[1:-1])) or None if parts[:1] == (RAW,) else None for parts in inside]
    folders = [[name_of(part) for part in PurePosixPath(name).parent.parts] for name in names]
    while (tops := {parts[0] for parts in folders if parts}) and all(folders):
        wrapped = len(tops) == 1 and len({parts[1] for parts in folders if len(parts) > 1}) > (
            0 if min(map(len, folders)) > 1 else 1
        )
        split = {top.casefold() for top in tops} <= _SPLITS and min(map(len, folders)) > 1
        if not (wrapped or split):
            break
        folders = [parts[1:] for parts in folders]
    return [" - ".join(parts) or None for parts in folders]


def workspace_parts(names: Sequence[str]) -> tuple[list[int], list[FileOutcome]]:
    """Which of these files to take in where they are a copy of a workspace's folders: its originals, with and without
    a class. Of every other folder, of variants above all, an outcome says that it was left out. Else all of them."""
    root = _workspace_in(names)
    if root is None:
        return list(range(len(names))), []
    kept, left = [], Counter[str]()
    for at, name in enumerate(names):
        parts = PurePosixPath(name).parts
        inside = parts[len(root) :] if parts[: len(root)] == root else ()
        if inside[:1] == (RAW,) or (inside[:1] == (TRAY,) and len(inside) == 2):
            kept.append(at)
        else:
            left["/".join(parts[: len(root) + 1] if inside[1:] else parts[:-1])] += 1
    return kept, [_left_out(folder, count) for folder, count in left.items()]


def _left_out(folder: str, count: int) -> FileOutcome:
    values = {"count": count, "folder": folder or "."}
    if folder.rpartition("/")[2] == _VARIANTS:
        why = BadInput(
            "Left out: the written variants in {folder} ({count}). They are made anew from the originals, which are"
            " taken in.",
            **values,
        )
    else:
        why = BadInput(
            "Left out: the files in {folder} ({count}). Of a workspace the originals are taken in.", **values
        )
    return FileOutcome(folder or ".", "refused", why)


def _workspace_in(names: Sequence[str]) -> tuple[str, ...] | None:
    """The folders around a workspace's own, where ``raw_gravures`` has one of them beside it."""
    paths = [PurePosixPath(name).parts for name in names]
    for root in sorted({parts[: parts.index(RAW)] for parts in paths if RAW in parts[:-1]}, key=len):
        beside = {parts[len(root)] for parts in paths if parts[: len(root)] == root and len(parts) > len(root) + 1}
        if beside & {_VARIANTS, TRAY, TRASH}:
            return root
    return None


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name. Archives that do not say UTF-8 are read as what makes letters of it: UTF-8
    all the same, a DOS code page, or Windows'."""
    name = info.orig_filename.replace("\\", "/")
    if not info.flag_bits & 0x800 and not name.isascii():
        raw = name.encode("cp437")
        for encoding in ("utf-8", "cp437", "cp1252"):
            try:
                candidate = raw.decode(encoding)
            except UnicodeDecodeError:
                continue
            if encoding == "utf-8" or _LETTERS.fullmatch(candidate):
                return candidate
    return name


def _shown(info: zipfile.ZipInfo) -> str:
    return ascii(_name(info))
