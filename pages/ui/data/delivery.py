"""Handing an export to the browser: streamed from the disk by a route of the server, for who has its address.

Streamlit's own download button would hold the whole file in memory.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

PATH = "export"


async def send(request: Request) -> Response:
    """The file of an export, for whoever may see the pages; its address holds a token that only the page tells."""
    from core.evaluation.export_files import exported
    from core.ground.workspace import Workspace
    from pages.server.entry import let_in

    if not let_in(request.headers):
        return PlainTextResponse("Sign in first.", status_code=403)

    path = exported(Workspace.open(), request.path_params["token"], request.path_params["name"])
    if path is None:
        return PlainTextResponse("This export is no longer there.", status_code=404)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, filename=path.name, media_type="application/octet-stream", headers=headers)


def address(token: str, name: str) -> str:
    """Where the browser finds an export."""
    return f"/{PATH}/{token}/{name}"


ROUTES = [Route(f"/{PATH}/{{token}}/{{name}}", send)]
