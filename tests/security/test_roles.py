"""Promise: a role does only what it includes, whoever asks core, and by whatever way.

Every public method that changes something, and every kind of job, is an operation here; one that is in neither this
table nor the list of what only reads fails the test. Each is called as each role.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.catalogue.records import Carried, ProductDraft
from core.collection import saved
from core.collection.dataset import Dataset
from core.evaluation import export_files
from core.ground.config import ROLES, Role
from core.ground.errors import BurinError, NotAllowed
from core.ground.job import Job, publish
from core.ground.jobs import JobRunner
from core.ground.rights import ACTIONS, Actor, allow, includes, may, needed
from core.ground.workspace import Workspace
from core.intake import exports, ingest, product_table, triage
from core.review.dismissed import Kept
from core.showcase import sample as showcase
from core.synthesis import sample
from core.training import promotion, transfer
from core.training.audit import LeakAudit
from core.training.prepare import Request
from core.training.queue import Queue
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.training.splits import Split
from core.variation import balance, policies
from tests.conftest import draw, png_bytes

ROOT = Path(__file__).resolve().parents[2]
KINDS = [action.removeprefix("job ") for action in ACTIONS if action.startswith("job ")]


@dataclass
class Stage:
    """A workspace in somebody's hands, with something of everything in it."""

    workspace: Workspace
    dataset: Dataset
    run: str
    policy: str
    product: int

    @property
    def ids(self) -> list[int]:
        return self.dataset.item_ids()

    def classes(self) -> list[int]:
        return [record.id for record in self.dataset.classes()]


Operation = tuple[str, str, Callable[[Stage], Any]]  # what it is called, its action, the call


def _job(stage: Stage, kind: str, state: Any) -> str:
    now = time.time()
    folder = stage.workspace.jobs / f"0{kind}{state}"
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(folder.name, kind, str(folder), state=state, created_at=now, beat_at=now)
    publish(job)
    (folder / "request.json").write_text('{"work": "tests.security:nothing", "params": {}}')
    return job.id


def _jobs(kind: str) -> list[Operation]:
    def start(s: Stage) -> Any:
        return JobRunner(s.workspace).start(kind, "tests.security:nothing", {})

    return [
        (f"JobRunner.start {kind}", f"job {kind}", start),
        (f"JobRunner.stop {kind}", f"job {kind}", lambda s: JobRunner(s.workspace).stop(_job(s, kind, "running"))),
        (f"JobRunner.again {kind}", f"job {kind}", lambda s: JobRunner(s.workspace).again(_job(s, kind, "stopped"))),
    ]


def _draft(stage: Stage) -> ProductDraft:
    return ProductDraft("new", marks=(Carried(stage.classes()[0]),))


def _of(name: str, call: Callable[[Dataset, Stage], Any]) -> Operation:
    return f"Dataset.{name}", "collection", lambda s: call(s.dataset, s)


IMAGE = png_bytes(draw("wave", seed=7))
DATASET: list[Operation] = [
    _of("create_class", lambda d, s: d.create_class("new")),
    _of("rename_class", lambda d, s: d.rename_class(s.classes()[0], "new")),
    _of("merge_classes", lambda d, s: d.merge_classes(s.classes()[:1], s.classes()[1])),
    _of("split_class", lambda d, s: d.split_class(s.ids[:1], "new")),
    _of("trash_class", lambda d, s: d.trash_class(s.classes()[0])),
    _of("edit_fields", lambda d, s: d.edit_fields(s.classes()[0], maker="x")),
    _of("describe", lambda d, s: d.describe({s.classes()[0]: {"maker": "y"}})),
    _of("set_aliases", lambda d, s: d.set_aliases(s.classes()[0], ["x"])),
    _of("relabel", lambda d, s: d.relabel(s.ids[:1], s.classes()[-1])),
    _of("correct", lambda d, s: d.correct({s.ids[0]: s.classes()[-1]})),
    _of("set_kind", lambda d, s: d.set_kind(s.ids[:1], "icon")),
    _of("set_region", lambda d, s: d.set_region(s.ids[0], None)),
    _of("set_sight", lambda d, s: d.set_sight(s.ids[:1], "doubt")),
    _of("tag", lambda d, s: d.tag(s.ids[:1], add=["odd"])),
    _of("trash", lambda d, s: d.trash(s.ids[:1])),
    _of("restore", lambda d, s: d.restore(d.item_ids(state="trash"))),
    _of("discard", lambda d, s: d.discard(d.item_ids(state="trash"))),
    _of("undo", lambda d, s: d.undo()),
    _of("redo", lambda d, s: d.redo()),
    _of("revert", lambda d, s: d.revert(d.history()[0].id)),
    _of("rescan", lambda d, s: d.rescan()),
    _of("create_products", lambda d, s: d.create_products([_draft(s)])),
    _of("edit_products", lambda d, s: d.edit_products({s.product: {"note": "x"}})),
    _of("set_product_marks", lambda d, s: d.set_product_marks(s.product, [])),
    _of("keep_product_picture", lambda d, s: d.keep_product_picture(IMAGE)),
    _of("add_product_picture", lambda d, s: d.add_product_picture(s.product, IMAGE)),
    _of("remove_product_picture", lambda d, s: d.remove_product_picture(s.product, "x.png")),
    _of("sweep_product_pictures", lambda d, s: d.sweep_product_pictures()),
    _of("merge_products", lambda d, s: d.merge_products([s.product + 1], s.product)),
    _of("trash_products", lambda d, s: d.trash_products([s.product])),
    _of("restore_products", lambda d, s: d.restore_products([s.product])),
    ("Dataset.set_settings", "settings", lambda s: s.dataset.set_settings(neighbours=7)),
    ("Dataset.report", "report", lambda s: s.dataset.report(IMAGE, verdict="unknown", said="unknown", answer={})),
]
# What reads, and what writes only what follows from what is there: moves that wait, vectors of images, a cache.
DATASET_READS = {
    "acting_as", "allow", "classes", "count", "count_inbox", "counts", "changes", "doubted", "faces", "folders_of",
    "history", "image_bytes", "inbox", "item", "item_ids", "items", "missing_vectors", "path", "people", "picture",
    "settle", "some", "tags", "thumbnail", "vectors",
    "product", "product_picture", "products",
    "add_vectors", "add_outlines", "outlines", "missing_outlines",
}  # fmt: skip
RUNS: list[Operation] = [
    ("Runs.create", "run", lambda s: Runs(s.workspace).create(TrainSettings(), Split(0, {}, {}), LeakAudit(), [])),
    ("Runs.note", "run", lambda s: Runs(s.workspace).note(s.run, "x")),
    ("Runs.rename", "run", lambda s: Runs(s.workspace).rename(s.run, "x")),
    ("Runs.delete", "run", lambda s: Runs(s.workspace).delete(s.run)),
    ("Runs.restore", "run", lambda s: Runs(s.workspace).restore(s.run)),
    ("Run.pause", "run", lambda s: Runs(s.workspace).get(s.run).pause()),
    ("Run.go_on", "run", lambda s: Runs(s.workspace).get(s.run).go_on()),
    ("transfer.import_checkpoint", "run", lambda s: transfer.import_checkpoint(s.workspace, b"x", "x.pt")),
    ("promotion.promote", "promotion", lambda s: promotion.promote(s.workspace, Runs(s.workspace).get(s.run))),
    ("promotion.roll_back", "promotion", lambda s: promotion.roll_back(s.workspace)),
]
RUNS_READ = {"find", "list", "under_way", "get", "next_number", "deleted", "deleted_name"}
QUEUE: list[Operation] = [
    ("Queue.add", "job train", lambda s: Queue(s.workspace).add(Request(TrainSettings(seed=7)))),
    ("Queue.move", "job train", lambda s: Queue(s.workspace).move("x", 0)),
    ("Queue.hold", "job train", lambda s: Queue(s.workspace).hold(True)),
    ("Queue.remove", "job train", lambda s: Queue(s.workspace).remove("x")),
]
QUEUE_READS = {"line", "start_next"}  # the second begins what somebody who may has asked for
FILES: list[Operation] = [
    ("policies.save", "policy", lambda s: policies.save(s.workspace, _policy())),
    ("policies.delete", "policy", lambda s: policies.delete(s.workspace, s.policy)),
    ("balance.undo", "variants", lambda s: balance.undo(s.dataset, "none")),
    ("Kept.add", "finding", lambda s: Kept.read(s.workspace).add("hint", ["x"])),
    ("Kept.remove", "finding", lambda s: Kept.read(s.workspace).remove("hint", ["x"])),
    ("saved.keep", "view", lambda s: saved.keep(s.dataset, "library", "mine", {"q": "x"})),
    ("saved.drop", "view", lambda s: saved.drop(s.dataset, "library", "mine")),
    ("Workspace.save_config", "settings", lambda s: s.workspace.save_config(s.workspace.config())),
    ("showcase.load", "sample", lambda s: showcase.load(s.workspace)),
    ("showcase.remove", "sample", lambda s: showcase.remove(s.workspace)),
    ("sample.make_sample", "sample", lambda s: sample.make_sample(s.workspace)),
    ("sample.remove_sample", "sample", lambda s: sample.remove_sample(s.workspace)),
    ("ingest.import_files", "import", lambda s: ingest.import_files(s.dataset, [ingest.IncomingFile("x.png", IMAGE)])),
    ("triage.dismiss_report", "collection", lambda s: triage.dismiss_report(s.dataset, 1)),
    ("triage.reopen_report", "collection", lambda s: triage.reopen_report(s.dataset, 1)),
    ("exports.import_class_fields", "collection", lambda s: exports.import_class_fields(s.dataset, b"name,a\nbar,x\n")),
    ("product_table.import_products", "collection",
     lambda s: product_table.import_products(s.dataset, b"product\nx\n")),
    ("exports.export_zip", "export", lambda s: exports.export_zip(s.dataset, io.BytesIO())),
    ("exports.export_csv", "export", lambda s: exports.export_csv(s.dataset, io.BytesIO())),
    ("export_files.run_export", "export",
     lambda s: export_files.run_export(s.workspace, {"form": "csv"}, _quiet, lambda: False)),
]  # fmt: skip
OPERATIONS = [*DATASET, *RUNS, *QUEUE, *FILES, *(operation for kind in KINDS for operation in _jobs(kind))]


def _quiet(*_: Any) -> None:
    pass


def _policy() -> policies.Policy:
    return policies.copied(policies.PRESETS[policies.DEFAULT], "mine")


@pytest.fixture
def stage(drawn_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], Stage]:
    """Something of everything; no job's process is really started."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    dataset.trash(dataset.item_ids()[:1])
    dataset.report(IMAGE, verdict="unknown", said="unknown", answer={})
    product, _other = dataset.create_products([ProductDraft("Clara"), ProductDraft("Clarus")])
    run = Runs(drawn_workspace).create(TrainSettings(), Split(0, {}, {}), LeakAudit(), [], state="finished")
    policy = _policy()
    policies.save(drawn_workspace, policy)
    child = SimpleNamespace(pid=os.getpid(), wait=lambda: 0)
    how = {name: getattr(subprocess, name, 0) for name in ("DEVNULL", "CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW")}
    monkeypatch.setattr("core.ground.jobs.subprocess", SimpleNamespace(Popen=lambda *args, **options: child, **how))

    def act_as(role: Role) -> Stage:
        actor = Actor("Vi", role)
        return Stage(drawn_workspace.acting_as(actor), dataset.acting_as(actor), run.id, policy.id, product)

    return act_as


def tree(root: Path) -> dict[str, str]:
    """Every file with its content, apart from the jobs that the test lays out itself and what SQLite does beside."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "/jobs/" not in path.as_posix() and "catalogue.sqlite" not in path.name
    }


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_as_every_role(stage: Callable[[Role], Stage], role: Role) -> None:
    acting = stage(role)
    before, version = tree(acting.workspace.root), acting.dataset.version
    refused = [operation for operation in OPERATIONS if not includes(role, ACTIONS[operation[1]])]
    for name, action, call in refused:  # first all that must leave no trace
        with pytest.raises(NotAllowed) as refusal:
            call(acting)
        assert refusal.value.values["role"] == ACTIONS[action], name
    assert tree(acting.workspace.root) == before and acting.dataset.version == version
    assert not any(job.stopping for job in JobRunner(acting.workspace).list())
    assert {job.id[0] for job in JobRunner(acting.workspace).list()} <= {"0"}, "only what the test laid out"
    for name, action, call in OPERATIONS:
        if includes(role, ACTIONS[action]):
            try:
                call(acting)
            except NotAllowed as error:
                raise AssertionError(f"{name} as {role}: {error}") from error
            except BurinError:  # there may be nothing to undo, or no such batch
                pass


def test_every_public_method_is_in_the_table_or_only_reads() -> None:
    known = {name for name, *_ in OPERATIONS}
    for kind, reads in ((Dataset, DATASET_READS), (Runs, RUNS_READ), (Queue, QUEUE_READS)):
        public = {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}
        listed = {name.partition(".")[2] for name in known if name.startswith(f"{kind.__name__}.")}
        assert public == listed | reads, f"{kind.__name__}: say which role each of these needs"
    assert {action for _, action, _ in OPERATIONS} == set(ACTIONS)


def test_what_has_no_line_needs_the_highest_role() -> None:
    assert needed("job of another kind") == "researcher"
    assert not may(Actor("Vi", "curator"), "never heard of")
    with pytest.raises(NotAllowed):
        allow(Actor("Vi", "curator"), "never heard of")


def test_a_job_goes_on_with_the_rights_of_whoever_goes_on(
    stage: Callable[[Role], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored request carries a curator's role: it gives a viewer nothing, and a curator acts in their own name."""
    import json

    job = JobRunner(stage("researcher").workspace).start("import", "tests.security:nothing", {})
    record = json.loads((Path(job.folder) / "job.json").read_text())
    (Path(job.folder) / "job.json").write_text(json.dumps({**record, "state": "stopped"}))
    with pytest.raises(NotAllowed):
        JobRunner(stage("viewer").workspace).again(job.id)
    again = JobRunner(stage("curator").workspace).again(job.id)
    assert json.loads((Path(again.folder) / "request.json").read_text())["actor"] == {"name": "Vi", "role": "curator"}


def test_the_table_in_the_documents_is_the_one_in_the_code() -> None:
    lines = [
        f"| {action} | " + " | ".join("yes" if includes(r, n) else "–" for r in ROLES) + " |"
        for action, n in ACTIONS.items()
    ]
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "\n".join(lines) in text, "in SECURITY.md:\n" + "\n".join(lines)
