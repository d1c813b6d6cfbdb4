"""The queue of trainings: what is to be trained, kept on disk, one after another and with nobody at the screen.

`start_next` begins the first that waits as soon as nothing is being trained. A training's process calls it as it ends;
a server calls it every few seconds (`watch`), so that a training goes on whose process was killed, or whose machine was
restarted.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from core.ground.errors import BadInput, BurinError, Conflict, NotFound
from core.ground.job import Job
from core.ground.jobs import JobRunner
from core.ground.locks import locked
from core.ground.rights import Actor
from core.ground.workspace import Workspace, new_id, write_atomic
from core.training.prepare import Request
from core.training.runs import Runs, default_name
from core.training.settings import TrainSettings

KIND = "train"  # of its jobs, and their key: one training at a time
WORK = "core.training.work:run_training"
NEXT = "core.training.queue:start_next"
MOST = 200  # that wait
TRIES = 3  # a training whose process is killed that often is left behind: it may be what kills it
WATCH_S = 5.0
_TURN_S = 10.0  # for how long somebody waits who finds the file in other hands


@dataclass(frozen=True)
class Entry:
    """A training that waits. ``id``: of the run that it becomes; ``params``: what `Request.from_params` reads;
    ``actor``: who asked for it, and with what rights; ``error``: what kept it from beginning, as JSON, where something
    did: it waits no more, and stays to be seen."""

    id: str
    params: dict[str, Any]
    actor: dict[str, Any]
    added_at: float
    tries: int = 0
    error: dict[str, Any] | None = None

    @cached_property
    def settings(self) -> TrainSettings:
        return TrainSettings.from_json(self.params["settings"])

    @property
    def name(self) -> str:
        """What it was called; "" for a name of its own once it is a run."""
        return str(self.params.get("name", ""))

    @property
    def said(self) -> str:
        """A name in any case."""
        return self.name or default_name(self.settings, 0).removeprefix("#0 ")

    @property
    def refused(self) -> BurinError | None:
        return BurinError(self.error["template"], **self.error.get("values", {})) if self.error else None


@dataclass(frozen=True)
class Line:
    """The queue as it is: ``entries`` in their order, those that could not begin among them; ``held``: nothing new
    begins; ``begun``: the one that was begun last, and ``job`` its job."""

    entries: tuple[Entry, ...] = ()
    held: bool = False
    begun: Entry | None = None
    job: str = ""

    @property
    def waiting(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.error is None)


class Queue:
    """The queue of a workspace; what changes it asks for the right "job train" (`NotAllowed`)."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.path = workspace.model / "queue.json"

    def line(self) -> Line:
        """As it is now; a file that cannot be read is an empty queue. One that came with a folder from elsewhere is
        held: nothing begins on this machine that nobody asked for here."""
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            begun = record.get("begun")
            held = bool(record.get("held")) or record.get("place") != self._place()
            return Line(
                tuple(Entry(**entry) for entry in record["entries"]), held,
                Entry(**begun) if begun else None, str(record.get("job", "")),
            )  # fmt: skip
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Line()

    def add(self, request: Request) -> Entry:
        """Line a training up behind the others. Asked for what is under way or waits already, to the seed, it is that
        one: it would come to the same. Raises `BadInput` where too many wait, and for another folder than the
        workspace's own."""
        self.workspace.allow(f"job {KIND}")
        if request.data_dir is not None:
            raise BadInput("A training that waits is one of the workspace's own images.")
        params = {**request.to_params(), "run_id": request.run_id or new_id()}
        with self._turn() as line:
            for entry in (*line.waiting, *([line.begun] if line.begun and _active(self.workspace, line.job) else ())):
                if _told(entry.params) == _told(params):
                    return entry
            if len(line.entries) >= MOST:
                raise BadInput("{most} trainings wait already: that is enough for a queue.", most=MOST)
            entry = Entry(params["run_id"], params, asdict(self.workspace.actor), time.time())
            self._write(replace(line, entries=(*line.entries, entry)))
        return entry

    def remove(self, entry_id: str) -> Entry:
        """Take one out, and return it. Raises `NotFound` where it does not wait any more."""
        self.workspace.allow(f"job {KIND}")
        with self._turn() as line:
            entry = _of(line, entry_id)
            self._write(replace(line, entries=tuple(each for each in line.entries if each is not entry)))
        return entry

    def move(self, entry_id: str, place: int) -> None:
        """Put one at ``place`` (from 0). Raises `NotFound` where it does not wait any more."""
        self.workspace.allow(f"job {KIND}")
        with self._turn() as line:
            entry = _of(line, entry_id)
            rest = [each for each in line.entries if each is not entry]
            rest.insert(max(0, min(place, len(rest))), entry)
            self._write(replace(line, entries=tuple(rest)))

    def hold(self, held: bool) -> None:
        """Let nothing new begin, or let it; what is being trained goes on."""
        self.workspace.allow(f"job {KIND}")
        with self._turn() as line:
            self._write(replace(line, held=held))

    def start_next(self) -> Job | None:
        """Begin the first that waits, in the name of who asked for it; None where nothing waits, the queue is held, or
        something is being trained. What began before and was cut short is gone on with first."""
        if not self.path.exists():
            return None
        with self._turn() as line:
            now = _settled(self.workspace, line)
            job = None
            while not now.held and now.waiting and not _busy(self.workspace):
                entry = now.waiting[0]
                rest = tuple(each for each in now.entries if each is not entry)
                if _is_over(self.workspace, entry):
                    now = replace(now, entries=rest)
                    continue
                runner = JobRunner(self.workspace.acting_as(Actor(**entry.actor)))
                try:
                    started = runner.start(KIND, WORK, {**entry.params, "data_dir": None}, key=KIND, then=NEXT)
                except BurinError as error:
                    now = replace(now, entries=(replace(entry, error=error.to_json()), *rest))
                    continue
                if _run_of(started) == entry.id:  # else somebody was quicker, and it waits on
                    now, job = replace(now, entries=rest, begun=entry, job=started.id), started
                break
            if now != line:
                self._write(now)
        return job

    @property
    def over(self) -> bool:
        """Whether nothing will come of it by itself: nothing waits, or it is held, and what was begun has been seen to
        its end."""
        line = self.line()
        return (line.held or not line.waiting) and line.begun is None

    @contextmanager
    def _turn(self) -> Iterator[Line]:
        """The queue, in nobody else's hands meanwhile; raises `Conflict` where it is for long."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        busy = Conflict("The queue of trainings is in other hands: try again.")
        with locked(self.path.with_name(".queue.lock"), busy, wait_s=_TURN_S):
            yield self.line()

    def _write(self, line: Line) -> None:
        record = {
            "format": 1, "place": self._place(), "held": line.held, "job": line.job,
            "begun": asdict(line.begun) if line.begun else None,
            "entries": [asdict(entry) for entry in line.entries],
        }  # fmt: skip
        write_atomic(self.path, json.dumps(record, ensure_ascii=False, indent=1).encode())

    def _place(self) -> str:
        """What a copy of the workspace elsewhere does not have in common with it."""
        return f"{self.path.parent.stat().st_ino:x}"


def start_next(workspace: Workspace) -> Job | None:
    """What a training's job does as its last: see `Queue.start_next`."""
    return Queue(workspace).start_next()


def watch(workspace: Workspace) -> None:
    """See to it from a thread of this process, one for a workspace, that what waits begins; it ends with the queue."""
    name, queue = f"burin-queue {workspace.root}", Queue(workspace)
    if queue.over or any(thread.name == name for thread in threading.enumerate()):
        return

    def look() -> None:
        while not queue.over:
            with suppress(BurinError, OSError):
                queue.start_next()
            time.sleep(WATCH_S)

    threading.Thread(target=look, name=name, daemon=True).start()


def _of(line: Line, entry_id: str) -> Entry:
    for entry in line.entries:
        if entry.id == entry_id:
            return entry
    raise NotFound("This training does not wait any more.")


def _told(params: Mapping[str, Any]) -> str:
    """What is asked of a training, apart from the run that it becomes and the series that it is of."""
    return json.dumps({**params, "run_id": "", "series": ""}, sort_keys=True)


def _settled(workspace: Workspace, line: Line) -> Line:
    """Once what was begun has ended: first in line again where its process was killed, to be seen where it failed
    before it was a run, forgotten where it is a run that says what became of it."""
    begun = line.begun
    if begun is None or _active(workspace, line.job):
        return line
    now = replace(line, begun=None, job="")
    with suppress(NotFound):  # forgotten long ago
        job = JobRunner(workspace).get(line.job)
        if job.state == "interrupted" and begun.tries + 1 < TRIES and not _is_over(workspace, begun):
            now = replace(now, entries=(replace(begun, tries=begun.tries + 1), *now.entries))
        elif job.state == "failed" and job.error is not None and not _is_run(workspace, begun):
            now = replace(now, entries=(*now.entries, replace(begun, error=job.error.to_json())))
    return now


def _active(workspace: Workspace, job_id: str) -> bool:
    with suppress(NotFound):
        return bool(job_id) and JobRunner(workspace).get(job_id).active
    return False


def _busy(workspace: Workspace) -> bool:
    """Whether something is being trained, by a job or in a shell."""
    return bool(JobRunner(workspace).active(KIND)) or any(run.state == "running" for run in Runs(workspace).list())


def _is_run(workspace: Workspace, entry: Entry) -> bool:
    with suppress(NotFound):
        return bool(Runs(workspace).get(entry.id))
    return False


def _is_over(workspace: Workspace, entry: Entry) -> bool:
    """Whether it has become a run that there is no going on with."""
    with suppress(NotFound):
        return Runs(workspace).get(entry.id).state != "interrupted"
    return False


def _run_of(job: Job) -> str:
    """The id of the run that a job is for."""
    request: Mapping[str, Any] = json.loads((Path(job.folder) / "request.json").read_text(encoding="utf-8"))
    return str(request["params"].get("run_id", ""))
