"""Products among what is imported: the table of an export, or one that lies loose beside images, with its pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, BurinError, ImageRefused
from core.ground.names import printable
from core.intake.labels import table_rows
from core.intake.product_table import FOLDER, HEADER, import_products, pictures_named

NAMED = 3  # marks that are no class and are told by name


class _File(Protocol):
    @property
    def name(self) -> str: ...

    def read(self) -> bytes: ...


F = TypeVar("F", bound=_File)


@dataclass(frozen=True)
class Shelf:
    """A table of products called ``name``, and how to read the pictures that it names."""

    name: str
    table: bytes
    pictures: Sequence[Callable[[], bytes]] = ()


def loose(files: Iterable[F]) -> tuple[list[F], list[Shelf]]:
    """``files`` without the tables of products among them and what those name in the folder of pictures beside them;
    and these."""
    files = list(files)
    tables: dict[int, tuple[bytes, set[str]]] = {}
    for at, file in enumerate(files):
        if file.name.lower().endswith(".csv"):
            with suppress(ImageRefused, csv.Error):
                data = file.read()
                if [cell.casefold() for cell in table_rows(data)[0][:2]] == HEADER[:2]:
                    tables[at] = data, set()  # also where the rest of it cannot be read: that is said of it then
                    tables[at] = data, pictures_named(data)
    shelves, aside = [], set(tables)
    for at, (data, pictures) in tables.items():
        folder = files[at].name.replace("\\", "/").rpartition("/")[0]
        beside = f"{folder}/{FOLDER}" if folder else FOLDER
        named = {f"{beside}/{one}" for one in pictures}
        here = [n for n, file in enumerate(files) if file.name.replace("\\", "/") in named]
        aside |= set(here)
        shelves.append(Shelf(files[at].name, data, [files[n].read for n in here]))
    return [file for at, file in enumerate(files) if at not in aside], shelves


def take_products(dataset: Dataset, shelf: Shelf) -> list[FileOutcome]:
    """Bring in the products of a table, with their pictures; what became of it, and of rows that were refused."""
    try:
        for read in shelf.pictures:
            with suppress(ImageRefused):
                dataset.keep_product_picture(read())
        taken = import_products(dataset, shelf.table)
    except BurinError as error:
        return [FileOutcome(shelf.name, "refused", error)]
    reason = BurinError("Products made: {created}; changed: {changed}.", created=taken.created, changed=taken.changed)
    said = [FileOutcome(shelf.name, "read", reason)]
    said += [FileOutcome(printable(name), "refused", error) for name, error in taken.refused]
    if taken.unknown:
        names = ", ".join(map(printable, taken.unknown[:NAMED]))
        unknown = BadInput("{name}: marks that are no class here: {names}.", name=shelf.name, names=names)
        said.append(FileOutcome(shelf.name, "refused", unknown))
    return said
