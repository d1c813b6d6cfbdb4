"""Who is at the screen: a name picked and journalled, a login that guards every page, roles that core checks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.collection.dataset import Dataset
from core.ground.config import WorkspaceConfig
from core.ground.errors import NotAllowed
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from pages.ui import people, signing
from pages.ui.state import Workbench
from tests.pages.conftest import HOME, PAGES, component, text_of

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "for the tests only",
    "client_id": "burin",
    "client_secret": "for the tests only",
    "server_metadata_url": "http://127.0.0.1:1/.well-known/openid-configuration",
}
ADA = {"is_logged_in": True, "name": "Ada Lovelace", "email": "ada@example.org", "email_verified": True, "sub": "17"}


@pytest.fixture
def collection(drawn_workspace: Workspace) -> Workspace:
    Dataset(drawn_workspace, actor=Actor("Bo")).rescan()
    return drawn_workspace


@pytest.fixture
def signed(open_page, monkeypatch):
    """``signed(workspace, page, user={...})`` -> the page of a server with a login, as that user sees it."""

    def open_(workspace: Workspace, page: str, *, user: dict | None = None, roles: dict | None = None):
        monkeypatch.setattr(people, "_secrets", lambda section: {"auth": AUTH, "roles": roles or {}}[section])
        at = open_page(workspace)
        at.user = user or {}
        at.switch_page(PAGES[page])
        return at.run()

    return open_


def test_a_name_is_picked_and_stands_in_the_journal(open_page, collection, dataset_of):
    collection.save_config(WorkspaceConfig(roles={"Ada": "curator"}))
    at = open_page(collection, "library")
    picker = at.selectbox("frame.who")
    assert picker.value is None and list(picker.options) == ["Ada", "Bo"]
    assert component(at, "burin_person") == [{"name": ""}]
    picker.set_value("Ada").run()
    assert component(at, "burin_person") == [{"name": "Ada"}]
    item = dataset_of(collection).items()[0]
    at.query_params["item"] = str(item.id)
    at.run()
    at.button("detail.trash").click().run()
    entry = dataset_of(collection).history(1)[0]
    assert (entry.who, entry.action) == ("Ada", "trash")
    assert "who" not in at.query_params and "frame.who" not in at.query_params
    at.query_params.clear()
    at.switch_page(PAGES["history"]).run()
    assert at.selectbox("frame.who").value == "Ada" and "· Ada" in text_of(at)
    at.selectbox("frame.who").set_value(None).run()
    assert component(at, "burin_person") == [{"name": ""}] and at.session_state["workbench"].who == ""


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("Ada", "Ada"), (" Ada\n Lovelace\0 ", "Ada Lovelace\\0"), ("x" * 500, "x" * 80), (["Ada"], ""), (None, "")],
)
def test_the_name_that_the_browser_remembers_is_taken_as_if_it_were_typed(monkeypatch, sent, taken):
    bench = Workbench()
    monkeypatch.setattr(signing, "workbench", lambda: bench)
    monkeypatch.setattr(signing.st, "session_state", {signing.REMEMBERED: SimpleNamespace(name=sent)})
    signing._recall()
    assert bench.who == taken and signing.st.session_state[signing.KEY] == (taken or None)
    bench.who = "Bo"
    signing._recall()
    assert bench.who == "Bo", "picked in the meantime"


def test_a_role_goes_with_the_name_and_core_refuses_what_it_does_not_allow(open_page, collection, dataset_of):
    collection.save_config(WorkspaceConfig(roles={"Vi": "viewer", "Cy": "curator"}))
    at = open_page(collection, "history")
    dataset_of(collection).create_class("new")
    at.selectbox("frame.who").set_value("Vi").run()
    undo = at.button("history.undo")
    assert undo.disabled and undo.proto.help == "This needs the role curator; yours is viewer."
    assert "Your role: viewer" in text_of(at)
    at.selectbox("frame.who").set_value("Cy").run()
    assert not at.button("history.undo").disabled


def test_what_a_viewer_sends_all_the_same_is_refused_by_core(open_page, collection, dataset_of):
    collection.save_config(WorkspaceConfig(default_role="viewer"))
    item = dataset_of(collection).items()[0]
    at = open_page(collection, "label", ids=str(item.id))
    assert "This needs the role curator" in component(at, "burin_labeller")[-1]["reason"]
    other = next(c.id for c in dataset_of(collection).classes() if c.id != item.class_id)
    event = {"seq": 1, "do": "label", "id": item.id, "class": other, "ver": item.ver}
    from pages.ui.data import labelling

    work = labelling.Desk()
    viewer = dataset_of(collection).acting_as(Actor("Vi", "viewer"))
    labelling.receive(work, {"epoch": 0, "index": 0, "log": [event]}, viewer)
    assert "Vi may look and report, not change" in work.failed[0][1]
    assert dataset_of(collection).item(item.id).class_id == item.class_id
    with pytest.raises(NotAllowed):
        viewer.rescan()


@pytest.mark.parametrize("page", ["overview", "library", "label", "history", "identify"])
def test_no_page_is_shown_before_signing_in(signed, collection, page):
    at = signed(collection, page)
    assert [title.value for title in at.title] == ["Sign in"]
    assert [button.label for button in at.button] == ["Sign in"]
    said = text_of(at)
    assert "circle" not in said and str(collection.root) not in said
    # what puts Streamlit's own words into the reader's language is all
    assert {part.key for part in at.get("bidi_component")[1:]} <= {"frame.native"}


def test_somebody_signed_in_acts_in_their_own_name_with_the_role_of_their_address(signed, collection, dataset_of):
    at = signed(collection, "history", user=ADA, roles={"ADA@example.org": "curator"})
    dataset_of(collection).acting_as(Actor("Ada Lovelace (ada@example.org)")).create_class("new")
    assert "Ada Lovelace (ada@example.org) · curator" in text_of(at)
    assert "frame.who" not in [box.key for box in at.selectbox]
    at.button("history.undo").click().run()
    entry = dataset_of(collection).history(1)[0]
    assert (entry.action, entry.who) == ("undo", "Ada Lovelace (ada@example.org)")


@pytest.mark.parametrize(
    ("user", "role"),
    [
        (ADA, "curator"),
        ({**ADA, "email": "eve@example.org"}, "viewer"),
        ({**ADA, "email_verified": False}, "viewer"),
        ({**ADA, "email": "eve@example.org", "name": "ada@example.org"}, "viewer"),
    ],
)
def test_a_role_is_of_a_verified_address_and_a_stranger_looks_only(signed, collection, user, role):
    at = signed(collection, "history", user=user, roles={"ada@example.org": "curator"})
    assert f"· {role}" in text_of(at)
    assert at.button("history.undo").disabled == (role == "viewer")


def test_signing_out_ends_what_is_shown(signed, collection):
    at = signed(collection, "library", user=ADA)
    assert at.title[0].value == "Library"
    at.button("frame.sign_out").click().run()
    assert [title.value for title in at.title] == ["Sign in"]


def test_providers_by_name_have_a_button_each(open_page, collection, monkeypatch):
    auth = {"redirect_uri": "x", "cookie_secret": "x", "google": AUTH, "keycloak": AUTH}
    monkeypatch.setattr(people, "_secrets", lambda section: {"auth": auth, "roles": {}}[section])
    at = open_page(collection)
    assert [button.label for button in at.button] == ["Sign in with Google", "Sign in with Keycloak"]


def test_a_role_that_does_not_exist_is_said(open_page, collection, monkeypatch):
    monkeypatch.setattr(people, "_secrets", lambda section: {"auth": {}, "roles": {"Ada": "king"}}[section])
    at = open_page(collection)
    assert "The role of Ada must be one of viewer, curator, researcher, not king." in text_of(at)


def test_the_app_reads_its_secrets_from_streamlit(collection, open_page):
    at = open_page(collection)
    at.secrets["auth"] = AUTH
    at.run()
    assert [title.value for title in at.title] == ["Sign in"] and HOME.name == "Home.py"
