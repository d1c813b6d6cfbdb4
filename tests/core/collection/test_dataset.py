"""What the pages ask of a dataset: its listing, its changes, its limits."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core.catalogue import listing
from core.catalogue.records import Counts
from core.collection import inbox
from core.collection.dataset import UNLABELLED, Dataset
from core.ground.errors import BadInput, Conflict, ImageRefused, NameRefused, NotAllowed, NotFound
from core.ground.images import decode
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from tests.conftest import draw, png_bytes
from tests.plant import at_every_step

pytestmark = pytest.mark.both_databases


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return dataset


def named(dataset: Dataset, name: str) -> int:
    return next(c.id for c in dataset.classes() if c.name == name)


def files(dataset: Dataset, part: str = "raw_gravures") -> list[str]:
    root = dataset.workspace.data / part
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_classes_and_counts(dataset: Dataset) -> None:
    folder = dataset.workspace.augmented / "bar"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").touch()
    assert [(c.name, c.folder, c.originals, c.variants) for c in dataset.classes()] == [
        ("bar", "bar", 4, 3),
        ("circle", "circle", 4, 0),
        ("cross", "cross", 4, 0),
    ]
    assert dataset.counts() == Counts(originals=12, variants=3, classes=3, unlabelled=0, inbox=0, trash=0)


def test_every_order_is_of_the_whole_collection(dataset: Dataset, workspace: Workspace) -> None:
    (workspace.raw / "circle" / "aaa.png").write_bytes(png_bytes(draw("circle", seed=9, side=90)))
    (workspace.raw / "bar" / "zzz.png").write_bytes(png_bytes(draw("bar", seed=9, side=40)))
    dataset.rescan()
    for order in listing.ORDERS:
        pages = [item.id for start in (0, 7) for item in dataset.items(order=order, limit=7, offset=start)]
        assert pages == dataset.item_ids(order=order) and sorted(pages) == list(range(1, 15))
    for order, name in (("largest", "aaa.png"), ("smallest", "zzz.png"), ("name", "aaa.png")):
        assert dataset.items(order=order, limit=1)[0].path.endswith(name)


def test_pages_and_filters(dataset: Dataset) -> None:
    every = dataset.items(limit=None)
    assert [i.class_name for i in every] == ["bar"] * 4 + ["circle"] * 4 + ["cross"] * 4
    assert dataset.items(limit=5, offset=5) == every[5:10]
    assert dataset.items(limit=2, order="newest") == sorted(every, key=lambda i: -i.id)[:2]
    assert dataset.item_ids() == [i.id for i in every]
    assert dataset.count(class_id=named(dataset, "bar")) == 4 and dataset.count(class_id=UNLABELLED) == 0
    assert dataset.count(kind="photo") == 0 and dataset.count(kind="drawing") == 12
    assert dataset.some([every[3].id, 999, every[0].id]) == [every[3], every[0]]
    assert dataset.item(every[7].id) == every[7]
    with pytest.raises(NotFound):
        dataset.item(999)


def test_the_search_minds_neither_case_nor_accents_nor_wildcards(dataset: Dataset) -> None:
    star = named(dataset, "bar")
    dataset.rename_class(star, "Étoile")
    dataset.set_aliases(star, ["%"])
    assert dataset.count(text="etoile") == dataset.count(text=" ÉTO ") == dataset.count(text="e\u0301toile") == 4
    assert dataset.count(text="%") == 4 and dataset.count(text="_") == 12  # every file has one in its name
    assert dataset.count(text="cross_1") == 1 and dataset.count(text="nothing") == 0


def test_an_item_knows_its_file(dataset: Dataset) -> None:
    item = dataset.items(text="circle_2")[0]
    assert item.path == "data/raw_gravures/circle/circle_2.png"
    assert dataset.image_bytes(item) == (dataset.workspace.raw / "circle" / "circle_2.png").read_bytes()
    assert (item.width, item.height, item.class_name) == (64, 64, "circle") and 0 <= item.dhash < 2**64
    made = dataset.thumbnail(item)
    assert decode(made).size == (64, 64) and made.parent.name == item.sha256[:2]
    before = made.stat().st_mtime_ns
    assert dataset.thumbnail(item) == made and made.stat().st_mtime_ns == before


def test_relabel_moves_the_file_and_never_overwrites(dataset: Dataset) -> None:
    bar, cross = named(dataset, "bar"), named(dataset, "cross")
    (dataset.workspace.raw / "bar" / "cross_0.png").write_bytes(b"dropped by hand, not seen yet")
    ids = dataset.item_ids(class_id=cross)
    version = dataset.version
    dataset.relabel(ids, bar)
    assert dataset.version > version
    assert dataset.count(class_id=bar) == 8 and dataset.count(class_id=cross) == 0
    assert {"bar/cross_0_2.png", "bar/cross_1.png", "bar/cross_0.png"} <= set(files(dataset))
    assert (dataset.workspace.raw / "bar" / "cross_0.png").read_bytes().startswith(b"dropped")
    for item in dataset.some(ids):
        assert dataset.image_bytes(item)
    dataset.relabel(ids[:1], None)
    assert files(dataset, "unlabelled") == ["cross_0_2.png"] and dataset.counts().unlabelled == 1


def test_a_relabel_to_where_it_is_changes_nothing(dataset: Dataset) -> None:
    bar = named(dataset, "bar")
    dataset.relabel(dataset.item_ids(class_id=bar), bar)
    assert [entry.action for entry in dataset.history()] == ["rescan"]


def test_what_somebody_else_changed_is_not_overwritten(dataset: Dataset) -> None:
    seen = dataset.items(text="cross_0")[0]
    dataset.acting_as(Actor("Ada")).relabel([seen.id], named(dataset, "bar"))
    with pytest.raises(Conflict, match="somebody else"):
        dataset.acting_as(Actor("Bo")).relabel([seen.id], named(dataset, "circle"), versions={seen.id: seen.ver})
    assert dataset.item(seen.id).class_name == "bar"


def test_what_somebody_else_changed_is_neither_judged_nor_restored_nor_discarded(
    dataset: Dataset,
) -> None:
    seen = {item.id: item.ver for item in dataset.items(text="cross")}
    (first, *_), other = seen, dataset.acting_as(Actor("Ada"))
    other.tag([first], add=["x"])
    with pytest.raises(Conflict, match="somebody else"):
        dataset.set_sight(list(seen), "doubt", versions=seen)
    dataset.trash(list(seen))
    for changed in (dataset.restore, dataset.discard):
        with pytest.raises(Conflict, match="somebody else"):
            changed(list(seen), versions=seen)
    assert sorted(dataset.item_ids(state="trash")) == sorted(seen) and not dataset.count(text="cross")
    classes = {record.id: record.ver for record in dataset.classes()}
    bar, circle = named(dataset, "bar"), named(dataset, "circle")
    other.edit_fields(bar, maker="Essilor")
    for change in (
        lambda: dataset.trash_class(bar, versions=classes),
        lambda: dataset.merge_classes([bar], circle, versions=classes),
        lambda: dataset.merge_classes([circle], bar, versions=classes),
    ):
        with pytest.raises(Conflict, match="somebody else"):
            change()
    assert {record.id for record in dataset.classes()} == set(classes)


def test_a_class_is_created_renamed_and_deleted_with_its_folder(dataset: Dataset) -> None:
    made = dataset.create_class("*")
    assert (dataset.workspace.raw / "%2A").is_dir()
    dataset.rename_class(made, "con")
    assert (dataset.workspace.raw / "%63on").is_dir() and not (dataset.workspace.raw / "%2A").exists()
    dataset.trash_class(made)
    assert not (dataset.workspace.raw / "%63on").exists() and len(dataset.classes()) == 3
    bar = named(dataset, "bar")
    dataset.trash_class(bar)
    assert dataset.counts().trash == 4 and files(dataset, "trash")[0].startswith("bar/")
    dataset.restore(dataset.item_ids(state="trash"))
    assert {c.name: c.originals for c in dataset.classes()}["bar"] == 4


@pytest.mark.parametrize("name", ["BAR", "bar ", "circle"])
def test_a_name_is_given_once(dataset: Dataset, name: str) -> None:
    with pytest.raises(Conflict, match="already"):
        dataset.create_class(name)
    with pytest.raises(Conflict, match="already"):
        dataset.rename_class(named(dataset, "cross"), name)
    assert len(dataset.classes()) == 3


def test_names_that_cannot_be_kept_change_nothing(dataset: Dataset) -> None:
    for name in ("", "../x", "a\0"):
        with pytest.raises(NameRefused):
            dataset.create_class(name)
    assert len(dataset.history()) == 1 and files(dataset)[0] == "bar/bar_0.png"


def test_a_change_of_case_only_is_a_rename(dataset: Dataset) -> None:
    dataset.rename_class(named(dataset, "bar"), "Bar")
    assert [c.name for c in dataset.classes()] == ["Bar", "circle", "cross"]
    assert "Bar/bar_0.png" in files(dataset)


def test_merge_keeps_names_as_aliases_and_fields(dataset: Dataset) -> None:
    bar, cross, circle = (named(dataset, name) for name in ("bar", "cross", "circle"))
    dataset.edit_fields(bar, maker="A", note="kept")
    dataset.edit_fields(cross, maker="B")
    dataset.trash(dataset.item_ids(class_id=bar)[:1])
    dataset.merge_classes([bar, circle, cross], cross)
    (only,) = dataset.classes()
    assert (only.name, only.originals, only.aliases) == ("cross", 11, ["bar", "circle"])
    assert only.fields == {"maker": "B", "note": "kept"}
    dataset.restore(dataset.item_ids(state="trash"))
    assert dataset.classes()[0].originals == 12
    dataset.undo()
    dataset.undo()
    assert {c.name: (c.originals, c.aliases) for c in dataset.classes()} == {
        "bar": (3, []),
        "circle": (4, []),
        "cross": (4, []),
    }


def test_split_takes_a_selection_out(dataset: Dataset) -> None:
    ids = dataset.item_ids(class_id=named(dataset, "bar"))[:3]
    made = dataset.split_class(ids, "(e")
    assert {c.id: c.originals for c in dataset.classes()}[made] == 3
    with pytest.raises(Conflict):
        dataset.split_class(ids, "(E")
    dataset.undo()
    assert [c.name for c in dataset.classes()] == ["bar", "circle", "cross"] and not (
        dataset.workspace.raw / "(e"
    ).exists()


def test_fields_and_kinds(dataset: Dataset) -> None:
    bar = named(dataset, "bar")
    dataset.edit_fields(bar, class_id="odd", maker=" Essilor ", note="x")
    dataset.edit_fields(bar, note=None)
    assert dataset.classes()[0].fields == {"class_id": "odd", "maker": "Essilor"}
    dataset.set_kind(dataset.item_ids(class_id=bar), "icon")
    assert dataset.count(kind="icon") == 4
    dataset.undo()
    assert dataset.count(kind="icon") == 0


def test_a_class_is_called_and_found_by_its_name_in_either_language(dataset: Dataset) -> None:
    bar = named(dataset, "bar")
    dataset.edit_fields(bar, name_fr="trait d’union", name_en="hyphen", note="not a name")
    record = next(record for record in dataset.classes() if record.id == bar)
    assert [record.name_in(language) for language in ("fr", "en", "de")] == ["trait d’union", "hyphen", "bar"]
    assert dataset.count(text="HYPHEN") == dataset.count(text="trait") == 4 and dataset.count(text="not a name") == 0


def test_a_viewer_looks_and_reports_only(dataset: Dataset) -> None:
    viewer = dataset.acting_as(Actor("Vi", "viewer"))
    bar, ids = named(dataset, "bar"), dataset.item_ids()
    refused = [
        lambda: viewer.relabel(ids, bar),
        lambda: viewer.trash(ids),
        lambda: viewer.restore(ids),
        lambda: viewer.set_kind(ids, "photo"),
        lambda: viewer.create_class("x"),
        lambda: viewer.rename_class(bar, "x"),
        lambda: viewer.merge_classes([bar], bar),
        lambda: viewer.split_class(ids, "x"),
        lambda: viewer.trash_class(bar),
        lambda: viewer.edit_fields(bar, note="x"),
        lambda: viewer.set_aliases(bar, ["x"]),
        viewer.undo,
        viewer.redo,
        lambda: viewer.revert(1),
    ]
    for action in refused:
        with pytest.raises(NotAllowed):
            action()
    image = dataset.image_bytes(dataset.items()[0])
    viewer.report(image, verdict="certain", said="wrong", answer={"classes": []}, note="no")
    assert [(e.who, e.said, e.note, e.state) for e in dataset.inbox()] == [("Vi", "wrong", "no", "waiting")]
    assert (dataset.workspace.root / dataset.inbox()[0].path).is_file() and dataset.counts().inbox == 1


def test_a_report_that_is_no_image_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ImageRefused):
        dataset.report(b"nothing", verdict="unknown", said="wrong", answer={})
    assert dataset.inbox() == []


@pytest.mark.parametrize(("bound", "most"), [("MOST", 2), ("MOST_BYTES", 1000)])
def test_no_more_reports_wait_than_the_disk_can_bear(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(inbox, bound, most)
    viewer = dataset.acting_as(Actor("Vi", "viewer"))
    images = [dataset.image_bytes(item) for item in dataset.items()]
    with pytest.raises(BadInput, match="is full"):
        for n, image in enumerate(images):
            viewer.report(image, verdict="unknown", said="unknown", answer={"n": n})
    waiting = dataset.inbox()
    assert 1 <= len(waiting) < len(images) and len(list(dataset.workspace.inbox.iterdir())) == len(waiting)
    for entry in waiting:
        inbox.withdraw(dataset.catalogue, dataset.workspace, entry.id)
    viewer.report(images[-1], verdict="unknown", said="unknown", answer={})
    assert len(dataset.inbox()) == 1


def test_vectors_follow_their_content(dataset: Dataset) -> None:
    items = dataset.items(limit=None)
    dataset.add_vectors("s", {i.sha256: np.full(4, n, dtype=np.float32) for n, i in enumerate(items[:5])})
    ids, class_ids, kinds, matrix = dataset.vectors("s")
    assert ids.dtype == class_ids.dtype == np.int64 and matrix.dtype == np.float32 and matrix.shape == (5, 4)
    assert dict(zip(ids.tolist(), matrix[:, 0].tolist(), strict=True)) == {i.id: n for n, i in enumerate(items[:5])}
    assert (
        set(kinds) == {"drawing"} and len(dataset.missing_vectors("s")) == 7 and len(dataset.missing_vectors("t")) == 12
    )
    dataset.add_vectors("s", {items[0].sha256: np.full(4, 99)})  # what is there stays
    dataset.relabel([items[1].id], None)
    dataset.trash([items[2].id])
    ids, class_ids, _, matrix = dataset.vectors("s")
    assert sorted(matrix[:, 0].tolist()) == [0, 3, 4] and set(class_ids.tolist()) <= {c.id for c in dataset.classes()}
    assert dataset.vectors("none")[3].shape == (0, 0)


def test_a_move_that_fails_waits_and_the_image_is_still_read(drawn_workspace: Workspace) -> None:
    broken = True

    def rename(source: Path, target: Path) -> None:
        if broken:
            raise PermissionError(13, "held by another program")
        os.rename(source, target)

    dataset = Dataset(drawn_workspace, rename=rename)
    dataset.rescan()
    item = dataset.items(text="cross_0")[0]
    dataset.relabel([item.id], named(dataset, "bar"))
    moved = dataset.item(item.id)
    assert moved.class_name == "bar" and dataset.image_bytes(moved)
    assert dataset.rescan().moved == 0  # the row is the truth, not where the file still lies
    broken = False
    dataset.settle()
    assert "bar/cross_0.png" in files(dataset) and dataset.image_bytes(moved)


def test_a_file_that_is_gone_is_said_to_be(dataset: Dataset) -> None:
    item = dataset.items()[0]
    dataset.path(item).unlink()
    with pytest.raises(NotFound, match="rescan"):
        dataset.image_bytes(item)


def test_two_people_relabel_at_once(dataset: Dataset) -> None:
    """T6 of the scale plan: no lost update, nothing locked, undo restores one's own rows only."""
    bar, cross, circle = (named(dataset, name) for name in ("bar", "cross", "circle"))
    mine = {"Ada": dataset.item_ids(class_id=cross), "Bo": dataset.item_ids(class_id=circle)}
    other = Dataset(dataset.workspace)
    errors: list[BaseException] = []

    def work(person: Dataset, ids: list[int]) -> None:
        try:
            for item_id in ids:
                person.relabel([item_id], bar)
        except BaseException as error:
            errors.append(error)

    people = [dataset.acting_as(Actor("Ada")), other.acting_as(Actor("Bo"))]
    threads = [threading.Thread(target=work, args=(person, mine[person.actor.name])) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and dataset.count(class_id=bar) == 12
    assert files(dataset) == sorted(f"bar/{shape}_{n}.png" for shape in ("bar", "circle", "cross") for n in range(4))
    for _ in range(4):
        people[0].undo()
    assert people[0].undo() is None
    assert dataset.count(class_id=cross) == 4 and dataset.count(class_id=circle) == 0


@pytest.mark.both_databases
def test_tags_are_given_found_and_taken_away(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    ids = dataset.item_ids()
    dataset.tag(ids[:3], add=["worn", "50 %"])
    dataset.tag(ids[2:4], add=[" côté ", "a|b"], remove=["worn"])
    assert dataset.tags() == {"50 %": 3, "a/b": 2, "côté": 2, "worn": 2}
    assert dataset.item_ids(tag="worn") == ids[:2] and dataset.count(tag="côté") == 2 and dataset.count(tag="50 _") == 0
    assert dataset.item(ids[2]).tags == ("50 %", "a/b", "côté")
    with pytest.raises(Conflict):
        dataset.tag(ids[:1], add=["x"], versions={ids[0]: 0})
    dataset.undo()
    dataset.undo()
    assert dataset.tags() == {} and dataset.item(ids[0]).tags == ()


def test_what_is_deleted_for_good_is_gone_from_the_disk_and_stays_in_the_history(drawn_workspace: Workspace) -> None:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    gone, kept = dataset.item_ids()[:2]
    content = dataset.image_bytes(dataset.item(gone))
    thumbnail = dataset.thumbnail(dataset.item(gone))
    with pytest.raises(NotFound):
        dataset.discard([gone])  # only what lies in the trash
    dataset.trash([gone, kept])
    entry = dataset.history(1)[0]
    path = drawn_workspace.root / dataset.item(gone).path
    assert dataset.discard([gone]) == 1
    assert not path.exists() and not thumbnail.exists() and dataset.item_ids(state="trash") == [kept]
    assert [e.action for e in dataset.history(item_id=gone)][:1] == ["discard"] and not dataset.history(1)[0].undoable
    with pytest.raises(Conflict):
        dataset.undo()
    dataset.restore([kept])
    assert dataset.item(kept).state == "present" and entry.items == 2
    (drawn_workspace.raw / "bar" / "again.png").write_bytes(content)
    dataset.rescan()
    assert dataset.counts().originals == 12


def test_what_is_deleted_for_good_comes_back_whole_or_not_at_all_wherever_that_was_killed(tmp_path: Path) -> None:
    number = itertools.count()

    def prepare() -> Dataset:
        workspace = Workspace(tmp_path / str(next(number)))
        (workspace.raw / "bar").mkdir(parents=True)
        for seed in range(2):
            (workspace.raw / "bar" / f"{seed}.png").write_bytes(png_bytes(draw("bar", seed=seed)))
        dataset = Dataset(workspace)
        dataset.rescan()
        for item in dataset.items():
            dataset.thumbnail(item)
        dataset.trash(dataset.item_ids())
        return dataset

    def check(killed: Dataset) -> None:
        again = Dataset(killed.workspace)
        left = again.item_ids(state="trash")
        assert len(left) in (0, 2)
        report = again.rescan()
        assert (report.added, report.removed) == (0, 0) and again.item_ids(state="trash") == left
        assert len(files(again, "trash")) == len(left)
        assert len(list((again.workspace.cache / "thumbnails").rglob("*.webp"))) == len(left)
        again.catalogue.close()
        killed.catalogue.close()

    assert at_every_step(prepare, lambda dataset: dataset.discard(dataset.item_ids(state="trash")), check) > 4


@pytest.mark.parametrize("number", [10**26, -(10**26), 2**63, -(2**63) - 1, 2**31, 0])
def test_a_number_that_no_row_has_is_said(workspace: Workspace, number: int) -> None:
    """From an address that somebody typed; some are more than a database can hold."""
    dataset = Dataset(workspace)
    for ask in (
        lambda: dataset.item(number),
        lambda: dataset.relabel([number], None),
        lambda: dataset.trash([number]),
        lambda: dataset.restore([number]),
        lambda: dataset.rename_class(number, "a"),
        lambda: dataset.trash_class(number),
        lambda: dataset.edit_fields(number, a="b"),
        lambda: dataset.revert(number),
    ):
        with pytest.raises(NotFound):
            ask()
    assert dataset.some([number]) == [] and dataset.items(class_id=number) == [] and dataset.count(class_id=number) == 0
