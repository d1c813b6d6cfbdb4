"""What a curator does to a dataset. Every method that changes something is one entry of the journal,
one transaction, and the file moves after it; the rules of each are in `core.catalogue.operations`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalogue import journal, listing, moves, operations
from core.catalogue.catalogue import Catalogue
from core.catalogue.journal import Change
from core.catalogue.records import Entry, Item, Sight
from core.collection import inbox
from core.ground.config import Kind, WorkspaceConfig
from core.ground.errors import Conflict, NotFound
from core.ground.regions import Region
from core.ground.rights import Actor, allow
from core.ground.workspace import Workspace

_PRIVATE = "catalogue_url"  # the setting that is told to nobody


class Curation:
    """The changing side of `core.collection.dataset.Dataset`: ``actor`` must be a curator or more (`NotAllowed`).

    ``rename`` is what moves a file (for tests); ``after`` is told every change that was made, for what lies
    beside the originals and goes where they go.
    """

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Catalogue,
        actor: Actor,
        rename: Callable[[Path, Path], None],
        after: Callable[[Any, Sequence[Change]], None] | None = None,
    ) -> None:
        self.workspace = workspace
        self.catalogue = catalogue
        self.actor = actor
        self._rename = rename
        self._after = after

    # Changing: classes

    def create_class(self, name: str) -> int:
        """A new, empty class; its id. Raises `NameRefused`, or `Conflict` when the name is taken."""
        made: list[Change] = []

        def plan(connection: sa.Connection) -> list[Change]:
            made.append(operations.new_class(connection, name))
            return made

        self._change("create", plan, name=name)
        return made[0].row_id

    def rename_class(self, class_id: int, name: str, *, shown: str | None = None) -> None:
        """Another display name, and the folder that goes with it. With ``shown``, the name that the person saw, raises
        `Conflict` where somebody gave it another in the meantime."""
        old = self._class(class_id).name

        def plan(connection: sa.Connection) -> list[Change]:
            return operations.rename(connection, class_id, name, raw=self.workspace.raw, shown=shown)

        self._change("rename", plan, name=old, to=name)

    def merge_classes(self, class_ids: Sequence[int], into: int, *, versions: Mapping[int, int] | None = None) -> None:
        """All images of ``class_ids`` become ``into``'s, which keeps their names as aliases; the others are deleted.
        With ``versions`` (class id -> the ``ver`` that was shown), raises `Conflict` where somebody changed one."""
        names, to = [self._class(class_id).name for class_id in class_ids if class_id != into], self._class(into).name
        self._change("merge", lambda c: operations.merge(c, class_ids, into, versions=versions), names=names, to=to)

    def split_class(self, item_ids: Iterable[int], name: str, *, versions: Mapping[int, int] | None = None) -> int:
        """These items become a new class of that name; its id. ``versions`` as in `relabel`."""
        ids = list(item_ids)
        made: list[Change] = []

        def plan(connection: sa.Connection) -> list[Change]:
            made.append(operations.new_class(connection, name))
            return [*made, *operations.relabel_to_new(connection, ids, made[0].row_id, versions=versions)]

        self._change("split", plan, to=name)
        return made[0].row_id

    def trash_class(self, *class_ids: int, versions: Mapping[int, int] | None = None) -> None:
        """Delete classes; their images go to the trash. ``versions`` as in `merge_classes`."""
        names = ", ".join(self._class(class_id).name for class_id in class_ids)

        def plan(connection: sa.Connection) -> list[Change]:
            return [
                change
                for one in dict.fromkeys(class_ids)
                for change in operations.trash_class(connection, one, version=(versions or {}).get(one))
            ]

        self._change("delete", plan, name=names)

    def edit_fields(self, class_id: int, /, **fields: str | None) -> None:
        """Set free fields of a class (maker="Essilor"); None or "" removes one."""
        name = self._class(class_id).name
        self._change("fields", lambda c: operations.edit_class(c, class_id, fields=fields), name=name)

    def describe(
        self,
        fields: Mapping[int, Mapping[str, str | None]],
        *,
        shown: Mapping[int, Mapping[str, str]] | None = None,
    ) -> None:
        """Set free fields of several classes (class id -> field -> text, as in `edit_fields`) as one change. With
        ``shown``, what the person saw in them, raises `Conflict` where somebody wrote something else meanwhile."""
        names = ", ".join(self._class(class_id).name for class_id in fields)

        def plan(connection: sa.Connection) -> list[Change]:
            return [
                change
                for each, texts in fields.items()
                for change in operations.edit_class(connection, each, fields=texts, shown=(shown or {}).get(each))
            ]

        self._change("fields", plan, name=names)

    def set_aliases(self, class_id: int, aliases: Sequence[str], *, shown: Sequence[str] | None = None) -> None:
        """Replace the other names by which a class is found; ``shown`` as in `rename_class`."""
        name = self._class(class_id).name
        seen = None if shown is None else {"aliases": shown}
        self._change("fields", lambda c: operations.edit_class(c, class_id, aliases=aliases, shown=seen), name=name)

    # Changing: items

    def relabel(
        self, item_ids: Iterable[int], class_id: int | None, *, versions: Mapping[int, int] | None = None
    ) -> None:
        """Give items another class (None: back to the unlabelled tray). With ``versions`` (item id ->
        the ``ver`` that was shown), raises `Conflict` where somebody changed one in the meantime."""
        to = None if class_id is None else self._class(class_id).name
        self._change("relabel", lambda c: operations.relabel(c, item_ids, class_id, versions=versions), to=to)

    def correct(
        self,
        classes: Mapping[int, int],
        *,
        new: Mapping[str, Sequence[int]] | None = None,
        trash: Iterable[int] = (),
        versions: Mapping[int, int] | None = None,
    ) -> None:
        """Give each item its own class (item id -> class id), make ``new`` classes (name -> item ids) and send others
        to the ``trash``, as one change: what a review found. ``versions`` as in `relabel`."""
        homes: dict[int, list[int]] = {}
        for item_id, class_id in classes.items():
            homes.setdefault(class_id, []).append(item_id)

        def plan(connection: sa.Connection) -> list[Change]:
            made = operations.trash(connection, trash, versions=versions)
            for class_id, item_ids in homes.items():
                made += operations.relabel(connection, item_ids, class_id, versions=versions)
            for name, ids in (new or {}).items():
                created = operations.new_class(connection, name)
                made += [created, *operations.relabel_to_new(connection, ids, created.row_id, versions=versions)]
            return made

        self._change("correct", plan)

    def set_kind(self, item_ids: Iterable[int], kind: Kind, *, versions: Mapping[int, int] | None = None) -> None:
        """Say what items are: drawing, photo or icon. ``versions`` as in `relabel`."""
        self._change("kind", lambda c: operations.set_kind(c, item_ids, kind, versions=versions), to=kind)

    def set_region(
        self, item_id: int, region: Region | None, *, sight: Sight = "", versions: Mapping[int, int] | None = None
    ) -> None:
        """Say where the mark of an item lies (None: the whole picture); its vector is made anew. Raises `ConfigRefused`
        where it does not lie in the picture; ``versions`` as in `relabel`."""
        self._change("region", lambda c: operations.set_region(c, item_id, region, sight=sight, versions=versions))

    def set_sight(self, item_ids: Iterable[int], sight: Sight, *, versions: Mapping[int, int] | None = None) -> None:
        """Say that what is seen of items is in doubt (they do not vote then), or that somebody vouches for it.
        ``versions`` as in `relabel`."""
        self._change("sight", lambda c: operations.set_sight(c, item_ids, sight, versions=versions), to=sight)

    def tag(
        self,
        item_ids: Iterable[int],
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        versions: Mapping[int, int] | None = None,
    ) -> None:
        """Give items tags and take others away, as one change. ``versions`` as in `relabel`. Raises `NameRefused`."""
        added, removed = list(add), list(remove)
        self._change(
            "tag",
            lambda c: operations.set_tags(c, item_ids, add=added, remove=removed, versions=versions),
            added=added,
            removed=removed,
        )

    def trash(self, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None) -> None:
        """Send items to the trash. ``versions`` as in `relabel`."""
        self._change("trash", lambda c: operations.trash(c, item_ids, versions=versions))

    def restore(self, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None) -> None:
        """Bring items back from the trash to their class (which comes back too if it was deleted). ``versions`` as in
        `relabel`."""
        self._change("restore", lambda c: operations.restore(c, item_ids, versions=versions))

    def discard(self, item_ids: Iterable[int], *, versions: Mapping[int, int] | None = None) -> int:
        """Delete images of the trash for good, their files and small pictures with them; how many. The history keeps
        that it was done, and nothing takes it back. Raises `NotFound` where one is not in the trash; ``versions`` as in
        `relabel`."""
        self.allow("collection")
        self.settle()
        with self.catalogue.write() as connection:
            made = operations.discard(connection, item_ids, versions=versions)
            files = {item.id: self._files_of(item) for item in listing.some(connection, [one.row_id for one in made])}
            if made:
                journal.record(connection, made, action="discard", who=self.actor.name, undoable=False)
                moves.delete(connection, files)
        self.settle()
        return len(made)

    # Changing: the workspace's settings

    def set_settings(self, **values: Any) -> None:
        """Change settings of the workspace, fields of `WorkspaceConfig`: a researcher's business. Raises `NotAllowed`,
        and `ConfigRefused` for a value outside its rule. The catalogue's address is in no journal: it may hold a
        password, and another catalogue has another journal."""
        self.allow("settings")
        with self.catalogue.write() as connection:
            before = self.workspace.config()
            after = before.with_(**values)
            one, other = (json.loads(config.to_text()) for config in (before, after))
            pairs = {name: [one[name], other[name]] for name in one if one[name] != other[name] and name != _PRIVATE}
            if pairs:
                detail = {journal.SETTINGS: pairs}
                journal.record(connection, [], action=journal.SETTINGS, who=self.actor.name, detail=detail)
            if after != before:
                self.workspace.save_config(after)

    def _settings_follow(self, connection: sa.Connection) -> None:
        """Put into force what the newest entry says of settings, where it says something."""
        (newest,) = journal.history(connection, limit=1)
        pairs = newest.detail.get(journal.SETTINGS)
        if not pairs:
            return
        self.allow("settings")
        held = json.loads(self.workspace.config().to_text())
        for name, (before, after) in pairs.items():
            if held.get(name) != before:
                raise Conflict("{name} was changed by another action in the meantime.", name=name)
            held[name] = after
        self.workspace.save_config(WorkspaceConfig.from_text(json.dumps(held)))

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
        self,
        limit: int = 100,
        *,
        offset: int = 0,
        item_id: int | None = None,
        class_id: int | None = None,
        product_id: int | None = None,
        action: str | None = None,
        who: str | None = None,
    ) -> list[Entry]:
        """The journal, newest first; of one item, class or product, one action or one person when asked."""
        wanted: dict[str, Any] = {"item_id": item_id, "class_id": class_id, "product_id": product_id}
        wanted |= {"action": action, "who": who}
        with self.catalogue.read() as connection:
            return journal.history(connection, limit=limit, offset=offset, **wanted)

    def people(self) -> list[str]:
        """Everybody whose name is in the journal, sorted."""
        with self.catalogue.read() as connection:
            return journal.people(connection)

    def changes(self, entry_id: int, *, limit: int | None = None) -> list[Change]:
        """What one entry changed, row by row, before and after; the first ``limit`` rows when asked."""
        with self.catalogue.read() as connection:
            return journal.changes_of(connection, entry_id, limit=limit)

    # Inside

    def allow(self, action: str) -> None:
        """Raise `NotAllowed` unless the actor may do that (`core.ground.rights.ACTIONS`)."""
        allow(self.actor, action)

    def _change(
        self,
        action: str,
        plan: Callable[[sa.Connection], list[Change]],
        *,
        entry_id: int | None = None,
        **detail: Any,
    ) -> None:
        self.allow("collection")
        with self.catalogue.write() as connection:
            made = plan(connection)
            if made:
                journal.record(connection, made, action=action, who=self.actor.name, detail=detail, entry_id=entry_id)
        self._settle_after(made)

    def _turn(self, turn: Callable[..., int | None], *, give_up: bool = False) -> Entry | None:
        self.allow("collection")
        try:
            with self.catalogue.write() as connection:
                entry_id = turn(connection, who=self.actor.name)
                if entry_id is not None:
                    self._settings_follow(connection)
                    made = journal.changes_of(connection, entry_id)
                    inbox.follow(connection, [change.row_id for change in made if change.noun == "item"])
        except (Conflict, NotFound):
            if give_up:
                with self.catalogue.write() as connection:
                    journal.give_up(connection, who=self.actor.name)
            raise
        self._settle_after([] if entry_id is None else self.changes(entry_id))
        with self.catalogue.read() as connection:
            return None if entry_id is None else journal.entry(connection, entry_id)

    def _settle_after(self, made: Sequence[Change]) -> None:
        self.settle()
        if self._after is not None and made:
            self._after(self, made)

    def _class(self, class_id: int) -> sa.Row:
        with self.catalogue.read() as connection:
            return operations.present_class(connection, class_id)

    def _files_of(self, item: Item) -> list[str]:
        """What goes with an image of the trash that is deleted for good, relative to the data folder."""
        files = [self.workspace.thumbnail(sha256) for sha256 in sorted({item.sha256, item.file_sha256})]
        if item.path.startswith(f"data/{moves.TRASH}/"):
            files.append(self.workspace.root / item.path)
        return [path.relative_to(self.workspace.data).as_posix() for path in files]

    def settle(self) -> None:
        """Bring every file to where its row says."""
        moves.settle(self.catalogue, self.workspace, rename=self._rename)
