"""Draws, and variants on disk: what is written, traced, repeated, resumed and undone."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.ground.errors import ConfigRefused, Conflict, NotAllowed
from core.ground.jobs import JobRunner
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.variation.augment import draw, draw_seed, preview, strips
from core.variation.policies import PRESETS, Policy, Step
from core.variation.sources import originals_in, originals_of
from core.variation.transforms import TRANSFORMS
from core.variation.variants import Manifest, follow
from core.variation.work import run_augment
from core.variation.writer import tasks_per_image, write
from tests import conftest

ROOT = Path(__file__).resolve().parents[3]
POLICY = PRESETS["hand-drawn"]


def tree(folder: Path) -> dict[str, str]:
    """Every image below ``folder`` with its hash."""
    files = sorted(path for path in folder.rglob("*.png"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Draws


def test_a_seed_gives_the_same_draws_and_another_gives_others():
    image = conftest.draw("triangle", side=96)
    first, again = (preview(image, POLICY, seed=3, n=8) for _ in range(2))
    assert [d.image.tobytes() for d in first] == [d.image.tobytes() for d in again]
    assert [d.parameters for d in first] == [d.parameters for d in again]
    assert [d.image.tobytes() for d in preview(image, POLICY, seed=4, n=8)] != [d.image.tobytes() for d in first]
    one = draw(image, POLICY, seed=first[5].seed)
    assert one.image.tobytes() == first[5].image.tobytes()


def test_values_are_drawn_from_their_ranges_and_readable():
    policy = Policy("x", "x", (Step("rotate", 1, {"angle": (-8, 8)}), Step("quarter_turn", 1), Step("blur", 0)))
    found = [d.parameters for d in preview(conftest.draw("bar"), policy, n=60)]
    assert all([a.transform for a in parameters] == ["rotate", "quarter_turn"] for parameters in found)
    angles = [parameters[0].values["angle"] for parameters in found]
    assert min(angles) < -4 and max(angles) > 4 and all(-8 <= angle <= 8 for angle in angles)
    assert {parameters[1].values["turns"] for parameters in found} == {1, 2, 3}


def test_probability_is_the_share_of_draws():
    policy = Policy("x", "x", (Step("flip_horizontal", 0.25),))
    flipped = sum(bool(d.parameters) for d in preview(conftest.draw("bar", side=16), policy, n=400))
    assert 70 <= flipped <= 130


def test_a_changed_step_leaves_the_others_as_they_were():
    image = conftest.draw("triangle")
    short = POLICY.without({"elastic", "thicken"})
    for before, after in zip(preview(image, POLICY, n=10), preview(image, short, n=10), strict=True):
        kept = [a for a in before.parameters if a.transform not in {"elastic", "thicken"}]
        assert kept == list(after.parameters)


def test_strips_show_each_transform_at_rising_strength():
    made = strips(conftest.draw("triangle"))
    assert [strip.transform for strip in made] == list(TRANSFORMS)
    rotation = next(strip for strip in made if strip.transform == "rotate")
    angles = [d.parameters[0].values["angle"] for d in rotation.draws]
    assert angles == pytest.approx([10 / 3, 20 / 3, 10], abs=0.001)
    turns = next(strip for strip in made if strip.transform == "quarter_turn")
    assert [d.parameters[0].values["turns"] for d in turns.draws] == [1, 2, 3], "each of the few there are"


# Variants


@pytest.fixture
def drawn(drawn_workspace: Workspace) -> tuple[Workspace, Manifest]:
    return drawn_workspace, Manifest(drawn_workspace.augmented)


def written(workspace: Workspace, out: Path, **options):
    originals, _refused = originals_in(workspace.raw)
    tasks = tasks_per_image(originals, options.pop("per_image", 3))
    return write(Manifest(out), tasks, options.pop("policy", POLICY), safety=None, **options)


def test_every_variant_is_traced_to_its_original(drawn):
    workspace, manifest = drawn
    dataset = Dataset(workspace)
    dataset.rescan()
    originals = {o.sha256: o for o in originals_of(dataset)}
    done = write(manifest, tasks_per_image(list(originals.values()), 3), POLICY, seed=9, safety=None)
    assert (done.written, done.present, done.refused) == (36, 0, [])
    variants = manifest.variants()
    assert {f"{v.folder}/{v.file}": v.sha256 for v in variants} == tree(workspace.augmented)
    for variant in variants:
        original = originals[variant.original_sha256]
        assert (variant.item_id, variant.folder, variant.original) == (
            original.item_id, original.folder, original.path.name,
        )  # fmt: skip
        assert variant.draw_seed == draw_seed(9, original.sha256, variant.number)
        again = draw(original.read(), POLICY, seed=variant.draw_seed)
        assert [a.to_json() for a in again.parameters] == variant.parameters
    assert sum(record.variants for record in Dataset(workspace).classes()) == 36
    assert manifest.batches()[0].override and manifest.strangers() == []


def test_the_preview_shows_what_is_written(drawn):
    workspace, manifest = drawn
    written(workspace, workspace.augmented, seed=2)
    variant = next(v for v in manifest.variants() if v.number == 1)
    original = next(o for o in originals_in(workspace.raw)[0] if o.sha256 == variant.original_sha256)
    shown = preview(original.read(), POLICY, seed=2, n=3, of=original.sha256)[1]
    from core.ground.images import decode

    assert np.array_equal(np.asarray(shown.image), np.asarray(decode(manifest.file(variant))))


def test_two_runs_with_one_seed_are_byte_equal(drawn, tmp_path):
    workspace, _manifest = drawn
    for name in ("one", "two"):
        written(workspace, tmp_path / name, seed=5)
    written(workspace, tmp_path / "other", seed=6)
    assert tree(tmp_path / "one") == tree(tmp_path / "two") != tree(tmp_path / "other")


def test_running_again_writes_what_is_missing_or_damaged(drawn, tmp_path):
    workspace, _manifest = drawn
    first = written(workspace, tmp_path, seed=5)
    before = tree(tmp_path)
    paths = sorted(tmp_path.rglob("*.png"))
    paths[0].unlink()
    paths[1].write_bytes(b"cut short")
    again = written(workspace, tmp_path, seed=5)
    assert (again.written, again.present, again.batch) == (2, 34, first.batch)
    assert tree(tmp_path) == before


def test_broken_originals_are_listed_and_passed_over(drawn):
    workspace, _manifest = drawn
    (workspace.raw / "bar" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not an image")
    done = written(workspace, workspace.augmented, per_image=12)
    assert [outcome.name for outcome in done.refused] == ["bar/broken.png"]
    assert done.written == 144


def test_a_job_writes_and_counts(drawn):
    workspace, manifest = drawn
    dataset = Dataset(workspace)
    dataset.rescan()
    bad = dataset.items(limit=1)[0]
    dataset.path(bad).write_bytes(b"\x89PNG\r\n\x1a\n broken since")
    version = dataset.version
    runner = JobRunner(workspace)
    params = {"per_image": 2, "policy": "phone-photo", "seed": 1, "override": True}
    job = runner.wait(runner.start("augment", "core.variation.work:run_augment", params).id, timeout_s=120)
    assert job.state == "succeeded", job.error
    assert (job.result["written"], job.result["refused"]) == (22, 1)
    assert [line["name"] for line in job.outcomes()] == [f"{bad.class_name}/{Path(bad.path).name}"]
    assert "{name}" in next(iter(job.outcomes()))["template"], "its sentence can be translated"
    assert len(manifest.variants()) == 22 and dataset.version > version
    again = runner.wait(runner.start("augment", "core.variation.work:run_augment", params).id, timeout_s=120)
    assert (again.result["written"], again.result["present"]) == (0, 22)


def test_a_job_lists_the_files_that_no_original_came_of(drawn):
    workspace, _manifest = drawn
    Dataset(workspace).rescan()
    (workspace.raw / "bar" / "broken.png").write_text("no image")
    items = {item.class_name: item.id for item in Dataset(workspace).items(limit=None)}
    told: list[dict] = []

    class Told:
        append = told.append

        def __call__(self, done: int, total: int, note: str = "") -> None:
            pass

    def refused(**params) -> tuple[int, list[str]]:
        told.clear()
        result = run_augment(workspace, {"per_image": 1, "override": True, **params}, Told(), lambda: False)
        return result["refused"], [record["name"] for record in told]

    assert refused() == (1, ["bar/broken.png"])
    assert refused(tasks=[[items["cross"], [5]]]) == (1, ["bar/broken.png"])
    assert refused(item_ids=[items["bar"]]) == (1, ["bar/broken.png"])
    assert refused(item_ids=[items["cross"]]) == (0, []), "it lies in a class that was not asked for"


def test_nothing_is_half_written_after_a_kill(drawn, tmp_path):
    workspace, _manifest = drawn
    out, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "core", "augment", "--raw_dir", str(workspace.raw), "--output_dir", str(out),
               "--per_image", "60", "--seed", "5", "--override_safety"]  # fmt: skip
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*/*.png"))) < 100 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    left = tree(out)
    assert 100 <= len(left) < 720, "killed too early or too late to tell"
    originals, _refused = originals_in(workspace.raw)
    write(Manifest(whole), tasks_per_image(originals, 60), POLICY, seed=5, safety=None)
    assert left.items() <= tree(whole).items(), "a file is half written"
    assert {f"{v.folder}/{v.file}" for v in Manifest(out).variants()} == left.keys(), "a file without its line"
    with open(out / "manifest.jsonl", "ab") as stream:
        stream.write(b'{"variant": {"folder": "bar", "fi')  # as a kill may leave it
    done = write(Manifest(out), tasks_per_image(originals, 60), POLICY, seed=5, safety=None)
    assert (done.written, done.present) == (720 - len(left), len(left))
    assert tree(out) == tree(whole) and not list(out.glob(".staging/*"))


def test_stopping_keeps_what_is_written(drawn, tmp_path):
    workspace, _manifest = drawn
    steps = iter([False, False, True])
    out = tmp_path / "out"
    done = written(workspace, out, per_image=4, should_stop=lambda: next(steps))
    assert done.stopped and done.written == 12 == len(tree(out)) == len(Manifest(out).variants())


def test_two_writers_do_not_meet(drawn):
    workspace, manifest = drawn
    with manifest.locked(), pytest.raises(Conflict):
        written(workspace, workspace.augmented)


def test_the_number_asked_for_is_checked(drawn):
    with pytest.raises(ConfigRefused, match="1000"):
        tasks_per_image([], 1001)
    with pytest.raises(ConfigRefused):
        tasks_per_image([], 0)


def test_variants_of_an_original_go_to_the_trash_and_come_back(drawn):
    workspace, manifest = drawn
    dataset = Dataset(workspace)
    dataset.rescan()
    write(manifest, tasks_per_image(originals_of(dataset), 3), POLICY, safety=None)
    before = tree(workspace.augmented)
    item = dataset.items(limit=1)[0]
    dataset.trash([item.id])
    offered = manifest.of({item.sha256})
    assert len(offered) == 3 and {v.item_id for v in offered} == {item.id}
    assert len(manifest.trash(offered)) == 3
    assert len(manifest.variants()) == 33 and manifest.of({item.sha256}) == []
    assert sum(record.variants for record in Dataset(workspace).classes()) == 33
    back = manifest.of({item.sha256}, state="trash")
    assert len(manifest.restore(back)) == 3 and tree(workspace.augmented) == before
    assert manifest.remove(offered) == 3 and len(manifest.variants()) == 33 == len(tree(workspace.augmented))


def test_variants_follow_their_original_to_another_class(drawn):
    workspace, manifest = drawn
    dataset = Dataset(workspace)
    dataset.rescan()
    write(manifest, tasks_per_image(originals_of(dataset), 2), POLICY, safety=None)
    bar, circle = (next(r for r in dataset.classes() if r.name == name) for name in ("bar", "circle"))
    item, gone = dataset.items(class_id=bar.id, limit=2)
    dataset.relabel([item.id], circle.id)
    dataset.rename_class(circle.id, "étoile")
    dataset.trash([gone.id])
    moved, orphans = manifest.follow(dataset)
    assert moved == 10 and {v.original_sha256 for v in orphans} == {gone.sha256} and len(orphans) == 2
    assert {v.folder for v in manifest.of({item.sha256})} == {"étoile"}
    assert not (workspace.augmented / "circle").exists()
    assert manifest.follow(dataset) == (0, orphans)


def test_variants_follow_at_once_where_the_dataset_says_what_it_did(drawn):
    workspace, manifest = drawn
    Dataset(workspace).rescan()
    write(manifest, tasks_per_image(originals_of(Dataset(workspace)), 2), POLICY, safety=None)
    dataset = Dataset(workspace, after=follow)
    start = {record.name: record.variants for record in dataset.classes()}
    before = tree(workspace.augmented)
    ids = {record.name: record.id for record in dataset.classes()}
    dataset.rename_class(ids["circle"], "étoile")
    assert {record.name: record.variants for record in dataset.classes()} == {
        ("étoile" if name == "circle" else name): count for name, count in start.items()
    }
    dataset.merge_classes([ids["circle"]], ids["bar"])
    dataset.relabel(dataset.item_ids(class_id=ids["cross"])[:1], ids["bar"])
    counts = {record.name: record.variants for record in dataset.classes()}
    assert counts == {"bar": start["bar"] + start["circle"] + 2, "cross": start["cross"] - 2}
    with manifest.locked():  # somebody writes: the label goes through, and the variants come later
        dataset.acting_as(Actor("Bo")).relabel(dataset.item_ids(class_id=ids["cross"])[:1], ids["bar"])
    assert next(r.variants for r in dataset.classes() if r.name == "cross") == start["cross"] - 2
    assert dataset.acting_as(Actor("Bo")).undo()
    for _ in range(3):
        dataset.undo()
    assert tree(workspace.augmented) == before
    assert {v.folder for v in manifest.variants()} == {"bar", "circle", "cross"}


def test_a_viewer_writes_nothing(drawn):
    workspace, manifest = drawn
    with pytest.raises(NotAllowed, match="Vi may look"):
        run_augment(workspace.acting_as(Actor("Vi", "viewer")), {"per_image": 1}, None, lambda: False)
    assert not manifest.variants()


def test_class_names_are_data(tmp_path):
    for name in ("(e", "{s}", "[sl", "---e", "étoile", "^"):
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        (folder / "--x {0}.png").write_bytes(conftest.png_bytes(conftest.draw("cross", seed=len(name))))
    originals, _refused = originals_in(tmp_path / "raw")
    done = write(Manifest(tmp_path / "out"), tasks_per_image(originals, 1), POLICY, safety=None)
    assert done.written == 6 and {v.folder for v in Manifest(tmp_path / "out").variants()} == {
        "(e", "{s}", "[sl", "---e", "étoile", "^",
    }  # fmt: skip


def test_the_manifest_is_lines_that_anybody_can_read(drawn, tmp_path):
    workspace, _manifest = drawn
    written(workspace, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert lines[0]["batch"]["policy"] == POLICY.to_json() and lines[0]["batch"]["override"] is True
    assert {"folder", "file", "sha256", "original_sha256", "policy", "seed", "parameters"} <= lines[1]["variant"].keys()
