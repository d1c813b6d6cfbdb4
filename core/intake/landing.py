"""Landing: how uploads become items. Decoded and staged on disk first, then rows, journal and moves at once.

Which of them are new is `core.intake.admission`'s; what files, folders and archives are is `core.intake.ingest`'s.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from PIL import Image

from core.catalogue import database as db
from core.catalogue import journal, vectorstore
from core.catalogue.listing import UNSIGNED
from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.collection.looks import Looks, looks_of
from core.collection.walk import Facts, facts_of
from core.ground import sameness
from core.ground.config import Preprocessing
from core.ground.errors import BurinError, NameRefused
from core.ground.images import SEEN_SIDE, content_hash, decode, reduced, room_for
from core.ground.names import basename, clean_name
from core.ground.regions import Region
from core.ground.workspace import new_id, sync_folder
from core.intake.admission import Admission, Near, Staged
from core.intake.labels import Described, Look
from core.intake.originals import stored_form
from core.sight.doubts import doubts_of
from core.sight.marks import Subject, pointed_at

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

Upload = tuple[str, str | None, Callable[[], bytes], Look]  # name, class, what reads the bytes, where the mark is

LOOKED_AT = 2000  # items that were never looked at and are opened for an import, to find copies of them
_KEPT_PIXELS = 1_000_000  # a larger picture is opened again for the embedder, and not held meanwhile
_THREADS = min(8, max(2, os.cpu_count() or 2))


class Landing:
    """One import into ``dataset``: `stage` as often as wanted, then `land`, all under one journal entry.

    ``admit``, ``replace``: near copies are held back, see `core.intake.admission.Admission`. Use as a context manager:
    what was staged and not landed is removed at the end.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        source: str,
        kind: str | None,
        embedder: Embedder | None = None,
        admit: Collection[str] | None = None,
        replace: Mapping[str, int] | None = None,
    ) -> None:
        dataset.allow("import")
        self._dataset, self._kind, self._embedder = dataset, kind, embedder
        self._admit, self._replace = admit, replace
        self._preprocessing = dataset.workspace.config().preprocessing
        self._detail: dict[str, Any] = {"source": source, "added": 0}
        self.entry: int | None = None  # of the journal, once something landed
        self._ours: set[int] = set()  # items that this import added
        self._folder = dataset.workspace.staging / new_id()
        self._numbers = itertools.count()
        self._pool = ThreadPoolExecutor(_THREADS)
        self._near: Near | None = None

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        discard(self._dataset, self._folder)

    def stage(self, uploads: Sequence[Upload]) -> Iterator[Staged | FileOutcome]:
        """Decode and write uploads, several at a time; in order, each is staged or has its outcome already.

        What is there already is known by its hash and costs no decoding. Bytes are read twice, so that
        no more than a few uploads are in memory at a time.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        hashes = list(self._pool.map(_hash, uploads))
        there = self._present({sha256 for sha256 in hashes if isinstance(sha256, str)})
        yield from self._pool.map(lambda one, sha256: self._stage(one, sha256, there), uploads, hashes)
        sync_folder(self._folder)

    def land(self, staged: Sequence[Staged], classes: Sequence[Described] = ()) -> list[FileOutcome]:
        """Make items of what was staged, in one transaction with their vectors, and of the ``classes`` that a list
        describes what is described; an outcome for each staged one, in order, and for each list."""
        if not staged and not classes:
            return []
        vectors = self._vectors(staged)
        self._look_first()
        with self._dataset.catalogue.write() as connection:
            plan = self._admission(connection)
            outcomes = [*plan.judge(staged), *_described(plan, classes)]
            if plan.rows:
                connection.execute(sa.insert(db.items), plan.rows)
            if vectors and self._embedder is not None:
                vectorstore.add_vectors(connection, self._embedder.space, vectors)
            if plan.made:
                self._detail = {**self._detail, "added": self._detail["added"] + plan.added}
                how: dict[str, Any] = {"action": "import", "who": self._dataset.actor.name, "detail": self._detail}
                self.entry = journal.record(connection, plan.made, staged=plan.staged, entry_id=self.entry, **how)
        self._ours |= plan.new_ids
        self._dataset.settle()
        return outcomes

    def preview(self, staged: Sequence[Staged], classes: Sequence[Described] = ()) -> list[FileOutcome]:
        """The outcomes that `land` would give, with nothing changed (added ones have no item yet)."""
        self._look_first()
        with self._dataset.catalogue.read() as connection:
            plan = self._admission(connection, dry=True)
            return [*plan.judge(staged), *_described(plan, classes)]

    def _admission(self, connection: sa.Connection, *, dry: bool = False) -> Admission:
        self._near = self._near or Near(connection, self._looks, self._look)
        how: dict[str, Any] = {"kind": self._kind, "ours": self._ours, "near": self._near}
        how |= {"admit": self._admit, "replace": self._replace}
        return Admission(connection, self._dataset.workspace, **how, dry=dry)

    def _look_first(self) -> None:
        """What takes time is done before a transaction begins."""
        _ = self._looks

    @cached_property
    def _looks(self) -> Looks:
        """What is kept of the items; where few are missing, they are looked at now."""
        looks = Looks.of(self._dataset.workspace)
        with self._dataset.catalogue.read() as connection:
            query = sa.select(db.items.c.sha256).where(db.items.c.state == "present")
            contents = set(connection.execute(query).scalars())
        missing = len(contents.difference(sha256.decode("ascii") for sha256 in looks.sha256.tolist()))
        return looks_of(self._dataset) if 0 < missing <= LOOKED_AT else looks

    def _look(self, item_id: int) -> sameness.Look | None:
        """A present item as copies are compared; None where it cannot be read."""
        for item in self._dataset.some([item_id]):
            with suppress(BurinError):
                return (
                    sameness.look(decode(self._dataset.workspace.root / item.path)) if item.state == "present" else None
                )
        return None

    def _stage(self, upload: Upload, source: str | BurinError, there: dict[str, Facts]) -> Staged | FileOutcome:
        name, class_name, read, look = upload
        try:
            if isinstance(source, BurinError):
                raise source
            if class_name is not None:
                class_name = clean_name(class_name)
            if source in there and look.region is None:
                return Staged(name, class_name, source, there[source])
            data = read()
            with room_for(data):  # until nothing of the whole picture is needed any more
                image = decode(data, name=basename(name))
                region = look.region and look.region.inside(*image.size)
                stored, extension = stored_form(image, data)
                facts = facts_of(image, stored)
                if not look.sight and facts.kind == "photo" and self._doubted(image, region):
                    look = replace(look, sight="doubt")  # drawings are what they look like; photographs are asked
                look = replace(look, region=region)
                shown = sameness.look(image)
                small = self._embedder is not None and image.width * image.height <= _KEPT_PIXELS
                kept = image if small else None
                del image
            path = self._folder / f"{next(self._numbers)}{extension}"
            with open(path, "xb") as stream:
                stream.write(stored)
                stream.flush()
                os.fsync(stream.fileno())
                stat = os.fstat(stream.fileno())
        except BurinError as refusal:
            return FileOutcome(name, "refused", refusal)
        size, mtime_ns = stat.st_size, stat.st_mtime_ns
        return Staged(name, class_name, source, facts, path, size, mtime_ns, shown, kept, look)

    def _doubted(self, image: Image.Image, region: Region | None) -> bool:
        image = reduced(image, SEEN_SIDE) if region is None else image
        return bool(doubts_of(image, self._preprocessing, region=region))

    def _present(self, hashes: set[str]) -> dict[str, Facts]:
        """The facts of those uploads that are there already, and not by this very import."""
        found: dict[str, Facts] = {}
        names = ("id", "sha256", "source_sha256", "dhash", "width", "height", "kind")
        with self._dataset.catalogue.read() as connection:
            for some in db.chunks(hashes):
                same = db.items.c.sha256.in_(some) | db.items.c.source_sha256.in_(some)
                query = sa.select(*(db.items.c[name] for name in names)).where(same, db.items.c.state == "present")
                for row in connection.execute(query):
                    if row.id not in self._ours:  # of ours there may be a second, in another class
                        facts = Facts(row.sha256, row.dhash % UNSIGNED, row.width, row.height, row.kind)
                        found |= {row.sha256: facts, row.source_sha256: facts}
        return found

    def _vectors(self, staged: Sequence[Staged]) -> dict[str, np.ndarray]:
        if self._embedder is None:
            return {}
        wanted = list({one.seen_as: one for one in staged if one.path is not None}.values())
        found = self._embedder.embed_images(_opener(one, self._embedder.preprocessing) for one in wanted)
        vectors = zip(wanted, found, strict=True)
        return {one.seen_as: vector for one, vector in vectors if isinstance(vector, np.ndarray)}


def _described(plan: Admission, classes: Sequence[Described]) -> list[FileOutcome]:
    """Have a plan describe classes; an outcome for each list of them."""
    outcomes = []
    for table in dict.fromkeys(one.table for one in classes):
        try:
            made, told = plan.describe([one for one in classes if one.table == table])
        except NameRefused as refusal:
            outcomes.append(FileOutcome(table, "refused", refusal))
            continue
        reason = BurinError("Classes: {made} made, {told} described.", made=made, told=told)
        outcomes.append(FileOutcome(table, "read", reason))
    return outcomes


def _hash(upload: Upload) -> str | BurinError:
    try:
        return content_hash(upload[2]())
    except BurinError as refusal:
        return refusal


def _opener(one: Staged, preprocessing: Preprocessing) -> Callable[[], Image.Image | Subject]:
    def opened() -> Image.Image | Subject:
        within = SEEN_SIDE if one.look.region is None else None
        image = one.image or decode(one.path or b"", name=one.name, within=within)
        return pointed_at(image, one.look.region, preprocessing)

    return opened


def discard(dataset: Dataset, folder: Path) -> None:
    """Remove a staging folder, except the files that have a row already and still wait for their move."""
    with dataset.catalogue.read() as connection:
        waiting = set(connection.execute(sa.select(db.moves.c.source)).scalars())
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.relative_to(dataset.workspace.data).as_posix() not in waiting:
                path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
