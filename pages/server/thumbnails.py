"""Thumbnails by address: small pictures that the browser asks for once and keeps, instead of bytes in every view.

A route of the server. An address names the content, so what it gives never changes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.catalogue.records import Item
from core.ground.errors import BurinError
from core.ground.workspace import Workspace
from pages.server.entry import let_in

PATH = "thumbnail"
_LOOK_S = 60.0  # between two looks whether the file behind an address is there: a page shows hundreds a view
_MOST = 100_000
_there: dict[tuple[str, str], float] = {}  # workspace and path -> until when it counts as there
_HASH = re.compile(r"[0-9a-f]{64}")


def address(sha256: str, item_id: int = 0) -> str:
    """Where the browser finds the thumbnail of this content; ``item_id``: an item that it can be made of."""
    return f"/{PATH}/{item_id}/{sha256}.webp"


def address_of(item: Item) -> str:
    """The same for an item; "" where its file was taken away behind our back, and no thumbnail was made before."""
    return addresses_of([item])[0]


def addresses_of(items: Sequence[Item]) -> list[str]:
    """`address_of` each; whether there is something to show is looked up once a minute."""
    workspace, now = Workspace.open(), time.monotonic()
    if len(_there) > _MOST:
        _there.clear()
    root = str(workspace.root)
    found = []
    for item in items:
        if _there.get((root, item.path), 0.0) < now:
            if not _can_be_shown(workspace, item):
                found.append("")
                continue
            _there[root, item.path] = now + _LOOK_S
        found.append(address(item.sha256, item.id))
    return found


def _can_be_shown(workspace: Workspace, item: Item) -> bool:
    if workspace.thumbnail(item.sha256).is_file() or (workspace.root / item.path).is_file():
        return True
    from pages.ui import services

    try:  # it may be on its way from one folder to another
        services.dataset().thumbnail(item)
    except BurinError:
        return False
    return True


def send(request: Request) -> Response:
    """The thumbnail, for whoever may see the pages; made now where nobody has asked for it yet."""
    if not let_in(request.headers):
        return PlainTextResponse("Sign in first.", status_code=403)
    sha256, item_id = request.path_params["sha256"], request.path_params["item_id"]
    if not _HASH.fullmatch(sha256) or item_id >= 2**63:  # more than a database can ask for
        return _gone()
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    path = Workspace.open().thumbnail(sha256)
    if not path.is_file():
        from pages.ui import services

        try:
            data = services.dataset()
            item = data.item(item_id)
            if item.sha256 != sha256:
                return _gone()
            path = data.thumbnail(item)
        except BurinError:
            return _gone()
    return Response(path.read_bytes(), media_type="image/webp", headers=headers)


def _gone() -> Response:
    return PlainTextResponse("There is no such picture.", status_code=404, headers={"Cache-Control": "no-store"})


ROUTES = [Route(f"/{PATH}/{{item_id:int}}/{{sha256}}.webp", send)]
