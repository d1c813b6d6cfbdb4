"""Which Python and SQLite have known faults that foreign files reach; SECURITY.md names the same."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Sequence

PYTHON = (3, 11, 14)  # older ones: their archive modules
SQLITE = (3, 39, 2)  # older ones: very long strings (CVE-2022-35737)


def too_old(python: Sequence[int], sqlite: Sequence[int]) -> str:
    """One line that names what is below its floor; empty where nothing is."""
    pairs = [("Python", tuple(python[:3]), PYTHON), ("SQLite", tuple(sqlite[:3]), SQLITE)]
    old = [f"{name} {_dotted(here)} (at least {_dotted(floor)})" for name, here, floor in pairs if here < floor]
    return f"Older than SECURITY.md asks for, with known faults: {', '.join(old)}." if old else ""


def say() -> None:
    """Put that line into the server's log, once as it starts."""
    if line := too_old(sys.version_info[:3], sqlite3.sqlite_version_info):
        logging.getLogger("burin").warning(line)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
