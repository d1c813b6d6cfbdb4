"""What the model says of the whole collection, made once per state of it and shared by every session.

The labelling queue, the quality lists and the table read it. While the encoder is not ready, or a
large base is still being compared, there are no predictions, and the pages work without them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.ground.errors import BurinError
from pages.ui import services
from pages.ui.i18n import _
from pages.ui.job_panel import job_panel

if TYPE_CHECKING:
    from core.ground.job import Job
    from core.review.neighbourhood import Contents, Neighbourhood
    from core.review.predictions import Labels, Predictions, References

INLINE = 200  # images embedded while the page waits; more are a job
LARGE = 20_000  # images from which `recent` opinions will do: a fresh one takes two seconds at 100,000
RECENT_S = 60.0
ASKED = 100
JOBS = ("index", "neighbourhood")


@dataclass(frozen=True)
class Opinion:
    """The labels at one version, what the neighbours say of them, and the references to propose from. ``asked``: what
    was proposed, by the contents that were asked about, at most `ASKED` times."""

    labels: Labels
    predictions: Predictions
    references: References
    asked: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False, repr=False)


def space() -> str | None:
    """The space of the workspace's encoder; None while there is none to ask."""
    if services.preparation().active:
        return None
    try:
        return services.embedder().space
    except BurinError:
        return None


def opinion() -> Opinion:
    """What is known now; embeds a few new images, and starts a job for many."""
    data, where = services.dataset(), space()
    root = str(data.workspace.root)
    if where is None:
        return _without(root, data.version)
    from core.review.neighbourhood import count

    size = count(data, where)
    if _embed_what_is_new(where, size):
        size = count(data, where)
    return _opinion(root, where, size, data.version, ended())


def recent() -> Opinion:
    """`opinion`, or in a large base that of up to a minute ago: to propose from, not to list from."""
    held = _held(str(services.dataset().workspace.root), space())
    stale = held.ended != ended() or time.monotonic() - held.at > RECENT_S
    if held.opinion is None or len(held.opinion.labels) < LARGE or stale:
        held.opinion, held.at, held.ended = opinion(), time.monotonic(), ended()
    return held.opinion


def compared(where: str | None = None) -> Neighbourhood | None:
    """Every image with those most like it, as far as they were compared; None while there is nothing. Starts what
    is missing. ``where``: the space of another encoder than the one in use, of what was embedded in it."""
    from core.review.neighbourhood import count

    data, own = services.dataset(), space()
    where = where or own
    if where is None:
        return None
    if where == own:
        _embed_what_is_new(where, count(data, where))
    held = _neighbourhood(str(data.workspace.root), where, count(data, where), ended())
    return held if len(held.sha256) else None


@dataclass
class _Held:
    """The last opinion, when it was formed (monotonic seconds), and the `ended` of then."""

    opinion: Opinion | None = None
    at: float = 0.0
    ended: float = 0.0


@st.cache_resource(show_spinner=False, max_entries=4)
def _held(root: str, where: str | None) -> _Held:
    return _Held()


@contextmanager
def jobs_under_way() -> Iterator[None]:
    """Above what is drawn inside: the panels of the jobs that its predictions wait for, of those too that it starts.
    The page runs again when they end."""
    place = st.container()
    yield
    if services.preparation().active:  # it has a line of its own
        return
    titles = {"index": _("Getting the references ready"), "neighbourhood": _("Comparing every image with every other")}
    with place:
        for job in under_way():
            job_panel(job, title=titles[job.kind], key=f"review.{job.kind}", ended=lambda job: None)


def under_way() -> list[Job]:
    """The jobs that predictions wait for, at most one of each kind."""
    active = {job.kind: job for job in services.jobs().active() if job.kind in JOBS}
    return list(active.values())


def ended() -> float:
    """When the last job that predictions wait for came to its end: another value makes what was remembered stale."""
    jobs = (job for job in services.jobs().list() if job.kind in JOBS and not job.active)
    return max((job.finished_at or 0.0 for job in jobs), default=0.0)


def _embed_what_is_new(where: str, size: int) -> bool:
    """Whether some was embedded: of ``size`` contents there are more now."""
    from core.embedding.gallery import update

    data = services.dataset()
    if _nothing_new(str(data.workspace.root), where, size, data.version):
        return False
    missing = len(data.missing_vectors(where))
    if missing > INLINE:
        services.jobs().start("index", "core.embedding.gallery:run_index", {}, key="index")
    elif missing:
        update(data, services.embedder())
        return True
    return False


@st.cache_resource(show_spinner=False, max_entries=4)
def _nothing_new(root: str, where: str, size: int, version: int) -> bool:
    return not services.dataset().missing_vectors(where)


@st.cache_resource(show_spinner=False, max_entries=2)
def _contents(root: str, where: str, size: int) -> Contents:
    from core.review.neighbourhood import Contents

    return Contents.load(services.dataset(), where)


@st.cache_resource(show_spinner=False, max_entries=2)
def _neighbourhood(root: str, where: str, size: int, jobs_ended: float) -> Neighbourhood:
    from core.review import neighbourhood

    held, lacking = neighbourhood.of(services.dataset(), _contents(root, where, size))
    if lacking:
        services.jobs().start(
            "neighbourhood",
            "core.review.neighbourhood:run_neighbourhood",
            {"space": where},
            key=f"neighbourhood {where}",
        )
    return held


@st.cache_resource(show_spinner=False, max_entries=2)
def _opinion(root: str, where: str, size: int, version: int, jobs_ended: float) -> Opinion:
    from core.review.predictions import Labels, References, predict

    labels = Labels.load(services.dataset())
    contents = _contents(root, where, size)
    references = References(contents, labels)
    return Opinion(labels, predict(labels, _neighbourhood(root, where, size, jobs_ended), references), references)


@st.cache_resource(show_spinner=False, max_entries=2)
def _without(root: str, version: int) -> Opinion:
    import numpy as np

    from core.review.neighbourhood import Contents, Neighbourhood
    from core.review.predictions import Labels, References, predict

    labels = Labels.load(services.dataset())
    nothing = Contents("", np.empty(0, "S64"), np.empty((0, 1), np.float32))
    return Opinion(labels, predict(labels, Neighbourhood.empty()), References(nothing, labels))
