"""Many at once, in a real browser: copies settled in one step and one undo, and a zip that brings everything back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from tests.chromium import Server, Visit

FILES = "[data-testid=stFileUploaderDropzoneInput]"


def test_copies_are_settled_at_once_and_one_undo_brings_them_back(start_server, visit, drawn_workspace):
    for path in sorted(drawn_workspace.raw.rglob("*.png")):
        shutil.copy(path, path.with_name(f"again_{path.name}"))
    server = start_server(drawn_workspace)
    try:
        tab: Visit = visit(server)
        page = tab.page
        page.goto(f"{server.url}/quality?list=copies")
        one = page.get_by_role("button", name="Keep one of each: 12 to the trash")
        expect(one).to_be_enabled(timeout=240_000)
        tab.wait()
        one.click()
        expect(page.get_by_text("12 images are in the trash.")).to_be_visible()
        expect(page.get_by_text("No file is there twice.")).to_be_visible()
        counts = Dataset(drawn_workspace).counts()
        assert (counts.originals, counts.trash) == (12, 12)
        tab.wait()
        page.locator(".st-key-frame-undo-0 button").click()
        expect(one).to_be_visible()
        counts = Dataset(drawn_workspace).counts()
        assert (counts.originals, counts.trash) == (24, 0)
    finally:
        server.stop()


def described(workspace: Workspace) -> dict[str, tuple]:
    """Each class with its fields, its other names, and the content of its images."""
    data = Dataset(workspace)
    return {
        record.name: (
            dict(record.fields), tuple(record.aliases),
            tuple(sorted(item.file_sha256 or item.sha256 for item in data.items(class_id=record.id, limit=None))),
        )
        for record in data.classes()
    }  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "elsewhere")


def test_a_zip_takes_classes_fields_and_empty_classes_to_another_workspace(
    start_server: Callable[..., Server], visit, drawn_workspace, elsewhere, tmp_path
):
    data = Dataset(drawn_workspace)
    data.rescan()
    bar = next(record for record in data.classes() if record.name == "bar")
    data.edit_fields(bar.id, maker="Essilor", product="=Varilux", note="first line; second, line")
    data.set_aliases(bar.id, ["trait", "—"])
    data.create_class("étoile vide")
    here = start_server(drawn_workspace)
    tab: Visit = visit(here)
    page = tab.page
    page.goto(f"{here.url}/library?view=export")
    export = page.get_by_role("button", name="Export 12 images")
    expect(export).to_be_enabled(timeout=240_000)
    tab.wait()
    export.click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=120_000)
    answer = page.request.get(f"{here.url}{link.get_attribute('href')}")
    assert answer.ok
    (tmp_path / "all.zip").write_bytes(answer.body())
    here.stop()

    there = start_server(elsewhere)
    try:
        other: Visit = visit(there)
        page = other.page
        page.goto(f"{there.url}/library?view=add")
        page.locator(FILES).set_input_files(tmp_path / "all.zip")
        page.get_by_role("button", name="Import 1 file").click()
        expect(page.locator(".st-key-library-import").get_by_text("12 added")).to_be_visible(timeout=120_000)
        other.wait()
        assert described(elsewhere) == described(drawn_workspace)
    finally:
        there.stop()
