"""What a person has looked at and called right as it is: findings that are not shown again.

Kept with the data, not in the cache, since nobody could make it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from core.ground.rights import Actor, allow
from core.ground.workspace import Workspace, write_atomic


@dataclass
class Kept:
    """The findings by a key of their ``kind`` and parts; `add` and `remove` write at once."""

    path: Path
    keys: set[str] = field(default_factory=set)
    actor: Actor = field(default_factory=Actor)

    @classmethod
    def read(cls, workspace: Workspace) -> Self:
        path = workspace.data / "quality_kept.json"
        try:
            return cls(path, {str(key) for key in json.loads(path.read_text(encoding="utf-8"))}, workspace.actor)
        except (OSError, ValueError, TypeError):
            return cls(path, actor=workspace.actor)

    def add(self, kind: str, *findings: Iterable[str]) -> None:
        """Keep findings of ``kind``, each by its parts."""
        allow(self.actor, "finding")
        self.keys.update(_key(kind, parts) for parts in findings)
        self._write()

    def remove(self, kind: str, *findings: Iterable[str]) -> None:
        """Take `add` back: the findings are shown again."""
        allow(self.actor, "finding")
        self.keys.difference_update(_key(kind, parts) for parts in findings)
        self._write()

    def __contains__(self, finding: tuple[str, Iterable[str]]) -> bool:
        return _key(*finding) in self.keys

    def _write(self) -> None:
        write_atomic(self.path, json.dumps(sorted(self.keys)).encode())


def _key(kind: str, parts: Iterable[str]) -> str:
    return f"{kind} {hashlib.sha256(' '.join(sorted(parts)).encode()).hexdigest()[:24]}"


def hint_parts(item_id: int, label: int, said: int) -> list[str]:
    """What a doubt about a label is remembered by, as a "hint": the image, the class it has and the one that was
    said instead, by their ids."""
    return [f"item{item_id}", f"label{label}", f"said{said}"]
