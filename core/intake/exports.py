"""Exports: the dataset as an ImageFolder zip, a CSV or a Parquet file, written as a stream.

What goes out comes back: `core.intake.ingest` reads the zip into the same classes, names and bytes, and
cells that a spreadsheet would calculate are neutralised here and restored there. Of a file that was put into a folder
by hand and holds more than its picture (EXIF, a text, a tail), only the pixels go out.
"""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.catalogue.records import ClassRecord, Item
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, ImageRefused, NotFound
from core.ground.images import content_hash, decode
from core.ground.names import basename, folder_for, free_name, key
from core.intake.cells import neutral
from core.intake.labels import described, table_rows
from core.intake.originals import is_bare_jpeg, is_bare_png, stored_form
from core.intake.product_table import FILE, FOLDER, products_csv

COLUMNS = ("file_name", "label", "kind", "width", "height", "sha256", "source", "added_at", "region", "sight", "tags")
_PAGE = 1000
_ALIASES = " | "

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ExportReport:
    """How many ``images`` went out, and the paths of those whose file was gone or cannot be opened any more."""

    images: int
    missing: list[str] = field(default_factory=list)


def export_zip(
    dataset: Dataset,
    target: BinaryIO,
    *,
    class_ids: Sequence[int] | None = None,
    item_ids: Sequence[int] | None = None,
    original_names: bool = False,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ExportReport:
    """Write ``<class>/<file>`` for every image (unlabelled ones at the top), ``labels.csv`` with
    ``file_name,label`` and all that is said of an image, ``classes.csv`` with aliases and fields, and where there are
    products ``products.csv`` with their pictures, to a stream that need not seek.

    ``class_ids`` and ``item_ids`` narrow what goes out: images of these classes, these images. ``original_names`` gives
    the files the names that they were uploaded under, numbered where two are alike.
    """
    labels = io.StringIO(newline="")
    rows = csv.writer(labels)
    rows.writerow(COLUMNS)
    done, missing = 0, []
    ids = _narrowed(dataset, class_ids, item_ids)
    names: dict[str, set[str]] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # images do not shrink
        classes: set[int | None] = set()
        for name, item in _places(dataset, ids, names, original_names=original_names):
            if should_stop():
                break
            classes.add(item.class_id)
            try:
                name, content, sha256 = _bare(dataset, item, name, names)
            except (NotFound, ImageRefused):
                missing.append(item.path)
                continue
            archive.writestr(zipfile.ZipInfo(name, time.localtime(item.added_at)[:6]), content)
            rows.writerow(_row(name, replace(item, file_sha256=sha256)))
            done += 1
            if on_progress:
                on_progress(done, len(ids))
        archive.writestr("labels.csv", labels.getvalue().encode())
        whole = class_ids is None and item_ids is None
        wanted = classes.union(class_ids or ())
        kept = [record for record in dataset.classes() if whole or record.id in wanted]
        archive.writestr("classes.csv", classes_csv(kept))
        _add_products(archive, dataset)
    return ExportReport(done, missing)


def _add_products(archive: zipfile.ZipFile, dataset: Dataset) -> None:
    products = dataset.products()
    if products:
        names = {record.id: record.name for record in dataset.classes()}
        archive.writestr(FILE, products_csv(products, names))
    for name in sorted({name for product in products for name in product.pictures}):
        with suppress(NotFound):
            archive.write(dataset.product_picture(name), f"{FOLDER}/{name}")


def export_csv(
    dataset: Dataset,
    target: BinaryIO,
    *,
    class_ids: Sequence[int] | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write one row an image, `COLUMNS`, UTF-8 with the mark that spreadsheets want; how many."""
    text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="", write_through=True)
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    count = 0
    ids = _narrowed(dataset, class_ids, None)
    for name, item in _places(dataset, ids):
        if should_stop():
            break
        rows.writerow(_row(name, item))
        count += 1
        if on_progress:
            on_progress(count, len(ids))
    text.detach()  # the target stays open: it is the caller's
    return count


def export_parquet(
    dataset: Dataset,
    target: Path | BinaryIO,
    *,
    space: str,
    places: Mapping[int, tuple[float, float]] | None = None,
    class_ids: Sequence[int] | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write the labelled images embedded in ``space``: `COLUMNS`, ``embedding`` (list of float32), and ``x``,
    ``y`` of a projection where ``places`` (item id -> x, y) is given; how many. Rows are written in pages."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, labels, _, vectors = dataset.vectors(space)
    if class_ids is not None:
        wanted = np.isin(labels, class_ids)
        ids, vectors = ids[wanted], vectors[wanted]
    names = {item.id: name for name, item in _places(dataset, _narrowed(dataset, class_ids, None))}
    words = ("file_name", "label", "kind", "sha256", "source", "region", "sight", "tags")
    text = [(name, pa.string()) for name in words]
    numbers = [("item_id", pa.int64()), ("width", pa.int32()), ("height", pa.int32()), ("added_at", pa.float64())]
    extra = [("x", pa.float32()), ("y", pa.float32())] if places is not None else []
    schema = pa.schema([*text, *numbers, ("embedding", pa.list_(pa.float32())), *extra])
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for start in range(0, len(ids), _PAGE):
            if should_stop():
                break
            page = dataset.some(ids[start : start + _PAGE].tolist())
            rows = [_record(names[item.id], item, vector) for item, vector in zip(page, vectors[start:], strict=False)]
            if places is not None:
                for row in rows:
                    row["x"], row["y"] = places.get(row["item_id"], (None, None))
            writer.write_table(pa.Table.from_pylist(rows, schema))
            if on_progress:
                on_progress(start + len(page), len(ids))
    return len(ids)


def classes_csv(classes: Sequence[ClassRecord]) -> bytes:
    """The classes with their aliases and fields, one column a field."""
    fields = sorted({name for record in classes for name in record.fields})
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["name", "aliases", *map(neutral, fields)])
    for record in classes:
        values = [record.name, _ALIASES.join(record.aliases), *(record.fields.get(name, "") for name in fields)]
        rows.writerow([neutral(value) for value in values])
    return text.getvalue().encode()


def import_class_fields(dataset: Dataset, data: bytes) -> list[str]:
    """Fill aliases and fields of classes from a CSV: a column ``name`` (or ``label``, ``class``), perhaps
    ``aliases`` (parted by ``|``), every other column a field; empty cells change nothing.

    Returns the names that are no class here. Raises `BadInput` where there is no such column, or no table.
    """
    try:
        header, rows = table_rows(data)
        table = list(rows)
    except csv.Error as error:
        raise BadInput("The table cannot be read: {why}.", why=error) from error
    column = next((name for name in ("name", "label", "class") if name in map(str.casefold, header)), None)
    if column is None:
        raise BadInput("The table needs a column with the names of the classes: name.")
    at = [name.casefold() for name in header].index(column)
    by_name = {key(record.name): record for record in dataset.classes()}
    unknown = []
    for one in described("", header, iter(table), at=at):
        record = by_name.get(key(one.name))
        if record is None:
            unknown.append(one.name)
            continue
        added = [alias for alias in one.aliases if alias not in record.aliases]
        if added:
            dataset.set_aliases(record.id, [*record.aliases, *added])
        dataset.edit_fields(record.id, **one.fields)
    return unknown


def _narrowed(dataset: Dataset, class_ids: Sequence[int] | None, item_ids: Sequence[int] | None) -> list[int]:
    """The present images, or those of them that are asked for, in the dataset's order."""
    dataset.allow("export")
    ids = dataset.item_ids()
    if class_ids is not None:
        there = {item_id for class_id in class_ids for item_id in dataset.item_ids(class_id=class_id)}
        ids = [item_id for item_id in ids if item_id in there]
    if item_ids is not None:
        chosen = set(item_ids)
        ids = [item_id for item_id in ids if item_id in chosen]
    return ids


def _bare(dataset: Dataset, item: Item, name: str, taken: dict[str, set[str]]) -> tuple[str, bytes, str]:
    """An image as it goes out, with its name and its hash: the file where it holds nothing but a picture, else its
    pixels as PNG. Raises `NotFound` and `ImageRefused`."""
    data = dataset.image_bytes(item)
    if is_bare_png(data) or is_bare_jpeg(data):
        return name, data, item.file_sha256
    content, extension = stored_form(decode(data, name=item.path), data)
    stem, dot, old = name.rpartition(".")
    if dot and f".{old.lower()}" != extension:
        folder, slash, file = f"{stem}{extension}".rpartition("/")
        here = taken.setdefault(key(folder + slash), set())
        file = free_name(file, here)
        here.add(key(file))
        name = f"{folder}{slash}{file}"
    return name, content, content_hash(content)


def _places(
    dataset: Dataset, ids: Sequence[int], taken: dict[str, set[str]] | None = None, *, original_names: bool = False
) -> Iterator[tuple[str, Item]]:
    """Each of these images with its name in an export, unique whatever the letters' case; ``taken``: the names so far
    by folder."""
    taken = {} if taken is None else taken
    for start in range(0, len(ids), _PAGE):
        for item in dataset.some(ids[start : start + _PAGE]):
            folder = "" if item.class_id is None else f"{folder_for(item.class_name)}/"
            here = taken.setdefault(key(folder), set())
            file = free_name(_original_name(item) if original_names else item.path.rpartition("/")[2], here)
            here.add(key(file))
            yield f"{folder}{file}", item


def _original_name(item: Item) -> str:
    """The name that an image was uploaded under, as every platform can keep it, with the extension of what is stored;
    its own where that is not known."""
    own = item.path.rpartition("/")[2]
    stem = folder_for(basename(item.source).rpartition(".")[0])
    return f"{stem}.{own.rpartition('.')[2]}" if stem else own


def _row(name: str, item: Item) -> list[str]:
    return [neutral(value) for value in _cells(name, item)]


def _cells(name: str, item: Item) -> tuple[Any, ...]:
    added = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(item.added_at))
    region = item.region.to_text() if item.region else ""
    size = (item.width, item.height)
    about = (item.file_sha256, item.source, added, region, item.sight, _ALIASES.join(item.tags))
    return (name, item.class_name, item.kind, *size, *about)


def _record(name: str, item: Item, vector: np.ndarray) -> dict[str, Any]:
    record = dict(zip(COLUMNS, _cells(name, item), strict=True))
    return {**record, "added_at": item.added_at, "item_id": item.id, "embedding": vector}
