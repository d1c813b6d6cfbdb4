"""Salvage: what a damaged catalogue still says and the folders cannot: fields, aliases, kinds, tags, products, reports,
views.

Labels and files come from the folders (`core.collection.rescan`); this only adds to what was rebuilt from them.
It reads the damaged SQLite file row by row and keeps what it can read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.catalogue import Catalogue
from core.catalogue.records import Sight
from core.ground.config import Kind
from core.ground.errors import BurinError
from core.ground.regions import Region


def salvage(catalogue: Catalogue, damaged: Path) -> None:
    """Bring over from ``damaged`` what belongs to classes and images that are there again; what makes no
    sense any more is left."""
    for part in (_classes, _items, _products, _reports, _views):
        with (
            suppress(BurinError, sa.exc.SQLAlchemyError, ValueError, TypeError, KeyError),
            catalogue.write() as connection,
        ):
            part(connection, damaged)


def _classes(connection: sa.Connection, damaged: Path) -> None:
    known = {row["folder"]: row for row in _rows(damaged, "classes") if row["state"] == "present"}
    for row in connection.execute(sa.select(db.classes)).all():
        if (old := known.get(row.folder)) is not None:
            values = {"aliases": _json(old["aliases"], list), "fields": _json(old["fields"], dict)}
            connection.execute(sa.update(db.classes).where(db.classes.c.id == row.id).values(values))


def _items(connection: sa.Connection, damaged: Path) -> None:
    known = {row["sha256"]: row for row in _rows(damaged, "items")}
    for row in connection.execute(sa.select(db.items.c.id, db.items.c.sha256)).all():
        old = known.get(row.sha256)
        if old is not None and old["kind"] in get_args(Kind):
            values = {name: old[name] for name in ("kind", "source", "source_sha256", "added_at")}
            if region := _json(old["region"] or "", dict):
                values |= {"region": region, "view": Region.from_json(region).of(row.sha256)}
            if old["sight"] in get_args(Sight):
                values["sight"] = old["sight"]
            if tags := [tag for tag in _json(old["tags"] or "", list) if isinstance(tag, str)]:
                values["tags"] = tags
            connection.execute(sa.update(db.items).where(db.items.c.id == row.id).values(values))


def _products(connection: sa.Connection, damaged: Path) -> None:
    """The products, with the marks whose classes are there again: those have other ids now, and the same folders."""
    folders = {row["id"]: row["folder"] for row in _rows(damaged, "classes")}
    present = sa.select(db.classes.c.folder, db.classes.c.id).where(db.classes.c.state == "present")
    ids = {row.folder: row.id for row in connection.execute(present)}
    for row in _rows(damaged, "products"):
        fields, marks, pictures = _json(row["fields"], dict), _json(row["marks"], list), _json(row["pictures"], list)
        there = [[ids[folders[class_id]], at] for class_id, at in marks if folders.get(class_id) in ids]
        values = {**row, "fields": fields, "marks": there, "pictures": pictures}
        connection.execute(sa.insert(db.products).values(values))


def _reports(connection: sa.Connection, damaged: Path) -> None:
    reports = [{**row, "answer": _json(row["answer"], dict), "item_id": None} for row in _rows(damaged, "inbox")]
    if reports:
        connection.execute(sa.insert(db.inbox), reports)


def _views(connection: sa.Connection, damaged: Path) -> None:
    for row in _rows(damaged, "meta"):
        if str(row["key"]).startswith("views ") and _json(row["value"], dict):
            db.put(connection, row["key"], row["value"])


def _rows(damaged: Path, table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table that can be read, whole ones only."""
    names = [column.name for column in db.metadata.tables[table].columns]
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        try:
            there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}  # an older one has fewer
            kept = [name for name in names if name in there]
            for row in connection.execute(f"SELECT {', '.join(kept)} FROM {table} NOT INDEXED"):  # noqa: S608
                yield {**dict.fromkeys(names), **dict(zip(kept, row, strict=True))}
        finally:
            connection.close()


def _json(text: Any, kind: type) -> Any:
    with suppress(ValueError, TypeError):
        if isinstance(value := json.loads(text), kind):
            return value
    return kind()
