"""Jobs: long work in a process of its own, its state on disk, so that a reload or a crash loses nothing.

`JobRunner.start` launches ``python -m core.ground.job_process FOLDER``; that child does the work and publishes
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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.ground.errors import BurinError, Conflict, MachineFault, NotFound
from core.ground.job import DISMISSED, Job, here, is_ours, lives, publish, read
from core.ground.keys import Keys, keys_of
from core.ground.workspace import Workspace, new_id, write_atomic

_GRACE_S = 15.0  # what a job that was asked to stop gets before its process is ended
_NEXT = "next"  # in a job's folder: the id of the one that went on with it
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
            command = [sys.executable, "-m", "core.ground.job_process", str(folder)]
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
