"""Garbage collection in a server that has much loaded: what stays is not looked through after every view.

Streamlit can collect after each run of a page, so that memory does not grow. With our libraries and caches loaded that
took two thirds of the processor time of a view; of what is set aside here, nothing.
"""

from __future__ import annotations

import gc
import threading
import time

EVERY_S = 60.0

_turn = threading.Lock()
_next = [0.0]


def settle(*, now: bool = False) -> None:
    """Collect all there is, and set aside what is alive (`gc.freeze`) until this is done again: at once, or where the
    last time is a minute ago. What was set aside is freed all the same when nothing refers to it any more; only of
    circles is the freeing put off until then."""
    if not (now or time.monotonic() >= _next[0]) or not _turn.acquire(blocking=False):
        return
    try:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        _next[0] = time.monotonic() + EVERY_S
    finally:
        _turn.release()
