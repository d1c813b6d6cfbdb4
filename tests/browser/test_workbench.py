"""Work under way, and what is typed, as somebody at the screen meets them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from tests.browser.conftest import Server, Visit
from tests.conftest import SHAPES, draw, png_bytes

FILES = "[data-testid=stFileUploaderDropzoneInput]"


@pytest.fixture
def warm(start_server: Callable[..., Server], workspace: Workspace, engines: Path) -> Iterator[Server]:
    """A server on this test's empty workspace, with the encoder ready."""
    shutil.copytree(engines, workspace.cache / "engines")
    server = start_server(workspace)
    yield server
    server.stop()


def files(count: int) -> list[dict]:
    """Drawn pictures, no two alike."""
    return [
        {"name": f"{SHAPES[i % 6]}_{i}.png", "mimeType": "image/png", "buffer": png_bytes(draw(SHAPES[i % 6], seed=i))}
        for i in range(count)
    ]


def test_after_a_look_the_panel_follows_the_import_and_a_second_start_is_impossible(warm, visit):
    """Two tabs show the same look; one takes the images in, and the other can only see that."""
    one: Visit = visit(warm)
    page = one.open("library?view=add")
    page.locator(FILES).first.set_input_files(files(9))
    page.get_by_role("button", name="Look first").click()
    take = page.locator(".st-key-library-go_on button")
    expect(take).to_be_visible(timeout=120_000)
    other: Visit = visit(warm)
    late = other.open("library?view=add").locator(".st-key-library-go_on button")
    expect(late).to_be_visible()

    take.click()
    panel = page.locator(".st-key-library-import")
    expect(panel.get_by_text("9 added")).to_be_visible(timeout=120_000)
    expect(take).to_have_count(0)
    expect(page.get_by_text("9 originals").first).to_be_visible()

    late.click()
    expect(other.page.locator(".st-key-library-import").get_by_text("9 added")).to_be_visible()
    assert [job.state for job in JobRunner(warm.workspace).list("import")] == ["succeeded"] * 2
    assert Dataset(warm.workspace).counts().originals == 9

    panel.get_by_role("button", name="Dismiss").click()
    expect(panel).to_have_count(0)
    expect(page.get_by_text("How images come in")).to_be_visible()


def test_work_under_way_is_seen_on_every_page_and_a_click_leads_there(warm, visit):
    """An import that never ends, as far as these pages can tell."""
    one: Visit = visit(warm)
    one.open()
    one.wait()
    expect(one.page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=120_000)
    job = JobRunner(warm.workspace).start("import", "tests.core.ground.test_jobs:linger", {}, key="import test")
    page = one.open("history")
    link = page.locator(".st-key-frame-work").get_by_role("link", name="Import")
    expect(link).to_be_visible(timeout=60_000)
    page = one.open()
    expect(page.get_by_text("an import is under way")).to_be_visible()
    expect(page.get_by_text("Start here")).to_have_count(0)
    page.locator(".st-key-frame-work").get_by_role("link", name="Import").click()
    expect(page.locator(".st-key-library-import").get_by_role("button", name="Stop")).to_be_visible()
    JobRunner(warm.workspace).stop(job.id)
    expect(page.locator(".st-key-frame-work").get_by_role("link")).to_have_count(0, timeout=60_000)
