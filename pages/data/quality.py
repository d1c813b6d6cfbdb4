"""What deserves a second look: doubtful labels, copies, empty images, mirror twins; each one click from its fix."""

import streamlit as st

from pages.ui import services, widgets
from pages.ui.data import found, quality_lists, review
from pages.ui.i18n import _, number
from pages.ui.links import linked_choice
from pages.ui.state import end_page

data = services.dataset()

st.title(_("Quality"))
if not data.counts().originals:
    if widgets.being_read():
        end_page()
    st.info(_("There is nothing to check yet."), title=_("The library is empty"), icon=":material/rule:")
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})
    end_page()

with review.jobs_under_way():
    lists = found.gather()
found.check_line(lists.findings)
sizes = lists.sizes()
names = {
    "labels": _("Labels in doubt"),
    "copies": _("Copies"),
    "look": _("Blank or tiny"),
    "sights": _("Sights in doubt"),
    "twins": _("Mirror twins"),
}
chosen = linked_choice(
    st.segmented_control,
    _("List"),
    list(quality_lists.LISTS),
    param="list",
    key="quality.list",
    default="labels",
    required=True,
    format_func=lambda name: f"{names[name]} ({number(sizes[name])})",
    label_visibility="collapsed",
)
quality_lists.SHOW[chosen or "labels"](lists, {record.id: record for record in data.classes()})
