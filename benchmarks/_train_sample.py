"""Train the short run that ships with the sample, and put it in assets/sample.

    python benchmarks/_train_sample.py

The head alone, a few epochs: a minute of one core. Weights are rounded to 16 bits, so that they pack well.
`core.showcase.shipped` lays it out again, and says what is in it.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.collection.dataset import Dataset
from core.embedding.card import read_sealed
from core.embedding.embedder import load_embedder
from core.embedding.model import load
from core.ground.workspace import Workspace
from core.showcase.shipped import IMAGES, NAME, NOTE, PACKED, SEED, SETTINGS, SHIPPED
from core.synthesis.sample import make_sample
from core.training.prepare import Request
from core.training.run import LAST, Run
from core.training.work import train
from core.variation.sources import originals_of

LARGE = (".safetensors", ".onnx")
LEFT_OUT = ("resume.pt", LAST, Path(LAST).with_suffix(".json").name, ".lock")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        make_sample(workspace, seed=SEED)
        run = train(
            workspace,
            Request(SETTINGS, name=NAME, note=NOTE),
            on_event=lambda event: print(event["kind"], event.get("epoch", ""), event.get("validation") or ""),
        )
        rounded(workspace, run)
        system, *_rest = run.record.machine["system"].partition("-")
        run.update(machine={**run.record.machine, "system": system})
        images = {o.sha256: f"{o.folder}/{o.path.name}" for o in originals_of(Dataset(workspace))}
        for name in LEFT_OUT:
            (run.folder / name).unlink(missing_ok=True)
        shutil.rmtree(SHIPPED / "model", ignore_errors=True)
        kept = [path for path in run.folder.iterdir() if not path.name.startswith("events.")]  # named after the machine
        for path in (*kept, *(workspace.model / "engines").iterdir()):
            target = SHIPPED / "model" / path.relative_to(workspace.model)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in LARGE:
                packed = lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
                target.with_name(target.name + PACKED).write_bytes(packed)
            else:
                shutil.copyfile(path, target)
        (SHIPPED / IMAGES).write_text(json.dumps(images, ensure_ascii=False, indent=0), encoding="utf-8")
    size = sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {SHIPPED}")


def rounded(workspace: Workspace, run: Run) -> None:
    """Round the best weights to what 16 bits hold, and make the engine from those."""
    net, card = load(run.best_path)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())
    net.save(run.best_path, preprocessing=card.preprocessing, classes=card.classes)
    assert read_sealed(run.best_path)[0] == card
    shutil.rmtree(workspace.model / "engines", ignore_errors=True)
    load_embedder(workspace, model=run.best_path, engine="onnxruntime")


if __name__ == "__main__":
    main()
