"""Pictures in, vectors out: which engine the network runs in, and the threads around it.

Which network that is, `core.embedding.plans` says. On a CPU it runs in ONNX Runtime (`core.embedding.engine`), on a GPU
in PyTorch. Nothing here searches, stores or trains; torch is imported only when there is no cached engine to use.
"""

from __future__ import annotations

import copy
import itertools
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from PIL import Image

from core.embedding.engine import ExportFailed, cores, engine_key, export, facts_of, find, keep, session
from core.embedding.photograph_map import end_to_end, seen_otherwise, views
from core.embedding.plans import ASSETS, Plan, for_parts, in_use, saved, untrained_plan
from core.ground.config import Preprocessing
from core.ground.errors import BurinError, ImageRefused, ModelRefused
from core.ground.extras import need_pytorch, trains_here
from core.ground.preprocessing import see
from core.ground.workspace import Workspace
from core.sight.marks import Subject, subject

if TYPE_CHECKING:
    import onnxruntime

Engine = Literal["onnxruntime", "torch"]
Picture = Image.Image | Subject | Callable[[], Image.Image | Subject]

ENGINES = ASSETS / "engines"  # the untrained encoder's, exported by benchmarks/_export_engines.py

CHUNK = 4  # images a forward: beyond that the features leave the cache (measured 2.8 ms an image, 3.7 ms at 32)
CHUNK_GPU = 64
GROUP = 16  # pictures that a thread opens and looks at before it embeds them
SMALL = 512 * 512  # pixels: looking at fewer is many short calls (see `_Running`)


class Embedder(Protocol):
    """Embeds pictures into one ``space``: vectors are comparable if, and only if, it is the same string.

    ``dimension``: D; ``preprocessing``: what `core.ground.preprocessing.see` is to make of a picture;
    ``sentence``: which weights and which engine, for people.
    """

    space: str
    dimension: int
    preprocessing: Preprocessing
    engine: Engine
    sentence: str

    def embed(self, seen: np.ndarray, subjects: Sequence[Subject] = ()) -> np.ndarray:
        """``seen`` (N, ...) uint8, each of the preprocessing's shape -> (N, D) float32, L2-normalised.

        ``subjects`` (N, or none): what was seen; of those that were read in a photograph more is seen where the
        network has learnt to (`core.embedding.photograph_map`).
        """

    def embed_images(self, images: Iterable[Picture], *, batch: int = GROUP) -> Iterator[np.ndarray | ImageRefused]:
        """One (D,) vector a picture, in the order given.

        A picture is a decoded image, or a call that returns one: it is then made in a thread
        beside the forward pass, ``batch`` pictures at a time. Where the call refuses, its
        `ImageRefused` stands in the row.
        """


def load_embedder(
    workspace: Workspace,
    *,
    model: Path | None = None,
    engine: Engine | None = None,
    preprocessing: Preprocessing | None = None,
) -> Embedder:
    """The embedder of ``workspace``, or of a saved ``model``, or the untrained one that sees by ``preprocessing``.

    Without a model: the trained network that was promoted, else the workspace's pretrained weights (see
    `core.embedding.weights.resolve`) with the features of block 4 and, where one was fitted to them, a
    projection to 256 dimensions.
    ``engine`` None: PyTorch where there is a GPU, else ONNX Runtime, else PyTorch, saying why.
    Raises `WeightsUnavailable` and `ModelRefused`.
    """
    config = workspace.config()
    if preprocessing:
        plans = for_parts(workspace, config.weights, preprocessing)
    else:
        plans = [saved(workspace, model, config.preprocessing)] if model else in_use(workspace, config)
    each = [_running(plan, engine) for plan in plans]
    if plans[0].photographs is not None:
        each[0].photographs = _Photographs(plans[0], workspace, config.weights, engine)
    return each[0] if len(each) == 1 else _joined(plans[0], each, preprocessing or config.preprocessing)


def _running(plan: Plan, engine: Engine | None) -> _Running:
    why = ""
    if engine == "onnxruntime" or (engine is None and not _gpu_here()):
        try:
            return _on_onnx(plan)
        except ExportFailed as error:
            if engine:
                raise ModelRefused("The model cannot be exported to ONNX: {why}.", why=error) from error
            why = str(error)
    return _on_torch(plan, why)


def through(embedder: Embedder, forward: Callable[[np.ndarray], np.ndarray], *, at_once: int, chunk: int) -> Embedder:
    """The same embedder with its network elsewhere: ``forward`` is asked for ``chunk`` pictures, by ``at_once``
    threads."""
    assert isinstance(embedder, _Running)
    return embedder.through(forward, at_once, chunk)


def opens_at_once(workspace: Workspace) -> bool:
    """Whether `load_embedder` finds an engine that was made before, and so needs neither torch nor an export."""
    plans = in_use(workspace, workspace.config())
    return all(any(find(f, engine_key(plan.facts)) is not None for f in (ENGINES, plan.engines)) for plan in plans)


def _on_onnx(plan: Plan) -> _Running:
    """The engine that ships or was kept, else a new one; raises `ExportFailed`, and `ExtrasMissing` where PyTorch,
    which alone can make it, is not installed."""
    key = engine_key(plan.facts)
    engines = (_opened(find(folder, key), plan.facts) for folder in (ENGINES, plan.engines))
    loaded = next((engine for engine in engines if engine is not None), None)
    if loaded is None:
        need_pytorch()
        content = export(plan.build(), size=plan.preprocessing.size, facts=plan.facts)
        with suppress(OSError):  # a full disk costs the next start some seconds, not this one its answer
            keep(plan.engines, key, content)
        loaded = session(content, threads=1)

    def forward(seen: np.ndarray) -> np.ndarray:
        return loaded.run(["embeddings"], {"images": seen})[0]

    sentence = f"{plan.sentence} Embedding runs in ONNX Runtime on the CPU."
    return _Running(plan, "onnxruntime", loaded.get_outputs()[0].shape[1], sentence, forward, chunk=CHUNK)


def _opened(content: bytes | None, facts: dict[str, Any]) -> onnxruntime.InferenceSession | None:
    """A session on a cached engine; None when it is another network's, or of a format this runtime does not read."""
    if content is None:
        return None
    with suppress(Exception):  # ONNX Runtime raises a dozen types of its own
        loaded = session(content, threads=1)
        return loaded if facts_of(loaded) == facts else None
    return None


def _on_torch(plan: Plan, why: str) -> _Running:
    need_pytorch()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = plan.build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    lock = threading.Lock()  # one forward at a time: the network uses every core, or the one GPU

    def forward(seen: np.ndarray) -> np.ndarray:
        with lock, torch.inference_mode():
            images = torch.from_numpy(np.ascontiguousarray(seen)).to(device)
            return net(images.permute(0, 3, 1, 2)).cpu().numpy()

    where = "on the GPU" if device == "cuda" else "on the CPU"
    because = f" (no ONNX engine: {why})" if why else ""
    sentence = f"{plan.sentence} Embedding runs in PyTorch {where}{because}."
    chunk = CHUNK_GPU if device == "cuda" else CHUNK
    return _Running(plan, "torch", net.dimension, sentence, forward, chunk=chunk)


def _joined(plan: Plan, each: Sequence[_Running], preprocessing: Preprocessing) -> _Running:
    """One embedder of several, each for its part of what is seen (N, S, parts x S, 3): their vectors end to end, so
    that a cosine between two of them is the mean of the parts' cosines. ``plan`` is the first one's."""
    space = "+".join(one.space for one in each)

    def forward(seen: np.ndarray) -> np.ndarray:
        parts = np.split(seen, len(each), axis=2)
        vectors = [one.forward(np.ascontiguousarray(part)) for one, part in zip(each, parts, strict=True)]
        return np.concatenate(vectors, axis=1) * np.float32(len(each) ** -0.5)

    plan = replace(plan, space=space, preprocessing=preprocessing)
    dimension, chunk = sum(one.dimension for one in each), min(one.chunk for one in each)
    return _Running(plan, each[0].engine, dimension, each[0].sentence, forward, chunk=chunk)


class _Photographs:
    """The further views of what was read in photographs, and the map of all of them to one vector. The other heads'
    engines are opened when a photograph is first met."""

    def __init__(self, plan: Plan, workspace: Workspace, spec: str, engine: Engine | None) -> None:
        assert plan.photographs is not None
        self._map = plan.photographs
        self._preprocessing = seen_as = plan.preprocessing
        self._opening = threading.Lock()
        self._open = lambda: [_running(untrained_plan(workspace, spec, view), engine) for view in views(seen_as)]
        self._others: list[_Running] = []

    def vectors(self, of_strokes: np.ndarray, subjects: list[Subject]) -> np.ndarray:
        """(N, D) of the strokes and what they were read in -> (N, D)."""
        with self._opening:
            self._others = self._others or self._open()
        cut, whole = seen_otherwise(subjects, self._preprocessing)
        crop, plain = (other.forward(seen) for other, seen in zip(self._others, (cut, whole), strict=True))
        return self._map(end_to_end(of_strokes, crop, plain))


class _Running:
    """An `Embedder` around ``forward``, which may be called from several threads at once.

    The work is spread image by image, not inside one forward: on two cores, a second thread in
    the forward of one image gained a fifth at best, and lost as much when the machine was busy.
    Looking at a small picture is some thirty short calls that give Python's lock away and want it back: one thread
    does it at a time, while the others open files or are in their forwards (measured: a fifth more pictures a second).
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        dimension: int,
        sentence: str,
        forward: Callable[[np.ndarray], np.ndarray],
        *,
        chunk: int,
    ) -> None:
        self.space = plan.space
        self.preprocessing = plan.preprocessing
        self.engine: Engine = engine
        self.dimension = dimension
        self.sentence = sentence
        self.forward = forward
        self.chunk = chunk
        self.photographs: _Photographs | None = None
        self._workers = cores()
        self._looking = threading.Lock()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="embed")

    def through(self, forward: Callable[[np.ndarray], np.ndarray], at_once: int, chunk: int) -> _Running:
        other = copy.copy(self)
        other.forward, other.chunk, other._workers = forward, chunk, at_once
        other._pool = ThreadPoolExecutor(at_once, thread_name_prefix="embed")
        return other

    def embed(self, seen: np.ndarray, subjects: Sequence[Subject] = ()) -> np.ndarray:
        if seen.dtype != np.uint8 or seen.shape[1:] != self.preprocessing.shape:
            raise ValueError(f"expected uint8 (N, *{self.preprocessing.shape}), not {seen.dtype} {seen.shape}")
        if len(seen) <= self.chunk:
            return self._vectors(seen, subjects) if len(seen) else np.empty((0, self.dimension), np.float32)
        starts = range(0, len(seen), self.chunk)
        parts = ((seen[i : i + self.chunk], subjects[i : i + self.chunk]) for i in starts)
        return np.concatenate(list(self._pool.map(lambda part: self._vectors(*part), parts)))

    def _vectors(self, seen: np.ndarray, subjects: Sequence[Subject]) -> np.ndarray:
        """One forward, and further ones for what was read in photographs."""
        vectors = self.forward(seen)
        at = [i for i, one in enumerate(subjects) if one.photograph is not None]
        if at and self.photographs is not None:
            vectors = np.array(vectors)  # an actor's answer cannot be written to
            vectors[at] = self.photographs.vectors(vectors[at], [subjects[i] for i in at])
        return vectors

    def embed_images(
        self, images: Iterable[Picture], *, batch: int | None = None
    ) -> Iterator[np.ndarray | ImageRefused]:
        images = iter(images)
        waiting: deque[Future[list[np.ndarray | ImageRefused]]] = deque()
        try:
            while chunk := list(itertools.islice(images, batch or max(GROUP, self.chunk))):
                waiting.append(self._pool.submit(self._embed_chunk, chunk))
                if len(waiting) > 2 * self._workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _embed_chunk(self, chunk: list[Picture]) -> list[np.ndarray | ImageRefused]:
        opened = [self._opened(picture) for picture in chunk]
        with self._looking:
            looked = [o if isinstance(o, ImageRefused | _Looked) else self._look(o) for o in opened]
        readable = [one for one in looked if isinstance(one, _Looked)]
        starts = range(0, len(readable), self.chunk)
        parts = (readable[at : at + self.chunk] for at in starts)
        vectors = (
            row for part in parts for row in self._vectors(np.stack([o.seen for o in part]), [o.of for o in part])
        )
        return [one if isinstance(one, ImageRefused) else next(vectors) for one in looked]

    def _look(self, picture: Image.Image | Subject) -> _Looked:
        of = subject(picture, self.preprocessing)
        seen = see(of.picture, self.preprocessing)
        return _Looked(seen, of if of.photograph is not None else _PLAIN)

    def _opened(self, picture: Picture) -> Image.Image | Subject | _Looked | ImageRefused:
        """The picture; what the model sees of it, where it is so large that many of them would fill the memory."""
        try:
            opened = picture() if callable(picture) else picture
            large = isinstance(opened, Image.Image) and opened.width * opened.height > SMALL
            return self._look(opened) if large else opened
        except ImageRefused as error:
            return error
        except BurinError as error:  # the file went away since it was listed
            return ImageRefused(error.template, **error.values)
        except OSError as error:
            return ImageRefused("The file cannot be read: {why}.", why=error.strerror or error)


@dataclass(frozen=True)
class _Looked:
    """A picture as the network sees it, ``seen``, and what that is ``of``, as far as it was read in a photograph."""

    seen: np.ndarray
    of: Subject


_PLAIN = Subject(Image.new("L", (1, 1)))  # of what was not: the picture itself need not be kept


def _gpu_here() -> bool:
    """Whether PyTorch can use a GPU; it is asked (and imported) only where an NVIDIA driver is installed."""
    if not trains_here() or not (Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")):
        return False
    import torch

    return torch.cuda.is_available()
