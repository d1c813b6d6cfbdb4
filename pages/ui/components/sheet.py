"""A table that can be edited in place: rows in, the cells that a person changed or ticked out.

A component of our own. Columns go by fixed ids, choices by keys; titles, names and every value are data that the browser
sets as text. There is no expression, no template and no code in what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import workbench

HERE = Path(__file__).parent
LONGEST = 2000  # characters of a cell that are taken
REFUSED = 200  # cells that keep what could not be taken
MOST = 10_000  # cells of one event that are taken

_COMPONENT = st.components.v2.component(
    "burin_sheet",
    html='<div class="sheet"></div>\n',
    css=(HERE / "sheet.css").read_text(encoding="utf-8"),
    js=(HERE / "sheet.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Column:
    """One column: ``id`` names it in the rows and is never made of what somebody typed; ``title`` is text.
    "choice": the rows hold keys of ``choices`` (key, text); "picture": an address of a thumbnail of ours; "open": a word
    that opens the row when it is clicked, or at Enter."""

    id: str
    title: str
    width: int
    kind: Literal["text", "number", "picture", "choice", "open"] = "text"
    editable: bool = False
    pinned: bool = False
    choices: Sequence[tuple[int | str, str]] = ()


@dataclass(frozen=True)
class Edit:
    """A cell that was changed: its row's id, its column, the new text or key, and the one that was seen before."""

    row: int
    column: str
    value: str | int
    was: str | int = ""


@dataclass(frozen=True)
class Said:
    """What a person did since the last run, each thing once: cells ``edits`` (those of one paste together), and the
    ids ``selected`` now, where that changed; the id of the row ``opened`` last."""

    edits: tuple[Edit, ...] = ()
    selected: list[int] | None = None
    opened: int | None = None


def sheet(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[Column],
    *,
    key: str,
    selected: Sequence[int] | None = None,
    height: int = 620,
    row_height: int = 44,
) -> Said | None:
    """Draw the rows (each with an integer "id" and a value a column); what the person did just now, once, else None.

    ``selected``: the ids that are ticked; None has no tick boxes. A row that is drawn again under the same ``key``
    keeps focus, scroll and what is being typed.
    """
    bench = workbench()
    data = {
        "columns": [
            {
                "id": column.id,
                "title": column.title,
                "width": column.width,
                "kind": column.kind,
                "editable": column.editable,
                "pinned": column.pinned,
                "choices": [list(choice) for choice in column.choices],
            }
            for column in columns
        ],
        "rows": list(rows),
        "selected": None if selected is None else list(selected),
        "height": height,
        "row_height": row_height,
        "ack": bench.handled.get(key, 0),
        "refused": bench.refused.get(key, []),
        "words": {
            "table": _("Table: arrows move, Enter edits, Space ticks, Ctrl+D fills down"),
            "all": _("select all"),
            "tick": _("select"),
            "filter": _("Filter…"),
            "number": _("> 50"),
            "nothing": _("Nothing to show"),
            "unknown": _("That is none of the choices. Esc leaves the cell as it was."),
            "missed": _("Cells that could not take what was pasted: {n}"),
        },
    }
    answer = _COMPONENT(data=data, key=key, on_said_change=lambda: None)
    said, bench.handled[key] = _new(answer.said, {column.id: column for column in columns}, bench.handled.get(key, 0))
    return said


def refuse(key: str, edit: Edit, why: str) -> None:
    """Let the table called ``key`` keep what was typed into a cell and not taken, marked, with the reason, to be mended:
    it stays until the cell is edited again or left by Esc."""
    bench = workbench()
    bench.refusals += 1
    one = {"n": bench.refusals, "id": edit.row, "column": edit.column, "value": str(edit.value), "why": why}
    bench.refused[key] = [*bench.refused.get(key, []), one][-REFUSED:]


def _new(said: Any, columns: dict[str, Column], ack: int) -> tuple[Said | None, int]:
    """What the log holds after ``ack``, and the number to acknowledge. Nothing in it is trusted to be well formed."""
    log = said.get("log") if isinstance(said, dict) else None
    edits: list[Edit] = []
    selected, opened = None, None
    for entry in log if isinstance(log, list) else []:
        if not isinstance(entry, dict) or not _whole(entry.get("seq")) or int(entry["seq"]) <= ack:
            continue
        ack = int(entry["seq"])
        if isinstance(entry.get("edits"), list):
            edits += filter(None, (_edit(each, columns) for each in entry["edits"][:MOST]))
        if isinstance(entry.get("ticks"), list):
            selected = [int(item_id) for item_id in entry["ticks"] if _whole(item_id)]
        if _whole(entry.get("open")):
            opened = int(entry["open"])
    if not edits and selected is None and opened is None:
        return None, ack
    return Said(tuple(edits), selected, opened), ack


def _edit(said: Any, columns: dict[str, Column]) -> Edit | None:
    if not isinstance(said, dict) or not _whole(said.get("id")):
        return None
    column = columns.get(str(said.get("column")))
    if column is None or not column.editable:
        return None
    value, was = said.get("value"), said.get("was", "")
    if column.kind == "choice":
        known = {choice for choice, _text in column.choices}
        if not isinstance(value, str | int) or value not in known:
            return None
        return Edit(int(said["id"]), column.id, value, was if isinstance(was, str | int) else "")
    return Edit(int(said["id"]), column.id, str(value if value is not None else "")[:LONGEST], str(was))


def _whole(number: Any) -> bool:
    """JavaScript has one kind of number: 3.0 is 3."""
    return (isinstance(number, int) and not isinstance(number, bool)) or (
        isinstance(number, float) and number.is_integer()
    )
