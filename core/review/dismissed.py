"""What a person has looked at and called right as it is: findings that are not shown again.

Kept with the data, not in the cache, since nobody could make it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from core.ground.errors import Conflict
from core.ground.locks import locked
from core.ground.rights import Actor, allow
from core.ground.workspace import Workspace, write_atomic


@dataclass
class Kept:
    """The findings by a key of their ``kind`` and parts; `add` and `remove` write at once, and leave what others have
    written since."""

    path: Path
    keys: set[str] = field(default_factory=set)
    actor: Actor = field(default_factory=Actor)

    @classmethod
    def read(cls, workspace: Workspace) -> Self:
        path = workspace.data / "quality_kept.json"
        return cls(path, _read(path), workspace.actor)

    def add(self, kind: str, *findings: Iterable[str]) -> None:
        """Keep findings of ``kind``, each by its parts."""
        allow(self.actor, "finding")
        self._write(add={_key(kind, parts) for parts in findings})

    def remove(self, kind: str, *findings: Iterable[str]) -> None:
        """Take `add` back: the findings are shown again."""
        allow(self.actor, "finding")
        self._write(remove={_key(kind, parts) for parts in findings})

    def __contains__(self, finding: tuple[str, Iterable[str]]) -> bool:
        return _key(*finding) in self.keys

    def _write(self, *, add: Set[str] = frozenset(), remove: Set[str] = frozenset()) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        busy = Conflict("Somebody else is writing here: try again.")
        with locked(self.path.with_name(".quality_kept.lock"), busy, wait_s=10):
            self.keys = (_read(self.path) | add) - remove
            write_atomic(self.path, json.dumps(sorted(self.keys)).encode())


def _read(path: Path) -> set[str]:
    try:
        return {str(key) for key in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        return set()


def _key(kind: str, parts: Iterable[str]) -> str:
    return f"{kind} {hashlib.sha256(' '.join(sorted(parts)).encode()).hexdigest()[:24]}"


def hint_parts(item_id: int, label: int, said: int) -> list[str]:
    """What a doubt about a label is remembered by, as a "hint": the image, the class it has and the one that was
    said instead, by their ids."""
    return [f"item{item_id}", f"label{label}", f"said{said}"]
