"""Verdicts from a file: nothing in it is believed, the plan says everything, and one undo takes it all back."""

from __future__ import annotations

import json

import pytest

from core.evaluation.corrections import LARGEST, apply, plan, read_verdicts
from core.ground.errors import BadInput, Conflict, NotAllowed
from core.ground.names import folder_for
from core.ground.rights import Actor
from core.review.dismissed import Kept, hint_parts
from tests.core.evaluation import made


@pytest.fixture
def dataset(tmp_path):
    return made.collection(tmp_path)


def file_of(*verdicts: dict, **changes: object) -> bytes:
    head = {"format": "burin-verdicts", "version": 1, "run": "", "side": "test", "snapshot": "s"}
    return json.dumps({**head, "verdicts": list(verdicts), **changes}).encode()


def found(dataset, name: str):
    return next(item for item in dataset.items(limit=None) if item.path.endswith(name))


def ticked(dataset, name: str, verdict: str, **more: str) -> dict:
    item = found(dataset, name)
    folder = next(record.folder for record in dataset.classes() if record.id == item.class_id)
    return {"sha256": item.sha256, "label": folder, "said": folder_for(made.PICTURE), "verdict": verdict, **more}


def test_planned_applied_and_undone_as_one(dataset):
    verdicts = read_verdicts(
        file_of(
            ticked(dataset, "circle_6.png", "relabel", to=made.SCRIPT),
            ticked(dataset, "circle_7.png", "relabel", to=made.SCRIPT),
            ticked(dataset, "bar_0.png", "trash"),
            ticked(dataset, "wave_0.png", "right"),
        )
    )
    planned = plan(dataset, verdicts)
    assert [(c.item.path.rpartition("/")[2], c.to) for c in planned.corrections] == [
        ("circle_6.png", made.SCRIPT), ("circle_7.png", made.SCRIPT), ("bar_0.png", ""),
    ]  # fmt: skip
    assert [c.item for c in planned.confirmed] == [found(dataset, "wave_0.png")] and planned.skipped == ()
    assert found(dataset, "circle_6.png").class_name == made.PICTURE  # planning changes nothing

    before = len(dataset.history())
    assert apply(dataset, planned) == 3
    assert len(dataset.history()) == before + 1
    assert dataset.history()[0].action == "correct" and dataset.history()[0].items == 3
    assert found(dataset, "circle_6.png").class_name == made.SCRIPT
    assert (dataset.workspace.raw / folder_for(made.SCRIPT) / "circle_7.png").is_file()
    assert dataset.counts().trash == 1
    dataset.undo()
    assert found(dataset, "circle_6.png").class_name == made.PICTURE and dataset.counts().trash == 0


def test_what_does_not_fit_any_more_is_skipped_with_its_sentence(dataset):
    verdicts = read_verdicts(
        file_of(
            {"sha256": "0" * 64, "label": "x", "said": "y", "verdict": "trash", "file": "x/mark.png"},
            {**ticked(dataset, "bar_1.png", "trash"), "label": "elsewhere"},
            ticked(dataset, "bar_2.png", "relabel", to="no such class"),
            ticked(dataset, "bar_4.png", "relabel", to="  "),
            ticked(dataset, "bar_5.png", "relabel", to="../up"),
            ticked(dataset, "bar_3.png", "relabel", to=made.FORMULA),
        )
    )
    planned = plan(dataset, verdicts)
    assert planned.corrections == ()
    assert [str(each.why) for each in planned.skipped] == [
        "The image is no longer there.", "Its label is no longer elsewhere.", "There is no class named no such class.",
        "A class needs a name.", "../up is not a class name: it is a way through folders.",
    ]  # fmt: skip
    names = [f"bar_{n}.png" for n in (1, 2, 4, 5)]
    assert [each.item for each in planned.skipped] == [None, *(found(dataset, name) for name in names)]
    assert planned.skipped[0].ticked.file == "x/mark.png" and planned.missing == ("no such class",)
    assert [c.item for c in planned.confirmed] == [found(dataset, "bar_3.png")]  # it is of that class already
    assert apply(dataset, planned) == 0


def test_a_class_that_is_not_there_is_made_with_the_rest_and_undone_with_it(dataset):
    verdicts = read_verdicts(
        file_of(
            ticked(dataset, "bar_2.png", "relabel", to="Nouvelle"),
            ticked(dataset, "bar_3.png", "relabel", to=" nouvelle "),
            ticked(dataset, "wave_0.png", "relabel", to="another"),
            ticked(dataset, "circle_6.png", "relabel", to=made.SCRIPT),
            ticked(dataset, "bar_0.png", "trash"),
        )
    )
    assert plan(dataset, verdicts).missing == ("Nouvelle", "another")
    planned = plan(dataset, verdicts, create=True)
    assert planned.skipped == () and planned.missing == ("Nouvelle", "another")
    assert [(c.class_id is None, c.to) for c in planned.corrections] == [
        (True, "Nouvelle"), (True, "Nouvelle"), (True, "another"), (False, made.SCRIPT), (True, ""),
    ]  # fmt: skip
    before, names = len(dataset.history()), {record.name for record in dataset.classes()}
    assert apply(dataset, planned) == 5 and len(dataset.history()) == before + 1
    assert {record.name for record in dataset.classes()} == names | {"Nouvelle", "another"}
    assert found(dataset, "bar_2.png").class_name == found(dataset, "bar_3.png").class_name == "Nouvelle"
    assert (dataset.workspace.raw / "another" / "wave_0.png").is_file() and dataset.counts().trash == 1
    dataset.undo()
    assert {record.name for record in dataset.classes()} == names
    assert found(dataset, "bar_2.png").class_name == made.FORMULA and dataset.counts().trash == 0


def test_an_image_of_a_new_class_that_somebody_changed(dataset):
    verdicts = read_verdicts(file_of(ticked(dataset, "bar_2.png", "relabel", to="Nouvelle")))
    planned = plan(dataset, verdicts, create=True)
    dataset.relabel([found(dataset, "bar_2.png").id], None)
    with pytest.raises(Conflict):
        apply(dataset, planned)
    assert "Nouvelle" not in {record.name for record in dataset.classes()}


def test_a_confirmed_label_is_not_doubted_again(dataset):
    item = found(dataset, "wave_0.png")
    other = next(record.id for record in dataset.classes() if record.name == made.PICTURE)
    planned = plan(dataset, read_verdicts(file_of(ticked(dataset, "wave_0.png", "right"))))
    hint = ("hint", hint_parts(item.id, item.class_id, other))
    assert hint not in Kept.read(dataset.workspace)
    before = len(dataset.history())
    assert apply(dataset, planned) == 0
    assert hint in Kept.read(dataset.workspace) and len(dataset.history()) == before
    with pytest.raises(NotAllowed):
        apply(dataset.acting_as(Actor("eve", "viewer")), planned)


def test_somebody_was_quicker(dataset):
    planned = plan(dataset, read_verdicts(file_of(
        ticked(dataset, "circle_6.png", "relabel", to=made.SCRIPT), ticked(dataset, "bar_0.png", "trash"),
    )))  # fmt: skip
    dataset.relabel([found(dataset, "bar_0.png").id], None)
    with pytest.raises(Conflict):
        apply(dataset, planned)
    assert found(dataset, "circle_6.png").class_name == made.PICTURE  # nothing was half done


def test_the_last_verdict_of_an_image_holds(dataset):
    twice = [ticked(dataset, "bar_0.png", "trash"), ticked(dataset, "bar_0.png", "right")]
    planned = plan(dataset, read_verdicts(file_of(*twice)))
    assert planned.corrections == () and len(planned.confirmed) == 1


GOOD = {"sha256": "0" * 64, "label": "a", "said": "b", "verdict": "right"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"format": "burin-verdicts"}',
        b"[" * 100_000,
        file_of(format="another"),
        file_of({**GOOD, "sha256": "../../etc/passwd"}),
        file_of({**GOOD, "sha256": 7}),
        file_of({**GOOD, "verdict": "delete everything"}),
        file_of({**GOOD, "verdict": "relabel"}),
        file_of({**GOOD, "verdict": "relabel", "to": "x" * 401}),
        file_of({**GOOD, "label": None}),
        file_of({**GOOD, "said": ["b"]}),
        file_of({**GOOD, "file": 3}),
        file_of(run=3),
        file_of(*[GOOD] * 20_001),
    ],
)
def test_another_file_is_refused(content):
    with pytest.raises(BadInput, match="not a file of verdicts"):
        read_verdicts(content)


def test_too_large_and_too_new_are_said():
    with pytest.raises(BadInput, match="larger than 4 MB"):
        read_verdicts(b" " * (LARGEST + 1))
    with pytest.raises(BadInput, match="newer Burin"):
        read_verdicts(file_of(version=2))


def test_names_are_found_by_alias_case_and_form(dataset):
    wave = next(record for record in dataset.classes() if record.name == "étoile")
    dataset.set_aliases(wave.id, ["Stella"])
    for name in ("ÉTOILE", "e\u0301toile", "stella"):
        planned = plan(dataset, read_verdicts(file_of(ticked(dataset, "bar_0.png", "relabel", to=name))))
        assert [c.class_id for c in planned.corrections] == [wave.id], name
