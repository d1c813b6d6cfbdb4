"""One run on the page: how far it is, its curves as they grow, its scores, what can be done with it, its log.

While it trains, everything below is one fragment that draws itself again; the page itself stays still.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import streamlit as st

from core.ground.errors import BurinError
from core.ground.job import Job
from core.training.run import Run
from core.training.transfer import has_card
from pages.ui import services
from pages.ui.frame import errors_said
from pages.ui.i18n import _, number, sentence
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.training import actions, live_curves, run_actions, run_facts
from pages.ui.training.curves import curves, steps_per_epoch
from pages.ui.training.run_progress import PAUSED, progress
from pages.ui.training.words import facts, mode_name, run_name, run_note, state_badge

POLL_S = 1.0
STEPS_A_SECOND = 5000  # with more steps behind it, a run is looked at less often: reading them takes time too
LOG_LINES = 60


def show(run_id: str, *, key: str) -> None:
    """The run, and while it is trained or promoted, its progress every second."""
    followed = [each for each in _jobs_of(run_id) if each is not None and each.active]
    longest = max((each.done for each in followed), default=0)

    @st.fragment(run_every=POLL_S + longest / STEPS_A_SECOND if followed else None)
    def panel() -> None:
        with errors_said():
            now = _jobs_of(run_id)
            active = {each.id for each in now if each is not None and each.active}
            if workbench().stale or active != {each.id for each in followed}:
                st.rerun()  # something began, ended, or was done that shows elsewhere on the page
            _draw(run_id, *now, key)

    panel()


def _jobs_of(run_id: str) -> tuple[Job | None, Job | None]:
    """The last job that trained this run, and its promotion where that was the last of all."""
    trained = next((job for job in services.jobs().list(actions.KIND) if actions.run_of(job) == run_id), None)
    if trained is None or not trained.active:
        with suppress(BurinError):  # there may be no run yet
            trained = actions.outside(actions.runs().get(run_id)) or trained
    return trained, actions.promotion_of(run_id)


def _draw(run_id: str, job: Job | None, promotion: Job | None, key: str) -> None:
    try:
        run = actions.runs().get(run_id)  # as it is now
    except BurinError:
        if job is None:
            raise
        _before(job, key)
        return
    active = job is not None and job.active
    _head(run, job if active else None)
    records = run.metrics()
    asked = run.settings.steps or (job.total // run.settings.epochs if job is not None and job.total else 0)
    per_epoch = steps_per_epoch(records, asked=asked)
    if job is not None and job.active:
        progress(run, job, records, per_epoch, key=key)
    else:
        _outcome(run, job)
        run_facts.scores(run, records)
        run_actions.show(run, promotion, key=key)
    made = curves(records, steps_per_epoch=per_epoch)
    if made.steps:
        epochs = run.settings.epochs if active else made.steps / per_epoch
        live_curves.draw(made, epochs=epochs, pairs=run.settings.model == "siamese", key=f"{key}.curves")
    run_facts.details(run, key=key)
    _log(run, job, key)


def _before(job: Job, key: str) -> None:
    """The job has no run yet: the images are being read, or it failed before there was one."""
    if not job.active:
        st.error(esc(sentence(job.error)) if job.error else _("It did not begin."), icon=":material/error:")
        return
    st.header(_("Preparing"), anchor=False)
    progress(None, job, (), 1, key=key)


def _head(run: Run, job: Job | None) -> None:
    """``job``: the one that trains it now."""
    state = run.state if job is None else "paused" if run.paused and job.note == PAUSED else "running"
    used = actions.in_use()
    with st.container(gap="xsmall"):
        st.header(esc(run_name(run)), anchor=False)
        badges = [state_badge(state)]
        if used is not None and used.run_id == run.id:
            badges.append(":primary-badge[:material/star: " + _("in use") + "]")
        st.markdown(" ".join(badges) + f" :gray[:small[{esc(facts(run))}]]")
        if run.record.note:
            st.markdown(f":material/sticky_note_2: {esc(run_note(run))}")


def _outcome(run: Run, job: Job | None) -> None:
    """How it ended, in a sentence where that is not simply well."""
    reason = run.reason
    said = esc(sentence(reason)) if reason else ""
    state = run.state
    if state == "failed":
        error = job.error if job is not None else None
        st.error(said or (esc(sentence(error)) if error else _("It failed.")), icon=":material/error:")
    elif state == "collapsed":
        st.error(said or _("All images came to lie on one point, so it was stopped."), icon=":material/compress:")
    elif state == "interrupted":
        st.warning(
            _("Interrupted: its process ended before its work. It can go on from its last whole epoch.")
            if run.resumable
            else _("Interrupted before its first epoch was over: there is nothing to go on from."),
            icon=":material/power_off:",
        )
    elif state == "stopped":
        by_hand = (
            _("Stopped by hand. The best weights so far are kept.")
            if run.best_path.is_file()
            else _("Stopped by hand before its first epoch was over: there is nothing to go on from.")
        )
        st.info(said or by_hand, icon=":material/stop_circle:")
    elif said:
        st.info(said, icon=":material/info:")
    elif run.record.best is None and run.best_path.is_file():
        text = _("Brought in from {name}: evaluate it to know what it is worth here.")
        st.info(
            f"{text.format(name=esc(run.record.source or run.record.name))}{_assumed(run)}", icon=":material/upload:"
        )


def _assumed(run: Run) -> str:
    """What nothing in a plain state dict says, and so was chosen for it."""
    if has_card(run.record.source):
        return ""
    seen = run.settings.preprocessing
    text = _("Nothing in the file says how its images were prepared; this was taken: {mode}, {size} px.")
    return " " + text.format(mode=mode_name(seen.mode), size=number(seen.size))


def _log(run: Run, job: Job | None, key: str) -> None:
    path = run.folder / "log.txt"
    lines = _tail(path) or (_tail(Path(job.folder) / "log.txt") if job is not None else [])
    if lines:
        with st.expander(_("Log"), icon=":material/terminal:", key=f"{key}.log"):
            st.code("\n".join(lines), language=None, height=280)


def _tail(path: Path) -> list[str]:
    """The last lines of a text file; none where there is no such file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return file.read().decode("utf-8", errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []
