"""A job as a record and its file: what is known of it, and whether its process is still there.

Starting the work is `core.ground.jobs`, doing it `core.ground.job_process`.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from core.ground.errors import BurinError
from core.ground.workspace import Stamp, stamp_of, temporary, write_atomic

State = Literal["starting", "running", "succeeded", "failed", "stopped", "interrupted"]

DISMISSED = "dismissed"  # a file in the job's folder
_MOST_ENDED = 1000
_ended: dict[Path, tuple[Stamp, Job]] = {}  # file -> its state and what it says, of jobs that are over
_SILENT_S = 60.0  # without a sign of life, and with no process of ours to be seen, a job was interrupted


@dataclass(frozen=True)
class Job:
    """One piece of work: ``done`` of ``total`` (0: not known yet), ``result`` when it succeeded or was
    stopped, ``error`` when it failed. ``host``: the machine that it runs on, which may be another one that shares the
    folder. Times in seconds since 1970."""

    id: str
    kind: str
    folder: str
    key: str | None = None
    state: State = "starting"
    done: int = 0
    total: int = 0
    note: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    beat_at: float = 0.0
    finished_at: float | None = None
    pid: int | None = None
    host: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    error_template: str = ""
    error_values: dict[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")

    @property
    def error(self) -> BurinError | None:
        """Why it failed, as a sentence that the interface can translate."""
        return BurinError(self.error_template, **self.error_values) if self.error_template else None

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the rate so far; None while nothing can be said."""
        if self.state != "running" or not 0 < self.done <= self.total or self.started_at is None:
            return None
        return max(0.0, (self.beat_at - self.started_at) / self.done * (self.total - self.done))

    @property
    def stopping(self) -> bool:
        """Asked to stop, and not stopped yet."""
        return self.active and (Path(self.folder) / "stop").exists()

    @property
    def dismissed(self) -> bool:
        """Whether somebody has seen enough of it."""
        return (Path(self.folder) / DISMISSED).exists()

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """The records that the work appended, in order; only whole lines."""
        with suppress(FileNotFoundError), open(Path(self.folder) / "outcomes.jsonl", encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)


def publish(job: Job, *, durable: bool = True) -> None:
    """Write the job's file in one step; ``durable`` also against a power cut."""
    path = Path(job.folder) / "job.json"
    content = json.dumps(asdict(job), ensure_ascii=False).encode()
    if durable:
        write_atomic(path, content)
        return
    own = temporary(path)
    own.write_bytes(content)
    os.replace(own, path)


def read(folder: Path) -> Job | None:
    """The job of a folder; None where there is none."""
    try:
        path = folder / "job.json"
        stamp = stamp_of(path)
        if (held := _ended.get(path)) is not None and held[0] == stamp:
            return held[1]
        record = json.loads(path.read_text(encoding="utf-8"))
        names = {f.name for f in fields(Job)}
        if record.get("pid") is None and (folder / "pid").exists():  # begun, but not yet heard of
            record["pid"] = int((folder / "pid").read_text(encoding="ascii") or 0) or None
        values = {name: value for name, value in record.items() if name in names}
        job = Job(**values | {"folder": str(folder), "id": folder.name})
        if not job.active:
            if len(_ended) >= _MOST_ENDED:
                _ended.clear()
            _ended[path] = stamp, job
        return job
    except (OSError, ValueError, TypeError):
        return None


def here() -> str:
    """This machine's name."""
    return platform.node()


def _elsewhere(job: Job) -> bool:
    return bool(job.host) and job.host != here()


def lives(job: Job) -> bool:
    """Whether the job's process is there, or may still be: it has just been started, or shows signs of life. Of one on
    another machine only those are seen."""
    silent = time.time() - job.beat_at > _SILENT_S
    if job.pid is None or _elsewhere(job) or os.name == "nt":  # not begun, or no way to look without harm
        return not silent
    try:
        os.kill(job.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not silent or is_ours(job)


def is_ours(job: Job) -> bool:
    """Whether the process of that number is this job's and not a later stranger's, as far as can be seen."""
    if job.pid is None or _elsewhere(job):
        return False
    try:
        return job.id.encode() in Path(f"/proc/{job.pid}/cmdline").read_bytes()
    except OSError:
        return False
