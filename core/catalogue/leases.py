"""Leases: who does a thing that only one process at a time may do, on whichever machine it runs.

A lease lies in the catalogue and ends by itself, so a process that was killed holds nothing up for long. Where several
machines share the catalogue, the time is the database server's: their own clocks may differ.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.catalogue import Catalogue


class Lease:
    """The lease ``name`` (up to 34 characters) of ``holder``, who has it for ``lasts_s`` from each `renew` on."""

    def __init__(self, catalogue: Catalogue, name: str, *, lasts_s: float = 60.0, holder: str = "") -> None:
        self._catalogue, self._key, self._lasts = catalogue, f"lease:{name}", lasts_s
        self.holder = holder or secrets.token_hex(8)

    def renew(self) -> bool:
        """Take the lease, or go on having it; whether it is ours now."""
        with self._catalogue.write(quiet=True) as connection:
            if self._held(connection) not in (None, self.holder):
                return False
            until = {"holder": self.holder, "until": _now(connection) + self._lasts}
            db.put(connection, self._key, json.dumps(until))
            return True

    def release(self) -> None:
        """Let others have it at once."""
        with self._catalogue.write(quiet=True) as connection:
            if self._held(connection) == self.holder:
                db.put(connection, self._key, "")

    @property
    def taken_by(self) -> str | None:
        """Who has it now."""
        with self._catalogue.read() as connection:
            return self._held(connection)

    def _held(self, connection: sa.Connection) -> str | None:
        record = db.value(connection, self._key)
        if not record:
            return None
        held = json.loads(record)
        return held["holder"] if held["until"] > _now(connection) else None


@contextmanager
def leased(catalogue: Catalogue, name: str, *, lasts_s: float = 60.0) -> Iterator[Lease | None]:
    """The lease for the length of a block, or None where somebody else has it; `Lease.renew` it in long blocks."""
    lease = Lease(catalogue, name, lasts_s=lasts_s)
    if not lease.renew():
        yield None
        return
    try:
        yield lease
    finally:
        lease.release()


def _now(connection: sa.Connection) -> float:
    """Seconds since the epoch, by the one clock that all who share the catalogue go by."""
    if connection.dialect.name != "postgresql":  # a file, on the machine of all who open it
        return time.time()
    return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")))
