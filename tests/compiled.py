"""SQL is compiled once for all the databases of a run, and not again for each: nearly every test has one of its own,
and compiling took a third of the time in which a small collection is read. In the product a process has one database.

What is compiled hangs on the dialect, by which SQLAlchemy 2 knows it: here two of one kind and version are the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import util
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

_compiled: Any = util.LRUCache(2000)


def _kind(dialect: DefaultDialect) -> tuple[object, ...]:
    return type(dialect), dialect.server_version_info, dialect.paramstyle


def _same(dialect: DefaultDialect, other: object) -> bool:
    return isinstance(other, DefaultDialect) and _kind(dialect) == _kind(other)


def share() -> None:
    """From now on, for every engine that is made."""
    made = Engine.__init__

    def make(engine: Engine, *given: Any, **how: Any) -> None:
        made(engine, *given, **how)
        engine._compiled_cache = _compiled

    Engine.__init__ = make  # type: ignore[method-assign]
    DefaultDialect.__eq__ = _same  # type: ignore[method-assign]
    DefaultDialect.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign, assignment]
