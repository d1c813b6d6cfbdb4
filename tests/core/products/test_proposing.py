"""Products proposed from the fields of classes: together what is one, nothing twice, nothing that was thrown away."""

from __future__ import annotations

from dataclasses import replace

from core.catalogue.records import Carried, ClassRecord, Product
from core.products.proposing import proposed


def record(number: int, **fields: str) -> ClassRecord:
    return ClassRecord(number, f"class_{number}", f"class {number}", [], fields, 1, 1, 0)


def test_classes_of_one_product_are_its_marks() -> None:
    classes = [
        record(1, maker="Lenso", product="Clara", index="1.5", period="2003"),
        record(2, maker=" lenso ", product="CLARA", index="1.6", period="2003"),
        record(3, maker="Other", product="Clara"),
        record(4, maker="Lenso"),
        record(5, product="Alone"),
    ]
    found = proposed(classes, [])
    assert [(d.maker, d.name, [m.class_id for m in d.marks]) for d in found.drafts] == [
        ("Lenso", "Clara", [1, 2]), ("Other", "Clara", [3]), ("", "Alone", [5]),
    ]  # fmt: skip
    assert found.drafts[0].fields == {"years": "2003"}, "they disagree about the index"


def test_what_is_there_gets_the_marks_that_it_lacks_and_nothing_else() -> None:
    classes = [record(1, maker="Lenso", product="Clara"), record(2, maker="Lenso", product="Clara")]
    there = Product("clara", "lenso", "T67", marks=(Carried(1),), id=9)
    found = proposed(classes, [there])
    assert found.drafts == [] and [m.class_id for m in found.also[9].marks] == [2]
    assert len(proposed(classes, [replace(there, marks=(Carried(1), Carried(2)))])) == 0
    both = [there, replace(there, code="T74", id=10)]
    assert len(proposed(classes, both)) == 0, "which of the two it is, nobody knows"


def test_what_was_thrown_away_is_not_proposed_again() -> None:
    classes = [record(1, maker="Lenso", product="Clara")]
    assert len(proposed(classes, [], thrown_away=[Product("Clara", "Lenso", id=3, state="trash")])) == 0
