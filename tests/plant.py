"""Faults that tests plant: a process that dies at its n-th step on the disk, a disk that is full or read-only, and a
request that leaves this machine.

Python tells an audit hook of every file it opens, renames or removes and of every host it calls, and lets the hook
refuse (PEP 578). A hook cannot be taken back, so there is one, which does nothing while nothing is planted.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_CALLS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
_HERE = {"", "localhost", "ip6-localhost", "0.0.0.0", "::"}

Watch = Callable[[str, tuple[Any, ...]], None]
_watches: list[Watch] = []


class Killed(BaseException):
    """What a process that is killed raises in its own stead: nothing of ours catches it."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in tuple(_watches):
        watch(event, arguments)


sys.addaudithook(_hook)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    _watches.append(watch)
    try:
        yield
    finally:
        _watches.remove(watch)


def changes_files(event: str, arguments: tuple[Any, ...]) -> str:
    """The path that this step is about to write, rename or remove; "" where it changes nothing on the disk."""
    if event == "open":
        path, _mode, flags = arguments
        if isinstance(path, int) or not (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return ""
        return os.fsdecode(path)
    return os.fsdecode(arguments[0]) if event in _CHANGES and not isinstance(arguments[0], int) else ""


class Steps:
    """How many steps on the disk were taken, and whether the process `died` at one of them."""

    def __init__(self) -> None:
        self.taken, self.died = 0, False


@contextmanager
def dying_at(step: int) -> Iterator[Steps]:
    """Die in this thread before its ``step``-th change of a file (from 0), or where that is to write over one, with
    that one empty: nothing after it is done, not even what cleans up."""
    steps, thread, emptying = Steps(), threading.get_ident(), False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal emptying
        if emptying or threading.get_ident() != thread or not (path := changes_files(event, arguments)):
            return
        if steps.taken >= step:
            if not steps.died and event == "open" and arguments[2] & os.O_TRUNC:
                emptying = True
                with suppress(OSError):
                    os.truncate(path, 0)
                emptying = False
            steps.died = True
            raise Killed
        steps.taken += 1

    with watching(watch):
        try:
            yield steps
        except Killed:
            assert steps.died
        except Exception:
            if not steps.died:
                raise


def at_every_step(prepare: Callable[[], Any], work: Callable[[Any], object], check: Callable[[Any], None]) -> int:
    """``check(state)`` after ``work(state)`` died at each of its steps, on a new ``state`` each time; how many."""
    step = 0
    while True:
        state = prepare()
        with dying_at(step) as steps:
            work(state)
        check(state)
        if not steps.died:
            return step
        step += 1


@contextmanager
def failing(number: int, *, below: str | os.PathLike[str]) -> Iterator[None]:
    """Every change of a file ``below`` this folder fails with this `errno`: a full or a read-only disk."""
    top = os.fspath(below)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        path = changes_files(event, arguments)
        if path.startswith(top) and event not in ("os.remove", "os.rmdir"):
            raise OSError(number, os.strerror(number), path)

    with watching(watch):
        yield


@contextmanager
def nobody_called(*, into: str = "") -> Iterator[list[str]]:
    """Refuse every call to another host; the hosts that were to be called, also written to the file ``into``."""
    called: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CALLS:
            return
        host = _host(event, arguments)
        if host is not None and not _is_here(host):
            called.append(host)
            if into:
                with open(into, "a", encoding="utf-8") as stream:
                    stream.write(f"{host} ({event})\n")
            raise PermissionError(f"no test may call {host}")

    with watching(watch):
        yield called


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The host that is called by name or number; None for a socket in the file system."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
        return host.decode() if isinstance(host, bytes) else host or ""
    address = arguments[1]
    return str(address[0]) if isinstance(address, tuple) else None


def _is_here(host: str) -> bool:
    if host in _HERE:
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
