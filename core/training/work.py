"""The job: split, audit, label safety, then the training with everything it leaves on disk.

`run_training` is what `core.ground.jobs` starts; the shell calls `train` itself. The loop is
`core.training.trainer`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.ground.errors import BadInput, BurinError, NotFound
from core.ground.jobs import Report
from core.ground.workspace import Workspace, new_id
from core.training import checkpoint
from core.training.audit import LeakAudit, audit
from core.training.batches import Images, Loader
from core.training.distributed import World, joined
from core.training.health import measure
from core.training.material import Material, gather
from core.training.recorder import Recorder
from core.training.runs import BEST, LAST, Run, Runs
from core.training.sampling import ClassBatches, plan_sampling
from core.training.settings import TrainSettings
from core.training.splits import Split, make_split
from core.training.start import begin
from core.training.trainer import Checked, Ended, Trainer
from core.training.validation import embed, score
from core.variation.checks import labels_digest, remembered
from core.variation.policies import Policy
from core.variation.references import references
from core.variation.safety import check
from core.variation.sources import Original

if TYPE_CHECKING:
    from torch import nn

    from core.embedding.model import EmbeddingNet

Progress = Callable[[int, int, str], None]

LEAKS, SAFETY = "leak audit", "label safety"  # what a person may set aside; the run says that they did


@dataclass(frozen=True)
class Request:
    """What is to be trained. ``run_id``: a run to go on with, or the id that a new one is to have. ``data_dir``:
    another folder than the workspace's own. The overrides train in spite of a leak, or with transforms that lead
    out of a class; they are kept with the run."""

    settings: TrainSettings
    run_id: str | None = None
    name: str = ""
    note: str = ""
    data_dir: str | None = None
    override_leaks: bool = False
    override_safety: bool = False

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Request:
        known = {name: params[name] for name in cls.__dataclass_fields__ if name in params and name != "settings"}
        return cls(TrainSettings.from_json(params["settings"]), **known)


def run_training(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: ``settings`` as JSON, and what else `Request` has."""
    # Torch's threads are to sleep while they wait for one another, not to spin: on a machine that does other
    # things too, spinning took three times the processor for the same step. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    run = train(workspace, Request.from_params(params), on_progress=report, should_stop=should_stop)
    return {"run_id": run.id, "state": run.record.state, "best": run.record.best or {}}


def train(
    workspace: Workspace,
    request: Request,
    *,
    on_progress: Progress = lambda done, total, note: None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train a new run, or go on with one that was stopped or interrupted, and return it as it ended.

    ``on_event`` hears what is written into metrics.jsonl. Started by ``torchrun``, all processes train the one run,
    and the first alone writes and speaks. Raises `BadInput` when the leak audit finds
    something, `ConfigRefused`, `NotFound`, `Conflict` (it is being trained), `WeightsUnavailable`, `ModelRefused`.
    """
    with joined() as world:
        material = gather(workspace, Path(request.data_dir) if request.data_dir else None)
        run: Run | None = None
        if world.first:
            try:
                run = _prepared(workspace, request, material, on_progress)
            except BaseException:
                world.together(None)  # the others wait for a run that will not come
                raise
        run_id = world.together(run.id if run else None)
        if run_id is None:
            raise BadInput("The first process could not prepare the training; it says why.")
        run = run or Runs(workspace).get(run_id)
        with ExitStack() as stack:
            if world.first:
                stack.enter_context(run.held())
                run.go_on()
                run.update(state="running", ended_at=None, reason={})
            try:
                ended = _trained(workspace, run, material, world, on_progress, on_event, should_stop)
            except BurinError as error:
                if world.first:
                    run.end("failed", error)
                raise
            except BaseException as error:
                if world.first:
                    run.end("failed", BurinError("An unexpected error ({kind}).", kind=type(error).__name__))
                raise
            if world.first:
                run.end(ended.state, ended.reason)
                if ended.state == "finished":
                    run.resume_path.unlink(missing_ok=True)
        return run


# Before the training


def _prepared(workspace: Workspace, request: Request, material: Material, on_progress: Progress) -> Run:
    """The run to train: the one asked for, or a new one of a split that was audited."""
    if request.run_id is not None:
        try:
            run = Runs(workspace).get(request.run_id)
        except NotFound:
            pass
        else:
            return _audited_again(workspace, run, material)
    settings = request.settings
    on_progress(0, 0, "splitting")
    groups = material.groups(workspace)
    split = make_split(
        material.originals, groups=groups, seed=settings.seed, validation=settings.validation, test=settings.test,
        folds=settings.folds, fold=settings.fold,
    )  # fmt: skip
    found = audit(split, material.originals, groups=groups, manifest=material.manifest)
    overrides = [LEAKS] if request.override_leaks and not found.clean else []
    refused = not found.clean and not request.override_leaks
    left_out: dict[str, list[str]] = {}
    if settings.policy is not None and settings.source == "fly" and not refused:
        if request.override_safety:
            overrides.append(SAFETY)
        else:
            left_out = _left_out(workspace, settings, material, split, on_progress)
    run = Runs(workspace).create(
        settings, split, found, list(material.originals), run_id=request.run_id or new_id(), name=request.name,
        note=request.note, overrides=overrides, left_out=left_out, source=request.data_dir or "",
        dataset_version=material.dataset.version if material.dataset else None,
        warnings=[_said(outcome.reason) for outcome in material.refused if outcome.reason],
    )  # fmt: skip
    if refused:
        error = _leaking(found)
        run.end("failed", error)
        raise error
    return run


def _audited_again(workspace: Workspace, run: Run, material: Material) -> Run:
    """A run to go on with: its split as it was, against the images as they are now."""
    if run.state not in ("interrupted", "stopped", "failed"):
        raise BadInput("The run {name} has ended: there is nothing to go on with.", name=run.record.name)
    found = audit(run.split, material.originals, groups=material.groups(workspace), manifest=material.manifest)
    if not found.clean and LEAKS not in run.record.overrides:
        raise _leaking(found)
    here = {original.sha256 for original in material.originals}
    gone = sum(1 for sha256 in run.split.side if sha256 not in here)
    if gone:
        warning = BurinError("{count} images of this run are not there any more.", count=gone)
        run.update(warnings=[*run.record.warnings, _said(warning)])
    return run


def _leaking(found: LeakAudit) -> BadInput:
    leak = found.findings[0]
    return BadInput(
        "The leak audit found {count} pictures that are trained on and measured with, {first} first: nothing was"
        " trained.",
        count=len(found.findings),
        first=", ".join(leak.names),
    )


def _left_out(
    workspace: Workspace, settings: TrainSettings, material: Material, split: Split, on_progress: Progress
) -> dict[str, list[str]]:
    """Class folder -> transforms of the policy that label safety refuses there."""
    from core.embedding.embedder import load_embedder

    policy = Policy.from_json(settings.policy)
    if not policy.steps:
        return {}
    embedder = load_embedder(workspace)
    held = None
    if material.dataset is not None:
        held = remembered(workspace, policy, embedder.space, labels_digest(material.originals))
    if held is not None and held.current:
        report = held.report
    else:
        refs = references(split.of(material.originals, "train"), embedder, material.dataset)
        report = check(
            policy, refs, embedder, seed=settings.seed,
            on_progress=lambda done, total: on_progress(done, total, "checking"),
        )  # fmt: skip
    found = {original.folder: sorted(report.refused(original.folder)) for original in material.originals}
    return {folder: names for folder, names in found.items() if names}


# The training


def _trained(
    workspace: Workspace,
    run: Run,
    material: Material,
    world: World,
    on_progress: Progress,
    tell: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
) -> Ended:
    settings, split = run.settings, run.split
    on_progress(0, 0, "reading")
    trained, checked = (split.of(material.originals, side) for side in ("train", "validation"))
    policies = _policies(settings, run.record.left_out, trained)
    images = Images(_with_variants(settings, trained, material), settings.preprocessing, varied=bool(policies))
    queries = Images(checked, settings.preprocessing, folders=images.folders)
    plan = plan_sampling(
        np.bincount(images.labels, minlength=len(images.folders)).tolist(),
        classes_per_batch=settings.classes_per_batch,
        images_per_class=settings.images_per_class,
        steps=settings.steps,
        varied=any(policy.steps for policy in policies.values()),
    )
    sampler = ClassBatches(
        images.labels, plan, seed=settings.seed, balance=settings.balance, rank=world.rank, world=world.size
    )
    batches = Loader(images, sampler, policies=policies, seed=settings.seed)
    net, loss, start = _networks(settings, workspace, classes=len(images.folders))
    names = {original.folder: original.class_name for original in trained}
    classes = [names[folder] for folder in images.folders]
    gallery = np.flatnonzero([original.sha256 in split.side for original in images.originals])  # originals alone

    def validate(network: nn.Module) -> Checked:
        on_progress(trainer.step, trainer.total_steps, "validating")
        vectors, norm = embed(network, images, rows=gallery)
        asked, _norm = embed(network, queries)
        scores = score(asked, queries.labels, vectors, images.labels[gallery], k=settings.neighbours)
        return Checked(scores, measure(vectors, images.labels[gallery], norm=norm))

    def on_event(event: dict[str, Any]) -> None:
        if recorder is None:
            return
        recorder.event(event)
        tell(event)
        if event["kind"] == "step":
            on_progress(event["step"], trainer.total_steps, "training")
        elif event["kind"] == "epoch" and event["best"]:
            run.update(best={"epoch": event["epoch"], "scores": event.get("validation") or {}})

    def on_epoch(trainer: Trainer, best: bool) -> None:
        if not world.first:
            return
        finished: Any = trainer.finished()
        network: EmbeddingNet = finished.finished() if settings.model == "siamese" else finished
        for name in (LAST, BEST) if best else (LAST,):
            network.save(run.folder / name, preprocessing=settings.preprocessing, classes=classes)
        checkpoint.save(run.resume_path, trainer.state())

    trainer = Trainer(
        net, loss, batches, settings, validate=validate, on_event=on_event, on_epoch=on_epoch,
        should_stop=should_stop, should_pause=lambda: run.paused, world=world,
    )  # fmt: skip
    if run.resume_path.is_file():
        trainer.load_state(checkpoint.load(run.resume_path))
    recorder: Recorder | None = None
    with ExitStack() as stack:
        if world.first:
            recorder = stack.enter_context(Recorder(run, step=trainer.step))
            recorder.say(f"{len(images)} training images of {len(classes)} classes, {len(queries)} to validate with")
            recorder.say(f"{plan.classes} classes x {plan.images} images a batch, {plan.steps} steps an epoch. {start}")
            warnings = [*plan.warnings, *(o.reason for o in (*images.refused, *queries.refused) if o.reason)]
            for warning in warnings:
                recorder.say(str(warning))
            said = [_said(warning) for warning in warnings]
            run.update(start=start, warnings=[*(w for w in run.record.warnings if w not in said), *said])
            if trainer.step == 0:
                found = validate(trainer.finished().to(trainer.device))  # what a training has to rise above
                on_event({"kind": "start", "step": 0, "validation": found.scores.to_json(),
                          "health": found.health.to_json()})  # fmt: skip
        ended = trainer.run()
        if recorder is not None:
            recorder.say(f"{ended.state}{f': {ended.reason}' if ended.reason else ''}")
    return ended


def _with_variants(settings: TrainSettings, trained: Sequence[Original], material: Material) -> list[Original]:
    """The training originals and, where they are asked for, the variants written from them."""
    if settings.source != "variants":
        return list(trained)
    return [*trained, *(variant for original in trained for variant in material.variants.get(original.sha256, ()))]


def _policies(
    settings: TrainSettings, left_out: Mapping[str, Sequence[str]], trained: Sequence[Original]
) -> dict[str, Policy]:
    if settings.policy is None or settings.source != "fly":
        return {}
    policy = Policy.from_json(settings.policy)
    return {original.folder: policy.without(left_out.get(original.folder, ())) for original in trained}


def _networks(settings: TrainSettings, workspace: Workspace, *, classes: int) -> tuple[nn.Module, nn.Module, str]:
    """The network at its start, the loss, and a sentence on the weights."""
    from core.training.losses import make_loss
    from core.training.siamese import SiameseNet

    tower, start = begin(settings, workspace)
    net = SiameseNet(tower) if settings.model == "siamese" else tower
    return net, make_loss(settings, classes=classes, dimension=tower.dimension, model=net), start


def _said(error: BurinError) -> dict[str, Any]:
    values = {name: value if isinstance(value, int | float) else str(value) for name, value in error.values.items()}
    return {"template": error.template, "values": values}


def request_params(request: Request) -> dict[str, Any]:
    """``request`` as the params of a job."""
    return {**asdict(request), "settings": request.settings.to_json()}
