"""The dataset: classes and items of a workspace, as the pages, the shell and the jobs use them.

One small front over the catalogue, the journal and the folders; the rules live in the modules it
calls. Every change is one journal entry in one transaction, with the file moves after it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from core.catalogue import listing, moves, vectorstore
from core.catalogue.catalogue import Catalogue
from core.catalogue.journal import Change
from core.catalogue.records import ClassRecord, Counts, InboxEntry, Item, RescanReport
from core.collection import inbox, rescan, salvage
from core.collection.assortment import Assortment
from core.ground.config import Kind
from core.ground.errors import BurinError, NotFound
from core.ground.images import THUMBNAIL, decode, thumbnail
from core.ground.rights import Actor
from core.ground.workspace import Workspace, is_own, write_atomic
from core.sight.marks import cut_region

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

UNLABELLED = listing.UNLABELLED  # as ``class_id`` in a filter: the images without a class


class Dataset(Assortment):
    """The classes, items and products of ``workspace``. Thread-safe and cheap to open (one check of the catalogue).

    Moves that a killed process left behind are finished here; a damaged catalogue is set aside and
    rebuilt from the folders, and ``notice`` says so. ``rename`` is what moves a file (for tests); ``after`` is
    called after each change (`core.variation.variants.follow` lets variants go with their originals).
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        actor: Actor | None = None,
        rename: Callable[[Path, Path], None] = os.rename,
        after: Callable[[Dataset, Sequence[Change]], None] | None = None,
    ) -> None:
        super().__init__(workspace, Catalogue(workspace), actor or workspace.actor, rename, after)
        self._variants: dict[str, tuple[int, int]] = {}  # folder -> (its time of change, files in it)
        self.settle()
        self.catalogue.rebuild = self._rebuild
        if self.catalogue.set_aside is not None:
            self._rebuild()

    def acting_as(self, actor: Actor) -> Dataset:
        """The same dataset with another person's name and rights."""
        other = copy.copy(self)
        other.actor, other.workspace = actor, self.workspace.acting_as(actor)
        return other

    def _rebuild(self) -> None:
        """Fill a catalogue that had to be made anew: from the folders, and from what was set aside of it."""
        rescan.rescan(self.catalogue, self.workspace)
        if self.catalogue.set_aside is not None:
            salvage.salvage(self.catalogue, self.catalogue.set_aside)

    # Reading

    @property
    def notice(self) -> BurinError | None:
        """What was wrong with the catalogue when it was opened last."""
        return self.catalogue.notice

    @property
    def version(self) -> int:
        """Increases with every change: equal versions mean equal contents."""
        return self.catalogue.version

    @property
    def references_version(self) -> int:
        """Increases with every change to the references (labels, vectors, sights), and with no other: a class that is
        renamed or a product that is edited leaves it."""
        with self.catalogue.read() as connection:
            return vectorstore.references_version(connection)

    def faces(self, class_ids: Iterable[int]) -> dict[int, Item]:
        """Class id -> the image that stands for it: its first icon, else its first; a class without any is left out."""
        with self.catalogue.read() as connection:
            return listing.faces(connection, class_ids)

    def classes(self) -> list[ClassRecord]:
        """The classes, sorted by name."""
        with self.catalogue.read() as connection:
            return listing.classes(connection, variants=self._count_variants)

    def items(
        self,
        *,
        class_id: int | None = None,
        kind: Kind | None = None,
        text: str = "",
        tag: str | None = None,
        state: str = "present",
        limit: int | None = 60,
        offset: int = 0,
        order: str = "class",
    ) -> list[Item]:
        """One page of items. ``class_id`` `UNLABELLED` asks for the tray; ``text`` is searched in names,
        aliases and file names, without regard to case and accents; ``tag``: one that they have; ``order``:
        `listing.ORDERS`."""
        with self.catalogue.read() as connection:
            terms = listing.where(connection, class_id=class_id, kind=kind, text=text, state=state, tag=tag)
            return listing.items(connection, terms, limit=limit, offset=offset, order=order)

    def item_ids(
        self,
        *,
        class_id: int | None = None,
        kind: Kind | None = None,
        text: str = "",
        tag: str | None = None,
        state: str = "present",
        order: str = "class",
    ) -> list[int]:
        """The ids of all items that the same filter finds, in order."""
        with self.catalogue.read() as connection:
            terms = listing.where(connection, class_id=class_id, kind=kind, text=text, state=state, tag=tag)
            return listing.item_ids(connection, terms, order=order)

    def count(
        self,
        *,
        class_id: int | None = None,
        kind: Kind | None = None,
        text: str = "",
        tag: str | None = None,
        state: str = "present",
    ) -> int:
        """How many items the same filter finds."""
        with self.catalogue.read() as connection:
            return listing.count(
                connection, listing.where(connection, class_id=class_id, kind=kind, text=text, state=state, tag=tag)
            )

    def tags(self) -> dict[str, int]:
        """Every tag of a present image, sorted, and how many have it."""
        with self.catalogue.read() as connection:
            return listing.tags(connection)

    def item(self, item_id: int) -> Item:
        """One item, whatever its state; raises `NotFound`."""
        found = self.some([item_id])
        if not found:
            raise NotFound("There is no image {id}.", id=item_id)
        return found[0]

    def some(self, item_ids: Iterable[int]) -> list[Item]:
        """These items, in the order given; unknown ids are left out."""
        with self.catalogue.read() as connection:
            return listing.some(connection, [int(item_id) for item_id in item_ids])

    def doubted(self, contents: Iterable[str]) -> list[Item]:
        """The present items in doubt, and those of these ``contents`` (as seen) for which nobody vouched."""
        with self.catalogue.read() as connection:
            return listing.doubted(connection, contents)

    def folders_of(self, sha256s: Iterable[str]) -> dict[str, set[str]]:
        """Content hash -> the folders of the classes that hold a present image of that content."""
        with self.catalogue.read() as connection:
            return listing.folders_of(connection, sha256s)

    def counts(self) -> Counts:
        with self.catalogue.read() as connection:
            return listing.counts(connection, variants=self._count_variants)

    def path(self, item: Item) -> Path:
        """The item's file, wherever it is at this moment; raises `NotFound` when it is gone."""
        for attempt in range(2):
            path = self.workspace.root / item.path
            if is_own(path):
                return path
            if attempt == 0:
                self.settle()
                item = self.item(item.id)
        with self.catalogue.read() as connection:
            waiting = moves.pending(connection).get(item.id)
        if waiting is not None and is_own(path := self.workspace.data / waiting):
            return path
        raise NotFound("The file of {name} is gone: rescan the folders.", name=item.path)

    def image_bytes(self, item: Item) -> bytes:
        """The original file; raises `NotFound` when it is gone."""
        return self.path(item).read_bytes()

    def picture(self, item: Item, *, grey: bool = False, within: int | None = None) -> Image.Image:
        """The item as a person looks at it: decoded, and of it what lies in its region, where it has one (then at its
        full size). ``grey`` and ``within`` as in `core.ground.images.decode`. Raises `ImageRefused` or `NotFound`."""
        within = within if item.region is None else None
        image = decode(self.image_bytes(item), name=item.path, grey=grey, within=within)
        return image if item.region is None else cut_region(image, item.region)

    def thumbnail(self, item: Item) -> Path:
        """A WebP of at most 192 x 192 pixels, made once for each content and region; raises `ImageRefused` or
        `NotFound`."""
        path = self.workspace.thumbnail(item.sha256)
        if not path.exists():
            write_atomic(path, thumbnail(self.picture(item, within=2 * THUMBNAIL)))
        return path

    # Folders, vectors, inbox

    def rescan(
        self,
        on_progress: Callable[[int, int], None] | None = None,
        embedder: Embedder | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RescanReport:
        """Bring the catalogue to what the folders hold; see `core.collection.rescan`."""
        self.allow("collection")
        how: dict[str, Any] = {"embedder": embedder, "on_progress": on_progress, "should_stop": should_stop}
        return rescan.rescan(self.catalogue, self.workspace, who=self.actor.name, settle=self.settle, **how)

    def vectors(self, space: str) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
        """Of the present, labelled items embedded in ``space``: ids (N,), class ids (N,) int64, kinds, and
        vectors (N, D) float32."""
        with self.catalogue.read() as connection:
            return vectorstore.vectors(connection, space)

    def missing_vectors(self, space: str, *, since: int = 0) -> list[Item]:
        """Present items whose content has no vector in ``space``, each content once; of those that changed after
        version ``since``."""
        with self.catalogue.read() as connection:
            return vectorstore.missing_vectors(connection, space, since=since)

    def add_vectors(self, space: str, vectors: Mapping[str, np.ndarray]) -> None:
        """Store vectors (D,) by content hash, in one transaction."""
        if vectors:
            with self.catalogue.write() as connection:
                vectorstore.add_vectors(connection, space, vectors)

    def outlines(self, space: str) -> dict[int, bytes]:
        """The outlines made so far for the items embedded in ``space``, by item id."""
        with self.catalogue.read() as connection:
            return vectorstore.outlines(connection, space)

    def missing_outlines(self, space: str, *, since: int = 0) -> list[Item]:
        """Labelled items with a vector in ``space`` and no outline beside it, each content once; likewise."""
        with self.catalogue.read() as connection:
            return vectorstore.missing_outlines(connection, space, since=since)

    def add_outlines(self, space: str, outlines: Mapping[str, bytes]) -> None:
        """Store outlines by content hash, in one transaction; nothing that anybody looks at changes by it."""
        with self.catalogue.write(quiet=True) as connection:
            vectorstore.add_outlines(connection, space, outlines)

    def report(
        self, image_bytes: bytes, *, verdict: str, said: str, answer: dict[str, Any], note: str = "", who: str = ""
    ) -> int:
        """Keep a picture that Identify answered wrongly ("wrong") or did not know ("unknown") for the
        curator; the entry's id. Raises `ImageRefused`, and `BadInput` where too many wait."""
        self.allow("report")
        about: dict[str, Any] = {"verdict": verdict, "said": said, "answer": answer, "note": note}
        return inbox.add(self.catalogue, self.workspace, image_bytes, who=who or self.actor.name, **about)

    def inbox(self, *, state: str | None = "waiting", limit: int | None = None) -> list[InboxEntry]:
        """What visitors reported, newest first; ``state`` "closed" for what waits no more, None for all."""
        with self.catalogue.read() as connection:
            return inbox.entries(connection, state=state, limit=limit)

    def count_inbox(self) -> int:
        """How many reports wait."""
        with self.catalogue.read() as connection:
            return listing.reports_waiting(connection)

    def _count_variants(self, folder: str) -> int:
        try:
            changed = (path := self.workspace.augmented / folder).stat().st_mtime_ns
        except OSError:
            return 0
        if self._variants.get(folder, (0, 0))[0] != changed:
            self._variants[folder] = (changed, sum(entry.is_file() for entry in os.scandir(path)))
        return self._variants[folder][1]
