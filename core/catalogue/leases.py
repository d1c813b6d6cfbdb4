"""Leases: who does a thing that only one process at a time may do, on whichever machine it runs.

A lease lies in the catalogue and ends by itself, so a process that was killed holds nothing up for long.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.catalogue import database as db
from core.catalogue.database import Catalogue


class Lease:
    """The lease ``name`` (up to 34 characters) of ``holder``, who has it for ``lasts_s`` from each `renew` on."""

    def __init__(self, catalogue: Catalogue, name: str, *, lasts_s: float = 60.0, holder: str = "") -> None:
        self._catalogue, self._key, self._lasts = catalogue, f"lease:{name}", lasts_s
        self.holder = holder or secrets.token_hex(8)

    def renew(self) -> bool:
        """Take the lease, or go on having it; whether it is ours now."""
        with self._catalogue.write(quiet=True) as connection:
            held = _held(db.value(connection, self._key))
            if held is not None and held != self.holder:
                return False
            until = {"holder": self.holder, "until": time.time() + self._lasts}
            db.put(connection, self._key, json.dumps(until))
            return True

    def release(self) -> None:
        """Let others have it at once."""
        with self._catalogue.write(quiet=True) as connection:
            if _held(db.value(connection, self._key)) == self.holder:
                db.put(connection, self._key, "")

    @property
    def taken_by(self) -> str | None:
        """Who has it now."""
        return _held(self._catalogue.get(self._key))


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


def _held(record: str) -> str | None:
    if not record:
        return None
    held = json.loads(record)
    return held["holder"] if held["until"] > time.time() else None
