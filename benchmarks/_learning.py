"""How the finder and the reader learn: batches made in a process of their own, and the mean of the weights kept."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

KEPT_STEPS = 150

Batch = tuple[np.ndarray, ...]
Fill = Callable[["multiprocessing.Queue[Batch]"], None]
Loss = Callable[..., dict[str, Tensor]]  # of what the network answers, and of what else is in the batch
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Course:
    """How long to learn, ``steps`` or ``minutes``, whichever ends first; the ``fastest`` learning rate; where the
    weights are ``kept``."""

    steps: int
    minutes: float
    fastest: float
    kept: Path


def learn(net: Net, fill: Fill, loss: Loss, weights: dict[str, float], course: Course) -> Net:
    """Let ``net`` learn from what ``fill`` puts into a queue: what it is given first, then what ``loss`` is told beside
    its answer. Gives it with the running mean of its weights (as Polyak and Juditsky 1992)."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    net = net.to(memory_format=torch.channels_last).train()
    mean = {name: value.clone() for name, value in net.state_dict().items()}
    groups = [[p for p in net.parameters() if (p.ndim > 1) == wide] for wide in (True, False)]
    optimiser = torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": 1e-2}, {"params": groups[1], "weight_decay": 0}]
    )
    queue: multiprocessing.Queue[Batch] = multiprocessing.Queue(8)
    maker = multiprocessing.get_context("fork").Process(target=fill, args=(queue,), daemon=True)
    maker.start()
    started, shown = time.perf_counter(), dict.fromkeys(weights, 1.0)
    for step in range(course.steps):
        spent = (time.perf_counter() - started) / (60 * course.minutes)
        for group in optimiser.param_groups:
            group["lr"] = rate(max(step, course.steps * spent), course.steps, most=course.fastest)
        given, *wanted = (torch.from_numpy(part) for part in queue.get())
        parts = loss(net(given.float().contiguous(memory_format=torch.channels_last)), *wanted)
        optimiser.zero_grad()
        torch.stack([weights[name] * value for name, value in parts.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        share = min(0.99, (step + 1) / (step + 10))
        for name, value in net.state_dict().items():
            mean[name].copy_(share * mean[name] + (1 - share) * value if value.is_floating_point() else value)
        shown = {name: 0.98 * value + 0.02 * parts[name].item() for name, value in shown.items()}
        if step % KEPT_STEPS == KEPT_STEPS - 1 or step == course.steps - 1 or spent >= 1:
            torch.save(mean, course.kept)
            print(step + 1, f"{time.perf_counter() - started:.0f} s", shown, flush=True)
        if spent >= 1:
            break
    maker.terminate()
    net.load_state_dict(mean)
    return net.eval()


def rate(step: float, steps: int, *, most: float) -> float:
    """Linear to ``most`` over the first 5 %, then a cosine to a hundredth of it."""
    warm = max(1, round(0.05 * steps))
    if step < warm:
        return most * (step + 1) / warm
    return most * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))
