"""Views of a page that somebody gave a name: filters of the Library, a map as it was coloured and zoomed.

They are the address of the page, kept in the catalogue for everybody who works on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from core.catalogue import database as db
from core.collection.dataset import Dataset
from core.ground.errors import Conflict, NameRefused
from core.ground.names import clean_name

MOST = 100  # views of one page
LONGEST = 4000  # characters of an address

Query = dict[str, str]  # what stands behind the ? of the page's address


def views(dataset: Dataset, page: str) -> dict[str, Query]:
    """Name -> view, sorted by name."""
    return dict(sorted(_read(dataset.catalogue.get(_key(page))).items()))


def keep(dataset: Dataset, page: str, name: str, query: Mapping[str, str]) -> None:
    """Keep a view under a name; one of that name is replaced. Raises `NameRefused`, `Conflict`, `NotAllowed`."""
    dataset.allow("view")
    name = clean_name(name)
    if len(json.dumps(dict(query))) > LONGEST:
        raise NameRefused("This view is too long to be kept.")
    with dataset.catalogue.write(quiet=True) as connection:
        held = _read(db.value(connection, _key(page)))
        held[name] = dict(query)
        if len(held) > MOST:
            raise Conflict("At most {limit} views are kept: delete one first.", limit=MOST)
        db.put(connection, _key(page), json.dumps(held))


def drop(dataset: Dataset, page: str, name: str) -> None:
    """Keep it no longer; nothing happens where it is gone already. Raises `NotAllowed`."""
    dataset.allow("view")
    with dataset.catalogue.write(quiet=True) as connection:
        held = _read(db.value(connection, _key(page)))
        held.pop(name, None)
        db.put(connection, _key(page), json.dumps(held))


def _key(page: str) -> str:
    return f"views {page}"


def _read(text: str) -> dict[str, Query]:
    """Nothing of a record that is none: the catalogue may be another's work."""
    with suppress(ValueError):
        held = json.loads(text) if text else {}
        views = held.items() if isinstance(held, dict) else ()
        return {
            str(name): {str(k): str(v) for k, v in query.items()} for name, query in views if isinstance(query, dict)
        }
    return {}
