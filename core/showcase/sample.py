"""The whole sample: the marks of `core.synthesis.sample`, and something to see on every page.

Photographs to try, a report in the inbox, the figures of the encoder in use, and a finished run. All of it is listed in
``data/sample_more.json`` and removed with the marks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.collection import inbox
from core.collection.dataset import Dataset
from core.collection.looks import looks_of
from core.embedding.embedder import load_embedder
from core.embedding.gallery import Gallery, update
from core.evaluation.work import evaluate_subject, subject
from core.ground.images import decode
from core.ground.rights import Actor
from core.ground.workspace import Workspace, write_atomic
from core.recognition.calibrate import calibrate
from core.recognition.identify import identify_marks
from core.showcase import laid as laid_out
from core.showcase import shipped, tried
from core.showcase.laid import FOLDER, Laid, path_of
from core.showcase.photographs import Photograph, photographs
from core.synthesis.sample import make_sample, remove_sample, remove_too, wrong_files
from core.training.promoted import promoted
from core.training.promotion import roll_back
from core.training.splits import snapshot_of
from core.variation.sources import originals_of

if TYPE_CHECKING:
    from core.embedding.embedder import Embedder

REPORTED = "foreign.jpg"
NOTE = "Couronne ? / A crown?"

Progress = Callable[[int, int, str], None]


def load(
    workspace: Workspace, *, seed: int = shipped.SEED, on_progress: Progress = lambda done, total, stage: None
) -> int:
    """Draw the marks into the empty ``workspace`` and lay out all the rest; how many originals there are.

    ``on_progress`` hears (done, total, stage), the stages being "drawing", "embedding" and "measuring". The run comes
    only with the seed that it was trained with. Raises as `make_sample` does and, the marks there, `load_embedder`.
    """
    count = make_sample(workspace, seed=seed, on_progress=lambda done, total: on_progress(done, total, "drawing"))
    workspace = workspace.acting_as(Actor("sample"))
    dataset, laid = Dataset(workspace), Laid()
    made = {photograph.file: photograph for photograph in photographs(seed=seed)}
    for photograph in made.values():
        write_atomic(path_of(workspace, photograph.file), photograph.data)
    originals = originals_of(dataset)
    hashes = {f"{original.folder}/{original.path.name}": original.sha256 for original in originals}
    laid = laid.with_(
        workspace,
        photographs={photograph.file: list(photograph.shows) for photograph in made.values()},
        wrong={hashes[file]: file.partition("/")[0] for file in wrong_files()},
    )
    embedder = load_embedder(workspace)
    update(dataset, embedder, on_progress=lambda done, total: on_progress(done, total, "embedding"))
    on_progress(0, 3, "measuring")
    laid = laid.with_(workspace, report=_report(dataset, made[REPORTED], Gallery.load(dataset, embedder), embedder))
    own = (entry for entry in dataset.inbox() if entry.id == laid.report)
    remove_too(workspace, *(workspace.inside(entry.path) for entry in own))
    on_progress(1, 3, "measuring")
    looks_of(dataset)
    laid = laid.beside(workspace, _measure(dataset))
    on_progress(2, 3, "measuring")
    if seed == shipped.SEED:
        run_id, beside = shipped.lay_out(workspace, hashes, snapshot_of(originals))
        laid.with_(workspace, run=run_id).beside(workspace, *beside)
    on_progress(3, 3, "measuring")
    return count


def remove(workspace: Workspace) -> int:
    """Remove the marks and all that was laid out with them; how many images.

    Where the sample's run is in use, what was in use before is again. What the user made of the sample stays: runs,
    their figures, files. Raises `NotFound` without a sample.
    """
    workspace.allow("sample")
    laid = Laid.read(workspace)
    removed = remove_sample(workspace)
    workspace = workspace.acting_as(Actor("sample"))
    if laid.report:
        inbox.withdraw(Dataset(workspace).catalogue, workspace, laid.report)
    while laid.run and (used := promoted(workspace)) is not None and used.run_id == laid.run:
        roll_back(workspace)
    for folder in (workspace.runs / laid.run, workspace.runs / ".trash" / laid.run) if laid.run else ():
        shutil.rmtree(folder, ignore_errors=True)
    for path in map(workspace.inside, laid.paths):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # a folder, or gone
            path.unlink()
    shutil.rmtree(workspace.data / FOLDER, ignore_errors=True)
    for name in (laid_out.FILE, tried.FILE):
        (workspace.data / name).unlink(missing_ok=True)
    return removed


def _report(dataset: Dataset, photograph: Photograph, gallery: Gallery, embedder: Embedder) -> int:
    """Send the photograph to the inbox with what Identify answers, as a visitor would; the report's id."""
    image = decode(photograph.data, name=photograph.file)
    answer = identify_marks(image, gallery=gallery, calibration=calibrate(gallery), embedder=embedder)[0]
    names = {record.id: record.name for record in dataset.classes()}
    region = answer.region.to_json() if answer.region else None
    given = {**answer.to_json(names), "file": photograph.file, "right": None, "region": region}
    return dataset.report(photograph.data, verdict=answer.verdict, said="wrong", answer=given, note=NOTE)


def _measure(dataset: Dataset) -> Path:
    """Evaluate the encoder in use on its test side; the folder."""
    made = evaluate_subject(dataset, subject(dataset.workspace, "", originals_of(dataset)), "test")
    assert made is not None  # nobody stops it
    return made.folder
