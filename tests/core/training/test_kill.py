"""A process that does the work of the jobs, and changes what lies beside the collection, is killed with -9 at random
moments: variants, balance, evaluations, promotions, the queue of trainings, maps, backups, what is restored, exports,
checks of quality and label safety, the index, neighbourhoods, catalogue pictures and what is made of them, policies,
settings, saved views, findings, products, reports.

What it had acknowledged is there and whole afterwards, what it was at is as before or as meant, or is what a second
run of the same job goes on with, and nothing else has changed. BURIN_KILLS sets how many times (6 here),
BURIN_KILLS_SEED with which numbers, BURIN_KILLS_OF which kinds only. A training that is killed is gone on with in
`tests/core/training/test_work.py`, a search server's job in `tests/core/embedding/test_mirror.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.catalogue.records import ProductDraft
from core.collection import saved
from core.collection.backup import back_up, restore
from core.collection.dataset import Dataset
from core.embedding import embedder as embedders
from core.embedding.card import read_sealed
from core.embedding.gallery import run_index, update
from core.embedding.weights import PROMOTED
from core.evaluation import projection
from core.evaluation.store import Evaluation, folder_of
from core.evaluation.work import evaluate_subject, in_use
from core.ground.arrays import read_arrays
from core.ground.images import decode
from core.ground.regions import Region
from core.ground.workspace import Workspace, is_temporary, new_id, sweep, write_atomic, writing
from core.intake.exports import export_zip
from core.intake.work import receive
from core.products import letters, pictures, taking
from core.products.taking import Confirmed, Row, Seen, run_pictures, take_in
from core.review import neighbourhood
from core.review.dismissed import Kept
from core.review.quality import Findings
from core.review.quality import run_check as run_quality
from core.training.audit import LeakAudit
from core.training.prepare import Request
from core.training.promoted import promoted
from core.training.promotion import can_roll_back, promote, roll_back
from core.training.queue import Queue
from core.training.run import BEST
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import Split, make_split
from core.variation import balance, policies
from core.variation.checks import labels_digest, remembered
from core.variation.checks import run_check as run_safety
from core.variation.policies import Policy
from core.variation.sources import originals_of
from core.variation.variants import Manifest
from core.variation.work import run_augment
from tests.conftest import FakeEmbedder, draw, png_bytes
from tests.killing import Say, killed

KILLS = int(os.environ.get("BURIN_KILLS", "6"))
SEED = int(os.environ.get("BURIN_KILLS_SEED", "7"))
SLOW = ("augment", "unbalance", "evaluation", "promote", "roll_back", "backup", "restore", "export", "map")
LOOKS = ("quality", "safety", "pictures", "taken", "index", "neighbourhood")
QUICK = ("policy", "settings", "view", "finding", "product", "report", "queue")
OF = os.environ.get("BURIN_KILLS_OF", "").split()
PARTS = {  # of the world, that a kind of change is about
    "augment": "variants", "unbalance": "variants", "promote": "promotion", "roll_back": "promotion",
    "quality": "quality index neighbourhood", "safety": "safety index", "pictures": "pictures index",
    "taken": "items product pictures", "index": "items index",
}  # fmt: skip

World = dict[str, Any]
TWO_STEPS = replace(policies.PRESETS[policies.DEFAULT], steps=policies.PRESETS[policies.DEFAULT].steps[:2]).to_json()


class Silent:
    """The report of a job that nobody looks at."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...

    def append(self, record: dict[str, Any]) -> None: ...


def splitted(originals: Sequence[Any]) -> Split:
    return make_split(
        originals, groups={one.sha256: n for n, one in enumerate(originals)}, seed=0, validation=0.2, test=0.3
    )


def world_of(root: str | Path) -> World:
    """All that the child changes, as a stranger finds it. Raises where something is there and cannot be read."""
    workspace = Workspace(root)
    dataset = Dataset(workspace)
    try:
        used, line = promoted(workspace), Queue(workspace).line()
        if (workspace.model / PROMOTED).is_file():
            read_sealed(workspace.model / PROMOTED)
        evaluation = Evaluation(folder_of(workspace, "", "test", space=FakeEmbedder.space))
        layout = projection.latest(workspace, FakeEmbedder.space)
        variants: dict[str, list[str]] = {}
        manifest = Manifest(workspace.augmented)
        for variant in manifest.variants():
            variants.setdefault(variant.batch, []).append(f"{variant.folder}/{variant.file}")
            decode(manifest.file(variant))
        return {
            "variants": {batch: sorted(files) for batch, files in sorted(variants.items())},
            "evaluation": read_whole(evaluation) if evaluation.exists else None,
            "promotion": [used.run_id if used else None, can_roll_back(workspace)],
            "backup": {path.name: checksum(path) for path in files_in(workspace.root / "backups")},
            "restore": {path.name: restored(path) for path in sorted(workspace.root.glob("there-*"))},
            "export": {path.name: checksum(path) for path in files_in(workspace.root / "exports")},
            "map": layout.digest if layout else None,
            "quality": checked(workspace),
            "safety": {path.name: whole(path) for path in sorted((workspace.cache / "safety").glob("*"))},
            "pictures": sorted(path.name for path in workspace.product_pictures.glob("*.png") if decode(path)),
            "index": indexed(dataset),
            "neighbourhood": whole(neighbourhood.path_of(workspace, FakeEmbedder.space)),
            "policy": {one.id: one.digest for one in policies.policies(workspace) if not one.preset},
            "settings": workspace.config().neighbours,
            "view": list(saved.views(dataset, "table")),
            "finding": sorted(Kept.read(workspace).keys),
            "product": sorted(product.name for product in dataset.products()),
            "report": len(dataset.inbox()),
            "queue": [[entry.id for entry in line.entries], line.held],
            "items": sorted(item.sha256 for item in dataset.items(limit=None)),
        }
    finally:
        dataset.catalogue.close()


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.zip")) if folder.is_dir() else []


def checksum(path: Path) -> str:
    """Of a whole archive; raises of another."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def whole(path: Path) -> str:
    """The checksum of a file of numbers or records that can be read; raises of another, "" where there is none."""
    if not path.exists():
        return ""
    data = path.read_bytes()
    assert read_arrays(path) if path.suffix == ".npz" else json.loads(data)
    return hashlib.sha256(data).hexdigest()


def checked(workspace: Workspace) -> float | None:
    """When the last check of the quality was, with all that it wrote."""
    for path in (workspace.cache / "quality").glob("*.*"):
        assert is_temporary(path.name) or whole(path)
    found = Findings.read(workspace)
    return found.at if found else None


def indexed(dataset: Dataset) -> int:
    """How many contents have the vector that is theirs."""
    held = neighbourhood.Contents.load(dataset, FakeEmbedder.space)
    for item in dataset.items(limit=None):
        for row in held.rows_of(np.array([item.sha256.encode()])):
            seen = next(iter(FakeEmbedder().embed_images([decode(dataset.image_bytes(item))])))
            assert row < 0 or np.allclose(held.vectors[row], seen, atol=1e-3)
    return len(held)


def read_whole(evaluation: Evaluation) -> float:
    assert evaluation.report.queries == len(evaluation.predictions.sha256) and evaluation.split.side
    return evaluation.predictions.about.at


def restored(root: Path) -> int | None:
    """How many images are in what was restored, each with its file; None where nothing is shown of it yet."""
    workspace = Workspace(root)
    if not workspace.data.exists():
        return None
    assert len(Runs(workspace).list()) == 2, "the collection without the models"
    dataset = Dataset(workspace)
    try:
        assert dataset.notice is None
        items = dataset.items(limit=None)
        assert all(decode(root / item.path) for item in items)
        return len(items)
    finally:
        dataset.catalogue.close()


def churn(say: Say, root: str, seed: int, ways: Sequence[str]) -> None:
    """The child: one thing after another. A line says what part of the world it changes and what that becomes (null:
    not foretold), another what the world is."""
    workspace, rng = Workspace(root), random.Random(seed)
    dataset, embedder = Dataset(workspace), FakeEmbedder()
    without_weights()
    runs = [run.id for run in Runs(workspace).list()]
    while True:
        world = world_of(root)
        what = rng.choice(list(ways))
        part = PARTS.get(what, what)
        held = world[part.split()[0]]

        def meant(after: Any, what: str = what, part: str = part) -> None:
            say("try", [what, part, after])

        if what == "augment":
            meant(None)
            run_augment(workspace, augmenting(rng.randrange(3)), Silent(), lambda: False)  # type: ignore[arg-type]
        elif what == "unbalance":
            if not held:
                continue
            batch = rng.choice(sorted(held))
            meant(None)
            balance.undo(dataset, batch)
        elif what == "evaluation":
            meant(None)
            originals = originals_of(dataset)
            evaluate_subject(
                dataset, replace(in_use(workspace, embedder, originals), split=splitted(originals)), "test"
            )
        elif what == "promote":
            run = Runs(workspace).get(rng.choice(runs))
            meant([run.id, True])
            promote(workspace, run)
        elif what == "roll_back":
            if not held[1]:
                continue
            meant(None)
            roll_back(workspace)
        elif what == "backup":
            meant(None)
            back_up(dataset, workspace.root / "backups" / f"{new_id()}.zip")
        elif what == "restore":
            if not world["backup"]:
                continue
            meant(None)
            source = workspace.root / "backups" / rng.choice(sorted(world["backup"]))
            restore(source, Workspace(workspace.root / f"there-{new_id()}"))
        elif what == "export":
            meant(None)
            with writing(workspace.root / "exports" / f"{new_id()}.zip") as stream:
                export_zip(dataset, stream)
        elif what == "map":
            points = projection.Points.load(dataset, embedder.space)
            digest = new_id()
            meant(digest)
            layout = projection.Projection("umap", digest, points.sha256, np.zeros((len(points), 2), np.float32))
            projection.keep(workspace, embedder.space, layout)
        elif what == "quality":
            at = time.time()
            meant(at)
            run_quality(workspace, {"at": at}, Silent(), never)  # type: ignore[arg-type]
        elif what == "safety":
            meant(None)
            run_safety(workspace, {"policy": TWO_STEPS, "seed": rng.randrange(999)}, Silent(), never)  # type: ignore[arg-type]
        elif what == "pictures":
            page = Image.new("RGB", (200, 100), "white")
            for x, shape in ((10, "circle"), (110, "cross")):
                page.paste(draw(shape, seed=rng.randrange(10**6)), (x, 20))
            sent = receive(workspace, [(f"{n}.png", png_bytes(page.rotate(180 * n))) for n in range(2)])
            meant(None)
            run_pictures(workspace, {"files": sent}, Silent(), never)  # type: ignore[arg-type]
        elif what == "taken":
            number = rng.randrange(10**9)
            meant(number)
            taken(dataset, number)
        elif what == "index":
            number = rng.randrange(10**9)
            meant(None)
            write_atomic(workspace.raw / "bar" / f"{number}.png", png_bytes(draw("bar", seed=number)))
            run_index(workspace, {}, Silent(), never)  # type: ignore[arg-type]
        elif what == "neighbourhood":
            path = neighbourhood.path_of(workspace, embedder.space)
            meant(None)
            path.unlink(missing_ok=True)
            neighbourhood.run_neighbourhood(workspace, {"space": embedder.space}, Silent(), never)  # type: ignore[arg-type]
        elif what == "policy":
            name = f"p{rng.randrange(3)}"
            if name in held and rng.random() < 0.5:
                meant({key: value for key, value in held.items() if key != name})
                policies.delete(workspace, name)
            else:
                policy = replace(rng.choice(list(policies.PRESETS.values())), id=name, name=name)
                meant({**held, name: policy.digest})
                policies.save(workspace, policy)
        elif what == "settings":
            value = rng.randint(3, 30)
            meant(value)
            dataset.set_settings(neighbours=value)
        elif what == "view":
            name = f"v{rng.randrange(5)}"
            meant(sorted({*held, name}))
            saved.keep(dataset, "table", name, {"q": new_id()})
        elif what == "finding":
            part_of = new_id()
            before = set(held)
            kept = Kept.read(workspace)
            meant(None)
            kept.add("hint", [part_of])
            assert len(set(world_of(root)["finding"]) - before) == 1
        elif what == "product":
            name = f"lens {new_id()}"
            meant(sorted([*held, name]))
            dataset.create_products([ProductDraft(name)])
        elif what == "report":
            meant(held + 1)
            dataset.report(png_bytes(draw("circle", seed=rng.randrange(99))), verdict="wrong", said="?", answer={})
        else:
            ids, hold = held
            queue = Queue(workspace)
            if ids and rng.random() < 0.3:
                meant([ids[1:], hold])
                queue.remove(ids[0])
            elif ids and rng.random() < 0.3:
                meant([[ids[-1], *ids[:-1]], hold])
                queue.move(ids[-1], 0)
            elif rng.random() < 0.2:
                meant([ids, not hold])
                queue.hold(not hold)
            else:
                run_id = new_id()
                meant([[*ids, run_id], hold])
                queue.add(Request(TrainSettings(seed=rng.randrange(10**6)), run_id=run_id))
        say("ok", world_of(root))


def never() -> bool:
    return False


def without_weights() -> None:
    """Have the jobs of this process look through `FakeEmbedder`, and read no letters."""
    embedders.load_embedder = lambda *_, **__: FakeEmbedder()  # type: ignore[assignment]
    for module in (letters, pictures, taking):
        module.can_read = lambda: False  # type: ignore[attr-defined]


def taken(dataset: Dataset, number: int) -> None:
    """A catalogue picture with an unknown mark is confirmed: its product is made, and a class of the mark."""
    shown = png_bytes(draw("wave", seed=number))
    row = Row(f"{number}.png", dataset.keep_product_picture(shown), (Seen(Region(0, 0, 64, 64), "unknown", kind=0),))
    take_in(dataset, [row], [Confirmed(row.picture, f"lens {number}", new=(0,))], {0: f"mark {number}"})


def augmenting(seed: int) -> dict[str, Any]:
    return {"policy": policies.DEFAULT, "seed": seed, "per_image": 2, "override": True}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three classes of four, and two finished runs."""
    import torch

    from core.embedding.model import EmbeddingNet
    from tests.core.training.conftest import TINY

    workspace = Workspace(tmp_path_factory.mktemp("kills") / "prepared")
    for shape in ("circle", "cross", "bar"):
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(4):
            (workspace.raw / shape / f"{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    dataset = Dataset(workspace)
    dataset.rescan()
    update(dataset, FakeEmbedder())
    for seed in (1, 2):
        torch.manual_seed(seed)
        net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=8, stage=1, grid=2).eval()
        run = Runs(workspace).create(TINY, Split(0, {}, {}), LeakAudit(), [], state="finished")
        net.save(run.folder / BEST, preprocessing=TINY.preprocessing, classes=["circle", "cross"])
    promote(workspace, Runs(workspace).list()[0])
    dataset.catalogue.close()
    return workspace.root


def check(before: World, now: World, what: str, part: str, after: Any) -> None:
    """That nothing else has changed, and this as it may."""
    parts = part.split()
    for name in before:
        if name not in parts:
            assert now[name] == before[name], f"{name} has changed under {what}"
    was, is_now = before[parts[0]], now[parts[0]]
    if "index" in parts:
        assert before["index"] <= now["index"] <= len(set(now["items"]))
    if what == "taken":
        assert set(before["product"]) <= set(now["product"]) <= {*before["product"], f"lens {after}"}
        more = [len(now[name]) - len(before[name]) for name in ("pictures", "items", "product")]
        assert more in ([0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]), "the product comes last"
    elif what in ("index", "pictures"):
        assert set(was) <= set(is_now) and len(is_now) <= len(was) + (1 if what == "index" else 2)
    elif what in ("safety", "neighbourhood"):
        assert is_now is not None  # it could be read
    elif after is not None:
        assert is_now in (was, after), what
    elif what == "augment":
        lost = [batch for batch, files in was.items() if not set(files) <= set(is_now.get(batch, ()))]
        assert not lost and len(is_now.keys() - was.keys()) <= 1
    elif what == "unbalance":  # some of one batch may be gone
        assert sum(is_now.get(batch) != files for batch, files in was.items()) <= 1 and is_now.keys() <= was.keys()
    elif what == "evaluation":
        assert is_now == was or is_now is not None
    elif what == "roll_back":
        assert is_now == was or is_now[0] != was[0] or is_now[1] != was[1]
    elif what == "restore":
        assert was.items() <= is_now.items()
        assert all(number in (None, len(now["items"])) for number in is_now.values())
    elif what in ("backup", "export"):
        assert was.items() <= is_now.items() and len(is_now) <= len(was) + 1
    else:
        assert what == "finding" and set(was) <= set(is_now) and len(is_now) <= len(was) + 1


def gone_on_with(root: Path, what: str, after: Any) -> None:
    """The same once more, to its end, as the page offers: nothing of the first time is in the way."""
    workspace = Workspace(root)
    if what == "augment":
        for seed in range(3):
            run_augment(workspace, augmenting(seed), Silent(), lambda: False)  # type: ignore[arg-type]
        manifest = Manifest(workspace.augmented)
        assert Counter(variant.batch for variant in manifest.variants()).most_common()[-1][1] == 24
        assert manifest.strangers() == []
    elif what in ("evaluation", "backup"):
        dataset = Dataset(workspace)
        if what == "backup":
            made = back_up(dataset, root / "backups" / f"{new_id()}.zip")
            assert made is not None and not made.missing
        else:
            originals = originals_of(dataset)
            asked = replace(in_use(workspace, FakeEmbedder(), originals), split=splitted(originals))
            assert evaluate_subject(dataset, asked, "test") is not None
        dataset.catalogue.close()
    elif what in LOOKS:
        again(workspace, what, after)
    sweep(workspace, older_than_s=-1)


def again(workspace: Workspace, what: str, after: Any) -> None:
    dataset = Dataset(workspace)
    if what == "quality":
        run_quality(workspace, {"at": after}, Silent(), never)  # type: ignore[arg-type]
        assert checked(workspace) == after
    elif what == "safety":
        run_safety(workspace, {"policy": TWO_STEPS, "seed": 1}, Silent(), never)  # type: ignore[arg-type]
        labels = labels_digest(originals_of(dataset))
        kept = remembered(workspace, Policy.from_json(TWO_STEPS), FakeEmbedder.space, labels)
        assert kept is not None and kept.current
    elif what == "pictures":
        assert dataset.sweep_product_pictures() == 0  # nobody has yet had the time to confirm them
    elif what == "taken":
        if f"lens {after}" not in {product.name for product in dataset.products()}:
            taken(dataset, after)
        (made,) = (product for product in dataset.products() if product.name == f"lens {after}")
        assert [dataset.count(class_id=mark.class_id) for mark in made.marks] == [1]
        assert dataset.product_picture(made.pictures[0])
    elif what == "index":
        run_index(workspace, {}, Silent(), never)  # type: ignore[arg-type]
        assert dataset.missing_vectors(FakeEmbedder.space) == []
        assert len(dataset.items(limit=None)) == sum(1 for _ in workspace.raw.rglob("*.png"))
    else:
        contents = neighbourhood.Contents.load(dataset, FakeEmbedder.space)
        neighbourhood.run_neighbourhood(workspace, {"space": FakeEmbedder.space}, Silent(), never)  # type: ignore[arg-type]
        held = neighbourhood.Neighbourhood.read(neighbourhood.path_of(workspace, FakeEmbedder.space))
        assert np.array_equal(held.sha256, contents.sha256)
    dataset.catalogue.close()


@pytest.mark.parametrize("ways", [SLOW, LOOKS, QUICK], ids=["jobs", "looks", "changes"])
def test_kill_nine(prepared: Path, tmp_path: Path, ways: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    ways = tuple(way for way in ways if not OF or way in OF)
    if not ways:
        pytest.skip("none of these kinds is asked for")
    monkeypatch.setattr(embedders, "load_embedder", embedders.load_embedder)  # put back what is changed by
    for module in (letters, pictures, taking):
        monkeypatch.setattr(module, "can_read", module.can_read)
    without_weights()
    root, rng, met = tmp_path / "workspace", random.Random(SEED), Counter[str]()
    lines, within_s = (3, 0.8) if set(ways) <= set(LOOKS) else (6, 0.3) if set(ways) <= set(QUICK) else (1, 0.3)
    shutil.copytree(prepared, root)
    known = world_of(root)
    acknowledged = 0
    for number in range(KILLS):
        said = killed(
            "tests.core.training.test_kill:churn", str(root), 1000 * SEED + number, ways, said=tmp_path / "said",
            lines_first=rng.randint(1, lines), word=rng.choice(["", "try", "try", "try"]),
            after_s=rng.uniform(0, within_s),
        )  # fmt: skip
        assert said, "the child did nothing"
        assert not (bad := [why for word, why in said if word == "bad"]), bad
        acknowledged += sum(word == "ok" for word, _ in said)
        sure = ([known] + [world for word, world in said if word == "ok"])[-1]
        what, part, after = said[-1][1] if said[-1][0] == "try" else ("between", "", None)
        met[what] += 1
        print(number, what, len(said), flush=True)
        now = json.loads(json.dumps(world_of(root)))
        if part:
            check(sure, now, what, part, after)
            gone_on_with(root, what, after)
        else:
            assert now == sure
        for old in sorted(root.glob("there-*"))[:-2]:
            shutil.rmtree(old)
        known = json.loads(json.dumps(world_of(root)))
    print("killed in the midst of:", dict(met))
    assert acknowledged
