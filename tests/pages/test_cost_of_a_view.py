"""What every view of every page would pay for is paid once: collections, a file of secrets that is not there, a page of
images. And nothing is remembered past a change."""

import gc
import json
import os
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.testing.v1 import AppTest

from core.collection.dataset import Dataset
from core.ground import job
from core.ground.config import WorkspaceConfig
from core.ground.workspace import ENVIRONMENT, Workspace
from pages.server import garbage, thumbnails
from pages.ui import cached, people
from tests.conftest import png_bytes
from tests.pages.conftest import HOME, PAGES, component


class Circle:
    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()


def test_what_is_alive_is_set_aside_and_what_dies_is_freed_the_next_time():
    circle = Circle()
    garbage.settle(now=True)
    assert gc.get_freeze_count() > 10_000
    known = weakref.ref(circle)
    del circle
    gc.collect()
    assert known() is not None, "it was not set aside: every collection looks through all that is loaded"
    garbage.settle(now=True)
    assert known() is None


def test_views_in_a_row_settle_once(monkeypatch):
    counted = []
    monkeypatch.setattr(garbage.gc, "freeze", lambda: counted.append(1))
    garbage.settle(now=True)
    garbage.settle()
    garbage.settle()
    assert len(counted) == 1
    garbage._next[0] = 0.0  # a minute later
    garbage.settle()
    assert len(counted) == 2


def test_a_page_that_was_opened_settles(drawn_workspace, open_page, monkeypatch):
    settled = []
    monkeypatch.setattr(garbage, "settle", lambda *, now=False: settled.append(now))
    open_page(drawn_workspace, "library")
    assert True in settled, "what the preparation has loaded"
    assert False in settled, "the end of a view"
    assert st.get_option("runner.postScriptGC") is False  # else all of it is looked through after every view


def test_no_file_of_secrets_is_looked_for_once_a_second_and_one_that_comes_is_read(monkeypatch):
    class Secrets(dict):
        asked = 0

        def get(self, section, default=None):
            Secrets.asked += 1
            if not self:
                raise StreamlitSecretNotFoundError("none")
            return super().get(section, default)

    secrets = Secrets()
    monkeypatch.setattr(st, "secrets", secrets)
    for _ in range(100):
        assert not people.login_wanted()
    assert Secrets.asked == 1
    secrets["auth"] = {"client_id": "burin"}
    people._none_found[1] = 0.0  # a second later
    assert people.login_wanted()
    monkeypatch.setattr(st, "secrets", Secrets())
    assert not people.login_wanted()
    monkeypatch.setattr(st, "secrets", Secrets(auth={"client_id": "burin"}))  # others are not taken for those
    assert people.login_wanted()


def test_a_page_of_images_is_read_once_and_anew_after_a_change(drawn_workspace, open_page, monkeypatch):
    from core.catalogue import listing

    open_page(drawn_workspace, "table")
    dataset = Dataset(drawn_workspace)
    read = []
    monkeypatch.setattr(listing, "items", lambda *a, _items=listing.items, **k: read.append(1) or _items(*a, **k))
    first = cached.page_of(limit=60, offset=0, order="class", text="")
    again = cached.page_of(limit=60, offset=0, order="class", text="")
    assert again == first and len(read) == 1
    dataset.trash([first[0].id])
    assert first[0].id not in {item.id for item in cached.page_of(limit=60, offset=0, order="class", text="")}


def test_what_every_session_is_shown_on_the_labelling_desk_is_found_once(drawn_workspace, open_page, monkeypatch):
    from core.catalogue import listing
    from core.review.predictions import References

    (drawn_workspace.raw / "circle" / "large.png").write_bytes(png_bytes(Image.new("L", (900, 700), 90)))
    first = open_page(drawn_workspace, "label")
    sent = {
        name: source for data in component(first, "burin_labeller") for name, source in data.get("pictures", {}).items()
    }
    assert any(name.startswith("large ") for name in sent)
    assert all(source.startswith(("/thumbnail/", "/large/")) for source in sent.values()), "pictures travel by address"
    asked = []
    for owner, name in ((References, "propose"), (listing, "classes"), (listing, "counts")):
        known = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *a, _known=known, _name=name, **k: asked.append(_name) or _known(*a, **k)
        )
    second = AppTest.from_file(str(HOME), default_timeout=60)
    second.context = {"locale": "en-GB"}
    second.switch_page(PAGES["label"])
    second.run()
    assert component(second, "burin_labeller")[1]["items"] == component(first, "burin_labeller")[1]["items"]
    assert asked == []
    Dataset(drawn_workspace).create_class("another")
    second.run()
    assert "classes" in asked
    assert "another" in {name for _id, name, _n in component(second, "burin_labeller")[1]["classes"]}


def test_how_many_reports_wait_is_counted_once_and_no_page_reads_all_of_them(drawn_workspace, open_page, monkeypatch):
    from core.collection import inbox

    dataset = Dataset(drawn_workspace)
    for seed in range(30):
        dataset.report(png_bytes(Image.new("L", (9, 9), seed)), verdict="wrong", said="?", answer={})
    read, counted = [], []
    monkeypatch.setattr(inbox, "entries", lambda *a, _known=inbox.entries, **k: read.append(k) or _known(*a, **k))
    known = Dataset.count_inbox
    monkeypatch.setattr(Dataset, "count_inbox", lambda self: counted.append(1) or known(self))
    at = open_page(drawn_workspace, "library")
    asked = len(counted)
    at.run()
    assert read == [] and len(counted) == asked <= 2
    assert cached.reports() == 30
    dataset.report(png_bytes(Image.new("L", (9, 9), 99)), verdict="wrong", said="?", answer={})
    assert cached.reports() == 31
    open_page(drawn_workspace, "inbox")
    assert read and all(each["limit"] or each.get("entry_id") for each in read)


def test_a_job_that_has_ended_is_read_once_and_anew_when_its_file_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(job.json, "loads", lambda text, _loads=json.loads: read.append(1) or _loads(text))
    one = job.Job("1", "import", str(tmp_path / "1"), state="succeeded", pid=1)
    (tmp_path / "1").mkdir()
    job.publish(one)
    assert job.read(tmp_path / "1") == job.read(tmp_path / "1") == one and len(read) == 1
    job.publish(replace(one, note="more"))
    assert job.read(tmp_path / "1").note == "more" and len(read) == 2
    job.publish(replace(one, state="running"))
    job.read(tmp_path / "1")
    job.read(tmp_path / "1")
    assert len(read) == 4, "of what is under way each look counts"


def test_settings_that_stay_are_read_once_and_anew_whenever_they_were_changed(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    for number in range(20):  # as long as each other, and within a tick of the clock
        workspace.save_config(WorkspaceConfig(neighbours=10 + number))
        workspace.save_config(WorkspaceConfig(neighbours=50 + number))
        assert Workspace(tmp_path).config().neighbours == 50 + number
    os.utime(workspace.config_path, (1e9, 1e9))
    workspace.config()
    read = []
    monkeypatch.setattr(Path, "read_text", lambda self, _read=Path.read_text, **k: read.append(1) or _read(self, **k))
    assert Workspace(tmp_path).config().neighbours == 69 and not read
    workspace.save_config(WorkspaceConfig(neighbours=70))
    assert Workspace(tmp_path).config().neighbours == 70 and read


def test_an_address_is_looked_behind_once_a_minute(drawn_workspace, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(drawn_workspace.root))
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    item = dataset.items(limit=1)[0]
    thumbnails._there.clear()
    asked = []
    monkeypatch.setattr(thumbnails, "_can_be_shown", lambda workspace, item: asked.append(item.id) or len(asked) < 2)
    assert thumbnails.addresses_of([item, item]) == [thumbnails.address(item.sha256, item.id)] * 2
    assert len(asked) == 1
    thumbnails._there.update(dict.fromkeys(thumbnails._there, 0.0))  # a minute later
    assert thumbnails.address_of(item) == ""
