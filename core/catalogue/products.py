"""What a curator can do to products, as plans: rows read, checked, and turned into changes for the journal.

A product is a lens that somebody sells; the marks it carries are classes, by id, so that a class may be renamed freely.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast, get_args

import sqlalchemy as sa

from core.catalogue import database as db
from core.catalogue.journal import Change, known_by
from core.catalogue.records import Carried, Place, Product, ProductDraft
from core.ground.errors import BadInput, NameRefused, NotFound, changed_meanwhile
from core.ground.images import content_hash, decode, encode_png
from core.ground.workspace import LEFT_S, Workspace, write_atomic

LONGEST = 200  # characters of a product's name, maker or code
MOST_MARKS = 12
FIELDS = ("index", "material", "coating", "years", "note")  # the usual ones; any other may be added
_ABSENT = "absent"
_COLUMNS = ("name", "maker", "code")


def listing(connection: sa.Connection, *, state: str = "present") -> list[Product]:
    """The products in this state, by maker and name."""
    query = sa.select(db.products).where(db.products.c.state == state)
    return [_product(row) for row in connection.execute(query.order_by(db.products.c.known_by, db.products.c.id))]


def some(connection: sa.Connection, product_ids: Iterable[int]) -> list[Product]:
    """These products, whatever their state, in the order given; what never was, or was merged, is left out."""
    ids = list(dict.fromkeys(product_ids))
    rows: dict[int, sa.Row] = {}
    for chunk in db.chunks(ids):
        query = sa.select(db.products).where(db.products.c.id.in_(chunk), db.products.c.state != _ABSENT)
        rows |= {row.id: row for row in connection.execute(query)}
    return [_product(rows[one]) for one in ids if one in rows]


def keep_picture(workspace: Workspace, data: bytes) -> str:
    """Keep a product's picture, encoded anew without metadata, and give its file name. Raises `ImageRefused`."""
    clean = encode_png(decode(data))
    name = f"{content_hash(clean)}.png"
    if not (workspace.product_pictures / name).exists():
        write_atomic(workspace.product_pictures / name, clean)
    return name


def sweep_pictures(connection: sa.Connection, workspace: Workspace, *, older_than_s: float = LEFT_S) -> int:
    """Remove the pictures that were kept for products which nobody confirmed: no product has them, whatever its state,
    and no change that can be taken back. How many."""
    kept = {name for names in connection.execute(sa.select(db.products.c.pictures)).scalars() for name in names}
    query = sa.select(db.changes.c.before, db.changes.c.after).where(db.changes.c.noun == "product")
    for row in connection.execute(query):
        kept.update(row.before.get("pictures", ()), row.after.get("pictures", ()))
    gone = 0
    for path in workspace.product_pictures.glob("*.png"):
        with suppress(FileNotFoundError):
            if path.name not in kept and time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()
                gone += 1
    return gone


def create(connection: sa.Connection, drafts: Sequence[ProductDraft]) -> list[Change]:
    """New products; their rows are made in the absent state, and the changes bring them in. Raises `NameRefused`,
    `BadInput`, `NotFound` for a class that is not there, or `Conflict` where one like it is."""
    made = []
    first = db.next_id(connection, db.products)
    there = _classes(connection)
    rows = []
    for number, draft in enumerate(drafts):
        values = _values(draft)
        _check_marks(draft.marks, there)
        rows.append({"id": first + number, **values, "state": _ABSENT, "ver": 0})
        made.append(Change("product", first + number, {"state": _ABSENT}, {"state": "present"}))
    if rows:
        connection.execute(sa.insert(db.products), rows)
    return made


def edit(
    connection: sa.Connection,
    product_id: int,
    texts: Mapping[str, str],
    *,
    shown: Mapping[str, str] | None = None,
) -> list[Change]:
    """Set name, maker, code or free fields ("" removes one). ``shown``: what the person saw in these; raises `Conflict`
    where it is something else by now."""
    row = _present(connection, product_id)
    for name, seen in (shown or {}).items():
        if _text(row, name) != seen.strip():
            raise changed_meanwhile(row.name)
    after: dict[str, Any] = {name: clean(text) for name, text in texts.items() if name in _COLUMNS}
    if "name" in after and not after["name"]:
        raise NameRefused("A product needs a name.")
    free = {clean(name): clean(text, most=None) for name, text in texts.items() if name not in _COLUMNS}
    after["fields"] = {name: text for name, text in {**row.fields, **free}.items() if name and text}
    return _change(row, after)


def set_marks(
    connection: sa.Connection, product_id: int, marks: Sequence[Carried], *, version: int | None = None
) -> list[Change]:
    """Say which marks a product carries. ``version``: the ``ver`` that the person saw (`Conflict`)."""
    row = _present(connection, product_id, version=version)
    already = {class_id for class_id, _at in row.marks}
    _check_marks([mark for mark in marks if mark.class_id not in already], _classes(connection), count=len(marks))
    return _change(row, {"marks": _stored(marks)})


def set_pictures(
    connection: sa.Connection, product_id: int, pictures: Sequence[str], *, version: int | None = None
) -> list[Change]:
    """Say which pictures (`keep_picture`) show a product; ``version`` as in `set_marks`."""
    row = _present(connection, product_id, version=version)
    return _change(row, {"pictures": list(dict.fromkeys(pictures))})


def add(connection: sa.Connection, product_id: int, draft: ProductDraft) -> list[Change]:
    """Give a product what it lacks of ``draft``: fields, code, marks, pictures. Nothing that it has is changed."""
    row = _present(connection, product_id)
    return _change(row, _joined(row, [(draft.code, draft.maker, draft.fields, _stored(draft.marks), draft.pictures)]))


def replace(connection: sa.Connection, drafts: Mapping[int, ProductDraft]) -> list[Change]:
    """Give each product (id -> draft) the fields, the marks and the pictures of its draft, where that has some; the
    rest stays."""
    there = _classes(connection)
    return [change for one, draft in drafts.items() for change in _replaced(connection, one, draft, there)]


def _replaced(connection: sa.Connection, product_id: int, draft: ProductDraft, there: set[int]) -> list[Change]:
    row = _present(connection, product_id)
    values = _values(draft)
    marks = values["marks"] or row.marks
    if marks != row.marks:
        _check_marks(draft.marks, there)
    pictures = [*row.pictures, *(one for one in draft.pictures if one not in row.pictures)]
    return _change(row, {"fields": {**row.fields, **values["fields"]}, "marks": marks, "pictures": pictures})


def merge(
    connection: sa.Connection, sources: Sequence[int], target: int, *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """``sources`` go, and ``target`` takes over what it lacks of theirs: fields, code, marks, pictures. ``versions`` as
    in `trash`."""
    seen = versions or {}
    kept = _present(connection, target, version=seen.get(target))
    gone = [_present(connection, one, version=seen.get(one)) for one in dict.fromkeys(sources) if one != target]
    if not gone:
        return []
    made = [Change("product", row.id, {"state": "present"}, {"state": _ABSENT}) for row in gone]
    return made + _change(kept, _joined(kept, [(r.code, r.maker, r.fields, r.marks, r.pictures) for r in gone]))


def trash(
    connection: sa.Connection, product_ids: Iterable[int], *, versions: Mapping[int, int] | None = None
) -> list[Change]:
    """These products go to the trash. ``versions`` (product id -> the ``ver`` that was shown): raises `Conflict`."""
    rows = [_present(connection, one, version=(versions or {}).get(one)) for one in dict.fromkeys(product_ids)]
    return [Change("product", row.id, {"state": "present"}, {"state": "trash"}) for row in rows]


def restore(connection: sa.Connection, product_ids: Iterable[int]) -> list[Change]:
    """These products come back from the trash."""
    made = []
    for one in dict.fromkeys(product_ids):
        row = connection.execute(sa.select(db.products).where(db.products.c.id == one)).one_or_none()
        if row is None or row.state != "trash":
            raise NotFound("There is no such product in the trash.")
        made.append(Change("product", one, {"state": "trash"}, {"state": "present"}))
    return made


def remark(connection: sa.Connection, heirs: Mapping[int, int]) -> list[Change]:
    """Every product that carries a class of ``heirs`` carries the class that took it over, those in the trash too."""
    made = []
    for row in connection.execute(sa.select(db.products).where(db.products.c.state != _ABSENT)) if heirs else ():
        made += _change(row, {"marks": [[heirs.get(class_id, class_id), at] for class_id, at in row.marks]})
    return made


def clean(text: str, *, most: int | None = LONGEST) -> str:
    """A name, maker, code or field as it is kept: NFC, on one line. Raises `NameRefused` where it is too long."""
    line = " ".join("".join(c for c in unicodedata.normalize("NFC", text) if c.isprintable() or c.isspace()).split())
    if most is not None and len(line) > most:
        raise NameRefused("A product’s name, maker and code have at most {limit} characters.", limit=most)
    return line


def _values(draft: ProductDraft) -> dict[str, Any]:
    name, maker, code = clean(draft.name), clean(draft.maker), clean(draft.code)
    if not name:
        raise NameRefused("A product needs a name.")
    fields = {clean(field): clean(text, most=None) for field, text in draft.fields.items()}
    return {
        "name": name,
        "maker": maker,
        "code": code,
        "known_by": known_by(maker, name, code),
        "fields": {field: text for field, text in fields.items() if field and text},
        "marks": _stored(draft.marks),
        "pictures": list(draft.pictures),
    }


def _stored(marks: Iterable[Carried]) -> list[list[Any]]:
    return [[mark.class_id, mark.at] for mark in marks]


def _check_marks(marks: Sequence[Carried], there: set[int], *, count: int | None = None) -> None:
    if (len(marks) if count is None else count) > MOST_MARKS:
        raise BadInput("A product carries at most {limit} marks.", limit=MOST_MARKS)
    if any(mark.class_id not in there for mark in marks):
        raise NotFound("There is no such class any more.")
    if any(mark.at not in get_args(Place) for mark in marks):
        raise BadInput("A mark is left, right, above or below.")


def _classes(connection: sa.Connection) -> set[int]:
    return set(connection.execute(sa.select(db.classes.c.id).where(db.classes.c.state == "present")).scalars())


def _joined(row: sa.Row, others: Iterable[tuple[str, str, Mapping[str, str], Sequence, Sequence[str]]]) -> dict:
    """What a product has after taking over what it lacks: of each class as many marks as the richest of them."""
    code, maker, fields, pictures = row.code, row.maker, dict(row.fields), list(row.pictures)
    marks = [list(mark) for mark in row.marks]
    for its_code, its_maker, its_fields, its_marks, its_pictures in others:
        code, maker, fields = code or clean(its_code), maker or clean(its_maker), {**its_fields, **fields}
        pictures += [one for one in its_pictures if one not in pictures]
        missing = Counter(class_id for class_id, _at in its_marks)
        missing.subtract(class_id for class_id, _at in marks)
        for class_id, at in reversed(list(its_marks)):
            if missing[class_id] > 0:
                marks.append([class_id, at])
                missing[class_id] -= 1
    return {"code": code, "maker": maker, "fields": fields, "marks": marks[:MOST_MARKS], "pictures": pictures}


def _change(row: sa.Row, after: Mapping[str, Any]) -> list[Change]:
    new = {name: value for name, value in after.items() if value != getattr(row, name)}
    return [Change("product", row.id, {name: getattr(row, name) for name in new}, new)] if new else []


def _present(connection: sa.Connection, product_id: int, *, version: int | None = None) -> sa.Row:
    row = connection.execute(sa.select(db.products).where(db.products.c.id == product_id)).one_or_none()
    if row is None or row.state != "present":
        raise NotFound("There is no such product any more.")
    if version is not None and row.ver != version:
        raise changed_meanwhile(row.name)
    return row


def _text(row: sa.Row, name: str) -> str:
    return getattr(row, name) if name in _COLUMNS else row.fields.get(name, "")


def _product(row: sa.Row) -> Product:
    marks = tuple(Carried(int(class_id), cast(Place, at)) for class_id, at in row.marks)
    return Product(
        row.name, row.maker, row.code, row.fields, marks, tuple(row.pictures), id=row.id, ver=row.ver, state=row.state
    )
