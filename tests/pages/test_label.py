"""Label: the desk's queue and what its browser side sends, the grid's selection, one undo for all of it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.collection.dataset import UNLABELLED, Dataset
from core.embedding.gallery import update
from core.ground.job import Job, publish
from core.ground.jobs import JobRunner
from pages.ui.data import review
from pages.ui.data.labelling import Desk, receive
from tests.conftest import draw, png_bytes
from tests.pages.conftest import component, text_of


@pytest.fixture
def untidy(drawn_workspace):
    """Three classes of four, and three images without a class."""
    tray = drawn_workspace.data / "unlabelled"
    tray.mkdir(parents=True)
    for seed, shape in enumerate(("circle", "cross", "bar")):
        (tray / f"{shape}.png").write_bytes(png_bytes(draw(shape, seed=30 + seed)))
    return drawn_workspace


@pytest.fixture
def dataset(untidy):
    dataset = Dataset(untidy)
    dataset.rescan()
    return dataset


def class_id(dataset, name):
    return next(record.id for record in dataset.classes() if record.name == name)


def desk_data(at):
    return next(data for data in component(at, "burin_labeller") if "items" in data)


def test_an_empty_library_leads_to_the_import(open_page, workspace):
    at = open_page(workspace, "label")
    assert "There is nothing to label yet." in text_of(at)
    assert not component(at, "burin_labeller")


def test_the_desk_starts_with_what_has_no_label_and_proposes_its_class(open_page, untidy):
    at = open_page(untidy, "label")
    data = desk_data(at)
    assert data["total"] == 15 and data["ack"] == 0
    names = {class_id: name for class_id, name, _count in data["classes"]}
    first = data["items"][:3]
    assert [item["class"] for item in first] == [0, 0, 0]
    assert {(item["file"], names[item["proposals"][0][0]]) for item in first} == {
        ("circle.png", "circle"), ("cross.png", "cross"), ("bar.png", "bar"),
    }  # fmt: skip
    (pictures,) = [data["pictures"] for data in component(at, "burin_labeller") if "pictures" in data]
    assert all(pictures[item["sha"]].startswith("/thumbnail/") for item in data["items"])
    assert all(pictures[item["proposals"][0][3]] for item in first), "the reference has its thumbnail"


@pytest.fixture
def held_job(monkeypatch):
    """Jobs that are started do nothing; ``held_job()`` -> the last one, which runs until the test publishes its end."""
    started = []

    def start(self, kind, work, params, *, key=None, alone=False):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        if not started or not self.get(started[-1].id).active:
            folder = self.workspace.jobs / f"{len(started)}"
            folder.mkdir(parents=True)
            started.append(Job(folder.name, kind, str(folder), key, created_at=time.time(), beat_at=time.time()))
            publish(started[-1])
        return started[-1]

    monkeypatch.setattr(JobRunner, "start", start)
    return lambda: started[-1]


@pytest.mark.parametrize("view", ["one", "grid"])
def test_after_a_large_import_it_says_what_it_waits_for_and_then_predicts(
    open_page, drawn_workspace, fake_embedder, dataset_of, monkeypatch, held_job, view
):
    def said(at):
        if view == "one":
            return [bool(item["proposals"]) for item in desk_data(at)["items"][:3]]
        return [bool(tile["said"]) for tile in component(at, "burin_picker")[-1]["tiles"][:3]]

    at = open_page(drawn_workspace, "library")
    (drawn_workspace.data / "unlabelled").mkdir()
    for seed, shape in enumerate(("circle", "cross", "bar")):
        path = drawn_workspace.data / "unlabelled" / f"{shape}.png"
        path.write_bytes(png_bytes(draw(shape, seed=30 + seed)))
    dataset_of(drawn_workspace).rescan()
    monkeypatch.setattr(review, "INLINE", 2)
    at.switch_page("pages/data/label.py")
    at.query_params["view"] = view
    at.run()
    assert held_job().kind == "index" and "Getting the references ready" in text_of(at)
    assert said(at) == [False] * 3
    update(dataset_of(drawn_workspace), fake_embedder)
    publish(replace(held_job(), state="succeeded", finished_at=time.time()))
    at.run()
    assert "Getting the references ready" not in text_of(at)
    assert said(at) == [True] * 3


def test_what_comes_to_be_known_moves_nothing_under_the_hands_of_somebody_at_work(open_page, untidy, monkeypatch):
    at = open_page(untidy, "label")
    work = at.session_state["slice.desk"]
    queue, work.index, epoch = list(reversed(work.queue)), 2, work.epoch
    work.queue, work.likely = queue, (work.likely[0], [[] for _ in work.likely[1]])
    monkeypatch.setattr(review, "ended", lambda: 7.0)
    at.run()
    assert (work.queue, work.index, work.epoch) == (queue, 2, epoch)
    assert all(item["proposals"] for item in desk_data(at)["items"]), "but they are proposed for now"
    work.index = 0
    monkeypatch.setattr(review, "ended", lambda: 8.0)
    at.run()
    assert work.queue != queue and work.epoch > epoch


def test_the_order_and_the_filter_are_in_the_address(open_page, untidy):
    at = open_page(untidy, "label", order="class", **{"class": "bar"})
    data = desk_data(at)
    names = {class_id: name for class_id, name, _count in data["classes"]}
    assert {names.get(item["class"], "") for item in data["items"]} <= {"bar", ""}
    assert data["total"] == 5, "four, and the one that its neighbours say is a bar"
    at = open_page(untidy, "label", ids="2.1")
    assert [item["id"] for item in desk_data(at)["items"]] == [2, 1]
    assert "2 images from another page" in text_of(at)


def test_an_address_with_nonsense_is_survived(open_page, untidy):
    at = open_page(untidy, "label", ids="x.-1.99999999999999999999", order="no such", view="sideways")
    assert not at.exception
    assert desk_data(at)["total"] == 15


def test_what_the_browser_sends_is_applied_once(dataset):
    (item, *_others) = dataset.items(class_id=UNLABELLED)
    desk, circle = Desk(queue=[item.id], epoch=1), class_id(dataset, "circle")
    event = {"seq": 1, "do": "label", "id": item.id, "class": circle, "ver": item.ver}
    for _ in range(3):
        receive(desk, {"epoch": 1, "index": 1, "log": [event]}, dataset)
    assert dataset.item(item.id).class_id == circle
    assert len(dataset.history(item_id=item.id, action="relabel")) == 1
    assert (desk.acked, desk.index, desk.failed) == (1, 1, [])


def test_a_burst_is_applied_in_order_and_undone_one_by_one(dataset):
    items = dataset.items(class_id=UNLABELLED)
    desk, bar = Desk(queue=[i.id for i in items], epoch=1), class_id(dataset, "bar")
    labels = [
        {"seq": n, "do": "label", "id": item.id, "class": bar, "ver": item.ver} for n, item in enumerate(items, 1)
    ]
    trash = {"seq": 4, "do": "trash", "id": items[0].id}
    receive(desk, {"epoch": 1, "index": 3, "log": [trash, *reversed(labels)]}, dataset)
    assert dataset.counts().unlabelled == 0 and dataset.item(items[0].id).state == "trash"
    undo = [{"seq": 5, "do": "undo", "id": items[0].id, "of": 4}, {"seq": 6, "do": "undo", "id": items[1].id, "of": 2}]
    receive(desk, {"epoch": 1, "index": 1, "log": undo}, dataset)
    back, other = dataset.item(items[0].id), dataset.item(items[1].id)
    assert (back.state, back.class_id, other.class_id) == ("present", bar, None)


def test_one_image_labelled_twice_in_a_burst_is_no_conflict(dataset):
    item = dataset.items(class_id=UNLABELLED)[0]
    desk = Desk(queue=[item.id], epoch=1)
    for seq, name in ((1, "bar"), (2, "cross")):
        event = {"seq": seq, "do": "label", "id": item.id, "class": class_id(dataset, name), "ver": item.ver}
        receive(desk, {"epoch": 1, "index": 0, "log": [event]}, dataset)
    assert dataset.item(item.id).class_name == "cross" and not desk.failed


def test_somebody_elses_change_is_not_overwritten(dataset):
    item = dataset.items(class_id=UNLABELLED)[0]
    dataset.relabel([item.id], class_id(dataset, "bar"))
    desk = Desk(queue=[item.id], epoch=1)
    event = {"seq": 1, "do": "label", "id": item.id, "class": class_id(dataset, "circle"), "ver": item.ver}
    receive(desk, {"epoch": 1, "index": 0, "log": [event]}, dataset)
    assert dataset.item(item.id).class_name == "bar"
    assert desk.acked == 1 and "changed by somebody else" in desk.failed[0][1]


@pytest.mark.parametrize("done", [{"do": "trash"}, {"do": "label", "class": None, "name": "étoile"}])
def test_neither_the_trash_nor_a_new_class_takes_what_somebody_else_changed(dataset, done):
    item = dataset.items(class_id=UNLABELLED)[0]
    dataset.relabel([item.id], class_id(dataset, "bar"))
    desk = Desk(queue=[item.id], epoch=1)
    receive(desk, {"epoch": 1, "index": 0, "log": [{"seq": 1, "id": item.id, "ver": item.ver, **done}]}, dataset)
    assert (dataset.item(item.id).class_name, dataset.item(item.id).state) == ("bar", "present")
    assert "changed by somebody else" in desk.failed[0][1]
    assert "étoile" not in {record.name for record in dataset.classes()}


def test_what_was_seen_since_our_own_change_can_be_changed_again(dataset):
    item = dataset.items(class_id=UNLABELLED)[0]
    desk = Desk(queue=[item.id], epoch=1)
    label = {"do": "label", "id": item.id, "class": class_id(dataset, "bar")}
    receive(desk, {"epoch": 1, "index": 0, "log": [{**label, "seq": 1, "ver": item.ver}]}, dataset)
    dataset.relabel([item.id], class_id(dataset, "circle"))  # somebody else, and the desk shows it
    shown = dataset.item(item.id).ver
    receive(desk, {"epoch": 1, "index": 0, "log": [{**label, "seq": 2, "ver": shown}]}, dataset)
    assert dataset.item(item.id).class_name == "bar" and not desk.failed


def test_a_typed_name_makes_a_class_or_finds_it(dataset):
    one, two, _three = dataset.items(class_id=UNLABELLED)
    desk = Desk(queue=[one.id, two.id], epoch=1)
    for seq, item in ((1, one), (2, two)):
        event = {"seq": seq, "do": "label", "id": item.id, "class": None, "name": "étoile", "ver": item.ver}
        receive(desk, {"epoch": 1, "index": seq, "log": [event]}, dataset)
    assert [dataset.item(item.id).class_name for item in (one, two)] == ["étoile", "étoile"] and not desk.failed


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "text",
        {},
        {"log": ["x", {"seq": "1"}, {"seq": 1, "do": "format", "id": 1}]},
        {"log": [], "index": "9", "epoch": 1},
    ],
)
def test_malformed_messages_change_nothing(dataset, sent):
    desk = Desk(queue=[1, 2, 3], epoch=1)
    receive(desk, sent, dataset)
    assert (desk.acked, desk.index, desk.failed) == (0, 0, [])


def test_the_window_follows_before_the_person_reaches_its_end():
    desk = Desk()
    desk.take("all", list(range(100)))
    first = desk.window()
    desk.look_at(20)
    assert desk.window() == first, "seldom sent anew"
    desk.look_at(30)
    assert desk.window()[0] == 24 and 30 in desk.window()
    desk.look_at(10_000)
    assert desk.index == 100


def test_the_grid_relabels_what_is_selected_in_one_entry(open_page, untidy, dataset_of):
    at = open_page(untidy, "label", view="grid", unlabelled="true")
    (grid,) = component(at, "burin_picker")
    assert len(grid["tiles"]) == 3 and {tile["said"] for tile in grid["tiles"]} == {"circle", "cross", "bar"}
    at.button(key="select.all").click().run()
    assert "3 images selected" in text_of(at)
    box = next(box for box in at.selectbox if box.key.startswith("select.class"))
    box.set_value("bar").run()
    seen = dataset_of(untidy)
    assert seen.counts().unlabelled == 0
    assert [entry.items for entry in seen.history(1)] == [3]
    assert "3 images are now of bar." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert dataset_of(untidy).counts().unlabelled == 3


def test_the_grid_does_not_overwrite_what_somebody_else_did_meanwhile(open_page, untidy, dataset_of):
    at = open_page(untidy, "label", view="grid", unlabelled="true")
    at.button(key="select.all").click().run()
    other = dataset_of(untidy)
    ids = at.session_state["workbench"].selection
    [cross] = [record.id for record in other.classes() if record.name == "cross"]
    other.relabel(ids[:1], cross)
    before = other.history()
    next(box for box in at.selectbox if box.key.startswith("select.class")).set_value("bar").run()
    assert dataset_of(untidy).item(ids[0]).class_name == "cross" and dataset_of(untidy).history() == before
    assert "in the meantime" in text_of(at)


def test_what_got_a_class_is_selected_no_more_and_what_is_not_shown_is_counted(open_page, untidy, dataset_of):
    at = open_page(untidy, "label", view="grid", unlabelled="true")
    at.session_state["workbench"].selection = [item.id for item in dataset_of(untidy).items(limit=2)]
    assert "**2 images selected**, :orange[2 of them outside this filter]" in text_of(at.run())
    at.button(key="select.all").click().run()
    assert "outside this filter" not in text_of(at)
    next(box for box in at.selectbox if box.key.startswith("select.class")).set_value("bar").run()
    assert dataset_of(untidy).counts().unlabelled == 0 and "0 images selected" in text_of(at)


def test_the_grid_trashes_and_forgets_what_it_trashed(open_page, untidy, dataset_of):
    at = open_page(untidy, "label", view="grid", unlabelled="true")
    at.button(key="select.all").click().run()
    at.button(key="select.trash").click().run()
    assert dataset_of(untidy).counts().trash == 3
    assert "0 images selected" in text_of(at)


def test_every_text_of_the_desk_is_french_in_french(open_page, untidy):
    data = desk_data(open_page(untidy, "label", locale="fr-FR"))
    assert data["words"]["accept"] == "Accepter" and "images sur 15" in data["words"]["labelled"]
    assert len(data["words"]["list"]) == 12


def test_without_an_encoder_one_can_still_label(open_page, untidy, monkeypatch):
    monkeypatch.setattr(review, "space", lambda: None)
    data = desk_data(open_page(untidy, "label"))
    assert data["total"] == 15 and all(item["proposals"] == [] for item in data["items"])
