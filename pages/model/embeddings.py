"""Every image as a point, alike ones near each other: colour it, draw around some, correct them together."""

import streamlit as st

from pages.ui.evaluation import atlas, evaluating
from pages.ui.i18n import _
from pages.ui.search import trying

st.title(_("Map"))
if evaluating.empty():
    st.stop()
atlas.show()
trying.noted("map")
