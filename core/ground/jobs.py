"""Jobs: long work in a process of its own, its state on disk, so that a reload or a crash loses nothing.

`JobRunner.start` launches ``python -m core.ground.jobs FOLDER``; that child does the work and publishes
what becomes of it. The runner reads the folder and never takes "the process ended" for success.
It knows nothing of what the work is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.ground.budget import give_back, share
from core.ground.cluster import elsewhere
from core.ground.errors import BurinError, Conflict, LockLost, MachineFault, NotFound
from core.ground.job import DISMISSED, Job, State, here, is_ours, lives, publish, read
from core.ground.keys import Keys, keys_of
from core.ground.locks import CONFIRMED_S, Hold, locked
from core.ground.machine_faults import fault_of
from core.ground.rights import Actor
from core.ground.work import goes_anywhere, work_named
from core.ground.workspace import Workspace, new_id, write_atomic

__all__ = ["Job", "JobRunner", "Report", "State", "Work", "run"]

Work = Callable[[Workspace, dict[str, Any], "Report", Callable[[], bool]], dict[str, Any] | None]

_IN_TURN = ("import", "export")  # kinds of which one works at a time and the others wait, however many are started
_BEAT_S = 1.0  # between two signs of life
_GRACE_S = 15.0  # what a job that was asked to stop gets before its process is ended
_NEXT = "next"  # in a job's folder: the id of the one that went on with it
_ENDING_S = 60.0  # for how long a job that has ended tries to say so
_KEPT = 50  # finished jobs that are remembered
_ROOT = Path(__file__).resolve().parents[2]


class JobRunner:
    """Starts, finds and stops the jobs of a workspace, in the name and with the rights of whoever has it in hand; all
    state is in its ``jobs`` folder."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def start(
        self,
        kind: str,
        work: str,
        params: dict[str, Any],
        *,
        key: str | None = None,
        alone: bool = False,
        then: str = "",
    ) -> Job:
        """Start ``work`` ("core.intake.work:run_import") in a child process and return at once.

        It is called there as ``work(workspace, params, report, should_stop)`` and returns a dict
        that fits JSON. While a job with the same ``key`` is active, that one is returned instead. The work is done as
        the person who starts it. ``then``: what the child calls as ``then(workspace)`` once the job has ended, however
        it did. Raises `NotAllowed`; with ``alone``, `Conflict` while another of its kind is active.
        """
        self.workspace.allow(f"job {kind}")
        # nine of ten quick clicks end here, and leave no folder behind even for a moment
        if key is not None and (held := self._keys.holder(key, self._active)) is not None:
            return held
        if alone and self.active(kind):
            raise Conflict("Another of these is under way: wait for it, or stop it.")
        self._forget_old()
        job_id, now = new_id(after=max(self._names(), default="")), time.time()
        folder = self.workspace.jobs / job_id
        request = {"work": work, "params": params, "workspace": str(self.workspace.root), "then": then}
        request["actor"] = asdict(self.workspace.actor)
        try:
            return self._begun(folder, Job(job_id, kind, str(folder), key, created_at=now, beat_at=now), request)
        except (OSError, MachineFault):
            shutil.rmtree(folder, ignore_errors=True)
            if key is not None:
                with suppress(BurinError):
                    self._keys.release(key, job_id)
            raise

    def _begun(self, folder: Path, asked: Job, request: dict[str, Any]) -> Job:
        """Its folder is made and its process started; or the one with the same key, which was quicker."""
        folder.mkdir(parents=True)
        job = replace(asked, host=here())
        write_atomic(folder / "request.json", json.dumps(request, ensure_ascii=False).encode())
        publish(job)
        if job.key is not None and (other := self._keys.take(job.key, job, self._active)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            return other
        with open(folder / "log.txt", "ab") as log:
            own: dict[str, Any] = {"start_new_session": True}  # the server's Ctrl+C and restart do not reach it
            if os.name == "nt":
                own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}  # type: ignore[attr-defined]
            command = [sys.executable, "-m", "core.ground.jobs", str(folder)]
            child = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **own)  # noqa: S603
        (folder / "pid").write_text(str(child.pid), encoding="ascii")
        threading.Thread(target=child.wait, daemon=True).start()  # so that it does not stay as a zombie
        return job

    def again(self, job_id: str, **changes: Any) -> Job:
        """Start the work of a job that has ended once more, with some parameters changed; what was stopped or
        interrupted goes on from what it had done, where the work is made for that.

        Once only: asked again, from whichever page still shows the old job, it answers with the one that was started.
        """
        job = self.get(job_id)
        self.workspace.allow(f"job {job.kind}")
        if (later := self.follower(job_id)) is not None:
            return later
        request = json.loads((Path(job.folder) / "request.json").read_text(encoding="utf-8"))
        later = self.start(
            job.kind, request["work"], {**request["params"], **changes}, key=job.key or job.id,
            then=request.get("then", ""),
        )  # fmt: skip
        write_atomic(Path(job.folder) / _NEXT, later.id.encode())
        return later

    def follower(self, job_id: str) -> Job | None:
        """The job that went on with this one, where there is one."""
        with suppress(OSError, NotFound):
            return self.get((self.workspace.jobs / job_id / _NEXT).read_text(encoding="ascii"))
        return None

    def dismiss(self, job_id: str) -> None:
        """Let a job that has ended be seen no more where the last ones are shown."""
        job = self.get(job_id)
        self.workspace.allow(f"job {job.kind}")
        if not job.active:
            (Path(job.folder) / DISMISSED).touch()

    def get(self, job_id: str) -> Job:
        """The job as it is now; raises `NotFound`. A job whose process is gone is ``interrupted``."""
        if not job_id.isalnum() or (job := read(self.workspace.jobs / job_id)) is None:
            raise NotFound("There is no such job.")
        if not job.active:
            return job
        if job.stopping and time.time() - (Path(job.folder) / "stop").stat().st_mtime > _GRACE_S and is_ours(job):
            with suppress(OSError):
                os.kill(job.pid or 0, signal.SIGTERM)
        if lives(job):
            return job
        job = read(Path(job.folder)) or job  # it may have published its end while we looked
        if job.active:
            job = replace(job, state="stopped" if job.stopping else "interrupted", finished_at=time.time())
            with suppress(OSError):  # whoever looks next writes it down
                publish(job)
        return job

    def list(self, kind: str | None = None) -> Sequence[Job]:
        """The jobs, newest first."""
        found = []
        for name in sorted(self._names(), reverse=True):
            with suppress(NotFound):
                found.append(self.get(name))
        return [job for job in found if kind in (None, job.kind)]

    def active(self, kind: str | None = None) -> Sequence[Job]:
        """The jobs that are starting or running, newest first."""
        return [job for job in self.list(kind) if job.active]

    def stop(self, job_id: str) -> None:
        """Ask a job to stop; it ends at its next safe point and keeps what it has done. One that has not ended after
        `_GRACE_S` is terminated when somebody next looks (`get`). Raises `NotAllowed`."""
        job = self.get(job_id)
        self.workspace.allow(f"job {job.kind}")
        if job.active:
            (Path(job.folder) / "stop").touch()

    def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """The job once it is no longer active, or as it is after ``timeout_s`` (for the shell and tests)."""
        deadline = time.monotonic() + timeout_s
        while (job := self.get(job_id)).active and time.monotonic() < deadline:
            time.sleep(0.05)
        return job

    def _names(self) -> Sequence[str]:
        """The ids of the jobs that are remembered."""
        folder = self.workspace.jobs
        return [entry.name for entry in os.scandir(folder) if entry.name.isalnum()] if folder.is_dir() else []

    @property
    def _keys(self) -> Keys:
        return keys_of(self.workspace)

    def _active(self, job_id: str) -> Job | None:
        with suppress(NotFound):
            return job if (job := self.get(job_id)).active else None
        return None

    def _forget_old(self) -> None:
        for job in [job for job in self.list() if not job.active][_KEPT:]:
            shutil.rmtree(job.folder, ignore_errors=True)


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
