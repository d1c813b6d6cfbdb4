"""Decode every file of a folder and print, as JSON, what came of each and how far memory rose.

Run as a child process by test_images.py; it is no test itself.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from core.ground.errors import ImageRefused
from core.ground.images import decode


def peak_mb() -> float:
    """The most memory this process has held, as far as the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


outcomes = {}
for name in sorted(os.listdir(sys.argv[1])):
    data = (Path(sys.argv[1]) / name).read_bytes()
    before = peak_mb()
    try:
        decode(data, name=name)
        outcome = {"opened": True}
    except ImageRefused as refused:
        outcome = {"opened": False, "sentence": str(refused)}
    outcomes[name] = {**outcome, "memory_mb": peak_mb() - before}
print(json.dumps(outcomes))
