"""Training in a real browser, on the sample: start, watch it learn, reload, stop, promote, and identify with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.synthesis.sample import make_sample
from core.training.promoted import promoted
from core.training.run import Run
from core.training.runs import Runs
from tests.chromium import Server

SCORES = 4  # top-1, top-5, macro recall, mAP@R
SLOW_MS = 240_000  # torch is loaded, and two epochs are trained, on a machine that does other things too


@pytest.fixture(scope="module")
def sample(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = Workspace(tmp_path_factory.mktemp("sample") / "workspace")
    make_sample(workspace)
    server = start_server(workspace)
    yield server
    server.stop()
    runner = JobRunner(workspace)
    for job in runner.active():
        runner.stop(job.id)
        runner.wait(job.id, timeout_s=30)


def type_number(page: Page, label: str, value: int) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(str(value))
    box.press("Enter")


def choose(page: Page, key: str, option: str) -> None:
    box = page.locator(f".st-key-{key}").get_by_role("combobox")
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(800)  # a list closes when the page scrolls under it
    box.click()
    page.get_by_role("option", name=option).click()


def prepared(page: Page) -> None:
    """Until the server has read its folders and embedded the sample: what it says of that moves the page."""
    expect(page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=SLOW_MS)


def the_run(sample: Server) -> Run:
    [run] = Runs(sample.workspace).list()
    return run


def points(run: Run) -> int:
    """How many validations the curves have, without the one before any training."""
    return sum(1 for line in run.metrics() if line["kind"] == "epoch")


def until_it_has(count: int, sample: Server, page: Page) -> None:
    """Until the run has been validated so many times."""
    for _look in range(SLOW_MS // 500):
        if points(the_run(sample)) >= count:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{points(the_run(sample))} validations, not {count}")


def test_a_training_is_started_watched_stopped_promoted_and_used(sample, visit):
    tab = visit(sample)
    page = tab.open("train")
    prepared(page)
    choose(page, "train-policy-0", "none: images as they are")
    tab.wait()
    choose(page, "train-size-0", "64 px")
    tab.wait()
    type_number(page, "Epochs", 60)
    tab.wait()
    page.get_by_text("Everything else").click()
    type_number(page, "Steps an epoch", 2)
    tab.wait()
    expect(page.get_by_text("2 steps an epoch, 120 in all")).to_be_visible()
    start = page.get_by_role("button", name="Start training")
    start.evaluate("button => { for (let click = 0; click < 10; click++) button.click() }")
    expect(page.locator(".st-key-train-run-stop button").first).to_be_visible(timeout=SLOW_MS)
    curve = page.locator(".st-key-train-run-curves-scores svg [aria-roledescription=point]")
    expect(page.get_by_text("Epoch 3 of 60")).to_be_visible(timeout=SLOW_MS)
    expect(curve.nth(3 * SCORES - 1)).to_be_attached()  # the start and two epochs, on each of the four curves
    steps = page.locator(".st-key-train-run-curves-loss svg [aria-roledescription=point]")
    expect(steps.nth(3)).to_be_attached()
    assert points(the_run(sample)) >= 2
    assert len(JobRunner(sample.workspace).list("train")) == 1, "ten clicks, one training"
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: it waits")).to_be_visible(timeout=SLOW_MS)
    held = -1
    while held != (now := len(the_run(sample).metrics())):  # the step under way comes to its end
        held = now
        page.wait_for_timeout(4_000)

    page.reload()
    tab.wait()
    expect(curve.nth(3 * SCORES - 1)).to_be_attached()
    expect(page.get_by_text("Paused: it waits")).to_be_visible()
    other = visit(sample, locale="fr-FR")
    other.open("train")
    expect(other.page.get_by_role("button", name="Reprendre")).to_be_visible()
    assert len(the_run(sample).metrics()) == held, "a paused training waits"
    other.page.get_by_role("button", name="Reprendre").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=SLOW_MS)

    page.locator(".st-key-train-run-stop button").first.click()
    expect(page.get_by_role("button", name="Promote")).to_be_visible(timeout=SLOW_MS)
    run = the_run(sample)
    assert run.state == "stopped" and run.best_path.is_file()
    expect(page.get_by_text("no leak").first).to_be_visible()
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("button", name="In use")).to_be_disabled(timeout=SLOW_MS)
    used = promoted(sample.workspace)
    assert used is not None and used.run_id == run.id

    tab.open("identify")
    expect(page.get_by_text("in use since today")).to_be_visible()
    mark = Dataset(sample.workspace).items(limit=1)[0]
    uploader = page.get_by_test_id("stFileUploaderDropzoneInput")
    uploader.set_input_files(sample.workspace.root / mark.path)
    answer = page.locator("[class*='st-key-identify-answer']")
    expect(answer.get_by_role("heading")).to_contain_text(mark.class_name, timeout=SLOW_MS)
    expect(answer.get_by_text("this very image is in the base")).to_be_visible()


def test_a_killed_training_is_shown_as_interrupted_and_goes_on(sample, visit):
    """After the journey above: its run was stopped, and can go on."""
    tab = visit(sample)
    page = tab.open("train")
    before = points(the_run(sample))
    page.get_by_role("button", name="Resume").click()
    until_it_has(before + 1, sample, page)
    expect(page.get_by_text("left in all")).to_be_visible()
    before = points(the_run(sample))
    [job] = JobRunner(sample.workspace).active("train")
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    expect(page.get_by_text("It can go on from its last whole epoch")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=SLOW_MS)
    until_it_has(before + 1, sample, page)
    lines = [line["step"] for line in the_run(sample).metrics() if line["kind"] == "step"]
    assert lines == list(range(1, len(lines) + 1)), "no step is missing, and none is there twice"
    page.locator(".st-key-train-run-stop button").first.click()
    expect(page.get_by_role("button", name="In use")).to_be_visible(timeout=SLOW_MS)
