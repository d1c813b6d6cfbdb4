"""The job of augmenting: which originals, whether their variants are safe, and the writing of those that are.

Drawing and writing is `core.variation.writer`'s; which images and how many may come from `core.variation.balance`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.catalogue.records import FileOutcome
from core.collection.dataset import Dataset
from core.ground.job_process import Report
from core.ground.work import anywhere
from core.ground.workspace import Workspace
from core.variation import policies
from core.variation.policies import Policy
from core.variation.references import judge_all, references
from core.variation.safety import TOLERANCE, SafetyReport, check
from core.variation.sources import Original, broken_in, by_class, originals_of
from core.variation.variants import Manifest
from core.variation.writer import Astray, Task, tasks_per_image, write

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder


def checked(
    tasks: Sequence[Task],
    originals: Sequence[Original],
    policy: Policy,
    embedder: Embedder,
    dataset: Dataset | None = None,
    *,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[SafetyReport, Astray]:
    """The safety of ``policy`` for the classes of ``tasks``, against all ``originals``, and what tells of each draw
    whether it lands nearer to another class."""
    refs = references(originals, embedder, dataset)
    folders = set(by_class([task.original for task in tasks]))
    report = check(policy, refs, embedder, folders=folders, seed=seed, tolerance=tolerance, on_progress=on_progress)

    def astray(original: Original, pictures: Sequence[Image.Image]) -> list[bool]:
        pairs = ((original, picture) for picture in pictures)
        return [judged.unsafe for judged in judge_all(pairs, refs, embedder)]

    return report, astray


@anywhere
def run_augment(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: ``policy`` (an id, or a policy as JSON); ``seed``; and either ``per_image`` with
    ``item_ids`` or ``class_ids`` (all originals where neither is given), or ``tasks`` as a plan has
    them: [[item id, [draw numbers]]]; ``override`` true writes without the safety check. ``who`` writes must be a
    curator or more (``role``). Files that are no images are listed with the originals that cannot be read any more."""
    from core.embedding.embedder import load_embedder

    dataset = Dataset(workspace)
    dataset.allow("variants")
    policy = policy_of(workspace, params.get("policy", policies.DEFAULT))
    seed = int(params.get("seed", 0))
    broken = broken_in(dataset)
    everything = originals_of(dataset)
    tasks = _tasks(everything, params, dataset)
    if not params.keys().isdisjoint(("item_ids", "class_ids")):
        asked = {task.original.folder for task in tasks}
        broken = [outcome for outcome in broken if outcome.name.partition("/")[0] in asked]
    refused: set[str] = set()

    def on_refused(outcome: FileOutcome) -> None:
        if outcome.name not in refused:
            refused.add(outcome.name)
            report.append(outcome.to_json())

    for outcome in broken:
        on_refused(outcome)
    safety = astray = None
    if not params.get("override"):
        from core.embedding.gallery import update

        embedder = load_embedder(workspace)
        update(dataset, embedder, should_stop=should_stop)
        safety, astray = checked(
            tasks, everything, policy, embedder, dataset, seed=seed, tolerance=workspace.config().tolerance,
            on_progress=lambda done, total: report(done, total, "checking"),
        )  # fmt: skip

    manifest = Manifest(workspace.augmented)
    manifest.follow(dataset)
    done = write(
        manifest, tasks, policy, seed=seed, safety=safety, astray=astray, batch=params.get("batch"),
        on_progress=lambda done, total: report(done, total, "writing"), on_refused=on_refused, should_stop=should_stop,
    )  # fmt: skip
    announce(dataset)
    return {
        "batch": done.batch,
        "written": done.written,
        "present": done.present,
        "bytes": done.bytes,
        "refused": len(refused),
        "unsafe": done.unsafe,
        "left_out": sum(len(names) for names in _left_out(safety, tasks).values()),
        "classes_skipped": [f for f, names in _left_out(safety, tasks).items() if not policy.without(names).steps],
    }


def policy_of(workspace: Workspace, given: str | dict[str, Any]) -> Policy:
    """A policy by id or display name, or from its JSON."""
    return policies.find(workspace, given) if isinstance(given, str) else Policy.from_json(given)


def announce(dataset: Dataset) -> None:
    """Let the readers of a dataset know that its variants changed."""
    with dataset.catalogue.write():
        pass


def _tasks(everything: Sequence[Original], params: Mapping[str, Any], dataset: Dataset) -> list[Task]:
    if "tasks" in params:
        by_id = {original.item_id: original for original in everything}
        return [Task(by_id[i], tuple(numbers)) for i, numbers in params["tasks"] if i in by_id]
    chosen: Sequence[Original] = everything
    if (ids := params.get("item_ids")) is not None:
        chosen = originals_of(dataset, ids)
    elif (classes := params.get("class_ids")) is not None:
        folders = {record.folder for record in dataset.classes() if record.id in set(classes)}
        chosen = [original for original in everything if original.folder in folders]
    return tasks_per_image(chosen, int(params.get("per_image", 5)))


def _left_out(safety: SafetyReport | None, tasks: Sequence[Task]) -> dict[str, Collection[str]]:
    return {} if safety is None else {f: r for f in by_class([t.original for t in tasks]) if (r := safety.refused(f))}
