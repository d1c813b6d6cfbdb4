"""The sample's finished run: trained once by benchmarks/_train_sample.py, shipped in assets, laid out in a workspace.

What ships mirrors a workspace's ``model/``: the run with its curves and weights, and its engine; large files are packed
(.xz). ``images.json`` says what image each hash in the record was of: another version of an image library may write
other bytes for the same picture, so the hashes are replaced by those of the images as they lie here.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path

from core.ground.translations import _
from core.ground.workspace import Workspace, write_atomic
from core.training.settings import Thaw, TrainSettings

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "sample"
IMAGES = "images.json"
PACKED = ".xz"
# A short training: the head alone, on the images as they are, so that no safety of variants has to be checked first.
SETTINGS = TrainSettings(epochs=12, unfreezing=(Thaw(0, "head"),), policy=None)
SEED = 7  # of the sample that it was trained on
NAME = _("The head, 12 epochs")  # as its record has them; who reads sees them in their own language
NOTE = _("Ships with the sample. Trained by benchmarks/_train_sample.py.")

_TEXT = (".json", ".jsonl", ".txt")


def lay_out(workspace: Workspace, images: Mapping[str, str], snapshot: str) -> tuple[str, list[Path]]:
    """Write the run into ``workspace``, whose ``images`` are hashes by "folder/file"; its id, and the files beside it.

    ``snapshot`` is of the collection as it is (`core.training.splits.snapshot_of`).
    """
    beside: list[Path] = []
    run_id = ""
    trained_on: dict[str, str] = json.loads((SHIPPED / IMAGES).read_text(encoding="utf-8"))
    other = {old: images[at] for old, at in trained_on.items() if images.get(at, old) != old}
    for path in sorted((SHIPPED / "model").rglob("*.*")):
        content = lzma.decompress(path.read_bytes()) if path.suffix == PACKED else path.read_bytes()
        target = workspace.model / path.relative_to(SHIPPED / "model").with_name(path.name.removesuffix(PACKED))
        if target.suffix in _TEXT:
            text = content.decode()
            for old, new in other.items():
                text = text.replace(old, new)
            content = text.encode()
        if target.name == "run.json":
            record = json.loads(content)
            run_id = str(record["id"])
            content = json.dumps(record | {"snapshot": snapshot}, ensure_ascii=False, indent=1).encode()
        if not target.is_relative_to(workspace.runs):
            beside.append(target)
        write_atomic(target, content)
    return run_id, beside
