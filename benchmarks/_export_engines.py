"""Export the untrained encoder as ONNX into assets/engines, once for each way of seeing at its default size, so that
nobody who does not train needs PyTorch. To be run again when a head, the trunk, its block or its cells change.

    python benchmarks/_export_engines.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.embedding.embedder import ENGINES
from core.embedding.engine import engine_key, export, find, keep
from core.embedding.plans import untrained_plan
from core.ground.config import TRAINABLE, Preprocessing
from core.ground.workspace import Workspace


def main() -> None:
    kept: set[Path] = set()
    with tempfile.TemporaryDirectory() as folder:
        for mode in TRAINABLE:
            preprocessing = Preprocessing(mode=mode)
            plan = untrained_plan(Workspace(Path(folder)), "", preprocessing)
            key = engine_key(plan.facts)
            if find(ENGINES, key) is None:
                keep(ENGINES, key, export(plan.build(), size=preprocessing.size, facts=plan.facts))
            kept.update(ENGINES.glob(f"{key}-*.onnx"))
            print(f"{mode} at {preprocessing.size} px: {key}")
    for path in set(ENGINES.glob("*.onnx")) - kept:
        path.unlink()
        print(f"removed {path.name}: no encoder of today")


if __name__ == "__main__":
    main()
