"""The process of a job: ``python -m core.ground.job_process FOLDER`` does the work of that folder, and says in it how
far that is, that it lives, and how it ended. Starting it is `core.ground.jobs`'s.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.ground.budget import give_back, share
from core.ground.cluster import elsewhere
from core.ground.errors import BurinError, Conflict, LockLost
from core.ground.job import Job, State, publish, read
from core.ground.jobs import JobRunner
from core.ground.keys import keys_of
from core.ground.locks import CONFIRMED_S, Hold, locked
from core.ground.machine_faults import fault_of
from core.ground.rights import Actor
from core.ground.work import goes_anywhere, work_named
from core.ground.workspace import Workspace

Work = Callable[[Workspace, dict[str, Any], "Report", Callable[[], bool]], dict[str, Any] | None]

_IN_TURN = ("import", "export")  # kinds of which one works at a time and the others wait, however many are started
_BEAT_S = 1.0  # between two signs of life
_ENDING_S = 60.0  # for how long a job that has ended tries to say so


class Report:
    """What the work says of itself: ``report(done, total, note)``, and `append` for outcomes."""

    def __init__(self, job: Job) -> None:
        self._lock = threading.Lock()
        self._written = 0.0
        self.job = job

    def __call__(self, done: int, total: int, note: str = "") -> None:
        with self._lock:
            self.job = replace(self.job, done=done, total=total, note=note)
            if time.time() - self._written >= _BEAT_S / 4:
                self._write()

    def append(self, record: dict[str, Any]) -> None:
        """Add one record to the job's outcomes."""
        with self._lock, open(Path(self.job.folder) / "outcomes.jsonl", "a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    def beat(self) -> None:
        with self._lock:
            self._write()

    def begin(self) -> None:
        """Its turn has come."""
        with self._lock:
            self.job = replace(self.job, state="running", started_at=time.time())
            self._write()

    def end(self, **changes: Any) -> None:
        """Publish the outcome, durably."""
        with self._lock:
            self.job = replace(self.job, finished_at=time.time(), beat_at=time.time(), **changes)
            deadline = time.monotonic() + _ENDING_S
            while True:
                try:
                    publish(self.job)
                    return
                except OSError:  # a full disk: room may be made
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(1)

    def _write(self) -> None:
        if self.job.finished_at is None:
            self._written = time.time()
            self.job = replace(self.job, beat_at=self._written)
            with suppress(OSError):  # a full disk: the work may need no room, and the next beat says all of it
                publish(self.job, durable=False)


def _before(workspace: Workspace, job: Job) -> bool:
    """Whether an older job of its kind is still at work, or waits too."""
    return any(other.id < job.id for other in JobRunner(workspace).active(job.kind))


@contextmanager
def _turn(workspace: Workspace, job: Job, stop: Path) -> Iterator[None]:
    """Wait for the turn of a job, and have it in this block: after the older ones of its kind, and while none of them
    works that is not to be seen from here yet. One that is asked to stop waits no more."""
    with ExitStack() as stack:
        while not stop.exists():
            if not _before(workspace, job):
                with suppress(_Busy):
                    stack.enter_context(locked(workspace.jobs / f".{job.kind}.turn", _Busy("")))
                    break
            time.sleep(_BEAT_S / 4)
        yield


class _Busy(Conflict):
    """It is another's turn."""


def _watched(held: Hold, stop: Path, done: threading.Event) -> None:
    """Have the work end at its next safe point where another process may have begun the same."""
    while not done.wait(CONFIRMED_S):
        try:
            held.confirm()
        except LockLost as error:
            print(error, file=sys.stderr, flush=True)
            stop.touch()
            return


def run(folder: Path) -> State:
    """Do the work of a job's folder in this process and publish what becomes of it."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    job = read(folder)
    assert job is not None, f"{folder} holds no job"
    report = Report(replace(job, pid=os.getpid(), beat_at=time.time()))
    report.beat()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_BEAT_S):
            report.beat()

    threading.Thread(target=beat, daemon=True).start()
    stop = folder / "stop"
    workspace = Workspace(request["workspace"], actor=Actor(**request.get("actor", {})))
    try:
        with ExitStack() as stack:
            if job.key is not None:
                if (held := stack.enter_context(keys_of(workspace).working(job.key))) is None:
                    raise Conflict("Another of these is under way: wait for it, or stop it.")
                threading.Thread(target=_watched, args=(held, stop, done), daemon=True).start()
            if job.kind in _IN_TURN:
                stack.enter_context(_turn(workspace, job, stop))
            work: Work = work_named(request["work"])
            if (address := workspace.config().ray_address) and goes_anywhere(work):
                work = elsewhere(address, request["work"], stop)
            give_back()
            share(workspace)
            report.begin()
            result = work(workspace, request["params"], report, stop.exists) or {}
        report.end(state="stopped" if stop.exists() else "succeeded", result=result)
    except BurinError as error:
        values = error.to_json()["values"]
        report.end(state="failed", error_template=error.template, error_values=values)
    except BaseException as error:
        with suppress(OSError):
            (folder / "traceback.txt").write_text(traceback.format_exc(), encoding="utf-8")
        said: BurinError = fault_of(error) or BurinError(
            "The job stopped on an unexpected error ({kind}); its details are in {file}.",
            kind=type(error).__name__,
            file=f"data/jobs/{folder.name}/traceback.txt",
        )
        if isinstance(error, SystemExit) and stop.exists():  # asked to, it took too long, and was ended
            report.end(state="stopped")
        else:
            state = "stopped" if stop.exists() else "failed"
            report.end(state=state, error_template=said.template, error_values=said.values)
    finally:
        done.set()
        if job.key is not None:
            with suppress(BurinError):  # the database is away: the key is free all the same, as the job has ended
                keys_of(workspace).release(job.key, job.id)
        if then := request.get("then"):
            try:
                work_named(then)(Workspace(request["workspace"]))
            except Exception:  # the job has ended as it did; whoever looks next does what comes after
                traceback.print_exc()
    return report.job.state


def _ended_from_outside(*_: object) -> None:
    """Leave the work, once: everybody who looks at a job that does not stop ends it, and what its work says of itself
    on its way out is not to be cut off by the next one."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(max(0, 5 - os.nice(0)))  # the people at the screen go first; one that a job started is no nicer
    signal.signal(signal.SIGTERM, _ended_from_outside)
    ended = run(Path(sys.argv[1]).resolve())
    sys.exit(0 if ended in ("succeeded", "stopped") else 1)
