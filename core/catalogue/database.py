"""The database: the tables behind a dataset, what makes them anew and brings older ones up to date, and what every
statement on them shares (ids, chunks, the values of ``meta``).

The same tables and statements in SQLite and PostgreSQL. Opening and transactions are `core.catalogue.catalogue`'s; what
the rows mean is `core.collection.dataset`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

SCHEMA = 6
_ROWS = 500  # that `copy_out` holds at once
_CHUNK = 5000  # ids in one IN (...): SQLite takes 32766 variables, PostgreSQL 65535

metadata = sa.MetaData()


@compiles(sa.schema.CreateIndex, "postgresql")
def _create_index(statement: sa.schema.CreateIndex, compiler: Any, **how: Any) -> str:
    """Of the rows that `sqlite_where` says. With `postgresql_where` beside it every process would load that dialect,
    and what it has for each of its drivers."""
    options = statement.element.dialect_options
    options["postgresql"]["where"] = options["sqlite"]["where"]
    return compiler.visit_create_index(statement, **how)


class Id(sa.TypeDecorator[int]):
    """The number of a row; one that no database can hold, from an address that somebody typed, is of no row."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:
        return value if value is None or -(2**31) <= value < 2**31 else -1


classes = sa.Table(
    "classes",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # present, deleted
    sa.Column("aliases", sa.JSON, nullable=False),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("ver", sa.Integer, nullable=False),
)
_present = classes.c.state == "present"
sa.Index("class_names", classes.c.name_key, unique=True, sqlite_where=_present)

items = sa.Table(
    "items",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("class_id", Id, sa.ForeignKey("classes.id")),  # None: unlabelled
    sa.Column("file", sa.Text, nullable=False),  # its name in the class's folder, or in the tray
    sa.Column("trashed_as", sa.Text),  # its path in the trash, while it is there
    sa.Column("state", sa.String(8), nullable=False),  # present, trash, missing
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),  # of the file as stored
    sa.Column("source_sha256", sa.String(64), nullable=False),  # of the file as it was uploaded
    sa.Column("dhash", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("added_at", sa.Double, nullable=False),
    sa.Column("ver", sa.Integer, nullable=False),
    sa.Column("region", sa.JSON(none_as_null=True)),  # where its mark is (`core.ground.regions`); None: the whole
    sa.Column("view", sa.String(64)),  # with a region: the identity of what that shows, in place of sha256
    sa.Column("sight", sa.String(8), nullable=False, server_default=""),  # doubt: does not vote; sure: somebody looked
    sa.Column("tags", sa.JSON(none_as_null=True)),  # free words, sorted; None: none
    sa.Index("items_by_class", "state", "class_id", "file"),
    sa.Index("items_by_kind", "state", "kind", "class_id", "file"),
    sa.Index("items_by_age", "state", "id"),
    sa.Index("items_by_hash", "sha256"),
    sa.Index("items_by_source", "source_sha256"),
)

seen_as = sa.func.coalesce(items.c.view, items.c.sha256)  # what its vector is kept under
_seen = sa.Index("items_by_seen", seen_as)

vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),  # `seen_as` of the items that it is of
    sa.Column("space", sa.String(160), primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little endian
    sa.Column("outline", sa.LargeBinary),  # points of its strokes (`core.recognition.alignment`); None: not made yet
)

# Which items changed, in label, kind, state, sight or vector, and at which version last: written by the database itself
# (`_WATCHED`) in the transaction of the change, so that no way of writing forgets it. Whoever mirrors the references
# (`core.embedding.mirror`) reads what is newer than it has.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("item_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Index("outbox_by_version", "version"),
)

moves = sa.Table(
    "moves",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("op", sa.String(8), nullable=False),  # file, folder, mkdir, rmdir, delete
    sa.Column("item_id", Id),
    sa.Column("class_id", Id),
    sa.Column("source", sa.Text, nullable=False),  # relative to the workspace's data folder
    sa.Column("target", sa.Text, nullable=False),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("of", Id),
    sa.Column("undone_by", Id),
    sa.Column("undoable", sa.Boolean, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("classes", sa.Integer, nullable=False),
    sa.Index("journal_by_person", "who", "id"),
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("entry_id", Id, sa.ForeignKey("journal.id"), primary_key=True),
    sa.Column("noun", sa.String(8), primary_key=True),  # item, class, product
    sa.Column("row_id", Id, primary_key=True),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    sa.Index("changes_by_row", "noun", "row_id"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("said", sa.String(16), nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, labelled, dismissed
    sa.Column("item_id", Id),
)

products = sa.Table(
    "products",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("maker", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("known_by", sa.Text, nullable=False),  # maker, name and code: no two present ones share it
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("marks", sa.JSON, nullable=False),  # [class id, where] each (`core.catalogue.records.Carried`)
    sa.Column("pictures", sa.JSON, nullable=False),  # file names in the workspace's folder of product pictures
    sa.Column("state", sa.String(8), nullable=False),  # present, trash, absent (not made yet, or merged)
    sa.Column("ver", sa.Integer, nullable=False),
)
_sold = products.c.state == "present"
sa.Index("product_names", products.c.known_by, unique=True, sqlite_where=_sold)

meta = sa.Table(
    "meta", metadata, sa.Column("key", sa.String(40), primary_key=True), sa.Column("value", sa.Text, nullable=False)
)


def create(connection: sa.Connection) -> None:
    """Make the tables, where they are not there, and have them watched (inside a writing transaction)."""
    metadata.create_all(connection, checkfirst=True)
    _watch(connection)
    if not value(connection, "schema", ""):
        put(connection, "schema", str(SCHEMA))


def migrate(connection: sa.Connection) -> None:
    """Bring an older catalogue to `SCHEMA`, step by step (inside a writing transaction: all of it or nothing)."""
    found = int(value(connection, "schema", "1"))  # another process may have done it meanwhile
    for schema in range(found, SCHEMA):
        _STEPS[schema](connection)
    put(connection, "schema", str(max(found, SCHEMA)))


def _add_outlines(connection: sa.Connection) -> None:
    kind = vectors.c.outline.type.compile(dialect=connection.dialect)
    connection.execute(sa.text(f"ALTER TABLE vectors ADD COLUMN outline {kind}"))


def _add_regions(connection: sa.Connection) -> None:
    for column in (items.c.region, items.c.view, items.c.sight):
        kind = column.type.compile(dialect=connection.dialect)
        rule = "" if column.nullable else " NOT NULL DEFAULT ''"
        connection.execute(sa.text(f"ALTER TABLE items ADD COLUMN {column.name} {kind}{rule}"))


def _add_outbox(connection: sa.Connection) -> None:
    outbox.create(connection, checkfirst=True)
    _seen.create(connection, checkfirst=True)
    _watch(connection)


def _add_products(connection: sa.Connection) -> None:
    products.create(connection, checkfirst=True)


def _add_tags(connection: sa.Connection) -> None:
    kind = items.c.tags.type.compile(dialect=connection.dialect)
    connection.execute(sa.text(f"ALTER TABLE items ADD COLUMN tags {kind}"))


# From schema N to N + 1.
_STEPS: dict[int, Callable[[sa.Connection], None]] = {
    1: _add_outlines,
    2: _add_regions,
    3: _add_outbox,
    4: _add_products,
    5: _add_tags,
}

_CHANGED = "class_id, kind, state, sha256, view, sight"  # what an item's being a reference hangs on
_NOTE = """
    INSERT INTO outbox (item_id, version)
    SELECT id, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'version'), 0) + 1 FROM items WHERE {which}
    ON CONFLICT (item_id) DO UPDATE SET version = excluded.version
"""
# Trigger -> when it fires, and which items it notes.
_WATCHED = {
    "item_came": ("AFTER INSERT ON items", "id = NEW.id"),
    "item_changed": (f"AFTER UPDATE OF {_CHANGED} ON items", "id = NEW.id"),
    "vector_came": ("AFTER INSERT ON vectors", "coalesce(view, sha256) = NEW.sha256"),
    "vector_changed": ("AFTER UPDATE OF vector ON vectors", "coalesce(view, sha256) = NEW.sha256"),
    "vector_went": ("AFTER DELETE ON vectors", "coalesce(view, sha256) = OLD.sha256"),
}


def _watch(connection: sa.Connection) -> None:
    """Have the database write the outbox (in place of what watched before)."""
    for name, (when, which) in _WATCHED.items():
        note = _NOTE.format(which=which)
        if connection.dialect.name == "postgresql":
            body = f"$$ BEGIN {note}; RETURN NULL; END $$"
            connection.exec_driver_sql(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}"
            )
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name} ON {when.rpartition(' ')[2]}")
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}()")
        else:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {when} FOR EACH ROW BEGIN {note}; END")


def copy_out(connection: sa.Connection, path: Path) -> None:
    """Write all that this transaction sees into the new SQLite file ``path``, a catalogue of its own."""
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as target:
            metadata.create_all(target)
            for table in metadata.sorted_tables:
                rows = connection.execution_options(yield_per=_ROWS).execute(sa.select(table))
                for some in rows.partitions():
                    target.execute(sa.insert(table), [dict(row._mapping) for row in some])
            _watch(target)
    finally:
        engine.dispose()


def put(connection: sa.Connection, key: str, value: str) -> None:
    """Set one value of ``meta`` (inside a writing transaction)."""
    if not connection.execute(sa.update(meta).where(meta.c.key == key).values(value=value)).rowcount:
        connection.execute(sa.insert(meta).values(key=key, value=value))


def bump(connection: sa.Connection) -> None:
    """Increase the version (inside a writing transaction)."""
    put(connection, "version", str(int(value(connection, "version", "0")) + 1))


def next_id(connection: sa.Connection, table: sa.Table) -> int:
    """The next free id. Rows of numbered tables are never deleted (moves: only when done), so ids
    are never given twice while anything refers to them; the one writer makes this safe."""
    return (connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0) + 1


def chunks(values: Iterable[Any], size: int = _CHUNK) -> Iterator[Sequence[Any]]:
    """``values`` in lists short enough for one IN (...)."""
    values = list(values)
    for start in range(0, len(values), size):
        yield values[start : start + size]


def value(connection: sa.Connection, key: str, default: str = "") -> str:
    """One value of ``meta``."""
    value = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    return default if value is None else value
