"""Many at once, in a real browser: copies settled in one step and one undo."""

from __future__ import annotations

import shutil

from playwright.sync_api import expect

from core.collection.dataset import Dataset
from tests.chromium import Visit


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
        expect(page.get_by_text("No picture is there twice.")).to_be_visible()
        counts = Dataset(drawn_workspace).counts()
        assert (counts.originals, counts.trash) == (12, 12)
        tab.wait()
        page.locator(".st-key-frame-undo-0 button").click()
        expect(one).to_be_visible()
        counts = Dataset(drawn_workspace).counts()
        assert (counts.originals, counts.trash) == (24, 0)
    finally:
        server.stop()
