"""Browse, add, correct and take out originals. Each part is a module of ``pages/ui``; this script only chooses."""

import streamlit as st

from pages.ui import services, widgets
from pages.ui.data import browse, detail, exporting, importing, trash
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_switch


def _count() -> None:
    """How much there is; it moves while images are being taken in."""
    counts = services.dataset().counts()
    text = _("{originals} in {classes}").format(
        originals=widgets.originals(counts.originals, counts.variants),
        classes=ngettext("{n} class", "{n} classes", counts.classes).format(n=number(counts.classes)),
    )
    st.markdown("" if services.being_read() else text)


st.title(_("Library"))
with st.container(horizontal=True, vertical_alignment="center"):
    with st.container(width="stretch"):
        widgets.live(_count)
    views = {
        "browse": ":material/grid_view: " + _("Browse"),
        "add": ":material/add_photo_alternate: " + _("Add images"),
        "export": ":material/download: " + _("Export"),
        "trash": ":material/delete: " + _("Trash"),
    }
    view = linked_switch(_("View"), views, param="view", key="library.view", default="browse", wrap=True)

if view == "add":
    importing.add_images()
elif view == "export":
    exporting.take_out()
else:
    detail.open_from_url(trash.show() if view == "trash" else browse.browse())
