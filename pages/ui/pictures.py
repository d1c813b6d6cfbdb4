"""All pixels of an image that somebody looks at closely, by an address of the server: not sent at every run of a page.

Only the page tells the address. The server keeps the files of the last ones looked at, and makes the picture when the
browser asks for it.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PATH = "picture"
KEPT = 200_000_000  # bytes of files

_lock = threading.Lock()
_files: OrderedDict[str, bytes] = OrderedDict()  # key -> an image file, as it came
_keys: dict[str, str] = {}  # content -> key


def address(data: bytes, token: str) -> str:
    """Where the browser finds all pixels of the image file ``data``, whose content hash is ``token``."""
    with _lock:
        key = _keys.setdefault(token, secrets.token_urlsafe(18))
        _files[key] = data
        _files.move_to_end(key)
        while len(_files) > 1 and sum(map(len, _files.values())) > KEPT:
            gone, _ = _files.popitem(last=False)
            for held in [held for held, one in _keys.items() if one == gone]:
                del _keys[held]
    return f"/{PATH}/{key}"


def send(request: Request) -> Response:
    """The upright picture as a JPEG, encoded here: nothing of the file goes out but its pixels."""
    import io

    from core.ground.errors import ImageRefused
    from core.ground.images import decode, room_for
    from pages.server.entry import let_in

    if not let_in(request.headers):
        return PlainTextResponse("Sign in first.", status_code=403)
    buffer = io.BytesIO()
    with _lock:
        data = _files.get(request.path_params["key"])
    if data is None:
        return PlainTextResponse("This picture is no longer there.", status_code=404)
    try:
        with room_for(data):
            decode(data).save(buffer, "JPEG", quality=90)
    except ImageRefused:
        return PlainTextResponse("This picture cannot be opened.", status_code=404)
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(buffer.getvalue(), media_type="image/jpeg", headers=headers)


ROUTES = [Route(f"/{PATH}/{{key}}", send)]
