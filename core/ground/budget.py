"""A budget for the whole process: what takes much memory waits its turn, in order, and nobody is refused.

Two things in it take nothing twice: who holds some of it already (this thread) goes on at once, so that a step
inside a step never waits for itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """At most ``limit`` at a time over all threads; what is larger than all of it waits to be alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._turn: deque[object] = deque()
        self._free = threading.Condition()
        self._own = threading.local()

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
            yield
        finally:
            self._own.held = False
            with self._free:
                self._used -= amount
                self._free.notify_all()


# A decoded picture takes 3 bytes a pixel, and its decoding up to 16 more: 60 million pixels stay below 1.2 GB.
PIXELS = Budget(60_000_000)
