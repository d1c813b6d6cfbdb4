"""The points of the embedding map: where each image lies, and the ways to colour it. No layout, no controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.catalogue.records import Item
from core.ground.config import KINDS
from pages.ui import contents, services, widgets
from pages.ui.components.pointmap import Colouring, Points, Thumb
from pages.ui.data import review
from pages.ui.evaluation import evaluating
from pages.ui.i18n import _
from pages.ui.state import workbench
from pages.ui.tiles import source
from pages.ui.verdict_words import LOOK, verdict_name

if TYPE_CHECKING:
    from core.evaluation import projection
    from core.evaluation.store import Evaluation

STEPS = 8  # of certainty


def pca(points: projection.Points) -> projection.Projection:
    return _pca(points.digest, points)


def umap(points: projection.Points) -> projection.Projection | None:
    """The layout of exactly these points where a job has made it."""
    from core.evaluation import projection

    return projection.kept(services.workspace(), points)


def points_of(layout: projection.Projection, evaluation: Evaluation | None) -> Points:
    """Every present image of ``layout`` as a point; the evaluation says sides and answers, where there is one."""
    made_at = evaluation.made_at if evaluation is not None else 0.0
    folder = str(evaluation.folder) if evaluation is not None else ""
    place = f"{layout.method} {layout.digest}"
    version = services.dataset().version
    return _points(
        str(services.workspace().root),
        version,
        place,
        folder,
        made_at,
        _said(),
        workbench().language,
        layout,
        evaluation,
    )


@st.cache_resource(show_spinner=False, max_entries=4)
def _pca(digest: str, _made_of: projection.Points) -> projection.Projection:
    from core.evaluation import projection

    return projection.pca(_made_of)


@st.cache_resource(show_spinner=False, max_entries=4)
def _points(
    root: str,
    version: int,
    place: str,
    folder: str,
    made_at: float,
    said: int,
    language: str,
    _layout: projection.Projection,
    _evaluation: Evaluation | None,
) -> Points:
    labels = contents.labels()
    rows = _layout.rows_of(labels.sha256.astype("U64"))
    there = np.flatnonzero(rows >= 0)
    hashes = labels.sha256[there]
    colourings = {"class": _classes(labels.class_ids[there])}
    if _evaluation is not None and _evaluation.exists:
        colourings |= _evaluated(hashes, _evaluation)
    colourings |= _neighbours(labels.item_ids[there], with_answers="correctness" not in colourings)
    kinds = labels.kinds[there].astype(str)
    codes = np.array([KINDS.index(kind) if kind in KINDS else len(KINDS) for kind in kinds.tolist()])
    colourings["kind"] = Colouring(codes, [*(widgets.kind_name(kind) for kind in KINDS), _("not known")])
    name = f"{place} {version} {folder} {made_at} {said} {language} {'-'.join(colourings)}"
    return Points(labels.item_ids[there], _layout.xy[rows[there]], colourings, place, name)


def _said() -> int:
    """Of how many images the neighbours say something: none while they are still being compared."""
    return int(review.recent().predictions.known.sum())


def _classes(class_ids: np.ndarray) -> Colouring:
    records = services.dataset().classes()
    place = {record.id: at for at, record in enumerate(records)}
    known, inverse = np.unique(class_ids, return_inverse=True)
    codes = np.array([place.get(int(one), len(records)) for one in known], dtype=np.int64)[inverse]
    return Colouring(codes, [*(record.name for record in records), _("no class")], labels=True)


def _evaluated(hashes: np.ndarray, evaluation: Evaluation) -> dict[str, Colouring]:
    """The side of each image in the split, whether it was answered rightly, and with which verdict."""
    predictions, split = evaluation.predictions, evaluation.split
    texts = [one.decode("ascii") for one in hashes.tolist()]
    sides = ("train", *evaluating.SIDES)
    side = np.array([sides.index(split.side[one]) if split.side.get(one) in sides else len(sides) for one in texts])
    row_of = {str(one): at for at, one in enumerate(predictions.sha256.tolist())}
    rows = np.array([row_of.get(one, -1) for one in texts])
    right = predictions.predicted == predictions.truth
    answered = np.where(rows < 0, 2, np.where(right[rows], 0, 1))
    verdicts = [verdict for verdict in LOOK if (predictions.verdicts == verdict).any()]
    given = np.array([verdicts.index(str(one)) for one in predictions.verdicts.tolist()])
    names = [*map(verdict_name, verdicts), _("not asked")]
    return {
        "split": Colouring(side, [*(evaluating.side_name(one) for one in sides), _("in no split")]),
        "correctness": Colouring(answered, [_("right"), _("wrong"), _("not asked")]),
        "verdict": Colouring(np.where(rows < 0, len(verdicts), given[rows]), names),
    }


def _neighbours(item_ids: np.ndarray, *, with_answers: bool) -> dict[str, Colouring]:
    """What the neighbours of each image say of its label, its own row left out."""
    opinion = review.recent()
    if not opinion.predictions.known.any():
        return {}
    at = np.searchsorted(opinion.labels.item_ids, item_ids).clip(max=len(opinion.labels) - 1)
    known = opinion.labels.item_ids[at] == item_ids
    certainty = np.where(known, opinion.predictions.certainty[at], 0)
    steps = np.minimum((certainty * STEPS).astype(int), STEPS - 1)
    names = [f"{100 * step // STEPS} – {100 * (step + 1) // STEPS} %" for step in range(STEPS)]
    found = {"certainty": Colouring(steps, names, ramp=True)}
    if with_answers:
        from core.review.queue import disagree

        differs = disagree(opinion.labels, opinion.predictions)[at]
        codes = np.where(known & opinion.predictions.known[at], np.where(differs, 1, 0), 2)
        found["correctness"] = Colouring(codes, [_("neighbours agree"), _("neighbours disagree"), _("nobody can say")])
    return found


def thumbs(ids: Sequence[int]) -> dict[int, Thumb]:
    """What is shown beside the pointer."""
    return {
        item.id: Thumb(source(item), item.class_name or _("no class"), _note(item))
        for item in services.dataset().some(ids)
    }


def _note(item: Item) -> str:
    return f"{widgets.kind_name(item.kind)} · {item.path.rpartition('/')[2]}"
