"""Images and classes as tables: sort, filter, edit in place, tick many."""

import streamlit as st

from pages.ui import services
from pages.ui.data import class_table, selecting, tables
from pages.ui.i18n import _
from pages.ui.links import linked_switch
from pages.ui.state import end_page

if not services.dataset().counts().originals:
    st.title(_("Table"))
    selecting.nothing_at_all()
    end_page()

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Table"), width="stretch")
    views = {"items": _("Images"), "classes": _("Classes")}
    view = linked_switch(_("View"), views, param="view", key="table.view", default="items")
if view == "classes":
    class_table.classes()
else:
    tables.items()
