"""What Identify uses: the record that a promotion leaves beside the weights, read and checked against them.

Promoting and going back are `core.training.promotion`'s.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.embedding.weights import PROMOTED, sha256_of
from core.ground.workspace import Workspace, write_atomic

ORIGIN = "promoted.json"


@dataclass(frozen=True)
class Promoted:
    """What is in use: the run it came from ("" where that is not known), the hash of the weights, and when."""

    run_id: str
    sha256: str
    at: float


def promoted(workspace: Workspace) -> Promoted | None:
    """What Identify uses; None: the encoder as it is before any training."""
    path = workspace.model / PROMOTED
    if not path.is_file():
        return None
    sha256 = sha256_of(path)
    for record in every_told(workspace.model):
        if record.sha256 == sha256:
            return record
    return Promoted("", sha256, path.stat().st_mtime)


def tell(folder: Path, *records: Promoted | None) -> None:
    """Write down what is used, and further ones where a change is under way: whichever of them lies there, it is
    known."""
    known = [asdict(record) for record in records if record is not None]
    if known:
        first, *others = known
        before = {"before": others} if others else {}
        write_atomic(folder / ORIGIN, json.dumps(first | before).encode())


def told(folder: Path) -> Promoted | None:
    """What the record in ``folder`` says first; None where there is none."""
    return next(iter(every_told(folder)), None)


def every_told(folder: Path) -> list[Promoted]:
    """All that the record in ``folder`` says: what is used, and what was before where a change is under way."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        record = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
        every = (record, *record.get("before", ()))
        return [Promoted(str(each["run_id"]), str(each["sha256"]), float(each["at"])) for each in every]
    return []
