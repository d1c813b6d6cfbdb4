"""Products that the fields of classes already name: ``maker`` and ``product``, written before there were products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.catalogue.journal import known_by
from core.catalogue.products import MOST_MARKS
from core.catalogue.records import Carried, ClassRecord, Product, ProductDraft

TAKEN_OVER = {"index": "index", "period": "years"}  # fields of a class -> of its product, where all its classes agree


@dataclass(frozen=True)
class Proposal:
    """Products to make (``drafts``), and marks that products which are there lack (``also``, product id -> draft)."""

    drafts: list[ProductDraft] = field(default_factory=list)
    also: dict[int, ProductDraft] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.drafts) + len(self.also)


def proposed(
    classes: Sequence[ClassRecord], products: Sequence[Product], *, thrown_away: Sequence[Product] = ()
) -> Proposal:
    """What the classes' fields say and the products do not. Classes of one maker and product are marks of one; a
    product of that maker and name is there whatever its code, and what was ``thrown_away`` is not proposed again."""
    named: dict[str, list[ClassRecord]] = {}
    for record in classes:
        if record.fields.get("product", "").strip():
            named.setdefault(_known(record.fields.get("maker", ""), record.fields["product"]), []).append(record)
    there: dict[str, list[Product]] = {}
    for product in products:
        there.setdefault(_known(product.maker, product.name), []).append(product)
    gone = {_known(product.maker, product.name) for product in thrown_away}
    found = Proposal()
    for known, records in named.items():
        same = there.get(known, [])
        carried = {mark.class_id for product in same for mark in product.marks}
        lacking = [record for record in records if record.id not in carried]
        if len(same) == 1 and lacking and len(same[0].marks) + len(lacking) <= MOST_MARKS:
            found.also[same[0].id] = _draft(lacking)
        elif not same and known not in gone:
            found.drafts.append(_draft(records))
    return found


def _draft(records: Sequence[ClassRecord]) -> ProductDraft:
    fields = {}
    for of_class, of_product in TAKEN_OVER.items():
        said = {record.fields[of_class].strip() for record in records if record.fields.get(of_class, "").strip()}
        if len(said) == 1:
            fields[of_product] = said.pop()
    first = records[0].fields
    marks = tuple(Carried(record.id) for record in records[:MOST_MARKS])
    return ProductDraft(first["product"].strip(), first.get("maker", "").strip(), "", fields, marks)


def _known(maker: str, name: str) -> str:
    return known_by(maker.strip(), name.strip(), "")
