"""What somebody has tried of the sample: the short list on the Overview, ticked by what happened, dismissed for good.

That a mark was asked, a training started and the map looked at is noted here, by name; a mended label and a run are
seen where they lie.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Literal, get_args

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace, write_atomic
from core.showcase.laid import Laid
from core.training.runs import Runs

FILE = "tried.json"  # in the workspace's data folder
DISMISSED: Literal["dismissed"] = "dismissed"

Task = Literal["identify", "labels", "train", "map"]
TASKS: tuple[Task, ...] = get_args(Task)


def done(dataset: Dataset) -> set[Task]:
    """The tasks that whoever has ``dataset`` in hand, or for the collection and the runs anybody, has done."""
    workspace = dataset.workspace
    laid, noted = Laid.read(workspace), _read(workspace).get(workspace.actor.name, [])
    found: set[Task] = {task for task in TASKS if task in noted}
    if laid.wrong and any(laid.wrong[sha256] not in folders for sha256, folders in _folders(dataset, laid)):
        found.add("labels")
    if any(run.id != laid.run for run in Runs(workspace).list()):
        found.add("train")
    return found


def dismissed(workspace: Workspace) -> bool:
    """Whether this person does not want to see the list any more."""
    return DISMISSED in _read(workspace).get(workspace.actor.name, [])


def note(workspace: Workspace, what: Task | Literal["dismissed"]) -> None:
    """Remember it of this person; nothing where there is no sample. Two at the same moment: one is forgotten."""
    held = _read(workspace)
    noted = held.get(workspace.actor.name, [])
    if what in noted or not workspace.config().sample:
        return
    held[workspace.actor.name] = [*noted, what]
    write_atomic(workspace.data / FILE, json.dumps(held, ensure_ascii=False, indent=1).encode())


def _folders(dataset: Dataset, laid: Laid) -> list[tuple[str, set[str]]]:
    held = dataset.folders_of(laid.wrong)
    return [(sha256, held.get(sha256, set())) for sha256 in laid.wrong]


def _read(workspace: Workspace) -> dict[str, list[str]]:
    with suppress(OSError, ValueError):
        held = json.loads((workspace.data / FILE).read_text(encoding="utf-8"))
        if isinstance(held, dict):
            return {str(who): list(what) for who, what in held.items() if isinstance(what, list)}
    return {}
