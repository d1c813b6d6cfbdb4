"""How long the collection's pages wait for their data, at 1,000, 10,000 and 100,000 images.

Synthetic rows and real (tiny) files in a temporary folder; every figure is what a person waits for,
without the browser. Fails when a page takes more than a second at its 95th percentile.

    python benchmarks/library.py [--sizes 1000 10000 100000] [--json FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.catalogue import database as db
from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from core.review.neighbourhood import KEPT, Contents, Neighbourhood
from core.review.predictions import Labels, References, predict
from core.review.queue import ordered

LIMIT_S = 1.0
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)
CLASSES = 100  # the first one holds a tenth of all images
SPACE = "benchmark"
DIMENSION = 256


def filled(root: Path, size: int) -> Dataset:
    """A workspace of ``size`` images in `CLASSES` classes, a hundredth of them without one."""
    rng = np.random.default_rng(size)
    dataset = Dataset(Workspace(root))
    ids = [dataset.create_class(f"class {number:03d}") for number in range(CLASSES)]
    folders = {record.id: record.folder for record in dataset.classes()}
    owners: list[int | None] = []
    for number in range(size):
        owners.append(None if number % 100 == 99 else ids[0] if number % 10 == 0 else ids[1 + number % (CLASSES - 1)])
    tray = dataset.workspace.data / "unlabelled"
    for folder in [tray, *(dataset.workspace.raw / folder for folder in folders.values())]:
        folder.mkdir(parents=True, exist_ok=True)
    rows, vectors = [], []
    for number, owner in enumerate(owners, start=1):
        data = PIXEL + number.to_bytes(4, "little")  # after the end of the picture: another content, the same pixel
        sha256, file = hashlib.sha256(data).hexdigest(), f"{number:06d}.png"
        path = (tray if owner is None else dataset.workspace.raw / folders[owner]) / file
        path.write_bytes(data)
        facts = os.stat(path)
        rows.append(
            {"id": number, "class_id": owner, "file": file, "trashed_as": None, "state": "present", "kind": "drawing",
             "sha256": sha256, "source_sha256": sha256, "dhash": int(rng.integers(1 << 62)), "width": 64, "height": 64,
             "size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "source": file, "added_at": float(number), "ver": 1}
        )  # fmt: skip
        vector = rng.normal(size=DIMENSION).astype("<f4")
        vectors.append({"sha256": sha256, "space": SPACE, "vector": (vector / np.linalg.norm(vector)).tobytes()})
    with dataset.catalogue.write() as connection:
        connection.execute(sa.insert(db.items), rows)
        connection.execute(sa.insert(db.vectors), vectors)
    return dataset


@dataclass(frozen=True)
class Spent:
    """Seconds that a person waits (``wall``, 95th percentile) and that the processor works (``cpu``, mean): they
    differ on a busy machine."""

    wall: float
    cpu: float


def timed(act: Callable[[], object], *, times: int = 1) -> Spent:
    """What ``act`` takes."""
    waited = []
    worked = time.process_time()
    for _ in range(times):
        started = time.perf_counter()
        act()
        waited.append(time.perf_counter() - started)
    return Spent(float(np.quantile(waited, 0.95)), (time.process_time() - worked) / times)


def measure(root: Path, size: int) -> dict[str, Spent]:
    """Every figure at one size."""
    dataset = filled(root, size)
    rng = np.random.default_rng(1)
    first = dataset.classes()[0]

    def page(**wanted: object) -> None:
        dataset.classes()
        dataset.counts()
        total = dataset.count(**wanted)  # type: ignore[arg-type]
        dataset.items(**wanted, limit=60, offset=int(rng.integers(max(1, total - 60))))  # type: ignore[arg-type]

    def cold() -> None:
        Dataset(Workspace(root))
        page()

    found = {
        "cold start": timed(cold),
        "page": timed(page, times=20),
        "page of a class": timed(lambda: page(class_id=first.id), times=20),
        "page of a search": timed(lambda: page(text="class 04"), times=20),
        "page of a file name": timed(lambda: page(text="00042"), times=20),
    }
    labels = Labels.load(dataset)
    contents = Contents.load(dataset, SPACE)
    nearest = rng.integers(size, size=(size, KEPT)).astype(np.int32)
    similarities = -np.sort(-rng.random((size, KEPT), dtype=np.float32), axis=1)
    neighbourhood = Neighbourhood(contents.sha256, nearest, similarities)
    names = {record.id: record.name for record in dataset.classes()}

    def queue() -> None:
        now = Labels.load(dataset)
        ordered(now, predict(now, neighbourhood), "doubtful", names=names)

    found["labelling queue, sorted anew"] = timed(queue, times=3)
    references = References(contents, labels)
    window = [sha256.decode() for sha256 in contents.sha256[:40]]
    found["nine classes for 40 images"] = timed(lambda: references.propose(window), times=5)
    found["one label saved"] = timed(lambda: dataset.relabel([int(rng.integers(1, size))], first.id), times=20)
    some = [item.id for item in dataset.items(class_id=dataset.classes()[1].id, limit=None)]
    some = (some + [number for number in range(1, size) if number not in set(some)])[:500]
    found["relabel of 500"] = timed(lambda: dataset.relabel(some, first.id))
    found["its undo"] = timed(dataset.undo)
    found["rename of the largest class"] = timed(lambda: dataset.rename_class(first.id, "another name"))
    found["history page"] = timed(lambda: [dataset.changes(e.id, limit=200) for e in dataset.history(25)], times=5)
    found["folders read again, unchanged"] = timed(dataset.rescan)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[int, dict[str, Spent]] = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="burin-library-") as root:
            results[size] = measure(Path(root) / "workspace", size)
    print(f"{'milliseconds waited (worked)':<34}" + "".join(f"{size:>18,}" for size in results))
    for name in next(iter(results.values())):
        cells = (found[name] for found in results.values())
        print(f"{name:<34}" + "".join(f"{1000 * c.wall:>10,.0f} {f'({1000 * c.cpu:,.0f})':>7}" for c in cells))
    if options.json:
        options.json.write_text(
            json.dumps({size: {n: asdict(s) for n, s in f.items()} for size, f in results.items()}, indent=1),
            encoding="utf-8",
        )
    slow = [
        (size, name)
        for size, found in results.items()
        for name in found
        if name.startswith("page") and found[name].wall > LIMIT_S
    ]
    if slow:
        print("slower than a second:", ", ".join(f"{name} at {size:,}" for size, name in slow))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
