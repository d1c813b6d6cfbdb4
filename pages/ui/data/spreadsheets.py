"""A table out as CSV, filled in by a spreadsheet, and in again: the same box on Table and Products."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui import people, widgets
from pages.ui.i18n import _
from pages.ui.state import workbench


def spreadsheet(
    title: str,
    explained: str,
    *,
    key: str,
    take_in: str,
    then: Callable[[bytes], None],
    out: Callable[[], bytes] | None,
    file_name: str,
    expanded: bool = False,
) -> None:
    """Asks for a CSV, whose bytes the button ``take_in`` hands to ``then``, and offers what ``out`` answers, the table
    as it is (None: there is none yet). ``then`` empties ``{key}.csv`` once they are taken."""
    with st.expander(title, icon=":material/table_view:", expanded=expanded):
        st.markdown(explained)
        given = st.file_uploader(
            _("The CSV"), type=["csv"], key=workbench().round_of(f"{key}.csv"), label_visibility="collapsed"
        )
        with st.container(horizontal=True):
            st.button(
                take_in, icon=":material/upload:", key=f"{key}.fill", on_click=then,
                args=(given.getvalue() if given else b"",), **people.bar(disabled=given is None),
            )  # fmt: skip
            if out:
                widgets.download(
                    _("The table as it is"), out, file_name, "text/csv", key=f"{key}.csv_out", type="tertiary"
                )
