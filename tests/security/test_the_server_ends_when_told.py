"""Promise: a server that is told to end does, within seconds, whoever holds on to it and whatever it is at."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.server.ending import MOST_S
from tests.chromium import serving

# An app as Home.py is one: a page that is long at work, and an address whose answer never ends and is large.
APP = """
import time, streamlit as st
from starlette.responses import StreamingResponse
from starlette.routing import Route
if __name__ == "__main__":
    st.write("at work")
    while True:
        time.sleep(0.01)
else:
    from pages.server import ending
    async def endless(request):
        async def pieces():
            while True:
                yield b"x" * 65536
        return StreamingResponse(pieces())
    async def stuck(request):
        time.sleep(3600)  # in the loop that everything else waits for
    app = st.App(__file__, lifespan=ending.bounded, routes=[Route("/endless", endless), Route("/stuck", stuck)])
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The server's process, its port and its log."""
    (tmp_path / "holding.py").write_text(APP)
    with serving(tmp_path / "holding.py") as started:
        yield started


def held(port: int, *lines: str) -> socket.socket:
    """A connection on which something was asked for, and from which nothing is read."""
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = "\r\n".join([*lines, f"Host: localhost:{port}", f"Origin: http://localhost:{port}"])
    line.sendall(f"{head}\r\n\r\n".encode())
    return line


def websocket(port: int) -> socket.socket:
    """A view that is asked for by a visitor who then neither reads nor answers, the server's farewell neither."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    key = base64.b64encode(os.urandom(16)).decode()
    line = held(
        port,
        "GET /_stcore/stream HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: streamlit",
    )
    assert b" 101 " in line.recv(4096)
    asked = BackMsg()
    asked.rerun_script.page_name = ""
    data = asked.SerializeToString()
    line.sendall(bytes([0x82, 0x80 | len(data), 0, 0, 0, 0]) + data)  # one frame, under a mask of noughts
    return line


def seconds_to_end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> float:
    began = time.monotonic()
    process.send_signal(number)
    process.wait(60)
    return time.monotonic() - began


def test_it_ends_at_once_where_nobody_is_there(server):
    process, _port, log = server
    seconds_to_end(process)
    assert process.returncode == -signal.SIGTERM and "imeout" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_visitors_hold_on(server, number):
    process, port, log = server
    lines = [held(port, "GET /endless HTTP/1.1") for _ in range(3)]
    lines += [held(port, "PUT /_stcore/upload_file/a/b HTTP/1.1", "Content-Length: 1000"), websocket(port)]
    time.sleep(1)  # all of them are under way
    assert seconds_to_end(process, number) < MOST_S + 20
    assert "timeout graceful shutdown exceeded" in log.read_text(), "nobody held on"
    assert "Timeout (" not in log.read_text(), "it came to its own end: those who held on were broken off"
    for line in lines:
        line.close()


def test_it_ends_while_a_request_cannot_be_broken_off(server):
    process, port, log = server
    line = held(port, "GET /stuck HTTP/1.1")
    time.sleep(1)
    assert seconds_to_end(process) < MOST_S + 20
    assert process.returncode == 1 and "in stuck" in log.read_text(), "what it was at is in the log"
    line.close()
