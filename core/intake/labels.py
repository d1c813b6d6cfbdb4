"""CSV files of labels among the images: which file each row means. A row that fits no file is said, never guessed."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast, get_args

from core.catalogue.records import FileOutcome, Sight
from core.ground.errors import BadInput, ConfigRefused
from core.ground.regions import Region
from core.intake.cells import restored

_FILE = ("file_name", "filename", "file", "image", "path", "fichier")  # a column's names, the likeliest first
_LABEL = ("label", "class", "category", "name", "classe")
_OTHERS = (["name", "aliases"], ["product", "maker"])  # what our own exports of classes and products begin with
_TOLD = 3  # rows that are named


@dataclass(frozen=True)
class _Row:
    table: str
    file: str  # as the CSV writes it
    label: str
    look: Look


@dataclass(frozen=True)
class Look:
    """Where the mark lies in a file (None: the whole picture), and what was said of what is seen there."""

    region: Region | None = None
    sight: Sight = ""


WHOLE = Look()  # nothing said: the whole picture


class Labels:
    """What the CSV files among some uploads say: `add` each of them, then ask for the labels `of` the files, and for
    the `looks` of those that have one."""

    def __init__(self) -> None:
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
            region_at, sight_at = (columns.index(one) if one in columns else None for one in ("region", "sight"))
            for row in rows:
                one = _Row(name, _path(row[file_at]), row[label_at].strip(), _look(row, region_at, sight_at))
                if one.file and (one.label or one.look != WHOLE):
                    self._rows.append(one)
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
    """The header and the rows of a CSV, parted by commas or semicolons, in UTF-8 or Windows' letters.
    Cells that our export neutralised are given back as they were."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    cells = ([restored(cell) for cell in row] for row in rows)
    return [cell.strip() for cell in next(cells, [])], cells


def _look(row: Sequence[str], region_at: int | None, sight_at: int | None) -> Look:
    """What a row says of its file's sight; a cell that is no region or no such word says nothing."""
    region, sight = ("" if at is None or at >= len(row) else row[at].strip() for at in (region_at, sight_at))
    found = None
    if region:
        with suppress(ConfigRefused):
            found = Region.from_text(region)
    return Look(found, cast(Sight, sight) if sight in get_args(Sight) else "")


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
