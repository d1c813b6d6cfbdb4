"""Who keeps a mirror: a thread that follows the catalogue for as long as a server runs, and the job that compares all.

What is brought over, compared and measured is `core.embedding.mirror`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from core.collection.dataset import Dataset
from core.embedding.mirror import Mirror, mirror_of
from core.ground.errors import BurinError
from core.ground.job_process import Report
from core.ground.rights import Actor
from core.ground.workspace import Workspace

_WAIT_S = 0.5  # between two looks at the outbox
_WAIT_AWAY_S = 5.0  # while the server is away
_LOOK_S = 10.0  # between two looks whether it is there, while nothing changes


class Keeper:
    """Follows the catalogue in a thread of its own until `stop`; ``mirror`` says what is to be kept at the moment
    (None: nothing). A server that is away is asked again until it answers."""

    def __init__(self, mirror: Callable[[], Mirror | None]) -> None:
        self._mirror = mirror
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="burin-mirror", daemon=True)

    def start(self) -> Keeper:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _keep(self) -> None:
        wait, looked = _WAIT_S, 0.0
        while not self._stop.wait(wait):
            wait = _WAIT_AWAY_S
            with suppress(BurinError, OSError):  # said by the page that asks
                if (mirror := self._mirror()) is not None:
                    mirror.keep(self._stop.is_set)
                    if time.monotonic() - looked > _LOOK_S:
                        looked = time.monotonic()
                        mirror.look()
                    wait = _WAIT_S


def run_reconcile(workspace: Workspace, params: dict, report: Report, should_stop: Callable[[], bool]) -> dict:
    """The job: bring over what is lacking, compare everything and repair it, and measure the recall."""
    from core.embedding.embedder import load_embedder

    dataset = Dataset(workspace, actor=Actor())
    mirror = mirror_of(dataset, load_embedder(workspace))
    if mirror is None:
        return {}
    found = mirror.reconcile(should_stop, report=report)
    mirror.drop_others()
    recall = mirror.measure(should_stop)
    return {"differences": asdict(found), "recall": asdict(recall) if recall else None}
