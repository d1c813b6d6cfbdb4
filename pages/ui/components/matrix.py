"""A confusion matrix that stays readable from 3 to 300 classes; a click on a cell opens it.

A component of our own: Plotly's heat maps tell Streamlit of no click, and neither they nor Vega's keep 300 names
readable. Which classes lie beside which is core's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_matrix",
    html='<div class="matrix"></div>\n',
    css=(HERE / "matrix.css").read_text(encoding="utf-8"),
    js=(HERE / "matrix.js").read_text(encoding="utf-8"),
)


def matrix(
    names: Sequence[str],
    cells: Sequence[tuple[int, int, int]],
    totals: Sequence[int],
    *,
    current: tuple[int, int] | None,
    diagonal: bool,
    normalised: bool,
    log: bool,
    words: Mapping[str, str],
    place: str,
    key: str,
) -> tuple[int, int] | None:
    """Draw it; the (row, column) opened in this run, else None.

    ``names`` (n): the classes in the order of rows and columns; ``cells``: (row, column, count) of what is not zero;
    ``totals`` (n): the queries of each row; ``place``: what it is of, for a zoom to be kept. ``words``: matrix, hint, cell ({own}, {other}, {n}, {total}), said, truth,
    nearer, farther, fit.
    """
    dark = st.context.theme.type == "dark"
    data = {
        "names": list(names),
        "cells": [list(cell) for cell in cells],
        "totals": list(totals),
        "current": list(current) if current else None,
        "diagonal": diagonal,
        "normalised": normalised,
        "log": log,
        "dark": dark,
        "words": dict(words),
        "place": place,
        "version": f"{place}.{diagonal}.{normalised}.{log}.{dark}.{hash(tuple(cells))}",
    }
    opened = _COMPONENT(data=data, key=key, on_opened_change=lambda: None).opened
    if (
        isinstance(opened, list)
        and len(opened) == 2
        and all(isinstance(at, int) and 0 <= at < len(names) for at in opened)
    ):
        return opened[0], opened[1]
    return None
