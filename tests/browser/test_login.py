"""Signing in with a real OpenID Connect exchange, against a small provider on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from playwright.sync_api import expect

from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "email_verified": True}
KEY = RSAKey.generate_key(2048, {"kid": "test"})


class Provider(BaseHTTPRequestHandler):
    """Signs Ada in, whoever asks, with the ``claims`` of the server: discovery, authorization, token and keys."""

    def do_GET(self) -> None:
        place, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if place.path == "/authorize":
            back = urlencode({"code": asked["nonce"][0], "state": asked["state"][0]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri'][0]}?{back}")
            self.end_headers()
        elif place.path == "/keys":
            self._say({"keys": [KEY.as_dict(private=False)]})
        else:
            self._say(
                {
                    "issuer": self._own,
                    "authorization_endpoint": f"{self._own}/authorize",
                    "token_endpoint": f"{self._own}/token",
                    "jwks_uri": f"{self._own}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        now = int(time.time())
        claims = {
            "iss": self._own, "aud": "burin", "sub": "17", "iat": now, "exp": now + 600, "nonce": sent["code"][0],
            **getattr(self.server, "claims", ADA),
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "test"}, claims, KEY)
        self._say({"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    @property
    def _own(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def _say(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def secrets_of(provider: str, folder: Path) -> Path:
    """A file of secrets with a login at ``provider``."""
    secrets = folder / "secrets.toml"
    secrets.write_text(f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "a long text for the tests only, a long text"
client_id = "burin"
client_secret = "for the tests only"
server_metadata_url = "{provider}/.well-known/openid-configuration"
""")
    return secrets


def test_nothing_is_shown_before_signing_in_and_the_name_goes_into_the_history(
    visit, start_server, drawn_workspace, provider, tmp_path
):
    drawn_workspace.save_config(WorkspaceConfig(roles={"ada@example.org": "curator"}))
    Dataset(drawn_workspace).rescan()
    tab = visit(start_server(drawn_workspace, STREAMLIT_SECRETS_FILES=str(secrets_of(provider, tmp_path))))
    page = tab.open("library")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    for word in ("circle", "originals", "Workspace"):
        assert word not in page.inner_text("body")
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in as Ada Lovelace (ada@example.org) · curator")).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Library").click()
    page.locator(".tiles button").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("The image is in the trash.")).to_be_visible()
    assert Dataset(drawn_workspace).history(1)[0].who == "Ada Lovelace (ada@example.org)"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    tab.outside[:] = [url for url in tab.outside if not url.startswith(provider)]
