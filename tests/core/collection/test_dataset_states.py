"""Any sequence of actions, crashes and restarts: no original is ever lost, labels equal a dictionary's.

The dictionary knows classes (id -> name, present) and pictures (content -> class id, state), and
an undo list of plain differences. A crash strikes between the transaction and the file moves. A rescan may begin
before and end after any of them: it stands still after its walk, after it settled the folders and after it read the
files, and whatever was done meanwhile stands.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from core.catalogue.database import journal
from core.catalogue.records import Entry, RescanReport
from core.collection import rescan as rescanning
from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.errors import Conflict, NotFound
from core.ground.images import content_hash, encode_png
from core.ground.workspace import Workspace
from core.intake.ingest import IncomingFile, import_files
from tests.postgres import PostgreSQL

NAMES = ["(e", "[sl", "^", "---e", "{s}", "_x_", "e)_", "étoile", "e\u0301toile", "ÉTOILE", "*", "con", "nan", "50%41"]
PICTURES = range(14)
EXAMPLES = int(os.environ.get("BURIN_STATE_EXAMPLES", "25"))

Diff = dict[tuple[str, Any, str], tuple[Any, Any]]  # (noun, which, field) -> (before, after)


class Crash(BaseException):
    """The process dies here."""


@cache
def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (24, 24), dtype=np.uint8)
    return encode_png(Image.fromarray(pixels))


def name_key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class SlowRescan:
    """A rescan in a thread that stands still at each of its steps until it is told to `go_on`."""

    def __init__(self, dataset: Dataset) -> None:
        self.report: RescanReport | None = None
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(dataset,))
        self._thread.start()
        self._stands.acquire(timeout=60)

    def go_on(self) -> bool:
        """One step further; whether it is through."""
        self._go.release()
        assert self._stands.acquire(timeout=60), "the rescan hangs"
        if not self._thread.is_alive() or self.report is not None:
            self._thread.join()
            return True
        return False

    def _run(self, dataset: Dataset) -> None:
        with _steps(self._stand):
            try:
                self.report = dataset.rescan()
            finally:
                self._stands.release()

    def _stand(self) -> None:
        if threading.current_thread() is self._thread:
            self._stands.release()
            self._go.acquire()


@contextmanager
def _steps(stand: Callable[[], None]) -> Iterator[None]:
    """Let the rescan of this thread stand still after its walk, its folders and its reading."""
    walk, folders = rescanning.walk, rescanning.Reconciliation.settle_folders
    study, miss = rescanning._study, rescanning.Reconciliation.miss

    def wrapped(step: Any, *, before: bool = False) -> Any:
        def stepped(*args: Any, **options: Any) -> Any:
            if before:
                stand()
            done = step(*args, **options)
            done = list(done) if step is study else done
            if not before:
                stand()
            return done

        return stepped

    rescanning.walk, rescanning._study = wrapped(walk), wrapped(study)  # type: ignore[assignment]
    rescanning.Reconciliation.settle_folders = wrapped(folders)  # type: ignore[method-assign]
    rescanning.Reconciliation.miss = wrapped(miss, before=True)  # type: ignore[method-assign]
    try:
        yield
    finally:
        rescanning.walk, rescanning._study = walk, study
        rescanning.Reconciliation.settle_folders, rescanning.Reconciliation.miss = folders, miss  # type: ignore[method-assign]


class Library(RuleBasedStateMachine):
    server: PostgreSQL | None = None

    def __init__(self) -> None:
        super().__init__()
        self.slow: SlowRescan | None = None
        self.by_hand = False  # whether the folders were changed by hand since the slow rescan began
        self.root = Path(tempfile.mkdtemp(prefix="burin-states-"))
        self.fuse = -1  # renames until the crash; below zero: none
        self.classes: dict[int, list[Any]] = {}  # id -> [name, present]
        self.pictures: dict[int, list[Any]] = {}  # number -> [class id, state]
        self.done: list[Diff] = []
        self.undone: list[Diff] = []
        self.numbers = itertools.count()
        self.read: dict[int, Diff] = {}  # entry of a rescan -> what it found
        if self.server is not None:
            Workspace(self.root).save_config(WorkspaceConfig(catalogue_url=self.server.fresh()))
        self.open()

    def open(self) -> None:
        self.dataset = Dataset(Workspace(self.root), rename=self.rename)

    def teardown(self) -> None:
        while self.slow is not None:
            self.rescan_goes_on()
        self.dataset.catalogue.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def rename(self, source: Path, target: Path) -> None:
        if self.fuse == 0:
            raise Crash
        self.fuse -= 1
        os.rename(source, target)

    def act(self, action: Any, *args: Any, **options: Any) -> Any:
        """Do it; if the process "dies" in the middle of moving files, start again."""
        try:
            return action(*args, **options)
        except Crash:
            self.fuse = -1
            self.dataset.catalogue.close()
            self.open()
            return None
        finally:
            self.fuse = -1

    # The dictionary

    def take(self, diff: Diff) -> None:
        """Apply to the dictionary and remember for undo."""
        if diff:
            self.put(diff)
            self.done.append(diff)
            self.undone.clear()

    def put(self, diff: Diff) -> None:
        for (noun, which, field), (_, after) in diff.items():
            table = self.classes if noun == "class" else self.pictures
            table[which][("name", "present").index(field) if noun == "class" else ("class", "state").index(field)] = (
                after
            )

    def fits(self, diff: Diff) -> bool:
        """Whether a difference still starts from what is there, and leads to something allowed."""
        for (noun, which, field), (before, _) in diff.items():
            table = self.classes if noun == "class" else self.pictures
            if (
                table[which][("name", "present").index(field) if noun == "class" else ("class", "state").index(field)]
                != before
            ):
                return False
        after = {c: list(v) for c, v in self.classes.items()}
        items = {n: list(v) for n, v in self.pictures.items()}
        for (noun, which, field), (_, value) in diff.items():
            (after if noun == "class" else items)[which][("name", "present", "class", "state").index(field) % 2] = value
        keys = [name_key(name) for name, present in after.values() if present]
        homes = [
            after[class_id][1] for n, (class_id, state) in items.items() if state == "present" and class_id is not None
        ]
        return len(keys) == len(set(keys)) and all(homes)

    def named(self, name: str) -> int | None:
        return next((c for c, (n, present) in self.classes.items() if present and name_key(n) == name_key(name)), None)

    def present(self) -> list[int]:
        return [c for c, (_, present) in self.classes.items() if present]

    def pick(self, state: str, share: int) -> list[int]:
        return [n for n, (_, s) in self.pictures.items() if s == state and (n + share) % 3 == 0]

    def ids(self, numbers: list[int]) -> list[int]:
        by_hash = {content_hash(picture(n)): n for n in numbers}
        found = {}
        for state in ("present", "trash"):
            found |= {
                by_hash[i.sha256]: i.id for i in self.dataset.items(state=state, limit=None) if i.sha256 in by_hash
            }
        return [found[n] for n in numbers]

    def learn(self, name: str) -> int:
        """The id that the dataset gave to a new class (present or, after its undo, not)."""
        record = next(c for c in self.dataset.classes() if name_key(c.name) == name_key(name))
        self.classes[record.id] = [record.name, False]
        return record.id

    # The actions

    @initialize()
    def first(self) -> None:
        self.act(import_files, self.dataset, [IncomingFile("p.png", picture(0), class_name="(e")])
        self.pictures[0] = [None, "trash"]
        home = self.learn("(e")
        self.pictures[0] = [home, "trash"]
        self.take({("class", home, "present"): (False, True), ("item", 0, "state"): ("trash", "present")})

    @rule(number=st.sampled_from(PICTURES), name=st.none() | st.sampled_from(NAMES), fuse=st.integers(-1, 0))
    def upload(self, number: int, name: str | None, fuse: int) -> None:
        old = self.pictures.get(number)
        self.fuse = fuse
        self.act(import_files, self.dataset, [IncomingFile("../p.png", picture(number), class_name=name)])
        if old is not None and old[1] == "present" and (name is None or old[0] is not None):
            return
        diff: Diff = {}
        home = None if name is None else self.named(name)
        if name is not None and home is None:
            home = self.learn(name)
            diff["class", home, "present"] = (False, True)
        if old is None:
            self.pictures[number] = [home, "trash"]
        elif old[1] == "present" or old[0] != home:
            diff["item", number, "class"] = (old[0], home)
        if old is None or old[1] == "trash":
            diff["item", number, "state"] = ("trash", "present")
        self.take(diff)

    @rule(name=st.sampled_from(NAMES))
    def create(self, name: str) -> None:
        try:
            self.act(self.dataset.create_class, name)
        except Conflict:
            assert self.named(name) is not None
            return
        assert self.named(name) is None
        self.take({("class", self.learn(name), "present"): (False, True)})

    @precondition(lambda self: self.present())
    @rule(data=st.data(), name=st.sampled_from(NAMES), fuse=st.integers(-1, 0))
    def rename_class(self, data: st.DataObject, name: str, fuse: int) -> None:
        class_id = data.draw(st.sampled_from(self.present()))
        old, new = self.classes[class_id][0], unicodedata.normalize("NFC", name)
        self.fuse = fuse
        try:
            self.act(self.dataset.rename_class, class_id, name)
        except Conflict:
            assert self.named(name) not in (None, class_id)
            return
        self.take({("class", class_id, "name"): (old, new)} if old != new else {})

    @precondition(lambda self: len(self.present()) > 1)
    @rule(data=st.data(), fuse=st.integers(-1, 2))
    def merge(self, data: st.DataObject, fuse: int) -> None:
        source, target = data.draw(st.permutations(self.present()))[:2]
        self.fuse = fuse
        self.act(self.dataset.merge_classes, [source], target)
        diff: Diff = {("item", n, "class"): (source, target) for n, (c, _) in self.pictures.items() if c == source}
        self.take({**diff, ("class", source, "present"): (True, False)})

    @rule(share=st.integers(0, 2), name=st.sampled_from(NAMES), fuse=st.integers(-1, 1))
    def split(self, share: int, name: str, fuse: int) -> None:
        numbers = self.pick("present", share)
        ids = self.ids(numbers)
        self.fuse = fuse
        try:
            self.act(self.dataset.split_class, ids, name)
        except Conflict:
            assert self.named(name) is not None
            return
        home = self.learn(name)
        diff: Diff = {("item", n, "class"): (self.pictures[n][0], home) for n in numbers}
        self.take({("class", home, "present"): (False, True), **diff})

    @rule(data=st.data(), share=st.integers(0, 2), fuse=st.integers(-1, 2))
    def relabel(self, data: st.DataObject, share: int, fuse: int) -> None:
        target = data.draw(st.sampled_from([None, *self.present()]))
        numbers = self.pick("present", share)
        ids = self.ids(numbers)
        self.fuse = fuse
        self.act(self.dataset.relabel, ids, target)
        self.take(
            {("item", n, "class"): (self.pictures[n][0], target) for n in numbers if self.pictures[n][0] != target}
        )

    @rule(share=st.integers(0, 2), fuse=st.integers(-1, 1))
    def delete(self, share: int, fuse: int) -> None:
        numbers = self.pick("present", share)
        ids = self.ids(numbers)
        self.fuse = fuse
        self.act(self.dataset.trash, ids)
        self.take({("item", n, "state"): ("present", "trash") for n in numbers})

    @precondition(lambda self: self.present())
    @rule(data=st.data(), fuse=st.integers(-1, 1))
    def delete_class(self, data: st.DataObject, fuse: int) -> None:
        class_id = data.draw(st.sampled_from(self.present()))
        self.fuse = fuse
        self.act(self.dataset.trash_class, class_id)
        held = [n for n, (c, s) in self.pictures.items() if c == class_id and s == "present"]
        diff: Diff = {("item", n, "state"): ("present", "trash") for n in held}
        self.take({**diff, ("class", class_id, "present"): (True, False)})

    @rule(share=st.integers(0, 2), fuse=st.integers(-1, 1))
    def restore(self, share: int, fuse: int) -> None:
        numbers = self.pick("trash", share)
        diff: Diff = {}
        for n in numbers:
            old = self.pictures[n][0]
            home = old
            if old is not None and not self.classes[old][1]:
                heir = self.named(self.classes[old][0])
                revived = [
                    c
                    for _, c, field in diff
                    if field == "present" and name_key(self.classes[c][0]) == name_key(self.classes[old][0])
                ]
                home = heir if heir is not None else (revived[0] if revived else old)
                if heir is None and not revived:
                    diff["class", old, "present"] = (False, True)
            diff["item", n, "state"] = ("trash", "present")
            if home != old:
                diff["item", n, "class"] = (old, home)
        ids = self.ids(numbers)
        self.fuse = fuse
        self.act(self.dataset.restore, ids)
        self.take(diff)

    @rule(fuse=st.integers(-1, 2))
    def undo(self, fuse: int) -> None:
        back = {k: (after, before) for k, (before, after) in self.done[-1].items()} if self.done else {}
        fits = self.fits(back)
        self.fuse = fuse
        try:
            entry = self.act(self.dataset.undo)
        except (Conflict, NotFound):
            assert not fits
            self.done.pop()
            return
        assert fits and (self.done or entry is None)
        if self.done:
            self.put(back)
            self.undone.append(self.done.pop())

    @rule(fuse=st.integers(-1, 2))
    def redo(self, fuse: int) -> None:
        fits = self.fits(self.undone[-1]) if self.undone else True
        self.fuse = fuse
        try:
            entry = self.act(self.dataset.redo)
        except (Conflict, NotFound):
            assert not fits
            return
        assert fits and (self.undone or entry is None)
        if self.undone:
            diff = self.undone.pop()
            self.put(diff)
            self.done.append(diff)

    @precondition(lambda self: self.done)
    @rule(fuse=st.integers(-1, 2))
    def take_back(self, fuse: int) -> None:
        """Revert what an undo would take back: a new change, after which it says that it was taken back."""
        own = journal.c.undone_by.is_(None) & journal.c.undoable & (journal.c.action != "rescan")
        with self.dataset.catalogue.read() as connection:
            last = sa.select(journal.c.id).where(own).order_by(journal.c.id.desc()).limit(1)
            entry_id = connection.execute(last).scalar_one()
        self.revert(entry_id, self.done[-1], fuse)

    @precondition(lambda self: self.read)
    @rule(data=st.data(), fuse=st.integers(-1, 2))
    def take_back_a_rescan(self, data: st.DataObject, fuse: int) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.read)))
        self.revert(entry_id, self.read[entry_id], fuse)

    def revert(self, entry_id: int, diff: Diff, fuse: int) -> None:
        back = {k: (after, before) for k, (before, after) in diff.items()}
        fits = self.fits(back)
        offered = self.entry(entry_id).undoable
        self.fuse = fuse
        try:
            self.act(self.dataset.revert, entry_id)
        except Conflict:
            assert not (fits and offered)
            return
        assert fits and offered and self.entry(entry_id).undone
        self.put(back)
        self.done.append(back)
        self.undone.clear()

    def entry(self, entry_id: int) -> Entry:
        return next(entry for entry in self.dataset.history(100_000) if entry.id == entry_id)

    # By hand, in the folders

    def found(self, diff: Diff) -> None:
        """What a rescan finds after a change by hand, which is one entry, and not one of a person's changes."""
        before = {entry.id for entry in self.dataset.history(100_000)}
        report = self.dataset.rescan()
        assert report.added + report.moved == 1 and not report.refused
        (entry,) = (entry for entry in self.dataset.history() if entry.id not in before)
        self.put(diff)
        self.read[entry.id] = diff

    @precondition(lambda self: self.pick("present", 0) and self.present())
    @rule(data=st.data())
    def move_by_hand(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.pick("present", 0)))
        target = data.draw(st.sampled_from(self.present()))
        folder = {c.id: c.folder for c in self.dataset.classes()}[target]
        item = self.dataset.item(self.ids([number])[0])
        place = self.dataset.workspace.raw / folder / f"by hand {number} {next(self.numbers)}.png"
        os.rename(self.dataset.path(item), place)
        self.by_hand = True
        home = self.pictures[number][0]
        self.found({("item", number, "class"): (home, target)} if target != home else {})  # else: only its file's name

    @precondition(lambda self: self.present())
    @rule(data=st.data(), number=st.sampled_from(PICTURES))
    def drop_by_hand(self, data: st.DataObject, number: int) -> None:
        if number in self.pictures:
            return
        target = data.draw(st.sampled_from(self.present()))
        folder = {c.id: c.folder for c in self.dataset.classes()}[target]
        (self.dataset.workspace.raw / folder / "dropped.png").write_bytes(picture(number))
        self.by_hand = True
        self.pictures[number] = [target, "trash"]
        self.found({("item", number, "state"): ("trash", "present")})
        dropped = self.dataset.path(self.dataset.item(self.ids([number])[0]))
        os.rename(dropped, dropped.with_name(f"kept {number}.png"))
        self.dataset.rescan()

    @rule()
    def rescan(self) -> None:
        report = self.dataset.rescan()
        assert (report.added, report.removed, report.moved, report.changed, report.refused) == (0, 0, 0, 0, [])

    @precondition(lambda self: self.slow is None)
    @rule()
    def a_rescan_begins(self) -> None:
        self.by_hand = False
        self.slow = SlowRescan(Dataset(self.dataset.workspace))

    @precondition(lambda self: self.slow is not None)
    @rule()
    def rescan_goes_on(self) -> None:
        assert self.slow is not None
        if not self.slow.go_on():
            return
        report, self.slow = self.slow.report, None
        assert report is not None and report.refused == []
        if not self.by_hand:
            assert (report.added, report.removed, report.moved, report.changed) == (0, 0, 0, 0)

    @rule()
    def restart(self) -> None:
        self.dataset.catalogue.close()
        self.open()

    # What must hold

    @invariant()
    def labels_are_the_dictionarys(self) -> None:
        assert {c.id: c.name for c in self.dataset.classes()} == {
            c: n for c, (n, present) in self.classes.items() if present
        }
        by_hash = {content_hash(picture(n)): n for n in self.pictures}
        for state in ("present", "trash"):
            found = {by_hash[i.sha256]: i.class_id for i in self.dataset.items(state=state, limit=None)}
            assert found == {n: c for n, (c, s) in self.pictures.items() if s == state}
        assert self.dataset.count(state="missing") == 0

    @invariant()
    def no_original_is_lost(self) -> None:
        on_disk = sorted(
            content_hash((Path(folder) / file).read_bytes())
            for part in ("raw_gravures", "unlabelled", "trash")
            for folder, _, files in os.walk(self.root / "data" / part)
            for file in files
        )
        assert on_disk == sorted(content_hash(picture(n)) for n in self.pictures)
        for state in ("present", "trash"):
            for item in self.dataset.items(state=state, limit=None):
                assert content_hash((self.root / item.path).read_bytes()) == item.sha256


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    derandomize="BURIN_STATE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.reuse, Phase.generate],
)


def test_any_sequence_on_sqlite() -> None:
    run_state_machine_as_test(Library, settings=SETTINGS)


def test_any_sequence_on_postgresql(postgres: PostgreSQL) -> None:
    class OnPostgreSQL(Library):
        server = postgres

    run_state_machine_as_test(OnPostgreSQL, settings=settings(SETTINGS, max_examples=max(1, EXAMPLES // 6)))
