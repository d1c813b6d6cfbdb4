"""Before a training: the split, the leak audit, label safety, and a run on disk that says what they found.

Everything that can refuse a training refuses it here, before torch is loaded; a person's override is kept with
the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.ground.errors import BadInput, BurinError, NotFound
from core.ground.workspace import Workspace, new_id
from core.training.audit import LeakAudit, audit
from core.training.data import Material
from core.training.initial_network import origin, require
from core.training.run import Run
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import Split, extend_split, make_split
from core.variation.checks import check_and_keep, labels_digest, remembered
from core.variation.references import references
from core.variation.safety import check
from core.variation.sources import Original

Progress = Callable[[int, int, str], None]

LEAKS, SAFETY = "leak audit", "label safety"  # what a person may set aside; the run says that they did
CHANGEABLE = ("epochs", "patience")  # of a run that goes on


@dataclass(frozen=True)
class Request:
    """What is to be trained. ``run_id``: a run to go on with, or the id that a new one is to have. ``data_dir``:
    another folder than the workspace's own. The overrides train in spite of a leak, or with transforms that lead
    out of a class; they are kept with the run. ``series``: what it is one of (`core.evaluation.series`)."""

    settings: TrainSettings
    run_id: str | None = None
    name: str = ""
    note: str = ""
    data_dir: str | None = None
    override_leaks: bool = False
    override_safety: bool = False
    series: str = ""

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Request:
        known = {name: params[name] for name in cls.__dataclass_fields__ if name in params and name != "settings"}
        return cls(TrainSettings.from_json(params["settings"]), **known)

    def to_params(self) -> dict[str, Any]:
        """What `from_params` reads: the params of a job."""
        return {**asdict(self), "settings": self.settings.to_json()}


def prepared(workspace: Workspace, request: Request, material: Material, on_progress: Progress) -> Run:
    """The run to train: the one asked for, or a new one of a split that was audited."""
    if request.run_id is not None:
        try:
            run = Runs(workspace).get(request.run_id)
        except NotFound:
            pass
        else:
            return _audited_again(workspace, run, material, request)
    settings = request.settings
    require(settings, workspace)
    on_progress(0, 0, "splitting")
    groups = material.groups(workspace)
    split = deal(settings, origin(settings, workspace), material.originals, groups)
    found = audit(split, material.originals, groups=groups, manifest=material.manifest)
    overrides = [LEAKS] if request.override_leaks and found.findings else []
    refused = bool(found.findings) and not request.override_leaks
    left_out: dict[str, list[str]] = {}
    if settings.drawn is not None and not refused:
        if request.override_safety:
            overrides.append(SAFETY)
        else:
            left_out = _left_out(workspace, settings, material, split, on_progress)
    run = Runs(workspace).create(
        settings, split, found, list(material.originals), run_id=request.run_id or new_id(), name=request.name,
        note=request.note, overrides=overrides, left_out=left_out, source=request.data_dir or "", series=request.series,
        dataset_version=material.dataset.version if material.dataset else None,
        warnings=[*_unknown_past(settings, workspace),
                  *(outcome.reason.to_json() for outcome in material.refused if outcome.reason)],
    )  # fmt: skip
    if refused:
        error = _leaking(found)
        run.end("failed", error)
        raise error
    return run


def deal(
    settings: TrainSettings, before: Run | None, originals: Sequence[Original], groups: Mapping[str, int] | None
) -> Split:
    """A split of the settings' own; of a training that starts from a run, that run's, with what is new dealt out:
    what the network has learnt from is not measured on."""
    if before is not None and not before.brought_in:
        alone = {original.sha256: number for number, original in enumerate(originals)}
        return extend_split(
            before.split, originals, groups=groups or alone, validation=settings.validation, test=settings.test
        )
    return make_split(
        originals, groups=groups, seed=settings.seed, validation=settings.validation, test=settings.test,
        held_out=settings.held_out, folds=settings.folds, fold=settings.fold,
    )  # fmt: skip


def _unknown_past(settings: TrainSettings, workspace: Workspace) -> list[dict[str, Any]]:
    """A warning where nobody knows what the network at the start was trained on."""
    before = origin(settings, workspace)
    if settings.start != "checkpoint" or (before is not None and not before.brought_in):
        return []
    warning = BurinError(
        "Nobody knows what {name} was trained on: it may have seen images that are measured with here.",
        name=before.record.name if before else Path(settings.start_from).name,
    )
    return [warning.to_json()]


def changed(run: Run, settings: TrainSettings) -> TrainSettings:
    """The settings to go on with ``run`` by: its own, with other `CHANGEABLE` ones. Raises `BadInput` for any other
    change, by name, and where it has nothing to go on with."""
    before, after = run.settings.to_json(), settings.to_json()
    other = sorted(name for name in before if before[name] != after[name] and name not in CHANGEABLE)
    if other:
        raise BadInput(
            "A run goes on as it began, and {names} cannot change: start a new run from its weights instead.",
            names=", ".join(other),
        )
    more = settings.epochs > run.settings.epochs
    if run.state not in ("interrupted", "stopped", "failed") and not (run.state == "finished" and more):
        raise BadInput("The run {name} has ended: there is nothing to go on with.", name=run.record.name)
    done = len([line for line in run.epochs() if line.get("complete", True)])
    if settings.epochs < done or (settings.epochs == done and run.state == "finished"):
        raise BadInput("The run {name} has had its epochs already ({done}).", name=run.record.name, done=done)
    if run.state == "finished" and not run.resume_path.is_file():
        raise BadInput(
            "The run {name} is over, and what it would go on from was not kept: start a new run from its weights.",
            name=run.record.name,
        )
    return settings


def _audited_again(workspace: Workspace, run: Run, material: Material, request: Request) -> Run:
    """A run to go on with: its split as it was, against the images as they are now."""
    settings = changed(run, request.settings)
    if (request.data_dir or "") != run.record.source:
        raise BadInput("The run {name} was trained on other folders: go on with those.", name=run.record.name)
    run.update(settings=settings.to_json())
    run = Runs(workspace).get(run.id)
    found = audit(run.split, material.originals, groups=material.groups(workspace), manifest=material.manifest)
    if found.findings and LEAKS not in run.record.overrides:
        raise _leaking(found)
    here = {original.sha256 for original in material.originals}
    gone = sum(1 for sha256 in run.split.side if sha256 not in here)
    if gone:
        warning = BurinError("Images of this run that are not there any more: {count}.", count=gone)
        run.update(warnings=[*run.record.warnings, warning.to_json()])
    return run


def _leaking(found: LeakAudit) -> BadInput:
    leak = found.findings[0]
    return BadInput(
        "The leak audit found pictures that are trained on and measured with ({count}), {first} first: nothing was"
        " trained.",
        count=len(found.findings),
        first=", ".join(leak.names),
    )


def _left_out(
    workspace: Workspace, settings: TrainSettings, material: Material, split: Split, on_progress: Progress
) -> dict[str, list[str]]:
    """Class folder -> transforms of the policy that label safety refuses there."""
    from core.embedding.embedder import load_embedder

    policy = settings.drawn
    if policy is None or not policy.steps:
        return {}
    embedder = load_embedder(workspace)
    held = None
    if material.dataset is not None:
        held = remembered(workspace, policy, embedder.space, labels_digest(material.originals))

    def checking(done: int, total: int) -> None:
        on_progress(done, total, "checking")

    if held is not None and held.current:
        report = held.report
    elif material.dataset is not None:
        report = check_and_keep(material.dataset, material.originals, policy, embedder, on_progress=checking)
    else:
        refs = references(split.of(material.originals, "train"), embedder)
        report = check(policy, refs, embedder, tolerance=workspace.config().tolerance, on_progress=checking)
    found = {original.folder: sorted(report.refused(original.folder)) for original in material.originals}
    return {folder: names for folder, names in found.items() if names}
