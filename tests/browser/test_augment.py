"""A visit to Augment and one to Balance, on the sample, in a real browser: sliders, grid, job, bars, undo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.ground.workspace import Workspace
from core.synthesis.sample import make_sample
from core.variation import checks
from core.variation.policies import PRESETS
from core.variation.sources import originals_of
from core.variation.variants import Manifest
from tests.chromium import Server

# By how many pixels each picture sticks out of what clips it.
CUT = """all => all.map(image => {
    const box = image.getBoundingClientRect()
    let out = 0
    for (let e = image.parentElement; e; e = e.parentElement) {
        if (getComputedStyle(e).overflowX === 'visible') continue
        const clip = e.getBoundingClientRect()
        out = Math.max(out, Math.round(box.right - clip.right), Math.round(clip.left - box.left))
    }
    return Math.max(out, box.width < 20 ? 99 : 0)
})"""
SLOW_MS = 240_000  # the first draw loads the transforms, the first check builds the encoder


@pytest.fixture(scope="module")
def sample(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    workspace = Workspace(tmp_path_factory.mktemp("sample") / "workspace")
    make_sample(workspace)
    server = start_server(workspace)
    yield server
    server.stop()


def draws(page: Page) -> list[str]:
    return page.locator(".st-key-augment-draws button.tile img").evaluate_all("all => all.map(image => image.src)")


def test_a_slider_changes_the_grid_and_a_draw_tells_its_values(sample, visit):
    tab = visit(sample)
    page = tab.open("augment")
    tiles = page.locator(".st-key-augment-draws button.tile")
    expect(tiles).to_have_count(12, timeout=SLOW_MS)
    before = draws(page)
    page.get_by_test_id("stExpander").get_by_text("Rotation").click()
    ends = page.locator(".st-key-augment-step-rotate-angle input[type=range]")
    ends.last.focus()
    for _press in range(40):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Discard")).to_be_visible()
    tab.wait()
    after = draws(page)
    assert len(after) == 12 and any(a != b for a, b in zip(before, after, strict=True))
    assert any(a == b for a, b in zip(before, after, strict=True)), "draws without a rotation stay as they were"
    turned = next(i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    tiles.nth(turned).click()
    panel = page.locator(".st-key-augment-draws .open")
    expect(panel).to_contain_text("Angle")
    expect(panel).to_contain_text("°")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_a_plan_is_applied_the_bars_meet_the_line_and_undone_they_do_not(sample, visit):
    tab = visit(sample)
    page = tab.open("balance")
    data = Dataset(sample.workspace)
    short = [record for record in data.classes() if record.originals < 10]
    assert short
    cards = page.get_by_role("radio", name="At least a minimum")
    expect(cards).to_have_attribute("aria-checked", "true", timeout=SLOW_MS)
    page.get_by_role("radio", name="Up to the median").click()
    tab.wait()
    assert "strategy=median" in page.url
    page.get_by_role("radio", name="At least a minimum").click()
    tab.wait()
    missing = sum(10 - record.originals for record in short)
    page.get_by_role("button", name=f"Write {missing} variants").click()
    expect(page.get_by_text(f"{missing} written")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("Every class has its target: nothing to write.")).to_be_visible()
    assert all(record.originals + record.variants >= 10 for record in Dataset(sample.workspace).classes())
    expect(page.locator(".st-key-balance-chart").get_by_text("target 10")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{missing} variants deleted.")).to_be_visible()
    expect(page.get_by_role("button", name=f"Write {missing} variants")).to_be_visible()
    assert not Manifest(sample.workspace.augmented).variants()


def test_the_pictures_of_twins_are_whole_at_every_width(sample, visit):
    """A check is remembered as if it had been made: what it found is shown, and no picture is cut off."""
    workspace, policy = sample.workspace, PRESETS["hand-drawn"]
    originals = originals_of(Dataset(workspace))
    names = {original.folder: original.class_name for original in originals}
    one, other, *_ = names
    found = [
        {"folder": a, "class_name": names[a], "symmetry": [0, True], "twin_folder": b, "twin_name": names[b],
         "share": 0.9, "similarity": 0.8, "genuine": True}
        for a, b in ((one, other), (other, one))
    ]  # fmt: skip
    path = checks._path(workspace, policy, load_embedder(workspace).space)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"policy": policy.to_json(), "space": path.stem, "tolerance": 0.15, "rows": [], "twins": found}
    path.write_text(json.dumps({**record, "refusals": [], "labels": checks.labels_digest(originals)}))
    tab = visit(sample, width=1440, height=1600)
    page = tab.open("augment?view=safety")
    expect(page.get_by_text("Twins that this policy reaches")).to_be_visible(timeout=SLOW_MS)
    tab.wait()
    pictures = page.locator("[data-testid=stMain] [data-testid=stImage] img")
    for width in (1440, 1024, 640, 390):
        page.set_viewport_size({"width": width, "height": 1600})
        expect(pictures).to_have_count(4, timeout=SLOW_MS)
        page.wait_for_timeout(400)
        shown = pictures.evaluate_all(CUT)
        assert len(shown) == 4 and not any(shown), f"at {width}: {shown}"
