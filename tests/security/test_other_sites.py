"""Promise: a page of another site can neither ask this server for anything, nor frame it, nor open its websocket.

Host and Origin are judged before anything else of the server, on every route.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.ground.workspace import Workspace
from pages.server.guard import Guard
from tests.chromium import Server

OWN = "http://localhost:8501"
ROUTES = (
    "", "_stcore/health", "_stcore/host-config", "_stcore/metrics", "_stcore/stream", "_stcore/upload_file/s/f",
    "media/x.png", "component/x", "app/static/fonts/newsreader-latin-opsz-normal.woff2", "static/js/x.js",
    "export/token/name", "oauth2callback", "auth/login", "_stcore/agent/interact", "no/such/path",
)  # fmt: skip


async def answer(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("secret", headers={"Cache-Control": "max-age=5"})


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("secret")
    await websocket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/{path:path}", answer, methods=["GET", "PUT", "POST", "DELETE"]), WebSocketRoute("/ws", talk)]
    guard = Middleware(Guard, hosts=["localhost", "127.0.0.1", "*.burin.example"], origins=["https://other.example"])
    return TestClient(Starlette(routes=list(reversed(routes)), middleware=[guard]), base_url=OWN)


SAME = {"origin": OWN}
HTTP = [  # method, headers, whether it is served
    ("GET", {}, True),
    ("GET", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, True),
    ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, False),
    ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, False),
    ("GET", SAME, True),
    ("GET", {"origin": "http://localhost:9000"}, False),
    ("GET", {"origin": "https://localhost:8501.evil.example"}, False),
    ("GET", {"origin": "null"}, False),
    ("GET", {"origin": "https://other.example"}, True),
    ("GET", {"origin": "https://other.example.evil.example"}, False),
    ("PUT", {}, False),
    ("PUT", SAME, True),
    ("POST", {"origin": "http://127.0.0.1:8501"}, False),
    ("DELETE", {"origin": "http://user@localhost:8501"}, False),
    ("GET", {"host": "evil.example"}, False),
    ("GET", {"host": "evil.example", "origin": "http://evil.example"}, False),  # a name made to point at this machine
    ("GET", {"host": "localhost.evil.example"}, False),
    ("GET", {"host": "localhost:8501@evil.example"}, False),
    ("GET", {"host": "localhost:99999"}, False),
    ("GET", {"host": "lab.burin.example"}, True),
    ("GET", {"host": "LAB.Burin.Example."}, True),
    ("GET", {"host": "burin.example"}, False),
    ("POST", {"host": "lab.burin.example", "origin": "https://lab.burin.example"}, True),
    ("POST", {"host": "lab.burin.example", "origin": "https://lab.burin.example:8443"}, False),
    ("GET", {"host": ""}, False),
]


@pytest.mark.parametrize(("method", "headers", "served"), HTTP)
def test_what_a_request_says_of_itself_decides(client: TestClient, method, headers, served):
    answered = client.request(method, "/anything", headers=headers)
    assert (answered.status_code, "secret" in answered.text) == ((200, True) if served else (403, False))


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        (SAME, True),
        ({}, False),
        ({"origin": "http://localhost:9000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"host": "evil.example", "origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_the_websocket_opens_for_pages_of_ours(client: TestClient, headers, served):
    headers = {"host": "localhost:8501", **headers}
    if served:
        with client.websocket_connect("/ws", headers=headers) as websocket:
            assert websocket.receive_text() == "secret"
    else:
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/ws", headers=headers):
            pass
        assert refused.value.code == 1008


@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}])
def test_every_answer_says_what_a_browser_may_do_with_it(client: TestClient, headers):
    said = client.get("/anything", headers=headers).headers
    assert "frame-ancestors 'none'" in said["content-security-policy"] and said["x-frame-options"] == "DENY"
    assert "default-src 'self'" in said["content-security-policy"] and "http:" not in said["content-security-policy"]
    connect = next(part for part in said["content-security-policy"].split("; ") if part.startswith("connect-src"))
    own = headers.get("host", "localhost:8501")
    sockets = set() if headers else {f"ws://{own}", f"wss://{own}"}  # no host that is not ours is written into it
    assert set(connect.split()[1:]) == {"'self'", "blob:", "data:"} | sockets
    assert (said["x-content-type-options"], said["referrer-policy"]) == ("nosniff", "same-origin")
    assert "geolocation=()" in said["permissions-policy"] and "camera=(self)" in said["permissions-policy"]
    assert said["cross-origin-resource-policy"] == said["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("client_host", "headers", "served"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.7", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, False),
        ("nonsense", {}, False),
    ],
)
def test_metrics_are_for_this_machine(client: TestClient, client_host, headers, served):
    local = TestClient(client.app, base_url=OWN, client=(client_host, 5000))
    for path in ("/_stcore/metrics", "/below/_stcore/metrics/"):
        assert (local.get(path, headers=headers).status_code == 200) is served
    assert local.get("/elsewhere", headers=headers).status_code == 200


# The real server


@pytest.fixture(scope="module")
def running(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(Workspace(tmp_path_factory.mktemp("guarded") / "workspace"))
    yield server
    server.stop()


def ask(server: Server, path: str, *headers: str) -> str:
    """The status line of the answer to a request that is written by hand."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plug:
        plug.sendall("\r\n".join([f"GET /{path} HTTP/1.1", *headers, "Connection: close", "", ""]).encode())
        return plug.recv(200).decode(errors="replace").partition("\r\n")[0]


@pytest.mark.browser
@pytest.mark.parametrize("path", ROUTES)
def test_no_route_of_the_server_is_before_the_guard(running, path):
    port = running.url.rpartition(":")[2]
    assert " 403" in ask(running, path, "Host: evil.example")
    assert " 403" in ask(running, path, "Host: evil.example", "Origin: http://evil.example")
    assert " 403" in ask(running, path, f"Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:1")
    assert " 403" not in ask(running, path, f"Host: 127.0.0.1:{port}")


@pytest.mark.browser
def test_a_handshake_is_judged_by_host_and_origin(running):
    port = running.url.rpartition(":")[2]
    shake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: streamlit")  # fmt: skip
    for host, origin, opens in (
        (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}", True),
        (f"127.0.0.1:{port}", f"http://localhost:{port}", False),
        (f"127.0.0.1:{port}", "http://127.0.0.1:9000", False),
        (f"127.0.0.1:{port}", "http://evil.example", False),
        (f"evil.example:{port}", f"http://evil.example:{port}", False),
        (f"127.0.0.1:{port}", None, False),
    ):
        said = [f"Host: {host}", *([f"Origin: {origin}"] if origin else []), *shake]
        assert (" 101" in ask_socket(running, *said)) is opens, (host, origin)


def ask_socket(server: Server, *headers: str) -> str:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plug:
        plug.sendall("\r\n".join(["GET /_stcore/stream HTTP/1.1", *headers, "", ""]).encode())
        return plug.recv(200).decode(errors="replace").partition("\r\n")[0]


EVIL = """<!doctype html><title>elsewhere</title><iframe src="TARGET/"></iframe><script>
window.did = {}
const tried = what => [() => { window.did[what] = 'read' }, () => { window.did[what] = 'refused' }]
const image = new Image(), script = document.createElement('script')
;[image.onload, image.onerror] = tried('image')
image.src = 'TARGET/static/favicon.png'
;[script.onload, script.onerror] = tried('script')
script.src = 'TARGET/app/static/fonts/newsreader-latin-opsz-normal.woff2'
document.head.append(script)
fetch('TARGET/_stcore/host-config').then(...tried('fetch'))
fetch('TARGET/_stcore/upload_file/a/b', {method: 'PUT', body: 'x'}).then(...tried('put'))
const socket = new WebSocket('TARGET/_stcore/stream'.replace('http', 'ws'))
;[socket.onopen, socket.onerror] = tried('socket')
</script>"""


@pytest.fixture
def elsewhere(running: Server) -> Iterator[str]:
    """A page on another port of this machine, which tries everything."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.replace("TARGET", running.url).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.browser
def test_a_page_on_another_port_gets_nothing(running, elsewhere, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(elsewhere)
    page.wait_for_function("() => Object.keys(window.did).length === 5")
    assert page.evaluate("() => window.did") == dict.fromkeys(("image", "fetch", "put", "socket", "script"), "refused")
    (framed,) = page.frames[1:]
    assert framed.url.startswith("chrome-error:") or "stApp" not in framed.content()
    assert framed.locator("[data-testid=stApp]").count() == 0
    context.close()


@pytest.mark.browser
def test_the_page_itself_still_works(running, visit):
    page = visit(running).open()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
