"""What the pages use from core, made once per workspace and shared by every session.

The one seam of the page tests: they replace `embedder`, `encoder_opens_at_once` and `in_background`
here. Nothing heavy is imported before a function that needs it is called.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from core.embedding.weights import PROMOTED
from core.ground.errors import BurinError, MachineFault, SearchAway
from core.ground.machine_faults import fault_of
from core.ground.workspace import Workspace
from pages.server import garbage
from pages.ui.people import Present

if TYPE_CHECKING:
    from core.collection.dataset import Dataset
    from core.embedding.candidates import References
    from core.embedding.embedder import Embedder
    from core.embedding.mirror import Mirror
    from core.embedding.mirror_keeper import Keeper
    from core.embedding.opening import Sources
    from core.ground.config import Preprocessing
    from core.ground.job import Job
    from core.ground.jobs import JobRunner
    from core.recognition.calibrate import Calibration


AGAIN_S = 10.0  # after a full disk or a database that was away


@dataclass(frozen=True)
class Base:
    """All that an identification needs: the references and the thresholds measured on them."""

    gallery: References
    calibration: Calibration


@dataclass
class Preparation:
    """How far the server is with reading the folders and embedding what is new; ``again``: for another model."""

    stage: Literal["waiting", "first", "reading", "embedding", "ready", "failed"] = "waiting"
    done: int = 0
    total: int = 0
    error: BurinError | None = None
    again: bool = False
    failed_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def active(self) -> bool:
        return self.stage not in ("ready", "failed")

    def at(self, stage: Literal["first", "reading", "embedding"]) -> Callable[[int, int], None]:
        """Enter ``stage``; the returned call reports progress in it."""
        self.stage, self.done, self.total = stage, 0, 0

        def report(done: int, total: int) -> None:
            self.done, self.total = done, total

        return report


def workspace() -> Workspace:
    """The workspace, in the hands of whoever is at the screen: what their role does not include, core refuses."""
    return Workspace.open().acting_as(Present())


def dataset() -> Dataset:
    """The collection, in the name and with the rights of whoever is at the screen."""
    return _dataset(str(workspace().root)).acting_as(Present())


def jobs() -> JobRunner:
    """The jobs, in the name and with the rights of whoever is at the screen."""
    from core.ground.jobs import JobRunner

    return JobRunner(workspace())


def looks_only(job: Job) -> bool:
    """Whether an import only says what would become of each file."""
    with suppress(OSError, ValueError, KeyError):
        request = json.loads((Path(job.folder) / "request.json").read_text(encoding="utf-8"))
        return bool(request["params"].get("preview"))
    return False


def embedder() -> Embedder:
    """The workspace's encoder; the first call may take seconds (`prepare` makes it in the background).

    Another one as soon as another network is promoted, from whichever tab or shell.
    """
    return _embedder(str(workspace().root), model_stamp())


def model_stamp() -> int:
    """Changes with the promoted network, and with the settings that another encoder follows from."""
    try:
        at = (Workspace.open().model / PROMOTED).stat().st_mtime_ns
    except OSError:
        at = 0
    config = Workspace.open().config()
    seen = config.preprocessing
    return at + zlib.crc32(f"{seen.mode} {seen.size} {config.weights}".encode())


def preprocessing() -> Preprocessing:
    """How the model in use sees a picture; until it is ready, how the workspace's settings say."""
    return workspace().config().preprocessing if preparation().active else embedder().preprocessing


def base() -> Base:
    """The references and thresholds of this moment; embeds what is missing first. What changes no reference, as an
    edited product, loads nothing anew.

    While the server is still preparing, this waits for it: a page that comes before anybody's first
    view has ended (a restarted server, a question still in the browser) starts it itself.
    """
    prepare()
    while preparation().active:
        time.sleep(0.1)
    return _base_now()


def preparation() -> Preparation:
    """Of the model in use: another promotion is prepared anew."""
    held = _preparations(str(Workspace.open().root))
    return held.setdefault(model_stamp(), Preparation(again=bool(held)))


def being_read() -> bool:
    """Whether the collection looks empty only because its folders have not been read yet."""
    from core.collection.walk import walk

    return preparation().active and not dataset().counts().originals and bool(walk(workspace()).files)


def importing() -> bool:
    """Whether images are being taken in right now."""
    return any(not looks_only(job) for job in jobs().active("import"))


def prepare() -> None:
    """Read the folders, load the encoder, embed what is new: once per server and model, behind the first render; after a
    fault of the machine once more, until it is gone."""
    follow_index()
    follow_queue()
    progress = preparation()
    with progress.lock:
        faulty = progress.stage == "failed" and isinstance(progress.error, MachineFault)
        again = faulty and time.monotonic() - progress.failed_at > AGAIN_S
        if progress.stage != "waiting" and not again:
            return
        progress.stage, progress.error = "reading", None
    in_background(lambda: _prepare(progress))


def in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="burin-prepare", daemon=True).start()


def encoder_opens_at_once() -> bool:
    from core.embedding.embedder import opens_at_once

    return opens_at_once(workspace())


def index_in_child(report: Callable[[int, int], None]) -> None:
    """Read the folders, build the engine and embed, in a process of its own. Raises what the job ended on.

    On a first start this takes torch and half a minute of work, which would hold up every visitor here.
    """
    job = jobs().start("index", "core.embedding.gallery:run_index", {}, key="index")
    while job.active:
        time.sleep(0.3)
        job = jobs().get(job.id)
        report(job.done, job.total)
    if job.error:
        raise job.error


def _prepare(progress: Preparation) -> None:
    from core.embedding.gallery import update
    from core.ground.workspace import sweep
    from core.intake.work import sweep_staging

    try:
        data = dataset()
        if encoder_opens_at_once():
            data.rescan(on_progress=progress.at("reading"))
        else:
            index_in_child(progress.at("first"))
        report = progress.at("embedding")
        encoder = embedder()
        update(data, encoder, on_progress=report)
        with suppress(SearchAway):  # said by whoever asks
            _base_now()
        encoder.embed(_blank(encoder))  # the first forward of an engine takes ten times longer than the next ones
        progress.stage = "ready"
        garbage.settle(now=True)
        sweep(data.workspace)
        sweep_staging(data)
    except BaseException as error:  # said again, in words, by the page that needs what is missing
        progress.error = error if isinstance(error, BurinError) else fault_of(error)
        progress.failed_at, progress.stage = time.monotonic(), "failed"
        if progress.error is None:
            raise


def _base_now() -> Base:
    data, encoder, config = dataset(), embedder(), workspace().config()
    asked = config.false_accept_rate, config.neighbours, config.index_url, config.index_kind
    return _base(str(data.workspace.root), encoder.space, data.references_version, *asked)


def mirror() -> Mirror | None:
    """What is kept on the search server that the settings name; None where they name none. Raises `ExtrasMissing`."""
    if not Workspace.open().config().index_url:
        return None
    from core.embedding.mirror import Mirror

    data = dataset()
    source = _sources(str(data.workspace.root)).of(data, embedder())
    return source if isinstance(source, Mirror) else None


def follow_index() -> None:
    """Keep the search server, where the settings name one, in step with the catalogue, for as long as this process
    lives; it is noticed within seconds when they name another, or none. Else nothing is imported, and nothing runs."""
    root = Workspace.open()
    if root.config().index_url:
        _keeper(str(root.root))


def follow_queue() -> None:
    """See to it that the trainings that wait begin, for as long as some do."""
    root = Workspace.open()
    if (root.model / "queue.json").exists():
        from core.training.queue import watch

        watch(root)


def _blank(encoder: Embedder) -> np.ndarray:
    return np.full((1, *encoder.preprocessing.shape), 255, np.uint8)


@st.cache_resource(show_spinner=False)
def _dataset(root: str) -> Dataset:
    from core.collection.dataset import Dataset
    from core.variation.variants import follow

    return Dataset(Workspace(root), after=follow)


@st.cache_resource(show_spinner=False, max_entries=2)
def _embedder(root: str, stamp: int) -> Embedder:
    from core.embedding.embedder import load_embedder

    return load_embedder(Workspace(root))


@st.cache_resource(show_spinner=False)
def _preparations(root: str) -> dict[int, Preparation]:
    return {}


@st.cache_resource(show_spinner=False)
def _sources(root: str) -> Sources:
    from core.embedding.opening import Sources

    return Sources()


@st.cache_resource(show_spinner=False)
def _keeper(root: str) -> Keeper:
    from core.embedding.mirror_keeper import Keeper

    return Keeper(lambda: None if preparation().active else mirror()).start()


@st.cache_resource(show_spinner=False, max_entries=2)
def _base(root: str, space: str, version: int, rate: float, k: int, index_url: str, index_kind: str) -> Base:
    from core.recognition.thresholds import thresholds

    data, encoder = dataset(), embedder()
    _sources(root).bring_up_to_date(data, encoder)
    if (
        now := data.references_version
    ) != version:  # embedding is a change too: remember the result under what it is of
        return _base(root, space, now, rate, k, index_url, index_kind)
    gallery = _sources(root).gallery(data, encoder)
    return Base(gallery, thresholds(gallery, data.workspace))
