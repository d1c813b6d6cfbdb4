"""Every control of every page pressed as every role, the greyed ones too: a browser can send what no page offers.

What may be done is what the table of `core.ground.rights.ACTIONS` says, all of it and no more, and nothing is changed
that did not go through that door. The same operations are called directly in tests/security/test_roles.py.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.catalogue.records import ProductDraft
from core.collection.dataset import Dataset
from core.ground.config import ROLES, Role
from core.ground.errors import Conflict, NotAllowed
from core.ground.job import publish
from core.ground.jobs import JobRunner
from core.ground.rights import ACTIONS, Actor, includes, needed
from core.ground.workspace import Workspace
from core.training import promotion
from core.training.prepare import Request
from core.training.queue import Queue
from core.training.runs import Runs
from core.training.settings import TrainSettings
from core.variation import policies
from tests.conftest import draw, png_bytes
from tests.pages.conftest import PAGES, text_of
from tests.pages.made_runs import make_run

pytestmark = pytest.mark.slow
MOST = 80  # presses a view
INLINE = ("augment", "export", "import")  # kinds of jobs
LOOKING = {"job index", "job neighbourhood"}  # begun by looking at a page, not by a control
AWAY = {"job reconcile"}  # where a search server is set: pressed in test_search_server.py
CORE = Path(__file__).resolve().parents[2] / "core"
_DOOR = re.compile(r"^from core\.ground\.rights import .*\ballow\b", re.M)
IMAGE = png_bytes(draw("wave", seed=7))
FILES = {  # what is given to an uploader, by the first ending of these that it takes
    ".png": IMAGE, ".csv": b"product,name\nx,bar\n", ".zip": b"PK", ".pt": b"x", ".json": b"{}", ".html": b"<p>",
}  # fmt: skip


@dataclass
class Seen:
    """What the door was asked for while something was pressed, and what was changed."""

    passed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    past: list[str] = field(default_factory=list)  # controls that changed something, and asked for nothing


def doors() -> list[str]:
    """The modules that ask whether somebody may."""
    files = [path for path in CORE.rglob("*.py") if _DOOR.search(path.read_text(encoding="utf-8"))]
    return [".".join(path.relative_to(CORE.parent).with_suffix("").parts) for path in files]


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bool]]]:
    """Each time that somebody asks: the action and whether it was allowed."""
    import importlib

    asked: list[tuple[str, bool]] = []
    with monkeypatch.context() as patch:
        for name in doors():
            module = importlib.import_module(name)
            real: Callable[[Actor, str], None] = module.allow  # type: ignore[attr-defined]

            def door(actor: Actor, action: str, real: Callable[[Actor, str], None] = real) -> None:
                try:
                    real(actor, action)
                except NotAllowed:
                    asked.append((action, False))
                    raise
                asked.append((action, True))

            patch.setattr(module, "allow", door)
        yield asked


@pytest.fixture
def furnished(
    measured: Workspace, fake_embedder: object, jobs_here: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """Something of everything: an evaluation, runs, a product, a report, a policy, the trash. The jobs of `INLINE` are
    done at once in this process; of the others none is started."""
    dataset = Dataset(measured)
    dataset.rescan()
    dataset.trash(dataset.item_ids()[:1])
    dataset.report(IMAGE, verdict="unknown", said="unknown", answer={"classes": []})
    dataset.create_products([ProductDraft("Clara"), ProductDraft("Clarus")])
    policies.save(measured, policies.copied(policies.PRESETS[policies.DEFAULT], "mine"))
    make_run(measured, name="one", weights=True)
    make_run(measured, name="two", state="stopped")
    Queue(measured).hold(True)
    for seed in range(2):
        Queue(measured).add(Request(TrainSettings(seed=seed)))

    def no_sample(workspace: Workspace, **_: Any) -> int:
        workspace.allow("sample")
        raise Conflict("It takes too long.")

    jobs_here(*INLINE)
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, **_: fake_embedder)
    monkeypatch.setattr("core.showcase.sample.make_sample", no_sample)
    return measured


_read: dict[tuple[str, int, int, int, int], str] = {}


def digest(path: Path) -> str:
    """Of a file's content, which is read again where the file is another one, or was written."""
    seen = path.stat()
    key = (str(path), seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    if key not in _read:
        _read[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _read[key]


def state_of(workspace: Workspace) -> dict[str, str]:
    """All that a role is needed to change: not what is made by looking."""
    made = ("data/cache/", "data/jobs/", "data/staging/", "data/catalogue.sqlite-", "model/engines/")
    found = {}
    for path in sorted(workspace.root.rglob("*")):
        name = path.relative_to(workspace.root).as_posix()
        if not name.startswith(made) and name != "data/catalogue.sqlite" and path.is_file():
            found[name] = digest(path)
    found["jobs"] = ",".join(sorted(path.name for path in workspace.jobs.glob("*") if path.is_dir()))
    return found


def end_jobs(workspace: Workspace) -> None:
    runner = JobRunner(workspace)
    for job in runner.active():
        publish(replace(job, state="stopped", finished_at=time.time()))


def kind_of(key: str) -> str:
    """Controls of one kind: what numbers and ids are in a key tells them apart."""
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", key)


def controls(at: AppTest) -> list[Any]:
    return [each for each in at.get("button") if each.key]


def press_everything(open_: Callable[[], AppTest], view: str, workspace: Workspace, asked: list, seen: Seen) -> None:
    dataset = Dataset(workspace)
    at = open_()
    title = [each.value for each in at.title][:1]
    done: set[str] = set()
    given: set[str] = set()
    for _ in range(MOST):
        for uploader in at.file_uploader:
            ending = next((one for one in FILES if one in uploader.proto.type), "")
            if ending and not uploader.value and uploader.key not in given:
                given.add(uploader.key)
                uploader.proto.disabled = False
                uploader.upload(f"x{ending}", FILES[ending], "application/octet-stream").run()
                assert not at.exception, (view, uploader.key)
        left = [each for each in controls(at) if kind_of(each.key) not in done]
        if not left:
            break
        control = left[-1]  # what is the page's own before what is every page's
        done.add(kind_of(control.key))
        before, version = state_of(workspace), dataset.version
        asked.clear()
        control.proto.disabled = False  # a browser may be told to send what its page does not offer
        control.click().run()
        assert not at.exception, (view, control.key, at.exception)
        for action, passed in asked:
            (seen.passed if passed else seen.refused).add(action)
        changed = state_of(workspace) != before or dataset.version != version
        if changed and not any(passed for _action, passed in asked):
            seen.past.append(f"{view} {control.key}")
        end_jobs(workspace)
        if [each.value for each in at.title][:1] != title:
            at = open_()


def views(workspace: Workspace) -> list[tuple[str, dict[str, str]]]:
    """Every page, and what else it shows by its address."""
    product = str(Dataset(workspace).products()[0].id)
    return [
        *((page, {}) for page in PAGES if page != "guide"),
        ("library", {"view": "add"}), ("library", {"view": "export"}), ("library", {"view": "trash"}),
        ("library", {"item": str(Dataset(workspace).item_ids()[0])}), ("table", {"view": "classes"}),
        ("augment", {"view": "safety"}), ("augment", {"view": "write"}), ("embeddings", {"layout": "umap"}),
        ("products", {"product": product}), ("products", {"view": "pictures"}), ("identify", {"ask": "lens"}),
        ("errors", {"view": "hubs"}), ("train", {"view": "queue"}),
        *(("runs", {"run": run.id}) for run in Runs(workspace).list()),
    ]  # fmt: skip


def test_a_role_that_was_lowered_while_a_page_is_open_is_the_lower_one(
    open_page: Callable[..., AppTest], drawn_workspace: Workspace
) -> None:
    """The page still offers what it offered when it was drawn; the next press is judged by the role of that moment."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    dataset.trash(dataset.item_ids()[:1])
    at = open_page(drawn_workspace, "history")
    assert not at.button("history.undo").disabled
    drawn_workspace.save_config(drawn_workspace.config().with_(default_role="viewer"))
    history = dataset.history()
    at.button("history.undo").click().run()
    assert not at.exception and dataset.history() == history and dataset.counts().trash == 1
    assert "this needs the role curator" in text_of(at)
    assert at.button("history.undo").disabled


@pytest.mark.parametrize("role", ROLES)
def test_every_control_as_every_role(
    open_page: Callable[..., AppTest],
    furnished: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: Role,
) -> None:
    empty, seen = Workspace(tmp_path / "empty"), Seen()
    for workspace in (furnished, empty):
        workspace.save_config(workspace.config().with_(default_role=role))
    with watched(monkeypatch) as asked:
        for page, query in views(furnished):
            press_everything(partial(open_page, furnished, page, **query), f"{page} {query}", furnished, asked, seen)
        press_everything(partial(open_page, empty), "overview of nothing", empty, asked, seen)
        promotion.promote(furnished, next(run for run in Runs(furnished).list() if run.best_path.is_file()))
        press_everything(partial(open_page, furnished, "runs"), "runs, one in use", furnished, asked, seen)
    assert seen.past == [], "changed something, and asked nobody"
    assert sorted(one for one in seen.passed if not includes(role, needed(one))) == []
    assert sorted(one for one in seen.refused if includes(role, needed(one))) == []
    mine = {action for action in ACTIONS if includes(role, ACTIONS[action])}
    assert mine - seen.passed <= LOOKING | AWAY, "which control leads to it?"
