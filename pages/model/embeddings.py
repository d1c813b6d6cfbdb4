"""Every image as a point, alike ones near each other: colour it, draw around some, correct them together."""

import streamlit as st

from pages.ui.evaluation import atlas, evaluating
from pages.ui.i18n import _
from pages.ui.search import trying
from pages.ui.state import end_page

st.title(_("Map"))
if evaluating.empty():
    end_page()
atlas.show()
trying.noted("map")
