"""Every test of this folder drives a browser (tests/chromium.py), most of them on a workspace of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.showcase.sample import load


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def _whole_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "workspace"
    load(Workspace(root))
    return root


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
