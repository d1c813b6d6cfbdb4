"""The manifest: every written variant with the original it came from, and how.

One file of lines, ``manifest.jsonl``, beside the class folders it describes, so that it goes where
they go and needs no catalogue. A line is written before its file: no variant is ever without its
original. What exists is what is on disk; a line whose file is gone counts for nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from core.catalogue.journal import Change
from core.collection.dataset import Dataset
from core.ground.errors import Conflict
from core.ground.locks import Hold, locked
from core.ground.names import is_junk, is_plain
from core.ground.workspace import write_atomic

MANIFEST = "manifest.jsonl"
_TRASH = ".trash"  # hidden, beside the class folders: a variant in it counts nowhere
_STAGING = ".staging"


@dataclass(frozen=True)
class Variant:
    """One written variant. ``folder`` of its class and ``file`` in it; ``sha256`` of its content;
    ``item_id`` (None: no catalogue), ``original`` (file name) and ``original_sha256`` say where it comes
    from; draw ``number`` under ``seed`` has ``draw_seed`` and went through ``parameters``."""

    folder: str
    file: str
    sha256: str
    item_id: int | None
    original: str
    original_sha256: str
    policy: str
    policy_digest: str
    seed: int
    number: int
    draw_seed: int
    parameters: list[dict[str, Any]]
    batch: str

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        return cls(**{f.name: record[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class Batch:
    """What was written in one go: the whole ``policy`` as JSON, and what label safety said: ``refused``
    (class folder -> transforms left out) or, with ``override``, that a person set it aside."""

    id: str
    at: float
    policy: dict[str, Any]
    seed: int
    refused: dict[str, list[str]]
    override: bool
    space: str
    classes: int
    images: int


class Manifest:
    """The variants in ``folder`` (its class folders, and the trash beside them)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / MANIFEST

    # Reading

    def variants(self, *, state: str = "present") -> list[Variant]:
        """Every variant whose file is in its class folder (or, with ``state`` "trash", in the trash)."""
        base = self.folder if state == "present" else self.folder / _TRASH
        there: dict[str, set[str]] = {}
        found: dict[tuple[str, str], Variant] = {}
        for record in self._lines():
            if "variant" in record:
                variant = Variant.from_json(record["variant"])
                if not (is_plain(variant.folder) and is_plain(variant.file)):
                    continue  # of somebody else's making, and out of the folder
                names = there.get(variant.folder)
                if names is None:
                    names = there[variant.folder] = _names(base / variant.folder)
                if variant.file in names:
                    found[variant.folder, variant.file] = variant  # the last line about a file holds
        return list(found.values())

    def of(self, sha256s: Collection[str], *, state: str = "present") -> list[Variant]:
        """The variants of the originals with these content hashes."""
        wanted = set(sha256s)
        return [variant for variant in self.variants(state=state) if variant.original_sha256 in wanted]

    def batches(self) -> list[Batch]:
        """What was written, newest first, as far as any of it is still there."""
        alive = {variant.batch for variant in self.variants()}
        found = {record["batch"]["id"]: Batch(**record["batch"]) for record in self._lines() if "batch" in record}
        return sorted((b for b in found.values() if b.id in alive), key=lambda batch: -batch.at)

    def strangers(self) -> list[str]:
        """Files in the class folders that no line is about, as ``folder/file``: from where, nobody knows."""
        known = {(v.folder, v.file) for v in self.variants()}
        return [f"{folder}/{file}" for folder in _folders(self.folder) for file in sorted(_names(self.folder / folder))
                if (folder, file) not in known]  # fmt: skip

    def file(self, variant: Variant, *, state: str = "present") -> Path:
        return (self.folder if state == "present" else self.folder / _TRASH) / variant.folder / variant.file

    # Changing: all under the lock

    @contextmanager
    def locked(self) -> Iterator[Hold]:
        """Keep other processes from changing the variants; raises `Conflict` when one is at it. A killed
        process holds nothing, and what it had half written is swept away here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = Conflict("Variants are being written into {folder} already.", folder=self.folder.name)
        with locked(self.folder / ".lock", busy) as held:
            shutil.rmtree(self.folder / _STAGING, ignore_errors=True)
            yield held

    def append(self, records: Iterable[Batch | Variant]) -> None:
        """Add lines, durably."""
        lines = [
            json.dumps({"batch" if isinstance(r, Batch) else "variant": asdict(r)}, ensure_ascii=False) + "\n"
            for r in records
        ]
        with open(self.path, "ab+") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a line cut short by a kill
                    stream.write(b"\n")
            stream.write("".join(lines).encode())
            stream.flush()
            os.fsync(stream.fileno())

    def put(self, variant: Variant, content: bytes) -> None:
        """Write a variant's file in one step. Not synced: after a power cut its hash tells, and the same
        seed writes it again."""
        staging = self.folder / _STAGING
        staging.mkdir(exist_ok=True)
        temporary = staging / variant.sha256
        temporary.write_bytes(content)
        path = self.file(variant)
        path.parent.mkdir(exist_ok=True)
        os.replace(temporary, path)

    def trash(self, variants: Iterable[Variant]) -> list[Variant]:
        """Take variants out of their class folders; `restore` brings them back. Those that were there."""
        with self.locked():
            return [v for v in variants if self._move(v, self.file(v), self.file(v, state="trash"))]

    def restore(self, variants: Iterable[Variant]) -> list[Variant]:
        """Bring variants back from the trash; those that were in it."""
        with self.locked():
            return [v for v in variants if self._move(v, self.file(v, state="trash"), self.file(v))]

    def remove(self, variants: Iterable[Variant]) -> int:
        """Delete variants for good, with their lines; how many there were."""
        with self.locked():
            doomed = list(variants)
            count = 0
            for variant in doomed:
                for path in (self.file(variant), self.file(variant, state="trash")):
                    with suppress(FileNotFoundError):
                        path.unlink()
                        count += 1
            for folder in {variant.folder for variant in doomed}:
                for path in (self.folder / folder, self.folder / _TRASH / folder):
                    with suppress(OSError):  # not empty, or not there
                        path.rmdir()
            gone = {(variant.folder, variant.file) for variant in doomed}
            self._rewrite(lambda v: None if (v.folder, v.file) in gone else v)
            return count

    def remove_batch(self, batch: str) -> int:
        """Undo one batch: delete exactly the variants it wrote that are still there; how many."""
        held = self.variants() + self.variants(state="trash")
        return self.remove(variant for variant in held if variant.batch == batch)

    def follow(self, dataset: Dataset) -> tuple[int, list[Variant]]:
        """Move variants to the folder of the class their original has by now; how many, and the orphans:
        those whose original is not a labelled image of the dataset any more."""
        with self.locked():
            moved: dict[tuple[str, str], str] = {}
            orphans = []
            held = self.variants()
            homes = dataset.folders_of(variant.original_sha256 for variant in held)
            for variant in held:
                home = homes.get(variant.original_sha256, set())
                if not home:
                    orphans.append(variant)
                elif variant.folder not in home:
                    moved[variant.folder, variant.file] = min(home)
            if moved:
                # The new lines first: a kill in between leaves two lines a file, of which one counts.
                known = {(v.folder, v.file): v for v in held}
                self.append(replace(known[place], folder=folder) for place, folder in moved.items())
                for (folder, file), home_folder in moved.items():
                    target = self.folder / home_folder / file
                    target.parent.mkdir(exist_ok=True)
                    os.replace(self.folder / folder / file, target)
                for folder in {folder for folder, _ in moved}:
                    with suppress(OSError):
                        (self.folder / folder).rmdir()
            return len(moved), orphans

    def _move(self, variant: Variant, source: Path, target: Path) -> bool:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(source, target)
        except FileNotFoundError:
            return False
        with suppress(OSError):
            source.parent.rmdir()
        return True

    def _rewrite(self, keep: Any) -> None:
        lines = []
        for record in self._lines():
            if "variant" not in record:
                lines.append(record)
            elif (variant := keep(Variant.from_json(record["variant"]))) is not None:
                lines.append({"variant": asdict(variant)})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        if self.path.exists():
            write_atomic(self.path, text.encode())

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Every whole line; a line cut short by a kill had no file yet."""
        with suppress(FileNotFoundError), open(self.path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with suppress(ValueError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record


def follow(dataset: Dataset, made: Sequence[Change]) -> None:
    """Let the variants follow what was just ``made``: the ``after`` of a `Dataset`. Nothing is read where there are
    none; while some are being written, they wait for the next change."""
    manifest = Manifest(dataset.workspace.augmented)
    if manifest.path.exists() and any(_leaves(change) for change in made):
        with suppress(Conflict):
            manifest.follow(dataset)


def _leaves(change: Change) -> bool:
    """Whether a change may take originals to another class folder."""
    names = {"item": ("class_id", "state"), "class": ("folder", "state"), "product": ()}[change.noun]
    return any(change.before.get(name) != change.after.get(name) for name in names)


def _names(folder: Path) -> set[str]:
    """The files in a folder; links, the folder itself too, are not followed."""
    try:
        if folder.is_symlink():
            return set()
        return {e.name for e in os.scandir(folder) if e.is_file(follow_symlinks=False) and not is_junk(e.name)}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(e.name for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and not is_junk(e.name))
