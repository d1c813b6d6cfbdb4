"""Thumbnails by address: small pictures that the browser asks for once and keeps, instead of bytes in every view.

Routes of the server, one for the thumbnails and one for the larger pictures of the labelling desk. An address names
the content, so what it gives never changes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.catalogue.records import Item
from core.ground.errors import BurinError, NotFound
from core.ground.images import thumbnail
from core.ground.workspace import Workspace
from pages.server.entry import let_in

if TYPE_CHECKING:
    from core.collection.dataset import Dataset

PATH, LARGE_PATH = "thumbnail", "large"
LARGE = 640  # px of the longer side
_LOOK_S = 60.0  # between two looks whether the file behind an address is there: a page shows hundreds a view
_MOST = 100_000
_there: dict[tuple[str, str], float] = {}  # workspace and path -> until when it counts as there
_HASH = re.compile(r"[0-9a-f]{64}")


def address(sha256: str, item_id: int = 0) -> str:
    """Where the browser finds the thumbnail of this content; ``item_id``: an item that it can be made of."""
    return f"/{PATH}/{item_id}/{sha256}.webp"


def large_address(item: Item) -> str:
    """Where the browser finds the item's picture at `LARGE`."""
    return f"/{LARGE_PATH}/{item.id}/{item.sha256}.webp"


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
    return _sent(request, _thumbnail)


def send_large(request: Request) -> Response:
    """The same of the item's picture at `LARGE`."""
    return _sent(request, _large)


def _sent(request: Request, made: Callable[[str, int, str], bytes]) -> Response:
    if not let_in(request.headers):
        return PlainTextResponse("Sign in first.", status_code=403)
    sha256, item_id = request.path_params["sha256"], request.path_params["item_id"]
    if not _HASH.fullmatch(sha256) or item_id >= 2**63:  # more than a database can ask for
        return _gone()
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        content = made(str(Workspace.open().root), item_id, sha256)
    except BurinError:
        return _gone()
    return Response(content, media_type="image/webp", headers=headers)


def _thumbnail(root: str, item_id: int, sha256: str) -> bytes:
    path = Workspace(root).thumbnail(sha256)
    if not path.is_file():
        data, item = _with_content(item_id, sha256)
        path = data.thumbnail(item)
    return path.read_bytes()


def _large(root: str, item_id: int, sha256: str) -> bytes:
    data, item = _with_content(item_id, sha256)
    data.path(item)  # what was deleted for good is shown no more, however lately it was looked at
    return _at_large(root, item_id, sha256)


@lru_cache(maxsize=200)
def _at_large(root: str, item_id: int, sha256: str) -> bytes:
    data, item = _with_content(item_id, sha256)
    return thumbnail(data.picture(item, within=2 * LARGE), side=LARGE)


def _with_content(item_id: int, sha256: str) -> tuple[Dataset, Item]:
    """The collection, and the item where it has that content; raises `NotFound`."""
    from pages.ui import services

    data = services.dataset()
    item = data.item(item_id)
    if item.sha256 != sha256:
        raise NotFound("There is no image {id}.", id=item_id)
    return data, item


def _gone() -> Response:
    return PlainTextResponse("There is no such picture.", status_code=404, headers={"Cache-Control": "no-store"})


ROUTES = [
    Route(f"/{PATH}/{{item_id:int}}/{{sha256}}.webp", send),
    Route(f"/{LARGE_PATH}/{{item_id:int}}/{{sha256}}.webp", send_large),
]
