"""How fast: one identification end to end beside the bare forward, indexing beside the bare batched forward.

    python benchmarks/identify.py [--references 1000 10000 100000] [--rounds 200] [--images 512] [--model FILE]

Everything that is compared is measured in turns in one process, so that a busy machine slows
both sides; read the ratios before the milliseconds. The bare forward is the fastest engine's.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.collection.dataset import Dataset  # noqa: E402
from core.embedding.embedder import CHUNK, Embedder, load_embedder  # noqa: E402
from core.embedding.engine import cores, session  # noqa: E402
from core.embedding.gallery import Gallery, update  # noqa: E402
from core.ground.images import decode  # noqa: E402
from core.ground.preprocessing import see  # noqa: E402
from core.ground.workspace import Workspace  # noqa: E402
from core.recognition.calibrate import calibrate  # noqa: E402
from core.recognition.identify import identify  # noqa: E402

SHARED = Path(os.environ.get("BURIN_SHARED") or ROOT.parent / "shared" / "data")
CLASSES = 200  # of the made-up galleries
LIMIT_MS = 15.0
LIMIT_TIMES = 2.0
LIMIT_SHARE = 0.85

TORCH = "PyTorch, eager"  # measured after the others: its threads go on spinning, and would slow whoever comes next

Forward = Callable[[np.ndarray], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--references", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=200, help="identifications for each size of gallery")
    parser.add_argument("--images", type=int, default=512, help="images to index, six times")
    parser.add_argument("--model", type=Path, help="a trained network; by default the encoder before any training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        files = pictures(options.images)
        embedder = load_embedder(workspace, model=options.model)
        print(f"{platform.machine()}, {cores()} cores, load {_load()} at the start. {embedder.sentence}")
        side = embedder.preprocessing.size
        print(
            f"{len(files)} different pictures, {embedder.preprocessing.mode} at {side} px, {embedder.dimension} numbers"
        )
        engines = bare_engines(workspace, embedder, options.model)
        latency(files, embedder, engines, options.references, options.rounds)
        indexing(files, workspace, embedder, engines, options.images)
        print(f"load {_load()} at the end")


def pictures(count: int) -> list[bytes]:
    """Real drawings where they are at hand (BURIN_SHARED), else drawn marks; at most ``count``."""
    folder = SHARED / "gravures" / "raw_gravures"
    paths = sorted(folder.rglob("*.png"))
    if paths:
        order = np.random.default_rng(0).permutation(len(paths))[:count]
        return [paths[i].read_bytes() for i in order]
    from core.ground.images import encode_png
    from core.synthesis.sample import sample_images

    return [encode_png(drawn.image) for drawn, _ in zip(sample_images(), range(count), strict=False)]


def bare_engines(workspace: Workspace, embedder: Embedder, model: Path | None) -> dict[str, Forward]:
    """What could run the same network on uint8 (N, S, S, 3), by name."""
    engines: dict[str, Forward] = {"as Burin runs it": embedder.embed}
    for path in (workspace.cache / "engines").glob("*.onnx"):
        for threads in {1, cores()}:
            loaded = session(path.read_bytes(), threads=threads)
            name = f"ONNX Runtime, {threads} thread{'s' if threads > 1 else ''} a forward"
            engines[name] = lambda seen, loaded=loaded: loaded.run(None, {"images": seen})
    engines[TORCH] = load_embedder(workspace, model=model, engine="torch").embed
    return engines


def latency(
    files: list[bytes], embedder: Embedder, engines: dict[str, Forward], references: Iterable[int], rounds: int
) -> None:
    """Milliseconds from an image file's bytes to the answer, in turns with the bare forward."""
    seen = [see(decode(data), embedder.preprocessing)[None] for data in files]
    galleries = {n: made_up(n, embedder, np.concatenate([embedder.embed(s) for s in seen])) for n in references}
    calibrations = {n: calibrate(gallery) for n, gallery in galleries.items()}
    spent: dict[str, list[float]] = {}
    parts: dict[int, list[dict[str, float]]] = {n: [] for n in galleries}

    def timed(name: str, work: Callable[[], object]) -> object:
        started = time.perf_counter()
        result = work()
        spent.setdefault(name, []).append(1000 * (time.perf_counter() - started))
        return result

    def answer(data: bytes, n: int) -> object:
        return identify(decode(data, grey=True), gallery=galleries[n], calibration=calibrations[n], embedder=embedder)

    for round_ in range(-10, rounds):
        if round_ == 0:
            spent.clear()  # the first ones warm up
        i = round_ % len(files)
        for name, forward in engines.items():
            if name != TORCH:
                timed(name, lambda forward=forward, i=i: forward(seen[i]))
        timed("decode", lambda i=i: decode(files[i], grey=True))
        for n in galleries:
            found = timed(f"{n}", lambda n=n, i=i: answer(files[i], n))
            if round_ >= 0:
                parts[n].append(found.latency_ms)

    for image in seen[: max(1, rounds // 4)]:
        timed(TORCH, lambda image=image: engines[TORCH](image))

    best = min(engines, key=lambda name: statistics.median(spent[name]))
    print(f"\nOne image, {rounds} rounds in turns   p50 ms   p95 ms   x bare   limit")
    for name in engines:
        row(f"bare forward, {name}" + ("  <-" if name == best else ""), spent[name])
    for n in galleries:
        within = {part: statistics.median(p[part] for p in parts[n]) for part in ("see", "embed", "search")}
        times = statistics.median(spent[f"{n}"]) / statistics.median(spent[best])
        p50 = statistics.median(spent[f"{n}"])
        verdict = f"<= {LIMIT_MS:g} ms and <= {LIMIT_TIMES:g} x: {_verdict(p50 <= LIMIT_MS and times <= LIMIT_TIMES)}"
        row(f"end to end, {n} references", spent[f"{n}"], f"{times:6.2f}   {verdict if n == 10_000 else ''}")
        inside = ", ".join(f"{part} {value:.2f}" for part, value in within.items())
        print(f"    p50 inside: decode {statistics.median(spent['decode']):.2f}, {inside}")


def made_up(n: int, embedder: Embedder, real: np.ndarray) -> Gallery:
    """A gallery of ``n`` references: real embeddings, each moved a little."""
    rng = np.random.default_rng(n)
    near = real[rng.integers(0, len(real), n)]
    vectors = near + rng.normal(0, 0.5 / np.sqrt(near.shape[1]), near.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kinds = np.full(n, "drawing")
    gallery = Gallery(0, embedder.space, np.arange(1, n + 1), rng.integers(1, CLASSES + 1, n), kinds, vectors)
    assert len(gallery.index) == n  # built now, not in the first answer
    return gallery


def indexing(
    files: list[bytes], workspace: Workspace, embedder: Embedder, engines: dict[str, Forward], count: int
) -> None:
    """Images a second: files to vectors in the catalogue, in turns with the bare batched forward."""
    for i, data in enumerate(files):
        path = workspace.raw / f"class {i % 20}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    dataset = Dataset(workspace)
    dataset.rescan()
    seen = np.stack([see(decode(data), embedder.preprocessing) for data in files])
    pool = ThreadPoolExecutor(cores())

    def batches(forward: Forward, size: int) -> None:
        for start in range(0, len(seen), size):
            forward(seen[start : start + size])

    def side_by_side(forward: Forward, size: int) -> None:
        list(pool.map(lambda start: forward(seen[start : start + size]), range(0, len(seen), size)))

    one = next((f for name, f in engines.items() if name.startswith("ONNX Runtime, 1 ")), embedder.embed)
    bare: dict[str, Callable[[], None]] = {"as Burin runs it": lambda: batches(embedder.embed, len(seen))}
    for name, forward in engines.items():
        if name != "as Burin runs it":
            bare[f"{name}, batches of 32"] = lambda forward=forward: batches(forward, 32)
    bare[f"{cores()} forwards at a time, batches of {CHUNK}"] = lambda: side_by_side(one, CHUNK)
    bare[f"{cores()} forwards at a time, batches of 16"] = lambda: side_by_side(one, 16)

    rates: dict[str, list[float]] = {name: [] for name in (*bare, "embed", "index")}

    def timed(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        rates[name].append(len(seen) / (time.perf_counter() - started))

    for round_ in range(6):
        for name, work in bare.items():
            if not name.startswith(TORCH):
                timed(name, work)
        timed("embed", lambda: list(embedder.embed_images((lambda d=d: decode(d, grey=True)) for d in files)))
        embedder.space = f"round {round_}"  # a space of its own: nothing is embedded yet
        timed("index", lambda: update(dataset, embedder))
    for name in bare:
        if name.startswith(TORCH):
            timed(name, bare[name])

    best = max(bare, key=lambda name: statistics.median(rates[name]))
    middle = {name: statistics.median(rates[name]) for name in rates}
    print(f"\nIndexing {len(files)} images, 6 rounds in turns   images/s   x bare   limit")
    for name in bare:
        print(f"{'bare forward, ' + name + ('  <-' if name == best else ''):<64} {middle[name]:8.0f}")
    for name, label in (("embed", "bytes to vectors"), ("index", "files to vectors in the catalogue")):
        share = middle[name] / middle[best]
        verdict = f">= {LIMIT_SHARE} x: {_verdict(share >= LIMIT_SHARE)}" if name == "index" else ""
        print(f"{label:<64} {middle[name]:8.0f}   {share:6.2f}   {verdict}")


def row(label: str, milliseconds: list[float], rest: str = "") -> None:
    p50, p95 = np.quantile(milliseconds, [0.5, 0.95])
    print(f"{label:<58} {p50:8.2f} {p95:8.2f}   {rest}")


def _verdict(passed: bool) -> str:
    return "pass" if passed else "SHORT"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    main()
