"""Several processes that train one network, as ``torchrun`` starts them; one process alone is a world of one.

Every process sees its share of the classes of each batch, and the loss is taken over the embeddings of all: the
result is that of one process with the whole batch (where BatchNorm learns, each has its own share's). It says
who is who and sends tensors; it trains nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process is ``rank`` of ``size``; ``local`` is its number on its machine, and so of its GPU."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def device(self) -> torch.device:
        """The GPU of this process, or the CPU."""
        import torch

        return torch.device("cuda", self.local) if torch.cuda.is_available() else torch.device("cpu")

    def wrapped(self, net: nn.Module) -> nn.Module:
        """``net`` with gradients averaged over the processes. Made anew whenever other weights begin to train."""
        if self.size == 1:
            return net
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(net, broadcast_buffers=False)

    def gathered(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The batch of all processes, in the order of their ranks; only this one's own rows carry gradients.

        The gradient of a loss over them is this process's share, and `DistributedDataParallel` averages
        the shares: `share` makes their sum of it.
        """
        if self.size == 1:
            return embeddings, labels
        import torch
        from torch import distributed

        everyone = [torch.empty_like(embeddings) for _ in range(self.size)]
        distributed.all_gather(everyone, embeddings.detach().contiguous())
        everyone[self.rank] = embeddings
        everybody = [torch.empty_like(labels) for _ in range(self.size)]
        distributed.all_gather(everybody, labels.contiguous())
        return torch.cat(everyone), torch.cat(everybody)

    def share(self, loss: Tensor) -> Tensor:
        """What to backpropagate, so that the averaged gradients are those of ``loss``."""
        return loss * self.size

    def together(self, value: Any) -> Any:
        """The first process's ``value`` (a small one), in every process."""
        if self.size == 1:
            return value
        from torch import distributed

        held = [value]
        distributed.broadcast_object_list(held, src=0)
        return held[0]


@contextmanager
def joined() -> Iterator[World]:
    """The world that ``torchrun`` describes in the environment, joined while the block runs; else a world of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    import torch
    from torch import distributed

    world = World(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    if torch.cuda.is_available():
        torch.cuda.set_device(world.local)
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield world
    finally:
        distributed.destroy_process_group()
