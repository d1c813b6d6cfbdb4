"""Looks: what opening every image of the collection showed, kept, so that copies are found without opening it again.

A cache: what is lost is looked at once more. How pictures are compared is `core.ground.sameness`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.arrays import read_arrays
from core.ground.errors import BurinError
from core.ground.sameness import BYTES, VERSION, Look, look
from core.ground.workspace import Workspace, writing

TINY = 24  # px: an image whose longer side is shorter shows no stroke that could be told from another

Progress = Callable[[int, int], None]


@dataclass
class Looks:
    """What opening each content (V,), sorted, showed: ``state`` ("", "blank", "tiny" or "broken") and ``looks``
    (V, BYTES) uint8, as `core.ground.sameness.Look.to_bytes` gives them."""

    sha256: np.ndarray
    state: np.ndarray
    looks: np.ndarray

    @classmethod
    def empty(cls) -> Self:
        return cls(np.empty(0, "S64"), np.empty(0, "U6"), np.empty((0, BYTES), np.uint8))

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `save` wrote; nothing where that is gone, or of another version."""
        try:
            held = read_arrays(path)
            if int(held["version"]) == VERSION and held["looks"].shape[1:] == (BYTES,):
                return cls(held["sha256"], held["state"], held["looks"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return cls.empty()

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """What is kept of the workspace's images."""
        return cls.read(path_of(workspace))

    def save(self, path: Path) -> None:
        with writing(path) as file:
            np.savez(file, version=VERSION, sha256=self.sha256, state=self.state, looks=self.looks)

    def get(self, sha256: str) -> Look | None:
        row = self._rows.get(sha256.encode("ascii"))
        return None if row is None else Look.from_bytes(self.looks[row].tobytes())

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {sha256: row for row, sha256 in enumerate(self.sha256.tolist())}


def path_of(workspace: Workspace) -> Path:
    """Where the looks of a workspace are kept."""
    return workspace.cache / "quality" / "looks.npz"


def state_of(image: Image.Image, seen: Look) -> str:
    """ "tiny", "blank" or "": whether a picture shows a mark at all."""
    return "tiny" if max(image.size) < TINY else "blank" if seen.blank else ""


def look_at_all(
    dataset: Dataset,
    *,
    known: Looks,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Looks:
    """Look at every present content that is not ``known``; what went is forgotten. Stopping keeps what is done."""
    items = {item.sha256.encode(): item for item in dataset.items(limit=None)}
    stays = np.array([sha256 in items for sha256 in known.sha256.tolist()], bool)
    hashes, states = known.sha256[stays].tolist(), known.state[stays].tolist()
    new = sorted(items.keys() - set(hashes))
    found = []
    for done, sha256 in enumerate(new):
        if done % 100 == 0:
            if should_stop():
                break
            if on_progress:
                on_progress(done, len(new))
        try:
            image = dataset.picture(items[sha256])
            seen = look(image)
            states.append(state_of(image, seen))
        except BurinError:
            seen = Look.nothing()
            states.append("broken")
        hashes.append(sha256)
        found.append(np.frombuffer(seen.to_bytes(), np.uint8))
    order = np.argsort(np.array(hashes, "S64"), kind="stable")
    rows = np.concatenate([known.looks[stays], np.array(found, np.uint8).reshape(-1, BYTES)])
    return Looks(np.array(hashes, "S64")[order], np.array(states, "U6")[order], rows[order])


def looks_of(
    dataset: Dataset, *, on_progress: Progress | None = None, should_stop: Callable[[], bool] = lambda: False
) -> Looks:
    """`look_at_all`, from what was kept of the last time, and kept for the next."""
    path = path_of(dataset.workspace)
    known = Looks.read(path)
    looks = look_at_all(dataset, known=known, on_progress=on_progress, should_stop=should_stop)
    if not np.array_equal(looks.sha256, known.sha256):
        looks.save(path)
    return looks
