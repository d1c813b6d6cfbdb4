"""A table that can be edited in place (AG Grid): rows in, the events of one row or of the selection out.

The grid sends back ids and the one cell that changed, never the table. The few lines of JavaScript
it needs are constants of this file: no name and no value of the data ever becomes code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import workbench

ROW_ID = "function(p){return String(p.data.id)}"
# The grid joins the lines before it runs them: each statement ends in a semicolon.
PICTURE = """
class Picture {
  init(p) {
    this.eGui = document.createElement('img');
    this.eGui.style.cssText = 'height:100%;width:100%;object-fit:contain;background:#fff;border-radius:4px;padding:2px;box-sizing:border-box';
    this.eGui.alt = '';
    if (typeof p.value === 'string' && p.value.startsWith('data:image/webp;base64,')) { this.eGui.src = p.value; }
  }
  getGui() { return this.eGui; }
}
"""
SAID = """
function({streamlitRerunEventTriggerName, eventData}) {
  const e = eventData;
  const said = {at: Date.now() + Math.random(), event: streamlitRerunEventTriggerName};
  said.selected = e.api.getSelectedRows().map(row => row.id);
  if (streamlitRerunEventTriggerName === 'cellValueChanged') {
    said.edit = {id: e.data.id, column: e.column.getColId(), value: String(e.newValue ?? '')};
  }
  return said;
}
"""
# The table is a frame of its own, with no font of the page around it.
FONT = {"@font-face": {"font-family": "'Instrument Sans'", "font-weight": "400 700",
                       "src": "url(/app/static/fonts/instrument-sans-latin-wght-normal.woff2)"}}  # fmt: skip
LIGHT = {"accentColor": "#98481c", "backgroundColor": "#fcf9f3", "foregroundColor": "#161310", "borderColor": "#dccfb9",
         "headerBackgroundColor": "#f4eee2", "oddRowBackgroundColor": "#fcf9f3", "browserColorScheme": "light"}  # fmt: skip
DARK = {"accentColor": "#d98a52", "backgroundColor": "#141518", "foregroundColor": "#ece6da", "borderColor": "#3b3d42",
        "headerBackgroundColor": "#202226", "oddRowBackgroundColor": "#141518", "browserColorScheme": "dark"}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One event: the ids ``selected`` now, or the ``edit`` of a cell as (row id, column, new text)."""

    selected: list[int] | None = None
    edit: tuple[int, str, str] | None = None


def sheet(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[dict[str, Any]],
    *,
    key: str,
    selected: Sequence[int] | None = None,
    height: int = 620,
    row_height: int = 44,
) -> Said | None:
    """Draw the rows (each with an integer "id"); the event that the person just caused, once, else None.

    ``columns`` are AG Grid's column definitions; "picture": True shows a thumbnail. ``selected``: the
    ids that are ticked; None has no tick boxes.
    """
    import pandas as pd
    from st_aggrid import AgGrid, DataReturnMode, JsCode, StAggridTheme

    key = _followed(key, selected)
    definitions = []
    for column in columns:
        definition = {"sortable": True, "filter": True, "resizable": True, **column}
        if definition.pop("picture", False):
            definition |= {
                "cellRenderer": JsCode(PICTURE),
                "sortable": False,
                "filter": False,
                "cellStyle": {"padding": "2px"},
            }
        definitions.append(definition)
    options: dict[str, Any] = {
        "columnDefs": definitions,
        "getRowId": JsCode(ROW_ID),
        "rowHeight": row_height,
        "localeText": _grid_texts(),
        "animateRows": False,
        "singleClickEdit": False,
        "stopEditingWhenCellsLoseFocus": True,
        "suppressFieldDotNotation": True,
    }
    if selected is not None:
        options["rowSelection"] = {
            "mode": "multiRow",
            "checkboxes": True,
            "headerCheckbox": True,
            "selectAll": "filtered",
        }
        options["selectionColumnDef"] = {"pinned": "left"}
        options["initialState"] = {"rowSelection": [str(item_id) for item_id in selected]}
    look = DARK if st.context.theme.type == "dark" else LIGHT
    font = {"fontFamily": "'Instrument Sans', sans-serif", "fontSize": 14, "wrapperBorderRadius": 6}
    answer = AgGrid(
        pd.DataFrame(rows),
        gridOptions=options,
        height=height,
        key=key,
        theme=StAggridTheme(base="quartz").withParams(**look, **font),
        data_return_mode=DataReturnMode.CUSTOM,
        custom_jscode_for_grid_return=JsCode(SAID),
        server_sync_strategy="server_wins",
        update_on=["cellValueChanged", "selectionChanged"],
        allow_unsafe_jscode=True,
        custom_css=FONT,
    )
    said = _new(answer.raw_data if answer is not None else None, key, ticked=selected is not None)
    if said is not None and said.selected is not None:
        workbench().ticks[key] = set(said.selected)
    return said


def _followed(key: str, selected: Sequence[int] | None) -> str:
    """The key of a grid that shows ``selected`` as ticked: another one where its own ticks are not these any more,
    since a grid that is there takes no ticks from outside."""
    if selected is None:
        return key
    bench, wanted = workbench(), set(selected)
    rounds = int(bench.handled.get(f"{key} round", 0))
    if bench.ticks.setdefault(f"{key}.{rounds}", wanted) != wanted:
        bench.ticks.pop(f"{key}.{rounds}")
        rounds += 1
        bench.handled[f"{key} round"] = rounds
        bench.ticks[f"{key}.{rounds}"] = wanted
    return f"{key}.{rounds}"


def _new(said: Any, key: str, *, ticked: bool) -> Said | None:
    """The event, unless an earlier run has handled it."""
    handled = workbench().handled
    if not isinstance(said, dict) or not isinstance(said.get("at"), int | float) or handled.get(key, 0.0) >= said["at"]:
        return None
    handled[key] = said["at"]
    edit = said.get("edit")
    if isinstance(edit, dict) and isinstance(edit.get("id"), int):
        return Said(edit=(edit["id"], str(edit.get("column", "")), str(edit.get("value", ""))[:2000]))
    if ticked and said.get("event") == "selectionChanged" and isinstance(said.get("selected"), list):
        return Said(selected=[item_id for item_id in said["selected"] if isinstance(item_id, int)])
    return None


def _grid_texts() -> dict[str, str]:
    """The words that AG Grid itself shows."""
    return {
        "noRowsToShow": _("Nothing to show"),
        "filterOoo": _("Filter…"),
        "contains": _("contains"),
        "notContains": _("does not contain"),
        "equals": _("is"),
        "notEqual": _("is not"),
        "startsWith": _("starts with"),
        "endsWith": _("ends with"),
        "blank": _("is empty"),
        "notBlank": _("is not empty"),
        "lessThan": _("less than"),
        "greaterThan": _("greater than"),
        "lessThanOrEqual": _("at most"),
        "greaterThanOrEqual": _("at least"),
        "inRange": _("between"),
        "andCondition": _("and"),
        "orCondition": _("or"),
        "selectAll": _("select all"),
        "searchOoo": _("Search…"),
    }
