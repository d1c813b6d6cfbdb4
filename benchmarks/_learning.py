"""How the finder and the reader learn: batches made in a process of their own, and the mean of the weights kept; and
how the networks that are shipped learn on."""

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


def shipped(net: Net, exported: Path, sample: Tensor) -> Net:
    """``net`` with the weights of the network that is shipped. Its batch norms were folded into the convolutions before
    them; they take what they see of ``sample`` (N, C, H, W), so that ``net`` answers the same and can learn on."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(exported).graph
    held = {each.name: torch.from_numpy(to_array(each).copy()) for each in graph.initializer}
    named = {name.removeprefix("net."): value for name, value in held.items() if name.startswith("net.")}
    net.load_state_dict(net.state_dict() | named)
    net.eval()
    convolved = [node.input for node in graph.node if node.op_type == "Conv"]
    folded = [(held[weight], held[bias]) for _, weight, bias in convolved if not weight.startswith("net.")]
    parts = [m for m in net.modules() if isinstance(m, nn.Sequential) and len(m) > 1]
    steps = [m for m in parts if isinstance(m[1], nn.BatchNorm2d)]
    for convolution, norm, *_ in steps:  # the graph holds them as they are called, those of one shape in this order
        at = [weight.shape for weight, _ in folded].index(convolution.weight.shape)
        _as_folded(convolution, norm, *folded.pop(at))
    for _, norm, *_ in steps:
        _take(norm, net, sample)
    return net


def _as_folded(convolution: nn.Module, norm: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """The folded weights, and a norm that adds the bias alone."""
    convolution.load_state_dict({"weight": weight})
    one = torch.ones_like(bias)
    plain = {"weight": one, "bias": bias, "running_mean": 0 * one, "running_var": one - norm.eps}
    norm.load_state_dict(norm.state_dict() | plain)


def _take(norm: nn.Module, net: nn.Module, sample: Tensor) -> None:
    """Let ``norm`` answer what it answers now, by the mean and the variance that come to it."""
    came: list[Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, given: came.append(given[0]))
    with torch.no_grad():
        net(sample)
    hook.remove()
    variance, mean = torch.var_mean(came[0], dim=(0, 2, 3))
    taken = {"weight": (variance + norm.eps).sqrt(), "running_mean": mean, "running_var": variance}
    norm.load_state_dict(norm.state_dict() | taken | {"bias": norm.bias + mean})


def rate(step: float, steps: int, *, most: float) -> float:
    """Linear to ``most`` over the first 5 %, then a cosine to a hundredth of it."""
    warm = max(1, round(0.05 * steps))
    if step < warm:
        return most * (step + 1) / warm
    return most * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))
