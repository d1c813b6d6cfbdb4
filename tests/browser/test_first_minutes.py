"""The first minutes of somebody new, on the whole sample: the four things to try, each ticked when it is done; the list
dismissed for good; the run that is there compared with one's own, evaluated, promoted and taken back; and all of it
removed in one click."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.showcase.laid import FOLDER, Laid
from core.training.run import Run
from core.training.runs import Runs
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


def another(shipped: Run, name: str) -> None:
    """The run that ships once more, as a training with another seed would have left it."""
    folder = shipped.folder.with_name(f"{shipped.id}0")
    shutil.copytree(shipped.folder, folder)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record |= {"id": folder.name, "name": name, "settings": record["settings"] | {"seed": 1}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def test_the_run_that_is_there_is_compared_and_evaluated(sample, visit):
    another(Runs(sample.workspace).get(Laid.read(sample.workspace).run), "Once more")
    tab: Visit = visit(sample)
    page = tab.open("runs")
    shipped, own = (
        page.locator("[class*='st-key-runs-frame']").filter(has_text=name)
        for name in ("The head, 12 epochs", "Once more")
    )
    for run in (shipped, own):
        run.locator("label").first.click()
        expect(run.get_by_role("checkbox")).to_be_checked()
        tab.wait()
    compared = page.locator(".st-key-runs-compare")
    expect(compared).to_contain_text("2 runs compared")
    expect(compared.locator("svg [aria-roledescription=point]").nth(25)).to_be_attached()  # 12 epochs each, and before
    expect(compared).to_contain_text("What was asked differently")
    expect(compared).to_contain_text("Seed")
    tab.wait()
    shipped.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name="The head, 12 epochs")).to_be_in_viewport()  # opened from its top

    page.get_by_test_id("stMain").get_by_role("link", name="Evaluate").click()
    page.get_by_role("button", name="Evaluate now").click()
    expect(page.locator(".st-key-evaluate-matrix .matrix[data-drawn]")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("39 images asked")).to_be_visible()


def test_the_run_that_is_there_is_promoted_and_taken_back(sample, visit):
    tab: Visit = visit(sample)
    page, menu = tab.open("runs"), tab.page.get_by_test_id("stSidebarNav")
    shipped = page.locator("[class*='st-key-runs-frame']").filter(has_text="The head, 12 epochs")
    shipped.get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("button", name="In use")).to_be_disabled(timeout=SLOW_MS)
    menu.get_by_role("link", name="Identify").click()
    expect(page.get_by_text("in use since")).to_be_visible()
    page.locator(".st-key-identify-samples button").first.click()
    answer = page.locator("[class*='st-key-identify-answer']").first
    expect(answer.get_by_role("heading").first).to_be_visible(timeout=SLOW_MS)

    menu.get_by_role("link", name="Runs").click()
    page.get_by_role("button", name="Back to the one before").click()
    expect(page.get_by_text("not trained yet")).to_be_visible(timeout=SLOW_MS)


def test_everything_goes_in_one_click(sample, visit):
    page = visit(sample).open()
    page.get_by_role("button", name="Remove the sample").click()
    expect(page.get_by_role("button", name="Load the sample")).to_be_visible()
    expect(page.get_by_text("Sample workspace.")).to_have_count(0)
    assert Dataset(sample.workspace).counts().originals == 0
    assert Laid.read(sample.workspace).run == "" and not (sample.workspace.data / FOLDER).exists()
