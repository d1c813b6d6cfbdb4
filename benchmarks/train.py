"""What training brings, and how fast, against the plain recipe: one table, one run.

    python benchmarks/train.py [--quick] [--epochs 8] [--minutes 5] [--only NAME ...]

Trains on two thirds of the classes and 70 % of their drawings in the shared data folder (BURIN_SHARED, else
../shared/data beside the checkout) and asks what was held out. What the columns mean is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the training job does

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from _held_out import SHARED, Data, Result  # noqa: E402

from core.embedding.model import EmbeddingNet  # noqa: E402
from core.embedding.weights import resolve  # noqa: E402
from core.ground.config import Preprocessing  # noqa: E402
from core.training.batches import Batch, Images, Loader  # noqa: E402
from core.training.losses import make_loss  # noqa: E402
from core.training.sampling import ClassBatches, plan_sampling  # noqa: E402
from core.training.settings import TrainSettings, gradual  # noqa: E402
from core.training.trainer import Hooks, Trainer  # noqa: E402
from core.variation.policies import PRESETS  # noqa: E402

LEVELS = (0.90, 0.95, 0.97, 0.99)
PLAIN_EPOCHS, PLAIN_RATE, PLAIN_MARGIN = 20, 1e-4, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three epochs, one minute a row, no other losses")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="most that a row may train (the plain recipe longer)"
    )
    parser.add_argument("--only", nargs="*", help="rows whose name holds one of these words")
    options = parser.parse_args()
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        print(f"No real data in {SHARED}: nothing was measured. Set BURIN_SHARED to the folder that holds gravures/.")
        return
    if options.quick:
        options.epochs, options.minutes = 3, 1.0
    data = Data()
    print(data)
    columns = "".join(f"{title:20}" for title in ("closed set", "one shot, seen", "one shot, unseen", "icons, unseen"))
    levels = " / ".join(f"{100 * level:.0f} %" for level in LEVELS)
    print(f"{'':44}{'time':>7}  {columns}time to closed-set {levels}")
    for name, run in rows(options):
        if options.only and not any(word in name for word in options.only):
            continue
        torch.manual_seed(0)
        seconds, result, reached = run(data)
        times = " / ".join("-" if level not in reached else f"{reached[level]:.0f} s" for level in LEVELS)
        print(f"{name:44}{seconds:6.0f}s  {result}  {times}", flush=True)
    if not options.only or "throughput" in options.only:
        throughput(data)


Row = Callable[["Data"], tuple[float, Result, dict[float, float]]]


def rows(options: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """What is measured: a name, and what trains it."""
    limit = 60 * options.minutes
    default = TrainSettings(epochs=options.epochs, unfreezing=gradual(options.epochs))

    def recipe(*, timed: bool = False, **changes: Any) -> Row:
        return lambda data: trained(data, default.with_(**changes), limit, timed=timed)

    yield "plain recipe, ImageNet, whole trunk", lambda data: plain(data, 2 * limit)
    yield (
        "Burin's recipe from that start",
        recipe(
            timed=True, start="imagenet", trunk_rate=1.0, blend=1.0, unfreezing=(), preprocessing=Preprocessing("crop")
        ),
    )
    yield "untrained, as Identify starts", lambda data: untouched(data, default)
    yield "default: hard triplets", recipe(timed=True)
    if options.quick:
        return
    for loss in ("triplet", "multi-similarity", "supervised-contrastive", "proxy-anchor"):
        yield f"default, loss {loss}", recipe(loss=loss)
    yield "default, siamese", recipe(loss="contrastive", model="siamese")
    yield "default, no variation", recipe(policy=None)
    for policy in ("hand-drawn", "sketch-icon"):
        if not default.policy or policy != default.policy["id"]:
            yield f"default, policy {policy}", recipe(policy=PRESETS[policy].to_json())
    yield "default, trained weights alone (blend 1)", recipe(blend=1.0)
    yield "default, head only", recipe(unfreezing=gradual(options.epochs)[:1])


def loader(data: Data, settings: TrainSettings) -> Loader:
    """The batches of a training as the product makes them."""
    originals = [drawing for drawing, kept in zip(data.drawings, data.trained, strict=True) if kept]
    images = Images(originals, settings.preprocessing, varied=settings.policy is not None)
    plan = plan_sampling(
        np.bincount(images.labels).tolist(),
        classes_per_batch=settings.classes_per_batch,
        images_per_class=settings.images_per_class,
    )
    policy = PRESETS[settings.policy["id"]] if settings.policy else None
    policies = {o.folder: policy for o in originals} if policy else None
    return Loader(images, ClassBatches(images.labels, plan, seed=settings.seed), policies=policies, seed=settings.seed)


def trained(
    data: Data, settings: TrainSettings, limit_s: float, *, timed: bool
) -> tuple[float, Result, dict[float, float]]:
    """Train by the product's own loop; ``timed``: measured after every epoch, while the clock stands still."""
    from core.training.siamese import SiameseNet

    batches = loader(data, settings)
    tower = data.started(settings)
    net: Any = SiameseNet(tower) if settings.model == "siamese" else tower
    loss = make_loss(settings, classes=len(batches.images.folders), dimension=tower.dimension, model=net)
    clock: list[float] = [0.0]
    reached: dict[float, float] = {}

    def reach(network: Any) -> None:
        if not timed:
            return
        share = data.closed(network, settings.preprocessing)
        for level in LEVELS:
            if share >= level:
                reached.setdefault(level, clock[0])

    def on_event(event: dict[str, Any]) -> None:
        if event["kind"] == "step":
            clock[0] += settings.batch_size / event["images_per_s"]

    hooks = Hooks(
        on_event=on_event,
        on_epoch=lambda trainer, best: reach(trainer.finished()),
        should_stop=lambda: clock[0] > limit_s,
    )
    trainer = Trainer(net, loss, batches, settings, hooks)
    reach(trainer.finished())
    trainer.run()
    return clock[0], data.ask(trainer.finished(), settings.preprocessing), reached


def untouched(data: Data, settings: TrainSettings) -> tuple[float, Result, dict[float, float]]:
    """The start itself: the levels that it reaches, it reaches after 0 s."""
    net = data.started(settings)
    share = data.closed(net, settings.preprocessing)
    return 0.0, data.ask(net, settings.preprocessing), {level: 0.0 for level in LEVELS if share >= level}


def plain(data: Data, limit_s: float) -> tuple[float, Result, dict[float, float]]:
    """The plain recipe: every layer, random triplets one by one through three forward passes, Adam at 1e-4."""
    preprocessing = Preprocessing("crop")
    drawings, _icons = data.images(preprocessing)
    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=256, pretrained=resolve("", allow_network=False))
    optimizer = torch.optim.Adam(net.parameters(), lr=PLAIN_RATE)
    criterion = torch.nn.TripletMarginLoss(margin=PLAIN_MARGIN)
    rng, rows = np.random.default_rng(0), np.flatnonzero(data.trained)
    seconds = 0.0
    reached: dict[float, float] = {}
    able = [row for row in rows if (data.names[rows] == data.names[row]).sum() > 1]

    def reach() -> None:
        share = data.closed(net.eval(), preprocessing)
        for level in LEVELS:
            if share >= level:
                reached.setdefault(level, seconds)

    reach()
    for _epoch in range(PLAIN_EPOCHS):
        for anchor in rng.permutation(able):
            began = time.perf_counter()
            same = rows[(data.names[rows] == data.names[anchor]) & (rows != anchor)]
            other = rows[data.names[rows] != data.names[anchor]]
            triplet = [anchor, rng.choice(same), rng.choice(other)]
            images = torch.from_numpy(drawings.seen(np.array(triplet))).permute(0, 3, 1, 2)
            # One image a batch: BatchNorm cannot learn from it (`reach` leaves it so) and keeps ImageNet's statistics.
            points = [net(images[i : i + 1]) for i in range(3)]
            loss = criterion(*points)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds += time.perf_counter() - began
            if seconds > limit_s:
                break
        reach()
        if seconds > limit_s:
            break
    return seconds, data.ask(net, preprocessing), reached


def throughput(data: Data, steps: int = 8) -> None:
    """Images a second: the bare step on tensors in memory, the loop on the same ones, and the loader alone."""
    settings = TrainSettings(epochs=1, steps=steps, unfreezing=())
    batches = loader(data, settings)
    first = next(iter(batches.epoch(0)))
    size = len(first.images)

    class Same:
        def __len__(self) -> int:
            return steps

        def epoch(self, epoch: int) -> Iterator[Batch]:
            return iter([first] * steps)

    def bare() -> float:
        net = data.started(settings).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        images = torch.from_numpy(first.images).permute(0, 3, 1, 2)
        times = []
        for _ in range(steps):
            began = time.perf_counter()
            optimizer.zero_grad()
            net(images).square().mean().backward()
            optimizer.step()
            times.append(time.perf_counter() - began)
        return size / float(np.median(times))

    def looped() -> float:
        rates: list[float] = []
        net = data.started(settings)
        loss = make_loss(settings, classes=len(batches.images.folders), dimension=net.dimension)
        Trainer(net, loss, Same(), settings, Hooks(on_event=lambda e: rates.append(e.get("images_per_s", 0)))).run()
        return float(np.median([rate for rate in rates if rate]))

    pairs = [(bare(), looped()) for _ in range(3)]
    began, count = time.perf_counter(), 0
    for batch in batches.epoch(1):
        count += len(batch.labels)
    loading = count / (time.perf_counter() - began)
    one, other = (float(np.median(column)) for column in zip(*pairs, strict=True))
    print(f"\nBare forward + backward + step: {one:.0f} images a second; the loop: {other:.0f} ({other / one:.2f} x);"
          f" the loader alone, varied: {loading:.0f}.")  # fmt: skip


if __name__ == "__main__":
    main()
