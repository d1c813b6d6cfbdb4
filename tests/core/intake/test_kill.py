"""A process that imports, relabels, renames, deletes and reads its folders is killed with -9 at random moments; every
other time a second reader goes over the folders all the while, as a server does beside a shell.

Whatever it had acknowledged is there when the dataset is opened again, what it was at is there
whole or not at all, every file is at its place with its content, and every row has its vector.
BURIN_KILLS sets how many times (12 here, 100 for a release).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.config import Preprocessing
from core.ground.errors import ImageRefused
from core.ground.images import content_hash, encode_png
from core.ground.workspace import Workspace
from core.intake.ingest import IncomingFile, import_files

KILLS = int(os.environ.get("BURIN_KILLS", "12"))
ROOT = Path(__file__).resolve().parents[3]
NAMES = ["(e", "[sl", "^", "---e", "étoile", "*", "con", "nan"]

State = dict[str, list[str | None]]  # content hash -> class name, state


class Greys:
    """An embedder with one number: the mean grey. What cannot be read stands in its place, as in the real one."""

    space = "grey"
    preprocessing = Preprocessing()

    def embed_images(self, images: Iterable[Any]) -> Iterator[np.ndarray | ImageRefused]:
        for image in images:
            try:
                yield np.array([np.asarray(image()).mean()], dtype=np.float32)
            except ImageRefused as error:
                yield error


def picture(rng: random.Random) -> bytes:
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (16, 16), dtype=np.uint8)
    return encode_png(Image.fromarray(pixels))


def state_of(dataset: Dataset) -> State:
    found = {}
    for state in ("present", "trash"):
        for item in dataset.items(state=state, limit=None):
            found[item.sha256] = [item.class_name or None, state]
    return found


def churn(root: str, seed: int) -> None:
    """The child: random changes for ever. A line says what the library becomes, another that it has."""
    dataset, rng = Dataset(Workspace(root)), random.Random(seed)
    if seed % 2:
        threading.Thread(target=read_folders, args=(root,), daemon=True).start()
    while True:
        before = state_of(dataset)
        after = json.loads(json.dumps(before))
        classes = {c.name: c.id for c in dataset.classes()}
        present = [i for i in dataset.items(limit=None) if rng.random() < 0.5]
        what = rng.choice(["import", "import", "relabel", "rename", "trash", "restore", "rescan", "undo"])
        if what == "import" or not classes:
            name = rng.choice(NAMES)
            files = [IncomingFile(f"{n}.png", picture(rng), class_name=name) for n in range(rng.randint(1, 8))]
            after |= {content_hash(f.data or b""): [name, "present"] for f in files}
            say("try", after)
            import_files(dataset, files, embedder=Greys())
        elif what == "relabel":
            name = rng.choice(list(classes))
            after |= {i.sha256: [name, "present"] for i in present}
            say("try", after)
            dataset.relabel([i.id for i in present], classes[name])
        elif what == "rename":
            old, new = rng.choice(list(classes)), rng.choice(NAMES)
            if new in classes:
                continue
            after = {k: [new if name == old else name, state] for k, (name, state) in after.items()}
            say("try", after)
            dataset.rename_class(classes[old], new)
        elif what == "trash":
            after |= {i.sha256: [i.class_name, "trash"] for i in present[:3]}
            say("try", after)
            dataset.trash([i.id for i in present[:3]])
        elif what == "restore":
            gone = dataset.items(state="trash", limit=3)
            after |= {i.sha256: [i.class_name, "present"] for i in gone}
            say("try", after)
            dataset.restore([i.id for i in gone])
        elif what == "rescan":
            say("try", after)
            dataset.rescan()
        else:
            say("try", None)  # what an undo leads to is checked elsewhere; here, that it survives
            dataset.undo()
            after = state_of(dataset)
        say("ok", after)


def read_folders(root: str) -> None:
    """Read the folders over and over: each look begins before some change and ends after it."""
    dataset = Dataset(Workspace(root))
    while True:
        try:
            report = dataset.rescan(embedder=Greys())
            assert not report.refused, report.refused
        except Exception as error:
            say("bad", {f"{type(error).__name__}: {error}": []})
            raise


def say(word: str, state: State | None) -> None:
    sys.stdout.write(f"{word} {json.dumps(state)}\n")
    sys.stdout.flush()


def killed(root: Path, seed: int, *, lines_first: int, after_s: float) -> list[tuple[str, str]]:
    """Start the child, kill it ``after_s`` after so many lines; what it said: (word, state as JSON)."""
    script = f"from tests.core.intake.test_kill import churn; churn({str(root)!r}, {seed})"
    lines: list[str] = []
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        reader = threading.Thread(target=lambda: lines.extend(child.stdout or ()))
        reader.start()
        deadline = time.monotonic() + 60
        while len(lines) < lines_first and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        reader.join()
    return [line.rstrip("\n").partition(" ")[::2] for line in lines if line.endswith("\n")]


def test_kill_nine(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged = 0
    known: State = {}
    for number in range(KILLS):
        said = killed(tmp_path, number, lines_first=rng.randint(1, 12), after_s=rng.uniform(0, 0.2))
        assert said, "the child did nothing"
        assert not (bad := [state for word, state in said if word == "bad"]), bad
        acknowledged += sum(word == "ok" for word, _ in said)
        sure = [known] + [json.loads(state) for word, state in said if word == "ok"]
        tried = json.loads(said[-1][1]) if said[-1][0] == "try" else sure[-1]

        dataset = Dataset(Workspace(tmp_path))
        known = state_of(dataset)
        assert tried is None or known in [sure[-1], tried]
        for state in ("present", "trash"):
            for item in dataset.items(state=state, limit=None):
                assert content_hash((tmp_path / item.path).read_bytes()) == item.sha256
        report = dataset.rescan()
        assert (report.added, report.removed, report.moved, report.changed, report.refused) == (0, 0, 0, 0, [])
        assert dataset.missing_vectors("grey") == []
        assert dataset.notice is None
        dataset.catalogue.close()
    assert acknowledged > KILLS
