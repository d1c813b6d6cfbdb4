"""Rescan: bring the catalogue to what the folders hold, since the folders are the truth.

Files whose place, size and time are known cost one stat. What is new is decoded, hashed and added,
what was moved or renamed by hand is recognised by its content, and what is gone is kept in mind
as missing. No file is touched. The catalogue is locked only while a batch is written.

People go on working meanwhile, so what was seen is older than what is written. Nothing is concluded from an old look:
`core.collection.reconcile` sets aside whatever changed since, and it is looked at again here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import moves
from core.catalogue.catalogue import Catalogue
from core.catalogue.records import RescanReport
from core.collection.reconcile import Look, Reconciliation, Studied
from core.collection.walk import Facts, Found, study, walk
from core.ground.errors import ImageRefused
from core.ground.workspace import Workspace

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

_BATCH = 256  # files per transaction
_LOOKS = 4  # what is still being changed after so many is left for the next rescan


def rescan(
    catalogue: Catalogue,
    workspace: Workspace,
    *,
    who: str = "",
    embedder: Embedder | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    settle: Callable[[], object] | None = None,
) -> RescanReport:
    """Find what was added, moved, renamed, changed or removed by hand; one journal entry for all.

    With an ``embedder`` the vectors of new images are written with their rows. Stopping keeps
    what was found so far. ``settle`` finishes the moves that wait (for tests).
    """
    settle = settle or (lambda: moves.settle(catalogue, workspace))
    found = Reconciliation(catalogue, workspace, who)
    for _ in range(_LOOKS):
        settle()
        fresh, known = found.begin(_look(catalogue, workspace))
        if found.look.seen.folders or known:
            found.settle_folders()
        done, stopped = 0, False
        for start in range(0, len(fresh), _BATCH):
            if stopped := should_stop():
                break
            batch = fresh[start : start + _BATCH]
            found.take(batch, _study(workspace, batch, embedder), embedder)
            done += len(batch)
            if on_progress:
                on_progress(done, len(fresh))
        if not stopped:
            found.miss()
        if stopped or not found.again:
            break
    count = found.count
    refused = sorted(found.look.seen.refused + found.refused, key=lambda outcome: outcome.name)
    return RescanReport(count["added"], count["removed"], count["moved"], count["changed"], refused)


def _look(catalogue: Catalogue, workspace: Workspace) -> Look:
    """The rows first and the disk after: whatever changes from here on has another version than the look has."""
    with catalogue.read() as connection:
        classes = {row.id: row.ver for row in connection.execute(sa.select(db.classes.c.id, db.classes.c.ver))}
        known = _known(connection)
    return Look(walk(workspace), classes, known)


def _known(connection: sa.Connection) -> dict[str, tuple[int, int, int, int]]:
    """Place -> (item id, its version, size, time) of every item that should be on disk."""
    columns = (
        db.items.c.id,
        db.items.c.ver,
        db.items.c.state,
        db.items.c.file,
        db.items.c.trashed_as,
        db.items.c.size,
        db.items.c.mtime_ns,
    )
    query = sa.select(*columns, db.classes.c.folder).join_from(db.items, db.classes, isouter=True)
    known = {}
    for row in connection.execute(query.where(db.items.c.state != "missing")):
        if place := moves.place_of(row.state, row.folder, row.file, row.trashed_as):
            known[place] = (row.id, row.ver, row.size, row.mtime_ns)
    return known


def _study(workspace: Workspace, batch: Sequence[Found], embedder: Embedder | None) -> Iterator[Studied]:
    """Facts and vector of each file, in order; decoded once, in threads."""
    if embedder is None:
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 2)) as pool:
            yield from pool.map(lambda found: (_facts(workspace, found), None), batch)
        return
    facts: dict[int, Facts] = {}

    def reader(number: int) -> Callable[[], Any]:
        def read() -> Any:
            facts[number], image = study(workspace, batch[number])
            return image

        return read

    for number, vector in enumerate(embedder.embed_images(reader(n) for n in range(len(batch)))):
        yield (vector, None) if isinstance(vector, ImageRefused) else (facts[number], vector)


def _facts(workspace: Workspace, found: Found) -> Facts | ImageRefused:
    try:
        return study(workspace, found)[0]
    except ImageRefused as refusal:
        return refusal
