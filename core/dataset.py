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
import sqlalchemy as sa

from core import catalogue as db
from core import inbox, journal, listing, moves, operations, rescan, vectorstore
from core.config import Kind
from core.errors import BurinError, Conflict, NotAllowed, NotFound
from core.images import decode, thumbnail
from core.journal import Change
from core.records import Actor, ClassRecord, Counts, Entry, FileOutcome, InboxEntry, Item, RescanReport
from core.workspace import Workspace, write_atomic

if TYPE_CHECKING:
    from core.embedder import Embedder

__all__ = ["Actor", "ClassRecord", "Counts", "Dataset", "Entry", "FileOutcome", "InboxEntry", "Item", "RescanReport"]

UNLABELLED = listing.UNLABELLED  # as ``class_id`` in a filter: the images without a class
_RANK = {"viewer": 0, "curator": 1, "researcher": 2}


class Dataset:
    """The classes and items of ``workspace``. Thread-safe and cheap to open (one check of the catalogue).

    Moves that a killed process left behind are finished here; a damaged catalogue is set aside and
    rebuilt from the folders, and ``notice`` says so. ``rename`` is what moves a file (for tests).
    """

    def __init__(
        self, workspace: Workspace, *, actor: Actor | None = None, rename: Callable[[Path, Path], None] = os.rename
    ) -> None:
        self.workspace = workspace
        self.actor = actor or Actor()
        self.catalogue = db.Catalogue(workspace)
        self.notice: BurinError | None = self.catalogue.notice
        self._rename = rename
        self._variants: dict[str, tuple[int, int]] = {}  # folder -> (its time of change, files in it)
        self.settle()
        if self.notice is not None:
            rescan.rescan(self.catalogue, workspace)

    def acting_as(self, actor: Actor) -> Dataset:
        """The same dataset with another person's name and rights."""
        other = copy.copy(self)
        other.actor = actor
        return other

    # Reading

    @property
    def version(self) -> int:
        """Increases with every change: equal versions mean equal contents."""
        return self.catalogue.version

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
        state: str = "present",
        limit: int | None = 60,
        offset: int = 0,
        order: str = "class",
    ) -> list[Item]:
        """One page of items. ``class_id`` `UNLABELLED` asks for the tray; ``text`` is searched in names,
        aliases and file names, without regard to case and accents; ``order``: `listing.ORDERS`."""
        with self.catalogue.read() as connection:
            terms = listing.where(connection, class_id=class_id, kind=kind, text=text, state=state)
            return listing.items(connection, terms, limit=limit, offset=offset, order=order)

    def item_ids(
        self,
        *,
        class_id: int | None = None,
        kind: Kind | None = None,
        text: str = "",
        state: str = "present",
        order: str = "class",
    ) -> list[int]:
        """The ids of all items that the same filter finds, in order."""
        with self.catalogue.read() as connection:
            terms = listing.where(connection, class_id=class_id, kind=kind, text=text, state=state)
            return listing.item_ids(connection, terms, order=order)

    def count(
        self, *, class_id: int | None = None, kind: Kind | None = None, text: str = "", state: str = "present"
    ) -> int:
        """How many items the same filter finds."""
        with self.catalogue.read() as connection:
            return listing.count(
                connection, listing.where(connection, class_id=class_id, kind=kind, text=text, state=state)
            )

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

    def counts(self) -> Counts:
        with self.catalogue.read() as connection:
            by_state = sa.select(db.items.c.state, db.items.c.class_id.is_(None), sa.func.count()).group_by(
                db.items.c.state, db.items.c.class_id.is_(None)
            )
            number = {(state, bool(unlabelled)): n for state, unlabelled, n in connection.execute(by_state)}
            folders = (
                connection.execute(sa.select(db.classes.c.folder).where(db.classes.c.state == "present"))
                .scalars()
                .all()
            )
            waiting = sa.select(sa.func.count()).select_from(db.inbox).where(db.inbox.c.state == "waiting")
            return Counts(
                originals=number.get(("present", False), 0) + number.get(("present", True), 0),
                variants=sum(self._count_variants(folder) for folder in folders),
                classes=len(folders),
                unlabelled=number.get(("present", True), 0),
                inbox=connection.execute(waiting).scalar_one(),
                trash=number.get(("trash", False), 0) + number.get(("trash", True), 0),
            )

    def path(self, item: Item) -> Path:
        """The item's file, wherever it is at this moment; raises `NotFound` when it is gone."""
        for attempt in range(2):
            path = self.workspace.root / item.path
            if path.is_file():
                return path
            if attempt == 0:
                self.settle()
                item = self.item(item.id)
        with self.catalogue.read() as connection:
            waiting = moves.pending(connection).get(item.id)
        if waiting is not None and (path := self.workspace.data / waiting).is_file():
            return path
        raise NotFound("The file of {name} is gone: rescan the folders.", name=item.path)

    def image_bytes(self, item: Item) -> bytes:
        """The original file; raises `NotFound` when it is gone."""
        return self.path(item).read_bytes()

    def thumbnail(self, item: Item) -> Path:
        """A WebP of at most 192 x 192 pixels, made once for each content; raises `ImageRefused` or `NotFound`."""
        path = self.workspace.cache / "thumbnails" / item.sha256[:2] / f"{item.sha256}.webp"
        if not path.exists():
            write_atomic(path, thumbnail(decode(self.image_bytes(item), name=item.path)))
        return path

    # Changing: classes

    def create_class(self, name: str) -> int:
        """A new, empty class; its id. Raises `NameRefused`, or `Conflict` when the name is taken."""
        made: list[Change] = []

        def plan(connection: sa.Connection) -> list[Change]:
            made.append(operations.new_class(connection, name))
            return made

        self._change("create", plan, name=name)
        return made[0].row_id

    def rename_class(self, class_id: int, name: str) -> None:
        """Another display name, and the folder that goes with it."""
        old = self._class(class_id).name
        self._change(
            "rename", lambda c: operations.rename(c, class_id, name, raw=self.workspace.raw), name=old, to=name
        )

    def merge_classes(self, class_ids: Sequence[int], into: int) -> None:
        """All images of ``class_ids`` become ``into``'s, which keeps their names as aliases; the others are deleted."""
        names = [self._class(class_id).name for class_id in class_ids if class_id != into]
        self._change("merge", lambda c: operations.merge(c, class_ids, into), names=names, to=self._class(into).name)

    def split_class(self, item_ids: Iterable[int], name: str) -> int:
        """These items become a new class of that name; its id."""
        ids = list(item_ids)
        made: list[Change] = []

        def plan(connection: sa.Connection) -> list[Change]:
            made.append(operations.new_class(connection, name))
            return [*made, *operations.relabel_to_new(connection, ids, made[0].row_id)]

        self._change("split", plan, to=name)
        return made[0].row_id

    def trash_class(self, class_id: int) -> None:
        """Delete a class; its images go to the trash."""
        self._change("delete", lambda c: operations.trash_class(c, class_id), name=self._class(class_id).name)

    def edit_fields(self, class_id: int, **fields: str | None) -> None:
        """Set free fields of a class (maker="Essilor"); None or "" removes one."""
        name = self._class(class_id).name
        self._change("fields", lambda c: operations.edit_class(c, class_id, fields=fields), name=name)

    def set_aliases(self, class_id: int, aliases: Sequence[str]) -> None:
        """Replace the other names by which a class is found."""
        name = self._class(class_id).name
        self._change("fields", lambda c: operations.edit_class(c, class_id, aliases=aliases), name=name)

    # Changing: items

    def relabel(
        self, item_ids: Iterable[int], class_id: int | None, *, versions: Mapping[int, int] | None = None
    ) -> None:
        """Give items another class (None: back to the unlabelled tray). With ``versions`` (item id ->
        the ``ver`` that was shown), raises `Conflict` where somebody changed one in the meantime."""
        to = None if class_id is None else self._class(class_id).name
        self._change("relabel", lambda c: operations.relabel(c, item_ids, class_id, versions=versions), to=to)

    def set_kind(self, item_ids: Iterable[int], kind: Kind) -> None:
        """Say what items are: drawing, photo or icon."""
        self._change("kind", lambda c: operations.set_kind(c, item_ids, kind), to=kind)

    def trash(self, item_ids: Iterable[int]) -> None:
        """Send items to the trash."""
        self._change("trash", lambda c: operations.trash(c, item_ids))

    def restore(self, item_ids: Iterable[int]) -> None:
        """Bring items back from the trash to their class (which comes back too if it was deleted)."""
        self._change("restore", lambda c: operations.restore(c, item_ids))

    # Undo, redo, history

    def undo(self) -> Entry | None:
        """Take back this person's last change; its entry, or None when there is none. Raises `Conflict`
        when something else changed it since: the next undo goes on to the change before."""
        return self._turn(journal.undo, give_up=True)

    def redo(self) -> Entry | None:
        """Make again what was undone last, unless this person changed something since; its entry, or None."""
        return self._turn(journal.redo)

    def revert(self, entry_id: int) -> Entry | None:
        """Take back one entry of the history, as a new change. Raises `NotFound` or `Conflict`."""
        return self._turn(lambda connection, *, who: journal.revert(connection, entry_id, who=who))

    def history(
        self, limit: int = 100, *, offset: int = 0, item_id: int | None = None, class_id: int | None = None
    ) -> list[Entry]:
        """The journal, newest first; of one item or one class when asked."""
        with self.catalogue.read() as connection:
            return journal.history(connection, limit=limit, offset=offset, item_id=item_id, class_id=class_id)

    def changes(self, entry_id: int) -> list[Change]:
        """What one entry changed, row by row, before and after."""
        with self.catalogue.read() as connection:
            return journal.changes_of(connection, entry_id)

    # Folders, vectors, inbox

    def rescan(
        self,
        on_progress: Callable[[int, int], None] | None = None,
        embedder: Embedder | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RescanReport:
        """Bring the catalogue to what the folders hold; see `core.rescan`."""
        how = {"embedder": embedder, "on_progress": on_progress, "should_stop": should_stop}
        return rescan.rescan(self.catalogue, self.workspace, who=self.actor.name, **how)

    def vectors(self, space: str) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
        """Of the present, labelled items embedded in ``space``: ids (N,), class ids (N,) int64, kinds, and
        vectors (N, D) float32."""
        with self.catalogue.read() as connection:
            return vectorstore.vectors(connection, space)

    def missing_vectors(self, space: str) -> list[Item]:
        """Present items whose content has no vector in ``space``; each content once."""
        with self.catalogue.read() as connection:
            return vectorstore.missing_vectors(connection, space)

    def add_vectors(self, space: str, vectors: Mapping[str, np.ndarray]) -> None:
        """Store vectors (D,) by content hash, in one transaction."""
        if vectors:
            with self.catalogue.write() as connection:
                vectorstore.add_vectors(connection, space, vectors)

    def report(
        self, image_bytes: bytes, *, verdict: str, said: str, answer: dict[str, Any], note: str = "", who: str = ""
    ) -> int:
        """Keep a picture that Identify answered wrongly ("wrong") or did not know ("unknown") for the
        curator; the entry's id. Raises `ImageRefused`."""
        about = {"verdict": verdict, "said": said, "answer": answer, "note": note, "who": who or self.actor.name}
        return inbox.add(self.catalogue, self.workspace, image_bytes, **about)

    def inbox(self, *, state: str | None = "waiting") -> list[InboxEntry]:
        """What visitors reported, newest first; ``state`` None for all."""
        with self.catalogue.read() as connection:
            return inbox.entries(connection, state=state)

    # Inside

    def allow(self, role: str) -> None:
        """Raise `NotAllowed` unless the actor's role includes ``role``."""
        if _RANK[self.actor.role] < _RANK[role]:
            raise NotAllowed(
                "{who} may look and report, not change: this needs the role {role}.",
                who=self.actor.name or "?",
                role=role,
            )

    def _change(self, action: str, plan: Callable[[sa.Connection], list[Change]], **detail: Any) -> None:
        self.allow("curator")
        with self.catalogue.write() as connection:
            made = plan(connection)
            if made:
                journal.record(connection, made, action=action, who=self.actor.name, detail=detail)
        self.settle()

    def _turn(self, turn: Callable[..., int | None], *, give_up: bool = False) -> Entry | None:
        self.allow("curator")
        try:
            with self.catalogue.write() as connection:
                entry_id = turn(connection, who=self.actor.name)
        except (Conflict, NotFound):
            if give_up:
                with self.catalogue.write() as connection:
                    journal.give_up(connection, who=self.actor.name)
            raise
        self.settle()
        with self.catalogue.read() as connection:
            return None if entry_id is None else journal.entry(connection, entry_id)

    def _class(self, class_id: int) -> sa.Row:
        with self.catalogue.read() as connection:
            return operations.present_class(connection, class_id)

    def settle(self) -> None:
        """Bring every file to where its row says."""
        moves.settle(self.catalogue, self.workspace, rename=self._rename)

    def _count_variants(self, folder: str) -> int:
        try:
            changed = (path := self.workspace.augmented / folder).stat().st_mtime_ns
        except OSError:
            return 0
        if self._variants.get(folder, (0, 0))[0] != changed:
            self._variants[folder] = (changed, sum(entry.is_file() for entry in os.scandir(path)))
        return self._variants[folder][1]
