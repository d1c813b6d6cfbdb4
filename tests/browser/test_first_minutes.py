"""The first minutes of somebody new, on the whole sample: the four things to try, each ticked when it is done; the list
dismissed for good, and all of it removed in one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.showcase.laid import FOLDER, Laid
from tests.chromium import Server, Visit

TASKS = ("identify", "labels", "train", "map")
SLOW_MS = 240_000  # torch is loaded, or every image is opened, on a machine that does other things too


@pytest.fixture(scope="module")
def sample(start_server: Callable[..., Server], whole_sample: Workspace) -> Iterator[Server]:
    server = start_server(whole_sample)
    yield server
    server.stop()


def overview(tab: Visit, *ticked: str) -> Page:
    """The Overview, reached by the menu, with exactly these tasks ticked."""
    page = tab.page
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Overview").click()
    for task in TASKS:
        card = page.locator(f".st-key-overview-try-{task}")
        expect(card.get_by_text("Done", exact=True)).to_have_count(1 if task in ticked else 0)
    return page


def test_the_four_things_to_try_are_ticked_as_they_are_done(sample, visit):
    tab: Visit = visit(sample)
    tab.open()
    page = overview(tab)
    page.get_by_role("button", name="What is it?").click()
    answer = page.locator("[class*='st-key-identify-answer']").first
    expect(answer.get_by_role("heading")).to_contain_text("Ω", timeout=SLOW_MS)

    page = overview(tab, "identify")
    page.get_by_role("link", name="Open Quality").click()
    page.get_by_role("button", name="Label it étoile").click(timeout=SLOW_MS)
    expect(page.get_by_text("1 image is now of étoile.")).to_be_visible()

    page = overview(tab, "identify", "labels")
    page.get_by_role("button", name="Choose it").click()
    expect(page.get_by_text("3 steps an epoch, 36 in all")).to_be_visible()
    tab.wait()
    page.get_by_role("button", name="Start training").click()
    stop = page.locator(".st-key-train-run-stop button").first
    expect(stop).to_be_visible(timeout=SLOW_MS)
    stop.click()

    page = overview(tab, "identify", "labels", "train")
    page.get_by_role("link", name="Open the map").click()
    page.wait_for_selector(".atlas[data-drawn]")

    page = overview(tab, *TASKS)
    page.get_by_role("button", name="Do not show this again").click()
    expect(page.get_by_text("Try this")).to_have_count(0)
    assert visit(sample).open().get_by_text("Try this").count() == 0, "for good"
    for job in (runner := JobRunner(sample.workspace)).active("train"):
        runner.wait(job.id, timeout_s=60)


def test_everything_goes_in_one_click(sample, visit):
    page = visit(sample).open()
    page.get_by_role("button", name="Remove the sample").click()
    expect(page.get_by_role("button", name="Load the sample")).to_be_visible()
    expect(page.get_by_text("Sample workspace.")).to_have_count(0)
    assert Dataset(sample.workspace).counts().originals == 0
    assert Laid.read(sample.workspace).run == "" and not (sample.workspace.data / FOLDER).exists()
