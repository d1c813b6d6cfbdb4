"""What Identify uses: the record that a promotion leaves beside the weights, read and checked against them.

Promoting and going back are `core.training.promotion`'s.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

from core.embedding.weights import PROMOTED, sha256_of
from core.ground.workspace import Workspace

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
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((workspace.model / ORIGIN).read_text(encoding="utf-8"))
        if record["sha256"] == sha256:
            return Promoted(str(record["run_id"]), sha256, float(record["at"]))
    return Promoted("", sha256, path.stat().st_mtime)
