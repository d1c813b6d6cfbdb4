"""People type slowly and fast, and end with Enter, with Tab or with a click straight on the button: nothing is lost,
and no field is made anew under their hands. One test a page that has something to type into."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.workspace import Workspace
from core.training.runs import Runs
from tests.chromium import Server, Visit
from tests.conftest import SHAPES, draw, png_bytes
from tests.pages.made_runs import make_run

SLOW, FAST = 450, 0  # ms between two letters: the slow one is slower than what a search waits for
HANDS = {"slow": SLOW, "fast": FAST}


@pytest.fixture(scope="module")
def filled(start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on three classes, a product and a run."""
    workspace = Workspace(tmp_path_factory.mktemp("typing") / "workspace")
    for shape in SHAPES[:3]:
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(4):
            (workspace.raw / shape / f"{shape}_{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    data = Dataset(workspace)
    data.rescan()
    mark = {record.name: Carried(record.id) for record in data.classes()}
    data.create_products([ProductDraft("Clara", "Lenso", "T67", {}, (mark["circle"],))])
    make_run(workspace, name="First")
    server = start_server(workspace)
    yield server
    server.stop()


@pytest.fixture
def tab(filled: Server, visit: Callable[..., Visit]) -> Visit:
    return visit(filled, height=1100)


def opened(tab: Visit, path: str) -> Page:
    """The page at ``path``, once nothing is being prepared any more: that would run it again meanwhile."""
    page = tab.open(path)
    expect(page.locator(".st-key-frame-work").filter(has_text="…")).to_have_count(0, timeout=240_000)
    tab.wait()
    return page


def typed(field: Locator, text: str, hand: str) -> None:
    """Type letter by letter; the field must hold all of it, and still have the focus."""
    field.click()
    field.press_sequentially(text, delay=HANDS[hand])
    expect(field).to_have_value(text)
    expect(field).to_be_focused()


@pytest.mark.parametrize("hand", HANDS)
def test_a_class_is_made_however_the_name_is_ended(tab, hand):
    page = opened(tab, "table?view=classes")
    make = page.get_by_role("button", name="Make it")
    field = page.get_by_label("A new class")
    for end in ("enter", "click", "tab"):
        name = f"{hand[0]}{end[0]}é"
        typed(field, name, hand)
        if end == "click":
            make.click()
        elif end == "enter":
            field.press("Enter")
        else:
            field.press("Tab")
            expect(make).to_be_focused()
            page.keyboard.press("Enter")
        expect(page.get_by_role("gridcell", name=name, exact=True)).to_be_visible()
        expect(field).to_have_value("")
    assert {f"{hand[0]}{end}é" for end in "ect"} <= {record.name for record in Dataset(tab.server.workspace).classes()}


@pytest.mark.parametrize("hand", HANDS)
def test_a_product_is_made_and_described(tab, hand):
    """Name, Tab, maker, Tab, code; then on its sheet a mark is added while a field is half typed."""
    page = opened(tab, "products")
    name = f"Nova {hand}"
    typed(page.get_by_label("A new product"), name, hand)
    page.keyboard.press("Tab")
    for text in ("Opal", "F4"):
        page.keyboard.type(text, delay=HANDS[hand])
        page.keyboard.press("Tab" if text == "Opal" else "Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    tab.wait()
    material = page.get_by_label("Material")
    typed(material, "CR39", hand)
    page.get_by_role("combobox", name="One more mark").click()
    page.get_by_role("option", name="bar").click()
    expect(page.locator(".lens figure")).to_have_count(1)
    expect(material).to_have_value("CR39")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"{name} is described anew.").first).to_be_visible()
    (product,) = (one for one in Dataset(tab.server.workspace).products() if one.name == name)
    assert (product.maker, product.code, product.fields, len(product.marks)) == ("Opal", "F4", {"material": "CR39"}, 1)
    page.get_by_role("button", name="Undo").first.click()
    tab.wait()
    expect(page.get_by_label("Material").first).to_have_value("")


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("path", ["library", "table", "products"])
def test_a_search_lets_the_person_finish(tab, path, hand):
    page = opened(tab, path)
    field = page.get_by_label("Search")
    typed(field, "circle", hand)
    tab.wait()
    expect(field).to_have_value("circle")
    expect(field).to_be_focused()
    expect(page.get_by_text("1 product" if path == "products" else "4 images").first).to_be_visible()


@pytest.mark.parametrize("hand", HANDS)
def test_a_view_is_kept_under_the_name_that_was_just_typed(tab, hand):
    page = opened(tab, "library")
    page.locator(".st-key-library-views button").first.click()  # it is called as the view that is open
    typed(page.get_by_label("Name of this view"), f"mine {hand}", hand)
    page.get_by_role("button", name="Keep this view").click()
    expect(page.get_by_text(f"The view mine {hand} is kept.").first).to_be_visible()


@pytest.mark.parametrize("hand", HANDS)
def test_settings_take_what_was_just_typed(tab, hand):
    page = opened(tab, "settings")
    typed(page.get_by_label("Name or e-mail address"), f"ada {hand}", hand)
    page.get_by_role("button", name="Give").click()
    expect(page.get_by_text(f"ada {hand} is a").first).to_be_visible()
    assert f"ada {hand}" in tab.server.workspace.config().roles
    tab.wait()
    encoder = page.get_by_label("Encoder", exact=True)
    typed(encoder, "no/such.pt", hand)
    page.locator(".st-key-settings-save_encoder").get_by_role("button").click()
    expect(page.locator("[data-testid=stMain]").get_by_text("no/such.pt").first).to_be_visible()
    expect(encoder).to_have_value("no/such.pt")  # refused, and kept to be mended
    assert tab.server.workspace.config().weights == ""


@pytest.mark.parametrize("hand", HANDS)
def test_a_policy_is_copied_under_the_name_that_was_just_typed(tab, hand):
    page = opened(tab, "augment")
    page.get_by_role("button", name="Copy").click()
    name = page.get_by_label("Name of the copy")
    name.fill("")
    typed(name, f"own {hand}", hand)
    page.get_by_role("button", name="Make the copy").click()
    expect(page.get_by_role("combobox", name="Policy")).to_have_value(f"own {hand}")


@pytest.mark.parametrize("hand", HANDS)
def test_the_name_of_a_training_stays_while_its_settings_change(tab, hand):
    page = opened(tab, "train?view=new")
    name = page.get_by_label("Name of the run")
    typed(name, "wide", hand)
    page.get_by_label("Epochs").press("ArrowUp")
    tab.wait()
    expect(name).to_have_value("wide")


@pytest.mark.parametrize("hand", HANDS)
def test_a_run_is_named_and_annotated_by_a_click_elsewhere(tab, hand):
    (run,) = Runs(tab.server.workspace).list()
    page = opened(tab, f"train?view=run&run={run.id}")
    more = page.locator("[data-testid=stMain]").get_by_role("button", name="More").last
    more.click()
    name = page.get_by_label("Name", exact=True)
    name.fill("")
    typed(name, f"second {hand}", hand)
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type(f"thin {hand} strokes", delay=HANDS[hand] / 4)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name=f"second {hand}")).to_be_visible()
    expect(page.locator("[data-testid=stMain] p").filter(has_text=f"thin {hand} strokes").first).to_be_visible()
    kept = Runs(tab.server.workspace).get(run.id).record
    assert kept.name == f"second {hand}" and kept.note == f"thin {hand} strokes"


@pytest.mark.parametrize("hand", HANDS)
def test_a_code_and_a_name_in_the_history_are_taken_as_they_are_typed(tab, hand):
    page = opened(tab, "identify?ask=lens")
    code = page.get_by_role("textbox", name="Code")
    typed(code, "T67", hand)
    expect(page.get_by_text("1. Lenso Clara")).to_be_visible()
    expect(code).to_have_value("T67")
    page = opened(tab, "history")
    who = page.get_by_role("textbox", name="Who", exact=True)
    typed(who, "nobody", hand)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Nothing has happened here yet.")).to_be_visible()
    expect(who).to_have_value("nobody")
