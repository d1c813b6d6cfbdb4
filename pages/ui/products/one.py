"""One product as a sheet: its lens with the marks where they stand, what is known of it, its pictures, its past."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from core.catalogue.products import FIELDS, MOST_MARKS
from core.catalogue.records import Carried, ClassRecord, Product
from core.ground.errors import BurinError
from core.ground.images import SUFFIXES
from pages.ui import cached, changes, people, services, widgets
from pages.ui.components.lens import lens
from pages.ui.data import journal_entries
from pages.ui.i18n import _, sentence
from pages.ui.products import words
from pages.ui.state import workbench
from pages.ui.text import esc

PAST = 10  # entries of the journal that are listed
PICTURE = 160  # px


def asked() -> int | None:
    """The product that the address names."""
    text = st.query_params.get("product", "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def close() -> None:
    st.query_params.pop("product", None)


def show(product_id: int) -> None:
    """The sheet; says so where the product is gone."""
    data = services.dataset()
    st.button(_("All products"), icon=":material/arrow_back:", key="product.back", type="tertiary", on_click=close)
    try:
        product = data.product(product_id)
    except BurinError as error:
        st.warning(esc(sentence(error)), icon=":material/search_off:")
        return
    classes = {record.id: record for record in data.classes()}
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap="xxsmall"):
            st.title(esc(product.name), anchor=False)
            if product.maker:
                st.markdown(f":gray[{esc(product.maker)}]")
        if product.state == "present":
            st.button(
                _("Move to the trash"), icon=":material/delete:", key="product.trash", on_click=_trash,
                args=(product,), **people.bar(),
            )  # fmt: skip
    if product.state == "trash":
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(_("This product is in the trash."), icon=":material/delete:")
            st.button(
                _("Restore"), icon=":material/restore_from_trash:", key="product.restore", on_click=_restore,
                args=(product,), **people.bar(),
            )  # fmt: skip
    editable = product.state == "present" and people.may("curator")
    drawn, written = st.columns([3, 2], gap="large")
    with drawn:
        _lens(product, classes)
        if editable:
            _marks(product, classes)
        _pictures(product, editable)
    with written:
        if editable:
            _form(product)
        else:
            _fields(product)
        _past(product, classes)


def _lens(product: Product, classes: Mapping[int, ClassRecord]) -> None:
    pictures = words.faces(mark.class_id for mark in product.marks)
    lens(words.on_lens(product.marks, classes, pictures), code=product.code, key=f"product.lens.{product.id}")


def _marks(product: Product, classes: Mapping[int, ClassRecord]) -> None:
    """Which marks it carries, and where: each in a row, and one more to be added."""
    st.subheader(_("Its marks"), anchor=False)
    names = sorted((record.name, record.id) for record in classes.values())
    at = f"product.{product.id}.{product.ver}"
    for row, mark in enumerate(product.marks):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            ids = [class_id for _name, class_id in names]
            ids += [mark.class_id] if mark.class_id not in classes else []
            st.selectbox(
                _("Mark {n}").format(n=row + 1), ids, index=ids.index(mark.class_id), key=f"{at}.class.{row}",
                format_func=partial(words.name_of, classes=classes), on_change=_set, args=(product, row), width=220,
            )  # fmt: skip
            st.selectbox(
                _("Where"), words.PLACES, index=words.PLACES.index(mark.at), key=f"{at}.place.{row}",
                format_func=words.place_name, on_change=_set, args=(product, row), width=140,
            )  # fmt: skip
            st.button(
                "", icon=":material/close:", key=f"{at}.drop.{row}", type="tertiary", on_click=_drop,
                args=(product, row), help=_("Take this mark off"),
            )  # fmt: skip
    if len(product.marks) < MOST_MARKS:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.selectbox(
                _("One more mark"), [class_id for _name, class_id in names], index=None, key=f"{at}.more",
                format_func=partial(words.name_of, classes=classes), placeholder=_("Type a name"), width=220,
                on_change=_add, args=(product,),
            )  # fmt: skip


def _set(product: Product, row: int) -> None:
    at = f"product.{product.id}.{product.ver}"
    said = st.session_state
    mark = Carried(said[f"{at}.class.{row}"], said[f"{at}.place.{row}"])
    _write(product, [*product.marks[:row], mark, *product.marks[row + 1 :]])


def _drop(product: Product, row: int) -> None:
    _write(product, [*product.marks[:row], *product.marks[row + 1 :]])


def _add(product: Product) -> None:
    class_id = st.session_state[f"product.{product.id}.{product.ver}.more"]
    if class_id is not None:
        _write(product, [*product.marks, Carried(class_id)])


def _write(product: Product, marks: list[Carried]) -> None:
    data = services.dataset()
    text = _("The marks of {name} are set.").format(name=product.name)
    changes.make(lambda: data.set_product_marks(product.id, marks, version=product.ver), text, ":material/edit_note:")


def _form(product: Product) -> None:
    """What is known of it, to be changed. A form: a click takes what is written, left or not."""
    own = [name for name in product.fields if name not in FIELDS]
    at = f"product.{product.id}"

    def box(name: str, label: str, text: str, **how: Any) -> str:
        # Its key holds what it said: it is made anew where that changed, not when a mark is added or another field set.
        return st.text_input(label, text, key=f"{at}.field.{name}.{zlib.crc32(text.encode()):x}", **how) or ""

    with st.form(f"{at}.form", enter_to_submit=True):
        beside = _("What stands beside the marks in letters and figures.")
        given = {
            "name": box("name", _("Product"), product.name),
            "maker": box("maker", _("Maker"), product.maker),
            "code": box("code", _("Code"), product.code, help=beside),
        }
        for name in (*FIELDS, *own):
            given[name] = box(f"own.{name}", esc(widgets.field_name(name)), product.fields.get(name, ""))
        with st.container(horizontal=True):
            more = st.text_input(_("Another field"), key=f"{at}.{len(own)}.more_name", width=150)
            text = st.text_input(_("What it says"), key=f"{at}.{len(own)}.more_text")
        if st.form_submit_button(_("Save"), type="primary", icon=":material/check:", key=f"product.save.{product.id}"):
            if more.strip() and more.strip().casefold() not in ("name", "maker", "code"):
                given[more.strip()] = text
            _save(product, given)
            st.rerun()


def _save(product: Product, given: Mapping[str, str]) -> None:
    held = {"name": product.name, "maker": product.maker, "code": product.code, **product.fields}
    new = {name: text for name, text in given.items() if text.strip() != held.get(name, "")}
    if not new:
        return
    seen = {name: held.get(name, "") for name in new}
    text = _("{name} is described anew.").format(name=product.name)
    changes.make(
        lambda: services.dataset().edit_products({product.id: new}, shown={product.id: seen}), text,
        ":material/edit_note:",
    )  # fmt: skip


def _fields(product: Product) -> None:
    said = {"code": product.code, **product.fields}
    names = {"code": _("Code")}
    with st.container(border=True):
        for name, text in said.items():
            if text:
                st.markdown(f":gray[{esc(names.get(name) or widgets.field_name(name))}]  \n{esc(text)}")
        if not any(said.values()):
            st.caption(_("Nothing is written of it yet."))


def _pictures(product: Product, editable: bool) -> None:
    """Its pictures, and one more where it may be changed."""
    data = services.dataset()
    if product.pictures or editable:
        st.subheader(_("Pictures"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name in product.pictures:
            with st.container(width=PICTURE, gap="xxsmall"):
                try:
                    file = data.product_picture(name)
                    st.image(cached.square(str(file), name), width=PICTURE, alt=product.name)
                except BurinError as error:
                    st.caption(esc(sentence(error)))
                if editable:
                    st.button(
                        _("Take off"), icon=":material/close:", key=f"product.picture.{name}", type="tertiary",
                        on_click=_take_off, args=(product, name),
                    )  # fmt: skip
    if editable:
        bench = workbench()
        given = st.file_uploader(
            _("Add pictures of the lens"), type=[suffix[1:] for suffix in SUFFIXES], accept_multiple_files=True,
            key=bench.round_of(f"product.pictures.{product.id}"),
        )  # fmt: skip
        if given:
            for upload in given:
                text = _("{name} has one more picture.").format(name=product.name)
                added = partial(data.add_product_picture, product.id, upload.getvalue())
                changes.make(added, text, ":material/image:")
            bench.empty(f"product.pictures.{product.id}")
            st.rerun()


def _take_off(product: Product, name: str) -> None:
    changes.make(
        lambda: services.dataset().remove_product_picture(product.id, name, version=product.ver),
        _("The picture is taken off."),
        ":material/hide_image:",
    )


def _past(product: Product, classes: Mapping[int, ClassRecord]) -> None:
    """What happened to it, newest first, each step to be taken back."""
    data, now = services.dataset(), time.time()
    names = {record.id: record.name for record in classes.values()}
    with st.expander(_("What happened to it"), icon=":material/history:"):
        for entry in data.history(PAST, product_id=product.id):
            what = journal_entries.said(entry)
            struck = f"~~{esc(what)}~~" if entry.undone else esc(what)
            by = f" · {esc(entry.who)}" if entry.who else ""
            changes = [one for one in data.changes(entry.id, limit=200) if one.row_id == product.id]
            lines = "".join(f"  \n:small[:gray[{esc(line)}]]" for line in journal_entries.moves(changes, names))
            st.markdown(f"{struck}{lines}  \n:small[:gray[{esc(journal_entries.when(entry.at, now))}{by}]]")
            if entry.undoable and not entry.undone:
                st.button(
                    _("Take back"), icon=":material/settings_backup_restore:", key=f"product.revert.{entry.id}",
                    type="tertiary", on_click=_revert, args=(entry.id, what), **people.bar(),
                )  # fmt: skip


def _revert(entry_id: int, what: str) -> None:
    text = _("Taken back: {what}").format(what=what)
    changes.make(lambda: services.dataset().revert(entry_id), text, ":material/settings_backup_restore:")


def _trash(product: Product) -> None:
    text = _("{name} is in the trash.").format(name=product.name)
    data = services.dataset()
    if changes.make(
        lambda: data.trash_products([product.id], versions={product.id: product.ver}), text, ":material/delete:"
    ):
        close()


def _restore(product: Product) -> None:
    restore([product])


def restore(products: list[Product]) -> None:
    """Bring products back from the trash."""
    names = ", ".join(product.name for product in products)
    text = _("{name} is back.").format(name=names)
    ids = [product.id for product in products]
    changes.make(lambda: services.dataset().restore_products(ids), text, ":material/restore_from_trash:")


def bin_of_products() -> None:
    """What is in the trash, each to be seen and brought back."""
    gone = services.dataset().products(state="trash")
    if not gone:
        st.info(
            _("What is deleted comes here first, and can be brought back."), title=_("The trash is empty"),
            icon=":material/delete:",
        )  # fmt: skip
        return
    for product in gone:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            code = f" · {esc(product.code)}" if product.code else ""
            st.markdown(f"**{esc(words.full_name(product))}**{code}", width="stretch")
            st.button(
                _("Restore"), icon=":material/restore_from_trash:", key=f"products.restore.{product.id}",
                on_click=restore, args=([product],), **people.bar(),
            )  # fmt: skip
