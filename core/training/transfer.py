"""Runs to and from other places: ONNX and a plain state dict out, a checkpoint from elsewhere in.

What comes in is read as data, never run, and checked for names, shapes, types, size and finite values; there
is no second, laxer way.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.embedding.card import ModelCard
from core.embedding.weights import ARCHITECTURES, MAX_BYTES
from core.ground.config import Preprocessing
from core.ground.errors import ModelRefused, NotFound
from core.ground.workspace import Workspace, new_id, write_atomic
from core.training.audit import LeakAudit
from core.training.run import BEST, LAST, Run
from core.training.runs import Runs
from core.training.settings import BACKBONES, TrainSettings
from core.training.splits import Split

CLOSE = 1e-4  # the largest difference of any number of an embedding between torch and ONNX Runtime
KNOWN = ("format", "architecture", "embedding_size", "preprocessing")  # of the settings of a checkpoint brought in
SUFFIXES = (".safetensors", ".pt", ".pth")


def export_onnx(run: Run, path: Path) -> float:
    """Write the best weights as ONNX: ``images`` (N, S, S, 3) uint8 -> ``embeddings`` (N, D), L2-normalised.

    Returns the largest difference from torch, measured on random images; raises `ModelRefused` when that is
    above `CLOSE`, and writes nothing then.
    """
    import torch

    from core.embedding.engine import ExportFailed, export, session
    from core.embedding.model import load

    net, card = load(_best(run))
    size = card.preprocessing.size
    try:
        content = export(net, size=size, facts={"run": run.id}, described=metadata_of(run, card))
    except ExportFailed as error:
        raise ModelRefused("The model cannot be exported to ONNX: {why}.", why=error) from error
    images = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = net(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    found = session(content, threads=1).run(["embeddings"], {"images": images})[0]
    apart = float(np.abs(found - expected).max())
    if not apart <= CLOSE:
        raise ModelRefused(
            "The exported model differs from the trained one by {apart}, more than {limit}.", apart=apart, limit=CLOSE
        )
    write_atomic(path, content)
    return apart


def metadata_of(run: Run, card: ModelCard) -> dict[str, str]:
    """What another program needs to use the exported network, as an ONNX file keeps it: text by name, lists as JSON.

    ``mean`` and ``std`` are of pixels from 0 to 255, and applied inside the graph.
    """
    known = ARCHITECTURES[card.architecture]
    return {
        "name": run.record.name,
        "architecture": card.architecture,
        "mode": card.preprocessing.mode,
        "size": str(card.preprocessing.size),
        "mean": json.dumps(known.mean),
        "std": json.dumps(known.std),
        "classes": json.dumps(card.classes, ensure_ascii=False),
        "input": "images: uint8 RGB (N, size, size, 3), 0 to 255, prepared by mode; mean and std are in the graph",
        "output": f"embeddings: float32 (N, {card.embedding_size or 'D'}), of length 1; compare by their dot product",
    }


def file_stem(run: Run) -> str:
    """What an exported file of this run is called, without suffix: its number, its name in plain letters, its size."""
    name = re.sub(r"^#\d+ ", "", run.record.name)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:60].strip("-").lower()
    return "-".join(["burin", str(run.number or run.id), *([words] if words else [])])


def export_safetensors(run: Run, path: Path) -> None:
    """Write the best weights with their card, as Burin keeps them."""
    write_atomic(path, _best(run).read_bytes())


def export_pt(run: Run, path: Path) -> None:
    """Write the best weights as a plain state dict, as the earlier scripts read it (``torch.load``)."""
    import torch

    from core.embedding.model import load

    content = io.BytesIO()
    torch.save(dict(load(_best(run))[0].state_dict()), content)
    write_atomic(path, content.getvalue())


EXPORTS: dict[str, Callable[[Run, Path], object]] = {
    "onnx": export_onnx,
    "safetensors": export_safetensors,
    "pt": export_pt,
}


def has_card(name: str) -> bool:
    """Whether a model file of this name says what it is and how its images are prepared."""
    return Path(name).suffix.lower() == ".safetensors"


def import_checkpoint(
    workspace: Workspace, source: Path | bytes, name: str, *, preprocessing: Preprocessing | None = None
) -> Run:
    """A checkpoint from elsewhere as a finished run, which can be evaluated and promoted.

    ``name`` is its file name: .safetensors as Burin saves it, .pt or .pth as a plain state dict. Of a state dict
    nothing says what it saw: ``preprocessing`` is taken, else the workspace's. The record has no more settings than
    are known. Raises `ModelRefused`.
    """
    from core.embedding.model import load

    workspace.allow("run")
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelRefused("{name} is not a model file: {known} are read.", name=name, known=", ".join(SUFFIXES))
    content = _content(source, name)
    temporary = workspace.staging / f"{new_id()}{suffix}"
    write_atomic(temporary, content)
    try:
        net, card = load(temporary)
    except ModelRefused as error:  # it names our copy of the file
        raise ModelRefused(error.template, **(error.values | {"name": name})) from error
    finally:
        temporary.unlink(missing_ok=True)
    if card.architecture not in BACKBONES:
        raise ModelRefused("{architecture} is not an architecture that Burin builds.", architecture=card.architecture)
    seen = card.preprocessing if has_card(name) else preprocessing or workspace.config().preprocessing.trained
    settings = TrainSettings(
        architecture=card.architecture, embedding_size=card.embedding_size or 256, preprocessing=seen
    )
    run = Runs(workspace).create(
        settings, Split(0, {}, {}), LeakAudit(), [], name=Path(name).stem, state="finished", source=name
    )
    for file in (BEST, LAST):
        net.save(run.folder / file, preprocessing=seen, classes=card.classes)
    known = {key: value for key, value in run.record.settings.items() if key in KNOWN}
    run.update(settings=known, classes=[{"folder": "", "name": each, "originals": 0} for each in card.classes])
    return run


def _content(source: Path | bytes, name: str) -> bytes:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size if source.is_file() else 0
    if size > MAX_BYTES:
        raise ModelRefused("{name} is larger than {limit} MB.", name=name, limit=MAX_BYTES // 1_000_000)
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise ModelRefused("{name} cannot be read.", name=name) from error


def _best(run: Run) -> Path:
    if not run.best_path.is_file():
        raise NotFound("The run {name} has no weights yet.", name=run.record.name)
    return run.best_path
