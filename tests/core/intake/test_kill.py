"""A process that changes the collection in every way and reads its folders is killed with -9 at random moments; every
other time a second reader goes over the folders all the while, as a server does beside a shell.

Whatever it had acknowledged is there when the dataset is opened again, what it was at is there
whole or not at all, every file is at its place with its content, and every row has its vector.
BURIN_KILLS sets how many times (12 here, 100 for a release), BURIN_KILLS_SEED with which numbers, BURIN_KILLS_OF which
kinds are met most. What lies beside the collection, and the jobs, have their kills in
`tests/core/training/test_kill.py`.
"""

from __future__ import annotations

import json
import os
import random
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.collection.dataset import Dataset
from core.embedding.gallery import update
from core.ground.config import KINDS, Preprocessing
from core.ground.errors import Conflict, ImageRefused, NotFound
from core.ground.images import content_hash, encode_png
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.intake.ingest import IncomingFile, import_archive, import_files
from core.sight.marks import subject
from tests.killing import Say, killed

KILLS = int(os.environ.get("BURIN_KILLS", "12"))
SEED = int(os.environ.get("BURIN_KILLS_SEED", "7"))
OF = os.environ.get("BURIN_KILLS_OF", "").split()
WAYS = (
    "import", "import", "archive", "relabel", "rename", "merge", "split", "delete", "trash", "restore", "discard",
    "kind", "tag", "region", "rescan", "undo", "redo",
)  # fmt: skip
NAMES = ["(e", "[sl", "^", "---e", "étoile", "*", "con", "nan"]

State = dict[str, list[str | None]]  # content of the file -> class name, state, kind, tags, region


class Greys:
    """An embedder with one number: the mean grey. What cannot be read stands in its place, as in the real one."""

    space = "grey"
    preprocessing = Preprocessing()

    def embed_images(self, images: Iterable[Any]) -> Iterator[np.ndarray | ImageRefused]:
        for image in images:
            try:
                shown = subject(image(), Preprocessing("plain")).picture
                yield np.array([np.asarray(shown).mean()], dtype=np.float32)
            except ImageRefused as error:
                yield error


def picture(rng: random.Random) -> bytes:
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (16, 16), dtype=np.uint8)
    return encode_png(Image.fromarray(pixels))


def state_of(dataset: Dataset) -> State:
    found = {}
    for state in ("present", "trash"):
        for item in dataset.items(state=state, limit=None):
            region = json.dumps(item.region.to_json()) if item.region else None
            found[item.file_sha256] = [item.class_name or None, state, item.kind, " ".join(item.tags), region]
    return found


def churn(say: Say, root: str, seed: int) -> None:
    """The child: random changes for ever. A line says what the library becomes, another that it has."""
    dataset, rng = Dataset(Workspace(root)), random.Random(seed)
    if seed % 2:
        threading.Thread(target=read_folders, args=(say, root), daemon=True).start()
    while True:
        before = state_of(dataset)
        classes = {c.name: c.id for c in dataset.classes()}
        present = [i for i in dataset.items(limit=None) if rng.random() < 0.5]
        what = rng.choice(WAYS if not OF or rng.random() < 0.5 else OF) if classes else "import"

        def become(
            chosen: list, class_name: str | None = None, state: str = "", kind: str = "", before: State = before
        ) -> State:
            """What the library is once these items have that class, state and kind."""
            after: State = json.loads(json.dumps(before))
            for item in chosen:
                held = after[item.file_sha256]
                after[item.file_sha256] = [class_name or held[0], state or held[1], kind or held[2], *held[3:]]
            return after

        doing = ["doing", what]
        if what == "import":
            name = rng.choice(NAMES)
            files = [IncomingFile(f"{n}.png", picture(rng), class_name=name) for n in range(rng.randint(1, 8))]
            new = {content_hash(f.data or b""): [name, "present", "?", "", None] for f in files}
            say("try", [*doing, {**before, **new}])
            import_files(dataset, files, embedder=Greys())
        elif what == "archive":
            packed = Path(root) / "sent.zip"
            pictures = {rng.choice(NAMES): [picture(rng) for _ in range(rng.randint(1, 4))] for _ in range(2)}
            with zipfile.ZipFile(packed, "w") as archive:
                for name, datas in pictures.items():
                    for n, data in enumerate(datas):
                        archive.writestr(f"{name}/{n}.png", data)
            new = {content_hash(d): [name, "present", "?", "", None] for name, datas in pictures.items() for d in datas}
            say("try", [*doing, {**before, **new}])
            import_archive(dataset, packed, embedder=Greys())
        elif what == "relabel":
            name = rng.choice(list(classes))
            say("try", [*doing, become(present, name)])
            dataset.relabel([i.id for i in present], classes[name])
        elif what == "split":
            name = rng.choice(NAMES)
            if name in classes:
                continue
            say("try", [*doing, become(present, name)])
            dataset.split_class([i.id for i in present], name)
        elif what == "rename":
            old, new_name = rng.choice(list(classes)), rng.choice(NAMES)
            if new_name in classes:
                continue
            say("try", [*doing, {k: [new_name if v[0] == old else v[0], *v[1:]] for k, v in before.items()}])
            dataset.rename_class(classes[old], new_name)
        elif what == "merge":
            old, into = rng.choice(list(classes)), rng.choice(list(classes))
            say("try", [*doing, {k: [into if v[0] == old else v[0], *v[1:]] for k, v in before.items()}])
            dataset.merge_classes([classes[old]], classes[into])
        elif what == "delete":
            name = rng.choice(list(classes))
            say("try", [*doing, become(dataset.items(class_id=classes[name], limit=None), state="trash")])
            dataset.trash_class(classes[name])
        elif what == "trash":
            say("try", [*doing, become(present[:3], state="trash")])
            dataset.trash([i.id for i in present[:3]])
        elif what == "restore":
            gone = dataset.items(state="trash", limit=3)
            say("try", [*doing, become(gone, state="present")])
            with suppress(Conflict):  # their class was deleted, and another has its name now
                dataset.restore([i.id for i in gone])
        elif what == "discard":
            gone = dataset.items(state="trash", limit=3)
            there = {one.file_sha256 for one in gone}
            say("try", [*doing, {sha256: held for sha256, held in before.items() if sha256 not in there}])
            dataset.discard([one.id for one in gone])
        elif what == "kind":
            kind = rng.choice(KINDS)
            say("try", [*doing, become(present, kind=kind)])
            dataset.set_kind([i.id for i in present], kind)
        elif what == "tag":
            say("try", [*doing, {k: [*v[:3], "seen", v[4]] if k in {i.file_sha256 for i in present} else v
                                         for k, v in before.items()}])  # fmt: skip
            dataset.tag([i.id for i in present], add=["seen"])
        elif what == "region":
            if not present:
                continue
            item, region = present[0], Region(rng.randint(0, 3), 0, 8, 9)
            told = [*before[item.file_sha256][:4], json.dumps(region.to_json())]
            say("try", [*doing, {**before, item.file_sha256: told}])
            dataset.set_region(item.id, region)
            update(dataset, Greys())
        elif what == "rescan":
            say("try", [*doing, before])
            dataset.rescan()
        else:
            say("try", [*doing, None])  # what it leads to is checked elsewhere; here, that it survives
            with suppress(Conflict, NotFound):  # the other reader made an entry of its own
                dataset.undo() if what == "undo" else dataset.redo()
        say("ok", state_of(dataset))


def read_folders(say: Say, root: str) -> None:
    """Read the folders over and over: each look begins before some change and ends after it."""
    dataset = Dataset(Workspace(root))
    while True:
        try:
            report = dataset.rescan(embedder=Greys())
            assert not report.refused, report.refused
        except Exception as error:
            say("bad", f"{type(error).__name__}: {error}")
            raise


def alike(state: State, expected: State) -> bool:
    """Whether they are the same; of an image that was being imported, its kind is not foretold."""
    return state.keys() == expected.keys() and all(
        [*one[:2], *one[3:]] == [*other[:2], *other[3:]] and (one[2] == other[2] or "?" in (one[2], other[2]))
        for one, other in ((state[key], expected[key]) for key in state)
    )


def test_kill_nine(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    acknowledged = 0
    known: State = {}
    met: Counter[str] = Counter()
    (tmp_path / "workspace").mkdir()
    for number in range(KILLS):
        said = killed(
            "tests.core.intake.test_kill:churn", str(tmp_path / "workspace"), 1000 * SEED + number,
            said=tmp_path / "said", lines_first=rng.randint(1, 12),
            word=rng.choice(["", "try", "try", "try"]), after_s=rng.uniform(0, 0.08),
        )  # fmt: skip
        assert said, "the child did nothing"
        assert not (bad := [why for word, why in said if word == "bad"]), bad
        acknowledged += sum(word == "ok" for word, _ in said)
        sure = [known] + [state for word, state in said if word == "ok"]
        what, tried = said[-1][1][1:] if said[-1][0] == "try" else ("between", sure[-1])
        met[what] += 1

        dataset = Dataset(Workspace(tmp_path / "workspace"))
        known = state_of(dataset)
        assert alike(known, sure[-1]) or (known.keys() >= sure[-1].keys() if tried is None else alike(known, tried)), (
            what
        )
        for state in ("present", "trash"):
            for item in dataset.items(state=state, limit=None):
                assert content_hash((dataset.workspace.root / item.path).read_bytes()) == item.file_sha256
        report = dataset.rescan()
        assert (report.added, report.removed, report.moved, report.changed, report.refused) == (0, 0, 0, 0, [])
        if what != "region":  # its vector is made by whoever looks next
            assert dataset.missing_vectors("grey") == []
        update(dataset, Greys())
        assert dataset.notice is None
        dataset.catalogue.close()
    print("killed in the midst of:", dict(met))
    assert acknowledged > KILLS
