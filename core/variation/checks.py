"""The label-safety check as a job, and what it found: kept until the policy, the labels or the encoder change.

Measuring is `core.variation.safety`'s; this only runs it over every class and remembers the report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.collection.dataset import Dataset
from core.ground.errors import ConfigRefused
from core.ground.job_process import Report
from core.ground.work import anywhere
from core.ground.workspace import Workspace, write_atomic
from core.variation.policies import Policy
from core.variation.references import references
from core.variation.safety import Refusal, Row, SafetyReport, check
from core.variation.sources import Original, originals_of
from core.variation.twins import Twin

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder


@dataclass(frozen=True)
class Checked:
    """A remembered report, and whether it is of the labels and the tolerance as they are now (``current``)."""

    report: SafetyReport
    current: bool


class _Stopped(Exception):
    """A person asked the check to stop."""


def labels_digest(originals: Sequence[Original]) -> str:
    """16 hex digits that change with any image that comes, goes or changes its class."""
    lines = "\n".join(sorted(f"{original.folder}/{original.sha256}" for original in originals))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def remembered(workspace: Workspace, policy: Policy, space: str, labels: str) -> Checked | None:
    """What the last check of these steps in this ``space`` found; ``labels`` is `labels_digest` of now."""
    try:
        record = json.loads(_path(workspace, policy, space).read_text(encoding="utf-8"))
        report = SafetyReport(
            policy=policy,
            space=space,
            tolerance=record["tolerance"],
            rows=tuple(_made(Row, each) for each in record["rows"]),
            twins=tuple(_made(Twin, each | {"symmetry": tuple(each["symmetry"])}) for each in record["twins"]),
            refusals=tuple(_made(Refusal, each) for each in record["refusals"]),
        )
        current = record["labels"] == labels and report.tolerance == workspace.config().tolerance
        return Checked(report, current)
    except (OSError, ValueError, KeyError, TypeError, ConfigRefused):  # none yet, or of another version: check again
        return None


@anywhere
def run_check(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job. ``params``: ``policy`` (JSON) and ``seed``. Checks every class that has originals."""
    from core.embedding.embedder import load_embedder
    from core.embedding.gallery import update

    dataset, policy = Dataset(workspace), Policy.from_json(params["policy"])
    embedder = load_embedder(workspace)
    update(dataset, embedder, should_stop=should_stop)
    originals = originals_of(dataset)

    def on_progress(done: int, total: int) -> None:
        report(done, total, "checking")
        if should_stop():
            raise _Stopped

    try:
        found = check_and_keep(
            dataset, originals, policy, embedder, seed=int(params.get("seed", 0)), on_progress=on_progress
        )
    except _Stopped:
        return {}
    classes = len({original.folder for original in originals})
    return {"classes": classes, "refused": len(found.refusals), "twins": len(found.twins)}


def check_and_keep(
    dataset: Dataset,
    originals: Sequence[Original],
    policy: Policy,
    embedder: Embedder,
    *,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> SafetyReport:
    """`core.variation.safety.check` over all these ``originals`` of ``dataset``, kept for `remembered`."""
    refs = references(originals, embedder, dataset)
    tolerance = dataset.workspace.config().tolerance
    found = check(policy, refs, embedder, seed=seed, tolerance=tolerance, on_progress=on_progress)
    content = json.dumps(found.to_json() | {"labels": labels_digest(originals)}, ensure_ascii=False)
    write_atomic(_path(dataset.workspace, policy, embedder.space), content.encode())
    return found


def _path(workspace: Workspace, policy: Policy, space: str) -> Path:
    return workspace.cache / "safety" / f"{policy.digest}-{hashlib.sha256(space.encode()).hexdigest()[:12]}.json"


def _made(kind: type[Any], record: dict[str, Any]) -> Any:
    return kind(**{field.name: record[field.name] for field in fields(kind)})
