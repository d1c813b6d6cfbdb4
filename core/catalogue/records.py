"""The records of a dataset: what it hands out and what it reports, as they are kept. No rules, no database."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from core.ground.config import Kind
from core.ground.errors import BurinError
from core.ground.names import printable
from core.ground.regions import Region

State = Literal["present", "trash", "missing"]
Sight = Literal["", "doubt", "sure"]  # of what is seen: nothing said; in doubt, it does not vote; somebody vouches
Place = Literal["", "left", "right", "above", "below"]  # of a mark on a lens, seen by who wears it; "": not known
NAMES = ("name_fr", "name_en")  # the fields that hold a class's name in a language
Outcome = Literal["added", "present", "held", "refused", "read"]


@dataclass(frozen=True)
class ClassRecord:
    """One class. ``folder`` is its folder's name on disk, ``name`` what it is called; ``fields`` are free (maker,
    product, note), and among them `NAMES` say what it is called in French and in English."""

    id: int
    folder: str
    name: str
    aliases: list[str]
    fields: dict[str, str]
    ver: int
    originals: int
    variants: int

    def name_in(self, language: str) -> str:
        """What it is called in that language ("fr", "en"), where that is said; else its name."""
        return self.fields.get(f"name_{language}") or self.name


@dataclass(frozen=True)
class Item:
    """One original. ``class_id`` None = unlabelled; ``path`` is relative to the workspace's root;
    ``dhash`` is unsigned, 64 bits; ``added_at`` in seconds since 1970; ``ver`` counts its changes.

    ``region`` is where its mark lies in the picture (None: the whole). ``sha256`` is the identity of what is seen:
    the hash of its file (``file_sha256``), or with a region that of both. ``sight``: see `Sight`; ``tags``: free words.
    """

    id: int
    class_id: int | None
    class_name: str
    path: str
    sha256: str
    dhash: int
    width: int
    height: int
    kind: Kind
    source: str
    added_at: float
    ver: int
    state: State = "present"
    region: Region | None = None
    sight: Sight = ""
    file_sha256: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Carried:
    """A mark that a product carries: its class, and where on the lens."""

    class_id: int
    at: Place = ""


@dataclass(frozen=True)
class ProductDraft:
    """What a product is, before it is in the catalogue: a lens that somebody sells. ``code`` is what stands beside its
    marks in letters; ``fields`` are free (index, material, coating, years, note); ``pictures`` are names of files
    (`core.catalogue.products.keep_picture`)."""

    name: str
    maker: str = ""
    code: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    marks: tuple[Carried, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Product(ProductDraft):
    """A product of the catalogue; ``ver`` counts its changes."""

    id: int = 0
    ver: int = 0
    state: Literal["present", "trash"] = "present"


@dataclass(frozen=True)
class Counts:
    """How much there is: images, their written variants, classes, and what waits for a person."""

    originals: int
    variants: int
    classes: int
    unlabelled: int
    inbox: int
    trash: int


@dataclass(frozen=True)
class FileOutcome:
    """How one file ended. ``reason`` is a sentence (`BurinError`: template and values, translatable)
    or None; ``item_id`` is the item added or found, ``class_name`` its class (None: without one); ``near`` an item
    that looks almost the same. A file that is "held" for that is known by its ``sha256``, has so many ``pixels``, and
    is shown by its ``picture`` (a WebP). A list of classes, or of products, that was taken in is "read"."""

    name: str
    outcome: Outcome
    reason: BurinError | None = None
    item_id: int | None = None
    near: int | None = None
    class_name: str | None = None
    sha256: str = ""
    picture: bytes = field(default=b"", repr=False)
    pixels: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a job keeps it; the sentence is split into template and values, to be translated."""
        values = {} if self.reason is None else {name: _plain(value) for name, value in self.reason.values.items()}
        return {
            "name": printable(self.name),
            "outcome": self.outcome,
            "item_id": self.item_id,
            "near": self.near,
            "class_name": self.class_name,
            "sha256": self.sha256,
            "picture": base64.b64encode(self.picture).decode("ascii"),
            "pixels": self.pixels,
            "template": self.reason.template if self.reason else "",
            "values": values,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """What `to_json` kept."""
        reason = BurinError(record["template"], **record["values"]) if record["template"] else None
        kept = {name: record[name] for name in ("item_id", "near", "class_name", "sha256", "pixels") if name in record}
        picture = base64.b64decode(record.get("picture", ""))
        return cls(record["name"], record["outcome"], reason, **kept, picture=picture)


def _plain(value: object) -> int | float | str:
    return value if isinstance(value, int | float) else printable(str(value))


@dataclass(frozen=True)
class RescanReport:
    """What a rescan found: how many images were ``added``, ``removed``, ``moved`` between classes or
    names, or ``changed`` in content by hand, and every file that was ``refused``, with its sentence."""

    added: int = 0
    removed: int = 0
    moved: int = 0
    changed: int = 0
    refused: list[FileOutcome] = field(default_factory=list)


@dataclass(frozen=True)
class InboxEntry:
    """A picture that a visitor reported; ``path`` relative to the workspace's root. ``said`` "wrong"
    or "unknown"; ``answer`` is what Identify had answered."""

    id: int
    at: float
    who: str
    path: str
    sha256: str
    verdict: str
    said: str
    answer: dict[str, Any]
    note: str
    state: Literal["waiting", "labelled", "dismissed"]
    item_id: int | None


@dataclass(frozen=True)
class Entry:
    """One line of the journal: ``action`` and its ``detail`` (names and counts, for the sentence),
    how many ``items`` and ``classes`` it changed, and whether it is ``undone`` (by an undo, or by a revert that stands)
    or can still be taken back (``undoable``).
    ``of`` is the entry that an undo, a redo or a revert answers."""

    id: int
    at: float
    who: str
    action: str
    detail: dict[str, Any]
    items: int
    classes: int
    undone: bool
    undoable: bool
    of: int | None
