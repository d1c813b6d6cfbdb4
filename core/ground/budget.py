"""A budget for the whole process: what takes much memory waits its turn, in order, and nobody is refused.

Processes of one workspace (the server, its jobs) each have one, and share a lock: only one of them at a time works on
what is large.

Two things in it take nothing twice: who holds some of it already (this thread) goes on at once, so that a step
inside a step never waits for itself.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.ground.workspace import Workspace, lock

_LOOK_S = 0.05  # between two looks whether another process is done


class Budget:
    """At most ``limit`` at a time over all threads; what is larger than all of it waits to be alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._turn: deque[object] = deque()
        self._free = threading.Condition()
        self._own = threading.local()
        self._shared: tuple[Path, int] | None = None
        self._pause_s = 0.0

    def share(self, path: Path, *, above: int, yielding: bool = False) -> None:
        """From now on, only one of the processes that share ``path`` holds more than ``above`` at a time. The lock ends
        with its process; where the file cannot be made, each process is on its own. A ``yielding`` one lets the others
        have their turn after each of its own."""
        self._shared = path, above
        self._pause_s = 4 * _LOOK_S if yielding else 0.0

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold ``amount`` while the block runs; waits behind whoever asked before."""
        if getattr(self._own, "held", False):
            yield
            return
        ticket = object()
        with self._free:
            self._turn.append(ticket)
            try:
                self._free.wait_for(
                    lambda: self._turn[0] is ticket and (not self._used or self._used + amount <= self.limit)
                )
            finally:
                self._turn.remove(ticket)
                self._free.notify_all()
            self._used += amount
        self._own.held = True
        try:
            with self._alone(amount):
                yield
        finally:
            self._own.held = False
            with self._free:
                self._used -= amount
                self._free.notify_all()

    @contextmanager
    def _alone(self, amount: int) -> Iterator[None]:
        if self._shared is None or amount <= self._shared[1]:
            yield
            return
        try:
            self._shared[0].parent.mkdir(parents=True, exist_ok=True)
            stream = open(self._shared[0], "ab")  # noqa: SIM115
        except OSError:
            yield
            return
        with stream:
            while True:
                try:
                    lock(stream.fileno())
                    break
                except OSError:
                    time.sleep(_LOOK_S)
            yield
        time.sleep(self._pause_s)


# A decoded picture takes 3 bytes a pixel, and its decoding up to 16 more: 60 million pixels stay below 1.2 GB.
PIXELS = Budget(60_000_000)
LARGE = 12_000_000  # pixels: above, one at a time in all processes of a workspace


def share(workspace: Workspace, *, yielding: bool = False) -> None:
    """Have the pixels of this process and of the others of the workspace stay within one process's memory."""
    PIXELS.share(workspace.data / "cache" / "pixels.lock", above=LARGE, yielding=yielding)
