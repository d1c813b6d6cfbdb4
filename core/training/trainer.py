"""The loop: batch, forward, loss, backward, step, event, stop? Then the epoch is validated.

It knows no files and no images: batches come in, events go out. What is saved, and where, is
`core.training.work`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from core.ground.errors import BurinError
from core.training.batches import Batch
from core.training.distributed import World
from core.training.health import MARGIN, CollapseDetector, Health, active_pairs, active_triplets
from core.training.schedule import make_optimizer, make_scheduler, parameter_groups, rates, set_trained, thawed
from core.training.settings import TRAINED, TrainSettings
from core.training.validation import Scores

if TYPE_CHECKING:
    import torch
    from torch import nn

Event = dict[str, Any]
PAUSE_S = 0.2
_OF_THE_PLAN = ("total_steps", "_schedule_phases")  # of OneCycleLR's state


class Batches(Protocol):
    """What the loop draws from: as many batches in every epoch."""

    def __len__(self) -> int: ...

    def epoch(self, epoch: int) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Checked:
    """What validation found of one state of the weights."""

    scores: Scores
    health: Health


@dataclass(frozen=True)
class Ended:
    """How a training ended, and why where that needs a sentence."""

    state: Literal["finished", "stopped", "collapsed"]
    reason: BurinError | None = None


@dataclass(frozen=True)
class Hooks:
    """What a training asks of those who started it, and tells them.

    ``validate``: the weights as they would be saved -> what they are worth. ``on_event`` gets a dict for each
    step, epoch and thaw; ``on_epoch`` is called when an epoch is done and validated, with whether it is the
    best so far. ``should_stop`` and ``should_pause`` are asked before an epoch and after every step; ``on_pause`` hears
    when the waiting begins (true) and ends.
    """

    validate: Callable[[nn.Module], Checked] | None = None
    on_event: Callable[[Event], None] = lambda event: None
    on_epoch: Callable[[Trainer, bool], None] = lambda trainer, best: None
    should_stop: Callable[[], bool] = lambda: False
    should_pause: Callable[[], bool] = lambda: False
    on_pause: Callable[[bool], None] = lambda waits: None


class Trainer:
    """Trains ``net`` (an `EmbeddingNet`, or a `SiameseNet`) with ``loss``, a module of embeddings and labels."""

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        batches: Batches,
        settings: TrainSettings,
        hooks: Hooks | None = None,
        *,
        world: World | None = None,
    ) -> None:
        import torch

        self.world = world or World()
        self.device = self.world.device()
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loss = loss.to(self.device)
        self.batches, self.settings, self.hooks = batches, settings, hooks or Hooks()
        self.optimizer = make_optimizer(parameter_groups(net, settings, loss), settings)
        self.scheduler = make_scheduler(self.optimizer, settings, steps=self.total_steps)
        self.half = settings.mixed_precision and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half)
        self.start = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        self.average = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        self.margin = float(getattr(loss, "margin", MARGIN))
        self.active = active_pairs if settings.model == "siamese" else active_triplets
        self.epoch = self.step = 0  # done so far
        self.best: tuple[int, float] | None = None  # epoch, value
        self.detector = CollapseDetector()

    @property
    def total_steps(self) -> int:
        return self.settings.epochs * len(self.batches)

    def run(self) -> Ended:
        """Train from `epoch` on to the last one, or until something ends it."""
        while self.epoch < self.settings.epochs:
            ended = Ended("stopped") if self.world.together(self._asked_to_stop()) else self._epoch()
            if ended is not None:
                if self.best is None and ended.state == "stopped":  # what little was learnt is kept
                    self._validate(complete=False)
                return ended
            self.epoch += 1
            self._validate()
            patience = self.settings.patience
            if patience and self.best is not None and self.epoch - 1 - self.best[0] >= patience:
                return Ended("finished", BurinError("No better score, for so many epochs: {epochs}.", epochs=patience))
        return Ended("finished")

    def _epoch(self) -> Ended | None:
        import torch

        set_trained(self.net, self.settings, self.epoch)
        for part in thawed(self.settings, self.epoch):
            self.hooks.on_event({"kind": "thaw", "step": self.step, "epoch": self.epoch, "part": part})
        model = self.world.wrapped(self.net)
        trained = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        began = time.perf_counter()
        for batch in self.batches.epoch(self.epoch):
            embeddings, labels = self._embedded(model, batch)
            loss = self.loss(embeddings, labels)

            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(self.world.share(loss)).backward()
            self.scaler.unscale_(self.optimizer)
            if self.world.size > 1:
                self._undo_share()
            if self.settings.clip_norm:
                torch.nn.utils.clip_grad_norm_([w for w in trained if w.grad is not None], self.settings.clip_norm)
            lr = rates(self.optimizer)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.scheduler.step()
            self._follow()
            self.step += 1

            spent, began = time.perf_counter() - began, time.perf_counter()
            points, value = embeddings.detach().cpu().numpy(), float(loss.detach())
            self._tell(points, labels.cpu().numpy(), loss=value, lr=lr, spent=spent)
            if (reason := self.detector.look(value, points)) is not None:
                return Ended("collapsed", reason)
            if self.world.together(self._asked_to_stop()):
                return Ended("stopped")
        return None

    def _embedded(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings and labels of a batch, of all processes."""
        import torch

        images = torch.from_numpy(batch.images).to(self.device).permute(0, 3, 1, 2)  # channels_last as it lies
        labels = torch.from_numpy(batch.labels).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.half):
            embeddings = model(images)
        return self.world.gathered(embeddings.float(), labels)

    def _tell(self, points: np.ndarray, labels: np.ndarray, *, loss: float, lr: Any, spent: float) -> None:
        """The figures of the step just done."""
        event: Event = {"kind": "step", "step": self.step, "epoch": self.epoch, "loss": loss}
        event["active"] = self.active(points, labels, margin=self.margin)
        event |= {"lr": lr, "images_per_s": len(points) / spent, "memory_mb": memory_mb(self.device)}
        self.hooks.on_event(event)

    def _undo_share(self) -> None:
        """Of the loss's own weights each process has the whole gradient already."""
        for group in self.optimizer.param_groups:
            if group["name"] == "loss":
                for weight in group["params"]:
                    if weight.grad is not None:
                        weight.grad /= self.world.size

    def _follow(self) -> None:
        """Let the averaged weights follow those just trained. The first steps count fully, as in Adam's correction."""
        import torch

        keep = min(self.settings.average, self.step / (self.step + 10))
        with torch.no_grad():
            for name, tensor in self.net.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - keep)
                else:
                    self.average[name].copy_(tensor)

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights as they are validated and saved: averaged, and blended with the start's."""
        blend = self.settings.blend if self.settings.start in TRAINED else 1.0
        if blend == 1:
            return {name: tensor.clone() for name, tensor in self.average.items()}
        return {
            name: self.start[name].lerp(tensor, blend) if tensor.is_floating_point() else tensor.clone()
            for name, tensor in self.average.items()
        }

    def finished(self) -> nn.Module:
        """A network with `weights`, on the CPU, in evaluation mode."""
        import copy

        net = copy.deepcopy(self.net)
        net.load_state_dict(self.weights())
        return net.cpu().eval()

    def _validate(self, *, complete: bool = True) -> None:
        """Validate, and say so; ``complete`` false: in the middle of an epoch."""
        epoch = self.epoch - 1 if complete else self.epoch
        began = time.perf_counter()
        found = (
            self.hooks.validate(self.finished().to(self.device)) if self.hooks.validate and self.world.first else None
        )
        event: Event = {"kind": "epoch", "epoch": epoch, "step": self.step, "complete": complete}
        value = 0.0
        if found is not None:
            event |= {"validation": found.scores.to_json(), "health": found.health.to_json()}
            value = found.scores.value
        value = float(self.world.together(value))
        # Where nothing can be measured, the last epoch is the best.
        best = self.best is None or np.isnan(value) or value >= self.best[1]
        if best:
            self.best = (epoch, value)
        self.hooks.on_event({**event, "best": best, "seconds": time.perf_counter() - began})
        self.hooks.on_epoch(self, best)

    def _asked_to_stop(self) -> bool:
        if self.hooks.should_pause() and not self.hooks.should_stop():
            self.hooks.on_pause(True)
            while self.hooks.should_pause() and not self.hooks.should_stop():
                time.sleep(PAUSE_S)
            self.hooks.on_pause(False)
        return self.hooks.should_stop()

    def state(self) -> dict[str, Any]:
        """All that a later `run` needs to go on as if nothing had happened; plain values and tensors."""
        import torch

        return {
            "epoch": self.epoch,
            "step": self.step,
            "best": list(self.best) if self.best else None,
            "net": self.net.state_dict(),
            "average": self.average,
            "start": self.start if self.settings.blend < 1 else {},
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
        }

    def load_state(self, state: dict[str, Any]) -> None:
        import torch

        self.net.load_state_dict(state["net"])
        for held, name in ((self.average, "average"), (self.start, "start")):
            for key, tensor in state[name].items():
                held[key] = tensor.to(self.device)
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        # With more epochs than before, the rest of the curve is that of the longer training.
        planned = {key: value for key, value in self.scheduler.state_dict().items() if key in _OF_THE_PLAN}
        self.scheduler.load_state_dict(state["scheduler"] | planned)
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step = int(state["epoch"]), int(state["step"])
        self.best = (int(state["best"][0]), float(state["best"][1])) if state["best"] else None
        torch.set_rng_state(state["random"]["cpu"])
        if torch.cuda.is_available() and state["random"]["cuda"]:
            torch.cuda.set_rng_state_all(state["random"]["cuda"])


def memory_mb(device: torch.device) -> float:
    """What the training holds: of the GPU where it runs on one, else of this process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        if sys.platform == "win32":
            return 0.0
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
