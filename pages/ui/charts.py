"""The theme's colours for figures that core makes, in the light or the dark it is seen in."""

from __future__ import annotations

import streamlit as st

from core.variation.figures import Look

CONFIG = {"displayModeBar": False, "scrollZoom": False}


def look() -> Look:
    shade = "dark" if st.context.theme.type == "dark" else "light"

    def colour(name: str) -> str:
        return str(st.get_option(f"theme.{shade}.{name}"))

    return Look(
        text=colour("textColor"),
        soft=colour("grayColor"),
        paper=colour("backgroundColor"),
        accent=colour("primaryColor"),
        second=colour("blueColor"),
        danger=colour("redColor"),
    )


def palette() -> list[str]:
    """The theme's colours for categories, in their order."""
    shade = "dark" if st.context.theme.type == "dark" else "light"
    return [str(colour) for colour in st.get_option(f"theme.{shade}.chartCategoricalColors") or ()]
