"""How the server ends when it is told to: in a moment, and however visitors hold on to it within seconds.

The server beneath (uvicorn) waits for every connection and request without a limit, and Streamlit sets none (1.67): one
visitor who does not take what is sent, as a sleeping laptop does, kept it from ending for ever.
"""

from __future__ import annotations

import faulthandler
import functools
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn

PATIENCE_S = 4  # for answers that are under way; then they are broken off
MOST_S = 8  # until the process ends, whatever it is at; containers are killed after 10


@asynccontextmanager
async def bounded(_app: object) -> AsyncIterator[None]:
    """A lifespan (ASGI): have the server that runs the app end within `MOST_S` of the signal that tells it to."""
    for number in (signal.SIGTERM, signal.SIGINT):
        told = signal.getsignal(number)
        server = getattr(told, "__self__", None)  # there is no other way to the server that Streamlit makes
        if isinstance(server, uvicorn.Server):
            server.config.timeout_graceful_shutdown = PATIENCE_S
            signal.signal(number, functools.partial(_end, server))
    yield


def _end(server: uvicorn.Server, number: int, frame: FrameType | None) -> None:
    if not server.should_exit:
        # Needs no turn among busy threads, and writes into the log what each of them was at.
        with suppress(AttributeError, OSError, ValueError, RuntimeError):  # no log to write to
            faulthandler.dump_traceback_later(MOST_S, exit=True)
    server.handle_exit(number, frame)
