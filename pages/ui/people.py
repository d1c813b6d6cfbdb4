"""Who is at the screen and what they may do: the person signed in, where a login is configured, else the name they picked.

What a role allows is checked by core, with every change; here it only decides what is offered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.ground.config import Role, WorkspaceConfig
from core.ground.names import printable
from core.ground.rights import Actor, includes
from core.ground.workspace import Workspace
from pages.ui.i18n import _
from pages.ui.state import workbench

LONGEST_NAME = 80
LOOK_S = 1.0  # between two looks for a file of secrets where there was none: a view asks for it a hundred times

_none_found: list[Any] = [None, 0.0]  # the secrets that were looked for, and until when that holds


def login_wanted() -> bool:
    """Whether people must sign in: ``secrets.toml`` has an [auth] section."""
    return bool(_secrets("auth"))


def signed_in() -> bool:
    """Whether the pages may be shown to whoever is at the screen."""
    return not login_wanted() or bool(st.user.get("is_logged_in"))


def providers() -> list[str]:
    """The identity providers that are configured by name; empty where there is one without."""
    return [name for name, section in _secrets("auth").items() if isinstance(section, Mapping)]


def actor() -> Actor:
    """The person at the screen, with their role; outside a session (the server itself) nobody in particular."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return Actor()
    config = settings()
    if not login_wanted():
        name = workbench().who
        return Actor(name, config.role_of(name, signed_in=False))
    if not signed_in():
        return Actor("", "viewer")
    claims = st.user.to_dict()
    email, subject = vouched(claims)
    name = str(claims.get("name") or claims.get("preferred_username") or "")
    known_as = [email] if email else []
    if subject and "@" not in subject:  # one that looks like an address would be taken for somebody's
        known_as.append(subject)
    return Actor(_shown(name, email, subject), config.role_of(*known_as, signed_in=True))


class Present(Actor):
    """The person at the screen as they are whenever it is asked: a button that was drawn before a role was lowered does
    not act with the one from before. Outside of their session they are as they were when this was made."""

    def __init__(self) -> None:
        object.__setattr__(self, "_then", actor())

    @property
    def name(self) -> str:
        return self._now().name

    @property
    def role(self) -> Role:
        return self._now().role

    def _now(self) -> Actor:
        then: Actor = self._then  # type: ignore[attr-defined]
        return then if get_script_run_ctx(suppress_warning=True) is None else actor()


def vouched(claims: Mapping[str, Any]) -> tuple[str, str]:
    """The e-mail address and the subject that the provider vouches for; "" for what it does not.

    Anybody may call themselves what they like. An address counts where ``email_verified`` is the boolean true, not a
    text or a number that looks like it (OpenID Connect Core 1.0, 5.1), and only in ASCII: other letters would be
    taken for these where case is not minded.
    """
    email, subject = claims.get("email"), claims.get("sub")
    sure = claims.get("email_verified") is True and isinstance(email, str) and email.isascii() and "@" in email
    return (email if sure and isinstance(email, str) else "", subject if isinstance(subject, str) else "")


def _shown(name: str, email: str, subject: str) -> str:
    """What stands in the history: it ends in what is vouched for, so that nobody can write another person's there."""
    name = " ".join(printable(name).split())
    known = email or f"id {printable(subject) or '?'}"
    end = f"({known})" if name else known
    return f"{name[: max(0, LONGEST_NAME - len(end) - 1)].strip()} {end}".strip()


def settings() -> WorkspaceConfig:
    """The workspace's settings with the roles of ``secrets.toml`` over its own."""
    config = Workspace.open().config()
    roles: dict[str, Any] = {str(name): role for name, role in _secrets("roles").items()}
    return config.with_(roles={**config.roles, **roles}) if roles else config


def may(role: Role) -> bool:
    return includes(actor().role, role)


def bar(role: Role = "curator", *, disabled: bool = False, help: str | None = None) -> dict[str, Any]:  # noqa: A002
    """``disabled`` and ``help`` of a control that needs ``role``: the reason in place of the help where it is lacking."""
    return {"disabled": disabled, "help": help} if may(role) else {"disabled": True, "help": reason(role)}


def reason(role: Role = "curator") -> str:
    """Why something is not offered."""
    return _("This needs the role {needed}; yours is {own}.").format(
        needed=role_name(role), own=role_name(actor().role)
    )


def role_name(role: Role) -> str:
    return {"viewer": _("viewer"), "curator": _("curator"), "researcher": _("researcher")}[role]


def _secrets(section: str) -> Mapping[str, Any]:
    secrets = st.secrets
    if _none_found[0] is secrets and time.monotonic() < _none_found[1]:
        return {}
    try:
        found = secrets.get(section, {})
    except StreamlitSecretNotFoundError:  # no such file: nothing is configured
        _none_found[:] = secrets, time.monotonic() + LOOK_S
        return {}
    return found if isinstance(found, Mapping) else {}
