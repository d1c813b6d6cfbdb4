"""Label a few thousand small images: one at a time by the keyboard, or many at once in a grid."""

import streamlit as st

from core.review.queue import ORDERS
from pages.ui import cached
from pages.ui.data import label_queue, labelling, review, selecting
from pages.ui.i18n import _
from pages.ui.links import linked_switch
from pages.ui.state import end_page

if not cached.labelled()[0]:
    st.title(_("Label"))
    selecting.nothing_at_all()
    end_page()

orders = {
    "unlabelled": _("Without a label first"),
    "doubtful": _("Least certain first"),
    "confused": _("Most confused pairs"),
    "class": _("By class"),
}
views = {"one": ":material/center_focus_strong: " + _("One by one"), "grid": ":material/grid_on: " + _("Grid")}
with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Label"), width="stretch")
    chosen = label_queue.filters(orders, list(ORDERS))
    view = linked_switch(_("View"), views, param="view", key="label.view", default="one")
with review.jobs_under_way():
    if view == "grid":
        label_queue.show(chosen)
    else:
        label_queue.take(chosen)
        labelling.show(labelling.desk())
