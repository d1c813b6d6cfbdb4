"""Embedding on a cluster: actors that load the network once, and are asked for pictures that were looked at here.

An actor that is lost comes back on another machine and is asked again: a vector depends on its picture alone.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from core.embedding.embedder import Embedder, load_embedder, through
from core.ground.cluster import connected
from core.ground.errors import MachineFault
from core.ground.workspace import Workspace

CHUNK = 64  # pictures sent at once: 1.8 MB of 96 x 96 pixels
AHEAD = 2  # chunks an actor is sent before it has answered, so that it never waits


@contextmanager
def spread(embedder: Embedder, workspace: Workspace) -> Iterator[Embedder]:
    """``embedder``, with its network on every core of the cluster that the settings name; itself where they name none.
    Raises `MachineFault` where the cluster does not answer, or has another network than this machine."""
    address = workspace.config().ray_address
    if not address:
        yield embedder
        return
    with connected(address) as ray:
        kind = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Actor)
        actors = [kind.remote(str(workspace.root)) for _ in range(_cores(ray.available_resources()))]
        if any(space != embedder.space for space in ray.get([actor.space.remote() for actor in actors])):
            raise MachineFault("A machine of the cluster has another network than this one: have the same on all.")
        free: queue.SimpleQueue = queue.SimpleQueue()
        for actor in actors * AHEAD:
            free.put(actor)

        def forward(seen: np.ndarray) -> np.ndarray:
            actor = free.get()
            try:
                return ray.get(actor.embed.remote(seen))
            finally:
                free.put(actor)

        yield through(embedder, forward, at_once=AHEAD * len(actors), chunk=CHUNK)


class _Actor:
    def __init__(self, root: str) -> None:
        self._embedder = load_embedder(Workspace(root), engine="onnxruntime")

    def space(self) -> str:
        return self._embedder.space

    def embed(self, seen: np.ndarray) -> np.ndarray:
        return self._embedder.embed(seen)


def _cores(free: dict[str, float]) -> int:
    return max(1, int(free.get("CPU", 1)))
