"""Promise: names, notes, fields, files and people are shown as text; they are never code, HTML, Markdown or a request.

Every text that a person can enter holds something that some layer would run, on every page, in a real browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Frame, Page, expect

from core.catalogue.records import ProductDraft
from core.collection import saved
from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.evaluation.work import evaluate_subject, in_use
from core.ground.config import WorkspaceConfig
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.training.prepare import Request
from core.training.queue import Queue
from core.training.settings import TrainSettings
from core.variation.policies import PRESETS, Policy, save
from core.variation.sources import originals_of
from tests.chromium import Server, Visit
from tests.conftest import SHAPES, draw, png_bytes
from tests.pages.conftest import PAGES
from tests.pages.made_runs import make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SLOW_MS = 240_000  # some views prepare for the first time what they show
HIT = "window.__hit=1"
NAMES = (  # of classes with drawings: on every page that shows images or results
    f"::JSCODE::function(){{{HIT}}}::JSCODE::",
    f"<img src=x onerror={HIT}>",
    f"<script>{HIT}</script>",
    "![x](http://canary.invalid/x.png)",
    f"[x](javascript:{HIT})",
    f"<svg onload={HIT}>",
)
TEXTS = (
    *NAMES,
    f"--x_x--0_0-- function(){{{HIT}}} --x_x--0_0--",
    f'"><iframe srcdoc="<script>parent.{HIT}</script>">',
    f"{{{{constructor.constructor('{HIT}')()}}}}",
    f"${{{HIT}}}",
    f"({HIT})",
    f"</style><style>@import'http://canary.invalid/s';</style><img src=x onerror={HIT}>",
    "[a](http://canary.invalid) http://canary.invalid www.canary.invalid",
    "=HYPERLINK(\"http://canary.invalid\";\"x\")",
    ":material/home: $x^2$ `code` **bold** :red[x]",
)  # fmt: skip
EVERYTHING = "".join(TEXTS)
FILE = f"<img src=x onerror={HIT}>![x](http:canary.invalid).png"  # a file's name has no slash


@dataclass(frozen=True)
class Planted:
    server: Server
    views: tuple[str, ...]


@pytest.fixture(scope="module")
def planted(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A server on a workspace in which every text is one of `TEXTS`: an evaluation, runs, reports, a history."""
    workspace = Workspace(tmp_path_factory.mktemp("planted") / "workspace")
    for number, shape in enumerate(SHAPES):
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(10):
            (workspace.raw / shape / f"{seed}{FILE}").write_bytes(png_bytes(draw(shape, seed=100 * number + seed)))
    for seed in range(6):  # crosses called circles: so that there are errors to show
        (workspace.raw / "circle" / f"wrong {seed}{FILE}").write_bytes(png_bytes(draw("cross", seed=50 + seed)))
    dataset = Dataset(workspace, actor=Actor(EVERYTHING[:80]))
    dataset.rescan()
    ids = {record.name: record.id for record in dataset.classes()}
    for shape, name in zip(SHAPES, NAMES, strict=True):
        dataset.rename_class(ids[shape], name)
        dataset.set_aliases(ids[shape], [f"{name} {text}"[:80] for text in TEXTS])
        dataset.edit_fields(ids[shape], maker=EVERYTHING, note=EVERYTHING, product=name, name_fr=f"{name} fr")
        dataset.edit_fields(ids[shape], **dict.fromkeys(TEXTS, name))
    for text in TEXTS[len(NAMES) :]:
        dataset.create_class(text)
    embedder = load_embedder(workspace)
    evaluate_subject(dataset, in_use(workspace, embedder, originals_of(dataset)), "test")
    items = dataset.items(limit=4)
    for item, text in zip(items, TEXTS, strict=False):
        dataset.report(dataset.image_bytes(item), verdict="certain", said="wrong", note=EVERYTHING, who=text,
                       answer={"classes": [{"name": each} for each in TEXTS], "right": text})  # fmt: skip
    dataset.trash([dataset.items(limit=None)[-1].id])
    runs = [make_run(workspace, name=text[:60], state=state)
            for text, state in zip(TEXTS, ("finished", "stopped", "failed", "finished"), strict=False)]  # fmt: skip
    dataset.create_products([
        ProductDraft(text, maker=text[:80], code=text[:60], fields={text[:40]: text, "note": EVERYTHING})
        for text in TEXTS
    ])  # fmt: skip
    for item, text in zip(items, TEXTS, strict=False):
        dataset.tag([item.id], add=[text[:120], f"{text[:60]} and more"])
    queue = Queue(workspace)
    for n, text in enumerate(TEXTS):
        for page in ("library", "table"):
            saved.keep(dataset, page, text[:120], {"q": text})
        queue.add(Request(TrainSettings(seed=n), name=text[:60], note=EVERYTHING))
    queue.hold(True)  # they are to be seen, not trained
    steps = next(iter(PRESETS.values())).steps
    for n, text in enumerate(TEXTS):
        save(workspace, Policy(f"p{n}", text[:60], steps))
    workspace.save_config(WorkspaceConfig(roles=dict.fromkeys(TEXTS, "researcher")))
    views = (
        *(page for page in PAGES if page != "overview"),
        *(f"{page}?lang=fr" for page in ("table", "library", "evaluate")),
        "table?view=classes", f"library?item={items[0].id}", "library?view=trash", "library?view=add",
        "label?view=grid",
        f"products?product={dataset.products()[0].id}", "products?view=pictures", "identify?ask=lens",
        f"history?item={items[0].id}", "augment?view=safety", "augment?policy=p0", "errors?view=hubs",
        "errors?view=tendencies", "evaluate?view=classes", f"runs?run={runs[0].id}",
        f"runs?compare={runs[0].id}.{runs[-1].id}", f"train?run={runs[0].id}", "train?view=queue",
    )  # fmt: skip
    server = start_server(workspace)
    yield Planted(server, views)
    server.stop()


def watched(tab: Visit) -> list[str]:
    """What the texts managed to do in this tab, as it comes."""
    did: list[str] = []
    tab.page.on("dialog", lambda dialog: (did.append(f"dialog {dialog.message}"), dialog.dismiss()))
    tab.page.context.on("page", lambda page: did.append(f"a window {page.url}"))
    return did


def hits(page: Page) -> list[str]:
    """The frames in which something of a text ran."""

    def ran(frame: Frame) -> bool:
        return frame.evaluate("() => window.__hit !== undefined")

    return [frame.url for frame in page.frames if ran(frame)]


def test_what_runs_would_be_seen(planted, visit):
    """The test below passes on pages that are safe; this shows that it would not pass on one that is not."""
    page = visit(planted.server).open()
    assert hits(page) == []
    page.evaluate(
        "text => { document.body.insertAdjacentHTML('beforeend', text) }", NAMES[1].replace("=x ", "=data:, ")
    )
    page.wait_for_function("() => window.__hit === 1")
    assert hits(page) == [page.url]


def test_no_text_does_anything_on_any_page(planted, visit):
    tab = visit(planted.server, width=1440, height=1000)
    tab.page.set_default_timeout(SLOW_MS)
    did = watched(tab)
    page = tab.open()
    page.evaluate("text => localStorage.setItem('burin.person', text)", EVERYTHING[:80])
    for view in planted.views:
        tab.open(view)
        page.mouse.move(700, 600)
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(300)
        assert hits(page) == [] and did == [], view
        expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_tables_show_the_texts_as_they_are_and_edit_them(planted, visit):
    tab = visit(planted.server, width=1800, height=1000)
    did = watched(tab)
    page = tab.open("table?view=classes")
    for text in TEXTS:
        expect(page.locator("td[data-column=name]").get_by_text(text, exact=True)).to_be_visible()
        expect(page.locator("thead th").get_by_text(text, exact=True)).to_have_count(1)
    page.locator("td[data-column=name]").first.dblclick()
    page.keyboard.press("Escape")
    page.get_by_label("Filter… Class", exact=True).fill("<")
    page.get_by_label("Filter… Class", exact=True).fill("")
    page = tab.open("table")
    cell = page.locator("td[data-column=class]").first
    cell.dblclick()
    assert set(page.locator("datalist option").evaluate_all("all => all.map(each => each.value)")) >= set(TEXTS)
    page.keyboard.type(NAMES[0])
    page.keyboard.press("Enter")
    expect(cell).to_have_text(NAMES[0])
    tab.wait()
    assert hits(page) == [] and did == []
