"""The outbox: every change of what a reference is, by whatever way it is written, is noted in its own transaction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue import vectorstore
from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.ground.regions import Region
from core.ground.workspace import Workspace
from tests.conftest import draw, png_bytes

pytestmark = pytest.mark.both_databases


def changed(dataset: Dataset, since: int) -> list[int]:
    with dataset.catalogue.read() as connection:
        return vectorstore.changed(connection, since).tolist()


@pytest.fixture
def dataset(drawn_workspace: Workspace) -> Dataset:
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    return dataset


def test_what_comes_is_noted(dataset: Dataset) -> None:
    assert changed(dataset, 0) == dataset.item_ids()
    assert changed(dataset, dataset.version) == []


def test_each_change_notes_its_items_and_no_others(dataset: Dataset) -> None:
    ids = dataset.item_ids()
    circle, cross = (next(c.id for c in dataset.classes() if c.name == name) for name in ("circle", "cross"))
    sha256, whole = dataset.item(ids[7]).sha256, dataset.item(ids[4]).sha256
    steps: list[tuple[Callable[[], object], list[int]]] = [
        (lambda: dataset.relabel([ids[0], ids[1]], cross), ids[:2]),
        (dataset.undo, ids[:2]),
        (dataset.redo, ids[:2]),
        (lambda: dataset.set_kind([ids[2]], "icon"), [ids[2]]),
        (lambda: dataset.trash([ids[3]]), [ids[3]]),
        (lambda: dataset.restore([ids[3]]), [ids[3]]),
        (lambda: dataset.set_region(ids[4], Region(1, 2, 30, 40)), [ids[4]]),
        (lambda: dataset.add_vectors("s", {sha256: np.ones(4, np.float32)}), [ids[7]]),
        (lambda: dataset.add_vectors("s", {sha256: np.ones(4, np.float32)}), []),  # it is there already
        (lambda: dataset.add_vectors("s", {whole: np.ones(4, np.float32)}), []),  # it is seen as another view
        (lambda: dataset.add_outlines("s", {sha256: b"123"}), []),  # no reference changes by it
        (lambda: dataset.rename_class(circle, "disc"), []),
    ]
    for step, noted in steps:
        before = dataset.version
        step()
        assert changed(dataset, before) == sorted(noted), noted
    view = Region(1, 2, 30, 40).of(whole)
    before = dataset.version
    with dataset.catalogue.write() as connection:
        vectorstore.add_vectors(connection, "s", {view: np.ones(4, np.float32)})
    assert changed(dataset, before) == [ids[4]]


def test_a_file_with_another_content_and_one_that_is_gone_are_noted(dataset: Dataset) -> None:
    one, other = (dataset.item(item_id) for item_id in dataset.item_ids()[:2])
    before = dataset.version
    dataset.path(one).write_bytes(png_bytes(draw("square", seed=3)))
    dataset.path(other).unlink()
    dataset.rescan()
    assert changed(dataset, before) == [one.id, other.id]


def test_a_change_that_does_not_come_about_is_not_noted(dataset: Dataset) -> None:
    before = dataset.version
    with pytest.raises(RuntimeError), dataset.catalogue.write() as connection:
        connection.execute(sa.update(db.items).values(kind="icon"))
        raise RuntimeError
    assert changed(dataset, before) == []


def test_a_statement_that_goes_round_the_journal_is_noted_too(dataset: Dataset) -> None:
    before, last = dataset.version, dataset.item_ids()[-1]
    with dataset.catalogue.write() as connection:
        connection.execute(sa.update(db.items).where(db.items.c.id == last).values(class_id=None))
    assert changed(dataset, before) == [last]


def test_the_version_of_the_references_moves_with_them_alone(dataset: Dataset) -> None:
    before = dataset.references_version
    circle, cross = (next(c.id for c in dataset.classes() if c.name == name) for name in ("circle", "cross"))
    dataset.create_products([ProductDraft("Lens", marks=(Carried(circle),))])
    dataset.rename_class(circle, "ring")
    dataset.edit_fields(circle, maker="Essilor")
    assert dataset.references_version == before
    dataset.relabel(dataset.item_ids()[:1], cross)
    assert dataset.references_version > before
    before = dataset.references_version
    dataset.undo()
    assert dataset.references_version > before
