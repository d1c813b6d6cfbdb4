"""Products as a CSV table, out and in: what goes out comes back, and a spreadsheet may add to it.

One row a product; each of its marks has a column of its own, because a class's name may hold any sign.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from core.catalogue.journal import known_by
from core.catalogue.products import FIELDS, clean
from core.catalogue.records import Carried, Place, Product, ProductDraft
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, BurinError
from core.ground.names import key
from core.intake.cells import neutral
from core.intake.labels import table_rows

HEADER = ["product", "maker", "code"]  # what the table begins with
FILE, FOLDER = "products.csv", "product_pictures"  # in an archive
_NAME = ("product", "name")
_MARK, _WHERE = re.compile(r"mark[ _]?(\d+)", re.IGNORECASE), re.compile(r"where[ _]?(\d+)", re.IGNORECASE)
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
    header, rows = table_rows(data)
    columns = [cell.casefold() for cell in header]
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
        cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
        if not cells.get(columns[at]):
            continue
        try:
            draft = _draft(header, cells, columns[at], classes, unknown, dataset)
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


def pictures_named(data: bytes) -> set[str]:
    """The pictures that a table of products names."""
    header, rows = table_rows(data)
    columns = [cell.casefold() for cell in header]
    if "pictures" not in columns:
        return set()
    at = columns.index("pictures")
    return {name for row in rows if len(row) > at for name in row[at].split() if _PICTURE.fullmatch(name)}


def _draft(
    header: Sequence[str],
    cells: Mapping[str, str],
    name: str,
    classes: Mapping[str, int],
    unknown: dict[str, None],
    dataset: Dataset,
) -> ProductDraft:
    marks: dict[int, Carried] = {}
    fields: dict[str, str] = {}
    for title in header:
        column, cell = title.casefold(), cells.get(title.casefold(), "")
        if found := _MARK.fullmatch(column):
            if cell and key(cell) not in classes:
                unknown.setdefault(cell)
            elif cell:
                where = next((cells.get(c, "") for c in cells if (w := _WHERE.fullmatch(c)) and w[1] == found[1]), "")
                known = cast(Place, where.casefold()) if where.casefold() in get_args(Place) else ""
                marks[int(found[1])] = Carried(classes[key(cell)], known)
        elif column not in (name, "maker", "code", "pictures", "") and not _WHERE.fullmatch(column) and cell:
            fields[title.strip()] = cell
    kept = dataset.workspace.product_pictures
    pictures = [one for one in cells.get("pictures", "").split() if _PICTURE.fullmatch(one) and (kept / one).is_file()]
    title, maker, code = (clean(cells.get(column, "")) for column in (name, "maker", "code"))
    return ProductDraft(title, maker, code, fields, tuple(marks[n] for n in sorted(marks)), tuple(pictures))
