"""A search server in the settings: refused where it is none, searched where it answers, and said where it is away."""

from __future__ import annotations

import pytest

from core.embedding.opening import Sources
from core.ground.errors import SearchAway
from core.ground.workspace import Workspace
from pages.ui import services
from tests.chromium import free_port
from tests.conftest import draw, png_bytes
from tests.core.embedding.test_mirror import until
from tests.milvus import Milvus
from tests.pages.conftest import text_of

# Of two processes that ask a Milvus server, one would wait for the other all the while.
pytestmark = pytest.mark.xdist_group("milvus")


def test_without_a_server_the_page_says_where_it_searches_and_nothing_follows(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "settings")
    assert "In this process: every reference is compared." in text_of(at)
    assert services.mirror() is None
    assert "Compare and repair" not in text_of(at)


def test_an_address_that_is_none_and_one_where_nobody_answers_change_nothing(open_page, drawn_workspace):
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install '.[scale]'")
    at = open_page(drawn_workspace, "settings")
    at.text_input(key="settings.index_url").set_value("milvus.example.org")
    at.button(key="settings.save_index").click().run()
    assert "The address of a search server is like" in text_of(at)
    at.text_input(key="settings.index_url").set_value(f"http://127.0.0.1:{free_port()}")
    at.button(key="settings.reach_index").click().run()
    assert "Nothing answers at this address (Connection refused)." in text_of(at)
    assert drawn_workspace.config().index_url == "" and not at.exception


@pytest.mark.parametrize(
    ("address", "test", "use"),
    [
        ("settings.index_url", "settings.reach_index", "settings.save_index"),
        ("settings.ray_address", "settings.reach_cluster", "settings.save_cluster"),
        ("settings.url", "settings.reach", "settings.save_url"),
    ],
)
def test_what_a_connection_says_stands_below_the_buttons(open_page, drawn_workspace, address, test, use):
    """Between them it took them apart."""
    at = open_page(drawn_workspace, "settings")
    at.text_input(key=address).set_value("none that can be")
    at.button(key=test).click().run()
    shown = list(at.main)
    (said,) = [n for n, element in enumerate(shown) if element.type == "error"]
    assert [n for n, element in enumerate(shown) if getattr(element, "key", None) in (test, use)][-1] < said


@pytest.mark.slow
def test_it_is_searched_followed_and_said_to_be_away(
    open_page, drawn_workspace: Workspace, milvus: Milvus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(services, "follow_index", lambda: None)  # what it does in a thread is done by hand here
    at = open_page(drawn_workspace, "settings")
    at.text_input(key="settings.index_url").set_value(milvus.url)
    at.button(key="settings.reach_index").click().run()
    assert "It answers: Milvus 2.3.5" in text_of(at)
    at.button(key="settings.save_index").click().run()
    assert drawn_workspace.config().index_url == milvus.url
    assert "the search server is being filled" in text_of(at)
    mirror = services.mirror()
    assert mirror is not None
    try:
        assert mirror.keep() == 12 and mirror.keep() == 0
        said = text_of(at.run())
        assert "It holds every reference as it is now." in said
        assert "Of the true nearest references of 12 of its own vectors it finds 100 %" in said
        at.button(key="settings.compare").click().run()
        (job,) = services.jobs().list("reconcile")
        assert services.jobs().wait(job.id, timeout_s=120).state == "succeeded"
        until(lambda: mirror.keep() >= 0 and mirror.at > 0, 60)

        def asked(seed: int) -> str:
            page = open_page(drawn_workspace, "identify", locale="en-GB")
            page.file_uploader[0].upload("new.png", png_bytes(draw("cross", seed=seed)), "image/png")
            return text_of(page.run())

        assert "What the model sees" in asked(77)
        milvus.kill()
        assert "Search cannot answer now: the search server is away (since" in asked(78)
        milvus.start()
        with pytest.raises(SearchAway, match="was away, and is being compared"):
            until(lambda: mirror.collection.exists(), 120)
            assert mirror.at
        until(lambda: mirror.keep() >= 0 and mirror.at > 0, 200)
        assert "What the model sees" in asked(78)
    finally:
        until(lambda: mirror.collection.drop() or True, 200)
        mirror.collection.close()
    drawn_workspace.save_config(drawn_workspace.config().with_(index_url=""))
    assert Sources().of(services.dataset(), services.embedder()) is None
