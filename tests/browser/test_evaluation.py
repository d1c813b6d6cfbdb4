"""Evaluation in a real browser: a confusion corrected and measured again, a lasso, and names that try to do harm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.evaluation.store import Evaluation
from core.evaluation.work import evaluate_subject, in_use
from core.ground.images import content_hash
from core.ground.workspace import Workspace
from core.variation.sources import originals_of
from tests.chromium import Server
from tests.conftest import draw, png_bytes
from tests.pages.conftest import PAGES

SLOW_MS = 240_000  # an evaluation is a process of its own, which loads the encoder
SHAPES = ("circle", "cross", "bar", "triangle")
SCRIPT, IMAGE = "<script>alert(1)</script>", "![x](http://example.invalid/x.png)"


def evaluate(workspace: Workspace) -> Evaluation:
    dataset, embedder = Dataset(workspace), load_embedder(workspace)
    dataset.rescan()
    made = evaluate_subject(dataset, in_use(workspace, embedder, originals_of(dataset)), "test")
    assert made is not None
    return made


def drawn(workspace: Workspace) -> None:
    """Ten drawings of each shape."""
    for number, shape in enumerate(SHAPES):
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(10):
            path = workspace.raw / shape / f"{shape}_{seed}.png"
            path.write_bytes(png_bytes(draw(shape, seed=100 * number + seed)))


def plant(workspace: Workspace, folder: str = "circle") -> None:
    """One cross among the circles, such that it is on the test side of the split, where it is asked."""
    path, embedder = workspace.raw / folder / "wrong.png", load_embedder(workspace)
    for seed in range(50, 90):
        content = png_bytes(draw("cross", seed=seed))
        path.write_bytes(content)
        dataset = Dataset(workspace)
        dataset.rescan()
        if in_use(workspace, embedder, originals_of(dataset)).split.side.get(content_hash(content)) == "test":
            return
    raise AssertionError("none of forty drawings came onto the test side")


@pytest.fixture(scope="module")
def measured(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on four classes of drawings, one of them with the wrong label, evaluated."""
    workspace = Workspace(tmp_path_factory.mktemp("measured") / "workspace")
    drawn(workspace)
    plant(workspace)
    evaluate(workspace)
    server = start_server(workspace)
    yield server
    server.stop()


def path_around(page: Page, names: set[str]) -> tuple[list[tuple[float, float]], set[int]]:
    """A lasso, in the page's pixels, around the middle of the points of these classes; and the ids inside it,
    reckoned here from the points that the page holds."""
    held = page.evaluate(
        """() => {
          const map = globalThis.burinMaps.get('embeddings.map'), box = map.canvas.getBoundingClientRect()
          const { codes, names } = map.colourings.class, ids = [...map.ids]
          const x = ids.map((_, at) => map.sx(at)), y = ids.map((_, at) => map.sy(at))
          return { left: box.left, top: box.top, ids, codes: [...codes], names, x, y }
        }"""
    )
    own = [at for at, code in enumerate(held["codes"]) if held["names"][code] in names]
    xs, ys = sorted(held["x"][at] for at in own), sorted(held["y"][at] for at in own)
    x, y = xs[len(xs) // 2], ys[len(ys) // 2]
    corners = [(x - 70, y - 5), (x, y - 80), (x + 75, y + 10), (x + 5, y + 70)]
    inside = {held["ids"][at] for at in range(len(held["ids"])) if _within(corners, held["x"][at], held["y"][at])}
    return [(held["left"] + cx, held["top"] + cy) for cx, cy in corners], inside


def _within(corners: list[tuple[float, float]], x: float, y: float) -> bool:
    found = False
    for (ax, ay), (bx, by) in zip(corners, [corners[-1], *corners[:-1]], strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            found = not found
    return found


def test_a_confusion_is_opened_corrected_measured_again_and_gone(measured, visit):
    tab = visit(measured, width=1400, height=1000)
    page = tab.open("evaluate")
    pairs = page.locator(".st-key-evaluate-pairs button")
    expect(pairs).to_have_count(1, timeout=SLOW_MS)
    expect(pairs.first).to_contain_text("circle→cross")
    expect(page.locator(".st-key-evaluate-matrix .matrix[data-drawn]")).to_be_visible()
    pairs.first.click()
    expect(page.get_by_text("Labelled circle, called cross").first).to_be_visible()
    expect(page.get_by_role("slider", name="From as drawn to laid over")).to_be_visible()
    assert "pair=circle%2Fcross" in page.url
    page.get_by_role("button", name="It is cross").click()
    expect(page.get_by_text("now cross")).to_be_visible()
    assert {item.class_name for item in Dataset(measured.workspace).items(text="wrong.png")} == {"cross"}
    expect(page.get_by_text("Out of date")).to_be_visible()
    page.locator(".st-key-evaluation-again button").click()
    expect(page.locator(".st-key-evaluation-job")).to_be_visible()
    expect(page.locator(".st-key-evaluation-job")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_text("Out of date")).to_have_count(0)
    tab.wait()
    page.get_by_role("button", name="The matrix").click()
    expect(page.locator(".st-key-evaluate-matrix .matrix[data-drawn]")).to_be_visible()
    expect(page.locator(".st-key-evaluate-pairs button", has_text="circle→cross")).to_have_count(0)


def test_a_lasso_selects_exactly_what_is_inside_and_it_is_relabelled_and_taken_back(measured, visit):
    tab = visit(measured, width=1400, height=1000)
    page = tab.open("embeddings")
    expect(page.locator(".atlas[data-drawn]")).to_be_visible(timeout=SLOW_MS)
    tab.wait()
    corners, inside = path_around(page, {"bar"})
    assert len(inside) > 2
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    tiles = page.locator(".st-key-embeddings-grid button")
    expect(tiles).to_have_count(len(inside))
    dataset = Dataset(measured.workspace)
    shown = {tile.get_attribute("title") for tile in tiles.all()}
    items = dataset.some(inside)
    assert shown == {f"{item.class_name} · {item.path.rpartition('/')[2]}" for item in items}
    expect(page.get_by_text(f"{len(inside)} images selected")).to_be_visible()
    before = {item.id: item.class_name for item in items}
    box = page.get_by_role("combobox", name=re.compile("Give them the class"))
    box.click()
    box.fill("triangle")
    box.press("Enter")
    expect(page.get_by_text(f"{len(inside)} images are now of triangle.")).to_be_visible()
    assert {item.class_name for item in dataset.some(inside)} == {"triangle"}
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert {item.id: item.class_name for item in dataset.some(inside)} == before


def test_what_the_legend_hides_is_not_selected(measured, visit):
    tab = visit(measured, width=1400, height=1000)
    page = tab.open("embeddings")
    expect(page.locator(".atlas[data-drawn]")).to_be_visible(timeout=SLOW_MS)
    page.locator(".atlas .list button", has_text="triangle").click()
    page.locator(".atlas .bar").get_by_role("button", name="Box").click()
    box = page.locator(".atlas canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=8)
    page.mouse.up()
    expect(page.locator(".st-key-embeddings-grid button")).to_have_count(10)
    dataset = Dataset(measured.workspace)
    triangles = next(record.id for record in dataset.classes() if record.name == "triangle")
    assert page.locator(".atlas").get_attribute("data-selected") == "10"
    files = {tile.get_attribute("title") for tile in page.locator(".st-key-embeddings-grid button").all()}
    assert files == {f"triangle · {item.path.rpartition('/')[2]}" for item in dataset.items(class_id=triangles)}


def test_names_that_are_markup_do_nothing_on_any_page_nor_in_the_report(
    start_server: Callable[..., Server], workspace: Workspace, visit, browser: Browser, tmp_path: Path
) -> None:
    drawn(workspace)
    dataset = Dataset(workspace)
    dataset.rescan()
    ids = {record.name: record.id for record in dataset.classes()}
    dataset.rename_class(ids["circle"], SCRIPT)
    dataset.rename_class(ids["cross"], IMAGE)
    plant(workspace, next(record.folder for record in dataset.classes() if record.name == SCRIPT))
    made = evaluate(workspace)
    assert len(made.predictions.wrong), "an error between the two is on every page that shows errors"
    item = next(item for item in dataset.items(limit=None) if item.class_name == SCRIPT)
    dataset.report(dataset.image_bytes(item), verdict="certain", said="wrong", note=SCRIPT + IMAGE, who=IMAGE,
                   answer={"classes": [{"name": SCRIPT}, {"name": IMAGE}], "right": IMAGE})  # fmt: skip
    server = start_server(workspace)
    tab = visit(server, width=1400, height=1000)
    dialogs: list[str] = []
    tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    pair = "pair=" + "/".join(record.folder for record in dataset.classes() if record.name in (SCRIPT, IMAGE))
    page = tab.open()
    links = page.get_by_test_id("stSidebarNavLink")
    assert links.count() == len(PAGES) - 1  # the guide is reached by links of its own
    for at in range(links.count()):
        links.nth(at).click()
        tab.wait()
        expect(page.get_by_test_id("stException")).to_have_count(0)
    errors = ("errors?view=hubs", "errors?view=tendencies")
    views = (f"library?item={item.id}", "label?view=grid", f"evaluate?{pair}", "evaluate?view=classes", *errors)
    for view in (*views, "augment?view=safety"):
        tab.open(view)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page = tab.open("evaluate")
    expect(page.locator(".st-key-evaluate-pairs button").first).to_contain_text("alert(1)")
    assert not dialogs
    _report_is_harmless(browser, made.folder / "report.html")
    server.stop()


def _report_is_harmless(browser: Browser, path: Path) -> None:
    """Opened as by a colleague, the file asks for nothing, runs nothing of the names, and shows them as they are."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page, asked, dialogs = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    assert not dialogs and [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert SCRIPT in page.locator("body").inner_text() and IMAGE in page.locator("body").inner_text()
    context.close()
