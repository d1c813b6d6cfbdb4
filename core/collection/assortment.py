"""The products of a collection: reading them, and what a curator does to them, each as one entry of the journal.

The rules are in `core.catalogue.products`. A class that is renamed, merged or brought back takes its products along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.catalogue import products
from core.catalogue.journal import Change
from core.catalogue.records import Carried, Product, ProductDraft
from core.collection.curation import Curation
from core.ground.errors import NotFound
from core.ground.names import is_plain
from core.ground.workspace import is_own

NAMED = 5  # products that the journal names


class Assortment(Curation):
    """The products of `core.collection.dataset.Dataset`; changing needs a curator (`NotAllowed`)."""

    def products(self, *, state: str = "present") -> list[Product]:
        """The products, by maker and name; ``state`` "trash" for those in the trash."""
        with self.catalogue.read() as connection:
            return products.listing(connection, state=state)

    def product(self, product_id: int) -> Product:
        """One product, in the trash too; raises `NotFound`."""
        with self.catalogue.read() as connection:
            found = products.some(connection, [product_id])
        if not found:
            raise NotFound("There is no such product any more.")
        return found[0]

    def product_picture(self, name: str) -> Path:
        """The file of a product's picture; raises `NotFound` where it is gone."""
        path = self.workspace.product_pictures / name
        if not is_plain(name) or not is_own(path):
            raise NotFound("The picture of this product is gone.")
        return path

    def create_products(
        self,
        drafts: Sequence[ProductDraft],
        *,
        also: Mapping[int, ProductDraft] | None = None,
        replaced: Mapping[int, ProductDraft] | None = None,
        action: str = "product_create",
        entry_id: int | None = None,
    ) -> list[int]:
        """New products; their ids. In the same entry, ``also`` (product id -> draft) gives those that are there what
        they lack of it, and ``replaced`` what it has. ``entry_id``: the entry that this
        goes on with. Raises what `core.catalogue.products.create` raises."""
        made: list[Change] = []

        def plan(connection: sa.Connection) -> list[Change]:
            made.extend(products.create(connection, drafts))
            added = [products.add(connection, one, draft) for one, draft in (also or {}).items()]
            return [
                *made,
                *(change for changes in added for change in changes),
                *products.replace(connection, replaced or {}),
            ]

        names = [draft.name for draft in (*drafts, *(also or {}).values(), *(replaced or {}).values())]
        self._change(action, plan, entry_id=entry_id, products=len(names), names=names[:NAMED])
        return [change.row_id for change in made]

    def edit_products(
        self, texts: Mapping[int, Mapping[str, str]], *, shown: Mapping[int, Mapping[str, str]] | None = None
    ) -> None:
        """Set name, maker, code and free fields of products (product id -> what -> text) as one change; ``shown`` as in
        `core.catalogue.products.edit`."""

        def plan(connection: sa.Connection) -> list[Change]:
            edits = ((one, some, (shown or {}).get(one)) for one, some in texts.items())
            return [c for one, some, seen in edits for c in products.edit(connection, one, some, shown=seen)]

        self._change_products("product_edit", plan, list(texts))

    def set_product_marks(self, product_id: int, marks: Sequence[Carried], *, version: int | None = None) -> None:
        """Say which marks a product carries, and where. ``version``: the ``ver`` that the person saw (`Conflict`)."""
        self._change_products(
            "product_edit", lambda c: products.set_marks(c, product_id, marks, version=version), [product_id]
        )

    def add_product_picture(self, product_id: int, data: bytes) -> str:
        """Keep a picture of a product; its name. Raises `ImageRefused`."""
        self.allow("collection")
        name = self.keep_product_picture(data)
        pictures = (*self.product(product_id).pictures, name)
        self._change_products("product_edit", lambda c: products.set_pictures(c, product_id, pictures), [product_id])
        return name

    def keep_product_picture(self, data: bytes) -> str:
        """Keep a picture for a product that is yet to be made; its name. Raises `ImageRefused`."""
        self.allow("collection")
        return products.keep_picture(self.workspace, data)

    def sweep_product_pictures(self) -> int:
        """Remove what was kept a day ago or earlier for products that nobody made; how many pictures."""
        self.allow("collection")
        with self.catalogue.read() as connection:
            return products.sweep_pictures(connection, self.workspace)

    def remove_product_picture(self, product_id: int, name: str, *, version: int | None = None) -> None:
        """Take a picture off a product; its file stays, for the undo."""
        pictures = [one for one in self.product(product_id).pictures if one != name]
        self._change_products(
            "product_edit", lambda c: products.set_pictures(c, product_id, pictures, version=version), [product_id]
        )

    def merge_products(
        self, product_ids: Sequence[int], into: int, *, versions: Mapping[int, int] | None = None
    ) -> None:
        """Products that are one: ``into`` takes over what it lacks of the others, which go; ``versions`` as in
        `core.catalogue.products.trash`."""
        to = self.product(into).name
        ids = list(product_ids)
        self._change_products("product_merge", lambda c: products.merge(c, ids, into, versions=versions), ids, to=to)

    def trash_products(self, product_ids: Iterable[int], *, versions: Mapping[int, int] | None = None) -> None:
        """Products go to the trash; ``versions`` as in `core.catalogue.products.trash`."""
        ids = list(product_ids)
        self._change_products("product_trash", lambda c: products.trash(c, ids, versions=versions), ids)

    def restore_products(self, product_ids: Iterable[int]) -> None:
        """Bring products back from the trash. Raises `Conflict` where one like it was made meanwhile."""
        ids = list(product_ids)
        self._change_products("product_restore", lambda c: products.restore(c, ids), ids)

    def _change_products(self, action: str, plan, product_ids: Sequence[int], **detail: Any) -> None:  # type: ignore[no-untyped-def]
        with self.catalogue.read() as connection:
            names = [product.name for product in products.some(connection, product_ids[:NAMED])]
        self._change(action, plan, products=len(product_ids), names=names, **detail)
