"""The index of a large collection in this process: half precision and exact, or inverted lists and fast.

Half precision takes half the memory and, once the catalogue has confirmed its candidates, gives the same answers.
Inverted lists may miss a neighbour, so their recall is measured on the workspace's own vectors. Either is a cache of
the catalogue: a file carries the version it is of, and one that is torn or too old is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.catalogue.catalogue import Catalogue
from core.catalogue.vectorstore import Rows
from core.embedding.candidates import ALL, FURTHER, Among
from core.embedding.engine import cores
from core.embedding.nearest import Best, one_by_one
from core.embedding.neighbours import ONE_THREAD_BELOW, selector
from core.embedding.recall import ASKED, TARGET, Truth
from core.ground.config import KINDS
from core.ground.errors import SearchAway
from core.ground.workspace import Workspace, new_id, write_atomic

HALF = 2.0**-11 + 1e-5  # what rounding to half precision, and summing in float32, moves a similarity by at most
FOLLOWED = 500  # changes that are compared one by one before the index takes them in
FEW = 2000  # references that a filter leaves, and that are compared without inverted lists
BLOCK = 20_000  # references read at once
_TRAINED_BY = 64  # vectors to place one of the lists
_DRAWN = 100_000  # of which vectors the lists are placed at most

Precision = Literal["half", "lists"]


@dataclass
class Resident:
    """References in memory, as a `core.embedding.candidates.Source`: ``ids`` (N,) sorted, and their ``class_ids`` and
    ``kinds`` (places in `KINDS`). Their vectors lie in ``parts``, FAISS indexes that are read side by side: one query
    is as fast as all cores read memory. ``at``: the version that it is of. ``probes``: lists that a question looks
    into, with the ``recall`` that gives."""

    parts: list[Any]
    ids: np.ndarray
    class_ids: np.ndarray
    kinds: np.ndarray
    at: int
    precision: Precision = "half"
    probes: int = 0
    proposes: ClassVar[int] = FURTHER
    recall: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def slack(self) -> float:
        return HALF if self.precision == "half" else 0.0

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, query: np.ndarray, k: int, among: Among = ALL) -> tuple[np.ndarray, np.ndarray]:
        with self.lock:
            chosen = None if among == ALL else self.ids[self._taking_part(among)]
            if self.precision == "lists" and chosen is not None and len(chosen) <= FEW:
                return chosen, np.full(len(chosen), -np.inf, np.float32)  # the catalogue compares them all
            return self._nearest(query, k, chosen)

    def labels(self, item_ids: np.ndarray) -> np.ndarray | None:
        with self.lock:
            rows = np.searchsorted(self.ids, item_ids)
            there = rows < len(self.ids)
            there[there] = self.ids[rows[there]] == item_ids[there]
            return np.where(there, self.class_ids[np.where(there, rows, 0)], -1) if len(self.ids) else None

    def around(self, asked: Rows, k: int) -> np.ndarray:
        if self.precision == "lists":
            with self.lock:
                return one_by_one(lambda q, k, among: self._nearest(q, k, self.ids[self._taking_part(among)]), asked, k)
        own, others = Best(len(asked), k), Best(len(asked), k)
        with self.lock:
            for ids, vectors in self._blocks():
                alike = asked.vectors @ vectors.T
                same = asked.class_ids[:, None] == self.class_ids[np.searchsorted(self.ids, ids)]
                own.see(ids, np.where(same, alike, -np.inf))
                others.see(ids, np.where(same, -np.inf, alike))
        return np.union1d(own.found, others.found)

    def _nearest(self, query: np.ndarray, k: int, chosen: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of the ids ``chosen`` (None: of all)."""
        import faiss

        k = min(k, len(self.ids if chosen is None else chosen))
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        taken: dict[str, Any] = {} if chosen is None else {"sel": selector(chosen)}
        queries = query[None].astype(np.float32)

        def ask(part: Any) -> tuple[np.ndarray, np.ndarray]:
            parameters: Any = None  # of its own: while a part is asked, it puts its own numbers for the ids there
            if self.precision == "lists":
                parameters = faiss.SearchParametersIVF(nprobe=self.probes, **taken)  # type: ignore[call-arg]
            elif taken:
                parameters = faiss.SearchParameters(**taken)
            return part.search(queries, k, params=parameters)

        found = list(_threads().map(ask, self.parts))
        similarities, ids = (np.concatenate([some[at][0] for some in found]) for at in (0, 1))
        order = np.argsort(-similarities, kind="stable")[:k]
        order = order[ids[order] >= 0]
        return ids[order], similarities[order]

    def _taking_part(self, among: Among) -> np.ndarray:
        keep = replace(among, kinds=None).holds(self.class_ids, self.kinds)
        if among.kinds is not None:
            keep &= np.isin(self.kinds, [KINDS.index(kind) for kind in among.kinds])
        return keep

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All ids (M,) with their vectors (M, D) float32, `BLOCK` at a time; of exact parts only."""
        import faiss

        for part in self.parts:
            ids, inner = faiss.vector_to_array(part.id_map), faiss.downcast_index(part.index)
            for start in range(0, len(ids), BLOCK):
                some = ids[start : start + BLOCK]
                yield some, inner.reconstruct_n(start, len(some))

    def kept_up(self, catalogue: Catalogue, space: str) -> bool:
        """Take in what changed, where that is more than is compared one by one; False where it has to be made anew."""
        with catalogue.read() as connection:
            if not vectorstore.knows(connection, self.at):
                return False
            behind = len(vectorstore.changed(connection, self.at))
        if behind > max(FOLLOWED, len(self) // 10):
            return False
        if behind > FOLLOWED:
            self.follow(catalogue, space)
        return True

    def follow(self, catalogue: Catalogue, space: str) -> None:
        """Take in what changed since."""
        import faiss

        with catalogue.read() as connection:
            version = int(db.value(connection, "version", "0"))
            changed = vectorstore.changed(connection, self.at)
            rows = vectorstore.references(connection, space, changed.tolist())
        with self.lock:
            if not len(changed) or version <= self.at:
                return
            for part in self.parts:
                part.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(changed)))
            if len(rows):
                min(self.parts, key=lambda part: part.ntotal).add_with_ids(rows.vectors, rows.ids)
            stays = ~np.isin(self.ids, changed)
            ids = np.concatenate([self.ids[stays], rows.ids])
            order = np.argsort(ids, kind="stable")
            self.ids = ids[order]
            self.class_ids = np.concatenate([self.class_ids[stays], rows.class_ids.astype(np.int32)])[order]
            self.kinds = np.concatenate([self.kinds[stays], _codes(rows.kinds)])[order]
            self.at = version


def build(
    catalogue: Catalogue, space: str, precision: Precision, *, on_progress: Callable[[int], None] | None = None
) -> Resident:
    """The index over every reference in ``space``, as the catalogue has them now. Raises `SearchAway` where inverted
    lists cannot reach `core.embedding.recall.TARGET` on the workspace's own vectors."""
    with catalogue.read() as connection:  # one state of it, from the first row to the last
        at = int(db.value(connection, "version", "0"))
        rng = np.random.default_rng(0)
        parts, truth, columns = [], None, ([], [], [])  # type: ignore[var-annotated]
        side_by_side = 1 if vectorstore.labelled(connection) < ONE_THREAD_BELOW else cores()
        if precision == "lists":
            truth = Truth(vectorstore.drawn(connection, space, ASKED, rng))
            parts = [_placed(vectorstore.drawn(connection, space, _DRAWN, rng), vectorstore.count(connection, space))]
        done = 0
        for rows in vectorstore.all_references(connection, space, size=BLOCK):
            parts = parts or [_empty(rows.vectors.shape[1]) for _ in range(side_by_side)]
            min(parts, key=lambda part: part.ntotal).add_with_ids(rows.vectors, rows.ids)
            if truth is not None:
                truth.see(rows)
            for column, values in zip(columns, (rows.ids, rows.class_ids, _codes(rows.kinds)), strict=True):
                column.append(values)
            done += len(rows)
            if on_progress:
                on_progress(done)
    ids, class_ids, kinds = (np.concatenate(column) if column else np.empty(0, np.int64) for column in columns)
    made = Resident(parts, ids, class_ids.astype(np.int32), kinds.astype(np.uint8), at, precision)
    if truth is not None and done:
        _tune(made, truth)
    return made


def opened(workspace: Workspace, catalogue: Catalogue, space: str, precision: Precision) -> Resident:
    """The index from its file, brought up to date; made anew, and its file with it, where there is none, or it is torn
    or too old."""
    key = f"{hashlib.sha256(space.encode()).hexdigest()[:12]}-{precision}"
    folder = workspace.cache / "references"
    found = next((kept for kept in map(_load, _of(folder, key)) if kept is not None), None)
    if found is not None:
        at = found.at
        if found.kept_up(catalogue, space):
            if found.at > at:
                _save(found, folder, key)
            return found
    made = build(catalogue, space, precision)
    if len(made):
        _save(made, folder, key)
    return made


def _empty(dimension: int) -> Any:
    import faiss

    half = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIDMap(half)


def _placed(sample: Rows, count: int) -> Any:
    """Empty inverted lists, placed by ``sample``; twice the root of ``count`` of them."""
    import faiss

    lists = max(1, min(round(2 * count**0.5), len(sample) // _TRAINED_BY))
    faiss.omp_set_num_threads(cores())
    index = faiss.index_factory(sample.vectors.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(sample.vectors)
    return index


def _tune(made: Resident, truth: Truth) -> None:
    """Have as few lists looked into as reach the target, with every filter."""
    lists = int(made.parts[0].nlist)
    made.probes = 1
    while True:
        # the catalogue confirms what is proposed: a true neighbour among twice as many is one of the first then
        found = truth.of(lambda queries, k, among: [made.search(query, 2 * k, among)[0] for query in queries])
        if min(found.whole, found.by_class, found.by_kind) >= TARGET:
            break
        if made.probes >= lists:
            raise SearchAway(
                "The fast index finds only {share} % of the nearest references here: choose the exact one.",
                share=round(100 * found.whole),
            )
        made.probes = min(lists, 2 * made.probes)
    made.recall = asdict(found)


def _codes(kinds: np.ndarray) -> np.ndarray:
    return np.array([KINDS.index(kind) for kind in kinds.tolist()], np.uint8)


def _of(folder: Path, key: str) -> list[Path]:
    """The files' folders of a key, the newest version first."""
    there = [path for path in folder.glob(f"{key}.*") if path.suffix[1:].isdigit()]
    return sorted(there, key=lambda path: -int(path.suffix[1:]))


def _save(made: Resident, folder: Path, key: str) -> None:
    """Write its file; ``about.json`` last, with the size and checksum of the others, so that a torn one is known."""
    import faiss

    before = _of(folder, key)
    final = folder / f"{key}.{made.at}"
    place = folder / f".{new_id()}"
    place.mkdir(parents=True)
    try:
        with made.lock:
            for number, part in enumerate(made.parts):
                faiss.write_index(part, str(place / f"part-{number}.faiss"))
            np.save(place / "ids.npy", made.ids)
            np.save(place / "class_ids.npy", made.class_ids)
            np.save(place / "kinds.npy", made.kinds)
            about = {"at": made.at, "precision": made.precision, "probes": made.probes, "recall": made.recall}
        files = {path.name: [path.stat().st_size, _checksum(path)] for path in sorted(place.iterdir())}
        write_atomic(place / "about.json", json.dumps({**about, "files": files}).encode())
        for old in before:
            shutil.rmtree(old, ignore_errors=True)
        os.replace(place, final)
    except OSError:  # a full disk, or another process was first: the file is only a cache
        shutil.rmtree(place, ignore_errors=True)


def _load(place: Path) -> Resident | None:
    import faiss

    with suppress(OSError, ValueError, KeyError, RuntimeError, EOFError):
        about = json.loads((place / "about.json").read_text(encoding="utf-8"))
        files, there = about.pop("files"), {path.name for path in place.iterdir()}
        parts = sorted(name for name in files if name.startswith("part-"))
        if not parts or not there >= set(files):
            return None
        sound = _threads().map(lambda of: [(place / of).stat().st_size, _checksum(place / of)] == files[of], files)
        if not all(sound):
            return None
        read = list(_threads().map(lambda name: faiss.read_index(str(place / name)), parts))
        arrays = {name: np.load(place / f"{name}.npy", allow_pickle=False) for name in ("ids", "class_ids", "kinds")}
        if len(arrays["ids"]) == sum(part.ntotal for part in read):
            return Resident(read, **arrays, **about)
    return None


def _checksum(path: Path) -> int:
    found = 0
    with open(path, "rb") as stream:
        while block := stream.read(1 << 22):
            found = zlib.crc32(block, found)
    return found


@cache
def _threads() -> ThreadPoolExecutor:
    """One a core; FAISS takes no further ones inside them, whose barriers wait for a core that is busy."""
    import faiss

    return ThreadPoolExecutor(cores(), "burin-search", initializer=faiss.omp_set_num_threads, initargs=(1,))
