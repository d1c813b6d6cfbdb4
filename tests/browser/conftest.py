"""Every test of this folder drives a browser (tests/chromium.py), most of them on an empty workspace of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.ground.workspace import Workspace
from tests.chromium import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture
def server(start_server: Callable[..., Server], workspace: Workspace) -> Iterator[Server]:
    """A server on this test's empty workspace."""
    server = start_server(workspace)
    yield server
    server.stop()
