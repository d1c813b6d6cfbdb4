"""Speed of writing variants and of the preview.

Writing: variants a second of `core.variation.writer`, beside the same policy as an albumentations pipeline
in a bare loop (read, transform, save as PNG) on as many processes; the goal is 0.9 of it or more.
Preview: 24 draws of a 224 px image; the goal is 300 ms at the 95th percentile.

    python benchmarks/augment.py [--originals N] [--per_image N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np
from PIL import Image

from core.ground.workspace import Workspace
from core.variation.augment import preview
from core.variation.policies import PRESETS, Policy, Step
from core.variation.sources import Original, originals_in
from core.variation.transforms import TRANSFORMS, _library
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write

# Only what albumentations does itself, so that both sides do the same work.
POLICY = Policy("bench", "Benchmark", (
    Step("rotate", 0.8), Step("affine", 0.6), Step("perspective", 0.4), Step("optical_distortion", 0.3),
    Step("contrast", 0.5), Step("blur", 0.3), Step("noise", 0.4), Step("jpeg", 0.4),
))  # fmt: skip


def bare_pipeline():
    import cv2

    A = _library()  # without its bridge to torch, which takes longer to load than the benchmark
    cv2.setNumThreads(1)
    fill = {"fill": 255, "border_mode": cv2.BORDER_CONSTANT}
    return A.Compose([
        A.Rotate(limit=(-10, 10), p=0.8, **fill),
        A.Affine(scale=(0.88, 1.08), shear={"x": (-8, 8), "y": (0, 0)}, translate_percent=(-0.04, 0.04), p=0.6, **fill),
        A.Perspective(scale=(0.02, 0.07), p=0.4, **fill),
        A.OpticalDistortion(distort_limit=(-0.4, 0.4), p=0.3, **fill),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.25, p=0.5),
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 2.2), p=0.3),
        A.GaussNoise(std_range=(0.01, 0.05), per_channel=False, p=0.4),
        A.ImageCompression(quality_range=(35, 85), p=0.4),
    ], seed=0)  # fmt: skip


def bare_loop(files: list[str], per_image: int, out: str, ready, go, done) -> None:
    pipeline = bare_pipeline()
    pipeline(image=np.zeros((64, 64, 3), np.uint8))
    ready.wait()
    go.wait()
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            image = np.asarray(opened.convert("RGB"))
        for i in range(per_image):
            Image.fromarray(pipeline(image=image)["image"]).save(Path(out) / f"{os.getpid()}_{number}_{i}.png")
    done.wait()


def bare(originals: list[Original], per_image: int, out: Path, processes: int) -> float:
    """Variants a second of the bare loop; its imports and constructors are not counted."""
    context = multiprocessing.get_context("spawn")
    barriers = [context.Barrier(processes + 1) for _ in range(3)]
    files = [str(o.path) for o in originals]
    out.mkdir(parents=True)
    workers = [
        context.Process(target=bare_loop, args=(files[i::processes], per_image, str(out), *barriers))
        for i in range(processes)
    ]
    for worker in workers:
        worker.start()
    barriers[0].wait()
    started = time.perf_counter()
    barriers[1].wait()
    barriers[2].wait()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return len(originals) * per_image / seconds


def ours(originals: list[Original], per_image: int, out: Path) -> float:
    started = time.perf_counter()
    done = write(Manifest(out), tasks_per_image(originals, per_image), POLICY, safety=None)
    assert done.written == len(originals) * per_image
    return done.written / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--originals", type=int, default=120)
    parser.add_argument("--per_image", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from core.synthesis.sample import make_sample

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        make_sample(workspace)
        originals = originals_in(workspace.raw)[0][: options.originals]
        ours(originals[:4], 1, Path(folder) / "warm")
        rates: dict[str, list[float]] = {"ours": [], "bare": [], "bare, one process": []}
        for i in range(options.rounds):  # in turns: the machine may be busy with other things for a while
            rates["ours"].append(ours(originals, options.per_image, Path(folder) / f"ours{i}"))
            rates["bare"].append(bare(originals, options.per_image, Path(folder) / f"bare{i}", os.cpu_count() or 2))
            print(f"round {i + 1}: {rates['ours'][-1]:.0f} a second, bare loop {rates['bare'][-1]:.0f}", flush=True)
            rates["bare, one process"].append(bare(originals, options.per_image, Path(folder) / f"one{i}", 1))
        best = {name: statistics.median(values) for name, values in rates.items()}
        cores = os.cpu_count() or 2
        print(f"writing variants: {best['ours']:.0f} a second on {cores} cores")
        print(f"bare loop on {cores} processes: {best['bare']:.0f} a second, so {best['ours'] / best['bare']:.2f} x")
        single = best["bare, one process"]
        print(f"bare loop on one process: {single:.0f} a second, so {best['ours'] / single:.2f} x")

        image = originals[0].read().resize((224, 224))
        for policy in PRESETS.values():
            preview(image, policy, n=24)
            times = []
            for seed in range(30):
                started = time.perf_counter()
                preview(image, policy, seed=seed, n=24)
                times.append((time.perf_counter() - started) * 1000)
            print(f"preview of 24 draws, {policy.id}: median {statistics.median(times):.0f} ms, "
                  f"p95 {float(np.quantile(times, 0.95)):.0f} ms")  # fmt: skip
        picture = np.asarray(image)
        for name, entry in TRANSFORMS.items():
            started = time.perf_counter()
            for i in range(20):
                entry.apply(picture, entry.strength(0.7), np.random.default_rng(i))
            print(f"  {name}: {(time.perf_counter() - started) / 20 * 1000:.2f} ms")


if __name__ == "__main__":
    main()
