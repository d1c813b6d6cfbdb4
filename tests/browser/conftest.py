"""Every test of this folder drives a browser (tests/chromium.py), most of them on a workspace of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ground.jobs import JobRunner
from core.ground.locks import locked_file
from core.ground.workspace import Workspace
from core.showcase.sample import load


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def _whole_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out by the first process of the run that needs it: it takes most of a minute."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made, copied = shared / "whole", shared / "whole-copied"
    with locked_file(shared / "whole.lock", None):
        if not made.is_dir():
            begun = tmp_path_factory.mktemp("whole")
            load(Workspace(begun / "workspace"))
            shutil.rmtree(copied, ignore_errors=True)
            shutil.copytree(begun, copied)  # which nobody holds open
            copied.rename(made)
    return made / "workspace"


@pytest.fixture(scope="module")
def whole_sample(_whole_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A copy of the whole sample, which is laid out once: every page has something to show."""
    yield from _copy(_whole_sample, tmp_path_factory)


def _copy(made: Path, folders: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace like that of ``made``; what still runs in it at the end is stopped."""
    workspace = Workspace(folders.mktemp("sample") / "workspace")
    shutil.copytree(made, workspace.root)
    yield workspace
    runner = JobRunner(workspace)
    for job in runner.active():
        runner.stop(job.id)
        runner.wait(job.id, timeout_s=30)
