"""How the server is put together: our middleware before Streamlit's, our routes beside its own."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from pages.server import spool, thumbnails
from pages.server.entry import let_in
from pages.server.guard import Guard
from pages.server.limits import Limits
from pages.ui import pictures, services
from pages.ui.data import delivery

OWN_HOSTS = ("localhost", "127.0.0.1", "::1")


def middleware() -> list[Middleware]:
    """What a request passes before Streamlit sees it, in this order."""
    hosts = st.get_option("server.allowedHosts") or OWN_HOSTS
    origins = st.get_option("server.corsAllowedOrigins")
    return [
        Middleware(Guard, hosts=hosts, origins=origins),
        Middleware(Limits, held=spool.held, may_upload=let_in),
    ]


def routes() -> list[BaseRoute]:
    return [*delivery.ROUTES, *pictures.ROUTES, *thumbnails.ROUTES]


def say(error: Exception) -> bool:
    """What a page let pass, as a sentence on it, where it can be one; the server's log has all of it either way."""
    from pages.ui import frame

    return frame.say(error)


def follow() -> None:
    """Have a search server, where the settings name one, and trainings that wait, followed from the start on and not
    from the first visitor on."""
    from core.ground.errors import BurinError
    from core.ground.workspace import Workspace

    with suppress(BurinError, OSError):  # said by the pages
        if Workspace.open().config().index_url:
            services.prepare()
        services.follow_queue()


def ask_nobody() -> None:
    """Keep Streamlit from asking a service elsewhere for this machine's address, as it does before it judges a foreign
    origin (1.67), with everybody waiting. `Guard` has judged it by then, and no address is needed."""
    from streamlit import net_util

    net_util.get_external_ip = net_util.get_internal_ip = lambda: None
