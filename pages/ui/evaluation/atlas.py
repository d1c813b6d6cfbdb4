"""The embedding map with its controls, and under it the grid of what is selected and what can be done with it.

The selection is the session's one selection of item ids: the Label page, the table and this map show the same.
"""

from __future__ import annotations

from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.ground import extras
from core.ground.job import Job
from pages.ui import contents, people, saved_views, services, widgets
from pages.ui.components import pointmap
from pages.ui.components.pointmap import Pin, Points
from pages.ui.data import selecting
from pages.ui.evaluation import dropped_images, evaluating, mapping
from pages.ui.frame import errors_said
from pages.ui.i18n import _, ngettext, number
from pages.ui.job_panel import job_panel, last_of
from pages.ui.links import linked_choice
from pages.ui.state import workbench

if TYPE_CHECKING:
    from core.evaluation import projection
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

KEY = "embeddings.map"
PAGE = 120
FEWEST = 3  # images worth a map
NAMED = 200  # images that an address to another page names
KIND = "projection"
IN_MEMORY = 16_000_000  # bytes of an archive before it goes to a file


def show() -> None:
    """The page below its title."""
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = evaluating.choose()
        more = st.container(horizontal=True, vertical_alignment="center", width="content")
    under = st.container()  # always there: what comes and goes in it moves nothing below
    evaluation = evaluating.open_one(chosen)
    space = _space(chosen, evaluation)
    if space is None:
        st.info(
            _("The vectors of this run are made when it is evaluated."),
            title=_("Not evaluated yet"),
            icon=":material/query_stats:",
        )
        st.page_link("pages/model/evaluate.py", label=_("Evaluate"), icon=":material/query_stats:")
        return
    made_from = contents.vectors(space)
    if len(made_from) < FEWEST:
        text = (
            _("Getting the references ready…")
            if services.preparation().active
            else _("There are too few images for a map.")
        )
        st.info(text, icon=":material/scatter_plot:")
        return
    with more:
        layout = _layout(made_from, space, chosen.run_id, under)
        pins = dropped_images.pins(chosen, layout, made_from)
        saved_views.menu("embeddings", linked=("run", "side", "layout", "colour"))
    with under:
        dropped_images.pinned_line(chosen)
        if not evaluating.under_way(chosen, evaluation) and evaluation.exists:
            evaluating.outdated(chosen, evaluation)
    points = mapping.points_of(layout, evaluation)
    _live(points, _colour(points), pins)
    pointmap.thumbnails(mapping.thumbs, key=KEY)


def _space(chosen: Chosen, evaluation: Evaluation) -> str | None:
    if chosen.run_id:
        return evaluation.report.about.space if evaluation.exists else None
    return services.embedder().space


def _layout(points: projection.Points, space: str, run_id: str, under: DeltaGenerator) -> projection.Projection:
    """The layout that was chosen; PCA while there is no UMAP yet, the button that makes one, and its job ``under``
    the controls."""
    names = {"pca": "PCA", "umap": "UMAP"}
    method = linked_choice(
        st.segmented_control, _("Layout"), list(names), param="layout", key="embeddings.layout", default="pca",
        required=True, format_func=names.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    if method != "umap":
        return mapping.pca(points)
    made = mapping.umap(points)
    if made is not None:
        return made
    _umap_job(run_id, under)
    from core.evaluation import projection

    last = projection.latest(services.workspace(), space)
    if extras.has_umap():
        under.caption(
            _("PCA is shown until the UMAP is computed.") if last is None
            else _("The last UMAP is shown: what has come since is not in it.")
        )  # fmt: skip
    return last or mapping.pca(points)


def _umap_job(run_id: str, under: DeltaGenerator) -> None:
    if not extras.has_umap():
        under.caption(
            _("UMAP is not installed here, so PCA is shown. In Burin's folder: {command}").format(
                command=f"`{extras.COMMAND}`"
            )
        )
        return
    key = f"{KIND} {run_id}"
    job = last_of(KIND, key)
    running = job is not None and job.active
    if not running:
        st.button(
            _("Compute the UMAP"), icon=":material/scatter_plot:", type="primary", key="embeddings.compute",
            on_click=_start_umap, args=(run_id,),
            **people.bar(help=_("Seconds for hundreds of images, minutes for tens of thousands.")),
        )  # fmt: skip
    stages = {"embedding": _("embedding what is new"), "layout": _("laying out")}
    if job is not None and (running or job.state in ("failed", "interrupted")):
        with under:
            job_panel(
                job,
                title=_("UMAP: PCA is shown until it is there"),
                key="embeddings.job",
                ended=_nothing,
                stages=stages,
            )


def _start_umap(run_id: str) -> None:
    if not people.may("curator"):
        return
    services.jobs().start(KIND, "core.evaluation.work:run_projection", {"run": run_id}, key=f"{KIND} {run_id}")


def _nothing(job: Job) -> None:
    pass


def _colour(points: Points) -> str:
    names = {
        "class": _("Class"),
        "split": _("Side"),
        "correctness": _("Right or wrong"),
        "verdict": _("Verdict"),
        "certainty": _("Certainty"),
        "kind": _("Kind"),
    }
    known = [name for name in names if name in points.colourings]
    return (
        linked_choice(
            st.segmented_control, _("Colour"), known, param="colour", key="embeddings.colour", default="class",
            required=True, format_func=names.__getitem__, label_visibility="collapsed", wrap=True,
        )
        or "class"
    )  # fmt: skip


def _words(colour: str) -> dict[str, str]:
    titles = {
        "class": _("Classes"),
        "split": _("Side of the split"),
        "correctness": _("Right or wrong"),
        "verdict": _("Verdict"),
        "certainty": _("Neighbours’ vote for the label"),
        "kind": _("Kind"),
    }
    return {
        "lasso": _("Lasso"),
        "box": _("Box"),
        "pan": _("Move"),
        "nearer": _("Zoom in"),
        "farther": _("Zoom out"),
        "fit": _("Everything"),
        "map": _("Map of the images: draw around some to select them; arrows move, + and − zoom, Esc clears"),
        "all": _("Show all"),
        "title": titles[colour],
        "count": _("{n} of {total} selected"),
    }


def _live(points: Points, colour: str, pins: list[Pin]) -> None:
    """The map and the grid in one fragment: a lasso runs nothing else."""

    @st.fragment
    def fragment() -> None:
        if workbench().notices:  # something was done: the line at the foot says it, for which the page must run
            st.rerun()
        with errors_said():
            pointmap.draw(points, key=KEY)
            pointmap.listen(
                key=KEY,
                colour=colour,
                selected=workbench().selection,
                pins=pins,
                words=_words(colour),
                on_select=_select,
            )
            _selection(points)

    fragment()


def _select(ids: list[int]) -> None:
    workbench().selection = ids
    st.session_state["embeddings.page"] = 1


def _selection(points: Points) -> None:
    """The grid of exactly what is selected, and what to do with it."""
    data, bench = services.dataset(), workbench()
    on_map = set(points.ids.tolist())
    present = np.isin(bench.selection, contents.labels().item_ids)  # a lasso may hold tens of thousands
    bench.selection = [one for one, there in zip(bench.selection, present.tolist(), strict=True) if there]
    selecting.actions(points.ids.tolist())
    if not bench.selection:
        st.caption(_("Draw around some points to see their images here. Shift adds, Alt takes away, a click adds one."))
        return
    elsewhere = sum(one not in on_map for one in bench.selection)
    with st.container(horizontal=True, vertical_alignment="center"):
        if elsewhere:
            text = ngettext("{n} of them is not on this map", "{n} of them are not on this map", elsewhere)
            st.caption(text.format(n=number(elsewhere)), width="stretch")
        named = ".".join(map(str, bench.selection[:NAMED]))
        for script, label, icon, key in (
            ("pages/data/library.py", _("Open in Library"), ":material/grid_view:", "library"),
            ("pages/data/label.py", _("Open in Label"), ":material/label:", "label"),
        ):
            if st.button(label, icon=icon, type="tertiary", key=f"embeddings.{key}"):
                st.switch_page(script, query_params={"ids": named})
        widgets.download(
            _("Export"),
            partial(_archive, list(bench.selection)),
            file_name=f"selection-{len(bench.selection)}.zip",
            mime="application/zip",
            type="tertiary",
            key="embeddings.export",
        )
    shown = _lassoed()
    pages = max(1, -(-len(shown) // PAGE))
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="embeddings.page")
    part = data.some(shown[PAGE * (page - 1) : PAGE * page])
    opened = selecting.grid(
        [item for item in part if item.state == "present"],
        version=f"{page}.{hash(tuple(shown))}",
        key="embeddings.grid",
    )
    if opened:
        st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def _lassoed() -> list[int]:
    """What the grid shows: the last lasso while the selection is of it, so that a tile let go stays in sight."""
    selection = workbench().selection
    sent = (st.session_state.get(f"{KEY}.state") or {}).get("selected")
    ids = [one for one in sent.get("ids", ()) if isinstance(one, int)] if isinstance(sent, dict) else []
    return ids if set(selection) <= set(ids) else selection


def _archive(ids: list[int]) -> bytes:
    from core.intake.exports import export_zip

    with SpooledTemporaryFile(max_size=IN_MEMORY) as target:
        export_zip(services.dataset(), target, item_ids=ids)  # type: ignore[arg-type]
        target.seek(0)
        return target.read()
