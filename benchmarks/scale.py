"""How large a collection may grow: memory, cold start, an identification, changes and recall, by engine and by size.

    python benchmarks/scale.py --sizes 10000 100000 1000000
    python benchmarks/scale.py --sizes 100000 --engines milvus --url http://127.0.0.1:19530

The references are made: clusters of unit vectors in the space of the encoder in use, no images behind them. Each engine
runs in a process of its own. The limit beside it is what reading its bytes once takes at the memory bandwidth that the
same process measures, on as many threads as the engine reads with; an identification also sees and embeds its picture,
which no size changes (timed for itself). ``open_s`` and ``cold_start_s`` begin with nothing of the workspace in the
system's page cache (Linux): the catalogue opened, then everything up to the first answer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.catalogue import vectorstore  # noqa: E402
from core.collection.dataset import Dataset  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402

ENGINES = ("flat", "half", "lists", "milvus")
BYTES = {"flat": 4, "half": 2, "lists": 1, "milvus": 4}  # of one number
ASKED, PICTURES, CHANGED = 100, 60, 1000
BLOCK = 20_000
BLANK = {"file": "f", "state": "present", "source": "", "source_sha256": "", "dhash": 0, "width": 8, "height": 8}
BLANK |= {"size": 1, "mtime_ns": 0, "added_at": 0.0, "ver": 0, "kind": "drawing"}


def fill(workspace: Workspace, count: int, space: str, dimension: int) -> float:
    """``count`` references, a hundred a class; seconds."""
    import sqlalchemy as sa

    from core.catalogue import database as db
    from core.embedding.opening import embedded_key

    dataset, rng = Dataset(workspace), np.random.default_rng(0)
    classes = max(10, min(5000, count // 100))
    centres = rng.standard_normal((classes, dimension)).astype(np.float32)
    named = {"state": "present", "aliases": [], "fields": {}, "ver": 0}
    names = {n: f"class {n}" for n in range(1, classes + 1)}
    with dataset.catalogue.write() as connection:
        rows = [named | {"id": n, "name": name, "name_key": name, "folder": name} for n, name in names.items()]
        connection.execute(sa.insert(db.classes), rows)
    started = time.perf_counter()
    for first in range(1, count + 1, BLOCK):
        ids = np.arange(first, min(first + BLOCK, count + 1))
        of = rng.integers(0, classes, len(ids))
        vectors = centres[of] + 0.7 * rng.standard_normal((len(ids), dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = [
            {**BLANK, "id": n, "class_id": c, "sha256": f"{n:064x}"}
            for n, c in zip(ids.tolist(), (of + 1).tolist(), strict=True)
        ]
        held = [(f"{n:064x}", space, vector.tobytes()) for n, vector in zip(ids.tolist(), vectors, strict=True)]
        with dataset.catalogue.write() as connection:  # as the driver takes it: ten times as fast as `add`
            names = ", ".join(f":{name}" for name in rows[0])
            connection.exec_driver_sql(f"INSERT INTO items ({', '.join(rows[0])}) VALUES ({names})", rows)
            connection.exec_driver_sql("INSERT INTO vectors (sha256, space, vector) VALUES (?, ?, ?)", held)
    spent, version = time.perf_counter() - started, dataset.version
    with dataset.catalogue.write(quiet=True) as connection:  # there are no images to look for
        db.put(connection, embedded_key(space), str(version))
    return spent


def add(dataset: Dataset, space: str, ids: np.ndarray, class_ids: np.ndarray, vectors: np.ndarray) -> None:
    """Write rows and vectors (N, D) as an import does, in one transaction."""
    import sqlalchemy as sa

    from core.catalogue import database as db

    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [
        BLANK | {"id": item, "class_id": class_id, "sha256": f"{item:064x}"}
        for item, class_id in zip(ids.tolist(), class_ids.tolist(), strict=True)
    ]
    with dataset.catalogue.write() as connection:
        connection.execute(sa.insert(db.items), rows)
        vectorstore.add_vectors(
            connection, space, {f"{item:064x}": v for item, v in zip(ids.tolist(), vectors, strict=True)}
        )


def measure(workspace: Workspace, engine: str, url: str) -> dict[str, Any]:
    """One engine over a filled workspace, in this process."""
    import gc

    from core.embedding import opening
    from core.embedding.embedder import load_embedder
    from core.embedding.engine import cores
    from core.embedding.mirror import Mirror
    from core.embedding.recall import measured
    from core.recognition.identify import identify
    from core.recognition.thresholds import thresholds
    from core.recognition.verdicts import answer_to

    opening.LARGE, opening.LISTS = (10**12 if engine == "flat" else 0), 0
    config = workspace.config().with_(
        index_url=url if engine == "milvus" else "", index_kind="fast" if engine == "lists" else "exact"
    )
    workspace.save_config(config)
    threads = cores() if engine == "half" else 1
    bandwidth = _bandwidth(threads)
    dataset, embedder = Dataset(workspace), load_embedder(workspace)
    embedder.embed(np.full((1, *embedder.preprocessing.shape), 255, np.uint8))
    found: dict[str, Any] = {"engine": engine, "bandwidth_GB_s": bandwidth}
    if engine == "milvus":
        mirror = Mirror(dataset, embedder.space, embedder.dimension, url=url)
        found["built_s"], _ = _timed(mirror.follow)
    elif engine != "flat":
        found["built_s"], _ = _timed(lambda: opening.Sources().gallery(dataset, embedder))
    dataset.catalogue.close()
    gc.collect()
    _forget(workspace)
    before = _anonymous()
    found["open_s"], dataset = _timed(lambda: Dataset(workspace))
    sources = opening.Sources()

    def start() -> Any:
        if engine != "flat":  # of a small base every image is looked for, and these have none
            sources.bring_up_to_date(dataset, embedder)
        opened = sources.gallery(dataset, embedder)
        opened.nearest(np.full(embedder.dimension, embedder.dimension**-0.5, np.float32), 1)
        return opened

    found["cold_start_s"], gallery = _timed(start)
    count = len(gallery)
    found["memory_MB"] = _anonymous() - before
    found["calibrated_s"], calibration = _timed(lambda: thresholds(gallery, workspace))
    found["limit_ms"] = 1000 * count * embedder.dimension * BYTES[engine] / (bandwidth * 1e9)

    rng = np.random.default_rng(1)
    with dataset.catalogue.read() as connection:
        truth = measured(connection, embedder.space, rng, count=ASKED)
    found["recall"] = truth.of(lambda queries, k, among: [gallery.nearest(query, k, gallery.select(
        class_ids=None if among.class_ids is None else list(among.class_ids),
        kinds=None if among.kinds is None else list(among.kinds)))[0] for query in queries]).held  # fmt: skip
    searches = [_timed(lambda q=query: gallery.nearest(q, 64))[0] for query in truth.asked.vectors]
    whole, apart = [], []
    before_cpu = time.process_time()
    for picture in _pictures(rng):
        spent, answer = _timed(
            lambda p=picture: identify(p, gallery=gallery, calibration=calibration, embedder=embedder)
        )
        whole.append(spent)
        apart.append((answer.latency_ms["see"] + answer.latency_ms["embed"]) / 1000)
    found["identify_cpu_ms"] = 1000 * (time.process_time() - before_cpu) / len(whole)
    known = [_timed(lambda q=query: answer_to(q, None, gallery, calibration))[0] for query in truth.asked.vectors]
    for name, spent in (("search", searches), ("known", known), ("identify", whole), ("see_embed", apart)):
        found |= _quantiles(name, spent)

    new = np.arange(count + 1, count + 1 + CHANGED)
    vectors = rng.standard_normal((CHANGED, embedder.dimension)).astype(np.float32)
    spent, _ = _timed(lambda: add(dataset, embedder.space, new, np.ones(CHANGED, int), vectors))
    found["added_per_s"] = CHANGED / spent
    spent, _ = _timed(lambda: _relabel(dataset, new))
    found["relabelled_per_s"] = CHANGED / spent
    found["seen_after_s"], _ = _timed(lambda: _seen(sources, dataset, embedder, vectors[0], int(new[0])))
    _remove(dataset, new)
    return found


def _seen(sources: Any, dataset: Dataset, embedder: Any, vector: np.ndarray, item: int) -> None:
    """Return when a new reference, relabelled, is what is found."""
    from core.embedding.mirror import Mirror

    if isinstance(source := sources.of(dataset, embedder), Mirror):
        source.follow()
    gallery = sources.gallery(dataset, embedder)
    ids, _ = gallery.nearest(vector / np.linalg.norm(vector), 1)
    assert ids[0] == item and gallery.classes_of(ids)[0] == 2


def _relabel(dataset: Dataset, ids: np.ndarray) -> None:
    import sqlalchemy as sa

    from core.catalogue import database as db

    with dataset.catalogue.write() as connection:
        of = sa.update(db.items).where(db.items.c.id == sa.bindparam("item"))
        connection.execute(of.values(class_id=2, ver=db.items.c.ver + 1), [{"item": item} for item in ids.tolist()])


def _remove(dataset: Dataset, ids: np.ndarray) -> None:
    import sqlalchemy as sa

    from core.catalogue import database as db

    with dataset.catalogue.write() as connection:
        connection.execute(sa.update(db.items).where(db.items.c.id.in_(ids.tolist())).values(state="trash"))
        connection.execute(sa.delete(db.items).where(db.items.c.id.in_(ids.tolist())))
        connection.execute(
            sa.delete(db.vectors).where(db.vectors.c.sha256.in_([f"{item:064x}" for item in ids.tolist()]))
        )


def _pictures(rng: np.random.Generator) -> list[Image.Image]:
    """Marks of a few strokes."""
    made = []
    for _ in range(PICTURES):
        picture = Image.new("RGB", (300, 200), "white")
        points = [tuple(point) for point in rng.integers(20, 180, (6, 2)).tolist()]
        ImageDraw.Draw(picture).line(points, fill="black", width=5)
        made.append(picture)
    return made


def _bandwidth(threads: int) -> float:
    """GB/s that so many threads read together."""
    parts = [np.ones(64 * 1024 * 1024, np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        spent = min(_timed(lambda: list(pool.map(np.sum, parts)))[0] for _ in range(5))
    return sum(part.nbytes for part in parts) / spent / 1e9


def _forget(workspace: Workspace) -> None:
    """Have the system forget what it holds of the workspace's files."""
    for path in workspace.root.rglob("*"):
        if path.is_file() and hasattr(os, "posix_fadvise"):
            with open(path, "rb") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _anonymous() -> float:
    """MB of this process's own memory."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def _timed(work: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.quantile(np.array(seconds) * 1000, [0.5, 0.95])
    return {f"{name}_p50_ms": float(p50), f"{name}_p95_ms": float(p95)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["flat", "half", "lists"])
    parser.add_argument("--url", default="http://127.0.0.1:19530", help="of the Milvus server")
    parser.add_argument("--folder", type=Path, help="where the workspaces are made, and found again")
    parser.add_argument("--quick", action="store_true", help="ask a fifth as often, and calibrate on a tenth")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        global ASKED, PICTURES
        from core.recognition import thresholds

        ASKED, PICTURES, thresholds.ASKED = ASKED // 5, PICTURES // 3, thresholds.ASKED // 10
    if options.one:
        print(json.dumps(measure(Workspace(options.folder), options.one, options.url)))
        return
    with tempfile.TemporaryDirectory(prefix="burin-scale-") as own:
        for size in options.sizes:
            _one_size(Workspace((options.folder or Path(own)) / str(size)), size, options)


def _one_size(workspace: Workspace, size: int, options: argparse.Namespace) -> None:
    from core.embedding.embedder import load_embedder

    if not workspace.catalogue.exists():
        workspace.root.mkdir(parents=True, exist_ok=True)
        embedder = load_embedder(workspace)
        spent = fill(workspace, size, embedder.space, embedder.dimension)
        disk = workspace.catalogue.stat().st_size / 1e6
        print(f"{size:,} references: filled in {spent:.0f} s, {size / spent:,.0f} a second, {disk:,.0f} MB", flush=True)
    for engine in options.engines:
        command = [sys.executable, __file__, "--one", engine, "--folder", str(workspace.root), "--url", options.url]
        command += ["--quick"] if options.quick else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [
                f"ended by the system ({done.returncode}), of too much memory perhaps"
            ]
            print(f"{size:,} {engine}: {said[-1]}", flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        words = [
            f"{name} {value:,.3g}" if value < 1000 else f"{name} {value:,.0f}"
            for name, value in found.items()
            if name != "engine"
        ]
        print(f"{size:,} {engine}: " + ", ".join(words), flush=True)


if __name__ == "__main__":
    main()
