"""Triage: a curator's answer to what visitors reported; the picture becomes an original, or is let go.

Keeping the reports is `core.inbox`'s.
"""

from __future__ import annotations

from core import inbox
from core.dataset import Dataset
from core.errors import NotFound
from core.ingest import IncomingFile, import_files
from core.records import FileOutcome, InboxEntry


def label_report(dataset: Dataset, entry_id: int, class_name: str | None) -> FileOutcome:
    """Take the reported picture in as an original of that class (None: the unlabelled tray); its outcome.

    The report is then "labelled" and knows its item. Raises `NotFound` when it no longer waits.
    """
    entry = _waiting(dataset, entry_id)
    path = dataset.workspace.inside(entry.path)
    (outcome,) = import_files(dataset, [IncomingFile(f"report {entry_id}.png", path=path, class_name=class_name)])
    if outcome.outcome != "refused":
        _close(dataset, entry_id, "labelled", outcome.item_id)
    return outcome


def dismiss_report(dataset: Dataset, entry_id: int) -> None:
    """Let a report go; its picture stays in the inbox folder. Raises `NotFound`."""
    dataset.allow("curator")
    _waiting(dataset, entry_id)
    _close(dataset, entry_id, "dismissed", None)


def _waiting(dataset: Dataset, entry_id: int) -> InboxEntry:
    for entry in dataset.inbox():
        if entry.id == entry_id:
            return entry
    raise NotFound("This report is no longer waiting.")


def _close(dataset: Dataset, entry_id: int, state: str, item_id: int | None) -> None:
    with dataset.catalogue.write() as connection:
        inbox.close(connection, entry_id, state=state, item_id=item_id)
