"""What a training leaves behind as it goes: metrics.jsonl, TensorBoard's events, a log for people.

Takes the trainer's events and writes them; nothing reads them back here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from core.ground.workspace import write_atomic
from core.training.run import Run, read_lines


class Recorder:
    """Writes the events of one run into its folder; a context manager. Lines after ``step`` are forgotten
    first: they are of work that a kill undid."""

    def __init__(self, run: Run, *, step: int = 0) -> None:
        from tensorboardX import SummaryWriter

        self.run = run
        self.path = run.folder / "metrics.jsonl"
        kept = [line for line in read_lines(self.path) if line.get("step", 0) <= step and line.get("complete", True)]
        if step == 0:
            kept = []
        write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        # Closed by __exit__
        self._lines = open(self.path, "a", encoding="utf-8")  # noqa: SIM115
        self._log = open(run.folder / "log.txt", "a", encoding="utf-8")  # noqa: SIM115
        self._board = SummaryWriter(str(run.folder), purge_step=step, flush_secs=10)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._log.close()
        self._board.close()

    def event(self, event: Mapping[str, Any]) -> None:
        """Write one event, with the time of it."""
        self._lines.write(json.dumps({**event, "at": round(time.time(), 3)}) + "\n")
        self._lines.flush()
        step = int(event.get("step", 0))
        for name, value in _scalars(event):
            self._board.add_scalar(name, value, step)
        if event["kind"] == "epoch":
            shown = " ".join(f"{k} {v:.4f}" for k, v in (event.get("validation") or {}).items() if v is not None)
            self.say(f"epoch {event['epoch']}: {shown or 'nothing to validate on'}{' (best)' if event['best'] else ''}")
        elif event["kind"] == "thaw":
            self.say(f"epoch {event['epoch']}: training {event['part']}")

    def say(self, text: str) -> None:
        """One line of the log."""
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        self._log.flush()


def _scalars(event: Mapping[str, Any]) -> list[tuple[str, float]]:
    if event["kind"] == "step":
        pairs = [(f"train/{name}", event[name]) for name in ("loss", "active", "images_per_s", "memory_mb")]
        return pairs + [(f"learning rate/{group}", value) for group, value in event["lr"].items()]
    found = [(f"validation/{k}", v) for k, v in (event.get("validation") or {}).items() if v is not None]
    health = event.get("health") or {}
    found += [(f"health/{name}", health[name]) for name in ("norm", "spread") if name in health]
    return found + [(f"health/{name} median", health[name][2]) for name in ("positive", "negative") if health.get(name)]
