"""Products from pictures of a catalogue: given, read by a job, and confirmed row by row or all at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.typing import UploadedFile

from core.catalogue.records import ClassRecord, Place
from core.ground.errors import BurinError
from core.ground.images import SUFFIXES
from core.ground.job import Job
from core.ground.regions import Region
from core.intake.work import receive
from core.products.letters import can_read
from core.products.taking import Confirmed, Row, Seen, name_of, rows_of, take_in
from pages.ui import cached, changes, people, services, widgets
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.job_panel import job_panel, last_of
from pages.ui.products import words
from pages.ui.state import session_slice, workbench
from pages.ui.text import esc

KIND = "pictures"
PAGE = 10  # rows on the screen at once
NO_MARK = 0  # of a mark's choices
NAMED = 12  # unknown marks that are shown to be named
KEPT: dict[str, Any] = {"persist_state": "session"}  # of a control: what it says stays while another page is open


def show() -> None:
    """The form, the reading under way, and what it read."""
    with st.container(border=True):
        _form()
    last = last_of(KIND)
    if last is not None:
        job_panel(last, title=_("Pictures read"), key="products.pictures", ended=_read)


def _form() -> None:
    bench = workbench()
    st.markdown(
        _(
            "Give pictures of a catalogue, one product each: the marks in them are named, the code beside them is read, "
            "and you confirm what is right. Nothing comes into the collection before."
        )
    )
    if not can_read():
        st.caption(
            _("Letters are not read on this machine: codes are typed, until `pip install rapidocr` is run in it.")
        )
    ways = {"files": _("Files or a zip"), "folder": _("A folder")}
    way = st.segmented_control(
        _("What do you have?"), list(ways), default="files", required=True, format_func=ways.__getitem__,
        key="pictures.way",
    )  # fmt: skip
    files = st.file_uploader(
        _("The pictures"), type=[*(suffix[1:] for suffix in SUFFIXES), "zip"], label_visibility="collapsed",
        accept_multiple_files=True if way == "files" else "directory", key=bench.round_of(f"pictures.{way}"),
    )  # fmt: skip
    st.button(
        _("Read them"), type="primary", icon=":material/document_scanner:", key="pictures.start", on_click=_start,
        args=(files, f"pictures.{way}"), **people.bar(disabled=not files),
    )  # fmt: skip


def _start(files: Sequence[UploadedFile], uploader: str) -> None:
    if not people.may("curator"):
        return
    received = receive(services.workspace(), ((file.name, file) for file in files))
    key = "pictures " + hashlib.sha256(" ".join(file.file_id for file in files).encode()).hexdigest()[:16]
    services.jobs().start(KIND, "core.products.taking:run_pictures", {"files": received}, key=key)
    workbench().empty(uploader)


def _left_out() -> set[str]:
    """The pictures that this person left out."""
    return session_slice("pictures.left_out", set[str])


def _read(job: Job) -> None:
    """What the job read, to be confirmed."""
    data = services.dataset()
    rows = rows_of(list(job.outcomes()), job.result or {})
    classes = {record.id: record for record in data.classes()}
    for row in rows:
        if row.refused is not None:
            why = sentence(row.refused)
            st.markdown(f":red[:material/error:] {esc(why if row.file in why else f'{row.file} · {why}')}")
    taken = {picture for product in data.products() for picture in product.pictures}
    good = [row for row in rows if row.refused is None]
    made = sum(row.picture in taken for row in good)
    waiting = [row for row in good if row.picture not in taken and row.picture not in _left_out()]
    text = ngettext("{n} picture waits to be confirmed.", "{n} pictures wait to be confirmed.", len(waiting))
    said = text.format(n=number(len(waiting)))
    if made:
        said += " " + ngettext("{n} is a product.", "{n} are products.", made).format(n=number(made))
    st.markdown(said)
    if left := len(good) - len(waiting) - made:
        label = ngettext("{n} is left out: show it again", "{n} are left out: show them again", left)
        st.button(
            label.format(n=number(left)), icon=":material/undo:", key="pictures.again", type="tertiary",
            on_click=_left_out().clear,
        )  # fmt: skip
    if not waiting:
        return
    _unknown(job, rows, classes)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(_("Maker of all of them"), key=f"pictures.maker.{job.id}", width=240, **KEPT)
        told = [row for row in waiting if row.marks or st.session_state.get(f"{_key(job, row)}.code", row.code)]
        label = ngettext("Take in {n} product", "Take in all {n} products", len(told))
        if st.button(
            label.format(n=number(len(told))), type="primary", icon=":material/done_all:", key="pictures.all",
            **people.bar(disabled=not told),
        ):  # fmt: skip
            _take(job, rows, told)
    if len(told) < len(waiting):
        st.caption(_("What shows neither a mark nor a code is taken in one by one."))
    pages = max(1, -(-len(waiting) // PAGE))
    at = 1
    if pages > 1:
        at = st.pagination(pages, key=f"pictures.page.{job.id}.{pages}", width=widgets.room(pages))
    for row in waiting[PAGE * (at - 1) : PAGE * at]:
        _row(job, rows, row, classes)


def _key(job: Job, row: Row) -> str:
    """Of the controls of one picture."""
    return f"pictures.{job.id}.{row.picture[:16]}"


def _unknown(job: Job, rows: Sequence[Row], classes: Mapping[int, ClassRecord]) -> None:
    """The marks that are no class here, one of each kind, to be given a name."""
    count = Counter(mark.kind for row in rows for mark in row.marks if mark.kind is not None)
    if not count:
        return
    first = {mark.kind: (row, mark) for row in rows[::-1] for mark in row.marks if mark.kind is not None}
    with st.expander(_("Marks that are no class here"), icon=":material/new_label:", expanded=True):
        st.caption(_("A name makes a new class of one, with these pictures; without a name it is left out."))
        with st.grid(4, min_column_width=180, gap="small"):
            for kind, many in count.most_common(NAMED):
                with st.container(gap="xxsmall"):
                    row, mark = first[kind]
                    if picture := _cut(row.picture, mark.region):
                        st.image(picture, width=96, alt=_("An unknown mark"))
                    text = ngettext("in {n} picture", "in {n} pictures", many).format(n=number(many))
                    st.text_input(
                        text, key=f"pictures.kind.{job.id}.{kind}", placeholder=_("Its name"),
                        disabled=not people.may("curator"), **KEPT,
                    )  # fmt: skip


def _row(job: Job, rows: Sequence[Row], row: Row, classes: Mapping[int, ClassRecord]) -> None:
    """One picture and what was read of it."""
    at = _key(job, row)
    with st.container(border=True, key=f"{at}.row"):
        shown, said, marked = st.columns([1, 2, 2], gap="medium", vertical_alignment="top")
        with shown:
            if picture := _cut(row.picture, None):
                st.image(picture, width="stretch", alt=row.file)
            st.caption(esc(row.file))
        with said:
            st.text_input(_("Product"), name_of(row), key=f"{at}.name", **KEPT)
            st.text_input(_("Code"), row.code, key=f"{at}.code", **KEPT)
        with marked:
            for place, mark in enumerate(row.marks):
                options = _options(mark, classes)
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    with st.container(width=56):
                        if picture := _cut(row.picture, mark.region):
                            st.image(picture, width=56, alt=_("Mark {n}").format(n=place + 1))
                    st.selectbox(
                        _("Mark {n}").format(n=place + 1), options, key=f"{at}.mark.{place}",
                        index=options.index(_default(mark)), label_visibility="collapsed",
                        format_func=partial(_choice, mark=mark, classes=classes), **KEPT,
                    )  # fmt: skip
            if not row.marks:
                st.caption(_("No mark was found."))
        with st.container(horizontal=True):
            if st.button(_("Take in"), icon=":material/check:", key=f"{at}.take", **people.bar()):
                _take(job, rows, [row])
            st.button(
                _("Leave out"), icon=":material/close:", key=f"{at}.leave", type="tertiary",
                on_click=_left_out().add, args=(row.picture,),
            )  # fmt: skip


def _options(mark: Seen, classes: Mapping[int, ClassRecord]) -> list[int]:
    """What a mark may be: its candidates first, the new class of its kind, none, and every other class."""
    read = [one for one in mark.classes if one in classes]
    kind = [] if mark.kind is None else [_as_choice(mark.kind)]
    others = sorted((record.name, record.id) for record in classes.values() if record.id not in read)
    return [*kind, *read, NO_MARK, *(class_id for _name, class_id in others)]


def _as_choice(kind: int) -> int:
    return -1 - kind


def _default(mark: Seen) -> int:
    if mark.class_id is not None:
        return mark.class_id
    return NO_MARK if mark.kind is None else _as_choice(mark.kind)


def _choice(one: int, mark: Seen, classes: Mapping[int, ClassRecord]) -> str:
    if one < 0:
        return _("unknown: name it above")
    if one == NO_MARK:
        return _("no mark")
    name = words.name_of(one, classes)
    return _("{name}, perhaps").format(name=name) if one == mark.class_id and mark.verdict == "hesitates" else name


def _take(job: Job, rows: Sequence[Row], chosen: Sequence[Row]) -> None:
    """Make the products of these rows, as the controls say, or as they were read where they were not looked at."""
    said = st.session_state
    confirmed = []
    for row in chosen:
        at = _key(job, row)
        made = [said.get(f"{at}.mark.{place}", _default(mark)) for place, mark in enumerate(row.marks)]
        marks: tuple[tuple[int, Place], ...] = tuple((one, "") for one in made if one > 0)
        new = tuple(-1 - one for one in made if one < 0)
        name, code = said.get(f"{at}.name", name_of(row)), said.get(f"{at}.code", row.code)
        confirmed.append(Confirmed(row.picture, name, said.get(f"pictures.maker.{job.id}", ""), code, marks, new))
    kinds = {mark.kind for row in rows for mark in row.marks if mark.kind is not None}
    names = {kind: said.get(f"pictures.kind.{job.id}.{kind}", "") for kind in kinds}
    text = ngettext("{n} product is taken in.", "{n} products are taken in.", len(confirmed))
    data = services.dataset()
    changes.make(
        lambda: take_in(data, rows, confirmed, names), text.format(n=number(len(confirmed))), ":material/done_all:"
    )
    st.rerun()


def _cut(picture: str, region: Region | None) -> str:
    """A product's picture, or what lies in a region of it; "" where the file is gone."""
    try:
        data = services.dataset().product_picture(picture).read_bytes()
        return cached.cut(data, picture, region, side=320 if region is None else 128)
    except (BurinError, OSError):
        return ""
