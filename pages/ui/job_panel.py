"""One job on the screen: progress, time left, Stop, and how it ended. It polls only while the job is active."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from core.ground.job import Job
from core.ground.rights import needed
from pages.ui import people, services
from pages.ui.frame import errors_said
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.refusals import attempt
from pages.ui.state import workbench
from pages.ui.text import esc

POLL_S = 0.7


def last_of(kind: str, key: str | None = None) -> Job | None:
    """The last job of a kind (and ``key``), unless somebody has dismissed it."""
    found = next((job for job in services.jobs().list(kind) if key in (None, job.key)), None)
    return None if found is None or (found.dismissed and not found.active) else found


def job_panel(
    job: Job, *, title: str, key: str, ended: Callable[[Job], None], stages: Mapping[str, str] | None = None
) -> None:
    """Show ``job``; ``ended`` draws what a finished one leaves behind, ``stages`` puts its notes into words.

    The whole page runs again when it ends, and when another job goes on with it: what ``ended`` draws lies in a
    fragment, which by itself would go on showing the job that it was drawn for.
    """
    was_active = job.active

    @st.fragment(run_every=POLL_S if was_active else None)
    def panel() -> None:
        with errors_said():
            now = services.jobs().get(job.id)
            over = (was_active and not now.active) or (now.dismissed and not now.active)
            bench = workbench()
            if over or bench.stale or bench.notices or services.jobs().follower(job.id) is not None:
                st.rerun()
            draw(now)

    def draw(now: Job) -> None:
        with st.container(border=True, key=key):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(title, anchor=False, width="stretch")
                if not now.active:
                    st.button(
                        _("Dismiss"), icon=":material/close:", key=f"{key}.dismiss", type="tertiary", on_click=_dismiss,
                        args=(now.id,), **people.bar(needed(f"job {now.kind}")),
                    )  # fmt: skip
            if now.active:
                _progress(now, stages or {})
                st.button(
                    _("Stopping…") if now.stopping else _("Stop"),
                    icon=":material/stop_circle:",
                    key=f"{key}.stop",
                    on_click=_stop,
                    args=(now.id,),
                    **people.bar(needed(f"job {now.kind}"), disabled=now.stopping),
                )
            else:
                _ending(now)
                ended(now)

    panel()


def _dismiss(job_id: str) -> None:
    with attempt():
        services.jobs().dismiss(job_id)


def _stop(job_id: str) -> None:
    with attempt():
        services.jobs().stop(job_id)


def _progress(job: Job, stages: Mapping[str, str]) -> None:
    if not job.total:
        ahead = job.state == "starting" and any(other.id < job.id for other in services.jobs().active(job.kind))
        st.progress(0.0, _("Another one is at work: this one waits its turn…") if ahead else _("Starting…"))
        return
    parts = [f"{number(job.done)} / {number(job.total)}"]
    if job.eta_s is not None:
        parts.append(time_left(job.eta_s))
    if job.note:
        parts.append(esc(stages.get(job.note, job.note)))
    st.progress(min(job.done / job.total, 1.0), " · ".join(parts))


def time_left(seconds: float) -> str:
    """ "12 seconds left", "3 minutes left"."""
    if seconds < 90:
        n = max(1, round(seconds))
        return ngettext("{n} second left", "{n} seconds left", n).format(n=number(n))
    n = round(seconds / 60)
    return ngettext("{n} minute left", "{n} minutes left", n).format(n=number(n))


def _ending(job: Job) -> None:
    if job.state == "failed":
        st.error(esc(sentence(job.error)) if job.error else _("It failed."), icon=":material/error:")
    elif job.state == "stopped":
        st.warning(_("Stopped. What was done before is kept."), icon=":material/stop_circle:")
    elif job.state == "interrupted":
        st.warning(
            _("Interrupted: its process ended before its work. What was done before is kept."),
            icon=":material/power_off:",
        )
