"""Sights in doubt: originals of which the model sees no whole mark, as a check of every image found them.

What speaks against a sight is `core.sight.doubts`'s; here it is asked of the whole collection, each content once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

from core.collection.dataset import Dataset
from core.ground.errors import BurinError
from core.ground.images import decode
from core.ground.workspace import Workspace, write_atomic
from core.sight.doubts import DOUBTS, Doubt, doubts_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sights:
    """What speaks against each content that was looked at in the mode ``how`` (content as seen -> its doubts)."""

    how: str = ""
    doubts: dict[str, list[Doubt]] = field(default_factory=dict)

    @classmethod
    def read(cls, workspace: Workspace) -> Self:
        """The last check's; none where there was none."""
        try:
            held = json.loads(_path(workspace).read_text(encoding="utf-8"))
            known = {sha256: [one for one in found if one in DOUBTS] for sha256, found in held["doubts"].items()}
            return cls(str(held["how"]), cast(dict[str, list[Doubt]], known))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def save(self, workspace: Workspace) -> None:
        write_atomic(_path(workspace), json.dumps({"how": self.how, "doubts": self.doubts}).encode())


def look(
    dataset: Dataset, *, on_progress: Progress | None = None, should_stop: Callable[[], bool] = lambda: False
) -> Sights:
    """Look at every present content that was not looked at before, and keep it. Stopping keeps what is done."""
    preprocessing = dataset.workspace.config().preprocessing
    before = Sights.read(dataset.workspace)
    known = before.doubts if before.how == preprocessing.mode else {}
    items = {item.sha256: item for item in dataset.items(limit=None)}
    found = {sha256: doubts for sha256, doubts in known.items() if sha256 in items}
    new = sorted(items.keys() - found.keys())
    for done, sha256 in enumerate(new):
        if done % 100 == 0:
            if should_stop():
                break
            if on_progress:
                on_progress(done, len(new))
        item = items[sha256]
        try:
            image = decode(dataset.image_bytes(item), name=item.path)
            found[sha256] = doubts_of(image, preprocessing, region=item.region)
        except BurinError:  # that it cannot be opened is another finding
            found[sha256] = []
    sights = Sights(preprocessing.mode, found)
    sights.save(dataset.workspace)
    return sights


def in_doubt(dataset: Dataset, sights: Sights) -> dict[int, list[Doubt]]:
    """Item id -> what speaks against it: those that do not vote for it, and those that the check found and nobody
    vouched for."""
    doubted = [sha256 for sha256, found in sights.doubts.items() if found]
    return {item.id: sights.doubts.get(item.sha256, []) for item in dataset.doubted(doubted)}


def _path(workspace: Workspace) -> Path:
    return workspace.cache / "quality" / "sights.json"
