"""Which index the references are searched through: all vectors in memory, half the precision from half a million on, or
a server where the settings name one. What is open is shared by everybody in this process.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.collection.dataset import Dataset
from core.embedding.candidates import References, Source
from core.embedding.gallery import Gallery, update

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

LARGE = 500_000  # references: from here on half the precision, and no vector held beside the index
LISTS = 2_000_000  # from here on inverted lists, where the settings prefer speed


class Sources:
    """The indexes that are open in this process, by what they are of. Nothing is opened before it is asked for."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str, str], Source] = {}
        self._turn = threading.Lock()

    def gallery(self, dataset: Dataset, embedder: Embedder) -> References:
        """The references as they are now, ready to be searched. Raises `SearchAway`."""
        source = self.of(dataset, embedder)
        if source is None:
            gallery = Gallery.load(dataset, embedder)
            if len(gallery):
                gallery.index.search(gallery.vectors[:1], 1)  # so that nobody's first answer waits for the index
            return gallery
        from core.embedding.references import LargeGallery

        return LargeGallery(dataset, embedder.space, source)

    def bring_up_to_date(self, dataset: Dataset, embedder: Embedder) -> None:
        """As `core.embedding.gallery.update`; in a large base, all of it once, which the catalogue remembers, and from
        then on what has changed."""
        if size(dataset) < LARGE:
            update(dataset, embedder)
            return
        key, version = embedded_key(embedder.space), dataset.version
        with dataset.catalogue.read() as connection:
            since = int(db.value(connection, key, "0"))
            since = since if vectorstore.knows(connection, since) else 0
        update(dataset, embedder, since=since)
        if since != version:
            with dataset.catalogue.write(quiet=True) as connection:
                db.put(connection, key, str(version))

    def of(self, dataset: Dataset, embedder: Embedder) -> Source | None:
        """The index that the settings and the size ask for; None where a gallery in memory does."""
        config, space = dataset.workspace.config(), embedder.space
        count = 0 if config.index_url else size(dataset)
        if not config.index_url and count < LARGE:
            self._open.clear()
            return None
        from core.embedding import resident
        from core.embedding.mirror import mirror_of

        key = str(dataset.workspace.root), space, config.index_url, config.index_kind
        with self._turn:
            held: Any = self._open.get(key)
            if config.index_url:
                held = held or mirror_of(dataset, embedder)
            elif not isinstance(held, resident.Resident) or not held.kept_up(dataset.catalogue, space):
                precision: resident.Precision = "lists" if config.index_kind == "fast" and count >= LISTS else "half"
                held = resident.opened(dataset.workspace, dataset.catalogue, space, precision)
            self._open = {key: held}
            return held


def embedded_key(space: str) -> str:
    """Under what the catalogue remembers the version up to which all have their vector in ``space``."""
    return f"embedded:{hashlib.sha256(space.encode()).hexdigest()[:12]}"


def size(dataset: Dataset) -> int:
    """How many items could be references, or 0 where there are certainly fewer than `LARGE`, which is known at once."""
    with dataset.catalogue.read() as connection:
        return vectorstore.labelled(connection) if vectorstore.last_id(connection) >= LARGE else 0
