"""CSV files of labels among the images: which file each row means. A row that fits no file is said, never guessed."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast, get_args

from core.catalogue.operations import clean_tag
from core.catalogue.records import FileOutcome, Sight
from core.ground.config import Kind
from core.ground.errors import BadInput, ConfigRefused, NameRefused
from core.ground.regions import Region
from core.intake.cells import restored

_FILE = ("file_name", "filename", "file", "image", "path", "fichier")  # a column's names, the likeliest first
_LABEL = ("label", "class", "category", "name", "classe")
_CLASSES = ["name", "aliases"]  # what the list of classes in our own exports begins with
_OTHERS = (["product", "maker"],)  # and that of products: no tables of labels
_TOLD = 3  # rows that are named


@dataclass(frozen=True)
class _Row:
    table: str
    file: str  # as the CSV writes it
    label: str
    look: Look


@dataclass(frozen=True)
class Look:
    """What is said of a file beside its label: where the mark lies in it (None: the whole picture), and what is to be
    thought of what is seen there; its kind and source ("": not said) and its tags. ``sha256``: the content that the
    table was written about, which was an image of its own in that collection."""

    region: Region | None = None
    sight: Sight = ""
    kind: Kind | Literal[""] = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    sha256: str = ""


WHOLE = Look()  # nothing said: the whole picture


@dataclass(frozen=True)
class Described:
    """A class as a list of classes describes it: it may have no image at all."""

    table: str
    name: str
    aliases: tuple[str, ...]
    fields: dict[str, str]


def described(table: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, at: int = 0) -> list[Described]:
    """The rows of a list of classes: the name in column ``at``, in another aliases (parted by ``|``), in every other
    one a field; an empty cell says nothing."""
    found = []
    for row in rows:
        if len(row) > at and row[at].strip():
            cells = {name: cell.strip() for n, (name, cell) in enumerate(zip(header, row, strict=False)) if n != at}
            aliases = tuple(alias for part in cells.pop("aliases", "").split("|") if (alias := part.strip()))
            fields = {name: cell for name, cell in cells.items() if name and cell}
            found.append(Described(table, row[at].strip(), aliases, fields))
    return found


class Labels:
    """What the CSV files among some uploads say: `add` each of them, then ask for the labels `of` the files, and for
    the `looks` of those that have one. ``classes``: what lists of classes say."""

    def __init__(self) -> None:
        self.classes: list[Described] = []
        self._rows: list[_Row] = []
        self._said: list[FileOutcome] = []
        self._given: dict[int, _Row] = {}

    def add(self, name: str, data: bytes) -> None:
        """Take in the CSV called ``name``; raises `csv.Error` where it is no table."""
        header, cells = table_rows(data)
        columns = [cell.casefold().replace(" ", "_") for cell in header]
        file_at, label_at = _column(columns, _FILE), _column(columns, _LABEL)
        if file_at is not None and label_at is not None:
            rows = [row for row in cells if len(row) > max(file_at, label_at)]
            for row in rows:
                look = _look(dict(zip(columns, (cell.strip() for cell in row), strict=False)))
                one = _Row(name, _path(row[file_at]), row[label_at].strip(), look)
                if one.file and (one.label or one.look != WHOLE):
                    self._rows.append(one)
        elif columns[:2] == _CLASSES:
            self.classes += described(name, ["name", "aliases", *header[2:]], cells)
        elif columns[:2] not in _OTHERS:
            reason = BadInput("{name} gives no labels: its columns file_name and label were not found.", name=name)
            self._said.append(FileOutcome(name, "refused", reason))

    def of(self, names: Sequence[str]) -> tuple[list[str | None], list[FileOutcome]]:
        """The label of each file, and an outcome for each CSV that is not, or not wholly, about these files.

        A row means the file of its whole path, seen from the CSV or from the top; else the one file of that name,
        with or without its extension, where neither the files nor the rows hold that name twice.
        """
        paths = [_path(name) for name in names]
        given = self._given = {}
        used: set[int] = set()
        ways: tuple[tuple[Callable[[_Row], str], Callable[[str], str], bool], ...] = (
            (_beside, str, False),
            (lambda row: row.file, str, False),
            (_beside, _stem, False),
            (lambda row: row.file, _stem, False),
            (lambda row: _base(row.file), _base, True),
            (lambda row: _base(row.file), lambda path: _stem(_base(path)), True),
        )
        for named, known_as, once in ways:
            places: dict[str, list[int]] = {}
            for at, path in enumerate(paths):
                places.setdefault(known_as(path), []).append(at)
            count = Counter(named(row) for row in self._rows)
            for number, row in enumerate(self._rows):
                found = places.get(named(row), [])
                if number in used or (once and (len(found) > 1 or count[named(row)] > 1)):
                    continue
                for at in found:
                    if given.setdefault(at, row).label == row.label:
                        used.add(number)
        labels = [given[at].label or None if at in given else None for at in range(len(names))]
        return labels, [*self._said, *self._unused(used)]

    def looks(self, count: int) -> list[Look]:
        """Where the mark lies in each of the ``count`` files that `of` was asked about last."""
        return [self._given[at].look if at in self._given else WHOLE for at in range(count)]

    def _unused(self, used: set[int]) -> Iterator[FileOutcome]:
        total = Counter(row.table for row in self._rows)
        lost: dict[str, list[str]] = {}
        for number, row in enumerate(self._rows):
            if number not in used:
                lost.setdefault(row.table, []).append(row.file)
        for table, files in lost.items():
            told = ", ".join(files[:_TOLD]) + (", …" if len(files) > _TOLD else "")
            values = {"name": table, "count": len(files), "total": total[table], "files": told}
            reason = BadInput("{name}: rows that name no file here: {count} of {total} ({files}).", **values)
            yield FileOutcome(table, "refused", reason)


def table_rows(data: bytes) -> tuple[list[str], Iterator[list[str]]]:
    """The header and the rows of a CSV, parted by commas, semicolons or tabs, in UTF-8, UTF-16 or Windows' letters.
    Cells that our export neutralised are given back as they were."""
    text = _text(data)
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    cells = ([restored(cell) for cell in row] for row in rows)
    return [cell.strip() for cell in next(cells, [])], cells


def _text(data: bytes) -> str:
    """Spreadsheets write UTF-16 too ("Unicode text"), with a mark or, in every second byte of a header, zeros."""
    head = data[:64]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    for zeros, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if 2 * zeros.count(0) > len(zeros) > 1:
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _look(cells: Mapping[str, str]) -> Look:
    """What a row says of its file; a cell that is no region, or no such word, says nothing."""
    found = None
    if region := cells.get("region"):
        with suppress(ConfigRefused):
            found = Region.from_text(region)
    sight, kind = cells.get("sight", ""), cells.get("kind", "")
    tags = []
    for tag in cells.get("tags", "").split("|"):
        with suppress(NameRefused):
            tags.append(clean_tag(tag))
    return Look(
        found,
        cast(Sight, sight) if sight in get_args(Sight) else "",
        cast(Kind, kind) if kind in get_args(Kind) else "",
        cells.get("source", ""),
        tuple(sorted(set(tags))),
        cells.get("sha256", "").lower(),
    )


def _column(columns: Sequence[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _path(text: str) -> str:
    """A file's path as both sides write it: forward slashes, composed letters."""
    return unicodedata.normalize("NFC", text.strip().replace("\\", "/").removeprefix("./"))


def _beside(row: _Row) -> str:
    """Where a row's file is, seen from the folder of its CSV."""
    folder = _path(row.table).rpartition("/")[0]
    return f"{folder}/{row.file}" if folder else row.file


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    """A path without its extension; a file that is named by nothing else keeps it."""
    folder, slash, file = path.rpartition("/")
    return folder + slash + (file.rpartition(".")[0] or file)
