"""The first thing that a request meets, on every route and the websocket: is it for us, and from a page of ours?

Everything else of the server, Streamlit's own routes included, is behind it. It refuses by what the request says of
itself and asks nobody: no name is resolved and no other host is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
LONGEST, LONGEST_PART = 2000, 255  # characters of a path, bytes of a name in it
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# Streamlit's page starts from a script within it, and Vega and Plotly compile what they draw: hence the two "unsafe".
# What keeps a text from becoming code is that no page of ours puts one where code is looked for.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' blob:",
    "worker-src": "'self' blob:",
    "frame-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
PERMISSIONS = (
    "camera=(self), clipboard-read=(self), clipboard-write=(self), fullscreen=(self), geolocation=(), microphone=(), "
    "payment=(), usb=(), serial=(), hid=(), midi=(), display-capture=(), browsing-topics=()"
)


class Guard:
    """ASGI middleware. ``hosts``: the names it answers to ("*.example.org" for all below one); ``origins``: other
    sites' pages that may ask all the same (scheme://host[:port])."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], origins: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = [host.strip().lower().rstrip(".") for host in hosts]
        self.origins = {origin.strip().lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "http" and _absurd(scope["path"]):
            await _refuse(scope, receive, send, "There is nothing of that name.", status=404)
            return
        if refusal := self.refusal(scope, headers):
            await _refuse(scope, receive, send, refusal)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seal(MutableHeaders(scope=message), host=headers["host"])
            await send(message)

        await self.app(scope, receive, sealed)

    def refusal(self, scope: Scope, headers: Headers) -> str:
        """Why this request is not served; "" when it is."""
        host = self._host(headers.getlist("host"))
        if not host:
            return "This server does not answer to that name."
        origins = headers.getlist("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if len(origins) > 1 or (not origins and changes):
            return "Which page asks is not said."
        if origins and not self._own(origins[0], host):
            return "A page of another site asks."
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not origins:  # an image, a script, a frame; a link may lead here
            mode, place = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
            if (mode, place) != ("navigate", "document"):
                return "A page of another site asks."
        if scope["path"].rstrip("/").endswith("/_stcore/metrics") and not _here(scope, headers):
            return "This is told to this machine only."
        return ""

    def _host(self, said: list[str]) -> str:
        """The host that was asked, if it is one of ours."""
        found = _HOST.fullmatch(said[0]) if len(said) == 1 else None
        if found is None or int(found[2] or 80) > 65535:
            return ""
        name = found[1].lower().rstrip(".").strip("[]")
        known = any(host in ("*", name) or (host[:2] == "*." and name.endswith(host[1:])) for host in self.hosts)
        return said[0].lower() if known else ""

    def _own(self, origin: str, host: str) -> bool:
        """Whether ``origin`` is the very place that was asked, its port included."""
        if origin.lower().rstrip("/") in self.origins:
            return True
        try:
            asked = urlsplit(origin)
            port, own = asked.port, urlsplit(f"//{host}")
            if asked.scheme not in ("http", "https") or asked.path or asked.query or asked.username is not None:
                return False
            standard = PORTS[asked.scheme]
            return asked.hostname == own.hostname and (port or standard) == (own.port or standard)
        except ValueError:
            return False


def seal(headers: MutableHeaders, *, host: str = "") -> None:
    """Say to the browser what it may do with an answer of ours; an answer's own word on its cache stays."""
    sockets = f" ws://{host} wss://{host}" if host else ""  # older browsers do not count them to 'self'
    connect = f"'self'{sockets} blob: data:"
    headers["Content-Security-Policy"] = "; ".join(
        f"{name} {value}" for name, value in {**POLICY, "connect-src": connect}.items()
    )
    headers["X-Frame-Options"] = "DENY"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def _here(scope: Scope, headers: Headers) -> bool:
    """Whether a program of this machine asks, and no proxy for somebody else."""
    client = scope.get("client")
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _absurd(path: str) -> bool:
    """Whether no file could be called so: who looks for one on the disk would stumble."""
    parts = path.encode(errors="surrogateescape").split(b"/")
    return b"\0" in b"".join(parts) or len(path) > LONGEST or max(map(len, parts)) > LONGEST_PART


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str, *, status: int = 403) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    response = PlainTextResponse(reason, status_code=status)
    seal(MutableHeaders(raw=response.raw_headers))
    await response(scope, receive, send)
