"""The line at the foot of every page: what the last action did, with its Undo, and the work that is under way.

It is always there and always in one place, so that what comes and goes in it covers nothing and moves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.ground.errors import BurinError
from core.ground.job import Job
from core.training.queue import Line, Queue
from core.training.run import Run
from core.training.runs import Runs
from pages.ui import people, services
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.job_panel import time_left
from pages.ui.state import Notice, workbench
from pages.ui.text import esc

OFFERED_S = 60.0  # how long something said stays
POLL_S = 1.5
NAMED = 2  # jobs that are told one by one

# `st.bottom` is made for a chat's input: it keeps a hundred pixels free around one line, and there is no setting for it.
LOW = """<style>
[data-testid="stBottomBlockContainer"] { padding-block: 0.375rem }
[data-testid="stBottom"] { border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent) }
.st-key-frame-status { min-height: 2.5rem }
</style>"""


@dataclass(frozen=True)
class Place:
    """What a kind of job is called, and the page that shows it."""

    title: str
    page: str
    query: dict[str, str] = field(default_factory=dict)


def places() -> dict[str, Place]:
    """By kind of job; one that is not here is told by the page that started it only."""
    train = "pages/model/train.py"
    return {
        "import": Place(_("Import"), "pages/data/library.py", {"view": "add"}),
        "export": Place(_("Export"), "pages/data/library.py", {"view": "export"}),
        "train": Place(_("Training"), train, {"view": "run"}),
        "promote": Place(_("Promotion"), train, {"view": "run"}),
        "augment": Place(_("Writing variants"), "pages/data/augment.py"),
        "safety": Place(_("Checking label safety"), "pages/data/augment.py"),
        "quality": Place(_("Opening every image"), "pages/data/quality.py"),
        "neighbourhood": Place(_("Comparing the images"), "pages/data/quality.py"),
        "backup": Place(_("Backup"), "pages/home/settings.py"),
        "restore": Place(_("Restoring a backup"), "pages/home/settings.py"),
        "views": Place(_("Comparing the ways of seeing"), "pages/home/settings.py"),
        "pictures": Place(_("Reading catalogue pictures"), "pages/data/products.py", {"view": "pictures"}),
        "evaluation": Place(_("Evaluation"), "pages/model/evaluate.py"),
        "reconcile": Place(_("Comparing the search server"), "pages/home/settings.py"),
        "projection": Place(_("UMAP"), "pages/model/embeddings.py"),
    }


def line() -> None:
    """Draw it, in the place that `st.bottom` keeps."""
    st.html(LOW)
    if error := services.preparation().error:  # the collection can be seen and mended all the same
        st.warning(esc(sentence(error)), icon=":material/warning:")
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", key="frame.status", gap="small"):
        with st.container(key="frame.said", width="stretch", gap="xxsmall"):
            _said()
        with st.container(key="frame.work", width="content"):
            _under_way()


# What was said


def _said() -> None:
    bench = workbench()
    said, bench.notices = bench.notices, []
    for notice in said:
        notice.until = time.monotonic() + OFFERED_S
    if said:  # of what was offered before, nobody can tell any more whether it still holds
        bench.offers = said
    bench.offers = [notice for notice in bench.offers if notice.until > time.monotonic()]
    if not bench.offers:
        st.markdown(":gray[:small[:material/check: " + _("Everything is saved.") + "]]")
    for position, notice in enumerate(bench.offers):
        _notice(position, notice)


def _notice(position: int, notice: Notice) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"frame.notice.{position}", gap="small"):
        st.markdown(f"{notice.icon} {esc(notice.text)}", width="content")
        if notice.undoable:
            st.button(
                _("Undo"), key=f"frame.undo.{position}", icon=":material/undo:", on_click=_take_back, args=(notice,),
                **people.bar(),
            )  # fmt: skip
        st.button(
            "", key=f"frame.dismiss.{position}", icon=":material/close:", type="tertiary", help=_("Dismiss"),
            on_click=_dismiss, args=(notice,),
        )  # fmt: skip


def _dismiss(notice: Notice) -> None:
    bench = workbench()
    bench.offers = [other for other in bench.offers if other is not notice]


def _take_back(notice: Notice) -> None:
    try:
        if notice.back is not None:
            notice.back()
        elif notice.entry is not None:
            services.dataset().revert(notice.entry)
        workbench().notices.append(Notice(_("Taken back."), ":material/undo:"))
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))


# What is under way


def _under_way() -> None:
    before, preparing = _read(), services.preparation().active
    jobs, runs, line = before
    read = [before]  # what this run of the page has read already

    @st.fragment(run_every=POLL_S if jobs or runs or preparing or (line.waiting and not line.held) else None)
    def work() -> None:
        progress = services.preparation()
        now, shells, queue = read.pop() if read else _read()
        if preparing and not progress.active:
            st.rerun()  # what the page could not show until now is there
        if progress.active:
            st.markdown(":gray[" + _preparing() + "]")
        for job in now[:NAMED]:
            _job(job)
        for run in shells:
            _training(run)
        if len(now) > NAMED:
            more = len(now) - NAMED
            text = ngettext("and {n} more", "and {n} more", more).format(n=number(more))
            st.markdown(f":gray[:small[{text}]]")
        _queued(queue)

    work()


def _read() -> tuple[Sequence[Job], Sequence[Run], Line]:
    """The jobs at work, what is trained in a shell, and the trainings that wait."""
    jobs = _active()
    return jobs, _in_a_shell(jobs), Queue(services.workspace()).line()


def _active() -> Sequence[Job]:
    known = places()
    return [job for job in services.jobs().active() if job.kind in known]


def _in_a_shell(jobs: Sequence[Job]) -> Sequence[Run]:
    """What is being trained, and by none of these jobs."""
    return () if any(job.kind == "train" for job in jobs) else Runs(services.workspace()).under_way()


def _training(run: Run) -> None:
    place, ended = places()["train"], [line["at"] for line in run.epochs()]
    parts = [place.title, f"{number(len(ended))} / {number(run.settings.epochs)}"]
    if run.paused:
        parts.append(_("paused"))
    elif len(ended) > 1:
        parts.append(time_left((ended[-1] - ended[-2]) * (run.settings.epochs - len(ended))))
    label = " · ".join(parts)
    st.page_link(place.page, label=label, icon=":material/autorenew:", query_params={**place.query, "run": run.id})


def _queued(line: Line) -> None:
    """The trainings that wait."""
    if n := len(line.waiting):
        said = ngettext("{n} training waits", "{n} trainings wait", n).format(n=number(n))
        if line.held:
            said += " · " + _("held")
        st.page_link(
            "pages/model/train.py", label=said, icon=":material/playlist_play:", query_params={"view": "queue"}
        )


def _preparing() -> str:
    progress = services.preparation()
    texts = {
        "waiting": _("Opening the workspace…"),
        "first": _("First start: reading the folders and building the encoder…"),
        "reading": _("Reading the folders…"),
        "embedding": _("Getting the references ready…"),
    }
    if progress.again and progress.stage != "reading":
        texts |= dict.fromkeys(("first", "embedding"), _("Another model is in use: looking at every reference anew…"))
    count = f" {number(progress.done)} / {number(progress.total)}" if progress.total else ""
    return ":material/hourglass: " + texts.get(progress.stage, "") + count


def _job(job: Job) -> None:
    place = places()[job.kind]
    parts = [place.title]
    if job.stopping:
        parts.append(_("Stopping…"))
    elif job.total:
        parts.append(f"{number(job.done)} / {number(job.total)}")
        if job.eta_s is not None:
            parts.append(time_left(job.eta_s))
    else:
        parts.append(_("Starting…"))
    st.page_link(place.page, label=" · ".join(parts), icon=":material/autorenew:", query_params=place.query)
