"""Small things that several pages say or ask in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from core.catalogue.records import ClassRecord
from core.ground.config import KINDS
from pages.ui import services
from pages.ui.i18n import _, ngettext, number
from pages.ui.state import workbench
from pages.ui.text import cell, esc

LIVE_S = 2.0  # between two looks at what an import has taken in


def originals(count: int, variants: int = 0) -> str:
    """A count as it is always said: "12 originals (+ 36 variants)"."""
    text = ngettext("{n} original", "{n} originals", count).format(n=number(count))
    if variants:
        text += " " + ngettext("(+ {n} variant)", "(+ {n} variants)", variants).format(n=number(variants))
    return text


def being_read() -> bool:
    """Say that images are on their way, where none can be seen yet; answers whether that is so."""
    if services.being_read():
        st.info(_("Reading the folders…"), icon=":material/hourglass:")
        return True
    if services.importing() and not services.dataset().counts().originals:
        st.info(_("The first images are being taken in…"), icon=":material/hourglass:")
        return True
    return False


def live(draw: Callable[[], None]) -> None:
    """Call ``draw`` now and, while images are being taken in, every two seconds; the page runs again at the end."""
    if not services.importing():
        draw()
        return

    @st.fragment(run_every=LIVE_S)
    def again() -> None:
        if not services.importing():
            st.rerun()
        draw()

    again()


NONE = "–"  # in a table's cell that has no value: Streamlit would say None


def act(label: str, then: Callable[[], object], *, key: str, **how: Any) -> None:
    """A button that does ``then`` with what the page holds when it is clicked, and runs the page again.

    The arguments of a callback are those of the run that drew its button: what was typed since, and not left by Enter
    or Tab before the click, would be lost.
    """
    if st.button(label, key=key, **how):
        then()
        st.rerun()


def download(label: str, make: Callable[[], bytes | str], file_name: str, mime: str, *, key: str, **how: Any) -> None:
    """A button that saves what ``make`` answers when it is clicked, in the session's language and with its rights; the
    page does not run again for it.

    Contents that are handed over instead lie at an address of their own until the next run, and the browser asks there
    as soon as the button is drawn: on a page that runs again meanwhile it finds nothing.
    """
    session = get_script_run_ctx()

    def made() -> bytes | str:  # Streamlit calls it in a thread that knows of no session
        with ThreadPoolExecutor(1, initializer=partial(add_script_run_ctx, ctx=session)) as pool:
            return pool.submit(make).result()

    how = {"icon": ":material/download:"} | how
    st.download_button(label, made, file_name=file_name, mime=mime, key=key, on_click="ignore", **how)


def table(columns: Mapping[str, Sequence[Any]], *, alt: str, **how: Any) -> Any:
    """`st.dataframe` of columns by their headers, ``alt`` its text for who does not see it. Its toolbar saves a CSV of
    the cells as they are: names that people gave are made harmless here."""
    shown = {str(cell(name)): [cell(value) for value in values] for name, values in columns.items()}
    return st.dataframe(shown, alt=alt, **how)


def kind_name(kind: str) -> str:
    return {"drawing": _("drawing"), "photo": _("photograph"), "icon": _("icon")}[kind]


def choose_kinds(*, key: str) -> list[str]:
    """Which kinds of images; none chosen means all, and is answered as an empty list."""
    return st.pills(_("Kind"), KINDS, selection_mode="multi", format_func=kind_name, key=key)


def class_names(classes: Iterable[str]) -> list[str]:
    """The options of a class filter that the URL may set. While the folders are being read for the first time, what
    the URL asks for is an option too: Streamlit would take it out of the address."""
    names = list(classes)
    asked = st.query_params.get("class", "")
    if asked:
        workbench().asked_class = asked if asked not in names else ""
    return [*names, asked] if asked and asked not in names and services.preparation().active else names


def no_such_class() -> None:
    """Say that the address asked for a class that is not there: that filter is left out."""
    bench = workbench()
    if bench.asked_class and not services.preparation().active:
        text = _("There is no class named {name} here: its filter is left out.").format(name=esc(bench.asked_class))
        with st.container(horizontal=True, vertical_alignment="center", key="no_such_class"):
            st.warning(text, icon=":material/search_off:")
            st.button("", icon=":material/close:", key="no_such_class.close", type="tertiary", help=_("Dismiss"),
                      on_click=_forget_class)  # fmt: skip


def _forget_class() -> None:
    workbench().asked_class = ""


def orders() -> dict[str, str]:
    """The orders in which images may come, page after page, in words (`core.catalogue.listing.ORDERS`)."""
    return {
        "class": _("By class"),
        "name": _("By file name"),
        "kind": _("By kind"),
        "newest": _("Newest first"),
        "oldest": _("Oldest first"),
        "largest": _("Largest first"),
        "smallest": _("Smallest first"),
        "source": _("By source"),
    }


def choose_class(
    label: str,
    classes: Sequence[ClassRecord],
    *,
    key: str,
    placeholder: str,
    new: bool = False,
    on_change: Callable[..., None] | None = None,
    args: tuple = (),
    width: int | Literal["stretch"] = "stretch",
    disabled: bool = False,
    help: str | None = None,  # noqa: A002 - Streamlit's own name for it
) -> str | None:
    """A type-ahead over the class names; ``new`` lets a name be typed that does not exist yet."""
    return st.selectbox(
        label,
        [record.name for record in classes],
        index=None,
        key=key,
        placeholder=placeholder,
        accept_new_options=new,
        on_change=on_change or "rerun",
        args=args,
        width=width,
        disabled=disabled,
        help=help,
    )


def room(pages: int) -> int:
    """The width (px) of a pagination in which its page numbers show: beside a text it would take less."""
    return 112 + 48 * min(pages, 7)


def class_fields(record: ClassRecord) -> None:
    """The fields of a class (maker, product, note), where it has any."""
    for name, value in record.fields.items():
        if value:
            st.markdown(f":gray[{esc(field_name(name))}]  \n{esc(value)}")


def field_name(name: str) -> str:
    """A field's label: the usual ones translated, any other as it was typed."""
    known = {
        "name_fr": _("French name"),
        "name_en": _("English name"),
        "maker": _("Maker"),
        "product": _("Product"),
        "index": _("Index"),
        "material": _("Material"),
        "coating": _("Coating"),
        "years": _("Years"),
        "period": _("Period"),
        "note": _("Note"),
    }
    return known.get(name, name)
