"""The table of products, edited in place; several merged or thrown away; new ones, from a form, a CSV or the classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from core.catalogue.products import FIELDS
from core.catalogue.records import ClassRecord, Product, ProductDraft
from core.ground.errors import BurinError
from core.ground.names import search_key
from core.intake.product_table import import_products, products_csv
from core.products.proposing import Proposal, proposed
from pages.ui import changes, people, services, widgets
from pages.ui.components.sheet import Column, Edit, refuse, sheet
from pages.ui.data.spreadsheets import spreadsheet
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.products import words
from pages.ui.state import Notice, session_slice, workbench
from pages.ui.text import esc

PAGE = 500  # rows of the browser's table
NAMED = 12  # names that are listed


def ticked() -> list[int]:
    """This session's ticked products."""
    return session_slice("products.ticked", list[int])


def show() -> None:
    """The table, or what to begin with where there is no product."""
    data = services.dataset()
    products, classes = data.products(), {record.id: record for record in data.classes()}
    ticked()[:] = [one for one in ticked() if any(product.id == one for product in products)]
    if not products:
        st.info(
            _("A product is a lens that somebody sells: a name, a maker, a code, and the marks that it carries."),
            title=_("There are no products yet"),
            icon=":material/eyeglasses:",
        )
    _proposal(proposed(list(classes.values()), products, thrown_away=data.products(state="trash")), products)
    if products:
        _actions(products)
        _table(_filtered(products, classes), classes)
    _making()
    _as_csv(products, classes)


def _filtered(products: Sequence[Product], classes: Mapping[int, ClassRecord]) -> list[Product]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.text_input(
            _("Search"), placeholder=_("Name, maker, code, mark or field"), type="search", icon=":material/search:",
            live="300ms", key="q", bind="query-params", width=320,
        )  # fmt: skip
        wanted = search_key(asked or "")
        found = [
            one for one in products
            if not wanted or wanted in search_key(
                " ".join((one.name, one.maker, one.code, words.marks_in_words(one, classes), *one.fields.values()))
            )
        ]  # fmt: skip
        text = ngettext("{n} product", "{n} products", len(found)).format(n=number(len(found)))
        pages = max(1, -(-len(found) // PAGE))
        if st.session_state.get("page", 1) > pages:
            st.session_state["page"] = 1
        st.caption(text, width="stretch")
        page = 1
        if pages > 1:
            page = st.pagination(pages, key="page", bind="query-params", width=widgets.room(pages))
    return found[PAGE * (page - 1) : PAGE * page]


def _table(shown: Sequence[Product], classes: Mapping[int, ClassRecord]) -> None:
    own = sorted({name for product in shown for name in product.fields}.difference(FIELDS))
    fields = {_column(name): name for name in (*FIELDS, *own)}
    pictures = words.faces(mark.class_id for product in shown for mark in product.marks[:1])
    rows = [
        {
            "id": product.id,
            "open": _("Open"),
            "picture": next((pictures.get(mark.class_id, "") for mark in product.marks), ""),
            "name": product.name,
            "maker": product.maker,
            "code": product.code,
            "marks": words.marks_in_words(product, classes),
            **{column: product.fields.get(name, "") for column, name in fields.items()},
        }
        for product in shown
    ]
    may = people.may("curator")
    columns = [
        Column("open", _("Sheet"), 76, "open"),
        Column("picture", _("Mark"), 64, "picture"),
        Column("name", _("Product"), 200, editable=may),
        Column("maker", _("Maker"), 160, editable=may),
        Column("code", _("Code"), 110, editable=may),
        Column("marks", _("Marks"), 220),
        *(Column(column, widgets.field_name(name), 130, editable=may) for column, name in fields.items()),
    ]
    if may:
        st.caption(_("Double-click a cell to change it; Enter keeps it, Esc leaves it. Marks are set on the sheet."))
    key = f"products.table.{workbench().language}"
    event = sheet(rows, columns, key=key, selected=ticked()) if rows else None
    if event is None:
        return
    if event.selected is not None:
        here = {product.id for product in shown}
        ticked()[:] = [one for one in ticked() if one not in here] + event.selected
    _edit(event.edits, shown, fields, key)
    if event.opened is not None:
        st.query_params["product"] = str(event.opened)
    st.rerun()


def _column(field: str) -> str:
    """The column of a field, never made of the field's own text."""
    return f"f{hashlib.sha256(field.encode()).hexdigest()[:16]}"


def _edit(edits: Sequence[Edit], shown: Sequence[Product], fields: Mapping[str, str], key: str) -> None:
    """Do what the edited cells ask, as one change. What is refused stays in its cell as it was typed, and the other
    products get what was typed for them all the same."""
    data, there = services.dataset(), {product.id: product for product in shown}
    given: dict[int, list[Edit]] = {}
    for edit in edits:
        if edit.row in there:
            given.setdefault(edit.row, []).append(edit)
    if not given:
        return

    def write(some: Mapping[int, Sequence[Edit]]) -> None:
        texts = {one: {fields.get(e.column, e.column): str(e.value) for e in each} for one, each in some.items()}
        seen = {one: {fields.get(e.column, e.column): str(e.was) for e in each[::-1]} for one, each in some.items()}
        data.edit_products(texts, shown=seen)

    def said(some: Mapping[int, object]) -> str:
        if len(some) == 1:
            return _("{name} is described anew.").format(name=there[next(iter(some))].name)
        text = ngettext("{n} product is described anew.", "{n} products are described anew.", len(some))
        return text.format(n=number(len(some)))

    if len(given) > 1:
        latest = data.history(1)
        try:
            write(given)
        except BurinError:  # one of them: which, is found out below
            pass
        else:
            now = data.history(1)
            entry = now[0].id if now and (not latest or now[0].id != latest[0].id) else None
            workbench().notices.append(Notice(said(given), ":material/edit:", entry))
            return
    for one, each in given.items():
        if not changes.make(partial(write, {one: each}), said({one: each}), ":material/edit:"):
            for edit in each:
                refuse(key, edit, workbench().notices[-1].text)


def _actions(products: Sequence[Product]) -> None:
    """What can be done with the ticked products in one step."""
    count = len(ticked())
    chosen = [product for product in products if product.id in ticked()]
    versions = {product.id: product.ver for product in products}  # as they are shown
    with st.container(horizontal=True, vertical_alignment="bottom", border=True, key="products.bar"):
        text = ngettext("{n} product ticked", "{n} products ticked", count).format(n=number(count))
        st.markdown(f"**{text}**" if count else f":gray[{text}]", width="stretch")
        names = {product.id: _labelled(product) for product in chosen}
        st.selectbox(
            _("They are one: keep"), list(names), index=None, format_func=names.__getitem__, on_change=_merge, args=(versions,),
            key=workbench().round_of("products.into"), width=280,
            placeholder=_("The one that stays") if count > 1 else _("Tick two or more first"),
            **people.bar(disabled=count < 2, help=_("It takes over what it lacks of the others, which go.")),
        )  # fmt: skip
        st.button(
            _("Move to the trash"), icon=":material/delete:", key="products.trash", on_click=_trash, args=(versions,),
            **people.bar(disabled=not count),
        )  # fmt: skip


def _labelled(product: Product) -> str:
    return " · ".join(filter(None, (words.full_name(product), product.code)))


def _merge(versions: dict[int, int]) -> None:
    bench = workbench()
    into = st.session_state.get(bench.round_of("products.into"))
    bench.empty("products.into")
    if into is None or len(ticked()) < 2:
        return
    data, ids = services.dataset(), list(ticked())
    names = {product.id: product.name for product in data.products()}
    text = _("Merged into {name}.").format(name=names.get(into, ""))
    if changes.make(lambda: data.merge_products(ids, into, versions=versions), text, ":material/call_merge:"):
        ticked().clear()


def _trash(versions: dict[int, int]) -> None:
    ids = list(ticked())
    text = ngettext("{n} product is in the trash.", "{n} products are in the trash.", len(ids))
    said = text.format(n=number(len(ids)))
    data = services.dataset()
    if changes.make(lambda: data.trash_products(ids, versions=versions), said, ":material/delete:"):
        ticked().clear()


def _proposal(found: Proposal, products: Sequence[Product]) -> None:
    """What the fields of the classes say already, made into products with one click."""
    if not len(found):
        return
    with st.container(border=True, key="products.proposal"):
        text = ngettext(
            "The fields *maker* and *product* of your classes name {n} product that is not here yet.",
            "The fields *maker* and *product* of your classes name {n} products that are not here yet.",
            len(found.drafts),
        ) if found.drafts else ngettext(
            "The fields of your classes name marks that {n} product lacks.",
            "The fields of your classes name marks that {n} products lack.",
            len(found.also),
        )  # fmt: skip
        st.markdown(text.format(n=number(len(found.drafts) or len(found.also))))
        names = [" ".join(filter(None, (draft.maker, draft.name))) for draft in found.drafts]
        names += [words.full_name(product) for product in products if product.id in found.also]
        st.caption(esc(", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")))
        st.button(
            _("Make these products"), icon=":material/auto_awesome:", key="products.propose", type="primary",
            on_click=_apply, **people.bar(),
        )  # fmt: skip


def _apply() -> None:
    data = services.dataset()
    found = proposed(data.classes(), data.products(), thrown_away=data.products(state="trash"))
    if not len(found):
        return
    text = ngettext("{n} product is made from the classes.", "{n} products are made from the classes.", len(found))
    changes.make(
        lambda: data.create_products(found.drafts, also=found.also),
        text.format(n=number(len(found))),
        ":material/auto_awesome:",
    )


def _making() -> None:
    # A form: Enter makes it too, and a click takes what is written, left or not.
    bench = workbench()
    with st.form("products.making", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            _("A new product"), key=bench.round_of("products.new"), placeholder=_("Its name"), width=240
        )
        maker = st.text_input(_("Maker"), key=bench.round_of("products.new_maker"), width=180)
        code = st.text_input(_("Code"), key=bench.round_of("products.new_code"), width=120)
        if st.form_submit_button(_("Make the product"), icon=":material/add_box:", key="products.make", **people.bar()):
            make(ProductDraft(name, maker, code))
            st.rerun()


def make(draft: ProductDraft) -> None:
    """Make a product and open its sheet."""
    made: list[int] = []
    text = _("The product {name} is made.").format(name=draft.name.strip())
    done = changes.make(lambda: made.extend(services.dataset().create_products([draft])), text, ":material/add_box:")
    if done:
        bench = workbench()
        for field in ("products.new", "products.new_maker", "products.new_code"):
            bench.empty(field)
        st.query_params["product"] = str(made[0])


def _as_csv(products: Sequence[Product], classes: Mapping[int, ClassRecord]) -> None:
    """The table out, filled in by a spreadsheet, and in again."""
    names = {record.id: record.name for record in classes.values()}
    spreadsheet(
        _("Products from a spreadsheet"),
        _(
            "A CSV with a column `product`, perhaps `maker`, `code`, `mark_1`, `where_1` (left, right, above, below), "
            "`mark_2`…: every other column is a field. A row of the same maker, name and code changes that product; "
            "empty cells change nothing."
        ),
        key="products",
        take_in=_("Take the products in"),
        then=_fill,
        out=(lambda: products_csv(products, names)) if products else None,
        file_name="products.csv",
        expanded=not products,
    )


def _fill(content: bytes) -> None:
    bench, data = workbench(), services.dataset()
    latest = data.history(1)
    try:
        taken = import_products(data, content)
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return
    bench.empty("products.csv")
    made = ngettext("{n} product is new", "{n} products are new", taken.created).format(n=number(taken.created))
    changed = ngettext("{n} was changed", "{n} were changed", taken.changed).format(n=number(taken.changed))
    text = f"{made}, {changed}."
    if taken.unknown:
        text += " " + _("Not classes here: {names}").format(names=", ".join(taken.unknown[:NAMED])) + "."
    for name, why in taken.refused[:NAMED]:
        text += " " + _("{name} was refused: {why}").format(name=name, why=sentence(why))
    now = data.history(1)
    entry = now[0].id if now and (not latest or now[0].id != latest[0].id) else None
    bench.notices.append(Notice(text, ":material/table_view:", entry))
