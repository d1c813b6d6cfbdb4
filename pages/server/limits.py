"""How much of the server one visitor can take: bytes uploaded, and how long a slow browser is waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MB = 1024 * 1024
A_SESSION, ALTOGETHER = 1024 * MB, 2048 * MB
SILENCE_S = 20.0  # between two pieces of a request's body
SLOWEST = 8 * 1024  # bytes a second of a body, on the average once the first minute is over
AT_ONCE = MB  # bytes of an upload from which on they are taken over one after another
TAKEN_S = 60.0  # until a browser takes the next piece of an answer
_UPLOAD = re.compile(r".*/_stcore/upload_file/([^/]+)/[^/]+")


class Limits:
    """ASGI middleware. ``held(session)`` says how many bytes of uploads the server keeps for that session (None: for
    all of them); ``may_upload(headers)`` whether whoever asks may send any."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        held: Callable[[str | None], int],
        may_upload: Callable[[Headers], bool],
        a_session: int = A_SESSION,
        altogether: int = ALTOGETHER,
        silence_s: float = SILENCE_S,
        taken_s: float = TAKEN_S,
    ) -> None:
        self.app, self.held, self.may_upload = app, held, may_upload
        self.a_session, self.altogether = a_session, altogether
        self.silence_s, self.taken_s = silence_s, taken_s
        self.coming: dict[str, int] = {}  # session -> bytes of uploads that are under way
        self._in_hand = asyncio.Lock()  # Streamlit reads a whole upload into memory once its last byte is there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.app(scope, receive, self._taken(send))
        elif scope["type"] == "http":
            upload = _UPLOAD.fullmatch(scope["path"]) if scope["method"] == "PUT" else None
            if upload:
                await self._upload(upload[1], scope, receive, send)
            else:
                await self._timely(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self.may_upload(headers):
            await PlainTextResponse("Sign in first.", status_code=403)(scope, receive, send)
            return
        length = headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 15:
            await PlainTextResponse("How long the file is, is not said.", status_code=411)(scope, receive, send)
            return
        wanted = int(length)
        own, everybody = self.coming.get(session, 0), sum(self.coming.values())
        if (
            self.held(session) + own + wanted > self.a_session
            or self.held(None) + everybody + wanted > self.altogether
        ):  # fmt: skip
            await PlainTextResponse("Too much is uploaded at once.", status_code=413)(scope, receive, send)
            return
        self.coming[session] = own + wanted
        try:
            await self._timely(scope, receive, send, gate=self._in_hand if wanted > AT_ONCE else None)
        finally:
            self.coming[session] -= wanted
            if not self.coming[session]:
                del self.coming[session]

    async def _timely(self, scope: Scope, receive: Receive, send: Send, *, gate: asyncio.Lock | None = None) -> None:
        """The app's answer, unless the browser lets it wait: for its request's body, or to take the answer.

        With a ``gate`` the app is given the end of the body once that is free, and holds it until it answers.
        """
        began = inside = False
        whole = False
        clock = asyncio.get_running_loop().time
        start, got = clock(), 0

        def leave() -> None:
            nonlocal inside
            if inside and gate is not None:
                gate.release()
            inside = False

        async def heard() -> Message:
            nonlocal whole, got, inside
            if whole:  # only the end of the connection can come now, and that may take as long as it likes
                return await receive()
            message = await asyncio.wait_for(receive(), self.silence_s)
            got += len(message.get("body", b""))
            if clock() - start > 3 * self.silence_s and got < SLOWEST * (clock() - start):
                raise TimeoutError
            whole = not message.get("more_body", False)
            if whole and gate is not None:
                await gate.acquire()
                inside = True
            return message

        async def said(message: Message) -> None:
            nonlocal began
            began = True
            leave()
            await asyncio.wait_for(send(message), self.taken_s)

        try:
            await self.app(scope, heard, said)
        except (TimeoutError, ClientDisconnect):  # Starlette calls the one the other
            if not began:
                with suppress(OSError):
                    response = PlainTextResponse("Too slow.", status_code=408, headers={"Connection": "close"})
                    await response(scope, receive, send)
        finally:
            leave()

    def _taken(self, send: Send) -> Send:
        async def said(message: Message) -> None:
            await asyncio.wait_for(send(message), self.taken_s)

        return said
