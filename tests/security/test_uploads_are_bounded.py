"""Promise: what one visitor uploads is bounded, nothing is taken before signing in, and slow browsers are cut."""

from __future__ import annotations

import asyncio
import gc
import io
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.ground.workspace import ENVIRONMENT, Workspace, sweep
from pages.server.limits import MB, SLOWEST, Limits
from pages.server.spool import Spool, Upload
from tests.hostile import archive

PATH = "/_stcore/upload_file/session/file"


async def swallow(scope: Any, receive: Any, send: Any) -> None:
    """An app that reads what comes."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


def limits(app: Any = swallow, **how: Any) -> Limits:
    settings = {"held": lambda _session: 0, "may_upload": lambda _headers: True, "a_session": 1000, "altogether": 1500}
    return Limits(app, **{**settings, **how})


def ask(app: Any, *, body: list[bytes | float] = (), length: str | None = None, path: str = PATH, method: str = "PUT"):  # type: ignore[no-untyped-def]
    """The status and the body of the answer; a number in ``body`` is a silence of so many seconds."""

    async def run() -> tuple[int, bytes]:
        pieces, sent = list(body), []
        size = str(sum(len(piece) for piece in body if isinstance(piece, bytes))) if length is None else length
        headers = [(b"content-length", size.encode())] if size else []
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}

        async def receive() -> dict[str, Any]:
            while pieces and isinstance(pieces[0], float):
                await asyncio.sleep(pieces.pop(0))
            piece = pieces.pop(0) if pieces else b""
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    return asyncio.run(asyncio.wait_for(run(), 30))


def test_a_file_is_taken_up_to_the_bound_of_a_session():
    assert ask(limits(), body=[b"x" * 1000]) == (200, b"1000 bytes")
    assert ask(limits(), body=[b"x" * 1001])[0] == 413
    assert ask(limits(held=lambda session: 600 if session == "session" else 0), body=[b"x" * 401])[0] == 413
    assert ask(limits(held=lambda session: 0 if session else 1400), body=[b"x" * 101])[0] == 413


def test_uploads_that_are_under_way_count():
    async def run() -> list[int]:
        gate, statuses = asyncio.Event(), []

        async def hold(scope: Any, receive: Any, send: Any) -> None:
            await gate.wait()
            await PlainTextResponse("kept")(scope, receive, send)

        guard = limits(hold)

        async def one(session: str) -> None:
            scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{session}/f",
                     "headers": [(b"content-length", b"600")]}  # fmt: skip

            async def send(message: dict[str, Any]) -> None:
                if "status" in message:
                    statuses.append(message["status"])

            async def receive() -> dict[str, Any]:
                return {"type": "http.request"}

            await guard(scope, receive, send)

        tasks = [asyncio.create_task(one(session)) for session in ("a", "a", "b", "c")]
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(*tasks)
        assert guard.coming == {}
        return statuses

    assert sorted(asyncio.run(run())) == [200, 200, 413, 413], "two of one session, or three in all, are too much"


@pytest.mark.parametrize("length", ["", "-1", "x", "1e3", "9" * 16])
def test_a_length_that_is_none_is_refused(length):
    assert ask(limits(), length=length)[0] == 411


def test_nothing_is_taken_before_signing_in():
    assert ask(limits(may_upload=lambda _headers: False), body=[b"x"])[0] == 403
    assert ask(limits(may_upload=lambda _headers: False), path="/elsewhere", method="GET")[0] == 200


def test_a_browser_that_falls_silent_is_cut():
    assert ask(limits(silence_s=0.1), body=[b"x", 3600.0, b"x"]) == (408, b"Too slow.")
    assert ask(limits(silence_s=5.0), body=[b"x", 0.1, b"x"])[0] == 200


def test_a_browser_that_trickles_is_cut():
    few = [piece for _ in range(40) for piece in (b"x", 0.02)]
    assert ask(limits(silence_s=0.1, a_session=10**6, altogether=10**6), body=[*few, b"x"])[0] == 408
    many = [piece for _ in range(40) for piece in (b"x" * SLOWEST, 0.02)]
    assert ask(limits(silence_s=0.1, a_session=10**6, altogether=10**6), body=[*many, b"x"])[0] == 200


def test_a_browser_that_does_not_take_the_answer_is_cut():
    async def run() -> None:
        async def stream(scope: Any, receive: Any, send: Any) -> None:
            async def pieces() -> Any:
                while True:
                    yield b"x"

            await StreamingResponse(pieces())(scope, receive, send)

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {}

        async def send(message: dict[str, Any]) -> None:
            await asyncio.sleep(0 if message["type"] == "http.response.start" else 3600)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.4"}}
        await limits(stream, taken_s=0.1)(scope, receive, send)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_browser_that_takes_nothing_of_its_websocket_is_cut():
    async def run() -> bool:
        async def talk(scope: Any, receive: Any, send: Any) -> None:
            while True:
                await send({"type": "websocket.send", "text": "x"})

        async def send(message: dict[str, Any]) -> None:
            await asyncio.sleep(3600)

        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": []}
        task = asyncio.ensure_future(limits(talk, taken_s=0.1)(scope, None, send))  # type: ignore[arg-type]
        ended, _ = await asyncio.wait({task}, timeout=20)
        task.cancel()
        return bool(ended) and isinstance(task.exception(), TimeoutError)

    assert asyncio.run(run())


def test_large_uploads_are_taken_over_one_after_another():
    async def run() -> int:
        now, most = 0, 0

        async def take(scope: Any, receive: Any, send: Any) -> None:
            nonlocal now, most
            await Request(scope, receive).body()
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1
            await PlainTextResponse("kept")(scope, receive, send)

        guard = limits(take, a_session=100 * MB, altogether=100 * MB)

        async def one(number: int) -> None:
            scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{number}/f",
                     "headers": [(b"content-length", str(2 * MB).encode())]}  # fmt: skip

            async def send(_message: dict[str, Any]) -> None: ...

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"x" * 2 * MB}

            await guard(scope, receive, send)

        await asyncio.gather(*(one(number) for number in range(6)))
        assert not guard._in_hand.locked()
        return most

    assert asyncio.run(run()) == 1


# On disk


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Spool:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    return Spool("/_stcore/upload_file")


def sent(spool: Spool, data: bytes, *, session: str = "one", file_id: str = "f") -> None:
    spool.add_file(session, UploadedFileRec(file_id, "../a b.png", "image/png", data))


def opened(spool: Spool, *, session: str = "one", file_id: str = "f") -> Upload:
    (record,) = spool.get_files(session, [file_id])
    return Upload(record, None)  # type: ignore[arg-type]


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_upload_waits_on_disk_under_a_name_of_ours_and_not_in_memory(spool: Spool, tmp_path: Path):
    tracemalloc.start()
    sent(spool, bytes(30 * MB))
    file = opened(spool)
    gc.collect()
    assert tracemalloc.get_traced_memory()[0] < 5 * MB
    tracemalloc.stop()
    (path,) = files_of(tmp_path)
    assert path.stat().st_size == file.size == 30 * MB and "a b" not in str(path)
    assert path.is_relative_to(Workspace(tmp_path).staging)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.binary(max_size=300),
    st.lists(st.tuples(st.sampled_from(["read", "readline", "seek", "end", "back", "tell"]), st.integers(0, 50))),
)
def test_it_is_read_as_a_file_in_memory_is(data: bytes, steps: list[tuple[str, int]]):
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, place)
        spool = Spool("/x")
        sent(spool, data)
        ours, plain = opened(spool), io.BytesIO(data)
        for step, amount in steps:
            for file, found in ((ours, []), (plain, [])):
                calls = {"read": (amount,), "readline": (), "seek": (amount,), "end": (-min(amount, len(data)), 2),
                         "back": (0,), "tell": ()}  # fmt: skip
                name = {"end": "seek", "back": "seek"}.get(step, step)
                found.append(getattr(file, name)(*calls[step]))
            assert ours.tell() == plain.tell()
        rest, theirs = ours.read(), plain.read()
        assert rest == theirs and ours.getvalue() == bytes(ours.getbuffer()) == data
        ours.seek(0)
        assert list(ours) == data.splitlines(keepends=True) or b"\r" in data or b"\n" not in data
        ours.seek(0)
        copy = io.BytesIO()
        shutil.copyfileobj(ours, copy)
        assert copy.getvalue() == data


def test_an_archive_is_read_from_where_it_lies(spool: Spool):
    sent(spool, archive([("a/b.png", b"x" * 5000), ("c.png", b"y")]))
    with zipfile.ZipFile(opened(spool)) as found:
        assert found.testzip() is None and found.read("a/b.png") == b"x" * 5000


def test_it_is_gone_with_its_session_and_stays_while_a_page_refers_to_it(spool: Spool, tmp_path: Path):
    for session, file_id in (("one", "f"), ("one", "g"), ("two", "f")):
        sent(spool, b"x" * 100, session=session, file_id=file_id)
    file = opened(spool, file_id="g")
    assert (spool.held("one"), spool.held(None), spool.held("none")) == (200, 300, 0)
    spool.remove_file("one", "f")
    spool.remove_session_files("one")
    gc.collect()
    assert file.read() == b"x" * 100 and (spool.held("one"), spool.held(None)) == (100, 200)
    assert spool.get_files("one", ["f", "g"]) == []
    del file
    gc.collect()
    assert len(files_of(tmp_path)) == 1 and spool.held(None) == 100
    spool.remove_session_files("two")
    gc.collect()
    assert not files_of(tmp_path) and spool.held(None) == 0


def test_what_a_killed_server_left_is_swept(spool: Spool, tmp_path: Path):
    sent(spool, b"x")
    assert sweep(Workspace(tmp_path)) == [], "in use"
    assert sweep(Workspace(tmp_path), older_than_s=-1) and not files_of(tmp_path)


def test_a_full_disk_leaves_nothing_behind(spool: Spool, tmp_path: Path):
    sent(spool, b"x")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(OSError):
            sent(spool, b"x" * 5000, file_id="large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, before)
    assert len(files_of(tmp_path)) == 1 and spool.get_files("one", ["large"]) == []


def test_the_server_keeps_its_uploads_so():
    """In a process of its own: what Streamlit makes its apps of is changed."""
    code = (
        "import streamlit as st; from pages.server import spool; spool.install();"
        "from streamlit.elements.widgets import file_uploader as f; app = st.App('Home.py');"
        "manager = app._create_runtime()._uploaded_file_mgr;"
        "assert isinstance(manager, spool.Spool), manager; assert f.UploadedFile is spool._opened"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=120)
