"""Writing variants: draws of originals as files with their line in the manifest, unsafe transforms left out.

The same originals, policy and seed give the same bytes, so a run that was stopped or killed is
run again and writes what is missing. A draw that lands in another class is drawn again, a few times.
Which images and how many is the caller's, or `core.variation.balance`'s.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from core.catalogue.records import FileOutcome
from core.ground.errors import BurinError, ConfigRefused
from core.ground.images import content_hash
from core.ground.locks import CONFIRMED_S, Hold
from core.variation.augment import Draw, draw, draw_seed
from core.variation.policies import Policy
from core.variation.safety import SafetyReport
from core.variation.sources import Original
from core.variation.variants import Batch, Manifest, Variant

if TYPE_CHECKING:
    pass

MOST_PER_IMAGE = 1000
Astray = Callable[[Original, Sequence[Image.Image]], Sequence[bool]]  # which draws of an original may not be written
TRIES = 4  # draws of a variant before it is given up: each was nearer to another class
_LINES = 64  # variants whose lines are written, and synced, together


@dataclass(frozen=True)
class Task:
    """Draws ``numbers`` of one original."""

    original: Original
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What became of a batch: variants ``written``, ``present`` before (same bytes), ``bytes`` written, the originals
    that were ``refused``, each with its sentence, and how many variants had ``unsafe`` draws only: not written."""

    batch: str
    written: int
    present: int
    bytes: int
    refused: list[FileOutcome]
    unsafe: int = 0
    stopped: bool = False


def tasks_per_image(originals: Sequence[Original], per_image: int) -> list[Task]:
    """The first ``per_image`` draws of every original. Raises `ConfigRefused`."""
    if not 1 <= per_image <= MOST_PER_IMAGE:
        raise ConfigRefused(
            "The number of variants an image must be from 1 to {limit}, not {value}.",
            limit=MOST_PER_IMAGE,
            value=per_image,
        )
    return [Task(original, tuple(range(per_image))) for original in originals]


def batch_id(tasks: Sequence[Task], policy: Policy, seed: int) -> str:
    """The same for the same work, so that a second run goes on with the first one's batch."""
    work = [[task.original.folder, task.original.sha256, list(task.numbers)] for task in tasks]
    return hashlib.sha256(json.dumps([policy.digest, seed, work]).encode()).hexdigest()[:16]


def write(
    manifest: Manifest,
    tasks: Sequence[Task],
    policy: Policy,
    *,
    seed: int = 0,
    safety: SafetyReport | None,
    astray: Astray | None = None,
    batch: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_refused: Callable[[FileOutcome], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Written:
    """Write the draws of ``tasks`` into the class folders beside ``manifest``.

    With a ``safety`` report, what it refuses for a class is left out there; a class for which
    nothing of the policy is left gets none. A draw that is ``astray`` is drawn anew up to `TRIES` times
    in all. ``safety`` None is a person's override, and the manifest
    says so. An original that cannot be read is listed and passed over. Raises `Conflict` when another
    process is writing there.
    """
    batch = batch or batch_id(tasks, policy, seed)
    total = sum(len(task.numbers) for task in tasks)
    effective = {task.original.folder: policy for task in tasks}
    if safety is not None:
        effective = {folder: safety.policy_for(folder) for folder in effective}
    run = _Run(manifest, batch, seed, effective, astray)
    with manifest.locked() as held:
        run.held = held
        known = {(v.folder, v.file): v.sha256 for v in manifest.variants()}
        refused_here = {folder: sorted(safety.refused(folder)) for folder in effective} if safety else {}
        header = Batch(
            id=batch,
            at=round(time.time(), 3),
            policy=policy.to_json(),
            seed=seed,
            refused={folder: names for folder, names in refused_here.items() if names},
            override=safety is None,
            space=safety.space if safety else "",
            classes=len(effective),
            images=total,
        )
        manifest.append([header])
        for made in run.all(tasks, known):
            if isinstance(made, FileOutcome):
                run.refused.append(made)
                if on_refused:
                    on_refused(made)
            else:
                run.keep(made)
            if on_progress:
                on_progress(run.done, total)
            if should_stop():
                run.stopped = True
                break
        run.flush()
    return Written(batch, run.written, run.present, run.bytes, run.refused, run.unsafe, run.stopped)


@dataclass(frozen=True)
class _Made:
    """Draws of one original: each with its content, None where it is there already; and how many were given up."""

    variants: list[tuple[Variant, bytes | None]]
    unsafe: int


class _Run:
    """One `write`: the pool that draws, and what is waiting for its line in the manifest."""

    def __init__(
        self, manifest: Manifest, batch: str, seed: int, effective: Mapping[str, Policy], astray: Astray | None
    ) -> None:
        self.manifest, self.batch, self.seed, self.effective = manifest, batch, seed, effective
        self.astray = astray
        self.held: Hold | None = None  # of the manifest
        self.done = self.written = self.present = self.bytes = self.unsafe = 0
        self.refused: list[FileOutcome] = []
        self.stopped = False
        self._waiting: list[tuple[Variant, bytes]] = []

    def all(self, tasks: Sequence[Task], known: Mapping[tuple[str, str], str]) -> Iterator[_Made | FileOutcome]:
        """Every task's draws, in order, a few at a time."""
        workers = os.cpu_count() or 2
        pieces = (
            Task(task.original, task.numbers[start : start + 8])
            for task in tasks
            if self.effective[task.original.folder].steps
            for start in range(0, len(task.numbers), 8)
        )
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # one thread a picture: there are as many pictures as cores
        pool = ThreadPoolExecutor(workers)
        queue: deque[Future[_Made | FileOutcome]] = deque()
        failed: set[Original] = set()
        try:
            for piece in pieces:
                queue.append(pool.submit(self._make, piece, known))
                if len(queue) > 3 * workers:
                    yield from self._unless_said(queue.popleft().result(), failed)
            while queue:
                yield from self._unless_said(queue.popleft().result(), failed)
        finally:
            pool.shutdown(cancel_futures=True)
            cv2.setNumThreads(threads)

    def keep(self, made: _Made) -> None:
        self.unsafe += made.unsafe
        self.done += made.unsafe
        for variant, content in made.variants:
            self.done += 1
            if content is None:
                self.present += 1
            else:
                self._waiting.append((variant, content))
        if len(self._waiting) >= _LINES:
            self.flush()

    def flush(self) -> None:
        """The lines first, then the files: a kill in between leaves lines without files, which count for nothing."""
        if self.held is not None:
            self.held.confirm(every_s=CONFIRMED_S)
        if self._waiting:
            self.manifest.append(variant for variant, _content in self._waiting)
        for variant, content in self._waiting:
            self.manifest.put(variant, content)
            self.written += 1
            self.bytes += len(content)
        self._waiting.clear()

    def _make(self, task: Task, known: Mapping[tuple[str, str], str]) -> _Made | FileOutcome:
        original = task.original
        made: list[tuple[Variant, bytes | None]] = []
        missing: list[int] = []
        try:
            for number in task.numbers:
                file = file_of(original, self.effective[original.folder], self.seed, number)
                sha256 = known.get((original.folder, file))
                path = self.manifest.folder / original.folder / file
                if sha256 is not None and content_hash(path.read_bytes()) == sha256:
                    drawn = draw_seed(self.seed, original.sha256, number)
                    made.append((self._variant(original, number, sha256, drawn, []), None))
                else:
                    missing.append(number)
            draws = self._draws(original, missing) if missing else {}
        except BurinError as error:
            return FileOutcome(f"{original.folder}/{original.path.name}", "refused", error, original.item_id)
        for number, result in sorted(draws.items()):
            content = encode(result.image)
            parameters = [applied.to_json() for applied in result.parameters]
            variant = self._variant(original, number, content_hash(content), result.seed, parameters)
            made.append((variant, content))
        return _Made(made, len(missing) - len(draws))

    def _draws(self, original: Original, numbers: Sequence[int]) -> dict[int, Draw]:
        """The draws of an original that may be written, by their number."""
        picture, policy = original.read(), self.effective[original.folder]
        found: dict[int, Draw] = {}
        for again in range(TRIES if self.astray else 1):
            tried = [
                (number, draw(picture, policy, seed=draw_seed(self.seed, original.sha256, number, again=again)))
                for number in numbers
                if number not in found
            ]
            if not tried:
                break
            lost = self.astray(original, [each.image for _n, each in tried]) if self.astray else [False] * len(tried)
            found |= {number: each for (number, each), gone in zip(tried, lost, strict=True) if not gone}
        return found

    def _variant(
        self, original: Original, number: int, sha256: str, drawn: int, parameters: list[dict[str, Any]]
    ) -> Variant:
        policy = self.effective[original.folder]
        about = (original.item_id, original.path.name, original.sha256, policy.id, policy.digest)
        how = (self.seed, number, drawn, parameters, self.batch)
        return Variant(original.folder, file_of(original, policy, self.seed, number), sha256, *about, *how)

    def _unless_said(self, made: _Made | FileOutcome, failed: set[Any]) -> Iterator[_Made | FileOutcome]:
        """A broken original is said once, not once a piece."""
        if isinstance(made, FileOutcome):
            if made.name in failed:
                return
            failed.add(made.name)
        yield made


def file_of(original: Original, policy: Policy, seed: int, number: int) -> str:
    """The file name of a variant: it says which original, steps, seed and draw, and no two are the same."""
    stem = re.sub(r"[^\w-]+", "_", original.path.stem).strip("_")[:60] or "image"
    return f"{stem}_{original.sha256[:10]}_{policy.digest[:8]}_s{seed}_{number:04d}.png"


def encode(image: Image.Image) -> bytes:
    """PNG, grey where the picture is; level 3 costs half of the usual 6 for a tenth more bytes."""
    pixels = np.asarray(image)
    red, green, blue = cv2.split(pixels)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        image = Image.fromarray(red)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
