"""The evaluation as a job and as a function: which encoder is asked, on which split, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.collection.dataset import Dataset
from core.collection.looks import Looks, looks_of
from core.embedding.weights import PROMOTED
from core.evaluation.artefacts import charts_in, write_artefacts
from core.evaluation.corrections import unsettled
from core.evaluation.error_causes import Doubts, doubts, groups
from core.evaluation.html_report import html_report, pictures_of
from core.evaluation.predictions import About, Asked, predict, predict_all
from core.evaluation.projection import Points, keep, kept, latest, umap
from core.evaluation.report import evaluate
from core.evaluation.store import Evaluation, folder_of
from core.evaluation.traits import traits_of
from core.evaluation.unseen import Unseen
from core.evaluation.unseen import measure as measure_unseen
from core.ground.errors import BadInput, NotFound
from core.ground.job_process import Report
from core.ground.work import anywhere
from core.ground.workspace import Workspace, write_atomic
from core.review.dismissed import Kept
from core.review.neighbourhood import Contents, Neighbourhood, path_of
from core.review.predictions import Labels, References
from core.review.predictions import predict as votes_of
from core.training.audit import audit
from core.training.promoted import promoted
from core.training.run import BEST
from core.training.runs import Runs
from core.training.settings import Side, TrainSettings
from core.training.splits import Split, extend_split, make_split, near_duplicate_groups
from core.variation.sources import Original, originals_of
from core.variation.variants import Manifest

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

HTML = "report.html"
SIDES: tuple[Side, ...] = ("test", "validation")
ALL: Asked = "all"  # besides them, of an encoder that was trained on none of the originals
JOB, MAP_JOB = "core.evaluation.work:run_evaluation", "core.evaluation.work:run_projection"

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Subject:
    """What is evaluated: an encoder, the split that it is honest to ask it on, and the audit of that split as JSON
    (None where nobody knows what the encoder was trained on). ``run_id`` "": the encoder in use. ``groups`` of the
    originals where it was trained on none of them, so that every one may be asked; ``used``: Identify asks it."""

    run_id: str
    name: str
    embedder: Embedder
    split: Split
    leak: dict[str, Any] | None
    groups: dict[str, int] | None = None
    used: bool = False


def subject(workspace: Workspace, run_id: str, originals: Sequence[Original], *, seed: int = 0) -> Subject:
    """The run of this id, with its own split; or, with "", the encoder in use.

    The encoder in use keeps to the split of the run it was promoted from; before any training a split is drawn
    with ``seed``, near-duplicates together, and kept from one evaluation to the next. Raises `NotFound` for a run
    that is gone or has no weights.
    """
    embedder = embedder_of(workspace, run_id)
    if run_id:
        run = Runs(workspace).get(run_id)
        if run.brought_in:  # what it was trained on, nobody here knows
            split, _groups = _drawn(workspace, originals, seed, space=embedder.space, run_id=run_id)
            return Subject(run_id, run.record.name, embedder, split, None)
        return Subject(run_id, run.record.name, embedder, run.split, run.record.audit or None)
    return in_use(workspace, embedder, originals, seed=seed)


def embedder_of(workspace: Workspace, run_id: str) -> Embedder:
    """The encoder with a run's best weights, or ("") the one in use. Raises `NotFound` as `subject` does."""
    from core.embedding.embedder import load_embedder

    if not run_id:
        return load_embedder(workspace)
    run = Runs(workspace).get(run_id)
    if not run.best_path.is_file():
        raise NotFound("The run {name} has no weights yet.", name=run.record.name)
    return load_embedder(workspace, model=run.best_path)


def of_model(workspace: Workspace, path: Path, originals: Sequence[Original], *, seed: int = 0) -> Subject:
    """A saved model by its file. The promoted one (its plain ``.pt`` too) is the `Subject` in use, and a run's is the
    run's; of any other nobody knows what it was trained on."""
    from core.embedding.embedder import load_embedder

    path = path.resolve()
    if path.with_suffix(".safetensors") == workspace.model / PROMOTED and promoted(workspace) is not None:
        return subject(workspace, "", originals, seed=seed)
    if path.name == BEST and path.parent.parent == workspace.runs:
        return subject(workspace, path.parent.name, originals)
    embedder = load_embedder(workspace, model=path)
    split, _groups = _drawn(workspace, originals, seed, space=embedder.space)
    return Subject("", path.name, embedder, split, None)


def in_use(workspace: Workspace, embedder: Embedder, originals: Sequence[Original], *, seed: int = 0) -> Subject:
    """The `Subject` of the encoder that Identify uses."""
    origin = promoted(workspace)
    if origin is not None and origin.run_id:
        try:
            run = Runs(workspace).get(origin.run_id)
            if not run.brought_in:
                return Subject("", run.record.name, embedder, run.split, run.record.audit or None, used=True)
        except NotFound:
            pass  # the run was thrown away: what it was trained on is not known any more
    split, alike = _drawn(workspace, originals, seed, space=embedder.space)
    if origin is not None:
        return Subject("", "", embedder, split, None, used=True)
    leak = audit(split, originals, groups=alike, manifest=Manifest(workspace.augmented)).to_json()
    return Subject("", "", embedder, split, leak, alike, used=True)  # it was never trained on any of them


def _drawn(
    workspace: Workspace, originals: Sequence[Original], seed: int, *, space: str, run_id: str = ""
) -> tuple[Split, dict[str, int]]:
    """A split in the shares of a training, near-duplicates together, and their groups.

    What was drawn when this encoder was evaluated before is kept for all images that it knows: corrections change
    labels, not which images are asked.
    """
    alike = near_duplicate_groups(originals, known=Looks.of(workspace))
    shares = TrainSettings()
    before = _last_split(workspace, space, run_id)
    if before is not None and before.seed == seed:
        split = extend_split(before, originals, groups=alike, validation=shares.validation, test=shares.test)
    else:
        split = make_split(originals, groups=alike, seed=seed, validation=shares.validation, test=shares.test)
    return split, alike


def _last_split(workspace: Workspace, space: str, run_id: str) -> Split | None:
    """The split that the encoder with this space was last evaluated on, where one can be read."""
    held = [Evaluation(folder_of(workspace, run_id, side, space=space)) for side in SIDES]
    for evaluation in sorted(held, key=lambda each: -each.made_at):
        with suppress(NotFound, BadInput):
            return evaluation.split
    return None


def run_evaluation(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: "run" (an id, "" or None for the encoder in use), "side" ("test", "validation", "all") and,
    without a run, "seed". Its result: the run, the side, the folder inside the workspace, and top-1."""
    run_id, side = str(params.get("run") or ""), params.get("side", "test")
    if side not in (*SIDES, ALL):
        raise BadInput("There is no side {side} to measure on.", side=side)
    dataset = Dataset(workspace)
    originals = originals_of(dataset)
    if (
        Runs(workspace).get(run_id).brought_in if run_id else promoted(workspace) is None
    ):  # a split is drawn, and near-duplicates are looked for
        looks_of(dataset, on_progress=lambda d, t: report(d, t, "looking"), should_stop=should_stop)
    if should_stop():
        return {}
    asked = subject(workspace, run_id, originals, seed=int(params.get("seed") or 0))
    made = evaluate_subject(dataset, asked, side, progress=report, should_stop=should_stop)
    if made is None:
        return {}
    top1 = made.report.top1
    folder = made.folder.relative_to(workspace.root).as_posix()
    return {"run": run_id, "side": side, "folder": folder, "hits": top1.hits, "queries": top1.n}


def evaluate_subject(
    dataset: Dataset,
    asked: Subject,
    side: Asked,
    *,
    progress: Progress = lambda done, total, note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Embed what is new, ask every query, and keep predictions, report and artefacts; None when stopped."""
    from core.embedding.gallery import update

    workspace, config = dataset.workspace, dataset.workspace.config()
    update(dataset, asked.embedder, on_progress=lambda d, t: progress(d, t, "embedding"), should_stop=should_stop)
    about = About(
        run=asked.run_id,
        name=asked.name,
        side=side,
        model=asked.embedder.sentence,
        seed=asked.split.seed,
        neighbours=config.neighbours,
        false_accept_rate=config.false_accept_rate,
        at=time.time(),
        version=dataset.version,
        leak=asked.leak,
    )
    predictions = None
    if side == ALL and asked.groups is None:
        raise BadInput("Every image can be asked of an encoder only that was trained on none of them.")
    if side == ALL and asked.groups is not None and not should_stop():
        predictions = predict_all(
            originals_of(dataset), asked.groups, asked.embedder, about=about, dataset=dataset,
            on_progress=lambda d, t: progress(d, t, "asking"), should_stop=should_stop,
        )  # fmt: skip
    elif not should_stop():
        predictions = predict(
            originals_of(dataset), asked.split, asked.embedder, about=about, dataset=dataset,
            on_progress=lambda d, t: progress(d, t, "asking"), should_stop=should_stop,
        )  # fmt: skip
    if predictions is None:
        return None
    traits = traits_of(
        dataset, predictions, on_progress=lambda d, t: progress(d, t, "strokes"), should_stop=should_stop
    )
    if traits is None:
        return None
    progress(0, 1, "report")
    made = Evaluation(folder_of(workspace, asked.run_id, side, space=asked.embedder.space))
    figures = evaluate(predictions)
    seen_never = unseen_by(dataset, asked)
    doubted = doubts_in(dataset, asked.embedder.space) if asked.used else None
    with made.anew() as fresh:
        fresh.save(predictions, figures, asked.split)
        traits.save(fresh.folder)
        if seen_never is not None:
            seen_never.save(fresh.folder)
        write_artefacts(fresh.folder, predictions, figures)
        write_atomic(fresh.folder / HTML, page_of(fresh, dataset, doubted=doubted).encode())
    return made


def unseen_by(dataset: Dataset, asked: Subject) -> Unseen | None:
    """The figures of the classes that this encoder was not trained on: those that its split held out as a whole; of
    an encoder that was never trained here, all. None where that is not known, or where there are none."""
    ids, _classes, _kinds, vectors = dataset.vectors(asked.embedder.space)
    row = {int(item_id): at for at, item_id in enumerate(ids.tolist())}
    originals = [o for o in originals_of(dataset) if o.item_id in row and o.sha256 in asked.split.side]
    if asked.leak is None or not originals:
        return None
    config = dataset.workspace.config()
    return measure_unseen(
        vectors[[row[o.item_id] for o in originals if o.item_id is not None]],
        np.array([original.folder for original in originals]),
        np.array(["test" if asked.groups is not None else asked.split.side[original.sha256] for original in originals]),
        space=asked.embedder.space, seed=asked.split.seed, k=config.neighbours,
        false_accept_rate=config.false_accept_rate,
    )  # fmt: skip


def page_of(made: Evaluation, dataset: Dataset, *, doubted: Doubts | None = None, language: str = "en") -> str:
    """The page to send to a colleague, with the pictures and the doubts of now (`doubts_now` where None); the
    ``language`` it opens in."""
    ids = {record.folder: record.id for record in dataset.classes()}
    class_ids = [ids.get(folder) for folder in made.predictions.folders]
    faults = groups(made.predictions, doubts_now(dataset) if doubted is None else doubted, class_ids)
    return html_report(
        made.predictions, made.report, faults, pictures_of(dataset), charts=charts_in(made.folder), language=language
    )  # fmt: skip


def doubts_now(dataset: Dataset) -> Doubts:
    """`doubts_in` the space of the encoder in use, whichever was evaluated: the one place that causes come from."""
    from core.embedding.embedder import load_embedder
    from core.embedding.gallery import update

    embedder = load_embedder(dataset.workspace)
    update(dataset, embedder)
    return doubts_in(dataset, embedder.space)


def doubts_in(dataset: Dataset, space: str) -> Doubts:
    """The labels that all other images of the collection doubt, by the vectors of this space, without those that
    somebody called right."""
    contents, path = Contents.load(dataset, space), path_of(dataset.workspace, space)
    if not len(contents):
        return Doubts({}, {})
    held = Neighbourhood.read(path)
    if held.missing(contents) or len(held.sha256) != len(contents):
        extended = held.extended(contents)
        assert extended is not None  # nobody asks it to stop
        extended.save(path)
        held = extended
    labels = Labels.load(dataset)
    votes = votes_of(labels, held, References(contents, labels))
    return unsettled(doubts(labels, votes), labels, Kept.read(dataset.workspace))


@anywhere
def run_projection(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: lay all embedded images out by UMAP, in the orientation of the layout before. ``params``: "run" (an
    id, or "" for the encoder in use). Its result: how many points, and the digest of what is shown."""
    from core.embedding.gallery import update

    dataset = Dataset(workspace)
    embedder = embedder_of(workspace, str(params.get("run") or ""))
    update(dataset, embedder, on_progress=lambda d, t: report(d, t, "embedding"), should_stop=should_stop)
    points = Points.load(dataset, embedder.space)
    if not should_stop() and kept(workspace, points) is None:
        report(0, 1, "layout")
        keep(workspace, embedder.space, umap(points, previous=latest(workspace, embedder.space)))
    return {"points": len(points), "digest": points.digest}
