"""Triage: a curator's answer to what visitors reported; the picture becomes an original, or is let go.

Keeping the reports is `core.collection.inbox`'s.
"""

from __future__ import annotations

from core.catalogue.records import FileOutcome, InboxEntry
from core.collection import inbox
from core.collection.dataset import Dataset
from core.ground.errors import ConfigRefused, NotFound
from core.ground.images import decode
from core.ground.regions import Region
from core.intake.ingest import IncomingFile, import_files
from core.intake.labels import Look
from core.sight.doubts import doubts_of


def label_report(
    dataset: Dataset, entry_id: int, class_name: str | None, *, region: Region | None = None
) -> FileOutcome:
    """Take the reported picture in as an original of that class (None: the unlabelled tray); its outcome.

    ``region`` is where its mark lies. The original does not vote where its sight is in doubt (`core.sight.doubts`).
    The report is then "labelled" and knows its item. Raises `NotFound` when it no longer waits.
    """
    entry = _waiting(dataset, entry_id)
    path = dataset.workspace.inside(entry.path)
    doubts = doubts_of(decode(path), dataset.workspace.config().preprocessing, region=region)
    look = Look(region, "doubt" if doubts else "")
    file = IncomingFile(inbox.source_of(entry_id), path=path, class_name=class_name, look=look)
    (outcome,) = import_files(dataset, [file])
    if outcome.outcome != "refused":
        _close(dataset, entry_id, "labelled", outcome.item_id)
    return outcome


def dismiss_report(dataset: Dataset, entry_id: int) -> None:
    """Let a report go; its picture stays in the inbox folder. Raises `NotFound`."""
    dataset.allow("collection")
    _waiting(dataset, entry_id)
    _close(dataset, entry_id, "dismissed", None)


def reopen_report(dataset: Dataset, entry_id: int) -> None:
    """Let a labelled or dismissed report wait again; the image it had become goes to the trash, where only
    this report brought it in. Raises `NotFound`."""
    dataset.allow("collection")
    entry = _known(dataset, entry_id)
    if entry is None or entry.state == inbox.WAITING:
        raise NotFound("This report is not closed.")
    own = None
    for item in dataset.some([] if entry.item_id is None else [entry.item_id]):
        if item.source == inbox.source_of(entry_id):
            own = item.id
            if item.state == "present":
                dataset.trash([item.id])
    _close(dataset, entry_id, "waiting", own)  # its own image is kept in mind: taking this back answers it again


def region_of(entry: InboxEntry) -> Region | None:
    """Where the visitor was shown the mark, or pointed at it; None: in the picture as a whole."""
    record = entry.answer.get("region")
    try:
        return Region.from_json(record) if isinstance(record, dict) else None
    except ConfigRefused:
        return None


def _waiting(dataset: Dataset, entry_id: int) -> InboxEntry:
    entry = _known(dataset, entry_id)
    if entry is None or entry.state != inbox.WAITING:
        raise NotFound("This report is no longer waiting.")
    return entry


def _known(dataset: Dataset, entry_id: int) -> InboxEntry | None:
    with dataset.catalogue.read() as connection:
        return next(iter(inbox.entries(connection, state=None, entry_id=entry_id)), None)


def _close(dataset: Dataset, entry_id: int, state: str, item_id: int | None) -> None:
    with dataset.catalogue.write() as connection:
        inbox.close(connection, entry_id, state=state, item_id=item_id)
