"""What the Train and Runs pages do: start, pause, stop, go on, promote, roll back, note, delete, import.

Each is a callback of a button; training, promoting and deleting need the role of a researcher. What went wrong
is said on the next run of the page.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.ground.config import Preprocessing, Role
from core.ground.errors import BurinError
from core.ground.job import Job
from core.ground.workspace import new_id
from core.showcase import tried
from core.training import promotion
from core.training.prepare import Request
from core.training.promoted import Promoted, promoted
from core.training.queue import KIND, NEXT, WORK, Entry, Queue
from core.training.run import Run
from core.training.runs import Runs
from core.training.settings import TrainSettings
from pages.ui import people, services
from pages.ui.data import review
from pages.ui.i18n import _, number, sentence
from pages.ui.state import Notice, workbench
from pages.ui.training import words

PROMOTE = "promote"
RESEARCHER: Role = "researcher"


def runs() -> Runs:
    return Runs(services.workspace())


def found() -> list[Run]:
    """All runs, newest first; a record is read again only when its file was written."""
    folder = runs().folder
    made = []
    for name in sorted(os.listdir(folder), reverse=True) if folder.is_dir() else ():
        with suppress(OSError, BurinError):
            made.append(_run(str(folder), name, (folder / name / "run.json").stat().st_mtime_ns))
    return made


@st.cache_resource(show_spinner=False, max_entries=200)
def _run(folder: str, name: str, stamp: int) -> Run:
    return runs().get(name)


def in_use() -> Promoted | None:
    """The promoted network; None: the encoder as it is before any training."""
    return _in_use(str(services.workspace().root), services.model_stamp())


@st.cache_data(show_spinner=False, max_entries=8)
def _in_use(root: str, stamp: int) -> Promoted | None:
    return promoted(services.workspace())


def allowed() -> bool:
    """Whether this person may train, promote and delete."""
    return people.may(RESEARCHER)


def job() -> Job | None:
    """The training under way, or the last one that was."""
    found = services.jobs().list(KIND)[:1]
    return found[0] if found else None


def run_of(job: Job) -> str:
    """The id of the run that a job trains; "" where it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        request = json.loads((Path(job.folder) / "request.json").read_text(encoding="utf-8"))
        return str(request["params"]["run_id"])
    return ""


def outside(run: Run) -> Job | None:
    """A training that a shell does, told as a job is; None where no process works on the run."""
    if run.state != "running":
        return None
    steps = [line for line in run.metrics() if line["kind"] == "step"]
    note = "paused" if run.paused else "training" if steps else "reading"
    done = int(steps[-1]["step"]) if steps else 0
    at = run.record.created_at
    return Job(
        "",
        KIND,
        str(run.folder),
        state="running",
        done=done,
        note=note,
        created_at=at,
        started_at=at,
        beat_at=time.time(),
    )


def queue() -> Queue:
    return Queue(services.workspace())


def shown() -> str:
    """The id of the run that the Train page shows: the one in the URL, the one under way, or the newest; "" for none."""
    wanted = st.query_params.get("run", "")
    ids = [run.id for run in found()]
    if wanted in ids:
        return wanted
    last = job()
    if last is not None and (last.active or (last.state == "failed" and _never_began(last))):
        return run_of(last)
    return ids[0] if ids else ""


def _never_began(last: Job) -> bool:
    """Whether a job ended before its run was made, and no other run was made since."""
    newest = found()[:1]
    return run_of(last) not in {run.id for run in newest} and all(
        run.record.created_at < last.created_at for run in newest
    )


def start(
    settings: TrainSettings, *, name: str = "", leaks: bool = False, safety: bool = False, seeds: int = 1
) -> None:
    """Start a run of these settings; while others are under way or wait, it is lined up behind them. A further click on
    the same starts nothing. ``leaks`` and ``safety``: train in spite of what the audit or the label safety check
    found; ``seeds``: a run each, one after another, from the settings' own on."""
    from core.evaluation.series import planned

    def act() -> None:
        asked = planned(settings, seeds=seeds)
        whole = Request(
            settings, name=name.strip(), override_leaks=leaks, override_safety=safety,
            series=new_id() if len(asked) > 1 else "",
        )  # fmt: skip
        for place, each in enumerate(asked, 1):
            own = f"{whole.name} {place}/{len(asked)}" if whole.name and len(asked) > 1 else whole.name
            entry = queue().add(replace(whole, settings=each, name=own))
        _go_on_with_queue()
        tried.note(services.workspace(), "train")
        workbench().empty("train.name")
        workbench().empty("train.seeds")
        waiting = [each.id for each in queue().line().waiting]
        if entry.id in waiting:
            at = number(waiting.index(entry.id) + 1)
            text = _("{name} waits for its turn: number {n} in the queue.").format(name=entry.said, n=at)
            workbench().notices.append(Notice(text, ":material/playlist_add_check:"))
        if entry.id not in waiting or len(asked) > len(waiting):  # one of them is under way
            st.query_params["view"] = "run"
            st.query_params.pop("run", None)

    _do(act)


def move(entry: Entry, place: int) -> None:
    """To another place in the queue, from 0."""
    _do(lambda: queue().move(entry.id, place))


def take_out(entry: Entry) -> None:
    _do(lambda: queue().remove(entry.id), _("{name} waits no more.").format(name=entry.said), ":material/close:")


def hold(held: bool) -> None:
    """Let nothing new begin, or let it again."""

    def act() -> None:
        queue().hold(held)
        _go_on_with_queue()

    _do(act)


def _go_on_with_queue() -> None:
    queue().start_next()
    services.follow_queue()


def resume(run: Run) -> None:
    """Go on with a run from its last whole epoch."""

    def act() -> None:
        run.go_on()
        params = {"settings": run.record.settings, "run_id": run.id, "data_dir": run.record.source or None}
        services.jobs().start(KIND, WORK, params, key=KIND, then=NEXT)

    _do(act)


def pause(run: Run) -> None:
    _do(run.pause)


def go_on(run: Run) -> None:
    _do(run.go_on)


def stop(job_id: str, run: Run | None) -> None:
    """Stop after the step under way; the best weights so far are kept. A paused run is woken to stop. ``job_id`` "": a
    shell trains it."""

    def act() -> None:
        if job_id:
            services.jobs().stop(job_id)
        if run is not None:
            run.ask_to_stop()

    _do(act)


def promote(run: Run, *, meant: bool = False) -> None:
    """Start what makes it the model in use, once everything is ready for it; ``meant``: although it is far below."""
    work = "core.training.promotion:run_promotion"
    _do(lambda: services.jobs().start(PROMOTE, work, {"run_id": run.id, "meant": meant}, key=PROMOTE))


def beside(run: Run) -> promotion.Beside | None:
    """The run beside what is in use, as far as that can be told at once."""
    if services.preparation().stage != "ready":
        return None
    embedder, data = services.embedder(), services.dataset()
    if len(data.missing_vectors(embedder.space)) > review.INLINE:
        return None
    return _beside(str(data.workspace.root), run.id, embedder.space, data.version)


@st.cache_resource(show_spinner=False, max_entries=32)
def _beside(root: str, run_id: str, space: str, version: int) -> promotion.Beside | None:
    return promotion.beside(services.dataset(), runs().get(run_id), services.embedder())


def promotion_of(run_id: str) -> Job | None:
    """The last promotion of this run, where it was the last of all."""
    last = next(iter(services.jobs().list(PROMOTE)), None)
    return last if last is not None and run_of(last) == run_id else None


def roll_back() -> None:
    _do(lambda: promotion.roll_back(services.workspace()), _("The model before is in use again."), ":material/undo:")


def delete(run: Run) -> None:
    text = _("{name} is in the trash.").format(name=words.run_name(run))

    def act() -> None:
        runs().delete(run.id)
        st.query_params.pop("run", None)

    _do(act, text, ":material/delete:")


def restore(run_id: str) -> None:
    _do(lambda: runs().restore(run_id), _("The run is back."), ":material/restore_from_trash:")


def note(run: Run, key: str) -> None:
    text = str(st.session_state.get(key, "")).strip()
    _do(lambda: runs().note(run.id, text, shown=run.record.note), _("The note is saved."))


def rename(run: Run, key: str) -> None:
    name = str(st.session_state.get(key, ""))
    _do(lambda: runs().rename(run.id, name, shown=run.record.name), _("The name is saved."))


def bring_in(data: bytes, name: str, preprocessing: Preprocessing | None) -> None:
    """Make a run of a checkpoint; a file that does not fit is refused with its reason. ``preprocessing``: how
    its images are prepared, where the file does not say."""
    from core.training.transfer import import_checkpoint

    def act() -> None:
        run = import_checkpoint(services.workspace(), data, name, preprocessing=preprocessing)
        workbench().empty("runs.import")
        workbench().empty("runs.importing")
        st.query_params["run"] = run.id

    _do(act, _("The checkpoint is a run now."), ":material/upload:")


def _do(act: Callable[[], object], text: str = "", icon: str = ":material/check:") -> None:
    """Check the role, do it, say it; or say why not."""
    bench = workbench()
    try:
        act()
    except BurinError as error:
        text, icon = sentence(error), ":material/error:"
    if text:
        bench.notices.append(Notice(text, icon))
        bench.stale = True  # the button may lie in a part of the page that draws itself
