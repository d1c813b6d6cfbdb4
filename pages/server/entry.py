"""Who a request of the browser's comes from, outside any page: what the cookie of the login says."""

from __future__ import annotations

import json

from starlette.datastructures import Headers
from starlette.requests import cookie_parser


def let_in(headers: Headers) -> bool:
    """Whether the pages may be shown to whoever sends this request: no login is wanted, or theirs is valid."""
    from pages.ui.people import login_wanted

    return not login_wanted() or _signed_in(headers)


def _signed_in(headers: Headers) -> bool:
    # Streamlit has no public way to read its own cookie outside a session (1.67).
    from streamlit.web.server.server_util import AUTH_COOKIE_NAME
    from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

    try:
        cookies = cookie_parser(headers.get("cookie", ""))
        claims = json.loads(_get_signed_cookie_with_chunks(cookies, AUTH_COOKIE_NAME) or b"{}")
    except ValueError:
        return False
    return isinstance(claims, dict) and claims.get("is_logged_in") is True
