"""Promise: a role goes by what the identity provider vouches for, and nobody can write another person's name."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import expect

from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.rights import Actor
from pages.server import entry
from pages.ui import people
from tests.browser.test_login import ADA, Provider, secrets_of

EVE = {"is_logged_in": True, "name": "Eve", "sub": "666"}
ADDRESS = "ada@example.org"
FORGED = [  # what a provider may send of somebody who is not Ada
    {**EVE, "email": ADDRESS},
    {**EVE, "email": ADDRESS, "email_verified": False},
    {**EVE, "email": ADDRESS, "email_verified": None},
    {**EVE, "email": ADDRESS, "email_verified": "true"},
    {**EVE, "email": ADDRESS, "email_verified": "True"},
    {**EVE, "email": ADDRESS, "email_verified": 1},
    {**EVE, "email": ADDRESS, "email_verified": [True]},
    {**EVE, "email": [ADDRESS], "email_verified": True},
    {**EVE, "email": "eve@example.org", "email_verified": True},
    {**EVE, "email": "ADA@\u212aexample.org", "email_verified": True},
    {**EVE, "sub": ADDRESS},
    {**EVE, "sub": ADDRESS, "email": "eve@example.org", "email_verified": True},
    {**EVE, "sub": [ADDRESS]},
    {**EVE, "name": ADDRESS, "preferred_username": ADDRESS},
    {**EVE, "name": "Ada Lovelace (ada@example.org)"},
    {"is_logged_in": True, "sub": ADDRESS, "name": "Ada Lovelace"},
    {"is_logged_in": True, "sub": "", "name": "Ada Lovelace (ada@example.org)\n"},
    {"is_logged_in": True},
]


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch):
    """``person(claims)`` -> who that is on a server where Ada is a curator and the subject 17 a researcher."""

    def person(claims: dict[str, Any]) -> Actor:
        monkeypatch.setattr(people, "get_script_run_ctx", lambda **_: object())
        monkeypatch.setattr(people, "login_wanted", lambda: True)
        monkeypatch.setattr(people, "settings", lambda: WorkspaceConfig(roles={ADDRESS: "curator", "17": "researcher"}))
        user = SimpleNamespace(get=claims.get, to_dict=lambda: claims)
        monkeypatch.setattr(people.st, "user", user)
        return people.actor()

    return person


@pytest.mark.parametrize("claims", FORGED)
def test_what_is_not_vouched_for_gives_no_role_and_no_name(person, claims):
    actor = person(claims)
    assert actor.role == "viewer"
    assert actor.name != "Ada Lovelace (ada@example.org)" and not actor.name.endswith(f"({ADDRESS})")


def test_what_is_vouched_for_does(person):
    assert person({**ADA, "is_logged_in": True, "sub": "1"}) == Actor("Ada Lovelace (ada@example.org)", "curator")
    assert person({**ADA, "is_logged_in": True, "email": "ADA@Example.org"}).role == "curator"
    assert person({**EVE, "sub": "17"}) == Actor("Eve (id 17)", "researcher")
    assert person({"is_logged_in": True, "email": ADDRESS, "email_verified": True}) == Actor(ADDRESS, "curator")


@pytest.mark.parametrize("length", [60, 75, 80, 300])
def test_a_long_name_does_not_push_out_what_is_vouched_for(person, length):
    actor = person({**EVE, "name": "x" * length, "email": "eve@example.org", "email_verified": True})
    assert actor.name.endswith(" (eve@example.org)") and len(actor.name) <= people.LONGEST_NAME


@pytest.mark.parametrize(
    "cookie", ["", "_streamlit_user=x", '_streamlit_user="{}"', "_streamlit_user=a.b.c; x", "=;;="]
)
def test_a_cookie_that_the_server_did_not_sign_lets_nobody_in(monkeypatch, cookie):
    from starlette.datastructures import Headers

    monkeypatch.setattr(people, "login_wanted", lambda: True)
    assert entry.let_in(Headers({"cookie": cookie})) is False
    monkeypatch.setattr(people, "login_wanted", lambda: False)
    assert entry.let_in(Headers({"cookie": cookie})) is True


@pytest.mark.browser
def test_a_real_exchange_gives_the_role_of_a_verified_address_only(start_server, visit, drawn_workspace, tmp_path):
    drawn_workspace.save_config(WorkspaceConfig(roles={ADDRESS: "curator"}))
    Dataset(drawn_workspace).rescan()
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    Thread(target=provider.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{provider.server_address[1]}"
    server = start_server(drawn_workspace, STREAMLIT_SECRETS_FILES=str(secrets_of(address, tmp_path)))
    for claims, said in (
        ({"name": "Eve", "email": ADDRESS}, "Signed in as Eve (id 17) · viewer"),
        ({"name": "Eve", "email": ADDRESS, "email_verified": "true"}, "Signed in as Eve (id 17) · viewer"),
        ({"name": "Eve", "sub": ADDRESS}, f"Signed in as Eve (id {ADDRESS}) · viewer"),
        (ADA, f"Signed in as Ada Lovelace ({ADDRESS}) · curator"),
    ):
        provider.claims = claims  # type: ignore[attr-defined]
        tab = visit(server)
        page = tab.open("history")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text(said)).to_be_visible()
        tab.outside[:] = [url for url in tab.outside if not url.startswith(address)]
    provider.shutdown()
    provider.server_close()
