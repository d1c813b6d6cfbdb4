"""Batches: pictures in memory, varied anew each time they are drawn, made in threads beside the training.

A picture follows from the seed, the epoch, its batch and its place in it, whoever makes it and when. It
opens the images and knows which transforms are left out for a class; it trains nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from core.catalogue.records import FileOutcome
from core.ground.config import Preprocessing
from core.ground.errors import BurinError, ImageRefused
from core.ground.preprocessing import see
from core.sight.marks import subject
from core.training.sampling import ClassBatches
from core.variation.augment import draw, draw_seed
from core.variation.policies import Policy
from core.variation.sources import Original

HELD = 1.5  # times the model's side: size that pictures are reduced to before they are varied
MEMORY = 1_500_000_000  # bytes of pictures held; the others are opened when they are drawn
AHEAD = 3  # batches
PIECE = 8  # images a task


@dataclass(frozen=True)
class Batch:
    """``images`` (N, S, S, 3) uint8 as the model sees them, and their ``labels`` (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


class Images:
    """Originals or variants, opened once: as the model sees them (``seen``), and small, to be varied.

    ``refused`` lists what cannot be read; it is left out of ``originals``. ``labels`` (N,) number ``folders``,
    which are those given or, where None, those that occur.
    """

    def __init__(
        self,
        originals: Sequence[Original],
        preprocessing: Preprocessing,
        *,
        folders: Sequence[str] | None = None,
        varied: bool = False,
        workers: int | None = None,
    ) -> None:
        self.preprocessing = preprocessing
        self.refused: list[FileOutcome] = []
        self.originals: list[Original] = []
        self._small: list[np.ndarray | None] = []
        seen, room = [], MEMORY if varied else 0
        with _one_thread_each(), ThreadPoolExecutor(workers or os.cpu_count() or 2) as pool:
            for original, made in zip(originals, pool.map(self._open, originals), strict=True):
                if isinstance(made, FileOutcome):
                    self.refused.append(made)
                    continue
                small, shown = made
                room -= small.nbytes
                self.originals.append(original)
                self._small.append(small if room > 0 else None)
                seen.append(shown)
        side = preprocessing.size
        self._seen = np.stack(seen) if seen else np.empty((0, side, side), np.uint8)
        self.folders = list(folders) if folders is not None else sorted({o.folder for o in self.originals})
        number = {folder: i for i, folder in enumerate(self.folders)}
        self.labels = np.array([number[original.folder] for original in self.originals], np.int64)

    def __len__(self) -> int:
        return len(self.originals)

    def seen(self, rows: np.ndarray | slice) -> np.ndarray:
        """(N, S, S, 3) uint8, as the model sees them unvaried."""
        shown = self._seen[rows]
        return np.repeat(shown[..., None], 3, axis=-1) if shown.ndim == 3 else shown

    def varied(self, row: int, policy: Policy, seed: int) -> np.ndarray:
        """(S, S, 3) uint8: one draw of a picture, as the model sees it."""
        small = self._small[row]
        if small is None:
            picture = self._reduced(subject(self.originals[row].read(), self.preprocessing).picture)
        else:
            picture = Image.fromarray(small).convert("RGB")
        return see(draw(picture, policy, seed=seed).image, self.preprocessing)

    def _open(self, original: Original) -> tuple[np.ndarray, np.ndarray] | FileOutcome:
        try:
            picture = subject(original.read(), self.preprocessing).picture
            shown = see(picture, self.preprocessing)
        except (BurinError, OSError) as error:
            plain = ImageRefused("{name} cannot be read.", name=original.path.name)
            reason = error if isinstance(error, BurinError) else plain
            return FileOutcome(f"{original.folder}/{original.path.name}", "refused", reason, original.item_id)
        drawn = self.preprocessing.mode != "plain"  # then the three channels are one
        return _grey_where_it_is(np.asarray(self._reduced(picture))), shown[..., 0] if drawn else shown

    def _reduced(self, picture: Image.Image) -> Image.Image:
        small = picture.copy()
        small.thumbnail((round(HELD * self.preprocessing.size),) * 2, Image.Resampling.BOX)
        return small


class Loader:
    """Batches of ``images`` as ``sampler`` draws their rows.

    ``policies``: class folder -> what its images go through; None, or a policy without steps: as they are.
    """

    def __init__(
        self,
        images: Images,
        sampler: ClassBatches,
        *,
        policies: Mapping[str, Policy] | None = None,
        seed: int = 0,
        workers: int | None = None,
    ) -> None:
        self.images, self.sampler, self.seed = images, sampler, seed
        self.policies = policies or {}
        self.workers = workers or os.cpu_count() or 2

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, in order."""
        waiting: deque[tuple[np.ndarray, list[Future[np.ndarray]]]] = deque()
        with _one_thread_each():
            pool = ThreadPoolExecutor(self.workers, thread_name_prefix="batches")
            try:
                for step, rows in enumerate(self.sampler.epoch(epoch)):
                    pieces = [
                        pool.submit(self._piece, rows, start, epoch, step) for start in range(0, len(rows), PIECE)
                    ]
                    waiting.append((rows, pieces))
                    if len(waiting) > AHEAD:
                        yield self._batch(*waiting.popleft())
                while waiting:
                    yield self._batch(*waiting.popleft())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, rows: np.ndarray, pieces: list[Future[np.ndarray]]) -> Batch:
        return Batch(np.concatenate([piece.result() for piece in pieces]), self.images.labels[rows])

    def _piece(self, rows: np.ndarray, start: int, epoch: int, step: int) -> np.ndarray:
        made = []
        for place in range(start, min(start + PIECE, len(rows))):
            row = int(rows[place])
            original = self.images.originals[row]
            policy = self.policies.get(original.folder)
            if policy is None or not policy.steps:
                made.append(self.images.seen(slice(row, row + 1))[0])
                continue
            number = place * self.sampler.world + self.sampler.rank  # another draw in every process
            seed = draw_seed(self.seed, f"{original.sha256}/{epoch}/{step}", number)
            made.append(self.images.varied(row, policy, seed))
        return np.stack(made)


class _one_thread_each:
    """While pictures are made in threads of our own, OpenCV starts none."""

    def __enter__(self) -> None:
        self.threads = cv2.getNumThreads()
        cv2.setNumThreads(1)

    def __exit__(self, *_: object) -> None:
        cv2.setNumThreads(self.threads)


def _grey_where_it_is(pixels: np.ndarray) -> np.ndarray:
    """One channel where the three are equal: a third of the memory."""
    first = pixels[..., 0]
    return first.copy() if (pixels == first[..., None]).all() else pixels
