"""What a job does: a function that its request names, and where it may be done."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from core.ground.errors import BadInput

_OURS = ("core", "tests")  # packages
_MOVED = {  # as a request names it that an earlier version wrote -> where it is
    "core.embedding.mirror:run_reconcile": "core.embedding.mirror_keeper:run_reconcile",
    "core.evaluation.takeout:run_backup": "core.evaluation.export_files:run_backup",
    "core.evaluation.takeout:run_export": "core.evaluation.export_files:run_export",
    "core.evaluation.takeout:run_restore": "core.collection.restored:run_restore",
    "core.intake.ingest:run_import": "core.intake.work:run_import",
    "core.variation.writer:run_augment": "core.variation.work:run_augment",
}
F = TypeVar("F", bound=Callable[..., Any])


def work_named(said: str) -> Callable[..., Any]:
    """The function that a request names: one of Burin's own, whoever wrote the request. A workspace may have come from
    elsewhere, and lie in the folder that modules are looked for in."""
    module, _, name = _MOVED.get(said, said).partition(":")
    if module.partition(".")[0] not in _OURS:
        raise BadInput("This job asks for work that is not Burin's ({work}): it is not done.", work=said)
    return getattr(importlib.import_module(module), name)


def anywhere(work: F) -> F:
    """Mark work that any machine of a cluster may do, where the settings name one: it needs the workspace and nothing
    else of this machine, and done a second time it goes on from what the first had done."""
    work.anywhere = True  # type: ignore[attr-defined]
    return work


def goes_anywhere(work: Callable[..., Any]) -> bool:
    """Whether `anywhere` marked it."""
    return getattr(work, "anywhere", False)
