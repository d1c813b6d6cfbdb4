"""Which evaluation the Evaluate, Map and Errors pages show, the job that makes it, and whether it is out of date.

The run and the side are in the URL and follow from page to page. The figures themselves are core's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.ground.job import Job
from core.training.promoted import promoted
from pages.ui import leaks, people, services
from pages.ui.i18n import _, ngettext, number
from pages.ui.job_panel import job_panel, last_of
from pages.ui.links import linked_choice
from pages.ui.state import end_page
from pages.ui.training.words import run_name

if TYPE_CHECKING:
    from core.evaluation.report import EvaluationReport
    from core.evaluation.store import Evaluation
    from core.ground.config import Preprocessing
    from core.training.run import Run

SIDES = ("test", "validation")
KIND = "evaluation"


@dataclass(frozen=True)
class Chosen:
    """``run_id`` "" is the encoder in use; ``name`` is it in words."""

    run_id: str
    side: str
    name: str


def side_name(side: str) -> str:
    names = {"train": _("training"), "validation": _("validation"), "test": _("test"), "all": _("every image")}
    return names.get(side, side)


def runs() -> list[Run]:
    """The runs that have weights, newest first."""
    from core.training.runs import Runs

    return [run for run in Runs(services.workspace()).list() if run.best_path.is_file()]


def choose() -> Chosen:
    """The controls: whose answers, and on which side of the split."""
    named = {"": _("The encoder in use"), **{run.id: run_name(run) for run in runs()}}
    run_id = linked_choice(
        st.selectbox,
        _("Model"),
        list(named),
        param="run",
        key="evaluation.run",
        default="",
        sticky=True,
        format_func=lambda name: named.get(name, name),
        label_visibility="collapsed",
        width=300,
    )
    untrained = not run_id and promoted(services.workspace()) is None
    side = linked_choice(
        st.segmented_control,
        _("Side"),
        (*SIDES, "all") if untrained else SIDES,
        param="side",
        key="evaluation.side",
        default=SIDES[0],
        sticky=True,
        required=True,
        format_func=lambda name: side_name(name).capitalize(),
        label_visibility="collapsed",
    )
    return Chosen(run_id or "", side or SIDES[0], named.get(run_id or "", ""))


def open_one(chosen: Chosen) -> Evaluation:
    """The evaluation on disk (it may not be there yet); raises `BurinError` where there is no encoder."""
    from core.evaluation.store import folder_of

    space = "" if chosen.run_id else services.embedder().space
    folder = folder_of(services.workspace(), chosen.run_id, chosen.side, space=space)  # type: ignore[arg-type]
    return at(folder)


def at(folder: Path) -> Evaluation:
    """The evaluation in ``folder``, its parts read once for each time it was made."""
    from core.evaluation.store import Evaluation

    return _read(str(folder), Evaluation(folder).made_at)


@st.cache_resource(show_spinner=False, max_entries=6)
def _read(folder: str, made_at: float) -> Evaluation:
    from core.evaluation.store import Evaluation

    return Evaluation(Path(folder))


def report_of(evaluation: Evaluation) -> EvaluationReport:
    """Its report, with the class names of today."""
    from core.evaluation.report import renamed

    return renamed(evaluation.report, {record.folder: record.name for record in services.dataset().classes()})


def preprocessing_of(chosen: Chosen) -> Preprocessing:
    """What prepares the pictures for this model."""
    from core.training.runs import Runs

    if chosen.run_id:
        return Runs(services.workspace()).get(chosen.run_id).settings.preprocessing
    return services.embedder().preprocessing


def start(chosen: Chosen) -> None:
    """Evaluate in the background; asking twice is asking once."""
    if not people.may("curator"):
        return
    params = {"run": chosen.run_id, "side": chosen.side}
    key = f"{KIND} {chosen.run_id} {chosen.side}"
    services.jobs().start(KIND, "core.evaluation.work:run_evaluation", params, key=key)


def under_way(chosen: Chosen, evaluation: Evaluation) -> bool:
    """The job of this evaluation while it runs, or why the last one gave nothing; whether one runs."""
    key = f"{KIND} {chosen.run_id} {chosen.side}"
    job = last_of(KIND, key)
    if job is not None:
        failed = job.state in ("failed", "interrupted") and job.created_at > evaluation.made_at
        if job.active or failed:
            stages = {
                "looking": _("looking for near-duplicates"),
                "embedding": _("embedding what is new"),
                "asking": _("asking every image"),
                "strokes": _("measuring the strokes"),
                "report": _("writing the report"),
            }
            job_panel(job, title=_("Evaluation"), key="evaluation.job", ended=_nothing, stages=stages)
        return job.active
    return False


def _nothing(job: Job) -> None:
    pass


def opened() -> tuple[Chosen, Evaluation]:
    """The controls, the job, the banner; and the evaluation. Where there is none the page says why, and ends here."""
    if empty():
        end_page()
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = choose()
        place = st.container(width="content")
    evaluation = open_one(chosen)
    progress, banner = st.container(), st.container()  # always there: what comes and goes in them moves nothing below
    with progress:
        running = under_way(chosen, evaluation)
    if not evaluation.exists:
        if not running:
            guide(chosen)
        end_page()
    offered = False
    try:
        if not running:
            with banner:
                offered = outdated(chosen, evaluation)
    finally:  # a damaged one can be made again all the same
        if not offered:
            with place:
                _again(chosen, key="evaluation.start", **people.bar(disabled=running))
    return chosen, evaluation


def _again(chosen: Chosen, *, key: str, **how: Any) -> None:
    st.button(_("Evaluate again"), icon=":material/refresh:", key=key, on_click=start, args=(chosen,), **how)


def guide(chosen: Chosen) -> None:
    """What an evaluation is, where there is none yet."""
    with st.container(border=True):
        st.subheader(_("Not evaluated yet"), anchor=False)
        st.markdown(
            _(
                "Images that the model never learnt from are shown to it one by one, and it answers from the training "
                "originals alone. What it gets wrong is counted, and each mistake can be looked at and corrected here."
            )
        )
        st.button(
            _("Evaluate now"),
            icon=":material/play_arrow:",
            type="primary",
            key="evaluation.first",
            on_click=start,
            args=(chosen,),
            **people.bar(),
        )


def outdated(chosen: Chosen, evaluation: Evaluation) -> bool:
    """Says which labels are others than those that were measured, and offers to measure again; whether it did."""
    data = services.dataset()
    if not evaluation.stale(data):
        return False
    changes = evaluation.changes(data)
    parts = []
    for hashes, said in (
        (changes.relabelled, _("{n} relabelled")),
        (changes.gone, _("{n} gone")),
        (changes.new, _("{n} new")),
    ):
        if hashes:
            parts.append(said.format(n=number(len(hashes))))
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="evaluation.stale"):
        text = _("**Out of date:** the images are not those that were measured any more")
        st.markdown(
            f":material/update: {text} ({', '.join(parts)})." if parts else f":material/update: {text}.",
            width="stretch",
        )
        _again(chosen, key="evaluation.again", type="primary", **people.bar())
    return True


def badge(evaluation: Evaluation) -> str:
    """The leak badge of its scores, as Markdown."""
    from core.training.audit import LeakAudit

    leak = evaluation.report.about.leak
    return leaks.badge(LeakAudit.from_json(leak) if leak else None)


def empty() -> bool:
    """Whether there is nothing to evaluate; then the page has said so."""
    counts = services.dataset().counts()
    if counts.originals - counts.unlabelled:
        return False
    if services.preparation().active:
        st.info(_("Reading the folders…"), icon=":material/hourglass:")
        return True
    st.info(
        _("There are no labelled images to evaluate with yet."),
        title=_("The library is empty"),
        icon=":material/grid_view:",
    )
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})
    return True


def classes_measured(report: EvaluationReport) -> str:
    """What the scores stand on, in a sentence."""
    measured = sum(row.measurable for row in report.classes)
    text = ngettext("{n} image asked", "{n} images asked", report.queries).format(n=number(report.queries))
    references = ngettext("{n} reference", "{n} references", report.references).format(n=number(report.references))
    total = len(report.classes)
    classes = ngettext("{measured} of {n} class can be measured", "{measured} of {n} classes can be measured", total)
    classes = classes.format(measured=number(measured), n=number(total))
    return f"{text} · {references} · {classes}"
