"""A budget for the whole process: what takes much memory waits its turn, in order, and nobody is refused.

The jobs of one workspace each have one, and share a lock: only one of them at a time works on what is large. The server
has its own for itself, so that nobody at the screen waits for a job.

Two things in it take nothing twice: who holds some of it already (this thread) goes on at once, so that a step
inside a step never waits for itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from core.ground.locks import locked_file
from core.ground.workspace import Workspace

_TURN_S = 0.2  # for which another process has its turn
_MMAP_THRESHOLD, _FROM_BYTES = -3, 8_000_000  # of mallopt(3); the decoders of Pillow ask for 16 MB at a time


class Budget:
    """At most ``limit`` at a time over all threads; what is larger than all of it waits to be alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._turn: deque[object] = deque()
        self._free = threading.Condition()
        self._own = threading.local()
        self._shared: tuple[Path, int] | None = None

    def share(self, path: Path, *, above: int) -> None:
        """From now on, only one of the processes that share ``path`` holds more than ``above`` at a time, and lets the
        others have their turn after each of its own. The lock ends with its process; where the file cannot be made,
        each process is on its own."""
        self._shared = path, above

    def waits(self, amount: int) -> bool:
        """Whether who takes that much now waits for others of this process."""
        with self._free:
            return bool(self._turn) or (self._used > 0 and self._used + amount > self.limit)

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
        with ExitStack() as stack:
            if self._shared is not None and amount > self._shared[1]:
                with suppress(OSError):
                    self._shared[0].parent.mkdir(parents=True, exist_ok=True)
                    stack.callback(time.sleep, _TURN_S)  # once it is let go
                    stack.enter_context(locked_file(self._shared[0], None))
            yield


# A decoded picture takes 4 bytes a pixel, and its decoding as many again: 64 million pixels stay near 0.5 GB. The
# largest picture finds room in it beside the largest JPEG that is reduced as it is decoded.
PIXELS = Budget(64_000_000)
LARGE = 12_000_000  # pixels: above, one at a time in all jobs of a workspace


def share(workspace: Workspace) -> None:
    """Have the pixels of this job, and of the others of the workspace on this machine, stay within one process's
    memory."""
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    PIXELS.share(workspace.data / "cache" / f"pixels-{machine}.lock", above=LARGE)


def give_back() -> None:
    """Have the system take back what a large picture was in as soon as it is let go.

    glibc learns to keep blocks of up to 32 MB for the next one: 400 MB stayed with a process that had worked on one
    picture of 50 million pixels, and its peak was 200 MB higher. Other systems have no such call, and no such habit.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _FROM_BYTES)
