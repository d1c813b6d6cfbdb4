"""The table of classes: names and fields edited in place, several merged or deleted, fields from and to a CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from core.catalogue.records import NAMES, ClassRecord
from core.ground.errors import BurinError
from core.intake.exports import classes_csv, import_class_fields
from pages.ui import changes, people, services, widgets
from pages.ui.components.sheet import Column, Edit, refuse, sheet
from pages.ui.data.spreadsheets import spreadsheet
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import Notice, workbench

FIELDS = (*NAMES, "maker", "product", "index", "period", "note")
NAMED = 20  # unknown names of a CSV that are listed


def classes() -> None:
    """Every class: its name, other names and fields can be changed in their cells."""
    data, bench = services.dataset(), workbench()
    records = data.classes()
    there = {record.id for record in records}
    bench.ticked = [class_id for class_id in bench.ticked if class_id in there]
    _actions(records)
    _table(records)
    # A form: Enter makes the class too, and a click takes what is written, left or not.
    with st.form("table.making", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(_("A new class"), key=bench.round_of("table.new"), placeholder=_("Its name"), width=260)
        if st.form_submit_button(_("Make it"), icon=":material/new_label:", key="table.make", **people.bar()):
            _make(name)
            st.rerun()
    _as_csv(records)


def _table(records: list[ClassRecord]) -> None:
    bench = workbench()
    own = [name for name in dict.fromkeys(name for record in records for name in record.fields) if name not in FIELDS]
    fields = {_column(name): name for name in (*FIELDS, *own)}
    st.caption(
        _("Double-click a cell to change it; Enter keeps it, Esc leaves it. Several other names are parted by commas.")
    )
    rows = [
        {
            "id": record.id,
            "name": record.name,
            "originals": record.originals,
            "variants": record.variants,
            "aliases": ", ".join(record.aliases),
            **{column: record.fields.get(name, "") for column, name in fields.items()},
        }
        for record in records
    ]
    may = people.may("curator")
    columns = [
        Column("name", _("Class"), 200, editable=may, pinned=True),
        Column("originals", _("Originals"), 110, "number"),
        Column("variants", _("Variants"), 110, "number"),
        Column("aliases", _("Other names"), 180, editable=may),
        *(Column(column, widgets.field_name(name), 170, editable=may) for column, name in fields.items()),
    ]
    key = f"table.classes.{bench.language}"
    event = sheet(rows, columns, key=key, row_height=36, selected=bench.ticked) if rows else None
    if event is None:
        return
    if event.selected is not None:
        bench.ticked = event.selected
    _edit(event.edits, records, fields, key)
    st.rerun()


def _column(field: str) -> str:
    """The column of a field, which keeps its name while others come and go; never made of the field's own text."""
    return f"f{hashlib.sha256(field.encode()).hexdigest()[:16]}"


def _edit(edits: Sequence[Edit], records: list[ClassRecord], fields: Mapping[str, str], key: str) -> None:
    """Do what the edited cells ask: a name or other names one by one, the fields of all classes as one change.

    What is refused, as a name that is taken is, or a cell that somebody else has written into meanwhile, stays in its
    cell as it was typed.
    """
    data, known = services.dataset(), {record.id: record for record in records}
    described: dict[int, dict[str, str]] = {}
    shown: dict[int, dict[str, str]] = {}

    def attempt(edit: Edit, act: Callable[[], object], text: str) -> None:
        if not changes.make(act, text, ":material/edit:"):
            refuse(key, edit, workbench().notices[-1].text)

    for edit in edits:
        record, value, was = known.get(edit.row), str(edit.value), str(edit.was)
        if record is None:
            continue
        if edit.column == "name":
            text = _("The class is now called {name}.").format(name=value.strip())
            attempt(edit, partial(data.rename_class, record.id, value, shown=was), text)
        elif edit.column == "aliases":
            text = _("{name} is described anew.").format(name=record.name)
            attempt(edit, partial(data.set_aliases, record.id, _parts(value), shown=_parts(was)), text)
        else:
            field = fields[edit.column]
            before = described.get(record.id, {}).get(field, record.fields.get(field, ""))
            if before.strip() != was.strip():
                changes.say_changed(record.name)
                refuse(key, edit, workbench().notices[-1].text)
                continue
            described.setdefault(record.id, {})[field] = value
            shown.setdefault(record.id, {}).setdefault(field, was)
    if described:
        count = len(described)
        alone = _("{name} is described anew.").format(name=known[next(iter(described))].name)
        several = ngettext("{n} class is described anew.", "{n} classes are described anew.", count)
        text = alone if count == 1 else several.format(n=number(count))
        changes.make(lambda: data.describe(described, shown=shown), text, ":material/edit:")


def _parts(text: str) -> list[str]:
    """Other names, as a cell has them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _actions(records: list[ClassRecord]) -> None:
    """What can be done with the ticked classes in one step."""
    ticked = [record for record in records if record.id in workbench().ticked]
    count = len(ticked)
    versions = {record.id: record.ver for record in records}  # as they are shown: what changed since is not overwritten
    with st.container(horizontal=True, vertical_alignment="bottom", border=True, key="table.bar"):
        text = ngettext("{n} class ticked", "{n} classes ticked", count).format(n=number(count))
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(f"**{text}**" if count else f":gray[{text}]")
            images = ngettext("{n} image", "{n} images", images_of := sum(record.originals for record in ticked))
            st.caption(images.format(n=number(images_of)))
        st.selectbox(
            _("Merge them into"), [record.name for record in records], index=None, on_change=_merge, args=(versions,), width=260,
            key=workbench().round_of("table.into"), placeholder=_("Merge them into") if count else _("Tick classes first"),
            label_visibility="collapsed", **people.bar(disabled=not count),
        )  # fmt: skip
        st.button(
            _("Delete"), icon=":material/folder_delete:", key="table.delete", on_click=_delete, args=(versions,),
            **people.bar(disabled=not count, help=_("Their images go to the trash.")),
        )  # fmt: skip


def _merge(versions: dict[int, int]) -> None:
    bench, data = workbench(), services.dataset()
    name = st.session_state.get(bench.round_of("table.into"))
    bench.empty("table.into")
    into = next((record for record in data.classes() if record.name == name), None)
    if into is None or not bench.ticked:
        return
    ids = list(bench.ticked)
    changes.make(
        lambda: data.merge_classes(ids, into.id, versions=versions),
        _("Merged into {name}.").format(name=into.name),
        ":material/call_merge:",
    )


def _delete(versions: dict[int, int]) -> None:
    bench, data = workbench(), services.dataset()
    ids = list(bench.ticked)
    text = ngettext(
        "{n} class is deleted; its images are in the trash.",
        "{n} classes are deleted; their images are in the trash.",
        len(ids),
    )
    changes.make(
        lambda: data.trash_class(*ids, versions=versions), text.format(n=number(len(ids))), ":material/folder_delete:"
    )


def _make(name: str) -> None:
    changes.make(
        lambda: services.dataset().create_class(name),
        _("The class {name} is made.").format(name=name.strip()),
        ":material/new_label:",
    )
    workbench().empty("table.new")


def _as_csv(records: list[ClassRecord]) -> None:
    """The table out, filled in by a spreadsheet, and in again."""
    spreadsheet(
        _("Fields from a spreadsheet"),
        _(
            "A CSV with a column `name`, perhaps `aliases` (parted by `|`), and any other columns: each becomes a field. "
            "Empty cells change nothing."
        ),
        key="table",
        take_in=_("Fill in the fields"),
        then=_fill,
        out=lambda: classes_csv(records),
        file_name="classes.csv",
    )


def _fill(content: bytes) -> None:
    bench, data = workbench(), services.dataset()
    before = data.version
    try:
        unknown = import_class_fields(data, content)
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return
    bench.empty("table.csv")
    text = _("The fields are filled in.") if data.version != before else _("Nothing was new in this table.")
    if unknown:
        text += " " + _("Not classes here: {names}").format(names=", ".join(unknown[:NAMED]))
    bench.notices.append(Notice(text, ":material/table_view:"))
