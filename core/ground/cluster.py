"""Ray as the second executor: work that may be done anywhere is done on a machine of a cluster.

The job's own process stays what is seen, stopped and remembered (`core.ground.jobs`): it asks the cluster, and writes
down here how far the work is. Every machine of the cluster has the same Burin, and the workspace at the same path.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.ground.budget import give_back, share
from core.ground.errors import BurinError, MachineFault
from core.ground.extras import need_ray
from core.ground.machine_faults import fault_of
from core.ground.rights import Actor
from core.ground.work import work_named
from core.ground.workspace import Workspace

ATTEMPTS = 4  # at work whose machine or process was lost
_LOOK_S = 0.25  # between two looks whether somebody stops it, and between two words of progress
_REACH_S = 5.0


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ``ray``, connected to the cluster at ``address`` ("head:6379") by way of this machine's own part of
    it. Raises `ExtrasMissing`, and `MachineFault` where there is none."""
    reach(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ours = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, namespace="burin", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _away(address, error) from error
    signal.signal(signal.SIGTERM, ours)
    try:
        yield ray
    finally:
        ray.shutdown()


def reach(address: str) -> None:
    """Raise `ExtrasMissing` without Ray, and `MachineFault` where nothing answers at ``address``."""
    need_ray()
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise _away(address, error) from error


def elsewhere(address: str, name: str, stop: Path) -> Callable[..., dict[str, Any]]:
    """The work ``name``, done on the cluster at ``address`` until the file ``stop`` is there; called as work is, and to
    whoever reads its job the same. A process that is lost is followed by another one, which goes on from what the first
    had done."""

    def work(
        workspace: Workspace, params: dict[str, Any], report: Any, should_stop: Callable[[], bool]
    ) -> dict[str, Any]:
        told: Counter[str] = Counter()
        with connected(address) as ray:
            far = ray.remote(num_cpus=1, max_retries=0)(_far)
            for attempt in range(1, ATTEMPTS + 1):
                words = far.remote(name, str(workspace.root), workspace.actor, params, str(stop))
                try:
                    return _heard(ray, words, report, should_stop, told)
                except (ray.exceptions.RayTaskError, ray.exceptions.TaskCancelledError):
                    raise
                except ray.exceptions.RayError:
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError("the last attempt ended")

    return work


def _heard(ray: Any, words: Any, report: Any, should_stop: Callable[[], bool], told: Counter[str]) -> dict[str, Any]:
    """Write down what the work says of itself until it ends: its result, or its error. ``told``: the outcomes that
    earlier attempts told, which are not told twice."""
    before, begun = told.copy(), False
    while True:
        ready, _ = ray.wait([words], timeout=_LOOK_S)
        if not ready:
            if should_stop() and not begun:  # it still waits for a machine
                ray.cancel(words)
                return {}
            continue
        begun = True
        kind, *said = ray.get(next(words))
        if kind == "progress":
            report(*said)
        elif kind == "outcome":
            text = json.dumps(said[0], sort_keys=True)
            if before[text] > 0:
                before[text] -= 1
            else:
                told[text] += 1
                report.append(said[0])
        elif kind == "result":
            return said[0]
        elif kind == "refused":
            raise said[0]
        else:  # an error of its own kind, which need not be known here
            raise type(said[0], (Exception,), {})(said[1])


def _far(name: str, root: str, actor: Actor, params: dict[str, Any], stop: str) -> Iterator[tuple]:
    """On the cluster: do the work, and say how far it is."""
    words: queue.SimpleQueue[tuple] = queue.SimpleQueue()

    def work() -> None:
        told = _Told(words)
        try:
            workspace = Workspace(root, actor=actor)
            give_back()
            share(workspace)
            result = work_named(name)(workspace, params, told, Path(stop).exists) or {}
            told.last()
            words.put(("result", result))
        except BurinError as error:
            words.put(("refused", error))
        except BaseException as error:
            fault = fault_of(error)
            words.put(("refused", fault) if fault else ("failed", type(error).__name__, traceback.format_exc()))

    threading.Thread(target=work, daemon=True).start()
    while True:
        word = words.get()
        yield word
        if word[0] not in ("progress", "outcome"):
            return


class _Told:
    """A `core.ground.job_process.Report` whose reader is on another machine."""

    def __init__(self, words: queue.SimpleQueue[tuple]) -> None:
        self._words, self._said = words, 0.0
        self._held: tuple[Any, ...] = ()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self._held = ("progress", done, total, note)
        if time.monotonic() - self._said >= _LOOK_S:
            self.last()

    def append(self, record: dict[str, Any]) -> None:
        self._words.put(("outcome", record))

    def last(self) -> None:
        """Say what was held back."""
        held, self._held = self._held, ()
        if held:
            self._said = time.monotonic()
            self._words.put(held)


def _away(address: str, error: Exception) -> MachineFault:
    why = (getattr(error, "strerror", None) or str(error)).strip().splitlines()
    return MachineFault(
        "The cluster at {address} does not answer from here ({why}): nothing was changed. Have Ray run on this machine "
        "too, or empty the address in the settings: the work is then done here.",
        address=address,
        why=why[0] if why else type(error).__name__,
    )
