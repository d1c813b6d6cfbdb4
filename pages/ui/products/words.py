"""Products in words and pictures: what they are called, where their marks stand, how their lens is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.catalogue.records import Carried, ClassRecord, Place, Product
from pages.server.thumbnails import address_of
from pages.ui import services
from pages.ui.components.lens import OnLens
from pages.ui.i18n import _

PLACES: tuple[Place, ...] = ("", "left", "right", "above", "below")


def place_name(place: str) -> str:
    """Where a mark stands on the lens."""
    return {
        "": _("anywhere"),
        "left": _("on the left"),
        "right": _("on the right"),
        "above": _("above"),
        "below": _("below"),
    }[place]


def full_name(product: Product) -> str:
    """Maker and name."""
    return " ".join(filter(None, (product.maker, product.name)))


def faces(class_ids: Iterable[int]) -> dict[int, str]:
    """Class id -> the address of the picture that stands for it."""
    return {class_id: address_of(item) for class_id, item in services.dataset().faces(class_ids).items()}


def on_lens(marks: Sequence[Carried], classes: Mapping[int, ClassRecord], pictures: Mapping[int, str]) -> list[OnLens]:
    """The marks as `pages.ui.components.lens` draws them."""
    return [OnLens(pictures.get(mark.class_id, ""), name_of(mark.class_id, classes), mark.at) for mark in marks]


def name_of(class_id: int, classes: Mapping[int, ClassRecord]) -> str:
    """A class by its name, where it is still there."""
    record = classes.get(class_id)
    return record.name if record else _("a deleted class")


def marks_in_words(product: Product, classes: Mapping[int, ClassRecord]) -> str:
    """The names of its marks, one after another."""
    return " · ".join(name_of(mark.class_id, classes) for mark in product.marks)
