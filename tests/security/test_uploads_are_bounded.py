"""Promise: what one visitor uploads is bounded, nothing is taken before signing in, and slow browsers are cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from pages.server.limits import SLOWEST, Limits

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

    return asyncio.run(run())


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
    assert ask(limits(silence_s=0.1), body=[b"x", 5.0, b"x"]) == (408, b"Too slow.")
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
