"""Products as a CSV table, out and in: what goes out comes back, and a spreadsheet may add to it.

One row a product; each of its marks has a column of its own, because a class's name may hold any sign.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from core.catalogue.journal import known_by
from core.catalogue.products import FIELDS, MOST_MARKS, clean
from core.catalogue.records import Carried, Place, Product, ProductDraft
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, BurinError
from core.ground.names import key
from core.intake.cells import neutral
from core.intake.labels import table_rows

HEADER = ["product", "maker", "code"]  # what the table begins with
FILE, FOLDER = "products.csv", "product_pictures"  # in an archive
_NAME = ("product", "name")
_MARK, _WHERE = (re.compile(rf"{word}[ _]?(\d{{1,9}})", re.IGNORECASE) for word in ("mark", "where"))
_PICTURE = re.compile(r"[0-9a-f]{64}\.png")
MOST_ROWS = 100_000


@dataclass(frozen=True)
class TableTaken:
    """What became of a table: products ``created`` and ``changed``, the names in it that are no ``unknown`` class, and
    rows that were ``refused``, each with its sentence."""

    created: int
    changed: int
    unknown: list[str]
    refused: list[tuple[str, BurinError]]


def products_csv(products: Sequence[Product], names: Mapping[int, str]) -> bytes:
    """The products as a table; ``names`` maps class ids to names (a class that is gone has an empty cell)."""
    fields = list(dict.fromkeys([*FIELDS, *sorted({name for one in products for name in one.fields})]))
    most = max((len(one.marks) for one in products), default=0)
    columns = [cell for n in range(1, most + 1) for cell in (f"mark_{n}", f"where_{n}")]
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow([*HEADER, *columns, *map(neutral, fields), "pictures"])
    for one in products:
        marks = [cell for mark in one.marks for cell in (names.get(mark.class_id, ""), mark.at)]
        marks += [""] * (2 * most - len(marks))
        values = [one.fields.get(name, "") for name in fields]
        cells = [one.name, one.maker, one.code, *marks, *values, " ".join(one.pictures)]
        rows.writerow([neutral(cell) for cell in cells])
    return text.getvalue().encode()


def import_products(dataset: Dataset, data: bytes) -> TableTaken:
    """Make and change products as a CSV says: ``product`` (or ``name``), perhaps ``maker``, ``code``, ``mark_1``,
    ``where_1``..., ``pictures`` (of the same workspace, or kept before); every other column is a field.

    A row that names a product by maker, name and code changes it; empty cells change nothing. All of it is one entry of
    the journal. Raises `BadInput` where there is no such column.
    """
    try:
        return _import(dataset, *table_rows(data))
    except csv.Error as error:
        raise BadInput("The table cannot be read: {why}.", why=error) from error


def pictures_named(data: bytes) -> set[str]:
    """The pictures that a table of products names."""
    header, rows = table_rows(data)
    columns = [cell.casefold() for cell in header]
    if "pictures" not in columns:
        return set()
    at = columns.index("pictures")
    return {name for row in rows if len(row) > at for name in row[at].split() if _PICTURE.fullmatch(name)}


def _import(dataset: Dataset, header: Sequence[str], rows: Iterable[Sequence[str]]) -> TableTaken:
    columns = [cell.casefold() for cell in header]
    titles = {column: title.strip() for column, title in reversed(list(zip(columns, header, strict=True)))}
    at = next((columns.index(name) for name in _NAME if name in columns), None)
    if at is None:
        raise BadInput("The table needs a column with the names of the products: product.")
    classes = {key(record.name): record.id for record in dataset.classes()}
    there = {known_by(one.maker, one.name, one.code): one for one in dataset.products()}
    made: dict[str, ProductDraft] = {}
    replaced: dict[int, ProductDraft] = {}
    unknown: dict[str, None] = {}
    refused: list[tuple[str, BurinError]] = []
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise BadInput("The table has more than {limit} rows.", limit=MOST_ROWS)
        cells = {column: text for column, cell in zip(columns, row, strict=False) if (text := cell.strip())}
        if columns[at] not in cells:
            continue
        try:
            draft = _draft(titles, cells, columns[at], classes, unknown, dataset)
        except BurinError as error:
            refused.append((cells[columns[at]], error))
            continue
        known = known_by(draft.maker, draft.name, draft.code)
        if known in there:
            replaced[there[known].id] = draft
        else:
            made[known] = draft
    before = {one.id: one.ver for one in there.values()}
    if made or replaced:
        dataset.create_products(list(made.values()), replaced=replaced, action="product_import")
    changed = sum(before.get(one.id, one.ver) != one.ver for one in dataset.products())
    return TableTaken(len(made), changed, list(unknown), refused)


def _draft(
    titles: Mapping[str, str],
    cells: Mapping[str, str],
    name: str,
    classes: Mapping[str, int],
    unknown: dict[str, None],
    dataset: Dataset,
) -> ProductDraft:
    """What a row says; ``cells`` are those that are not empty, ``titles`` the columns as they are written."""
    marks: dict[int, Carried] = {}
    fields: dict[str, str] = {}
    places = {found[1]: cell.casefold() for column, cell in cells.items() if (found := _WHERE.fullmatch(column))}
    for column, cell in cells.items():
        if found := _MARK.fullmatch(column):
            if key(cell) not in classes:
                unknown.setdefault(cell)
                continue
            where = places.get(found[1], "")
            known = cast(Place, where) if where in get_args(Place) else ""
            marks[int(found[1])] = Carried(classes[key(cell)], known)
        elif column not in (name, "maker", "code", "pictures", "") and not _WHERE.fullmatch(column):
            fields[titles[column]] = cell
    if len(marks) > MOST_MARKS:
        raise BadInput("A product carries at most {limit} marks.", limit=MOST_MARKS)
    kept = dataset.workspace.product_pictures
    pictures = [one for one in cells.get("pictures", "").split() if _PICTURE.fullmatch(one) and (kept / one).is_file()]
    title, maker, code = (clean(cells.get(column, "")) for column in (name, "maker", "code"))
    return ProductDraft(title, maker, code, fields, tuple(marks[n] for n in sorted(marks)), tuple(pictures))
