"""Promise: no telemetry. The server and its jobs call no other host, whatever a visitor does; the page tests and every
server of the browser tests run under the same watch (tests/pages/conftest.py, tests/chromium.py)."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.ground.workspace import Workspace
from tests.chromium import ROOT, _start
from tests.pages.conftest import PAGES
from tests.plant import nobody_called

ELSEWHERE = "192.0.2.1"  # RFC 5737: nobody's


@pytest.mark.parametrize(
    "call",
    [
        lambda: socket.create_connection((ELSEWHERE, 80), timeout=1),
        lambda: socket.getaddrinfo("example.org", 443),
        lambda: socket.gethostbyname("example.org"),
        lambda: _datagram(),
        lambda: urllib.request.urlopen("http://example.org/", timeout=1),
    ],
    ids=["connect", "resolve", "resolve by the old way", "datagram", "urllib"],
)
def test_a_call_to_another_host_would_be_seen(call):
    with nobody_called() as called, pytest.raises(OSError):
        call()
    assert called


def test_a_call_within_this_machine_is_none():
    with nobody_called() as called, socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
        socket.getaddrinfo("localhost", 80)
    assert called == []


def test_a_call_of_a_server_s_child_would_be_seen(tmp_path):
    """The watch reaches the processes that a watched one starts, as a server does its jobs."""
    noted = tmp_path / "called"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests' / 'nobody'}{os.pathsep}{ROOT}"}
    inner = f"import socket; socket.create_connection(('{ELSEWHERE}', 80), timeout=1)"
    outer = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {inner!r}]))"
    environment["BURIN_TEST_CALLED"] = str(noted)
    done = subprocess.run([sys.executable, "-c", outer], env=environment, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode and noted.read_text().startswith(f"{ELSEWHERE} (socket.")


def test_a_server_that_shows_every_page_asks_nobody(drawn_workspace: Workspace, tmp_path: Path):
    """Nor for a foreign origin, for which Streamlit would ask a service for this machine's address."""
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    server = _start(drawn_workspace, tmp_path / "log.txt", {})
    try:
        where = urlsplit(server.url).netloc
        with connect(
            f"ws://{where}/_stcore/stream", origin=server.url, subprotocols=["streamlit"], max_size=None
        ) as line:
            for page in PAGES:
                assert _shown(line, server.url, "" if page == "overview" else page), page
        for headers in ({"Host": "evil.example"}, {"Host": where, "Origin": "http://evil.example"}):
            asked = http.client.HTTPConnection(where, timeout=30)
            asked.request("GET", "/_stcore/health", headers=headers)
            assert asked.getresponse().status == 403
            asked.close()
        with pytest.raises(InvalidStatus):
            connect(f"ws://{where}/_stcore/stream", origin="http://evil.example", subprotocols=["streamlit"])
    finally:
        server.stop()
    assert server.called() == "" and "Traceback" not in server.log()


def _datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.sendto(b"x", (ELSEWHERE, 53))


def _shown(line, url: str, page: str) -> bool:
    """Whether a view of the page came to its end."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    asked = BackMsg()
    asked.rerun_script.page_name = page
    asked.rerun_script.context_info.url = f"{url}/{page}"
    line.send(asked.SerializeToString())
    while True:
        said = ForwardMsg.FromString(line.recv(timeout=120))
        if said.WhichOneof("type") == "script_finished" and said.script_finished != said.FINISHED_EARLY_FOR_RERUN:
            return said.script_finished == said.FINISHED_SUCCESSFULLY
