"""In the process of a server under test: one workspace after another, each as a new process would find it.

A new process takes longer to import the product than most tests take to ask it anything.
"""

from __future__ import annotations

import os
import socket
import threading
import time

REST_S = 15.0
AT_WORK = ("ScriptRunner", "burin-prepare", "burin-queue", "burin-mirror")  # threads that belong to a workspace


def listen(line: int) -> None:
    """Serve the folders that the line names, one after another; each is answered with "+", or "-" where the server
    does not come to rest."""
    with socket.socket(fileno=line) as end, end.makefile("r", encoding="utf-8") as folders:
        end.set_inheritable(False)
        for folder in folders:
            end.sendall(b"+" if _rests() and _serve(folder.removesuffix("\n")) else b"-")


def _rests() -> bool:
    """Wait until nothing of the last workspace is under way any more."""
    until = time.monotonic() + REST_S
    while any(thread.name.startswith(AT_WORK) for thread in threading.enumerate()):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _serve(folder: str) -> bool:
    import streamlit as st

    from core.ground.workspace import ENVIRONMENT
    from pages.server import stack

    st.cache_data.clear()
    st.cache_resource.clear()
    os.environ[ENVIRONMENT] = folder
    stack.follow()
    return True
