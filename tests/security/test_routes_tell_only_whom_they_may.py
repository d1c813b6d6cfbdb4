"""Promise: what the server sends beside the pages goes to whoever may see these; an absurd address is only not found.

Exports, pictures and thumbnails each look at the login themselves; no method or address makes the server stumble.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.collection.dataset import Dataset
from core.evaluation.export_files import run_export
from core.ground.workspace import ENVIRONMENT, Workspace
from pages.server import stack
from pages.server.thumbnails import address_of, large_address
from pages.ui import people, pictures
from pages.ui.data import delivery
from tests.chromium import Server
from tests.conftest import draw, png_bytes

METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PUT", "POST", "DELETE", "PATCH", "X" * 20)
ABSURD = (
    "/app/static/", "/app/static/..%2f..%2fsecrets.toml", "/app/static/%2e%2e/%2e%2e/Home.py",
    "/app/static//etc/passwd", "/app/static/%00", "/app/static/fonts/%00.woff2", "/app/static/" + "a" * 5000,
    "/app/static/" + "a/" * 2000, "/app/static/con", "/app/static/%ff%fe",
    "/app/static/fonts/newsreader-latin-opsz-normal.woff2/x", "/app/static/%5c%5chost%5cshare",
    "/app/static/C:%5cWindows", "/static/%00", "/static/..%2f..%2fHome.py", "/static/" + "b" * 5000, "/media/%00",
    "/media/..%2fx", "/media/" + "c" * 5000, "/component/%00/x", "/component/..%2f..%2fx", "/thumbnail/0/%00.webp",
    "/large/0/%00.webp", "/picture/%00", "/picture/..%2f..", "/export/%00/%00", "/export/..%2f..%2f/x",
    "/export/" + "a" * 24 + "/..%2f..%2fHome.py", "/_stcore/upload_file/%00/%00", "//", "/%", "/%zz", "/?" + "q" * 5000,
    "/library?class=%00&item=99999999999999999999999999",
)  # fmt: skip


@pytest.fixture
def routes(drawn_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[TestClient, list[str]]:
    """A client of our routes, and one address of each that gives something."""
    monkeypatch.setenv(ENVIRONMENT, str(drawn_workspace.root))
    monkeypatch.setattr(people, "login_wanted", lambda: False)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    made = run_export(drawn_workspace, {"form": "csv"}, lambda *_: None, lambda: False)
    own = png_bytes(draw("wave"))
    (item,) = dataset.items(limit=1)
    there = [
        address_of(item),
        large_address(item),
        pictures.address(own, "token"),
        delivery.address(made["token"], made["name"]),
    ]
    return TestClient(Starlette(routes=stack.routes())), there


def test_each_route_looks_at_the_login_itself(routes, monkeypatch):
    client, there = routes
    assert [client.get(path).status_code for path in there] == [200] * len(there)
    assert len({path.split("/")[1] for path in there}) == len(stack.routes()), "a route without a line here"
    monkeypatch.setattr(people, "login_wanted", lambda: True)
    for path in there:
        for cookie in ("", "_streamlit_user=forged"):
            answer = client.get(path, headers={"cookie": cookie})
            assert (answer.status_code, answer.text) == (403, "Sign in first.")


@pytest.mark.parametrize("method", METHODS)
def test_only_asking_is_answered(routes, method):
    client, there = routes
    for path in there:
        answer = client.request(method, path)
        assert answer.status_code == (200 if method == "HEAD" else 405)


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory) -> Iterator[Server]:
    server = start_server(Workspace(tmp_path_factory.mktemp("absurd") / "workspace"))
    yield server
    server.stop()


def test_an_absurd_address_is_only_not_found(server):
    """Sent as it stands, past any client that would tidy it up."""
    where = urlsplit(server.url)
    for path in ABSURD:
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
            connection.putrequest(method, "/", skip_host=True)
            connection._buffer[0] = f"{method} {path} HTTP/1.1".encode()  # type: ignore[attr-defined]
            connection.putheader("Host", where.netloc)
            connection.endheaders()
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 500, path
            assert b"Traceback" not in content and b"PagesManager" not in content, path
            connection.close()
    log = server.log()
    assert "Traceback" not in log and "Exception" not in log, log[-3000:]
