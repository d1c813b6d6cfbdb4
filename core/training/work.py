"""The job: a prepared run is trained, with everything that it leaves on disk.

What goes before the first step is `core.training.prepare`, the loop `core.training.trainer`. `run_training` is
what `core.ground.jobs` starts; the shell calls `train` itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.ground.errors import BadInput, BurinError, LockLost
from core.ground.extras import need_pytorch
from core.ground.job_process import Report
from core.ground.locks import CONFIRMED_S, Hold
from core.ground.workspace import Workspace
from core.training import checkpoint
from core.training.batches import Images, Loader
from core.training.data import Material, gather
from core.training.distributed import World, joined
from core.training.health import measure
from core.training.initial_network import begin
from core.training.prepare import Progress, Request, prepared
from core.training.recorder import Recorder
from core.training.run import BEST, LAST, Run
from core.training.runs import Runs
from core.training.sampling import ClassBatches, PlannedSampling, plan_sampling
from core.training.settings import TrainSettings
from core.training.trainer import Checked, Ended, Hooks, Trainer
from core.training.validation import embed, score
from core.variation.policies import Policy
from core.variation.sources import Original

if TYPE_CHECKING:
    from torch import nn

    from core.embedding.model import EmbeddingNet


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
    something, `ConfigRefused`, `NotFound`, `Conflict` (it is being trained), `WeightsUnavailable`, `ModelRefused`,
    `ExtrasMissing`.
    """
    need_pytorch()
    with joined() as world:
        material = gather(workspace, Path(request.data_dir) if request.data_dir else None)
        run: Run | None = None
        if world.first:
            try:
                run = prepared(workspace, request, material, on_progress)
            except BaseException:
                world.together(None)  # the others wait for a run that will not come
                raise
        run_id = world.together(run.id if run else None)
        if run_id is None:
            raise BadInput("The first process could not prepare the training; it says why.")
        run = run or Runs(workspace).get(run_id)
        with ExitStack() as stack:
            held: Hold | None = None
            if world.first:
                held = stack.enter_context(run.held())
                run.begin()

            def confirm(every_s: float = 0.0) -> None:
                if held is not None:
                    held.confirm(every_s=every_s)

            def stop() -> bool:
                return should_stop() or run.asked_to_stop

            try:
                ended = _trained(workspace, run, material, world, on_progress, on_event, stop, confirm)
                confirm()
            except LockLost:  # what the run says of itself may be another's by now
                raise
            except BurinError as error:
                if world.first:
                    run.end("failed", error)
                raise
            except BaseException as error:
                if world.first and stop():  # asked to, it took too long, and was ended
                    run.end("stopped")
                elif world.first:
                    run.end("failed", BurinError("An unexpected error ({kind}).", kind=type(error).__name__))
                raise
            if world.first:
                run.end(ended.state, ended.reason)
                if ended.state == "finished":
                    _forget_earlier(workspace, run)
        return run


def _forget_earlier(workspace: Workspace, run: Run) -> None:
    """Of the runs that are over, only the last one can be given more epochs: what takes the room of several networks
    is not kept for all."""
    for each in Runs(workspace).list():
        if each.id != run.id and each.record.state == "finished":
            each.resume_path.unlink(missing_ok=True)


# The training


def _trained(
    workspace: Workspace,
    run: Run,
    material: Material,
    world: World,
    on_progress: Progress,
    tell: Callable[[dict[str, Any]], None],
    should_stop: Callable[[], bool],
    confirm: Callable[..., None],
) -> Ended:
    settings = run.settings
    on_progress(0, 0, "reading")
    pictures = _Pictures.of(run, material)
    net, loss, start = _networks(settings, workspace, classes=len(pictures.images.folders))
    course = _Course(run, pictures, world, on_progress, tell, should_stop, confirm)
    trainer = course.trainer = Trainer(
        net, loss, pictures.batches(settings, world), settings, course.hooks, world=world
    )
    if run.resume_path.is_file():
        trainer.load_state(checkpoint.load(run.resume_path))
    if not world.first:
        return trainer.run()
    with Recorder(run, step=trainer.step) as recorder:
        course.recorder = recorder
        course.begin(start)
        ended = trainer.run()
        recorder.say(f"{ended.state}{f': {ended.reason}' if ended.reason else ''}")
    return ended


@dataclass(frozen=True)
class _Pictures:
    """What one run learns from and is validated with, the classes' names, and how batches are drawn."""

    images: Images
    queries: Images
    gallery: np.ndarray  # rows of the images that are originals
    classes: list[str]
    plan: PlannedSampling
    policies: Mapping[str, Policy]
    warnings: list[BurinError]

    @classmethod
    def of(cls, run: Run, material: Material) -> _Pictures:
        settings, split = run.settings, run.split
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
        names = {original.folder: original.class_name for original in trained}
        gallery = np.flatnonzero([original.sha256 in split.side for original in images.originals])
        refused = [one.reason for one in (*images.refused, *queries.refused) if one.reason]
        warnings = [*plan.warnings, *_without_variants(settings, images, trained), *refused]
        return cls(images, queries, gallery, [names[f] for f in images.folders], plan, policies, warnings)

    def batches(self, settings: TrainSettings, world: World) -> Loader:
        sampler = ClassBatches(
            self.images.labels, self.plan, seed=settings.seed, balance=settings.balance,
            rank=world.rank, world=world.size,
        )  # fmt: skip
        return Loader(self.images, sampler, policies=self.policies, seed=settings.seed)

    def checked(self, network: nn.Module, *, neighbours: int) -> Checked:
        """What the network is worth by those to validate with."""
        vectors, norm = embed(network, self.images, rows=self.gallery)
        asked, _norm = embed(network, self.queries)
        labels = self.images.labels[self.gallery]
        return Checked(
            score(asked, self.queries.labels, vectors, labels, k=neighbours), measure(vectors, labels, norm=norm)
        )


@dataclass
class _Course:
    """A run while it is trained: what is validated, written down, told and asked. The first process alone has a
    ``recorder``, and writes."""

    run: Run
    pictures: _Pictures
    world: World
    on_progress: Progress
    tell: Callable[[dict[str, Any]], None]
    should_stop: Callable[[], bool]
    confirm: Callable[..., None]
    trainer: Trainer = field(init=False)
    recorder: Recorder | None = None

    @property
    def hooks(self) -> Hooks:
        return Hooks(
            self._validate, self._on_event, self._on_epoch, self._asked_to_stop, lambda: self.run.paused, self._on_pause
        )

    def begin(self, start: str) -> None:
        """Say what is trained and from where, and measure what the training has to rise above."""
        pictures, plan, run = self.pictures, self.pictures.plan, self.run
        self._say(
            f"{len(pictures.images)} training images of {len(pictures.classes)} classes, "
            f"{len(pictures.queries)} to validate with"
        )
        self._say(f"{plan.classes} classes x {plan.images} images a batch, {plan.steps} steps an epoch. {start}")
        for warning in pictures.warnings:
            self._say(str(warning))
        kept = [warning.to_json() for warning in pictures.warnings]
        run.update(start=start, warnings=[*(w for w in run.record.warnings if w not in kept), *kept])
        if self.trainer.step == 0:
            found = self._validate(self.trainer.finished().to(self.trainer.device))
            scores = {"validation": found.scores.to_json(), "health": found.health.to_json()}
            self._on_event({"kind": "start", "step": 0, **scores})

    def _say(self, line: str) -> None:
        if self.recorder is not None:
            self.recorder.say(line)

    def _validate(self, network: nn.Module) -> Checked:
        self.on_progress(self.trainer.step, self.trainer.total_steps, "validating")
        found = self.pictures.checked(network, neighbours=self.run.settings.neighbours)
        self.confirm()  # what follows is written into the run
        return found

    def _asked_to_stop(self) -> bool:
        self.confirm(CONFIRMED_S)
        return self.should_stop()

    def _on_event(self, event: dict[str, Any]) -> None:
        if self.recorder is None:
            return
        self.recorder.event(event)
        self.tell(event)
        if event["kind"] == "step":
            self.on_progress(event["step"], self.trainer.total_steps, "training")
        elif event["kind"] == "epoch" and event["best"]:
            self.run.update(best={"epoch": event["epoch"], "scores": event.get("validation") or {}})

    def _on_epoch(self, trainer: Trainer, best: bool) -> None:
        if not self.world.first:
            return
        settings, finished = self.run.settings, trainer.finished()
        network: EmbeddingNet = finished.finished() if settings.model == "siamese" else finished  # type: ignore[assignment,operator]
        for name in (LAST, BEST) if best else (LAST,):
            network.save(self.run.folder / name, preprocessing=settings.preprocessing, classes=self.pictures.classes)
        checkpoint.save(self.run.resume_path, trainer.state())

    def _on_pause(self, waits: bool) -> None:
        if self.world.first:
            self.on_progress(self.trainer.step, self.trainer.total_steps, "paused" if waits else "training")


def _with_variants(settings: TrainSettings, trained: Sequence[Original], material: Material) -> list[Original]:
    """The training originals and, where they are asked for, the variants written from them."""
    if settings.source != "variants":
        return list(trained)
    return [*trained, *(variant for original in trained for variant in material.variants.get(original.sha256, ()))]


def _without_variants(settings: TrainSettings, images: Images, trained: Sequence[Original]) -> list[BurinError]:
    if settings.source != "variants" or len(images) > len(trained):
        return []
    return [BurinError("There are no written variants: the originals alone are trained on, as they are.")]


def _policies(
    settings: TrainSettings, left_out: Mapping[str, Sequence[str]], trained: Sequence[Original]
) -> dict[str, Policy]:
    policy = settings.drawn
    if policy is None:
        return {}
    return {original.folder: policy.without(left_out.get(original.folder, ())) for original in trained}


def _networks(settings: TrainSettings, workspace: Workspace, *, classes: int) -> tuple[nn.Module, nn.Module, str]:
    """The network at its start, the loss, and a sentence on the weights."""
    from core.training.losses import make_loss
    from core.training.siamese import SiameseNet

    tower, start = begin(settings, workspace)
    net = SiameseNet(tower) if settings.model == "siamese" else tower
    return net, make_loss(settings, classes=classes, dimension=tower.dimension, model=net), start
