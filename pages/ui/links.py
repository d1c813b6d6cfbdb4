"""Choices kept in the URL by a name of ours, the same in every language.

Streamlit's own ``bind`` writes an option as its label, so a link made in French would not open in
English. Where labels are not translated (class names, a search, a page number) ``bind`` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.ui.state import workbench


def linked_choice(
    control: Callable[..., Any],
    label: str,
    options: Sequence[str],
    *,
    param: str,
    key: str,
    default: str | None = None,
    sticky: bool = False,
    **how: Any,
) -> str | None:
    """A single choice by ``control`` (`st.segmented_control`, `st.pills`), kept in the URL as ``param``.

    The default leaves the URL clean. ``sticky``: a URL without ``param`` keeps what was chosen before,
    instead of meaning the default (for what follows the visitor from page to page).
    """
    seen = workbench().links
    before = seen.get(key, default)
    wanted = st.query_params.get(param, before if sticky else default)
    if wanted not in options:
        wanted = default
    # A new control is told by its default: a value set from here is lost where the run is followed by
    # another before the browser has drawn it, and the control would then answer with nothing.
    if key in st.session_state and wanted != before:  # the URL moved: a link, Back, another tab's address
        st.session_state[key] = wanted
    elif control is st.selectbox:
        how["index"] = options.index(wanted) if wanted in options else None
    else:
        how["default"] = wanted
    chosen = control(label, options, key=key, **how)
    if chosen == default:
        st.query_params.pop(param, None)
    elif st.query_params.get(param) != chosen:
        st.query_params[param] = chosen
    seen[key] = chosen
    return chosen


def linked_switch(
    label: str, names: Mapping[str, str], *, param: str, key: str, default: str, **how: Any
) -> str | None:
    """One of a few side by side, always one of them: option -> its name. ``label`` is for who cannot see them."""
    return linked_choice(
        st.segmented_control, label, list(names), param=param, key=key, default=default, required=True,
        format_func=names.__getitem__, label_visibility="collapsed", **how,
    )  # fmt: skip
