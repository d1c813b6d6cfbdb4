"""A child of a test's that is killed with -9 at a random moment, and what it had said by then.

Children are forked from a server that has imported once what they need, so that a kill costs no imports.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The modules that children work in, and what is slow to import of what they use.
MODULES = ("tests.core.intake.test_kill", "tests.core.training.test_kill", "torch", "timm", "matplotlib.pyplot")

Say = Callable[[str, Any], None]


def killed(
    work: str, *arguments: Any, said: Path, lines_first: int, after_s: float, word: str = ""
) -> list[tuple[str, Any]]:
    """Have a child do ``work`` ("module:function", called with a `Say` and the ``arguments``), kill it ``after_s``
    after so many lines, the last of which begins with ``word``; what it said: words, each with what it was said with.
    ``said``: a file for it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*MODULES])
    said.write_bytes(b"")
    child = context.Process(target=_child, args=(work, str(said), arguments), daemon=True)
    child.start()
    deadline = time.monotonic() + 120
    while child.is_alive() and time.monotonic() < deadline:
        lines = said.read_bytes().split(b"\n")[:-1]
        if len(lines) >= lines_first and lines[-1].startswith(word.encode()):
            break
        time.sleep(0.002)
    time.sleep(after_s)
    child.kill()
    child.join()
    whole = said.read_text("utf-8").split("\n")[:-1]  # the last may be half a line
    return [(first, json.loads(rest)) for first, _, rest in (line.partition(" ") for line in whole)]


def _child(work: str, said: str, arguments: tuple[Any, ...]) -> None:
    handle = os.open(said, os.O_WRONLY | os.O_APPEND)

    def say(word: str, what: Any) -> None:
        os.write(handle, f"{word} {json.dumps(what)}\n".encode())

    module, _, name = work.partition(":")
    try:
        getattr(importlib.import_module(module), name)(say, *arguments)
    except Exception as error:
        say("bad", f"{type(error).__name__}: {error}")
        raise
